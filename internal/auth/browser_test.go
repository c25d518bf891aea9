package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// page is a caller that is a hosted page, whose browser has shown nothing.
func (h *harness) page() auth.Caller {
	c := h.anyone()
	c.Browser = true
	return c
}

// wantBrowser checks that a page's sign-in gave a browser token and nothing else, and gives the caller that it makes.
func (h *harness) wantBrowser(tokens auth.Tokens, err error) auth.Caller {
	h.t.Helper()
	h.must(err)
	h.secret(tokens.BrowserToken)
	if tokens.BrowserToken == "" || tokens.IDToken != "" || tokens.RefreshToken != "" || tokens.PendingCredential != "" {
		h.t.Fatalf("got %+v, want a browser token", tokens)
	}
	c, err := h.AuthenticateBrowser(h.ctx, h.page(), tokens.BrowserToken)
	h.must(err)
	if u, _ := c.User(); u.ID != tokens.User.ID || c.Actor() != auth.ActorUser || !c.Browser {
		h.t.Errorf("the token makes %+v", c)
	}
	return c
}

// browse signs in on a page.
func (h *harness) browse(email string) (token string, c auth.Caller) {
	h.t.Helper()
	in, err := h.SignIn(h.ctx, h.page(), auth.SignInParams{Email: email, Password: h.secret(goodPW)})
	return in.BrowserToken, h.wantBrowser(in, err)
}

// Every way to sign in gives a page a browser token, and no other.
func TestBrowserSignIns(t *testing.T) {
	ways := map[string]func(h *harness) (auth.Tokens, error){
		"sign-up": func(h *harness) (auth.Tokens, error) {
			return h.SignUp(h.ctx, h.page(), auth.SignUpParams{Email: ada, Password: h.secret(goodPW)})
		},
		"password": func(h *harness) (auth.Tokens, error) {
			h.signUp(ada)
			return h.SignIn(h.ctx, h.page(), auth.SignInParams{Email: ada, Password: goodPW})
		},
		"second factor": func(h *harness) (auth.Tokens, error) {
			_, a, _ := h.withApp(ada)
			in, err := h.SignIn(h.ctx, h.page(), auth.SignInParams{Email: ada, Password: goodPW})
			h.must(err)
			if in.BrowserToken != "" {
				h.t.Error("a browser token before the second factor")
			}
			return h.CompleteSignIn(h.ctx, h.page(), h.secret(in.PendingCredential), code(a.code()))
		},
		"enrollment": func(h *harness) (auth.Tokens, error) {
			h.set("secondFactor", "required")
			up, err := h.SignUp(h.ctx, h.page(), auth.SignUpParams{Email: ada, Password: h.secret(goodPW)})
			h.must(err)
			pending := h.secret(up.PendingCredential)
			e, err := h.BeginEnrollment(h.ctx, h.page(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: pending})
			h.must(err)
			done, err := h.FinishEnrollment(h.ctx, h.page(), auth.EnrollmentProof{ID: e.ID, Code: h.newApp(e).code(), PendingCredential: pending})
			h.must(err)
			if done.Tokens == nil {
				h.t.Fatal("the sign-in that waited is not finished")
			}
			return *done.Tokens, nil
		},
		"passkey": func(h *harness) (auth.Tokens, error) {
			key, _ := h.enrollKey(h.as(h.verified(ada).IDToken))
			begun := h.startPasskey()
			return h.SignInWithPasskey(h.ctx, h.page(), begun.SessionID, key.Get(begun.Options))
		},
	}
	for name, signIn := range ways {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			c := h.wantBrowser(signIn(h))
			sessions, current, err := h.Sessions(h.ctx, c)
			h.must(err)
			if !slices.ContainsFunc(sessions, func(s auth.Session) bool { return s.ID == current && s.UserAgent == "tests/1.0" }) {
				t.Errorf("sessions %+v, current %s", sessions, current)
			}
			if len(h.audits(auth.EventSignIn))+len(h.audits(auth.EventSignUp)) == 0 {
				t.Error("the sign-in is not recorded")
			}
		})
	}
}

func TestBrowserSignInAtProvider(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: ada, EmailVerified: true}
	page := r.anyone()
	page.Browser = true
	in, err := r.service.SignInWithProvider(t.Context(), page, r.flow("ann"))
	wantCode(t, err, "")
	if in.BrowserToken == "" || in.IDToken != "" || in.RefreshToken != "" {
		t.Fatalf("got %+v", in.Tokens)
	}
	c, err := r.service.AuthenticateBrowser(t.Context(), page, in.BrowserToken)
	wantCode(t, err, "")
	r.idp.users["ann at work"] = auth.ExternalIdentity{Subject: "2"}
	linked, err := r.service.LinkProvider(t.Context(), c, r.flow("ann at work"))
	wantCode(t, err, "")
	if linked.User.ID != in.User.ID || linked.IDToken != "" || linked.BrowserToken != "" {
		t.Errorf("linking gave %+v", linked.Tokens)
	}
	if got := r.subjects(in.User.ID); got != "1 2" {
		t.Errorf("identities %s", got)
	}
}

