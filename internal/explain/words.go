package explain

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

// Asked names what was asked for, as the beginning of a sentence.
func Asked(e auth.Event) string {
	names := map[auth.Event]string{
		auth.EventSignIn: "A sign-in", auth.EventSignUp: "A sign-up", auth.EventRefresh: "A refresh of tokens", auth.EventSignInCodeExchanged: "An exchange of a sign-in code",
		auth.EventSignInCodeReused: "An exchange of a sign-in code that was used before", auth.EventTokenReuse: "A refresh with a token that was used before",
		auth.EventTokenRefused: "A request with an id token", auth.EventSignInBegun: "The beginning of a sign-in at a provider", auth.EventIdentityLinked: "The linking of a provider's account",
		auth.EventPasswordReset: "A password reset", auth.EventResetRequested: "A request for a password reset", auth.EventPasswordChanged: "A change of password",
		auth.EventInviteAccepted: "The acceptance of an invite", auth.EventEmailVerified: "An email verification", auth.EventEmailChanged: "A change of email address",
		auth.EventEmailTakenBack: "The taking back of an email address", auth.EventAdminDenied: "A request with an admin token",
	}
	if name, ok := names[e]; ok {
		return name
	}
	return "A request (" + string(e) + ")"
}

// Found says in words what a step found; "" where it tells nothing more than its outcome.
func Found(s auth.Step) string {
	f := s.Facts
	switch s.Name {
	case auth.StepLimiter:
		text := fmt.Sprintf("%s: %s at once, one more each %s; source %s", f["budget"], f["burst"], f["refill"], f["source"])
		if s.Outcome == auth.OutcomeRefused {
			text += "; spent, free again in " + f["wait_seconds"] + " s"
		}
		return text
	case auth.StepLookup:
		if s.Outcome == auth.OutcomeNotFound {
			return "no such account"
		}
		return "the account: " + listed(f, "email_verified", "disabled", "invited", "verification_required", "has_password")
	case auth.StepHash:
		return fmt.Sprintf("%s: %s; waited %s ms, took %s ms", f["scheme"], listed(f, "stored", "match", "needs_rehash"), f["wait_ms"], f["hash_ms"])
	case auth.StepProvider:
		text := f["provider"] + ": " + f["step"]
		if f["reason"] != "" {
			text += ": " + f["reason"]
		}
		return text
	case auth.StepProviderAnswer:
		if f["status"] == "" {
			return f["from"] + ": " + f["body"]
		}
		return fmt.Sprintf("%s answered %s (%s): %s", f["from"], f["status"], f["type"], f["body"])
	case auth.StepJoin:
		return f["decision"] + ": " + listed(f, "identity_known", "identity_has_email", "identity_verified", "account_exists", "account_verified", "account_invited", "account_disabled", "sign_up_open", "address_needed")
	}
	return listed(f, "of", "reason", "purpose", "state", "tries", "provider", "age", "age_limit", "idle", "idle_limit", "revoked_at", "rotated_at", "since", "grace", "successor_used",
		"expired_at", "expired_since", "expires_at", "used_at", "provider_matches", "callback_matches", "verifier_matches", "state_given", "state_matches", "issuer_given", "issuer_matches")
}

// listed writes the named facts that there are.
func listed(facts map[string]string, names ...string) string {
	var list []string
	for _, name := range names {
		if value, ok := facts[name]; ok {
			list = append(list, strings.ReplaceAll(name, "_", " ")+" "+value)
		}
	}
	return strings.Join(list, ", ")
}
