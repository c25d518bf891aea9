package auth_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestParseReference(t *testing.T) {
	for typed, want := range map[string]auth.Reference{
		"K7QM-4T9X-2WHD": "K7QM-4T9X-2WHD", "k7qm4t9x2whd": "K7QM-4T9X-2WHD", " k7qm 4t9x 2whd ": "K7QM-4T9X-2WHD", "OoIi-LlZZ-0123": "0011-11ZZ-0123",
		"": "", "K7QM-4T9X-2WH": "", "K7QM-4T9X-2WHDD": "", "U7QM-4T9X-2WHD": "", "K7QM-4T9X-2WH'": "", "Ｋ7QM-4T9X-2WHD": "", "K7QM_4T9X_2WHD": "",
	} {
		got, err := auth.ParseReference(typed)
		if got != want || (want == "") != (auth.CodeOf(err) == auth.CodeInvalidArgument) {
			t.Errorf("%q: %q, %v, want %q", typed, got, err, want)
		}
	}
}

// explained gives the one decision that was made under a reference of its own.
func (h *harness) explained(f func(c auth.Caller) error) auth.Decision {
	h.t.Helper()
	c := h.anyone()
	h.asked++
	c.RequestID = fmt.Sprintf("K7QM-4T9X-%04d", h.asked)
	err := f(c)
	h.note(err)
	if err == nil {
		h.t.Fatal("nothing was refused")
	}
	found, err := h.admin.Explain(h.ctx, h.asAdmin(), c.RequestID)
	if err != nil || len(found) != 1 {
		h.t.Fatalf("explained as %+v, %v", found, err)
	}
	d := found[0]
	if d.Project != h.id || string(d.Reference) != c.RequestID || d.Outcome != auth.OutcomeDenied || d.Addr != clientAddr || d.UserAgent != "tests/1.0" || d.At.IsZero() {
		h.t.Errorf("incomplete: %+v", d)
	}
	return d
}

// wantSteps checks the steps, each as "name outcome fact=value fact=value" with some of its facts.
func wantSteps(t *testing.T, d auth.Decision, want ...string) {
	t.Helper()
	if len(d.Steps) != len(want) {
		t.Errorf("%s %s has %d steps, want %d: %+v", d.Event, d.Code, len(d.Steps), len(want), d.Steps)
		return
	}
	for i, s := range d.Steps {
		words := strings.Split(want[i], " ")
		if string(s.Name) != words[0] || string(s.Outcome) != words[1] {
			t.Errorf("step %d is %s %s, want %s", i, s.Name, s.Outcome, want[i])
		}
		for _, fact := range words[2:] {
			name, value, _ := strings.Cut(fact, "=")
			if got, ok := s.Facts[name]; !ok || strings.ReplaceAll(got, " ", "_") != value {
				t.Errorf("step %d, %s: %s is %q, want %q", i, s.Name, name, got, value)
			}
		}
	}
}

const (
	budgetsPassed1 = "limiter passed budget=sign-in/account_from_this_source source=192.0.2.7 wait_seconds=0"
	budgetsPassed2 = "limiter passed budget=sign-in/source source=192.0.2.7"
	budgetsPassed3 = "limiter passed budget=sign-in/account source=192.0.2.7"
	budgetsPassed4 = "limiter passed budget=sign-in/project"
	guessPassed    = "limiter passed budget=guess/source"
)

