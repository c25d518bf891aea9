package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// scriptedProviders are identity providers whose every user is known by a code.
type scriptedProviders struct {
	problem error
	begun   auth.AuthorizationParams
	secrets auth.ProviderSecrets
	users   map[string]auth.ExternalIdentity
}

func (s *scriptedProviders) Known(id string) bool {
	_, known := kindOf(id)
	return known
}

func (s *scriptedProviders) AuthorizationURL(_ context.Context, p auth.IdentityProvider, a auth.AuthorizationParams) (string, error) {
	s.begun = a
	return "https://id.example.com/authorize?client_id=" + p.ClientID + "&state=" + a.State, nil
}

func (s *scriptedProviders) IsIssuer(auth.IdentityProvider, string) bool { return true }

func (s *scriptedProviders) Identify(_ context.Context, _ auth.IdentityProvider, _ auth.ProviderSecrets, c auth.CompletionParams) (auth.ExternalIdentity, error) {
	c.Heard(func() []auth.ProviderAnswer {
		return []auth.ProviderAnswer{{From: "POST id.example.com/token", Status: 200, Body: "said <b>"}}
	})
	return s.users[c.Code], nil
}

func (s *scriptedProviders) Check(_ context.Context, _ auth.IdentityProvider, secrets auth.ProviderSecrets) error {
	s.secrets = secrets
	return s.problem
}

func TestConsoleProviders(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme", "callbackURLs", "https://app.example.com/signed-in")
	const list, page = "/console/projects/acme/sign-in-methods", "/console/projects/acme/sign-in-methods/oidc.corp"
	r.get(list).wantPage(200, "Password On", "Passkeys and authenticator apps Optional", "without any identity provider", "Google", "Apple", "Microsoft", "GitHub", "Facebook")
	r.post(list, "add", "name", "Not a name").wantPage(422, "The name is made of")
	r.post(list, "add", "name", "corp").wantBack(page)
	for id, asks := range map[string]string{"google.com": "Client secret", "apple.com": "Private key", "microsoft.com": "Issuer", "github.com": "Client secret", "facebook.com": "Client secret", "oidc.corp": "Issuer"} {
		r.get(list+"/"+id).wantPage(200, asks, "https://auth.example.com/acme/sign-in/callback", "https://auth.example.com/console/projects/acme/provider-callback", "https://app.example.com/signed-in")
	}
	r.get(list + "/elsewhere.com").wantPage(404)

	form := []string{"clientId", "client-1", "clientSecret", "s3cret-of-client", "issuer", "https://id.example.com", "scopes", "groups  roles", "parameters", "prompt=login\r\n\r\nhd=example.com", "off", "yes"}
	for field, wrong := range map[string][]string{
		"clientId": {"issuer", "https://id.example.com"}, "endpoints": {"clientId", "x"}, "parameters": {"clientId", "x", "issuer", "https://id.example.com", "parameters", "prompt"},
	} {
		a := r.postNow(page, "save", wrong...).wantPage(422)
		if !strings.Contains(a.Body.String(), `name="`+field+`"`) || !strings.Contains(a.Body.String(), `aria-invalid="true"`) {
			t.Errorf("%s is not tied to what is wrong: %s", field, a.text())
		}
	}
	r.postNow(page, "save", form...).wantBack(page + "?notice=saved")
	p, err := r.admin.Provider(t.Context(), acme, "oidc.corp")
	r.must(err)
	if p.Enabled || p.ClientID != "client-1" || strings.Join(p.Scopes, " ") != "groups roles" || p.Parameters["hd"] != "example.com" || p.Endpoints["issuer"] != "https://id.example.com" {
		t.Errorf("stored %+v", p)
	}
	a := r.get(page).wantPage(200, "One is stored, and never shown again")
	if strings.Contains(a.Body.String(), "s3cret-of-client") {
		t.Error("the page shows the secret")
	}
	r.post(page, "switch", "enabled", "true").wantBack(page + "?notice=on")
	r.get(list).wantPage(200, "corp oidc.corp On client-1")

	r.post(page, "check").wantPage(200, "nothing wrong")
	if r.idp.secrets.ClientSecret != "s3cret-of-client" {
		t.Errorf("secret %q", r.idp.secrets.ClientSecret)
	}
	r.postNow(page, "save", "clientId", "client-2", "issuer", "https://id.example.com").wantBack(page) // an empty secret stays
	r.postNow(page, "save", "clientId", "client-2", "issuer", "https://evil.example.net").wantPage(422, "enter the secret again")
	r.idp.problem = &auth.Error{Code: auth.CodeUnavailable, Message: "it is closed"}
	r.post(page, "check").wantPage(200, "it is closed")
	r.post(list, "check").wantPage(200, "Problem", "it is closed")
	if r.idp.secrets.ClientSecret != "s3cret-of-client" {
		t.Errorf("secret %q", r.idp.secrets.ClientSecret)
	}
	r.postNow(page, "save", "clientId", "client-2", "issuer", "https://id.example.com", "removeSecret", "yes").wantBack(page)
	r.post(page, "check")
	if r.idp.secrets.ClientSecret != "" {
		t.Error("the secret was not removed")
	}
	r.post(list+"/apple.com", "save", "clientId", "com.example", "teamId", "T", "keyId", "K", "privateKey", "-----BEGIN").wantBack(list)
	r.post(page, "delete").wantBack(list + "?notice=deleted")
	r.post(page, "delete").wantPage(404)
}

