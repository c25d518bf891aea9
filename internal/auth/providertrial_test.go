package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

const operatorsBrowser = "what only the operator's browser holds"

// try begins a trial of google.com and gives what finishes it as somebody.
func (r *providerRig) try(who string) auth.TrialAnswer {
	r.t.Helper()
	target, err := r.admin.BeginProviderTrial(r.t.Context(), r.operator(), "google.com", operatorsBrowser)
	if err != nil || target != "https://id.example.com/authorize" {
		r.t.Fatalf("begun at %q, %v", target, err)
	}
	if want := authtest.PublicURL + "/console/projects/" + rigProject + "/provider-callback"; r.idp.begun.RedirectURI != want {
		r.t.Errorf("back to %q, want %q", r.idp.begun.RedirectURI, want)
	}
	return auth.TrialAnswer{State: r.idp.begun.State, Code: who}
}

func (r *providerRig) finish(answer auth.TrialAnswer) (auth.ProviderTrial, error) {
	r.t.Helper()
	return r.admin.FinishProviderTrial(r.t.Context(), r.operator(), operatorsBrowser, answer)
}

// everything counts the users, identities and sessions of the project.
func (r *providerRig) everything() [2]int {
	r.t.Helper()
	stats, err := r.admin.ProjectStats(r.t.Context(), r.operator())
	if err != nil {
		r.t.Fatal(err)
	}
	mails, err := r.store.ListMail(r.t.Context(), rigProject, "", "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	return [2]int{stats.Users, len(mails)}
}

// TestProviderTrial: a trial tells what a sign-in would do, for each decision, and does nothing.
func TestProviderTrial(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	ann := r.signUp("ann@example.com")
	r.idp.users = map[string]auth.ExternalIdentity{
		"new":      {Subject: "1", Email: "new@example.com", EmailVerified: true, Raw: map[string]any{"sub": "1", "locale": "en"}},
		"unproven": {Subject: "2", Email: "ann@example.com", EmailVerified: true},
		"unsafe":   {Subject: "3", Email: "ann@example.com"},
		"known":    {Subject: "4", Email: "known@example.com", EmailVerified: true},
		"nobody":   {},
	}
	known, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("known"))
	wantCode(t, err, "")
	r.idp.users["linked"] = auth.ExternalIdentity{Subject: "5", Email: "known@example.com", EmailVerified: true}
	before := r.everything()
	for _, tt := range []struct {
		who, decision, email string
		verified             bool
		user                 auth.UserID
	}{
		{"new", "create", "new@example.com", true, ""},
		{"unproven", "takeover", "ann@example.com", true, ann.User.ID},
		{"unsafe", "confirm", "ann@example.com", false, ann.User.ID},
		{"known", "sign_in", "known@example.com", true, known.User.ID},
		{"linked", "link", "known@example.com", true, known.User.ID},
	} {
		trial, err := r.finish(r.try(tt.who))
		wantCode(t, err, "")
		if trial.Decision != tt.decision || string(trial.Email) != tt.email || trial.Verified != tt.verified || trial.User.ID != tt.user || trial.ProviderID != "google.com" {
			t.Errorf("%s: %+v", tt.who, trial)
		}
		if len(trial.Answers) != 1 || trial.Identity.Subject != r.idp.users[tt.who].Subject {
			t.Errorf("%s: subject %q, answers %v", tt.who, trial.Identity.Subject, trial.Answers)
		}
	}
	r.set("selfSignUp", "false")
	if trial, err := r.finish(r.try("new")); err != nil || trial.Decision != "refuse" {
		t.Errorf("sign-up is closed: %+v, %v", trial, err)
	}
	r.set("selfSignUp", "true")
	r.set("verifyEmailEnforced", "true")
	r.idp.users["mute"] = auth.ExternalIdentity{Subject: "6"}
	r.idp.users["vague"] = auth.ExternalIdentity{Subject: "7", Email: "vague@example.com"}
	for who, want := range map[string]string{"mute": "unproven", "vague": "create", "new": "create"} {
		trial, err := r.finish(r.try(who))
		if err != nil || trial.Decision != want || trial.MustVerify != (who == "vague") {
			t.Errorf("addresses have to be verified, %s: %s, must verify %v, %v", who, trial.Decision, trial.MustVerify, err)
		}
	}
	trial, err := r.finish(r.try("nobody"))
	wantCode(t, err, auth.CodeInvalidProviderResponse)
	if trial.ProviderID != "google.com" || len(trial.Answers) != 1 {
		t.Errorf("nobody: %+v", trial)
	}
	if after := r.everything(); after != before {
		t.Errorf("users and mails were %v, and are %v", before, after)
	}
	if got := r.subjects(ann.User.ID) + r.subjects(known.User.ID); got != "4" {
		t.Errorf("identities %q", got)
	}
	records, err := r.admin.Audit(t.Context(), r.operator(), auth.AuditFilter{Event: auth.EventProviderTried, Limit: 100})
	wantCode(t, err, "")
	outcomes := map[auth.Outcome]int{}
	for _, record := range records {
		outcomes[record.Outcome]++
	}
	if outcomes[auth.OutcomeAllowed] != 9 || outcomes[auth.OutcomeDenied] != 1 {
		t.Errorf("recorded: %v", outcomes)
	}
}