func TestDecisionsOfSignIn(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "4", "signInAccountInterval", "1m"))
	u := h.importUser(ada) // who never signed in from anywhere
	h.alter(u.ID, func(u *auth.User) { u.EmailVerified = true })
	signIn := func(email, pw string) func(auth.Caller) error {
		return func(c auth.Caller) error {
			_, err := h.SignIn(h.ctx, c, auth.SignInParams{Email: email, Password: h.secret(pw)})
			return err
		}
	}
	wrong := h.explained(signIn(ada, "a password that is wrong"))
	wantSteps(t, wrong, budgetsPassed1, budgetsPassed2, budgetsPassed3, budgetsPassed4,
		"lookup found email_verified=yes disabled=no invited=no verification_required=no has_password=yes",
		"hash refused scheme=argon2id_m=8192,t=1,p=1 stored=yes match=no needs_rehash=no")
	if wrong.User != u.ID || wrong.Event != auth.EventSignIn || wrong.Code != auth.CodeInvalidCredentials {
		t.Errorf("a wrong password: %+v", wrong)
	}
	unknown := h.explained(signIn(grace, "a password of nobody"))
	wantSteps(t, unknown, budgetsPassed1, budgetsPassed2, budgetsPassed3, budgetsPassed4,
		"lookup not_found email_verified=no disabled=no invited=no verification_required=no has_password=no",
		"hash refused scheme=argon2id_m=8192,t=1,p=1 stored=no match=no needs_rehash=no")
	if unknown.User != "" || unknown.Code != wrong.Code {
		t.Errorf("an unknown address: %+v", unknown)
	}
	// Both write as much, or the time would tell (P28).
	if a, b := names(wrong), names(unknown); !slices.Equal(a, b) {
		t.Errorf("a known address notes %v, an unknown one %v", a, b)
	}

	h.alter(u.ID, func(u *auth.User) { u.Disabled = true })
	wantSteps(t, h.explained(signIn(ada, goodPW)), budgetsPassed1, budgetsPassed2, budgetsPassed3, budgetsPassed4, "lookup found disabled=yes", "hash passed match=yes",
		"session refused reason=the_account_may_not_sign_in")
	h.explained(signIn(ada, "wrong once more"))
	h.explained(signIn(ada, "wrong once and for all"))
	limited := h.explained(signIn(ada, goodPW))
	wantSteps(t, limited, "limiter refused budget=sign-in/account_from_this_source burst=4 refill=1m0s wait_seconds=60")
	if limited.Code != auth.CodeTooManyAttempts {
		t.Errorf("limited: %+v", limited)
	}
	for _, d := range []auth.Decision{wrong, unknown, limited} {
		if text := fmt.Sprintf("%+v", d); strings.Contains(text, "example.") {
			t.Errorf("an address is kept: %s", text)
		}
	}
}

// names gives all names of steps and facts.
func names(d auth.Decision) (list []string) {
	for _, s := range d.Steps {
		facts := []string{}
		for name := range s.Facts {
			facts = append(facts, name)
		}
		slices.Sort(facts)
		list = append(list, string(s.Name)+" "+strings.Join(facts, ","))
	}
	return list
}

func TestDecisionsOfRefresh(t *testing.T) {
	h := newHarness(t, with("refreshTokenIdleTTL", "1h", "refreshTokenAbsoluteTTL", "24h", "refreshTokenGrace", "10s"))
	tokens := h.verified(ada)
	refresh := func(token string) func(auth.Caller) error {
		return func(c auth.Caller) error {
			_, err := h.Refresh(h.ctx, c, h.secret(token))
			return err
		}
	}
	wantSteps(t, h.explained(refresh("nobody's token")), "token not_found of=refresh_token")

	next, err := h.refresh(tokens.RefreshToken)
	h.must(err)
	h.clock.Advance(11 * time.Second)
	reused := h.explained(refresh(tokens.RefreshToken))
	wantSteps(t, reused, "token found of=refresh_token age=11s", "lookup found", "session passed of=session age=11s idle=11s age_limit=24h0m0s idle_limit=1h0m0s revoked_at=never",
		"token refused of=rotated_refresh_token since=11s grace=10s successor_used=no")
	if reused.Event != auth.EventTokenReuse || reused.User != tokens.User.ID {
		t.Errorf("a reused token: %+v", reused)
	}
	wantSteps(t, h.explained(refresh(next.RefreshToken)), "token found", "lookup found", "session refused revoked_at=2026-03-29T01:00:09Z")

	late, err := h.signIn(ada, goodPW)
	h.must(err)
	h.clock.Advance(2 * time.Hour)
	expired := h.explained(refresh(late.RefreshToken))
	wantSteps(t, expired, "token found", "lookup found", "session refused idle=2h0m0s idle_limit=1h0m0s revoked_at=never")
	if expired.Code != auth.CodeExpiredRefreshToken {
		t.Errorf("an expired session: %+v", expired)
	}
}

