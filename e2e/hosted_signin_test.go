package e2e

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// appRequest is what an app sends its user to the sign-in page with.
func appRequest(callBack, verifier string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{"callBackUri": {callBack}, "state": {"the state"}, "codeChallenge": {base64url(sum[:])}, "codeChallengeMethod": {"S256"}}
}

// exchange takes the address that the browser came to the app with, and gets tokens of the user for its code.
func (p project) exchange(t *testing.T, address, callBack, verifier, email string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("state") != "the state" || u.Query().Get("code") == "" {
		t.Fatal("the browser brought no code and state")
	}
	remember("sign-in code", u.Query().Get("code"))
	body := M{"code": u.Query().Get("code"), "codeVerifier": verifier, "callBackUri": callBack}
	r := p.client().post(t, codePath, body)
	r.wantStatus(t, 200)
	data, _ := parseJSON(t, r.what, r.body).(M)["data"].(M)
	if data["email"] != email || data["idToken"] == nil || data["refreshToken"] == nil {
		t.Errorf("tokens of %v, want of %s", data["email"], email)
	}
	remember("id token", text(t, data, "idToken"))
	remember("refresh token", text(t, data, "refreshToken"))
	if r := p.client().post(t, codePath, body); r.status == 200 {
		t.Error("the code works twice")
	}
}

// visitor is a browser without script, that follows redirects within the site.
type visitor struct {
	*http.Client
	site string
}

func (p project) visitor(t *testing.T) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{&http.Client{Jar: jar, Timeout: requestLimit, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.srv.publicURL+"/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}, p.srv.publicURL}
}

// send gives the answer, and its page.
func (v visitor) send(t *testing.T, r *http.Request, err error) (*http.Response, []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := v.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, page
}

func (v visitor) get(t *testing.T, path string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, v.site+path, nil)
	return v.send(t, r, err)
}

func (v visitor) post(t *testing.T, path string, fields url.Values, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, v.site+path, strings.NewReader(fields.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return v.send(t, r, err)
}

// TestHostedAppSignIn: a plain HTTP client signs in for an app, and exchanges the code.
func TestHostedAppSignIn(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	a, v, verifier := p.signUp(t), p.visitor(t), randomText(64)
	_, page := v.get(t, "/"+p.id+"/sign-in?"+appRequest(callback, verifier).Encode())
	f := forms(t, page)[0]
	f.fields.Set("email", a.email)
	f.fields.Set("password", a.password)
	resp, _ := v.post(t, f.action, f.fields, "Origin", p.srv.publicURL)
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), callback+"?") {
		t.Fatalf("status %d", resp.StatusCode)
	}
	p.exchange(t, resp.Header.Get("Location"), callback, verifier, a.email)

	resp, page = v.get(t, "/"+p.id+"/sign-in?"+appRequest("https://evil.example.test/", verifier).Encode())
	if resp.StatusCode != 400 || resp.Header.Get("Location") != "" || len(forms(t, page)) != 0 {
		t.Errorf("another callback: status %d", resp.StatusCode)
	}
}

// TestHostedFormsAreOurs: no form of the pages is taken from another site or another browser, or without its token (P39).
func TestHostedFormsAreOurs(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	a := p.signUp(t)
	for _, path := range []string{"sign-in", "sign-up", "forgot-password"} {
		v := p.visitor(t)
		_, page := v.get(t, "/"+p.id+"/"+path)
		f := forms(t, page)[0]
		f.fields.Set("email", a.email)
		for _, name := range f.secret {
			f.fields.Set(name, a.password)
		}
		without := url.Values{}
		for name, value := range f.fields {
			if name != "formToken" {
				without[name] = value
			}
		}
		for what, resp := range map[string]func() (*http.Response, []byte){
			"another site": func() (*http.Response, []byte) {
				return v.post(t, f.action, f.fields, "Origin", "https://evil.example.test")
			},
			"cross-site":      func() (*http.Response, []byte) { return v.post(t, f.action, f.fields, "Sec-Fetch-Site", "cross-site") },
			"another browser": func() (*http.Response, []byte) { return p.visitor(t).post(t, f.action, f.fields) },
			"no token":        func() (*http.Response, []byte) { return v.post(t, f.action, without) },
		} {
			if r, _ := resp(); r.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: status %d", path, what, r.StatusCode)
			}
		}
	}
}
