package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
	"golang.org/x/crypto/bcrypt"
)

// Where apps have the browser sent back to. Nothing listens there: the walk through Dex ends at the redirect.
const (
	callback      = "http://localhost:3000/callback"
	otherCallback = "http://localhost:3000/other"
)

// dexClientID is what Doorward is registered as at Dex; dexOtherClientID is somebody else's application.
const (
	dexClientID      = "doorward"
	dexOtherClientID = "another-app"
	// dexPagesClientID is what pages of the server itself are registered as: Dex takes every port of this machine for a public client.
	dexPagesClientID = "doorward-pages"
)

// dex is a process of Dex, a real OpenID Connect provider, with its state in memory.
type dex struct {
	addr, issuer string
	secret       string // of both clients
	rotation     string // of its signing keys
	callbacks    []any  // where it sends browsers to, besides those of apps
	dir          string
	output       *lockedBuffer
	process      *os.Process
	exited       chan struct{}
}

// dexUser is somebody with an account at Dex.
type dexUser struct {
	id, email, name string
	verified        bool
}

const dexPassword = "password-at-the-provider"

var dexShared struct {
	sync.Once
	err     error
	binary  string
	running *dex

	mu     sync.Mutex
	users  []dexUser
	handed map[bool]int // verified → how many were handed out
}

const dexUsersOfAKind = 150

// prepareDex builds Dex from the module in dex/, and makes up its users. It does so once.
// DOORWARD_E2E_DEX names a ready binary instead.
func prepareDex() error {
	dexShared.Do(func() {
		dexShared.handed = map[bool]int{}
		for i := range 2 * dexUsersOfAKind {
			id := strings.ToLower(randomText(12))
			dexShared.users = append(dexShared.users, dexUser{id: id, email: "dex-" + id + "@example.test", name: "Dex " + id, verified: i < dexUsersOfAKind})
		}
		if dexShared.binary = os.Getenv("DOORWARD_E2E_DEX"); dexShared.binary != "" {
			dexShared.binary, dexShared.err = filepath.Abs(dexShared.binary)
		} else {
			dexShared.binary = filepath.Join(suite.dir, "dex")
			dexShared.err = buildDex(dexShared.binary)
		}
		if dexShared.err == nil {
			dexShared.running, dexShared.err = startDex("6h")
		}
	})
	return dexShared.err
}

// buildDex needs a few minutes the first time; afterwards the build cache has it.
func buildDex(out string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", out, "github.com/dexidp/dex/cmd/dex")
	build.Dir = "dex"
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // only its SQLite storage would need cgo
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build dex: %w\n%s", err, output)
	}
	return nil
}

// sharedDex is the Dex that most tests use. Nobody stops it or breaks its keys.
func sharedDex(t *testing.T) *dex {
	t.Helper()
	if err := prepareDex(); err != nil {
		t.Fatal(err)
	}
	return dexShared.running
}

// ownDex starts a Dex for one test, with the same users and clients, and more callbacks, and stops it at the test's end.
func ownDex(t *testing.T, rotation string, callbacks ...any) *dex {
	t.Helper()
	if err := prepareDex(); err != nil {
		t.Fatal(err)
	}
	d, err := startDex(rotation, callbacks...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	return d
}

func stopSharedDex() {
	if dexShared.running != nil {
		dexShared.running.kill()
	}
}

// newDexUser returns somebody whom no other test knows.
func newDexUser(t *testing.T, verified bool) dexUser {
	t.Helper()
	if err := prepareDex(); err != nil {
		t.Fatal(err)
	}
	dexShared.mu.Lock()
	defer dexShared.mu.Unlock()
	n := dexShared.handed[verified]
	if n == dexUsersOfAKind {
		t.Fatalf("the run needs more than %d users at Dex", dexUsersOfAKind)
	}
	dexShared.handed[verified]++
	if verified {
		return dexShared.users[n]
	}
	return dexShared.users[dexUsersOfAKind+n]
}

func startDex(rotation string, callbacks ...any) (*dex, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(suite.dir, "dex-")
	if err != nil {
		return nil, err
	}
	d := &dex{addr: "127.0.0.1:" + port, secret: randomSecret("client secret"), rotation: rotation, callbacks: callbacks, dir: dir, output: &lockedBuffer{}}
	d.issuer = "http://" + d.addr + "/dex"
	return d, d.start()
}

// start runs the process. It is also how a Dex that was killed comes back: at its address, with new keys and without its sessions.
func (d *dex) start() error {
	config, err := d.config()
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "config.json") // JSON is YAML
	if err := os.WriteFile(file, mustMarshal(config), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(dexShared.binary, "serve", file)
	cmd.Dir = d.dir
	cmd.Env = cleanEnv()
	cmd.Stdout, cmd.Stderr = d.output, d.output
	exited := make(chan struct{})
	if err := bound.Start(cmd, syscall.SIGKILL, func(error) { close(exited) }); err != nil {
		return fmt.Errorf("start dex: %w", err)
	}
	d.process, d.exited = cmd.Process, exited
	if err := d.waitReady(); err != nil {
		d.kill()
		return fmt.Errorf("%w; its output:\n%s", err, d.output)
	}
	return nil
}

func (d *dex) config() (M, error) {
	// Dex takes no lower cost.
	hash, err := bcrypt.GenerateFromPassword([]byte(dexPassword), bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	var clients, people L
	for _, id := range []string{dexClientID, dexOtherClientID} {
		clients = append(clients, M{"id": id, "name": id, "secret": d.secret, "redirectURIs": append(L{callback, otherCallback}, d.callbacks...)})
	}
	clients = append(clients, M{"id": dexPagesClientID, "name": dexPagesClientID, "secret": d.secret, "public": true})
	for _, u := range dexShared.users {
		people = append(people, M{"userID": u.id, "email": u.email, "name": u.name, "username": u.id, "emailVerified": u.verified, "hash": string(hash)})
	}
	return M{
		"issuer":           d.issuer,
		"storage":          M{"type": "memory"},
		"web":              M{"http": d.addr},
		"oauth2":           M{"responseTypes": L{"code", "token", "id_token"}},
		"signer":           M{"type": "local", "config": M{"keysRotationPeriod": d.rotation}},
		"expiry":           M{"idTokens": "10m"},
		"enablePasswordDB": true,
		"staticClients":    clients,
		"staticPasswords":  people,
	}, nil
}

func (d *dex) waitReady() error {
	client := http.Client{Timeout: 2 * time.Second}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-d.exited:
			return errors.New("dex ended before it was ready")
		default:
		}
		resp, err := client.Get(d.issuer + "/keys")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("dex was not ready in time")
}

// kill ends the process and waits for its end. A stopped process ends too.
func (d *dex) kill() {
	_ = d.process.Kill() // fails only when it has ended
	<-d.exited
}

// newBrowser is a browser without scripts: it keeps cookies and follows redirects, but none to an app's callback.
func newBrowser() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{Jar: jar, Timeout: requestLimit, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if isCallback(req.URL.String()) || len(via) > 10 {
				return http.ErrUseLastResponse
			}
			return nil
		}}, nil
}