func TestDecisionsOfIDTokens(t *testing.T) {
	h := newHarness(t)
	tokens := h.verified(ada)
	check := func(token string) func(auth.Caller) error {
		return func(c auth.Caller) error {
			_, err := h.AuthenticateUser(h.ctx, c, h.secret(token))
			return err
		}
	}
	custom := func(change func(map[string]any)) string {
		session := h.as(tokens.IDToken)
		u, _ := session.User()
		claims := h.ClaimsOf(h.anyone(), u, auth.Session{ID: "none", CreatedAt: h.clock.Now()}, nil)
		change(claims)
		token, err := h.SignCustom(h.anyone(), claims)
		h.must(err)
		return token
	}
	head, _, _ := strings.Cut(tokens.IDToken, ".")
	for name, c := range map[string]struct {
		token string
		steps []string
	}{
		"another audience":  {custom(func(m map[string]any) { m["aud"] = "other" }), []string{"token refused of=id_token reason=jwt_is_invalid:_audience_is_not_the_expected_one"}},
		"another issuer":    {custom(func(m map[string]any) { m["iss"] = "https://other.example" }), []string{"token refused reason=jwt_is_invalid:_issuer_is_not_the_expected_one"}},
		"no such session":   {custom(func(map[string]any) {}), []string{"token passed of=id_token", "session not_found of=session"}},
		"another signature": {tokens.IDToken[:len(tokens.IDToken)-8] + "AAAAAAAA", []string{"token refused reason=jwt_is_invalid:_signature_does_not_hold"}},
		"another key":       {strings.Replace(tokens.IDToken, head, "eyJhbGciOiJFUzI1NiIsImtpZCI6Im90aGVyIiwidHlwIjoiSldUIn0", 1), []string{"token refused reason=jwt_is_invalid:_unknown_key_id"}},
		"no jwt":            {"a handful of characters", []string{"token refused reason=not_a_jwt:_not_three_parts"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := h.explained(check(c.token))
			wantSteps(t, d, c.steps...)
			if d.Event != auth.EventTokenRefused {
				t.Errorf("event %s", d.Event)
			}
		})
	}
	if n := len(h.audits(auth.EventTokenRefused)); n != 0 {
		t.Errorf("%d audit records of refused id tokens", n)
	}
	c := h.anyone()
	c.RequestID = "K7QM-4T9X-NNNN"
	_, err := h.AuthenticateUser(h.ctx, c, "")
	h.want(err, auth.CodeUnauthenticated)
	_, err = h.admin.Explain(h.ctx, h.asAdmin(), c.RequestID)
	h.want(err, auth.CodeNotFound) // nobody was refused who showed nothing

	h.clock.Advance(3 * time.Hour)
	expired := h.explained(check(tokens.IDToken))
	wantSteps(t, expired, "token refused of=id_token reason=jwt_has_expired expired_since=2h0m0s")
	if expired.User != tokens.User.ID {
		t.Errorf("about %q", expired.User)
	}

	fresh, err := h.signIn(ada, goodPW)
	h.must(err)
	_, err = h.admin.RevokeUserSessions(h.ctx, h.asAdmin(), tokens.User.ID)
	h.must(err)
	wantSteps(t, h.explained(check(fresh.IDToken)), "token passed", "session refused revoked_at=2026-03-29T03:59:58Z", "lookup found disabled=no")
}

// TestRefusedTokenStaysRefusedWhereNothingCanBeKept: what is kept for reading afterwards decides nothing.
func TestRefusedTokenStaysRefusedWhereNothingCanBeKept(t *testing.T) {
	h := newHarness(t)
	heal := h.fail("CreateDecision", auth.ErrStoreBusy)
	_, err := h.AuthenticateUser(h.ctx, h.anyone(), "a.b.c")
	h.want(err, auth.CodeUnauthenticated)
	if !strings.Contains(h.log.String(), "decision not recorded") {
		t.Error("the log says nothing")
	}
	// An audited refusal is not decided unrecorded (P45).
	_, err = h.Refresh(h.ctx, h.anyone(), "nobody's token")
	h.want(err, auth.CodeUnavailable)
	heal()
}

func TestDecisionsOfCodes(t *testing.T) {
	h := newHarness(t, with("resetCodeTTL", "1h"))
	u := h.verified(ada).User
	reset := func(code string) func(auth.Caller) error {
		return func(c auth.Caller) error { return h.ResetPassword(h.ctx, c, h.secret(code), h.secret(otherPW)) }
	}
	wantSteps(t, h.explained(reset("no such code")), guessPassed, "code not_found purpose=reset_password")
	verify := h.plantCode(u, auth.PurposeVerifyEmail)
	wantSteps(t, h.explained(reset(verify)), guessPassed, "code refused purpose=reset_password state=of_another_purpose")
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code := h.code(auth.MailResetPassword, ada)
	h.clock.Advance(61 * time.Minute)
	expired := h.explained(reset(code))
	wantSteps(t, expired, guessPassed, "code refused purpose=reset_password state=expired age=1h1m0s used_at=never")
	if expired.User != u.ID {
		t.Errorf("about %q", expired.User)
	}
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code = h.code(auth.MailResetPassword, ada)
	h.must(h.ResetPassword(h.ctx, h.anyone(), code, otherPW))
	used := h.explained(reset(code))
	if s := used.Steps[1]; s.Outcome == auth.OutcomePassed {
		t.Errorf("a used code: %+v", used)
	}
}

