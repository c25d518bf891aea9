package auth

import "time"

// MailKind names a template.
type MailKind string

// The mails that the server sends.
const (
	MailVerifyEmail   MailKind = "verify-email"
	MailInvite        MailKind = "invite"
	MailResetPassword MailKind = "reset-password"
	MailChangeEmail   MailKind = "change-email"  // to the new address: confirm the change
	MailEmailChanged  MailKind = "email-changed" // to the old address: it was changed, or is about to be; with the way back where there is one

	MailAccountExists    MailKind = "account-exists"    // to the holder of an account: somebody tried to have another with its address
	MailSignInMethods    MailKind = "sign-in-methods"   // how the account can sign in
	MailPasswordChanged  MailKind = "password-changed"  // with the way back
	MailIdentityLinked   MailKind = "identity-linked"   // with the way back
	MailIdentityUnlinked MailKind = "identity-unlinked" // with the way back
	// MailSecondFactorChanged tells the account's address that a second factor was added or removed; without a link.
	MailSecondFactorChanged MailKind = "second-factor-changed"
)

// MailKinds lists every kind.
func MailKinds() []MailKind {
	return []MailKind{
		MailVerifyEmail, MailInvite, MailResetPassword, MailChangeEmail, MailEmailChanged,
		MailAccountExists, MailSignInMethods, MailPasswordChanged, MailIdentityLinked, MailIdentityUnlinked, MailSecondFactorChanged,
	}
}

// MailData is all that a template may refer to. Values are plain text; templates escape them.
type MailData struct {
	ProjectName string
	UserName    string // "" where unknown
	Email       string // the account's address
	NewEmail    string // of an email change
	Methods     string // of MailSignInMethods: names of providers, separated by commas; of a change of identities: the one
	Link        string // "" where there is nothing to do
	ExpiresIn   time.Duration
	Code        string // to be typed instead of following the link, as K7QM-4T9X; "" where the mail has none
	CodePage    string // where it is typed
}

// Message is a rendered mail.
type Message struct {
	To      Email
	Subject string // one line
	Text    string
	HTML    string
}

// MailTemplate is a project's own version of a built-in template. An empty part falls back to the built-in one of the same language.
type MailTemplate struct {
	Project   ProjectID
	Kind      MailKind
	Language  string // BCP 47
	Subject   string
	Text      string
	HTML      string
	UpdatedAt time.Time
}

// MailRenderer turns a kind and its data into a message.
type MailRenderer interface {
	// Render uses the first of the languages that an override or a built-in template exists for, and at last English.
	// An override that fails to render gives an error; the caller may render again without overrides.
	Render(kind MailKind, languages []string, overrides []MailTemplate, data MailData) (Message, error)
	// Check tells what is wrong with an override, by rendering it with sample data.
	Check(t MailTemplate) error
}

// MailID names a mail of the outbox; ids sort by time.
type MailID string

// MailState is where a mail of the outbox stands.
type MailState string

// The states. A mail is kept when no SMTP server is set: it waits in the mailbox for the developer to read.
const (
	MailQueued  MailState = "queued"  // due at NextAttemptAt
	MailSent    MailState = "sent"    // the SMTP server took it; its content is gone from the store
	MailKept    MailState = "kept"    // in the mailbox
	MailDead    MailState = "dead"    // refused for good, or tried too often; can be retried by hand
	MailWorking MailState = "working" // leased by a worker until LeaseUntil
)

// OutboxMail is a row of the outbox: a mail that a committed change announced (P43).
type OutboxMail struct {
	Project       ProjectID
	ID            MailID
	Kind          MailKind
	To            Email
	State         MailState
	Sealed        []byte // the Message, sealed; it holds codes. nil once sent
	Attempts      int
	CreatedAt     time.Time
	NextAttemptAt time.Time
	LeaseUntil    time.Time
	LeaseToken    string // who works on it; a result counts only with the right one
	FinishedAt    time.Time
	LastError     string // for the operator; no content of the mail
	Transcript    string // the SMTP dialogue of the last attempt, a line each; no content of the mail, no login. Lists leave it out
}
