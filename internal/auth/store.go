package auth

import (
	"context"
	"errors"
	"time"
)

// What a store says. Every other error of a store is a failure of the store itself.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	// ErrStoreBusy means that the store cannot take the change now and nothing was changed; a retry is safe (P52).
	ErrStoreBusy = errors.New("store busy")
	// ErrTooLarge means that the answer would take more than the question allows.
	ErrTooLarge = errors.New("too large")
	// ErrOutcomeUnknown means that a commit may or may not have happened (P50).
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// Reader reads. Each method that takes a project finds nothing of another one. Get methods fail with ErrNotFound.
type Reader interface {
	GetProject(ctx context.Context, id ProjectID) (Project, error)
	ListProjects(ctx context.Context, after ProjectID, limit int) ([]Project, error)

	GetUser(ctx context.Context, p ProjectID, id UserID) (User, error)
	GetUserByEmail(ctx context.Context, p ProjectID, email Email) (User, error)
	SearchUsers(ctx context.Context, p ProjectID, s UserSearch) ([]User, error)
	// QueryUsers gives one page and the number of all that match. It reads no more than q.MaxBytes, and fails with ErrTooLarge where the page takes more.
	QueryUsers(ctx context.Context, p ProjectID, q UserQuery) ([]User, int, error)
	CountUsers(ctx context.Context, p ProjectID) (int, error)

	GetUserImport(ctx context.Context, p ProjectID, id UserImportID) (UserImport, error)
	ListUserImports(ctx context.Context, p ProjectID, limit int) ([]UserImport, error) // the newest first
	// WorkingUserImports lists the instance's imports that the server is at by itself, the oldest first.
	WorkingUserImports(ctx context.Context, limit int) ([]UserImport, error)
	// NextUserImportPart gives the first part after the given one, "" for the first of all.
	NextUserImportPart(ctx context.Context, p ProjectID, i UserImportID, after string) (UserImportPart, error)

	GetIdentity(ctx context.Context, p ProjectID, providerID, subject string) (Identity, error)
	ListIdentities(ctx context.Context, p ProjectID, user UserID) ([]Identity, error)

	GetRole(ctx context.Context, p ProjectID, id RoleID) (Role, error)
	GetRoleByName(ctx context.Context, p ProjectID, name string) (Role, error)
	ListRoles(ctx context.Context, p ProjectID) ([]Role, error) // by name

	GetSession(ctx context.Context, p ProjectID, id SessionID) (Session, error)
	// ListSessions gives the user's living sessions, newest first; user "" gives those of all users of the project.
	ListSessions(ctx context.Context, p ProjectID, user UserID, after SessionID, limit int) ([]Session, error)
	// GetSignedIn is GetSession with the session's user.
	GetSignedIn(ctx context.Context, p ProjectID, id SessionID) (SignedIn, error)
	GetRefreshToken(ctx context.Context, p ProjectID, hash []byte) (RefreshToken, error)
	// GetRefreshable is GetRefreshToken with the token's session and user.
	GetRefreshable(ctx context.Context, p ProjectID, hash []byte) (Refreshable, error)

	GetBrowserToken(ctx context.Context, p ProjectID, hash []byte) (BrowserToken, error)
	// GetSignInCode finds used and expired ones, too.
	GetSignInCode(ctx context.Context, p ProjectID, hash []byte) (SignInCode, error)

	// IsKnownSource tells whether somebody signed in from the source to the account of the address.
	IsKnownSource(ctx context.Context, p ProjectID, email Email, source string) (bool, error)

	GetOOBCode(ctx context.Context, p ProjectID, hash []byte) (OOBCode, error)
	// ListOOBCodes gives the user's codes of the purpose, used and expired ones too, the newest first.
	ListOOBCodes(ctx context.Context, p ProjectID, user UserID, purpose OOBPurpose) ([]OOBCode, error)

	GetIdentityProvider(ctx context.Context, p ProjectID, id string) (IdentityProvider, error)
	ListIdentityProviders(ctx context.Context, p ProjectID) ([]IdentityProvider, error) // by id
	GetSignInFlow(ctx context.Context, p ProjectID, sessionHash []byte) (SignInFlow, error)

	// ListSecondFactors gives the user's factors, unconfirmed ones too, the oldest first.
	ListSecondFactors(ctx context.Context, p ProjectID, user UserID) ([]SecondFactor, error)
	// GetPasskey finds a confirmed passkey by the hash of its credential id.
	GetPasskey(ctx context.Context, p ProjectID, credentialHash []byte) (SecondFactor, error)
	CountRecoveryCodes(ctx context.Context, p ProjectID, user UserID) (int, error)
	// GetPendingSignIn finds one that has not expired at now.
	GetPendingSignIn(ctx context.Context, p ProjectID, hash []byte, now time.Time) (PendingSignIn, error)

	// ListSigningKeys gives all keys that are still stored, the newest first.
	ListSigningKeys(ctx context.Context, p ProjectID) ([]SigningKey, error)

	ListMailTemplates(ctx context.Context, p ProjectID) ([]MailTemplate, error)
	GetMail(ctx context.Context, p ProjectID, id MailID) (OutboxMail, error)
	// ListMail gives the newest first, without their transcripts. p "" lists all projects; state "" all states; before "" begins with the newest.
	ListMail(ctx context.Context, p ProjectID, state MailState, before MailID, limit int) ([]OutboxMail, error)
	// CountMail counts the instance's mails by state.
	CountMail(ctx context.Context) (map[MailState]int, error)
	// OldestWaitingMail gives when the oldest of the instance's queued and leased mails was created; the zero time where there is none.
	OldestWaitingMail(ctx context.Context) (time.Time, error)

	// ListAudit gives the newest first. p "" lists all projects and the instance.
	ListAudit(ctx context.Context, p ProjectID, f AuditFilter) ([]AuditRecord, error)

	// Activity gives what happened in the project from since until until, by steps that begin with the epoch, without those in which nothing did. first is an id that no
	// record from since on is before.
	Activity(ctx context.Context, p ProjectID, first AuditID, since, until time.Time, step time.Duration) ([]ActivityPoint, error)
	// UncountedActivity names the projects of the instance that have audit records to be added up whose ids are before the given one.
	UncountedActivity(ctx context.Context, before AuditID) ([]ProjectID, error)

	// ListDecisions gives up to limit decisions of one request, the oldest first. p "" looks in all projects.
	ListDecisions(ctx context.Context, p ProjectID, reference Reference, limit int) ([]Decision, error)

	GetOperatorTokenByHash(ctx context.Context, hash []byte) (OperatorToken, error)
	ListOperatorTokens(ctx context.Context) ([]OperatorToken, error)

	// GetSetupCode finds expired ones, too.
	GetSetupCode(ctx context.Context, hash []byte) (SetupCode, error)

	// ListSealed gives sealed values of one kind, in the order of (Project, Row), after the given one; for rotation of the master key.
	ListSealed(ctx context.Context, kind SealedKind, after SealedValue, limit int) ([]SealedValue, error)

	GetWebhook(ctx context.Context, p ProjectID, id WebhookID) (Webhook, error)
	ListWebhooks(ctx context.Context, p ProjectID) ([]Webhook, error) // the oldest first
	ListWebhookDeliveries(ctx context.Context, p ProjectID, f DeliveryFilter) ([]WebhookDelivery, error)
	// CountWebhookDeliveries counts the instance's deliveries by state, but those that are delivered.
	CountWebhookDeliveries(ctx context.Context) (map[DeliveryState]int, error)
	// DueMail names the projects of the instance that have a mail to be claimed at now.
	DueMail(ctx context.Context, now time.Time) ([]ProjectID, error)
	// CountWaitingDeliveries counts the webhook's deliveries that are queued or leased, but no further than to most.
	CountWaitingDeliveries(ctx context.Context, p ProjectID, w WebhookID, most int) (int, error)
	// DueWebhooks names the enabled webhooks of the instance that have a delivery to be claimed at now.
	DueWebhooks(ctx context.Context, now time.Time) ([]DueWebhook, error)

	GetTLSFile(ctx context.Context, path string) (TLSFile, error)
	// ListTLSFiles gives the paths of the files below a directory, sorted; directory "" is the root.
	ListTLSFiles(ctx context.Context, directory string) ([]string, error)
}

