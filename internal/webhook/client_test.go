package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	secretA = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	secretB = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
)

func newTestClient() *Client { return NewClient(func() time.Time { return testNow }, Options{}) }

// allowed is a call to a receiver on this machine that an operator allowed.
func allowed(target, body string) auth.WebhookCall {
	w := auth.Webhook{Project: "shop", ID: "w1", URL: target, AllowHosts: []string{"127.0.0.1"}}
	return auth.WebhookCall{Webhook: w, Secrets: []string{secretA}, ID: "msg_1", Body: []byte(body)}
}

func receiver(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// signature computes what the specification says, by itself.
func signature(t *testing.T, secret, id, timestamp, body string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSendSigns(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, strings.Repeat("x", 1<<20)) // nobody has to read that
	})
	call := allowed(s.URL+"/hook?a=b", `{"type":"user.created"}`)
	call.Secrets = []string{secretA, secretB}
	answer, err := newTestClient().Send(t.Context(), call)
	if err != nil || answer.Status != http.StatusAccepted || answer.RetryAfter != 7*time.Second {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	timestamp := fmt.Sprint(testNow.Unix())
	want := signature(t, secretA, "msg_1", timestamp, string(call.Body)) + " " + signature(t, secretB, "msg_1", timestamp, string(call.Body))
	h := got.Header
	if string(body) != string(call.Body) || got.Method != "POST" || got.URL.RequestURI() != "/hook?a=b" || h.Get("Content-Type") != "application/json" || h.Get("webhook-id") != "msg_1" ||
		h.Get("webhook-timestamp") != timestamp || h.Get("webhook-signature") != want || h.Get("Idempotency-Key") != "" {
		t.Errorf("sent %s %s with %v and %q", got.Method, got.URL, h, body)
	}
}

// TestSendGoesNowhereElse: no redirect is followed, and nothing private is reached unless an operator allowed it (P17).
func TestSendGoesNowhereElse(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	target := receiver(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	redirecting := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer secure.Close()

	c := newTestClient()
	if answer, err := c.Send(t.Context(), allowed(redirecting.URL, "{}")); err != nil || answer.Status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect: %+v, %v", answer, err)
	}
	port := strings.TrimPrefix(secure.URL, "https://127.0.0.1")
	unknown := func(host, name string) string {
		return host + " could not be looked up, or has an address that is not public; if that is meant, an operator adds " + name + " to the webhook's allowed hosts"
	}
	for name, c2 := range map[string]struct {
		url   string
		allow []string
		want  string
	}{
		"http without permission":    {target.URL, nil, "not https"},
		"another host's permission":  {target.URL, []string{"localhost", "127.0.0.2", "127.0.0.1:1"}, "not https"},
		"a private address":          {secure.URL, nil, unknown("127.0.0.1"+port, "127.0.0.1")},
		"a name of a private one":    {"https://localhost" + port, nil, unknown("localhost"+port, "localhost")},
		"a name that is none":        {"https://nowhere.invalid" + port, nil, unknown("nowhere.invalid"+port, "nowhere.invalid")},
		"an IPv6 form of it":         {"https://[::ffff:127.0.0.1]" + port, nil, "has an address that is not public"},
		"an untrusted certificate":   {secure.URL, []string{"127.0.0.1"}, "certificate"},
		"a server that speaks http":  {strings.Replace(target.URL, "http:", "https:", 1), []string{"127.0.0.1"}, "does not speak TLS"},
		"another scheme":             {"file:///etc/passwd", []string{""}, "not valid"},
		"another scheme with a host": {"ftp://127.0.0.1/", []string{"127.0.0.1"}, "not https"},
	} {
		call := allowed(c2.url, "{}")
		call.Webhook.AllowHosts = c2.allow
		if _, err := c.Send(t.Context(), call); err == nil || !strings.Contains(err.Error(), c2.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests went where they must not", n)
	}
	// A connection that an allowed webhook left open serves no other.
	if _, err := c.Send(t.Context(), allowed(target.URL, "{}")); err != nil {
		t.Fatal(err)
	}
	call := allowed(target.URL, "{}")
	call.Webhook.AllowHosts = nil
	if _, err := c.Send(t.Context(), call); err == nil || reached.Load() != 1 {
		t.Errorf("error %v, %d requests", err, reached.Load())
	}
}

func TestSendEndsInTime(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	hanging := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	defer close(end)
	c := NewClient(time.Now, Options{SendTimeout: 50 * time.Millisecond})
	began := time.Now()
	if _, err := c.Send(t.Context(), allowed(hanging.URL, "{}")); err == nil || !strings.Contains(err.Error(), "in time") || time.Since(began) > 5*time.Second {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
}

func TestErrorsSayNothingOfTheAnswer(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		fmt.Fprint(conn, "HTTP/1.1 garbage-from-inside\r\n\r\n")
		conn.Close()
	})
	_, err := newTestClient().Send(t.Context(), allowed(s.URL, "{}"))
	if err == nil || strings.Contains(err.Error(), "garbage") {
		t.Errorf("error %v", err)
	}
	_, err = newTestClient().Send(t.Context(), allowed(closedURL(t), "{}"))
	if err == nil || !strings.Contains(err.Error(), "nothing accepts connections") {
		t.Errorf("error %v", err)
	}
}