func isCallback(address string) bool {
	return strings.HasPrefix(address, callback) || strings.HasPrefix(address, otherCallback)
}

// visit goes where an app sends the browser, logs in at Dex, approves, and returns what the browser brings back to the app, in
// the query or in the fragment.
func (d *dex) visit(t *testing.T, authURI string, u dexUser) url.Values {
	t.Helper()
	browser, err := newBrowser()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := browser.Get(authURI)
	for range 4 { // the login, the approval, and the way back
		if err != nil {
			t.Fatalf("at Dex: %v", err)
		}
		page, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr != nil {
			t.Fatalf("at Dex: %v", readErr)
		}
		if location := resp.Header.Get("Location"); isCallback(location) {
			return broughtBack(t, location)
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("at Dex: %s %d: %s", resp.Request.URL.Path, resp.StatusCode, tail(string(page), 400))
		}
		target, fields := fillForm(t, resp.Request.URL, page, u)
		resp, err = browser.PostForm(target, fields)
	}
	t.Fatalf("Dex asks and asks; its output:\n%s", tail(d.output.String(), 2000))
	return nil
}

// fillForm fills in the login, or approves.
func fillForm(t *testing.T, at *url.URL, page []byte, u dexUser) (target string, fields url.Values) {
	t.Helper()
	list := forms(t, page)
	if len(list) == 0 {
		t.Fatalf("at Dex: a page without a form: %s", tail(string(page), 2000))
	}
	f := list[0]
	for _, candidate := range list {
		if candidate.fields.Get("approval") == "approve" {
			f = candidate
		}
	}
	for _, name := range f.secret {
		f.fields.Set(name, dexPassword)
		f.fields.Set("login", u.email)
	}
	action, err := at.Parse(f.action)
	if err != nil {
		t.Fatal(err)
	}
	return action.String(), f.fields
}

func broughtBack(t *testing.T, location string) url.Values {
	t.Helper()
	address, err := url.Parse(location)
	if err != nil {
		t.Fatalf("Dex sends the browser to %q: %v", location, err)
	}
	values := address.Query()
	fragment, err := url.ParseQuery(address.Fragment)
	if err != nil {
		t.Fatalf("Dex sends the browser to %q: %v", location, err)
	}
	for name := range fragment {
		values.Set(name, fragment.Get(name))
	}
	for _, name := range []string{"code", "id_token", "access_token"} {
		if values.Get(name) != "" {
			remember("provider "+name, values.Get(name))
		}
	}
	return values
}

// code gives the code of a browser that went to authURI.
func (d *dex) code(t *testing.T, authURI string, u dexUser) string {
	t.Helper()
	back := d.visit(t, authURI, u)
	if back.Get("code") == "" {
		t.Fatalf("Dex gave no code, but %v", back)
	}
	return back.Get("code")
}

// idToken gets an ID token as an app does that speaks to Dex itself, with whatever nonce; "" sends none.
func (d *dex) idToken(t *testing.T, clientID, nonce string, u dexUser) string {
	t.Helper()
	query := url.Values{"client_id": {clientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile"}, "state": {"own"}}
	if nonce != "" {
		query.Set("nonce", nonce)
	}
	code := d.code(t, d.issuer+"/auth?"+query.Encode(), u)
	req, err := http.NewRequest(http.MethodPost, d.issuer+"/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, d.secret)
	resp, err := (&http.Client{Timeout: requestLimit}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	token := text(t, parseJSON(t, "Dex's token endpoint", answer), "id_token")
	remember("provider id_token", token)
	return token
}

// keyIDs lists the keys that Dex publishes, the one in use first.
func (d *dex) keyIDs(t *testing.T) (ids []string) {
	t.Helper()
	resp, err := (&http.Client{Timeout: requestLimit}).Get(d.issuer + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []jwk }
	decodeInto(t, "Dex's keys", answer, &set)
	for _, key := range set.Keys {
		ids = append(ids, key.Kid)
	}
	return ids
}