// Tx reads and writes in one serializable transaction.
type Tx interface {
	Reader

	// CreateProject fails with ErrConflict where the id is taken or was ever used (P6).
	CreateProject(ctx context.Context, p Project) error
	// UpdateProject writes all fields but ID and CreatedAt, and sets Version one higher than it was stored.
	UpdateProject(ctx context.Context, p Project) error
	// DeleteProject hides the project from everybody at once, for ever, and its id stays taken. Its rows stay until [ProjectRows.AbandonProject]. It fails with ErrNotFound.
	DeleteProject(ctx context.Context, id ProjectID, now time.Time) error

	// CreateUser fails with ErrConflict where the uid or the email is taken.
	CreateUser(ctx context.Context, u User) error
	// UpdateUser writes all fields but Project, ID and CreatedAt. It fails with ErrConflict where the email is taken.
	UpdateUser(ctx context.Context, u User) error
	// DeleteUser removes the user with its identities, sessions, refresh tokens, codes, role assignments, ended webhook deliveries, and the decisions about it. What is
	// still to be told to webhooks is told.
	DeleteUser(ctx context.Context, p ProjectID, id UserID) error

	CreateUserImport(ctx context.Context, i UserImport) error
	// UpdateUserImport writes all fields but Project, ID, FileName and CreatedAt.
	UpdateUserImport(ctx context.Context, i UserImport) error
	// DeleteUserImport removes it with its parts.
	DeleteUserImport(ctx context.Context, p ProjectID, id UserImportID) error
	CreateUserImportPart(ctx context.Context, part UserImportPart) error
	DeleteUserImportPart(ctx context.Context, p ProjectID, id string) error
	DeleteUserImportParts(ctx context.Context, p ProjectID, i UserImportID) error // there may be none

	CreateIdentity(ctx context.Context, i Identity) error
	UpdateIdentity(ctx context.Context, i Identity) error
	DeleteIdentity(ctx context.Context, p ProjectID, providerID, subject string) error

	CreateRole(ctx context.Context, r Role) error
	// DeleteRole removes it from its users too.
	DeleteRole(ctx context.Context, p ProjectID, id RoleID) error

	CreateSession(ctx context.Context, s Session) error
	// TouchSession fails with ErrNotFound where there is no such living session.
	TouchSession(ctx context.Context, p ProjectID, id SessionID, now time.Time) error
	// StrengthenSession notes the second factor that was proven in a session. It fails with ErrNotFound where there is no such living session.
	StrengthenSession(ctx context.Context, p ProjectID, id SessionID, kind SecondFactorKind, factor SecondFactorID) error
	// RevokeSession fails with ErrNotFound where there is no such living session.
	RevokeSession(ctx context.Context, p ProjectID, id SessionID, now time.Time) error
	// RevokeUserSessions revokes the user's living sessions but the one to keep ("" keeps none), and says how many.
	RevokeUserSessions(ctx context.Context, p ProjectID, user UserID, keep SessionID, now time.Time) (int, error)

	// AddKnownSource remembers that the user signed in from the source; of each user the newest [MaxKnownSources] are kept.
	AddKnownSource(ctx context.Context, p ProjectID, user UserID, source string, now time.Time) error

	// DeleteKnownSources forgets all sources of the user.
	DeleteKnownSources(ctx context.Context, p ProjectID, user UserID) error

	CreateRefreshToken(ctx context.Context, t RefreshToken) error
	// RotateRefreshToken marks a token rotated and names its successor, in one statement. ErrNotFound where it is rotated already.
	RotateRefreshToken(ctx context.Context, p ProjectID, hash, successorHash, successorSalt []byte, now time.Time) error

	CreateBrowserToken(ctx context.Context, t BrowserToken) error
	CreateSignInCode(ctx context.Context, c SignInCode) error
	// ConsumeSignInCode uses a code up for the session that it makes, in one statement. ErrNotFound where it is unknown, used, or expired at now.
	ConsumeSignInCode(ctx context.Context, p ProjectID, hash []byte, made SessionID, now time.Time) error

	// CreateOOBCode takes c.ShortID from the project's other codes, where it is not "".
	CreateOOBCode(ctx context.Context, c OOBCode) error
	// TakeShortCodeTry counts a try at the short code of the id, in one statement, and gives the code. ErrNotFound where it is unknown, used, expired at now, or was tried
	// most times.
	TakeShortCodeTry(ctx context.Context, p ProjectID, id string, now time.Time, most int) (OOBCode, error)
	// RefundShortCodeTry takes a try back; the code may be gone.
	RefundShortCodeTry(ctx context.Context, p ProjectID, hash []byte) error
	// ConsumeOOBCode uses a code up, in one statement. ErrNotFound where it is unknown, used, expired at now, or of another purpose.
	ConsumeOOBCode(ctx context.Context, p ProjectID, hash []byte, purpose OOBPurpose, now time.Time) (OOBCode, error)
	// VoidOOBCodes deletes the user's codes of the purposes; without purposes, all.
	VoidOOBCodes(ctx context.Context, p ProjectID, user UserID, purposes ...OOBPurpose) error
	// VoidLaterOOBCodes deletes the user's codes of the purpose that were made after the instant.
	VoidLaterOOBCodes(ctx context.Context, p ProjectID, user UserID, purpose OOBPurpose, after time.Time) error

	// PutIdentityProvider creates or replaces, all but CreatedAt; DeleteIdentityProvider fails with ErrNotFound.
	PutIdentityProvider(ctx context.Context, i IdentityProvider) error
	DeleteIdentityProvider(ctx context.Context, p ProjectID, id string) error
	CreateSignInFlow(ctx context.Context, f SignInFlow) error
	// ConsumeSignInFlow uses a flow up, in one statement. ErrNotFound where it is unknown, used, or expired at now.
	ConsumeSignInFlow(ctx context.Context, p ProjectID, sessionHash []byte, now time.Time) (SignInFlow, error)

	// CreateSecondFactor fails with ErrConflict where the id is taken.
	CreateSecondFactor(ctx context.Context, f SecondFactor) error
	// ConfirmSecondFactor writes ConfirmedAt, also as the last use, Counter, Credential and CredentialHash of an unconfirmed factor, in one statement. It fails with
	// ErrNotFound where there is none, and with ErrConflict where the credential is known.
	ConfirmSecondFactor(ctx context.Context, f SecondFactor) error
	// UseSecondFactor writes what a use changes, in one statement. ErrNotFound unless the factor is confirmed and its counter grows, or is and stays 0.
	UseSecondFactor(ctx context.Context, p ProjectID, id SecondFactorID, counter int64, credential []byte, now time.Time) error
	DeleteSecondFactor(ctx context.Context, p ProjectID, user UserID, id SecondFactorID) error
	DeleteUnconfirmedSecondFactors(ctx context.Context, p ProjectID, user UserID) error
	// DeleteSecondFactors deletes the user's factors and recovery codes, and says how many factors.
	DeleteSecondFactors(ctx context.Context, p ProjectID, user UserID) (int, error)
	ReplaceRecoveryCodes(ctx context.Context, p ProjectID, user UserID, hashes [][]byte, now time.Time) error
	// UseRecoveryCode uses a code up, in one statement. ErrNotFound where the user has no such code.
	UseRecoveryCode(ctx context.Context, p ProjectID, user UserID, hash []byte) error
	CreatePendingSignIn(ctx context.Context, p PendingSignIn) error
	// TryPendingSignIn counts a try, in one statement. ErrNotFound where it is unknown, expired at now, or was tried most times.
	TryPendingSignIn(ctx context.Context, p ProjectID, hash []byte, most int, now time.Time) (PendingSignIn, error)
	// ConsumePendingSignIn uses it up, in one statement. ErrNotFound where it is unknown or expired at now.
	ConsumePendingSignIn(ctx context.Context, p ProjectID, hash []byte, now time.Time) (PendingSignIn, error)
	VoidPendingSignIns(ctx context.Context, p ProjectID, user UserID) error
	// PutPasskeyChallenge creates, or replaces the one under the same hash.
	PutPasskeyChallenge(ctx context.Context, c PasskeyChallenge) error
	// UsePasskeyChallenge uses it up, in one statement. ErrNotFound where it is unknown or expired at now.
	UsePasskeyChallenge(ctx context.Context, p ProjectID, purpose PasskeyPurpose, hash []byte, now time.Time) (PasskeyChallenge, error)

	CreateSigningKey(ctx context.Context, k SigningKey) error
	// RetireSigningKey ends its signing and sets the end of its publication.
	RetireSigningKey(ctx context.Context, p ProjectID, id KeyID, retiredAt, expiresAt time.Time) error
	DeleteSigningKey(ctx context.Context, p ProjectID, id KeyID) error

	// PutMailTemplate creates or replaces; DeleteMailTemplate fails with ErrNotFound.
	PutMailTemplate(ctx context.Context, t MailTemplate) error
	DeleteMailTemplate(ctx context.Context, p ProjectID, kind MailKind, language string) error
	CreateMail(ctx context.Context, m OutboxMail) error
	// ClaimMail leases up to limit mails of a project that are due at now: queued ones, own ones whose lease ran out, and with takeOver such ones of others.
	// Attempts grows by one.
	ClaimMail(ctx context.Context, p ProjectID, leaseToken string, now, leaseUntil time.Time, limit int, takeOver bool) ([]OutboxMail, error)
	// FinishMail writes State, NextAttemptAt, FinishedAt, LastError, Transcript and Sealed of a mail that is still leased with m.LeaseToken; ErrNotFound otherwise.
	FinishMail(ctx context.Context, m OutboxMail) error
	// RequeueMail makes a kept or dead mail due at now, with no attempts counted. ErrNotFound for other states.
	RequeueMail(ctx context.Context, p ProjectID, id MailID, now time.Time) error
	DeleteMail(ctx context.Context, p ProjectID, id MailID) error

	CreateAudit(ctx context.Context, r AuditRecord) error
	CreateDecision(ctx context.Context, d Decision) error
	// CountActivity adds up to limit of the project's audit records, whose ids are before the given one, to their hours, each once for ever. It says how many.
	CountActivity(ctx context.Context, p ProjectID, before AuditID, limit int) (int, error)

	// RecountActivity forgets what was added up from an hour on, whose first id is from, where records were that are not before the given id: a clock that ran
	// ahead made them. CountActivity adds up anew from there.
	RecountActivity(ctx context.Context, p ProjectID, hour time.Time, from, before AuditID) error

	// TakeLimit counts one use of key against a budget of burst uses that refills by one each interval (GCRA), in one statement.
	// Where the budget is spent it counts nothing and says how long to wait.
	TakeLimit(ctx context.Context, p ProjectID, key string, now time.Time, interval time.Duration, burst int) (retryAfter time.Duration, err error)
	// RefundLimit gives one use back.
	RefundLimit(ctx context.Context, p ProjectID, key string, interval time.Duration) error

	CreateOperatorToken(ctx context.Context, t OperatorToken) error
	DeleteOperatorToken(ctx context.Context, name string) error

	// ReplaceSetupCode creates one, and voids all others.
	ReplaceSetupCode(ctx context.Context, c SetupCode) error
	// UseSetupCode uses it up, in one statement. ErrNotFound where it is unknown or expired at now.
	UseSetupCode(ctx context.Context, hash []byte, now time.Time) error

	// TakeLease gives the work called name to holder until the given instant, or prolongs it, in one statement. ErrConflict where another one holds it at now.
	TakeLease(ctx context.Context, name, holder string, now, until time.Time) error
	// ReleaseLease fails with ErrNotFound where holder does not hold it.
	ReleaseLease(ctx context.Context, name, holder string) error

	// ReplaceSealed swaps one sealed value where it still is old; ErrNotFound where it changed meanwhile.
	ReplaceSealed(ctx context.Context, kind SealedKind, v SealedValue, replacement []byte) error

	// Sweep deletes up to limit rows of each kind that nobody can need any more at now: codes, flows, pending sign-ins,
	// challenges, unconfirmed factors, imports of users and sessions that ended before the given instant, spent limits, expired signing keys, sent mail, decisions, audit records, webhook deliveries and counts older than their retention. It says how many.
	Sweep(ctx context.Context, now time.Time, r Retention, limit int) (int, error)

	// CreateWebhook fails with ErrConflict where the id is taken, or for a second blocking one. UpdateWebhook writes all fields but Project, ID, Kind and CreatedAt.
	CreateWebhook(ctx context.Context, w Webhook) error
	UpdateWebhook(ctx context.Context, w Webhook) error
	// DeleteWebhook removes it with its deliveries.
	DeleteWebhook(ctx context.Context, p ProjectID, id WebhookID) error
	CreateWebhookDelivery(ctx context.Context, d WebhookDelivery) error
	// ClaimWebhookDeliveries leases up to limit deliveries of a webhook that are due at now, as ClaimMail does. Attempts grows by one.
	ClaimWebhookDeliveries(ctx context.Context, p ProjectID, w WebhookID, leaseToken string, now, leaseUntil time.Time, limit int, takeOver bool) ([]WebhookDelivery, error)
	// FinishWebhookDelivery writes State, Payload, NextAttemptAt, FinishedAt, LastStatus and LastError of a delivery that is still leased with d.LeaseToken;
	// ErrNotFound otherwise.
	FinishWebhookDelivery(ctx context.Context, d WebhookDelivery) error
	// RequeueWebhookDelivery makes a dead or queued delivery due at now, with no attempts counted. ErrNotFound for other states.
	RequeueWebhookDelivery(ctx context.Context, p ProjectID, id DeliveryID, now time.Time) error

	// PutTLSFile creates or replaces. DeleteTLSFiles deletes the file at a path and all below it; there may be none.
	PutTLSFile(ctx context.Context, f TLSFile) error
	DeleteTLSFiles(ctx context.Context, path string) error
}