// A browser's session is an ordinary one: what ends sessions ends it (P20, P22).
func TestBrowserTokenDies(t *testing.T) {
	endings := map[string]func(h *harness, c auth.Caller, elsewhere auth.Tokens){
		"sign-out": func(h *harness, c auth.Caller, _ auth.Tokens) {
			_, current, err := h.Sessions(h.ctx, c)
			h.must(err)
			h.must(h.SignOut(h.ctx, c, current))
		},
		"sign-out elsewhere": func(h *harness, _ auth.Caller, elsewhere auth.Tokens) {
			h.must(h.SignOutEverywhere(h.ctx, h.as(elsewhere.IDToken), true))
		},
		"password change elsewhere": func(h *harness, _ auth.Caller, elsewhere auth.Tokens) {
			h.must(h.ChangePassword(h.ctx, h.as(elsewhere.IDToken), goodPW, h.secret(otherPW)))
		},
		"disabled": func(h *harness, c auth.Caller, _ auth.Tokens) {
			u, _ := c.User()
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), u.ID, auth.UserPatch{Disabled: ptr(true)})
			h.must(err)
		},
		"disabled behind the domain's back": func(h *harness, c auth.Caller, _ auth.Tokens) {
			u, _ := c.User()
			h.alter(u.ID, func(u *auth.User) { u.Disabled = true })
		},
		"deleted": func(h *harness, c auth.Caller, _ auth.Tokens) { h.must(h.DeleteAccount(h.ctx, c)) },
		"idle":    func(h *harness, _ auth.Caller, _ auth.Tokens) { h.clock.Advance(time.Hour + time.Second) },
		"old": func(h *harness, _ auth.Caller, _ auth.Tokens) {
			h.set("refreshTokenAbsoluteTTL", "30m")
			h.clock.Advance(31 * time.Minute)
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented, with("refreshTokenIdleTTL", "1h"))
			elsewhere := h.signUp(ada)
			token, c := h.browse(ada)
			end(h, c, elsewhere)
			_, err := h.AuthenticateBrowser(h.ctx, h.page(), token)
			h.want(err, auth.CodeTokenInvalid)
		})
	}
}

// The kinds of tokens are never taken for one another (P23), nor those of one project for another's (P35).
func TestBrowserTokenIsNoOther(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	token, _ := h.browse(ada)
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Preset: auth.PresetDocumented, Settings: fast()})
	h.must(err)
	_, err = h.AuthenticateBrowser(h.ctx, h.anyoneOf("other"), token)
	h.want(err, auth.CodeTokenInvalid)
	for _, wrong := range []string{up.IDToken, up.RefreshToken, "nothing"} {
		_, err = h.AuthenticateBrowser(h.ctx, h.page(), wrong)
		h.want(err, auth.CodeTokenInvalid)
	}
	_, err = h.AuthenticateBrowser(h.ctx, h.page(), "")
	h.want(err, auth.CodeUnauthenticated)
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), token)
	h.want(err, auth.CodeUnauthenticated)
	_, err = h.refresh(token)
	h.want(err, auth.CodeInvalidRefreshToken)
}

// Use keeps a browser's session from being idle, and is written down no more than once a minute.
func TestBrowserUseIsNoted(t *testing.T) {
	h := newHarness(t, documented, with("refreshTokenIdleTTL", "1h"))
	h.signUp(ada)
	token, _ := h.browse(ada)
	for range 5 {
		h.clock.Advance(50 * time.Minute)
		for range 3 {
			_, err := h.AuthenticateBrowser(h.ctx, h.page(), token)
			h.must(err)
			h.clock.Advance(time.Second)
		}
	}
	if n := len(h.audits(auth.EventRefresh)); n != 5 {
		t.Errorf("%d records of use, want 5", n)
	}
}

// Where the project has come to require a second factor, the browser's session is good for enrolling one, and then for all.
func TestBrowserWithoutSecondFactor(t *testing.T) {
	h := newHarness(t, documented)
	h.verified(ada)
	token, c := h.browse(ada)
	h.set("secondFactor", "required")
	_, err := h.AuthenticateBrowser(h.ctx, h.page(), token)
	h.want(err, auth.CodeSecondFactorRequired)
	enrolling, err := h.AuthenticateBrowserEnrolling(h.ctx, h.page(), token)
	h.must(err)
	for _, c := range []auth.Caller{c, enrolling} {
		c.Project = h.anyone().Project
		_, err = h.GrantCode(h.ctx, c, appRequest())
		h.want(err, auth.CodeSecondFactorRequired)
	}
	h.enrollApp(enrolling)
	_, err = h.AuthenticateBrowser(h.ctx, h.page(), token)
	h.must(err)
}