func TestExplainIsForAdmins(t *testing.T) {
	h := newHarness(t)
	d := h.explained(func(c auth.Caller) error { _, err := h.Refresh(h.ctx, c, "nobody's token"); return err })
	reference := string(d.Reference)
	_, err := h.admin.Explain(h.ctx, h.anyone(), reference)
	h.want(err, auth.CodeAdminRequired)
	_, err = h.admin.Explain(h.ctx, h.as(h.verified(ada).IDToken), reference)
	h.want(err, auth.CodeAdminRequired)
	admin := h.asAdmin()
	admin.Project = nil
	_, err = h.admin.Explain(h.ctx, admin, reference)
	h.want(err, auth.CodeAdminRequired)
	h.clock.Advance(time.Second) // so that the records have an order
	found, err := h.admin.Explain(h.ctx, h.operator(), reference)
	if err != nil || len(found) != 1 {
		t.Errorf("an operator gets %v, %v", found, err)
	}
	read := h.audits(auth.EventDecisionRead)
	if len(read) != 2 || read[0].Actor != auth.ActorOperator || read[0].Detail["reference"] != reference || read[1].Actor != auth.ActorAdmin {
		t.Errorf("audit: %+v", read)
	}
}

// TestDecisionsAreBounded: nobody can fill the disk with refusals (P54).
func TestDecisionsAreBounded(t *testing.T) {
	h := newHarness(t)
	h.store.once.Store(true)
	c := h.anyone()
	c.RequestID = "K7QM-4T9X-MANY"
	for range 1010 {
		_, err := h.AuthenticateUser(h.ctx, c, "a.b.c")
		h.want(err, auth.CodeUnauthenticated)
	}
	kept, err := h.store.ListDecisions(h.ctx, h.id, auth.Reference(c.RequestID), 9999)
	if err != nil || len(kept) != 1000 {
		t.Errorf("%d decisions are kept, %v", len(kept), err)
	}
	c.Addr = netip.MustParseAddr("198.51.100.1")
	_, err = h.AuthenticateUser(h.ctx, c, "a.b.c")
	h.want(err, auth.CodeUnauthenticated)
	if kept, err = h.store.ListDecisions(h.ctx, h.id, auth.Reference(c.RequestID), 9999); err != nil || len(kept) != 1001 {
		t.Errorf("another source: %d decisions are kept, %v", len(kept), err)
	}
}

func TestStepsAreBounded(t *testing.T) {
	steps := auth.NotedSteps(func(note func(auth.StepName, auth.StepOutcome, ...string)) {
		note(auth.StepLookup, auth.OutcomeFound, "of", "account", "disabled", "no")
		for i := range 5 {
			note(auth.StepProviderAnswer, auth.OutcomeNoted, "from", fmt.Sprint(i), "body", strings.Repeat("\"é<", 4000))
		}
		note(auth.StepLookup, auth.OutcomeFound, "of", "account", "disabled", "yes") // the transaction ran again
	})
	encoded, err := json.Marshal(steps)
	if err != nil || len(encoded) > 16<<10 || len(encoded) < 4<<10 || len(steps) != 6 {
		t.Errorf("%d bytes of %d steps, %v", len(encoded), len(steps), err)
	}
	if steps[0].Facts["disabled"] != "yes" {
		t.Errorf("the first step is %+v", steps[0])
	}
	for i := range steps {
		if body := steps[i].Facts["body"]; strings.ContainsRune(body, '\uFFFD') {
			t.Errorf("a character is cut in two: %q", body)
		}
	}
}

func TestLimitNames(t *testing.T) {
	for key, want := range map[string]string{
		"sign-in/account/ada@example.com/192.0.2.7": "sign-in/account from this source",
		"sign-in/account/ada@example.com":           "sign-in/account",
		"sign-in/source/192.0.2.7":                  "sign-in/source",
		"mail/source/192.0.2.7/ada@example.com":     "mail/source",
		"mail/ada@example.com":                      "mail",
		"mail/a/b@example.com":                      "mail",
		"anything-new":                              "anything-new",
	} {
		if got := auth.LimitName("192.0.2.7", key); got != want {
			t.Errorf("%s is called %q, want %q", key, got, want)
		}
	}
	if got := auth.LimitName("2001:db8::/64", "sign-in/source/2001:db8::/64"); got != "sign-in/source" {
		t.Errorf("IPv6: %q", got)
	}
}

