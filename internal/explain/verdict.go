package explain

import (
	"fmt"

	"github.com/doorward/doorward/internal/auth"
)

// Verdict says in words why a request was refused, and what an operator can do; do is "" where nothing is known to help.
func Verdict(d auth.Decision) (why, do string) {
	for i := len(d.Steps) - 1; i >= 0; i-- { // the last step that refused is what decided
		s := d.Steps[i]
		if s.Outcome != auth.OutcomeRefused && s.Outcome != auth.OutcomeNotFound {
			continue
		}
		if why, do := stepVerdict(d, s); why != "" {
			return why, do
		}
	}
	return codeVerdict(d)
}

func stepVerdict(d auth.Decision, s auth.Step) (why, do string) {
	switch s.Name {
	case auth.StepLimiter:
		return "there were too many tries", fmt.Sprintf("wait %s seconds; only failures add up. If many people share the address %s, raise the settings signInSourceBurst or signInAccountBurst: doorward project set %s KEY=VALUE",
			s.Facts["wait_seconds"], s.Facts["source"], d.Project)
	case auth.StepLookup:
		if blocked, help := blockedVerdict(d); blocked != "" {
			return blocked, help
		}
		if factsOf(d, auth.StepJoin) != nil { // then a new one was to be made
			return "", ""
		}
		return "there is no such account", "ask which address was typed, and look for the right one: doorward user list --project " + string(d.Project)
	case auth.StepHash:
		return hashVerdict(d)
	case auth.StepFlow:
		return flowVerdict(s)
	case auth.StepProvider:
		return providerVerdict(d, s)
	case auth.StepJoin:
		if s.Facts["decision"] == "refuse" {
			return "the identity belongs to nobody here, and sign-up is closed", fmt.Sprintf("invite the person (doorward user invite EMAIL --project %s), or open sign-up (doorward project set %s selfSignUp=true)", d.Project, d.Project)
		}
		if s.Facts["decision"] == "unproven" {
			return "", "" // the answer's code says it
		}
		return "an account has the address already, and joining it is not safe", "the person signs in the old way first and then links the provider. Joining happens by itself only where both sides have verified the address"
	case auth.StepToken:
		return tokenVerdict(s)
	case auth.StepSession:
		return sessionVerdict(d, s)
	case auth.StepCode:
		return codeStepVerdict(s)
	}
	return "", ""
}

// blockedVerdict tells why an account that was found may not sign in.
func blockedVerdict(d auth.Decision) (why, do string) {
	f := factsOf(d, auth.StepLookup)
	switch {
	case f["disabled"] == "yes":
		return "the account is disabled", fmt.Sprintf("doorward user enable %s --project %s", d.User, d.Project)
	case f["invited"] == "yes":
		return "the account waits for its invite to be accepted", fmt.Sprintf("send the invite again: doorward user invite EMAIL --project %s", d.Project)
	case f["verification_required"] == "yes" && f["email_verified"] != "yes":
		return "the email address is not verified, and this project demands that", fmt.Sprintf("let the person ask for the mail again, or vouch for the address: doorward user update %s --email-verified --project %s", d.User, d.Project)
	}
	return "", ""
}

func hashVerdict(d auth.Decision) (why, do string) {
	lookup := factsOf(d, auth.StepLookup)
	switch {
	case lookup == nil:
		return "the password is wrong", ""
	case factsOf(d, auth.StepHash)["stored"] == "yes":
		return "the password is wrong", fmt.Sprintf("the person can reset it, or you have a link mailed: doorward user send-reset %s --project %s", d.User, d.Project)
	case d.User != "":
		return "the account has no password", fmt.Sprintf("it signs in at a provider, or gets a password by a link: doorward user send-reset %s --project %s", d.User, d.Project)
	}
	return "no account has the address that was typed", "ask which address was typed, and look for the right one: doorward user list --project " + string(d.Project)
}

func flowVerdict(s auth.Step) (why, do string) {
	f := s.Facts
	again := "the person starts the sign-in anew. If it happens to many, look whether the app finishes a sign-in twice, or mixes up two that run at once"
	switch {
	case s.Outcome == auth.OutcomeNotFound:
		return "the sign-in that was to be finished is unknown", again
	case f["used_at"] != "never":
		return "the sign-in was finished before", again
	case f["callback_matches"] == "no":
		return "the sign-in was finished with another callback than it was begun with", "the app must send the same callBackUri in both steps"
	case f["provider_matches"] == "no":
		return "the sign-in was finished for another provider than it was begun with", "the app must send the same providerId in both steps"
	case f["state_given"] == "yes" && f["state_matches"] == "no":
		return "the state is not that of this sign-in", again
	case f["issuer_given"] == "yes" && f["issuer_matches"] == "no":
		return "the answer names another issuer than the provider's", "compare the provider's setting issuer with the iss that the browser comes back with; if they are right, somebody mixes up providers"
	}
	return "the sign-in took too long", again
}

