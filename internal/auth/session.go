package auth

import (
	"net/netip"
	"time"
)

// SessionID names a session: random, not secret.
type SessionID string

// Session is one sign-in of a user: everything that its refresh tokens descend from.
type Session struct {
	Project    ProjectID
	ID         SessionID
	User       UserID
	ProviderID string    // how the user proved itself: "password", "google.com"
	CreatedAt  time.Time // when it did: auth_time
	LastUsedAt time.Time
	RevokedAt  time.Time // zero while it lives
	Addr       netip.Addr
	UserAgent  string // clipped to 256 bytes
	// The second factor that was proven in it; "" for none. The id may be of a factor that is gone, and is "" for a recovery code.
	SecondFactor   SecondFactorKind
	SecondFactorID SecondFactorID
}

// RefreshToken is one opaque token of a session, stored as its hash.
type RefreshToken struct {
	Project   ProjectID
	Hash      []byte
	Session   SessionID
	User      UserID
	CreatedAt time.Time
	// Of a rotated token only. The salt leads from the token itself to its successor, so that a repeated refresh can be told the same one again
	// while only hashes are stored.
	RotatedAt     time.Time
	SuccessorHash []byte
	SuccessorSalt []byte
}

// SignedIn is a session with its user.
type SignedIn struct {
	Session Session
	User    User
}

// Refreshable is a refresh token with its session and user.
type Refreshable struct {
	Token RefreshToken
	SignedIn
}

// OOBPurpose is what a one-time code is good for.
type OOBPurpose string

// The purposes. A code of one never works for another (P7, P23).
const (
	PurposeVerifyEmail   OOBPurpose = "verify_email"
	PurposeInvite        OOBPurpose = "invite"
	PurposeResetPassword OOBPurpose = "reset_password"
	PurposeChangeEmail   OOBPurpose = "change_email"    // proves the new address before it takes effect
	PurposeTakeBackEmail OOBPurpose = "take_back_email" // lets the old address undo a change
	// PurposeTakeBackClaim is the same for an old address that was never proven: it ends once somebody proves the new one (P2).
	PurposeTakeBackClaim OOBPurpose = "take_back_claim"
	PurposeTakeBack      OOBPurpose = "take_back" // undoes a change of the account's ways in
)

// OOBCode is a one-time secret sent out of band, stored as its hash (P7).
type OOBCode struct {
	Project    ProjectID
	Hash       []byte
	User       UserID
	Purpose    OOBPurpose
	Email      Email // the address it was sent to
	NewEmail   Email // PurposeChangeEmail: the address it would become; PurposeTakeBackEmail: the address it replaced
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ConsumedAt time.Time         // zero while unused
	Undoes     map[string]string // of PurposeTakeBack: what was changed

	ShortID     string // what its short code is looked up by, once in the project; "" where it has none
	ShortSealed []byte // the short code, sealed
	ShortTries  int    // since it was made
}
