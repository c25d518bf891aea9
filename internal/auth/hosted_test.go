package auth_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The hosted page's own callback is allowed unasked, of its own project and to the page alone (P13).
func TestHostedCallback(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: ada, EmailVerified: true}
	page, own := r.anyone(), r.service.HostedCallback(rigProject)
	page.Browser = true
	if !strings.HasSuffix(own, "/"+rigProject+"/sign-in/callback") {
		t.Errorf("the callback is %s", own)
	}
	_, err := r.service.Authorize(t.Context(), r.anyone(), "google.com", own)
	wantCode(t, err, auth.CodeRedirectNotAllowed)
	for _, other := range []string{r.service.HostedCallback("other"), own + "/", own + "?x=y", strings.ToUpper(own)} {
		_, err = r.service.Authorize(t.Context(), page, "google.com", other)
		wantCode(t, err, auth.CodeRedirectNotAllowed)
	}
	begun, err := r.service.Authorize(t.Context(), page, "google.com", own)
	wantCode(t, err, "")
	answer := auth.ProviderSignInParams{SessionID: begun.SessionID, ProviderID: "google.com", RedirectURI: own, State: r.idp.begun.State, Code: "ann"}
	_, err = r.service.SignInWithProvider(t.Context(), r.anyone(), answer)
	wantCode(t, err, auth.CodeRedirectNotAllowed)
	in, err := r.service.SignInWithProvider(t.Context(), page, answer)
	wantCode(t, err, "")
	if in.BrowserToken == "" {
		t.Error("no browser token")
	}
}

// Where an app asked, it can learn that nobody signed in; the console is no app's.
func TestAppRefusals(t *testing.T) {
	for callback, want := range map[string]string{
		"https://app.example.com/in":     "https://app.example.com/in?error=access_denied&state=a+%26+b",
		"https://app.example.com/in?x=y": "https://app.example.com/in?x=y&error=access_denied&state=a+%26+b",
		"com.example.app:/in":            "com.example.app:/in?error=access_denied&state=a+%26+b",
	} {
		if got := (auth.AppRequest{RedirectURI: callback, State: "a & b"}).Refusal(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	h := newHarness(t, documented)
	operator := h.operator()
	h.must(h.admin.EnsureConsole(h.ctx, operator))
	console, err := h.HostedProject(h.ctx, auth.ConsoleProject)
	h.must(err)
	operator.Project = console
	console, err = h.admin.UpdateProject(h.ctx, operator, auth.ProjectChange{Set: map[string]string{"callbackURLs": appCallback}})
	h.must(err)
	h.want(h.CheckAppRequest(h.ctx, auth.Caller{Project: console}, appRequest()), auth.CodeRedirectNotAllowed)
}

// A page that was loaded again learns what its sign-in waits for, without a try.
func TestPendingSignIn(t *testing.T) {
	h := newHarness(t, documented, with("secondFactor", "required"))
	up, err := h.SignUp(h.ctx, h.page(), auth.SignUpParams{Email: ada, Password: h.secret(goodPW), DisplayName: "Ada Lovelace"})
	h.must(err)
	pending := h.secret(up.PendingCredential)
	for range 10 {
		waiting, err := h.PendingSignIn(h.ctx, h.page(), pending)
		h.must(err)
		if !waiting.EnrollmentRequired || waiting.User.Name != "Ada Lovelace" || waiting.PendingCredential != pending {
			t.Fatalf("got %+v", waiting)
		}
	}
	e, err := h.BeginEnrollment(h.ctx, h.page(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: pending})
	h.must(err)
	_, err = h.FinishEnrollment(h.ctx, h.page(), auth.EnrollmentProof{ID: e.ID, Code: h.newApp(e).code(), PendingCredential: pending})
	h.must(err)
	_, err = h.PendingSignIn(h.ctx, h.page(), pending)
	h.want(err, auth.CodeInvalidPendingCredential)

	in, err := h.SignIn(h.ctx, h.page(), auth.SignInParams{Email: ada, Password: goodPW})
	h.must(err)
	waiting, err := h.PendingSignIn(h.ctx, h.page(), h.secret(in.PendingCredential))
	h.must(err)
	if waiting.EnrollmentRequired || len(waiting.SecondFactors) != 1 {
		t.Errorf("got %+v", waiting)
	}
	h.clock.Advance(6 * time.Minute)
	_, err = h.PendingSignIn(h.ctx, h.page(), in.PendingCredential)
	h.want(err, auth.CodeInvalidPendingCredential)
	_, err = h.PendingSignIn(h.ctx, h.page(), "")
	h.want(err, auth.CodeInvalidPendingCredential)
}

// Passkeys are offered on the server's pages only where browsers would let these use them.
func TestPasskeysOnPages(t *testing.T) {
	h := newHarness(t, documented)
	own := h.Issuer("")
	host := strings.TrimSuffix(strings.TrimPrefix(own, "https://"), "/")
	own = strings.TrimSuffix(own, "/")
	for _, test := range []struct {
		settings []string
		want     bool
	}{
		{nil, true},
		{[]string{"secondFactor", "off"}, false},
		{[]string{"secondFactor", "optional", "passkeyRPID", "app.example.org", "passkeyOrigins", "https://app.example.org"}, false},
		{[]string{"passkeyRPID", host, "passkeyOrigins", own}, true},
	} {
		if len(test.settings) > 0 {
			h.set(test.settings...)
		}
		if got := h.PasskeysOnPages(h.anyone().Project); got != test.want {
			t.Errorf("%v: %v", test.settings, got)
		}
	}
}

// A new sign-in in a browser ends the session whose cookie it replaces, and nothing else.
func TestEndReplaced(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	first, _ := h.browse(ada)
	other, _ := h.browse(ada)
	second, c := h.browse(ada)
	h.must(h.EndReplaced(h.ctx, c, first))
	h.must(h.EndReplaced(h.ctx, c, first))
	h.must(h.EndReplaced(h.ctx, c, "nothing"))
	_, err := h.AuthenticateBrowser(h.ctx, h.page(), first)
	h.want(err, auth.CodeTokenInvalid)
	for _, living := range []string{other, second} {
		_, err := h.AuthenticateBrowser(h.ctx, h.page(), living)
		h.must(err)
	}
	if n := len(h.audits(auth.EventSessionRevoked)); n != 1 {
		t.Errorf("%d records", n)
	}
	h.want(h.EndReplaced(h.ctx, h.page(), other), auth.CodeUnauthenticated)
}

func TestSignInProviders(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	ids, err := r.service.SignInProviders(t.Context(), r.anyone().Project)
	wantCode(t, err, "")
	if !slices.Equal(ids, []string{"google.com"}) {
		t.Errorf("got %v", ids)
	}
}