func providerVerdict(d auth.Decision, s auth.Step) (why, do string) {
	check := fmt.Sprintf("doorward provider check %s --project %s", s.Facts["provider"], d.Project)
	switch {
	case s.Facts["step"] == "settings":
		return "the provider is not configured, or not enabled", fmt.Sprintf("doorward provider list --project %s", d.Project)
	case d.Code == auth.CodeUnavailable:
		return "the provider could not be asked: " + s.Facts["reason"], "try again later; " + check
	}
	return "the provider's answer proves nobody's identity: " + s.Facts["reason"], "compare its answers above with the settings; " + check
}

func tokenVerdict(s auth.Step) (why, do string) {
	f := s.Facts
	switch {
	case s.Outcome == auth.OutcomeNotFound:
		return "the refresh token is unknown", "the person signs in again. If it happens to many, look whether the app keeps the newest token, of this very project"
	case f["of"] == "rotated refresh token":
		return "the refresh token was replaced already, so the session was ended: it may be in two hands", "the person signs in again. If it happens to many, look whether the app stores the new token of each refresh, and refreshes only once at a time"
	case f["expired_at"] != "":
		return "the id token has expired, " + f["expired_since"] + " ago", "the app gets a new one with its refresh token; if it has just got this one, check the clock of this server"
	}
	return "the id token is not good: " + f["reason"], "look where the app has it from: it must be this server's, for this project, and unchanged. After a key was withdrawn, all must sign in again"
}

func sessionVerdict(d auth.Decision, s auth.Step) (why, do string) {
	f := s.Facts
	if why, do := blockedVerdict(d); why != "" {
		return why, do
	}
	if f["of"] == "" {
		return f["reason"], ""
	}
	again := "the person signs in again"
	switch {
	case s.Outcome == auth.OutcomeNotFound:
		return "the session is gone", again
	case f["revoked_at"] != "never":
		return "the session was ended on " + f["revoked_at"], again + "; doorward audit list --project " + string(d.Project) + " --user " + string(d.User) + " shows by what"
	}
	return "the session was too old, or unused for too long", again + "; settings refreshTokenIdleTTL and refreshTokenAbsoluteTTL say how long one lasts"
}

func codeStepVerdict(s auth.Step) (why, do string) {
	if s.Facts["of"] == "sign-in code" {
		return signInCodeVerdict(s)
	}
	again := "the person asks for a new mail and uses the link in the newest one"
	switch {
	case s.Facts["of"] == "typed code" && s.Outcome == auth.OutcomeNotFound:
		return "no code that can be typed went to that address, or it was used, replaced, has expired, or was tried five times", again
	case s.Facts["of"] == "typed code":
		return "the code was typed wrong", "the person types the code of the newest mail, or uses its link"
	case s.Outcome == auth.OutcomeNotFound:
		return "the link's code is unknown: a newer mail replaced it, the account changed, or it was copied in part", again
	case s.Facts["state"] == "used":
		return "the link was used already", "if the person did it themself, nothing; else " + again
	case s.Facts["state"] == "expired":
		return "the link has expired", again
	}
	return "the link's code is " + s.Facts["state"], again
}

// signInCodeVerdict is about a code that an app exchanges for tokens.
func signInCodeVerdict(s auth.Step) (why, do string) {
	again := "the app sends its user to the sign-in page anew"
	switch {
	case s.Outcome == auth.OutcomeNotFound:
		return "the sign-in code is unknown, or was copied in part", again
	case s.Facts["callback_matches"] == "no":
		return "the app names another callBackUri than the one that the code was sent to", "the app sends the same callBackUri to the sign-in page and with the code"
	case s.Facts["verifier_matches"] == "no":
		return "the code verifier is not the one that the code challenge was made of", "the app keeps the verifier of each sign-in until its code comes back; look whether it mixes up two that run at once"
	case s.Facts["used_at"] != "never":
		return "the sign-in code was used already, and the session that it made has ended", again + ". If it happens to many, look whether the app exchanges a code twice"
	}
	return "the sign-in code has expired: it lives for a minute", again
}

// codeVerdict is for refusals of which no step tells more than the answer did.
func codeVerdict(d auth.Decision) (why, do string) {
	if d.Event != auth.EventAdminDenied {
		if why, do := blockedVerdict(d); why != "" {
			return why, do
		}
	}
	switch d.Code {
	case auth.CodeSignUpOff:
		return "sign-up is closed", fmt.Sprintf("invite the person (doorward user invite EMAIL --project %s), or open sign-up (doorward project set %s selfSignUp=true)", d.Project, d.Project)
	case auth.CodeEmailInUse:
		return "another account has the address", "doorward user list --project " + string(d.Project)
	case auth.CodeRedirectNotAllowed:
		return "the callback is not on the project's list", fmt.Sprintf("doorward project set %s callbackURLs=…", d.Project)
	case auth.CodeInvalidProviderResponse:
		return "the provider told no email address, and this project needs a verified one", "see what the provider answered above; it may need another scope, or leave to tell the address"
	case auth.CodeAdminRequired:
		return "the admin token is missing or wrong", ""
	case "":
		return string(d.Outcome), ""
	}
	return "the answer was " + string(d.Code), ""
}

// factsOf gives the facts of the last step of a name; nil where there is none.
func factsOf(d auth.Decision, name auth.StepName) map[string]string {
	for i := len(d.Steps) - 1; i >= 0; i-- {
		if d.Steps[i].Name == name {
			return d.Steps[i].Facts
		}
	}
	return nil
}