// TestTrialAndSignInDoNotMix: neither finishes the other, whatever is presented (P14).
func TestTrialAndSignInDoNotMix(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com", EmailVerified: true}
	callback := r.service.TrialCallback(rigProject)
	r.set("callbackURLs", rigCallback+","+callback) // an app that is as careless as can be
	answer := r.try("ann")
	for _, session := range []string{answer.State, operatorsBrowser, "provider trial\x00" + operatorsBrowser + "\x00" + answer.State} {
		for _, provider := range []string{"google.com", "trial:google.com"} {
			_, err := r.service.SignInWithProvider(t.Context(), r.anyone(), auth.ProviderSignInParams{SessionID: session, ProviderID: provider, RedirectURI: callback, State: answer.State, Code: "ann"})
			if err == nil {
				t.Fatalf("a trial is finished as a sign-in, as session %q at %s", session, provider)
			}
		}
	}
	if _, err := r.finish(answer); err != nil {
		t.Errorf("the trial was used up by that: %v", err)
	}

	params := r.flow("ann")
	for _, browser := range []string{"", operatorsBrowser, params.SessionID} {
		for _, state := range []string{params.SessionID, r.idp.begun.State} {
			_, err := r.admin.FinishProviderTrial(t.Context(), r.operator(), browser, auth.TrialAnswer{State: state, Code: "ann"})
			wantCode(t, err, auth.CodeInvalidProviderResponse)
		}
	}
	if _, err := r.service.SignInWithProvider(t.Context(), r.anyone(), params); err != nil {
		t.Errorf("the sign-in was used up by that: %v", err)
	}
}

// TestTrialRefusals: a trial ends once, in the browser and project where it began, in time, and for operators alone.
func TestTrialRefusals(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.put("oidc.old", auth.ProviderChange{ClientID: of("x"), Implicit: of(true), Endpoints: of(map[string]string{"issuer": "https://id.example.com"})})
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1"}
	ctx := t.Context()

	answer := r.try("ann")
	_, err := r.admin.FinishProviderTrial(ctx, r.operator(), "another browser", answer)
	wantCode(t, err, auth.CodeInvalidProviderResponse)
	mixedUp := answer
	mixedUp.Issuer = "https://evil.example.net"
	_, err = r.finish(mixedUp)
	wantCode(t, err, auth.CodeInvalidProviderResponse)
	for _, missing := range []auth.TrialAnswer{{}, {State: answer.State}, {Code: "ann"}} {
		_, err = r.finish(missing)
		wantCode(t, err, auth.CodeMissingFlowPart)
	}
	_, err = r.finish(answer)
	wantCode(t, err, "")
	_, err = r.finish(answer)
	wantCode(t, err, auth.CodeInvalidProviderResponse)

	refused := r.try("")
	refused.Error, refused.ErrorDescription = "access_denied", "not\x1b today"
	_, err = r.finish(refused)
	if wantCode(t, err, auth.CodeInvalidProviderResponse); !strings.Contains(err.Error(), "access_denied not today") {
		t.Errorf("what the provider answered is not told: %v", err)
	}

	r.idp.refusal = auth.ProviderRefused("for callers", errors.New("for the log"))
	_, err = r.finish(r.try("ann"))
	if wantCode(t, err, auth.CodeInvalidProviderResponse); auth.AsError(err).Message != "for the log" {
		t.Errorf("the operator is told %q", auth.AsError(err).Message)
	}

	for name, c := range map[string]auth.Caller{"anyone": r.anyone(), "the project's admin": r.projectAdmin()} {
		_, begin := r.admin.BeginProviderTrial(ctx, c, "google.com", operatorsBrowser)
		_, finish := r.admin.FinishProviderTrial(ctx, c, operatorsBrowser, answer)
		if auth.CodeOf(begin) != auth.CodeAdminRequired || auth.CodeOf(finish) != auth.CodeAdminRequired {
			t.Errorf("%s: %v, %v", name, begin, finish)
		}
	}
	_, err = r.admin.BeginProviderTrial(ctx, r.operator(), "oidc.none", operatorsBrowser)
	wantCode(t, err, auth.CodeNotFound)
	_, err = r.admin.BeginProviderTrial(ctx, r.operator(), "oidc.old", operatorsBrowser)
	wantCode(t, err, auth.CodeInvalidArgument)
	for range 30 {
		_, err = r.admin.BeginProviderTrial(ctx, r.operator(), "google.com", operatorsBrowser)
	}
	wantCode(t, err, auth.CodeTooManyAttempts)
}

// TestTrialIsRolledBack: where a sign-in would give an account back to its owner's address, a trial says what would follow, and leaves the account where it is.
func TestTrialIsRolledBack(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["mallory"] = auth.ExternalIdentity{Subject: "1", Email: "mallory@example.com", EmailVerified: true}
	r.idp.users["dora"] = auth.ExternalIdentity{Subject: "2", Email: "dora@example.com", EmailVerified: true}
	mallory, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("mallory"))
	wantCode(t, err, "")
	wantCode(t, r.service.ChangeEmail(t.Context(), r.as(mallory.IDToken), "dora@example.com"), "")
	trial, err := r.finish(r.try("dora"))
	wantCode(t, err, "")
	u, err := r.admin.GetUser(t.Context(), r.operator(), mallory.User.ID)
	wantCode(t, err, "")
	if trial.Decision != "create" || trial.User.ID != "" || u.Email != "dora@example.com" || u.EmailVerified {
		t.Errorf("decision %s about %q; the account is at %q, verified %v", trial.Decision, trial.User.ID, u.Email, u.EmailVerified)
	}
}

// TestUnprovenAtSignIn: where addresses have to be verified, nobody gets an account that has none to verify.
func TestUnprovenAtSignIn(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.set("verifyEmailEnforced", "true")
	r.idp.users = map[string]auth.ExternalIdentity{"mute": {Subject: "6"}}
	before := r.everything()
	_, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("mute"))
	if wantCode(t, err, auth.CodeInvalidProviderResponse); !strings.Contains(err.Error(), "vouches for no email address") || r.everything() != before {
		t.Errorf("%v; users and mails %v", err, r.everything())
	}
}
