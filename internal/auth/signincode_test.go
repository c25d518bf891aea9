package auth_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The example of RFC 7636 appendix B.
const (
	appVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	appChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	appCallback  = "https://app.example.com/signed-in?from=doorward"
)

func appRequest() auth.AppRequest {
	return auth.AppRequest{RedirectURI: appCallback, State: "a state", CodeChallenge: appChallenge, CodeChallengeMethod: "S256"}
}

// withApps makes a project that an app may send its users to.
func withApps(s *setup) {
	documented(s)
	with("callbackURLs", appCallback+",https://other.example.com/,com.example.app:/in")(s)
}

// grant gives a code for the app, for the user of the browser.
func (h *harness) grant(c auth.Caller) string {
	h.t.Helper()
	code, err := h.GrantCode(h.ctx, c, appRequest())
	h.must(err)
	return h.secret(code)
}

func exchangeOf(code string) auth.CodeExchange {
	return auth.CodeExchange{Code: code, CodeVerifier: appVerifier, RedirectURI: appCallback}
}

func (h *harness) exchange(x auth.CodeExchange) (auth.Tokens, error) {
	tokens, err := h.ExchangeCode(h.ctx, h.anyone(), x)
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

// The app's session is one of its own, which knows how and when the user proved itself.
func TestCodeExchange(t *testing.T) {
	h := newHarness(t, withApps)
	h.secret(appVerifier)
	_, a, _ := h.withApp(ada)
	in, err := h.SignIn(h.ctx, h.page(), auth.SignInParams{Email: ada, Password: goodPW})
	h.must(err)
	in, err = h.CompleteSignIn(h.ctx, h.page(), h.secret(in.PendingCredential), code(a.code()))
	browser := h.wantBrowser(in, err)
	proven := h.clock.Now()
	h.clock.Advance(6 * time.Minute)
	_, page, err := h.Sessions(h.ctx, browser)
	h.must(err)

	tokens, err := h.exchange(exchangeOf(h.grant(browser)))
	h.must(err)
	h.wantAlive(tokens)
	c := claims(t, tokens.IDToken)
	f := c["firebase"].(map[string]any)
	if c["sub"] != string(in.User.ID) || c["sid"] == string(page) || f["sign_in_provider"] != "password" || f["sign_in_second_factor"] != "totp" || f["second_factor_identifier"] != string(a.id) {
		t.Errorf("claims %v", c)
	}
	if c["auth_time"] != float64(proven.Unix()) {
		t.Errorf("auth_time %v, and the user proved itself at %d", c["auth_time"], proven.Unix())
	}
	_, err = h.BeginEnrollment(h.ctx, h.as(tokens.IDToken), auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeRecentSignInRequired) // a code makes no old proof new

	h.must(h.SignOut(h.ctx, browser, page))
	h.wantAlive(tokens)
	granted, exchanged := h.audits(auth.EventSignInCodeGranted), h.audits(auth.EventSignInCodeExchanged)
	if len(granted) != 1 || granted[0].Detail["callback"] != "https://app.example.com" || granted[0].Actor != auth.ActorUser {
		t.Errorf("audit of the grant %+v", granted)
	}
	if len(exchanged) != 1 || exchanged[0].Outcome != auth.OutcomeAllowed || exchanged[0].User != in.User.ID || exchanged[0].Detail["session"] != c["sid"] {
		t.Errorf("audit of the exchange %+v", exchanged)
	}
}

func TestCodeExchangeRefuses(t *testing.T) {
	const invalid = auth.CodeInvalidSignInCode
	tests := map[string]struct {
		do   func(h *harness, browser auth.Caller, x *auth.CodeExchange)
		want auth.Code
	}{
		"no code":          {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.Code = "" }, auth.CodeInvalidArgument},
		"no verifier":      {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.CodeVerifier = "" }, auth.CodeInvalidArgument},
		"no callback":      {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.RedirectURI = "" }, auth.CodeInvalidArgument},
		"short verifier":   {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.CodeVerifier = appVerifier[1:] }, auth.CodeInvalidArgument},
		"strange verifier": {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.CodeVerifier += "+" }, auth.CodeInvalidArgument},
		"unknown code":     {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.Code = strings.Repeat("x", 43) }, invalid},
		"other verifier":   {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.CodeVerifier += "x" }, invalid},
		"the challenge":    {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.CodeVerifier = appChallenge }, invalid},
		"other callback":   {func(_ *harness, _ auth.Caller, x *auth.CodeExchange) { x.RedirectURI = "https://other.example.com/" }, invalid},
		"expired":          {func(h *harness, _ auth.Caller, _ *auth.CodeExchange) { h.clock.Advance(time.Minute) }, invalid},
		"signed out":       {func(h *harness, c auth.Caller, _ *auth.CodeExchange) { h.must(h.SignOutEverywhere(h.ctx, c, false)) }, invalid},
		"deleted":          {func(h *harness, c auth.Caller, _ *auth.CodeExchange) { h.must(h.DeleteAccount(h.ctx, c)) }, invalid},
		"callback withdrawn": {func(h *harness, _ auth.Caller, _ *auth.CodeExchange) {
			h.set("callbackURLs", "https://other.example.com/")
		}, auth.CodeRedirectNotAllowed},
		"second factor required meanwhile": {func(h *harness, _ auth.Caller, _ *auth.CodeExchange) { h.set("secondFactor", "required") }, invalid},
		"disabled": {func(h *harness, c auth.Caller, _ *auth.CodeExchange) {
			u, _ := c.User()
			h.alter(u.ID, func(u *auth.User) { u.Disabled = true })
		}, auth.CodeUserDisabled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, withApps)
			h.signUp(ada)
			_, browser := h.browse(ada)
			x := exchangeOf(h.grant(browser))
			tt.do(h, browser, &x)
			tokens, err := h.exchange(x)
			h.want(err, tt.want)
			if tokens.IDToken != "" || tokens.RefreshToken != "" {
				t.Error("there are tokens")
			}
			if tt.want == invalid || tt.want == auth.CodeUserDisabled {
				h.wantDenied(auth.EventSignInCodeExchanged, 1)
			}
		})
	}
}