// explained gives the decision of a sign-in at the provider.
func (r *providerRig) explained(reference string, params auth.ProviderSignInParams) auth.Decision {
	r.t.Helper()
	c := r.anyone()
	c.RequestID = reference
	if result, err := r.service.SignInWithProvider(r.t.Context(), c, params); err == nil && !result.NeedConfirmation {
		r.t.Fatal("nothing was refused")
	}
	return r.found(reference)
}

func (r *providerRig) found(reference string) auth.Decision {
	r.t.Helper()
	found, err := r.admin.Explain(r.t.Context(), r.projectAdmin(), reference)
	if err != nil || len(found) != 1 {
		r.t.Fatalf("explained as %+v, %v", found, err)
	}
	return found[0]
}

func TestDecisionsOfProviders(t *testing.T) {
	const answered = `provider_answer noted from=GET_id.example.com/me status=200 type=application/json body={"email_verified":"true"}`
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com"}
	r.idp.users["bob"] = auth.ExternalIdentity{Subject: "2", Email: "bob@example.com", EmailVerified: true}

	r.idp.refusal = auth.ProviderRefused("unable to parse TOKEN", fmt.Errorf("unable to parse the id token"))
	wantSteps(t, r.explained("AAAA-AAAA-AAA1", r.flow("ann")), guessPassed, "flow passed of=sign-in_flow provider_matches=yes callback_matches=yes state_given=no",
		"provider refused provider=google.com step=identify reason=unable_to_parse_the_id_token", answered)
	r.idp.refusal = auth.ProviderUnavailable(time.Second, fmt.Errorf("nothing accepts connections at id.example.com"))
	away := r.explained("AAAA-AAAA-AAA2", r.flow("ann"))
	wantSteps(t, away, guessPassed, "flow passed", "provider refused reason=nothing_accepts_connections_at_id.example.com", answered)
	if away.Code != auth.CodeUnavailable {
		t.Errorf("a provider that is away: %+v", away)
	}
	r.idp.refusal = nil

	uid := r.signUp("ann@example.com").User.ID
	confirm := r.explained("AAAA-AAAA-AAA3", r.flow("ann"))
	wantSteps(t, confirm, guessPassed, "flow passed", "provider passed step=identify", answered, "lookup found email_verified=no",
		"join refused decision=confirm identity_known=no identity_has_email=yes identity_verified=no account_exists=yes")
	if confirm.User != uid || confirm.Event != auth.EventSignIn {
		t.Errorf("one that needs confirmation: %+v", confirm)
	}

	once := r.flow("bob")
	if _, err := r.service.SignInWithProvider(t.Context(), r.anyone(), once); err != nil {
		t.Fatal(err)
	}
	twice := r.explained("AAAA-AAAA-AAA4", once)
	wantSteps(t, twice, guessPassed, "flow refused provider_matches=yes used_at=2026-03-01T12:00:00Z")
	unknown := once
	unknown.SessionID = "nobody's"
	wantSteps(t, r.explained("AAAA-AAAA-AAA5", unknown), guessPassed, "flow not_found")
	stateWrong := r.flow("bob")
	stateWrong.State = "of another"
	wantSteps(t, r.explained("AAAA-AAAA-AAA6", stateWrong), guessPassed, "flow refused state_given=yes state_matches=no issuer_given=no")
	mixedUp := r.flow("bob")
	mixedUp.Issuer = "https://other.example.com"
	wantSteps(t, r.explained("AAAA-AAAA-AAA9", mixedUp), guessPassed, "flow refused state_given=no issuer_given=yes issuer_matches=no")

	c := r.anyone()
	c.RequestID = "AAAA-AAAA-AAA7"
	_, err := r.service.Authorize(t.Context(), c, "google.com", "https://evil.example.com/")
	wantCode(t, err, auth.CodeRedirectNotAllowed)
	if d := r.found(c.RequestID); d.Event != auth.EventSignInBegun || d.Code != auth.CodeRedirectNotAllowed {
		t.Errorf("a callback that is not listed: %+v", d)
	}
	c.RequestID = "AAAA-AAAA-AAA8"
	_, err = r.service.Authorize(t.Context(), c, "oidc.none", rigCallback)
	wantCode(t, err, auth.CodeProviderNotConfigured)
	wantSteps(t, r.found(c.RequestID), "provider refused provider=unknown step=settings")

	// What is kept about somebody goes with them.
	if err := r.admin.DeleteUser(t.Context(), r.operator(), uid); err != nil {
		t.Fatal(err)
	}
	_, err = r.admin.Explain(t.Context(), r.projectAdmin(), "AAAA-AAAA-AAA3")
	wantCode(t, err, auth.CodeNotFound)
}
