package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// reference returns the code that an answer tells its user, in a header that browsers show to apps (Fetch standard, section "CORS protocol and exposed headers").
func (r reply) reference(t *testing.T) string {
	t.Helper()
	code := r.header.Get("X-Request-Id")
	if !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$`).MatchString(code) {
		t.Fatalf("%s: reference %q", r.what, code)
	}
	return code
}

// wantExplained checks that the command line tells the story of a refused request, with these words in it.
func (p project) wantExplained(t *testing.T, r reply, words ...string) string {
	t.Helper()
	if r.status < 400 {
		t.Fatalf("%s: status %d is no refusal", r.what, r.status)
	}
	code := r.reference(t)
	story := p.srv.cli(t, "audit", "explain", strings.ToLower(strings.ReplaceAll(code, "-", "")), "--project", p.id)
	for _, word := range append(words, code, p.id) {
		if !strings.Contains(story, word) {
			t.Errorf("%s: no %q in the story:\n%s", r.what, word, story)
		}
	}
	secrets.Lock()
	leaks := leaksIn("the story of "+r.what, []byte(story), func(string) bool { return false })
	secrets.Unlock()
	for _, leak := range leaks {
		t.Errorf("%s:\n%s", leak, story)
	}
	return story
}

func TestExplainSignIn(t *testing.T) {
	t.Parallel()
	p := newProject(t, "signInAccountBurst=3", "signInAccountInterval=10m")
	a := p.signUp(t)
	remember("password", a.password)
	c := p.client()
	try := func(email, password string) reply {
		remember("password", password)
		return c.post(t, signin, M{"email": email, "password": password})
	}
	wrong := try(a.email, newPassword())
	p.wantExplained(t, wrong, "the password is wrong", "email verified no", "argon2id m=", "stored yes, match no", a.uid, "doorward user send-reset "+a.uid)
	unknown := try(newEmail(), newPassword())
	p.wantExplained(t, unknown, "no account has the address that was typed", "no such account", "stored no, match no", "doorward user list")
	try(a.email, newPassword())
	try(a.email, newPassword())
	p.wantExplained(t, try(a.email, a.password), "there were too many tries", "sign-in/account from this source: 3 at once", "spent, free again in", "signInAccountBurst")

	p.patchUser(t, a.uid, M{"disabled": true})
	c = c.fresh()
	p.wantExplained(t, try(a.email, a.password), "the account is disabled", "match yes", "doorward user enable "+a.uid)

	// Over the network, for the project's admin; and nothing for another one.
	path := "/admin/v1/projects/" + p.id + "/decisions/" + wrong.reference(t)
	r := p.srv.bareHost().bearer(p.adminToken).do(t, http.MethodGet, path, nil)
	r.wantStatus(t, 200)
	if !strings.Contains(string(r.body), `"step":"hash"`) {
		t.Errorf("%s: %s", r.what, r.body)
	}
	other := newProject(t)
	p.srv.bareHost().bearer(other.adminToken).do(t, http.MethodGet, path, nil).wantStatus(t, 403)
	p.srv.bareHost().bearer(other.adminToken).do(t, http.MethodGet, strings.Replace(path, p.id, other.id, 1), nil).wantStatus(t, 404)
	p.srv.operator(t).do(t, http.MethodGet, "/admin/v1/decisions/"+wrong.reference(t), nil).wantStatus(t, 200)
	p.srv.bareHost().bearer(p.adminToken).do(t, http.MethodGet, "/admin/v1/decisions/"+wrong.reference(t), nil).wantStatus(t, 403)

	for args, want := range map[string]struct {
		code int
		text string
	}{
		"ZZZZ-ZZZZ-ZZZZ":   {3, "30 days"},
		wrong.reference(t): {0, "the password is wrong"},
		"--project=" + other.id + " " + wrong.reference(t): {3, "request_id"},
		"K7QM": {2, "12 letters and digits"},
	} {
		result, err := p.srv.tryCLI(append([]string{"audit", "explain"}, strings.Fields(args)...)...)
		if err != nil || result.code != want.code || !strings.Contains(result.stdout+result.stderr, want.text) {
			t.Errorf("explain %s: exit code %d, %v\n%s%s", args, result.code, err, result.stdout, result.stderr)
		}
	}
	records := p.srv.cli(t, "audit", "list", "--project", p.id, "--event", "decision.read", "--json")
	if !strings.Contains(records, wrong.reference(t)) {
		t.Errorf("reading is not audited: %s", records)
	}

	// What is kept about somebody goes with them.
	p.asAdmin().delete(t, users+"/"+a.uid).wantDeleted(t)
	if result, err := p.srv.tryCLI("audit", "explain", wrong.reference(t)); err != nil || result.code != 3 {
		t.Errorf("after the deletion: exit code %d, %v\n%s", result.code, err, result.stdout)
	}
}

func TestExplainTokens(t *testing.T) {
	t.Parallel()
	p := newProject(t, "refreshTokenRotation=true", "refreshTokenGrace=0s", "refreshTokenIdleTTL=2s")
	a := p.signUp(t)
	p.refresh(t, a.uid, a.refreshToken)
	again := p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken})
	p.wantExplained(t, again, "it may be in two hands", "of rotated refresh token", "grace 0s", a.uid)
	b := p.signUp(t)
	get := func(token string) reply { return p.client().bearer(token).get(t, users+"/"+b.uid) }
	p.wantExplained(t, get(a.idToken), "the session was ended on 20", "of session")
	p.wantExplained(t, get(b.idToken[:len(b.idToken)-10]+"AAAAAAAAAA"), "signature does not hold", "unchanged")
	elsewhere := newProject(t).signUp(t)
	p.wantExplained(t, get(elsewhere.idToken), "unknown key id", "for this project")
	time.Sleep(2500 * time.Millisecond)
	p.wantExplained(t, p.client().post(t, refreshPath, M{"refresh_token": b.refreshToken}), "unused for too long", "idle limit 2s", "revoked at never")
}

func TestExplainProvider(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.useGitHub(t, p)
	begun := p.begin(t, "github.com")
	refused := p.client().post(t, idpPath, begun.with("code", randomSecret("provider code")))
	p.wantExplained(t, refused, "proves nobody's identity", "POST "+f.host()+"/token answered 200", "bad_verification_code", "[removed, ", "doorward provider check github.com")

	f.useFacebook(t, p)
	who := facebookPerson(f, newEmail())
	begun = p.begin(t, "facebook.com")
	stranger := f.accessToken(person{user: who.user})
	p.wantExplained(t, p.client().post(t, idpPath, begun.with("token", stranger)), "GET "+f.host()+"/facebook/debug answered 200", `"code":190`, `"is_valid":false`)

	f.use(t, p, "oidc.fake", M{"issuer": ""})
	begun = p.begin(t, "oidc.fake")
	idToken := f.sign(t, f.claims(t, begun, M{"aud": "another-app", "email": "ann@example.test"}))
	code := f.code(t, begun, who, idToken)
	story := p.wantExplained(t, p.client().post(t, idpPath, begun.with("code", code)), "claims of the id token", `"aud":"another-app"`, `"email":"ann@example.test"`, `"kid":"`+fakeKeyID)
	if strings.Contains(story, begun.asked(t, "nonce")) {
		t.Errorf("the nonce is in the story:\n%s", story)
	}

	r := p.client().post(t, authURLPath, M{"providerId": "oidc.fake", "callBackUri": "https://elsewhere.example.test/"})
	p.wantExplained(t, r, "the callback is not on the project's list", "callbackURLs")
	f.Close()
	begun = flow{providerID: "github.com", callback: begun.callback, sessionID: p.begin(t, "github.com").sessionID}
	p.wantExplained(t, p.client().maybeShed().post(t, idpPath, begun.with("code", randomSecret("provider code"))), "the provider could not be asked", "nothing accepts connections")
}

func TestExplainPage(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	code := randomSecret("made-up code")
	form := "uid=somebody&oobCode=" + code + "&newPassword=a+fine+new+password"
	r := p.srv.bareHost().with("Content-Type", "application/x-www-form-urlencoded").do(t, http.MethodPost, "/"+p.id+"/reset-password", form)
	p.wantExplained(t, r, "A password reset was refused", "the link's code is unknown", "purpose reset_password")
	if !strings.Contains(string(r.body), "Reference: <bdi dir=\"ltr\">"+r.reference(t)+"</bdi>") {
		t.Errorf("%s: no reference on the page: %s", r.what, r.body)
	}
}

// TestReferenceOverCORS: a page may read the reference and the time to wait.
func TestReferenceOverCORS(t *testing.T) {
	t.Parallel()
	p := plain(t)
	r := p.client().with("Origin", "https://app.example.test").post(t, signin, M{"email": newEmail(), "password": newPassword()})
	exposed := r.header.Get("Access-Control-Expose-Headers")
	if !strings.Contains(exposed, "X-Request-Id") || !strings.Contains(exposed, "Retry-After") {
		t.Errorf("%s: exposed are %q", r.what, exposed)
	}
}