func TestCodeOfAnotherProject(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	settings := fast()
	settings["callbackURLs"] = appCallback
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Preset: auth.PresetDocumented, Settings: settings})
	h.must(err)
	_, err = h.ExchangeCode(h.ctx, h.anyoneOf("other"), exchangeOf(h.grant(browser)))
	h.want(err, auth.CodeInvalidSignInCode)
}

// Who shows a used code with all that belongs to it ends what it made; who has only read it somewhere ends nothing.
func TestReuseOfCode(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	x := exchangeOf(h.grant(browser))
	tokens, err := h.exchange(x)
	h.must(err)
	stolen := x
	stolen.CodeVerifier = strings.Repeat("x", 43)
	_, err = h.exchange(stolen)
	h.want(err, auth.CodeInvalidSignInCode)
	h.wantAlive(tokens)
	h.clock.Advance(10 * time.Minute) // expired or not
	_, err = h.exchange(x)
	h.want(err, auth.CodeInvalidSignInCode)
	h.wantEnded(tokens)
	_, err = h.exchange(x)
	h.want(err, auth.CodeInvalidSignInCode)
	if sessions, _, err := h.Sessions(h.ctx, browser); err != nil || len(sessions) != 2 { // the sign-up's and the browser's
		t.Errorf("%d sessions are left, error %v", len(sessions), err)
	}
	if reused := h.audits(auth.EventSignInCodeReused); len(reused) != 2 || reused[0].Outcome != auth.OutcomeDenied || reused[0].Detail["session"] == "" {
		t.Errorf("audit %+v", reused)
	}
}

func TestCodeAtTheSameMoment(t *testing.T) {
	h := newHarness(t, withApps)
	h.store.once.Store(true)
	h.signUp(ada)
	_, browser := h.browse(ada)
	x := exchangeOf(h.grant(browser))
	var wg sync.WaitGroup
	won := make([]auth.Tokens, 8)
	for i := range won {
		wg.Go(func() { won[i], _ = h.exchange(x) })
	}
	wg.Wait()
	won = slices.DeleteFunc(won, func(t auth.Tokens) bool { return t.RefreshToken == "" })
	if len(won) != 1 {
		t.Fatalf("%d exchanges of one code won", len(won))
	}
	h.wantEnded(won[0]) // by those who came later
}

func TestWrongCodesAreLimited(t *testing.T) {
	h := newHarness(t, withApps, with("guessSourceBurst", "3"))
	h.signUp(ada)
	_, browser := h.browse(ada)
	for range 5 {
		_, err := h.exchange(exchangeOf(h.grant(browser))) // right ones do not count
		h.must(err)
	}
	for range 3 {
		_, err := h.exchange(exchangeOf("nothing"))
		h.want(err, auth.CodeInvalidSignInCode)
	}
	_, err := h.exchange(exchangeOf("nothing"))
	h.want(err, auth.CodeTooManyAttempts)
}

func TestGrantsAreLimited(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	h.set("signInSourceBurst", "2")
	browser.Project = h.anyone().Project
	h.grant(browser)
	h.grant(browser)
	_, err := h.GrantCode(h.ctx, browser, appRequest())
	h.want(err, auth.CodeTooManyAttempts)
}

// The project's hook is asked before the app's session begins; one that refuses uses no code up.
func TestHookAtCodeExchange(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	x := exchangeOf(h.grant(browser))
	h.hook("before_token")
	h.hooks.answers(refuse, nil)
	_, err := h.exchange(x)
	h.want(err, auth.CodeBlockedByHook)
	h.hooks.answers(auth.HookVerdict{Allow: true}, nil)
	tokens, err := h.exchange(x)
	h.must(err)
	h.hooks.asked(t)
	h.wantAlive(tokens)
}

