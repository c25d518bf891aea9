package idp

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// fetch gets a URL through a guard.
func fetch(c *Client, address string, allow ...string) (*http.Response, error) {
	p := auth.IdentityProvider{Project: "acme", ID: "oidc.acme", ClientID: clientID, AllowHosts: allow}
	call, err := c.begin(p, secrets)
	if err != nil {
		return nil, err
	}
	resp, err := call.http.Get(address)
	if err != nil {
		return nil, failure(err)
	}
	return resp, nil
}

// newTLSServer keeps to itself that clients turn its certificate down.
func newTLSServer() *httptest.Server {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	return server
}

func TestGuard(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := newTLSServer()
	defer secure.Close()
	port := plain.URL[strings.LastIndex(plain.URL, ":"):]
	securePort := secure.URL[strings.LastIndex(secure.URL, ":"):]
	const unknown = " could not be looked up, or has an address that is not public; check" // not told apart
	c, _ := newClient()
	tests := map[string]struct {
		address string
		allow   []string
		want    string // "" lets it through
		away    bool
	}{
		"plain http to an allowed host":       {plain.URL, []string{"127.0.0.1"}, "", false},
		"allowed with its port":               {plain.URL, []string{"127.0.0.1" + port}, "", false},
		"allowed by name":                     {"http://localhost" + port, []string{"LOCALHOST"}, "", false},
		"allowed with another port":           {plain.URL, []string{"127.0.0.1:1"}, "not https", false},
		"another host is allowed":             {plain.URL, []string{"localhost"}, "not https", false},
		"an ending of the host is allowed":    {"http://a.localhost" + port, []string{"localhost", ".localhost"}, "not https", false},
		"plain http":                          {plain.URL, nil, "not https", false},
		"plain http to a public host":         {"http://example.com/", nil, "not https", false},
		"private address":                     {secure.URL, nil, unknown, true},
		"name of a private address":           {"https://localhost" + securePort, nil, unknown, true},
		"metadata service":                    {"https://169.254.169.254/latest", nil, unknown, true},
		"IPv4 in IPv6":                        {"https://[::ffff:127.0.0.1]" + securePort, nil, unknown, true},
		"user and password":                   {"https://u:p@example.com/", nil, "not of the form", false},
		"file":                                {"file:///etc/passwd", nil, "not of the form", false},
		"certificate of an unknown authority": {secure.URL, []string{"127.0.0.1"}, "authority that this machine does not trust", true},
		"plain http where TLS is asked for":   {"https://127.0.0.1" + port, []string{"127.0.0.1"}, "does not speak TLS", true},
		"nobody listens":                      {"https://127.0.0.1:1/", []string{"127.0.0.1"}, "nothing accepts connections", true},
		"name that does not exist":            {"https://nowhere.invalid/", nil, unknown, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			resp, err := fetch(c, test.address, test.allow...)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return
			}
			if err == nil {
				t.Fatal("it was let through")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it", err, test.want)
			}
			var away *UnavailableError
			if errors.As(err, &away) != test.away {
				t.Errorf("got %T", err)
			}
		})
	}
}

func TestGuardTLSWithOwnAuthority(t *testing.T) {
	secure := newTLSServer()
	defer secure.Close()
	pool := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	clock := &testClock{now: start}
	c := New(clock.Now, Options{RootCAs: pool})
	resp, err := fetch(c, secure.URL, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	_, err = fetch(c, "https://localhost"+secure.URL[strings.LastIndex(secure.URL, ":"):], "localhost")
	if err == nil || !strings.Contains(err.Error(), "for another name") {
		t.Errorf("got %v", err)
	}
	// A connection that one provider may have must not serve another.
	_, err = fetch(c, secure.URL)
	wantUnavailable(t, err, defaultRetryAfter)
	if !strings.Contains(err.Error(), "not public") {
		t.Errorf("got %v", err)
	}
}

// A proxy would dial in our place, past the check of the address. The standard library reads the environment once a process, so a test by it would tell little.
func TestGuardUsesNoProxy(t *testing.T) {
	c, _ := newClient()
	for _, door := range []http.RoundTripper{c.doors.public, c.doors.allowed} {
		if door.(*http.Transport).Proxy != nil {
			t.Error("there may be a proxy")
		}
	}
}

func TestGuardFollowsNoRedirect(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	for _, target := range []string{"https://169.254.169.254/", "http://example.com/", f.URL + "/keys"} {
		f.handle("/go", redirect(target))
		_, err := fetch(c, f.URL+"/go", "127.0.0.1")
		wantRefusal(t, err, "redirect")
	}
	if f.count("/keys") != 0 {
		t.Error("the redirect was followed")
	}
}

func TestHangingServer(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	defer close(release)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	slowBody := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		hang(w, r)
	}
	for name, handler := range map[string]http.HandlerFunc{"no answer": hang, "no end": slowBody} {
		t.Run(name, func(t *testing.T) {
			clock := &testClock{now: start}
			c := New(clock.Now, Options{Timeout: 100 * time.Millisecond})
			f.handle("/token", handler)
			began := time.Now()
			_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode())
			wantUnavailable(t, err, defaultRetryAfter)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestRequestsUnderWayAreLimited(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	arrived, release := make(chan struct{}, maxPerProvider), make(chan struct{})
	f.handle("/token", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	var group sync.WaitGroup
	for range maxPerProvider {
		group.Go(func() { _, _ = c.Identify(context.Background(), f.settings("oidc.acme"), secrets, byCode()) })
	}
	for range maxPerProvider {
		<-arrived
	}
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode())
	wantUnavailable(t, err, tooManyRetryAfter)

	// Neither other providers nor other projects feel it.
	for _, change := range []func(*auth.IdentityProvider){
		func(p *auth.IdentityProvider) { p.ID = "oidc.other" },
		func(p *auth.IdentityProvider) { p.Project = "other" },
	} {
		p := f.settings("oidc.acme")
		change(&p)
		if _, err := c.Identify(t.Context(), p, secrets, byToken(rsaKey.sign(f.claims(nil), nil))); err != nil {
			t.Errorf("%s of %s: %v", p.ID, p.Project, err)
		}
	}
	close(release)
	group.Wait()
	if len(c.doors.underWay) != 0 || c.doors.total != 0 {
		t.Errorf("places were not given back: %v, %d", c.doors.underWay, c.doors.total)
	}
}

func TestCallerWhoLeavesSpoilsNothing(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	ctx, cancel := context.WithCancel(t.Context())
	handler := f.handlers[wellKnown]
	f.handle(wellKnown, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		time.Sleep(20 * time.Millisecond)
		handler(w, r)
	})
	_, err := c.Identify(ctx, f.settings("oidc.acme"), secrets, byCode())
	wantUnavailable(t, err, defaultRetryAfter)
	if _, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode()); err != nil {
		t.Errorf("the next caller: %v", err)
	}
	if got := f.count(wellKnown); got != 1 {
		t.Errorf("metadata was fetched %d times", got)
	}
}

func TestErrorsUnwrap(t *testing.T) {
	cause := errors.New("cause")
	if !errors.Is(&ResponseError{cause: cause}, cause) || !errors.Is(unavailable(cause, "x"), cause) {
		t.Error("the cause is lost")
	}
	wantUnavailable(t, failure(errors.New("something "+clientSecret)), defaultRetryAfter)
}
