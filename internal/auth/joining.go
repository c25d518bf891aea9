package auth

// joinDecision is what becomes of somebody whom a provider has identified.
type joinDecision string

const (
	joinSignIn   joinDecision = "sign_in"  // the identity belongs to an account already
	joinCreate   joinDecision = "create"   // nobody has the identity or its address: a new account
	joinLink     joinDecision = "link"     // both sides are verified: the identity joins the account of the address
	joinTakeover joinDecision = "takeover" // the account never verified its address, and the provider did: its password, sessions and identities go
	joinConfirm  joinDecision = "confirm"  // an account has the address, and joining is not safe: the user must sign in the old way first
	joinRefuse   joinDecision = "refuse"   // sign-up is closed
	joinUnproven joinDecision = "unproven" // a new account would need a verified address, and the provider told none that could be verified
)

// joinFacts are all that the decision depends on.
type joinFacts struct {
	identityKnown     bool // (provider, subject) belongs to an account
	identityEmail     bool // the provider told a usable address
	identityVerified  bool // and vouches for it, with a strict boolean
	accountExists     bool // some account has that address
	accountVerified   bool // and has proven it
	accountIsInvitee  bool // it waits for its invite to be accepted
	accountIsDisabled bool // by an admin
	signUpOpen        bool
	addressNeeded     bool // new accounts have to prove an address before they may sign in
}

// decideJoin is the whole policy of joining (P2, P3), as the contract's "same email, other credential" has it.
func decideJoin(f joinFacts) joinDecision {
	switch {
	case f.identityKnown:
		return joinSignIn
	case !f.identityEmail || !f.accountExists:
		if !f.signUpOpen {
			return joinRefuse
		}
		if f.addressNeeded && !f.identityEmail {
			return joinUnproven
		}
		return joinCreate
	case !f.identityVerified:
		return joinConfirm
	case f.accountIsInvitee, f.accountIsDisabled:
		return joinConfirm // a provider's word accepts no invite and changes nothing of a disabled account
	case f.accountVerified:
		return joinLink
	}
	return joinTakeover
}
