package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

// step makes a step of "name outcome" and pairs of facts.
func step(nameOutcome string, facts ...string) adminapi.DecisionStep {
	name, outcome, _ := strings.Cut(nameOutcome, " ")
	s := adminapi.DecisionStep{Step: name, Outcome: outcome, Facts: map[string]string{}}
	for i := 0; i+1 < len(facts); i += 2 {
		s.Facts[facts[i]] = facts[i+1]
	}
	return s
}

func TestVerdicts(t *testing.T) {
	good := step("lookup found", "disabled", "no", "invited", "no", "verification_required", "no", "email_verified", "yes")
	for name, c := range map[string]struct {
		event, code, uid string
		steps            []adminapi.DecisionStep
		why, do          string
	}{
		"limit": {"user.sign_in", "too_many_attempts", "", []adminapi.DecisionStep{step("limiter passed", "budget", "a"), step("limiter refused", "wait_seconds", "60", "source", "192.0.2.0")},
			"too many tries", "wait 60 seconds"},
		"unknown address": {"user.sign_in", "invalid_credentials", "", []adminapi.DecisionStep{step("lookup not_found"), step("hash refused", "stored", "no")}, "no account has the address", "user list --project shop"},
		"wrong password":  {"user.sign_in", "invalid_credentials", "u1", []adminapi.DecisionStep{good, step("hash refused", "stored", "yes")}, "the password is wrong", "send-reset u1"},
		"no password":     {"user.sign_in", "invalid_credentials", "u1", []adminapi.DecisionStep{good, step("hash refused", "stored", "no")}, "has no password", "send-reset u1"},
		"disabled": {"user.sign_in", "user_disabled", "u1", []adminapi.DecisionStep{step("lookup found", "disabled", "yes"), step("hash passed"), step("session refused", "reason", "r")},
			"is disabled", "user enable u1"},
		"disabled, wrong password": {"user.sign_in", "wrong_password", "u1", []adminapi.DecisionStep{step("lookup found", "disabled", "yes"), step("hash refused", "stored", "yes")}, "the password is wrong", ""},
		"disabled, refresh":        {"session.refresh", "user_disabled", "u1", []adminapi.DecisionStep{step("token found"), step("lookup found", "disabled", "yes")}, "is disabled", "user enable u1"},
		"invited":                  {"user.sign_in", "user_disabled", "u1", []adminapi.DecisionStep{step("lookup found", "invited", "yes"), step("session refused")}, "waits for its invite", "user invite"},
		"not verified": {"user.sign_in", "user_disabled", "u1", []adminapi.DecisionStep{step("lookup found", "verification_required", "yes", "email_verified", "no"), step("session refused")},
			"not verified", "--email-verified"},
		"changed meanwhile": {"user.sign_in", "wrong_password", "u1", []adminapi.DecisionStep{good, step("hash passed"), step("session refused", "reason", "changed while checked")}, "changed while checked", ""},
		"flow unknown":      {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow not_found")}, "is unknown", "anew"},
		"flow used":         {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "2026")}, "finished before", "anew"},
		"flow callback":     {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "never", "callback_matches", "no")}, "another callback", "callBackUri"},
		"flow provider":     {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "never", "provider_matches", "no")}, "another provider", "providerId"},
		"flow state":        {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "never", "state_given", "yes", "state_matches", "no")}, "state", "anew"},
		"flow issuer":       {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "never", "issuer_given", "yes", "issuer_matches", "no")}, "another issuer", "iss"},
		"flow late":         {"user.sign_in", "", "", []adminapi.DecisionStep{step("flow refused", "used_at", "never")}, "too long", "anew"},
		"provider off":      {"user.sign_in", "", "", []adminapi.DecisionStep{step("provider refused", "step", "settings")}, "not configured", "provider list"},
		"provider away":     {"user.sign_in", "unavailable", "", []adminapi.DecisionStep{step("provider refused", "provider", "p", "step", "identify", "reason", "gone")}, "could not be asked: gone", "provider check p"},
		"provider refused": {"user.sign_in", "invalid_provider_response", "", []adminapi.DecisionStep{step("provider refused", "provider", "p", "step", "identify", "reason", "bad"), step("provider_answer noted")},
			"proves nobody's identity: bad", "provider check p"},
		"provider told no address": {"user.sign_in", "invalid_provider_response", "", []adminapi.DecisionStep{step("provider passed"), step("lookup not_found"), step("join passed", "decision", "create")},
			"told no email address", "scope"},
		"join refused":     {"user.sign_in", "sign_up_off", "", []adminapi.DecisionStep{step("lookup not_found"), step("join refused", "decision", "refuse")}, "sign-up is closed", "selfSignUp=true"},
		"join to confirm":  {"user.sign_in", "", "u1", []adminapi.DecisionStep{good, step("join refused", "decision", "confirm")}, "not safe", "links the provider"},
		"token unknown":    {"session.refresh", "", "", []adminapi.DecisionStep{step("token not_found")}, "unknown", "newest token"},
		"token reused":     {"session.token_reuse", "", "u1", []adminapi.DecisionStep{step("token found"), good, step("session passed"), step("token refused", "of", "rotated refresh token")}, "two hands", "only once"},
		"id token expired": {"token.check", "", "u1", []adminapi.DecisionStep{step("token refused", "expired_at", "2026", "expired_since", "1h0m0s")}, "expired, 1h0m0s ago", "clock"},
		"id token bad":     {"token.check", "", "", []adminapi.DecisionStep{step("token refused", "reason", "unknown key id")}, "unknown key id", "withdrawn"},
		"session gone":     {"token.check", "", "u1", []adminapi.DecisionStep{step("token passed"), step("session not_found", "of", "session")}, "is gone", "signs in again"},
		"session revoked":  {"token.check", "", "u1", []adminapi.DecisionStep{step("session refused", "of", "session", "revoked_at", "2026"), good}, "was ended on 2026", "--user u1"},
		"session idle":     {"session.refresh", "", "u1", []adminapi.DecisionStep{good, step("session refused", "of", "session", "revoked_at", "never")}, "unused for too long", "refreshTokenIdleTTL"},
		"code unknown":     {"password.reset", "", "", []adminapi.DecisionStep{step("code not_found")}, "code is unknown", "newest"},
		"code used":        {"password.reset", "", "", []adminapi.DecisionStep{step("code refused", "state", "used")}, "used already", "nothing"},
		"code expired":     {"password.reset", "", "", []adminapi.DecisionStep{step("code refused", "state", "expired")}, "has expired", "newest"},
		"code of another":  {"password.reset", "", "", []adminapi.DecisionStep{step("code refused", "state", "of another purpose")}, "of another purpose", "newest"},
		"sign-up closed":   {"user.sign_up", "sign_up_off", "", nil, "sign-up is closed", "selfSignUp"},
		"address taken":    {"user.sign_up", "email_in_use", "", nil, "another account has", "user list"},
		"callback":         {"provider.authorize", "redirect_not_allowed", "", nil, "not on the project's list", "callbackURLs"},
		"admin token":      {"admin.access", "admin_required", "", nil, "admin token", ""},
		"anything else":    {"new.event", "new_code", "", nil, "new_code", ""},
		"nothing at all":   {"new.event", "", "", nil, "denied", ""},
	} {
		d := adminapi.Decision{Project: "shop", Event: c.event, Outcome: "denied", Code: c.code, UID: c.uid, Steps: c.steps}
		why, do := verdict(d)
		if !strings.Contains(why, c.why) || !strings.Contains(do, c.do) || why == "" {
			t.Errorf("%s: %q, %q", name, why, do)
		}
	}
}

// TestStoryControlsNoTerminal: what strangers sent cannot do more than be read.
func TestStoryControlsNoTerminal(t *testing.T) {
	const evil = "a\x1b[2Jb\nc\u202Ed"
	var story bytes.Buffer
	tell(&story, adminapi.Decision{
		Reference: evil, Project: evil, Event: evil, Outcome: evil, Code: evil, UID: evil, Address: evil, UserAgent: evil, At: time.Unix(0, 0),
		Steps: []adminapi.DecisionStep{
			step("provider refused", "provider", evil, "step", evil, "reason", evil), step("provider_answer noted", "from", evil, "status", evil, "type", evil, "body", evil),
			step("limiter refused", "budget", evil, "source", evil, "wait_seconds", evil), step("token refused", "of", evil, "reason", evil), step(evil+" x", "of", evil),
		},
	})
	if strings.ContainsAny(story.String(), "\x1b\u202E") || strings.Contains(story.String(), "b\nc") {
		t.Errorf("%q", story.String())
	}
}