// Limits counts uses; every Tx does, too.
type Limits interface {
	IsKnownSource(ctx context.Context, p ProjectID, email Email, source string) (bool, error)
	TakeLimit(ctx context.Context, p ProjectID, key string, now time.Time, interval time.Duration, burst int) (retryAfter time.Duration, err error)
	RefundLimit(ctx context.Context, p ProjectID, key string, interval time.Duration) error
}

// Store keeps everything. Reads outside a transaction see what is committed.
type Store interface {
	Reader
	// Count is Update for what counts uses and nothing else: all of f or nothing, but each statement sees what others committed before it. So callers of one budget
	// wait for each other, and need not run again.
	Count(ctx context.Context, f func(Limits) error) error
	// Update runs f in one transaction and commits it durably, or leaves everything as it was. f may run more than once, so it has no side effect but through its Tx.
	Update(ctx context.Context, f func(Tx) error) error
	// Ping checks that the store answers.
	Ping(ctx context.Context) error
	Close() error
}

// MaxKnownSources bounds what is remembered of the places that a user signs in from.
const MaxKnownSources = 50

// Retention is how long ended things are kept, for questions that come late (an expired code is told apart from an unknown one).
type Retention struct {
	Codes    time.Duration // after expiry
	Sessions time.Duration // after revocation
	Sources  time.Duration // after the last sign-in from there
	Mail     time.Duration // after sending
	Audit    time.Duration // after the event; 0 keeps for ever
	// Decisions is how long it can be explained why somebody was refused, after the event.
	Decisions time.Duration
	Webhooks  time.Duration // deliveries, after the event
	Activity  time.Duration // counts by the hour, after it
}

