package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// jsClient is the published JavaScript client in a node process.
type jsClient struct {
	t       *testing.T
	project project
	stdin   io.Writer
	stdout  *bufio.Reader
	stderr  *lockedBuffer
}

// jsAnswer is what one call of the client led to.
type jsAnswer struct {
	Result    map[string]json.RawMessage // {"value": …} as returned, or {"response": body} for an axios response
	Error     any                        // the status, where the method threw
	AppDetail any                        // error.response.data.errors.errors[0].detail
	Exchange  *struct {
		Method, Path string
		Body         *string
		Status       int
		Headers      map[string]any
		Data         json.RawMessage
		SentHeaders  map[string]any
	}
}

// installing keeps two tests from installing into the same folder at once.
var installing sync.Mutex

// installJS runs `npm ci` in js/, unless what the lockfile names is installed already.
func installJS(t *testing.T) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the tests of the JavaScript client need %s: %v", tool, err)
		}
	}
	lock, err := os.ReadFile("js/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join("js", "node_modules", ".doorward-lock-sha256")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = "js"
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	if err := os.WriteFile(stamp, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

func startJS(t *testing.T, p project) *jsClient {
	t.Helper()
	installJS(t)
	cmd := exec.Command("node", "driver.js")
	cmd.Dir = "js"
	cmd.Env = append(cleanEnv(), "DOORWARD_ADDRESS="+p.srv.addr)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	js := &jsClient{t: t, project: p, stdin: stdin, stdout: bufio.NewReader(stdout), stderr: &lockedBuffer{}}
	cmd.Stderr = js.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v\n%s", err, js.stderr)
		}
	})
	return js
}

// call runs a method of the client's auth part ("auth") or of its query builder for the users ("users").
func (js *jsClient) call(with M, on, method string, args ...any) jsAnswer {
	js.t.Helper()
	if args == nil {
		args = []any{}
	}
	command := M{"project": js.project.id, "on": on, "method": method, "args": args}
	for name, value := range with {
		command[name] = value
	}
	if _, err := js.stdin.Write(append(mustMarshal(command), '\n')); err != nil {
		js.t.Fatalf("%s: %v\n%s", method, err, js.stderr)
	}
	line, err := js.stdout.ReadBytes('\n')
	if err != nil {
		js.t.Fatalf("%s: %v\n%s", method, err, js.stderr)
	}
	var answer jsAnswer
	decodeInto(js.t, method, line, &answer)
	if answer.Exchange == nil {
		js.t.Fatalf("%s made no request: %s", method, line)
	}
	js.checkExchange(method, answer)
	return answer
}

// checkExchange checks the client's own request and the answer against the OpenAPI document.
func (js *jsClient) checkExchange(method string, answer jsAnswer) {
	js.t.Helper()
	x := answer.Exchange
	header := http.Header{}
	for name, value := range x.Headers {
		if s, ok := value.(string); ok {
			header.Set(name, s)
		}
	}
	sent := http.Header{}
	for name, value := range x.SentHeaders {
		if s, ok := value.(string); ok {
			sent.Set(name, s)
		}
	}
	var body []byte
	if x.Body != nil {
		body = []byte(*x.Body)
	}
	r := reply{what: "client." + method, status: x.Status, header: header, body: answer.data(), nested: js.project.nested}
	checkOpenAPI(js.t, js.project.srv, x.Method, x.Path, sent, body, r)
	if !strings.HasPrefix(x.Path, apiBase+"/") {
		js.t.Errorf("%s went to %s", method, x.Path)
	}
}

func (a jsAnswer) data() []byte {
	if bytes.Equal(a.Exchange.Data, []byte("null")) {
		return nil
	}
	return a.Exchange.Data
}

// want checks status and whole body of the answer, and that the method threw exactly when it is an error.
func (js *jsClient) want(a jsAnswer, status int, body any) {
	js.t.Helper()
	if a.Exchange.Status != status {
		js.t.Fatalf("%s %s: want status %d, got %d %s", a.Exchange.Method, a.Exchange.Path, status, a.Exchange.Status, a.Exchange.Data)
	}
	if status < 400 && a.Error != nil {
		js.t.Errorf("%s %s: the client threw %v", a.Exchange.Method, a.Exchange.Path, a.Error)
	}
	if body != nil {
		wantJSON(js.t, a.Exchange.Path, a.Exchange.Data, body)
	} else if len(a.data()) != 0 {
		js.t.Errorf("%s %s: want no body, got %s", a.Exchange.Method, a.Exchange.Path, a.Exchange.Data)
	}
}

