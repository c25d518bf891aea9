package e2e

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// project is one project of a server, with the admin token it was created with.
type project struct {
	srv        *server
	id         string
	adminToken string
	nested     bool
}

// Where the mails of most projects point to; no test opens these.
const (
	verifyURL = "https://app.example.test/verify"
	resetURL  = "https://app.example.test/reset"
	inviteURL = "https://app.example.test/invite"
)

// mailURLs are the settings that tell the kinds of mail apart by their links.
var mailURLs = []string{"verifyEmailURL=" + verifyURL, "resetPasswordURL=" + resetURL, "inviteURL=" + inviteURL}

// newProject creates a project on the shared server with the documented preset, the mail URLs above
// and more settings, as KEY=VALUE.
func newProject(t *testing.T, settings ...string) project {
	t.Helper()
	return suite.shared.newProject(t, "documented", append(append([]string{}, mailURLs...), settings...)...)
}

func (s *server) newProject(t *testing.T, preset string, settings ...string) project {
	t.Helper()
	p := project{srv: s, id: "t" + strings.ToLower(randomText(11))}
	args := []string{"project", "create", p.id, "--json"}
	if preset != "" {
		args = append(args, "--preset", preset)
	}
	created := parseJSON(t, "project create", []byte(s.cli(t, args...)))
	p.adminToken = text(t, created, "adminToken")
	remember("admin token", p.adminToken)
	p.set(t, settings...)
	return p
}

// set changes settings, as KEY=VALUE.
func (p *project) set(t *testing.T, settings ...string) {
	t.Helper()
	if len(settings) == 0 {
		return
	}
	p.srv.cli(t, append([]string{"project", "set", p.id}, lastOfEachKey(settings)...)...)
	for _, setting := range settings {
		if strings.HasPrefix(setting, "errorEnvelope=") {
			p.nested = setting == "errorEnvelope=nested"
		}
	}
}

// lastOfEachKey lets a test override a setting that its project gets anyway.
func lastOfEachKey(settings []string) (unique []string) {
	place := map[string]int{}
	for _, setting := range settings {
		key, _, _ := strings.Cut(setting, "=")
		if i, there := place[key]; there {
			unique[i] = setting
			continue
		}
		place[key] = len(unique)
		unique = append(unique, setting)
	}
	return unique
}

var plainProjects struct {
	sync.Mutex
	bySettings map[string]project
}

// plain returns a project that all tests asking for the same settings share.
// They must not change its settings and must find only their own users in it.
func plain(t *testing.T, settings ...string) project {
	t.Helper()
	plainProjects.Lock()
	defer plainProjects.Unlock()
	key := strings.Join(settings, " ")
	if p, ok := plainProjects.bySettings[key]; ok {
		return p
	}
	p := newProject(t, settings...)
	if plainProjects.bySettings == nil {
		plainProjects.bySettings = map[string]project{}
	}
	plainProjects.bySettings[key] = p
	return p
}

// client is a new client of the project's host, with a source address of its own.
func (p project) client() client {
	return client{srv: p.srv, host: p.id + ".api.localhost:" + p.srv.port, source: newSource(),
		header: http.Header{}, nested: p.nested}
}

func (p project) asAdmin() client { return p.client().admin(p.adminToken) }

// account is a user as the test knows it.
type account struct {
	email, password, uid, idToken, refreshToken string
}

// session is what sign-up and sign-in answer (row 1 and row 2).
func session(email string, verified bool) M {
	return M{"uid": isUID, "email": email, "emailVerified": verified, "disabled": false,
		"idToken": isJWT, "refreshToken": isRefreshToken, "expiresIn": "3600"}
}

func (p project) signUp(t *testing.T) account {
	t.Helper()
	a := account{email: newEmail(), password: newPassword()}
	return a.fill(t, p.client().post(t, "/auth/accounts/signup", a.credentials()))
}

func (p project) signIn(t *testing.T, email, password string) account {
	t.Helper()
	a := account{email: email, password: password}
	return a.fill(t, p.client().post(t, "/auth/accounts/sign-in/email", a.credentials()))
}

// createUser has the operator make an account whose address counts as verified.
func (p project) createUser(t *testing.T, a account) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(a.password), 0o600); err != nil {
		t.Fatal(err)
	}
	p.srv.cli(t, "user", "create", a.email, "--project", p.id, "--password-file", file, "--email-verified")
}

func (a account) credentials() M { return M{"email": a.email, "password": a.password} }

func (a account) fill(t *testing.T, r reply) account {
	t.Helper()
	r.wantStatus(t, http.StatusOK)
	body, _ := parseJSON(t, r.what, r.body).(M)
	a.uid = text(t, body["data"], "uid")
	a.idToken = text(t, body["data"], "idToken")
	a.refreshToken = text(t, body["data"], "refreshToken")
	remember("ID token", a.idToken)
	remember("refresh token", a.refreshToken)
	return a
}

// patchUser changes a user as admin, and fails the test when that is refused.
func (p project) patchUser(t *testing.T, uid string, attributes M) {
	t.Helper()
	if r := p.asAdmin().patch(t, users+"/"+uid, attributes); r.status != http.StatusOK && r.status != http.StatusNoContent {
		t.Fatalf("%s as admin: %d %s", r.what, r.status, r.body)
	}
}

// user reads a user as admin.
func (p project) user(t *testing.T, uid string) M {
	t.Helper()
	r := p.asAdmin().get(t, users+"/"+uid)
	r.wantStatus(t, http.StatusOK)
	body, _ := parseJSON(t, r.what, r.body).(M)
	data, ok := body["data"].(M)
	if !ok {
		t.Fatalf("%s: no data: %s", r.what, r.body)
	}
	return data
}

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// randomText returns n letters and digits.
func randomText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails, says crypto/rand
	for i, b := range raw {
		raw[i] = lettersAndDigits[int(b)%len(lettersAndDigits)]
	}
	return string(raw)
}

func newEmail() string { return "u" + strings.ToLower(randomText(12)) + "@example.test" }

// newPassword returns a password that every policy accepts, and that no log may show.
func newPassword() string { return randomSecret("Pw") }

func randomSecret(prefix string) string {
	s := prefix + "-" + randomText(43)
	remember(prefix, s)
	return s
}

// eventually calls check until it returns nil, or fails the test with its last error.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// decodeInto decodes JSON into a Go value and fails the test when that is not possible.
func decodeInto(t *testing.T, what string, text []byte, dst any) {
	t.Helper()
	if err := json.Unmarshal(text, dst); err != nil {
		t.Fatalf("%s: %v in %q", what, err, tail(string(text), 600))
	}
}

// decodeQuietly is decodeInto for goroutines that judge later, by what is missing.
func decodeQuietly(text []byte, dst any) { _ = json.Unmarshal(text, dst) }