// TestConsoleProviderTrial: the browser is sent to the provider, and what comes back is shown, once and in that browser alone.
func TestConsoleProviderTrial(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	id := "client-1"
	_, err := r.admin.PutProvider(t.Context(), acme, "google.com", auth.ProviderChange{ClientID: &id})
	r.must(err)
	r.idp.users = map[string]auth.ExternalIdentity{"ann": {
		Subject: "sub-1", Email: "ann@example.com", EmailVerified: true, Raw: map[string]any{"sub": "sub-1", "groups": []any{"staff"}, "bio": "<script>alert(1)</script>"},
	}}
	begin := func() string {
		a := r.post("/console/projects/acme/sign-in-methods/google.com", "try").wantPage(200, "On the way to Google")
		if target := a.Header().Get("Refresh"); target != "0;url=https://id.example.com/authorize?client_id=client-1&state="+r.idp.begun.State {
			t.Fatalf("goes to %q", target)
		}
		return mustParse(t, r.idp.begun.RedirectURI).Path + "?state=" + r.idp.begun.State
	}
	come := func(back string) *answer { // as the browser does, which keeps the answer in a cookie
		t.Helper()
		return r.withStep(r.get(back).wantBack("/console/projects/acme/provider-callback"))
	}
	back := begin()
	a := come(back+"&code=ann").wantPage(200, "What came back from Google", "a new user would be made", "sub-1", "ann@example.com Verified", `["staff"]`, "<script>alert(1)</script>", "said <b>")
	if strings.Contains(a.Body.String(), "<script>") {
		t.Error("a claim is not escaped")
	}
	a.wantPage(200, "The blocking hook was not asked")
	come(back+"&code=ann").wantPage(422, "was used already")
	come(begin()+"&error=access_denied").wantPage(422, "access_denied")
	come(begin()+"&code=nobody").wantPage(422, "named no subject", "said <b>")
	r.get("/console/projects/acme/provider-callback").wantPage(422)
	users, err := r.admin.SearchUsers(t.Context(), acme, auth.UserSearch{Limit: 10})
	r.must(err)
	if len(users) != 0 {
		t.Errorf("%d users", len(users))
	}

	// What Apple posts comes without the operator's cookie, and is asked for again with it.
	begin()
	form := url.Values{"state": {r.idp.begun.State}, "code": {"ann"}, "user": {"{}"}}
	req := httptest.NewRequest(http.MethodPost, "/console/projects/acme/provider-callback", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	session := r.session
	r.session = ""
	posted := r.do(req).wantBack("/console/projects/acme/provider-callback")
	r.session = session
	r.withStep(posted).wantPage(200, "What came back from Google")
	r.get("/console/projects/acme/provider-callback?code="+strings.Repeat("x", 4000)).wantPage(400, "too long")
}

// withStep follows a redirect with the cookie that came with it, whose address tells nothing.
func (r *rig) withStep(a *answer) *answer {
	r.t.Helper()
	target := a.Header().Get("Location")
	if strings.Contains(target, "?") {
		r.t.Errorf("the answer is in the address %s", target)
	}
	req := httptest.NewRequest(http.MethodGet, target, nil)
	for _, cookie := range a.Result().Cookies() {
		req.AddCookie(cookie)
	}
	return r.do(req)
}

// TestTrialOutcome: who is met and may not sign in is told why, whatever else would have been decided.
func TestTrialOutcome(t *testing.T) {
	disabled, invited, unverified := auth.User{ID: "u", Disabled: true}, auth.User{ID: "u", InvitePending: true}, auth.User{ID: "u", VerificationRequired: true}
	for _, tt := range []struct {
		trial auth.ProviderTrial
		says  string
		good  bool
	}{
		{auth.ProviderTrial{Decision: "sign_in", User: disabled}, "is disabled", false},
		{auth.ProviderTrial{Decision: "sign_in", User: invited}, "has not accepted the invitation", false},
		{auth.ProviderTrial{Decision: "sign_in", User: unverified}, "has to prove the email address", false},
		{auth.ProviderTrial{Decision: "confirm", User: disabled}, "is disabled", false},
		{auth.ProviderTrial{Decision: "confirm", User: invited}, "has not accepted the invitation", false},
		{auth.ProviderTrial{Decision: "confirm", User: unverified}, "has to prove the email address", false},
		{auth.ProviderTrial{Decision: "confirm", User: auth.User{ID: "u"}}, "has to sign in as before", false},
		{auth.ProviderTrial{Decision: "takeover", User: unverified}, "the user would be this one's", true},
		{auth.ProviderTrial{Decision: "sign_in", User: auth.User{ID: "u"}}, "its user would be signed in", true},
		{auth.ProviderTrial{Decision: "create", MustVerify: true}, "prove the address by mail", false},
		{auth.ProviderTrial{Decision: "create"}, "a new user would be made.", true},
		{auth.ProviderTrial{Decision: "unproven"}, "tells none that could be verified", false},
		{auth.ProviderTrial{Decision: "refuse"}, "sign-up is closed", false},
	} {
		if text, good := trialOutcome(tt.trial); !strings.Contains(text, tt.says) || good != tt.good {
			t.Errorf("%s of %+v: good %v, %s", tt.trial.Decision, tt.trial.User, good, text)
		}
	}
}