func closedURL(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

func TestNoSecretNoRequest(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("a request that is not signed") })
	for _, secrets := range [][]string{nil, {"whsec_not base64"}, {secretA, "whsec_?"}} {
		call := allowed(s.URL, "{}")
		call.Secrets = secrets
		if _, err := newTestClient().Send(t.Context(), call); err == nil || strings.Contains(err.Error(), "whsec") {
			t.Errorf("error %v", err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "90": 90 * time.Second, "999999999": maxRetryAfter, "99999999999999999999": 0,
		testNow.Add(time.Minute).Format(http.TimeFormat): time.Minute, testNow.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := newTestClient().retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestParseVerdict(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", maxReason)
	for body, want := range map[string]auth.HookVerdict{
		`{"allow": true}`: {Allow: true}, "\n{\"allow\":false}\n ": {}, `{"reason":"not on the list","allow":false}`: {Reason: "not on the list"},
		`{"allow":false,"reason":"` + long + `"}`: {Reason: long}, `{"allow":false,"reason":""}`: {},
	} {
		if got, err := parseVerdict([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{
		``, `null`, `true`, `[]`, `"allow"`, `{}`, `{"allow":null}`, `{"allow":"true"}`, `{"allow":1}`, `{"Allow":true}`, `{"allow":true}{"allow":true}`, `{"allow":true} x`,
		`{"allow":false,"allow":true}`, `{"allow":true,"reason":"x"}`, `{"allow":false,"reason":1}`, `{"allow":false,"reason":null}`, `{"allow":true,"more":1}`, `{"allow":true`,
		`{"allow":[true]}`, `{"allow":{"allow":true}}`, `{"reason":"x"}`, `{"allow":false,"reason":"` + long + `x"}`, `{"allow":false,"reason":"two\nlines"}`,
		`{"allow":false,"reason":"\u202eevil"}`, "{\"allow\":false,\"reason\":\"\xff\"}", `{"allow":true,}`,
	} {
		if got, err := parseVerdict([]byte(body)); err == nil {
			t.Errorf("%s is taken as %+v", body, got)
		}
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/yes":
			fmt.Fprint(w, `{"allow": true}`)
		case "/no":
			fmt.Fprint(w, `{"allow": false, "reason": "no"}`)
		case "/created":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"allow": true}`)
		case "/long":
			fmt.Fprint(w, `{"allow": true}`+strings.Repeat(" ", maxAnswerBytes))
		case "/redirect":
			http.Redirect(w, r, "/yes", http.StatusFound)
		case "/slow":
			<-end
		}
	})
	c := newTestClient()
	defer close(end)
	for path, want := range map[string]string{"/yes": "", "/no": "", "/created": "status 201", "/long": "over 4096 bytes", "/redirect": "status 302", "/empty": "not {", "/slow": "in time"} {
		limit := 5 * time.Second
		if path == "/slow" {
			limit = 50 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		verdict, err := c.Ask(ctx, allowed(s.URL+path, "{}"))
		cancel()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) || verdict.Allow != (path == "/yes") {
			t.Errorf("%s: %+v, %v", path, verdict, err)
		}
	}
	if agreed, refused, failed := c.Questions(); agreed != 1 || refused != 1 || failed != 5 {
		t.Errorf("counted %d, %d, %d", agreed, refused, failed)
	}
}

// TestAskIsBoundedPerProject: a hook that hangs takes no more than its share, fails what is more at once, and delays no other project.
func TestAskIsBoundedPerProject(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, maxAsking)
	end := make(chan struct{})
	hanging := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-end
		fmt.Fprint(w, `{"allow": true}`)
	})
	quick := receiver(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"allow": true}`) })
	c := newTestClient()
	results := make(chan error, maxAsking)
	for range maxAsking {
		go func() {
			_, err := c.Ask(context.Background(), allowed(hanging.URL, "{}"))
			results <- err
		}()
	}
	for range maxAsking {
		<-arrived
	}
	if _, err := c.Ask(t.Context(), allowed(hanging.URL, "{}")); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("one more: %v", err)
	}
	other := allowed(quick.URL, "{}")
	other.Webhook.Project = "other"
	if verdict, err := c.Ask(t.Context(), other); err != nil || !verdict.Allow {
		t.Errorf("another project: %+v, %v", verdict, err)
	}
	close(end)
	for range maxAsking {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if verdict, err := c.Ask(t.Context(), allowed(quick.URL, "{}")); err != nil || !verdict.Allow || len(c.asking) != 0 {
		t.Errorf("afterwards: %+v, %v, %v", verdict, err, c.asking)
	}
}

func TestAllowsHost(t *testing.T) {
	t.Parallel()
	w := auth.Webhook{AllowHosts: []string{"hook.internal", "10.0.0.1:8080"}}
	for text, want := range map[string]bool{
		"http://hook.internal/a": true, "https://HOOK.internal:99": true, "http://10.0.0.1:8080/": true, "http://10.0.0.1/": false, "http://10.0.0.1:80800/": false,
		"http://x.hook.internal": false, "http://hook.internal.evil.example": false,
	} {
		if u, err := url.Parse(text); err != nil || w.AllowsHost(u) != want {
			t.Errorf("%s is not %v", text, want)
		}
	}
}

// TestSignUpsLeaveRoom: sixty sign-ups from one address take four places, those from everywhere sixteen, and none of a refresh.
func TestSignUpsLeaveRoom(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	hanging := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		<-end
		fmt.Fprint(w, `{"allow": true}`)
	})
	quick := receiver(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"allow": true}`) })
	c := newTestClient()
	signUp := func(target, source string) auth.WebhookCall {
		call := allowed(target, "{}")
		call.Anybody, call.Source = true, source
		return call
	}
	results := make(chan error, 120)
	askAll := func(n int, source func(i int) string) (refused int) {
		t.Helper()
		for i := range n {
			go func() {
				_, err := c.Ask(context.Background(), signUp(hanging.URL, source(i)))
				results <- err
			}()
		}
		for {
			select {
			case err := <-results:
				if err == nil || !strings.Contains(err.Error(), "too many") {
					t.Errorf("refused with %v", err)
				}
				refused++
			case <-time.After(500 * time.Millisecond):
				return refused
			}
		}
	}
	if refused := askAll(60, func(int) string { return "192.0.2.7" }); refused != 56 {
		t.Errorf("%d of 60 from one address are refused", refused)
	}
	if _, err := c.Ask(t.Context(), signUp(quick.URL, "192.0.2.8")); err != nil {
		t.Errorf("a sign-up from elsewhere: %v", err)
	}
	if refused := askAll(60, func(i int) string { return fmt.Sprint("198.51.100.", i) }); refused != 48 {
		t.Errorf("%d of 60 from everywhere are refused", refused)
	}
	if _, err := c.Ask(t.Context(), signUp(quick.URL, "")); err == nil {
		t.Error("a sign-up from nowhere goes past the bound")
	}
	if verdict, err := c.Ask(t.Context(), allowed(quick.URL, "{}")); err != nil || !verdict.Allow {
		t.Errorf("a refresh meanwhile: %+v, %v", verdict, err)
	}
	close(end)
	for range 16 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if len(c.asking) != 0 {
		t.Errorf("places that are never free again: %v", c.asking)
	}
}