// OperatorToken is a credential for the whole instance, stored as its hash.
type OperatorToken struct {
	Name      string
	Hash      []byte
	CreatedAt time.Time
}

// SealedKind is a column that holds sealed values.
type SealedKind string

// The sealed columns. The associated data of each value is (project, table, column, row) as SealedValue.AD spells it.
const (
	SealedSigningKey     SealedKind = "signing_keys.private_sealed"
	SealedMail           SealedKind = "outbox.sealed"
	SealedProjectSecrets SealedKind = "projects.secrets_sealed"
	SealedProvider       SealedKind = "identity_providers.secret_sealed"
	SealedFlow           SealedKind = "sign_in_flows.verifier_sealed"
	SealedWebhook        SealedKind = "webhooks.secret_sealed"
	SealedSecondFactor   SealedKind = "second_factors.secret_sealed"
	SealedTLSFile        SealedKind = "tls_files.sealed"
	SealedShortCode      SealedKind = "oob_codes.short_sealed"
	SealedImport         SealedKind = "user_import_parts.sealed"
)

// SealedValue is one sealed value and where it lies.
type SealedValue struct {
	Project ProjectID
	Row     string // the row's id within its project; for SealedProjectSecrets the project id, for SealedFlow the flow's id, for SealedTLSFile the path, for SealedShortCode OOBCode.ShortID
	Sealed  []byte
}
