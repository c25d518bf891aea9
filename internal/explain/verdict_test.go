package explain

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// step makes a step of "name outcome" and pairs of facts.
func step(nameOutcome string, facts ...string) auth.Step {
	name, outcome, _ := strings.Cut(nameOutcome, " ")
	s := auth.Step{Name: auth.StepName(name), Outcome: auth.StepOutcome(outcome), Facts: map[string]string{}}
	for i := 0; i+1 < len(facts); i += 2 {
		s.Facts[facts[i]] = facts[i+1]
	}
	return s
}

func TestVerdicts(t *testing.T) {
	good := step("lookup found", "disabled", "no", "invited", "no", "verification_required", "no", "email_verified", "yes")
	for name, c := range map[string]struct {
		event   auth.Event
		code    auth.Code
		uid     auth.UserID
		steps   []auth.Step
		why, do string
	}{
		"limit": {"user.sign_in", "too_many_attempts", "", []auth.Step{step("limiter passed", "budget", "a"), step("limiter refused", "wait_seconds", "60", "source", "192.0.2.0")},
			"too many tries", "wait 60 seconds"},
		"unknown address": {"user.sign_in", "invalid_credentials", "", []auth.Step{step("lookup not_found"), step("hash refused", "stored", "no")}, "no account has the address", "user list --project shop"},
		"wrong password":  {"user.sign_in", "invalid_credentials", "u1", []auth.Step{good, step("hash refused", "stored", "yes")}, "the password is wrong", "send-reset u1"},
		"no password":     {"user.sign_in", "invalid_credentials", "u1", []auth.Step{good, step("hash refused", "stored", "no")}, "has no password", "send-reset u1"},
		"disabled": {"user.sign_in", "user_disabled", "u1", []auth.Step{step("lookup found", "disabled", "yes"), step("hash passed"), step("session refused", "reason", "r")},
			"is disabled", "user enable u1"},
		"disabled, wrong password": {"user.sign_in", "wrong_password", "u1", []auth.Step{step("lookup found", "disabled", "yes"), step("hash refused", "stored", "yes")}, "the password is wrong", ""},
		"disabled, refresh":        {"session.refresh", "user_disabled", "u1", []auth.Step{step("token found"), step("lookup found", "disabled", "yes")}, "is disabled", "user enable u1"},
		"invited":                  {"user.sign_in", "user_disabled", "u1", []auth.Step{step("lookup found", "invited", "yes"), step("session refused")}, "waits for its invite", "user invite"},
		"not verified": {"user.sign_in", "user_disabled", "u1", []auth.Step{step("lookup found", "verification_required", "yes", "email_verified", "no"), step("session refused")},
			"not verified", "--email-verified"},
		"changed meanwhile": {"user.sign_in", "wrong_password", "u1", []auth.Step{good, step("hash passed"), step("session refused", "reason", "changed while checked")}, "changed while checked", ""},
		"flow unknown":      {"user.sign_in", "", "", []auth.Step{step("flow not_found")}, "is unknown", "anew"},
		"flow used":         {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "2026")}, "finished before", "anew"},
		"flow callback":     {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "never", "callback_matches", "no")}, "another callback", "callBackUri"},
		"flow provider":     {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "never", "provider_matches", "no")}, "another provider", "providerId"},
		"flow state":        {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "never", "state_given", "yes", "state_matches", "no")}, "state", "anew"},
		"flow issuer":       {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "never", "issuer_given", "yes", "issuer_matches", "no")}, "another issuer", "iss"},
		"flow late":         {"user.sign_in", "", "", []auth.Step{step("flow refused", "used_at", "never")}, "too long", "anew"},
		"provider off":      {"user.sign_in", "", "", []auth.Step{step("provider refused", "step", "settings")}, "not configured", "provider list"},
		"provider away":     {"user.sign_in", "unavailable", "", []auth.Step{step("provider refused", "provider", "p", "step", "identify", "reason", "gone")}, "could not be asked: gone", "provider check p"},
		"provider refused": {"user.sign_in", "invalid_provider_response", "", []auth.Step{step("provider refused", "provider", "p", "step", "identify", "reason", "bad"), step("provider_answer noted")},
			"proves nobody's identity: bad", "provider check p"},
		"provider told no address": {"user.sign_in", "invalid_provider_response", "", []auth.Step{step("provider passed"), step("lookup not_found"), step("join passed", "decision", "create")},
			"told no email address", "scope"},
		"no address to verify": {"user.sign_in", "invalid_provider_response", "", []auth.Step{step("provider passed"), step("lookup not_found"), step("join refused", "decision", "unproven")},
			"told no email address", "scope"},
		"join refused":     {"user.sign_in", "sign_up_off", "", []auth.Step{step("lookup not_found"), step("join refused", "decision", "refuse")}, "sign-up is closed", "selfSignUp=true"},
		"join to confirm":  {"user.sign_in", "", "u1", []auth.Step{good, step("join refused", "decision", "confirm")}, "not safe", "links the provider"},
		"token unknown":    {"session.refresh", "", "", []auth.Step{step("token not_found")}, "unknown", "newest token"},
		"token reused":     {"session.token_reuse", "", "u1", []auth.Step{step("token found"), good, step("session passed"), step("token refused", "of", "rotated refresh token")}, "two hands", "only once"},
		"id token expired": {"token.check", "", "u1", []auth.Step{step("token refused", "expired_at", "2026", "expired_since", "1h0m0s")}, "expired, 1h0m0s ago", "clock"},
		"id token bad":     {"token.check", "", "", []auth.Step{step("token refused", "reason", "unknown key id")}, "unknown key id", "withdrawn"},
		"session gone":     {"token.check", "", "u1", []auth.Step{step("token passed"), step("session not_found", "of", "session")}, "is gone", "signs in again"},
		"session revoked":  {"token.check", "", "u1", []auth.Step{step("session refused", "of", "session", "revoked_at", "2026"), good}, "was ended on 2026", "--user u1"},
		"session idle":     {"session.refresh", "", "u1", []auth.Step{good, step("session refused", "of", "session", "revoked_at", "never")}, "unused for too long", "refreshTokenIdleTTL"},
		"code unknown":     {"password.reset", "", "", []auth.Step{step("code not_found")}, "code is unknown", "newest"},
		"code used":        {"password.reset", "", "", []auth.Step{step("code refused", "state", "used")}, "used already", "nothing"},
		"code expired":     {"password.reset", "", "", []auth.Step{step("code refused", "state", "expired")}, "has expired", "newest"},
		"code of another":  {"password.reset", "", "", []auth.Step{step("code refused", "state", "of another purpose")}, "of another purpose", "newest"},
		"sign-up closed":   {"user.sign_up", "sign_up_off", "", nil, "sign-up is closed", "selfSignUp"},
		"address taken":    {"user.sign_up", "email_in_use", "", nil, "another account has", "user list"},
		"callback":         {"provider.authorize", "redirect_not_allowed", "", nil, "not on the project's list", "callbackURLs"},
		"admin token":      {"admin.access", "admin_required", "", nil, "admin token", ""},
		"anything else":    {"new.event", "new_code", "", nil, "new_code", ""},
		"nothing at all":   {"new.event", "", "", nil, "denied", ""},
	} {
		d := auth.Decision{Project: "shop", Event: c.event, Outcome: "denied", Code: c.code, User: c.uid, Steps: c.steps}
		why, do := Verdict(d)
		if !strings.Contains(why, c.why) || !strings.Contains(do, c.do) || why == "" {
			t.Errorf("%s: %q, %q", name, why, do)
		}
	}
}
