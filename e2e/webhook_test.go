package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hookRequest is one request that a receiver got, with its signature checked.
type hookRequest struct {
	id, event string
	body      M
}

// hookReceiver takes webhooks on loopback, and checks each signature as the Standard Webhooks specification says.
type hookReceiver struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	secrets []string
	got     []hookRequest
	answer  func(hookRequest, http.ResponseWriter) // nil answers 204
}

func newHookReceiver(t *testing.T) *hookReceiver {
	t.Helper()
	r := &hookReceiver{t: t}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server was killed
	}
	h.mu.Lock()
	request := hookRequest{id: r.Header.Get("webhook-id")}
	decodeQuietly(raw, &request.body)
	request.event, _ = request.body["type"].(string)
	h.check(r.Header, raw)
	h.got = append(h.got, request)
	answer := h.answer
	h.mu.Unlock()
	if answer != nil {
		answer(request, w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// check computes the signatures by itself: one for each secret that counts.
func (h *hookReceiver) check(header http.Header, raw []byte) {
	seconds, err := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || age > time.Minute || age < -time.Minute {
		h.t.Errorf("webhook-timestamp %q", header.Get("webhook-timestamp"))
	}
	var want []string
	for _, secret := range h.secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 {
			h.t.Errorf("a secret of %d bytes: %v", len(key), err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", header.Get("webhook-id"), seconds, raw)
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if got := header.Get("webhook-signature"); got != strings.Join(want, " ") {
		h.t.Errorf("webhook-signature is %q, want %q", got, want)
	}
	if header.Get("Content-Type") != "application/json" {
		h.t.Errorf("Content-Type %q", header.Get("Content-Type"))
	}
}

// signsWith says which secrets sign from now on, and notes that they must leak nowhere.
func (h *hookReceiver) signsWith(secrets ...string) {
	for _, s := range secrets {
		remember("webhook secret", s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets = secrets
}

func (h *hookReceiver) answers(f func(hookRequest, http.ResponseWriter)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// wait gives the requests about an event once there are n of them.
func (h *hookReceiver) wait(t *testing.T, event string, n int, limit time.Duration) (list []hookRequest) {
	t.Helper()
	eventually(t, limit, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		list = nil
		for _, r := range h.got {
			if r.event == event {
				list = append(list, r)
			}
		}
		if len(list) < n {
			return fmt.Errorf("%d requests about %s, want %d", len(list), event, n)
		}
		return nil
	})
	return list
}

func (p project) webhooksPath(rest ...string) string {
	return "/admin/v1/projects/" + p.id + "/webhooks" + strings.Join(rest, "")
}

// addWebhook makes a webhook over the admin API, as an operator, and gives its id.
func (p project) addWebhook(t *testing.T, h *hookReceiver, change M) string {
	t.Helper()
	if change["url"] == nil {
		change["url"] = h.URL + "/hook"
	}
	change["allowHosts"] = L{"127.0.0.1"}
	r := p.srv.operator(t).do(t, http.MethodPost, p.webhooksPath(), change)
	r.wantStatus(t, http.StatusCreated)
	made := parseJSON(t, r.what, r.body)
	h.signsWith(text(t, made, "secret"))
	return text(t, made, "id")
}

// TestWebhookEvents: what happens to an account reaches the receiver, signed, minimal, and once.
func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	h := newHookReceiver(t)
	id := p.addWebhook(t, h, M{})
	a := p.signUp(t)
	created := h.wait(t, "user.created", 1, 10*time.Second)[0]
	want := M{"type": "user.created", "timestamp": matches(`^20\d\d-\d\d-\d\dT[0-9:.]+Z$`), "data": M{"project": p.id, "uid": a.uid, "email": a.email, "emailVerified": false, "disabled": false}}
	wantJSON(t, "user.created", mustMarshal(created.body), want)
	signedIn := h.wait(t, "user.signed_in", 1, 10*time.Second)[0]
	if data, _ := signedIn.body["data"].(M); data["provider"] != "password" {
		t.Errorf("user.signed_in is %v", signedIn.body)
	}
	p.patchUser(t, a.uid, M{"plan": "a value of the app's own", "emailVerified": true})
	updated := h.wait(t, "user.updated", 1, 10*time.Second)[0]
	if raw := string(mustMarshal(updated.body)); !strings.Contains(raw, `"changed":["emailVerified","attributes.plan"]`) || strings.Contains(raw, "a value") {
		t.Errorf("user.updated is %s", raw)
	}
	h.wait(t, "user.email_verified", 1, 10*time.Second)

	// After a rotation both secrets sign; another URL has one of its own.
	old := h.secrets[0]
	operator := p.srv.operator(t)
	rotated := operator.do(t, http.MethodPost, p.webhooksPath("/", id, "/secret"), M{})
	rotated.wantStatus(t, http.StatusOK)
	h.signsWith(text(t, parseJSON(t, rotated.what, rotated.body), "secret"), old)
	p.client().bearer(a.idToken).post(t, "/auth/accounts/update-password", M{"oldPassword": a.password, "newPassword": newPassword()}).want204(t)
	h.wait(t, "user.password_changed", 1, 10*time.Second)
	moved := operator.do(t, http.MethodPatch, p.webhooksPath("/", id), M{"url": h.URL + "/moved"})
	moved.wantStatus(t, http.StatusOK)
	h.signsWith(text(t, parseJSON(t, moved.what, moved.body), "secret"))
	tried := operator.do(t, http.MethodPost, p.webhooksPath("/", id, "/test"), M{})
	wantJSON(t, tried.what, tried.body, M{"ok": true, "id": startsWith("msg_"), "status": 204.0, "problem": ""})
	h.wait(t, "webhook.test", 1, time.Second)
	p.asAdmin().delete(t, users+"/"+a.uid).wantDeleted(t)
	h.wait(t, "user.deleted", 1, 10*time.Second)

	seen := map[string]bool{}
	for _, r := range h.got {
		if seen[r.id] {
			t.Errorf("%s %s came twice", r.event, r.id)
		}
		seen[r.id] = true
	}
	list := p.srv.bareHost().bearer(p.adminToken).do(t, http.MethodGet, "/admin/v1/projects/"+p.id+"/webhook-deliveries?webhook="+id+"&state=delivered", nil)
	list.wantStatus(t, http.StatusOK)
	if strings.Contains(string(list.body), a.email) || strings.Contains(string(list.body), "whsec_") {
		t.Errorf("the deliveries tell too much: %s", list.body)
	}
	operator.do(t, http.MethodGet, p.webhooksPath("/", id), nil).wantStatus(t, http.StatusOK)
	operator.do(t, http.MethodDelete, p.webhooksPath("/", id), nil).want204(t)
}

// TestWebhookRetryByHand: what failed waits, and goes out when it is asked for, under the same id.
func TestWebhookRetryByHand(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	h := newHookReceiver(t)
	p.addWebhook(t, h, M{"events": L{"user.created"}})
	var mu sync.Mutex
	broken := true
	h.answers(func(_ hookRequest, w http.ResponseWriter) {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	p.signUp(t)
	first := h.wait(t, "user.created", 1, 10*time.Second)[0]
	var delivery M
	eventually(t, 10*time.Second, func() error {
		list, _ := parseJSON(t, "deliveries", []byte(p.srv.cli(t, "webhook", "deliveries", "--project", p.id, "--json"))).(L)
		if len(list) != 1 {
			return fmt.Errorf("%d deliveries", len(list))
		}
		if delivery, _ = list[0].(M); delivery["state"] != "queued" {
			return fmt.Errorf("it is %v", delivery)
		}
		return nil
	})
	if delivery["id"] != first.id || delivery["lastStatus"] != 500.0 {
		t.Errorf("delivery %v", delivery)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	p.srv.bareHost().bearer(p.adminToken).do(t, http.MethodPost, "/admin/v1/projects/"+p.id+"/webhook-deliveries/"+first.id+"/retry", M{}).want204(t)
	if again := h.wait(t, "user.created", 2, 10*time.Second)[1]; again.id != first.id {
		t.Errorf("retried as %s, and was %s", again.id, first.id)
	}
}

// TestWebhookPrivateHosts: a project's admin cannot make the server talk to its own network (P17).
func TestWebhookPrivateHosts(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	h := newHookReceiver(t)
	admin := p.srv.bareHost().bearer(p.adminToken)
	if r := admin.do(t, http.MethodPost, p.webhooksPath(), M{"url": h.URL}); r.status != 422 {
		t.Errorf("plain http: %d %s", r.status, r.body)
	}
	if r := admin.do(t, http.MethodPost, p.webhooksPath(), M{"url": h.URL, "allowHosts": L{"127.0.0.1"}}); r.status != 403 {
		t.Errorf("a permission that is not theirs: %d %s", r.status, r.body)
	}
	r := admin.do(t, http.MethodPost, p.webhooksPath(), M{"url": strings.Replace(h.URL, "http:", "https:", 1)})
	r.wantStatus(t, http.StatusCreated)
	made := parseJSON(t, r.what, r.body)
	remember("webhook secret", text(t, made, "secret"))
	r = admin.do(t, http.MethodPost, p.webhooksPath("/", text(t, made, "id"), "/test"), M{})
	if !strings.Contains(string(r.body), "not public") || len(h.got) != 0 {
		t.Errorf("a private address: %s, %d requests", r.body, len(h.got))
	}
}

// TestWebhookAfterKill: a server that is killed after the commit, before the delivery and in the middle of it, delivers after its restart, under the same id.
func TestWebhookAfterKill(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	h := &hookReceiver{t: t}
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin")})
	p := s.newProject(t, "documented")
	p.addWebhook(t, h, M{"url": "http://127.0.0.1:" + port + "/hook", "events": L{"user.created", "user.deleted"}})
	a := p.signUp(t) // nobody listens yet
	s.kill(t)

	ln, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	h.answers(func(r hookRequest, _ http.ResponseWriter) {
		if r.event == "user.deleted" {
			<-release
		}
	})
	receiver := &http.Server{Handler: h}
	go receiver.Serve(ln)
	defer receiver.Close()
	options := s.opts
	s = ownServer(t, options)
	p.srv = s
	created := h.wait(t, "user.created", 1, 60*time.Second)
	if data, _ := created[0].body["data"].(M); data["uid"] != a.uid {
		t.Errorf("delivered %v", created[0].body)
	}

	p.asAdmin().delete(t, users+"/"+a.uid).wantDeleted(t)
	first := h.wait(t, "user.deleted", 1, 10*time.Second)[0]
	s.kill(t)
	close(release)
	p.srv = ownServer(t, options)
	again := h.wait(t, "user.deleted", 2, 60*time.Second)[1] // when the lease of the killed one has run out
	if again.id != first.id {
		t.Errorf("delivered again as %s, and was %s", again.id, first.id)
	}
	if n := len(h.wait(t, "user.created", 1, time.Second)); n != 1 {
		t.Errorf("user.created came %d times", n)
	}
}

func verdict(text string) func(hookRequest, http.ResponseWriter) {
	return func(_ hookRequest, w http.ResponseWriter) { io.WriteString(w, text) }
}

const signIn = "/auth/accounts/sign-in/email"

// TestBlockingHook: it decides on sign-ups and tokens, and is asked only once the secret was right.
func TestBlockingHook(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	h := newHookReceiver(t)
	id := p.addWebhook(t, h, M{"kind": "blocking", "deadline": "500ms"})
	h.answers(verdict(`{"allow": false, "reason": "Only for members"}`))

	b := account{email: newEmail(), password: newPassword()}
	const blocked = "BLOCKING_FUNCTION_ERROR : Only for members"
	p.client().post(t, signup, b.credentials()).wantError(t, 400, blocked)
	p.client().post(t, "/auth/accounts/invite", M{"email": b.email}).wantError(t, 400, blocked)
	p.client().post(t, signIn, a.credentials()).wantError(t, 400, blocked)
	p.client().post(t, "/auth/accounts/token/refresh", M{"refresh_token": a.refreshToken}).wantError(t, 400, blocked)
	p.client().post(t, signIn, M{"email": a.email, "password": newPassword()}).wantError(t, 400, "INVALID_PASSWORD")
	if n := len(h.wait(t, "before_token", 2, time.Second)); n != 2 {
		t.Errorf("%d questions about tokens, want 2: not about the wrong password", n)
	}
	question, _ := h.wait(t, "before_sign_up", 2, time.Second)[0].body["data"].(M)
	wantJSON(t, "question", mustMarshal(question), M{"project": p.id, "email": b.email, "emailVerified": false, "provider": "password", "address": startsWith("127."), "userAgent": isString("text", func(string) bool { return true })})

	h.answers(verdict(`{"allow": true}`))
	p.client().post(t, signup, b.credentials()).wantStatus(t, http.StatusOK)
	p.signIn(t, a.email, a.password)
	p.refresh(t, a.uid, a.refreshToken)

	// Whatever is no valid answer, or comes late, denies; unless its owner chose otherwise.
	slow := func(hookRequest, http.ResponseWriter) { time.Sleep(2 * time.Second) }
	operator := p.srv.operator(t)
	for name, answer := range map[string]func(hookRequest, http.ResponseWriter){
		"a wrong type": verdict(`{"allow": "true"}`), "two answers": verdict(`{"allow": false, "allow": true}`), "nothing": verdict(""), "an error": func(_ hookRequest, w http.ResponseWriter) { w.WriteHeader(500) }, "too late": slow,
	} {
		h.answers(answer)
		r := p.client().maybeShed().post(t, signIn, a.credentials())
		if r.status != 503 || r.took > 2*time.Second {
			t.Errorf("%s: %d %s after %v", name, r.status, r.body, r.took)
		}
		r.wantRetryAfter(t)
	}
	operator.do(t, http.MethodPatch, p.webhooksPath("/", id), M{"onFailure": "allow"}).wantStatus(t, http.StatusOK)
	h.answers(slow)
	p.signIn(t, a.email, a.password)
	h.answers(verdict(`{"allow": false}`))
	p.client().post(t, signIn, a.credentials()).wantError(t, 400, "BLOCKING_FUNCTION_ERROR : The request was refused")
	if records := p.srv.cli(t, "audit", "list", "--project", p.id, "--event", "webhook.failure"); !strings.Contains(records, "webhook.failure") {
		t.Errorf("a failure that allowed is not written down:\n%s", records)
	}
}

// TestSlowHookStallsNobodyElse: while the hook of one project hangs, under a flood, another project's sign-ins go on.
func TestSlowHookStallsNobodyElse(t *testing.T) {
	t.Parallel()
	slow, other := newProject(t), newProject(t)
	a, b := slow.signUp(t), other.signUp(t)
	h := newHookReceiver(t)
	slow.addWebhook(t, h, M{"kind": "blocking", "events": L{"before_token"}, "deadline": "5s"})
	release := make(chan struct{})
	h.answers(func(hookRequest, http.ResponseWriter) { <-release })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, _ = slow.client().send(http.MethodPost, apiBase+"/auth/accounts/token/refresh", M{"refresh_token": a.refreshToken})
		})
	}
	h.wait(t, "before_token", 5, 10*time.Second)
	for range 3 {
		r := other.client().post(t, signIn, b.credentials())
		r.wantStatus(t, http.StatusOK)
		if r.took > 4*time.Second {
			t.Errorf("it took %v", r.took)
		}
	}
	close(release)
	wg.Wait()
}