// TestJavaScriptClient runs every auth method of the published client but the two for OAuth, and the query
// builder on the users, as an app does. TestJavaScriptClientAtDex runs those two.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	p := newProject(t, "errorEnvelope=nested") // the envelope that apps of this client read
	js := startJS(t, p)
	email, password := newEmail(), newPassword()
	mails := p.mailbox(email)

	signedUp := js.call(nil, "auth", "signUpEmail", email, password)
	js.want(signedUp, 200, M{"data": session(email, false)})
	wantJSON(t, "what signUpEmail returns", signedUp.Result["value"], M{"data": session(email, false)})
	code, uid := mails.code(t, verifyURL)
	js.want(js.call(nil, "auth", "verifyEmail", code, uid), 204, nil)

	signedIn := js.call(nil, "auth", "signInEmail", email, password)
	js.want(signedIn, 200, M{"data": session(email, true)})
	var tokens struct {
		Data struct{ IDToken, RefreshToken string }
	}
	decodeInto(t, "signInEmail", signedIn.Exchange.Data, &tokens)
	remember("ID token", tokens.Data.IDToken)
	remember("refresh token", tokens.Data.RefreshToken)
	asUser := M{"headers": M{"authorization": "Bearer " + tokens.Data.IDToken}}

	wrong := js.call(nil, "auth", "signInEmail", email, "wrong-password")
	js.want(wrong, 400, envelope(true, 400, "INVALID_PASSWORD"))
	if wrong.AppDetail != "INVALID_PASSWORD" {
		t.Errorf("an app reads the detail %v", wrong.AppDetail)
	}

	js.want(js.call(nil, "auth", "fetchEmailProviders", email), 200,
		M{"data": M{"allProviders": L{"password"}, "registered": true}})
	js.want(js.call(nil, "auth", "refreshToken", tokens.Data.RefreshToken), 200,
		M{"data": refreshAnswer(p, uid, tokens.Data.RefreshToken)})

	t.Run("users", func(t *testing.T) { js.users(t, account{email: email, uid: uid}) })

	invited := newEmail()
	js.want(js.call(nil, "auth", "inviteUser", invited), 204, nil)
	inviteCode, invitedUID := p.mailbox(invited).code(t, inviteURL)
	js.want(js.call(nil, "auth", "verifyInvite", inviteCode, password, invitedUID), 204, nil)
	p.client().post(t, signin, M{"email": invited, "password": password}).wantData(t, session(invited, true))

	newEmail := newEmail()
	js.want(js.call(asUser, "auth", "updateEmail", newEmail), 204, nil)
	js.want(js.call(nil, "auth", "resetPassword", newEmail), 204, nil)
	resetCode, _ := p.mailbox(newEmail).code(t, resetURL)
	changed := newPassword()
	js.want(js.call(nil, "auth", "verifyPasswordReset", resetCode, changed), 204, nil)
	a := p.signIn(t, newEmail, changed)

	js.want(js.call(nil, "auth", "getRoles"), 403, envelope(true, 403, isText))
	js.want(js.call(M{"headers": M{"deskree-admin": p.adminToken}}, "auth", "getRoles"), 200, M{"data": L{}})
	js.want(js.call(M{"headers": M{"authorization": a.idToken}}, "auth", "deleteAccount"), 204, nil) // bare, as apps do
	p.client().post(t, signin, M{"email": newEmail, "password": changed}).wantError(t, 400, "EMAIL_NOT_FOUND")
}