func TestGrantNeedsALivingSession(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	_, err := h.GrantCode(h.ctx, h.page(), appRequest())
	h.want(err, auth.CodeUnauthenticated)
	h.must(h.SignOutEverywhere(h.ctx, browser, false))
	_, err = h.GrantCode(h.ctx, browser, appRequest())
	h.want(err, auth.CodeTokenInvalid)
}

func TestAppRequests(t *testing.T) {
	h := newHarness(t, withApps)
	h.signUp(ada)
	_, browser := h.browse(ada)
	for name, tt := range map[string]struct {
		change func(r *auth.AppRequest)
		want   auth.Code
	}{
		"good":                   {func(*auth.AppRequest) {}, ""},
		"without state":          {func(r *auth.AppRequest) { r.State = "" }, ""},
		"an app's scheme":        {func(r *auth.AppRequest) { r.RedirectURI = "com.example.app:/in" }, ""},
		"no callback":            {func(r *auth.AppRequest) { r.RedirectURI = "" }, auth.CodeRedirectNotAllowed},
		"another callback":       {func(r *auth.AppRequest) { r.RedirectURI += "x" }, auth.CodeRedirectNotAllowed},
		"a script":               {func(r *auth.AppRequest) { r.RedirectURI = "javascript:alert(1)" }, auth.CodeRedirectNotAllowed},
		"state with line break":  {func(r *auth.AppRequest) { r.State = "a\r\nb" }, auth.CodeInvalidArgument},
		"long state":             {func(r *auth.AppRequest) { r.State = strings.Repeat("x", 1025) }, auth.CodeInvalidArgument},
		"no challenge":           {func(r *auth.AppRequest) { r.CodeChallenge = "" }, auth.CodeInvalidArgument},
		"short challenge":        {func(r *auth.AppRequest) { r.CodeChallenge = appChallenge[1:] }, auth.CodeInvalidArgument},
		"padded challenge":       {func(r *auth.AppRequest) { r.CodeChallenge += "=" }, auth.CodeInvalidArgument},
		"challenge of two lines": {func(r *auth.AppRequest) { r.CodeChallenge = appChallenge[:9] + "\n" + appChallenge[9:] }, auth.CodeInvalidArgument},
		"no method":              {func(r *auth.AppRequest) { r.CodeChallengeMethod = "" }, auth.CodeInvalidArgument},
		"plain":                  {func(r *auth.AppRequest) { r.CodeChallengeMethod = "plain" }, auth.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			r := appRequest()
			tt.change(&r)
			h.want(h.CheckAppRequest(h.ctx, h.page(), r), tt.want)
			code, err := h.GrantCode(h.ctx, browser, r)
			h.want(err, tt.want)
			if (code == "") != (tt.want != "") {
				t.Errorf("code %q", code)
			}
		})
	}
}

// A planted code in the callback of this machine, where every URL is allowed, must not come before the real one.
func TestCallbackLeavesRoomForTheCode(t *testing.T) {
	h := newHarness(t, documented, with("callbackURLs", "loopback"))
	for callback, want := range map[string]auth.Code{
		"http://localhost:3000/in":              "",
		"http://localhost:3000/in?a=1":          "",
		"http://localhost:3000/in?code=planted": auth.CodeInvalidArgument,
		"http://localhost:3000/in?co%64e=x":     auth.CodeInvalidArgument,
		"http://localhost:3000/in?a=1&state=x":  auth.CodeInvalidArgument,
		"http://localhost:3000/in?a=1;code=x":   auth.CodeInvalidArgument,
		"http://localhost:3000/in?a=%zz&code=x": auth.CodeInvalidArgument,
		"http://localhost.example.com/in?a=1":   auth.CodeRedirectNotAllowed,
	} {
		r := appRequest()
		r.RedirectURI = callback
		if got := auth.CodeOf(h.CheckAppRequest(h.ctx, h.page(), r)); got != want {
			t.Errorf("%s: %q, want %q", callback, got, want)
		}
	}
}

func TestAppRequestAnswer(t *testing.T) {
	for callback, want := range map[string][2]string{
		"https://app.example.com/in":        {"https://app.example.com/in?code=C&state=a+%26b", "https://app.example.com"},
		"https://app.example.com:8443/?a=1": {"https://app.example.com:8443/?a=1&code=C&state=a+%26b", "https://app.example.com:8443"},
		"com.example.app:/in":               {"com.example.app:/in?code=C&state=a+%26b", "com.example.app:"},
		"nothing":                           {"nothing?code=C&state=a+%26b", ""},
	} {
		r := auth.AppRequest{RedirectURI: callback, State: "a &b"}
		if r.Answer("C") != want[0] || r.Origin() != want[1] {
			t.Errorf("%s: %q, %q", callback, r.Answer("C"), r.Origin())
		}
	}
	if got := (auth.AppRequest{RedirectURI: "https://app.example.com/in"}).Answer("C"); got != "https://app.example.com/in?code=C" {
		t.Errorf("without state: %q", got)
	}
}