// TestJavaScriptClientAtDex signs in with OAuth as an app does: with the code, and null for the token; and the other way round.
func TestJavaScriptClientAtDex(t *testing.T) {
	t.Parallel()
	p, d := withDex(t, "errorEnvelope=nested")
	js := startJS(t, p)
	u := newDexUser(t, true)
	begin := func() flow {
		begun := js.call(nil, "auth", "createUrlForOAuthSignIn", dexID, callback)
		want := M{"data": M{"kind": "identitytoolkit#CreateAuthUriResponse", "authUri": startsWith(d.issuer + "/auth?"), "providerId": dexID, "sessionId": isText}}
		js.want(begun, 200, want)
		wantJSON(t, "what createUrlForOAuthSignIn returns", begun.Result["response"], want)
		body, _ := parseJSON(t, "createUrlForOAuthSignIn", begun.Exchange.Data).(M)
		return newFlow(t, body["data"])
	}
	f := begin()
	code := d.code(t, f.authURI, u)
	first := js.call(nil, "auth", "signInOAuth", f.sessionID, dexID, callback, nil, code)
	js.want(first, 200, M{"data": u.external(d).signedIn(isUID, true)})
	wantJSON(t, "what signInOAuth returns", first.Result["response"], M{"data": u.external(d).signedIn(isUID, true)})
	var answer struct {
		Data struct{ LocalID, IDToken, RefreshToken string }
	}
	decodeInto(t, "signInOAuth", first.Exchange.Data, &answer)
	remember("ID token", answer.Data.IDToken)
	remember("refresh token", answer.Data.RefreshToken)
	js.want(js.call(nil, "auth", "refreshToken", answer.Data.RefreshToken), 200, M{"data": refreshAnswer(p, answer.Data.LocalID, answer.Data.RefreshToken)})

	again := js.call(nil, "auth", "signInOAuth", f.sessionID, dexID, callback, nil, code)
	js.want(again, 400, envelope(true, 400, startsWith(invalidResponse)))
	if detail, _ := again.AppDetail.(string); !strings.HasPrefix(detail, invalidResponse) {
		t.Errorf("an app reads the detail %v", again.AppDetail)
	}
	js.want(js.call(nil, "auth", "createUrlForOAuthSignIn", "google.com", callback), 400, envelope(true, 400, providerMissing))

	f = begin()
	token := d.idToken(t, dexClientID, f.asked(t, "nonce"), u)
	js.want(js.call(nil, "auth", "signInOAuth", f.sessionID, dexID, callback, token, nil), 200, M{"data": u.external(d).signedIn(answer.Data.LocalID, false)})
	js.want(js.call(M{"headers": M{"authorization": "Bearer " + answer.Data.IDToken}}, "auth", "deleteAccount"), 204, nil)
}

// users reads and patches the profile with the token that the client kept from its own sign-in, lists as
// admin, and deletes a user.
func (js jsClient) users(t *testing.T, a account) {
	js.t = t
	p := js.project
	js.want(js.call(nil, "users", "getByUID", a.uid), 200, M{"data": profile(a)})
	if got := js.call(nil, "users", "update", a.uid, M{"name": "Ada", "plan": "pro"}); got.Exchange.Status != 200 {
		t.Errorf("update: %d %s", got.Exchange.Status, got.Exchange.Data)
	}
	want := profile(a)
	want["name"], want["plan"] = "Ada", "pro"
	js.want(js.call(nil, "users", "getByUID", a.uid), 200, M{"data": want})
	js.want(js.call(nil, "users", "get"), 403, envelope(true, 403, isText))

	asAdmin := M{"adminToken": p.adminToken}
	listed := js.call(asAdmin, "users", "get", M{"limit": 5, "page": 1, "sorted[how]": "asc", "sorted[param]": "createdAt",
		"where": L{M{"attribute": "plan", "operator": "=", "value": "pro"}}})
	js.want(listed, 200, M{"meta": M{"total": 1, "limit": 5, "page": 1, "includesCount": 0}, "data": L{M{"uid": a.uid,
		"attributes": M{"author": isAny, "createdAt": isInstant, "updatedAt": isInstant, "email": a.email, "name": "Ada",
			"roles": L{}, "plan": "pro", "emailVerified": optional(oneOf(true)), "disabled": optional(oneOf(false))}}}})

	victim := p.signUp(t)
	if got := js.call(asAdmin, "users", "delete", victim.uid); got.Exchange.Status != 204 && got.Exchange.Status != 200 {
		t.Errorf("delete: %d %s", got.Exchange.Status, got.Exchange.Data)
	}
	p.client().post(t, signin, victim.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
}
