package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What providers answer that are broken, or not what they say (P17, P51).

// hostileAnswers are what a provider may do to a request, and how the sign-in ends.
func hostileAnswers(inside string) map[string]struct {
	status int
	answer http.HandlerFunc
} {
	type row = struct {
		status int
		answer http.HandlerFunc
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(text)) // the client may have gone
		}
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	hang := func(r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices only then that the client is gone
		select {
		case <-r.Context().Done():
		case <-time.After(requestLimit):
		}
	}
	return map[string]row{
		"10 MB":             {400, body(`{"sub":"` + strings.Repeat("a", 10<<20) + `"}`)},
		"zip bomb":          {400, zipBomb},
		"page":              {400, body("<html><title>Sign in to the hotel's network</title></html>")},
		"null":              {400, body("null")},
		"array":             {400, body("[]")},
		"text":              {400, body(`"text"`)},
		"nothing":           {400, body("")},
		"cut short":         {400, body(`{"sub":"1`)},
		"two objects":       {400, body("{}{}")},
		"deep":              {400, body(strings.Repeat(`{"a":`, 100_000))},
		"not UTF-8":         {400, body("{\"sub\":\"\xff\xfe\"}")},
		"empty object":      {400, body("{}")},
		"204":               {400, status(204)},
		"401":               {400, status(401)},
		"418":               {400, status(418)},
		"redirect inside":   {400, status(302, "Location", inside)},
		"redirect, 307":     {400, status(307, "Location", inside)},
		"redirect, no host": {400, status(302, "Location", "//")},
		"429":               {503, status(429, "Retry-After", "7")},
		"429 for a year":    {503, status(429, "Retry-After", "31536000")},
		"500":               {503, status(500)},
		"503":               {503, status(503, "Retry-After", "soon")},
		"hangs":             {503, func(_ http.ResponseWriter, r *http.Request) { hang(r) }},
		"hangs in the body": {503, func(w http.ResponseWriter, r *http.Request) {
			body(`{"sub":`)(w, r)
			w.(http.Flusher).Flush()
			hang(r)
		}},
		"drips": {503, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				body(" ")(w, r)
				w.(http.Flusher).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		}},
		"hangs up": {503, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"absurd headers": {503, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Absurd", strings.Repeat("a", 2<<20))
		}},
	}
}

func zipBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	block := []byte(strings.Repeat(" ", 1<<20))
	for range 200 {
		if _, err := packed.Write(block); err != nil {
			return // the client has had enough
		}
	}
	_ = packed.Close()
}

// hostilePlaces are the requests of a sign-in. Each takes a provider whose one endpoint misbehaves, and makes that request.
var hostilePlaces = map[string]func(t *testing.T, p project, f *fakeProvider, id, bad string) reply{
	"metadata": func(t *testing.T, p project, f *fakeProvider, id, bad string) reply {
		f.use(t, p, id, M{"issuer": bad})
		return p.client().maybeShed().post(t, authURLPath, M{"providerId": id, "callBackUri": callback})
	},
	"keys": func(t *testing.T, p project, f *fakeProvider, id, bad string) reply {
		f.use(t, p, id, M{"issuer": "", "jwks": bad})
		begun := p.begin(t, id)
		return p.client().maybeShed().post(t, idpPath, begun.with("token", f.sign(t, f.claims(t, begun, nil))))
	},
	"token": func(t *testing.T, p project, f *fakeProvider, id, bad string) reply {
		f.use(t, p, id, M{"issuer": "", "token": bad})
		begun := p.begin(t, id)
		return p.client().maybeShed().post(t, idpPath, begun.with("code", randomSecret("provider code")))
	},
	"userinfo": func(t *testing.T, p project, f *fakeProvider, id, bad string) reply {
		f.use(t, p, id, M{"issuer": "", "userinfo": bad})
		begun := p.begin(t, id)
		code := f.code(t, begun, person{}, f.sign(t, f.claims(t, begun, nil))) // which holds no address, so that it is asked for
		return p.client().maybeShed().post(t, idpPath, begun.with("code", code))
	},
}

func TestHostileProvider(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	mux := http.NewServeMux()
	bad := httptest.NewServer(mux)
	f, p := newFakeProvider(t), newProject(t)
	t.Cleanup(func() {
		bad.CloseClientConnections()
		bad.Close()
		inside.Close()
		if n := reached.Load(); n > 0 {
			t.Errorf("%d redirects were followed", n)
		}
	})
	number := 0
	for name, row := range hostileAnswers(inside.URL + "/secret") {
		number++
		path := fmt.Sprintf("/bad%d", number)
		mux.HandleFunc(path, row.answer)
		mux.HandleFunc(path+"/.well-known/openid-configuration", row.answer)
		for place, ask := range hostilePlaces {
			id := fmt.Sprintf("oidc.%s%d", place, number)
			t.Run(place+": "+name, func(t *testing.T) {
				t.Parallel()
				r := ask(t, p, f, id, bad.URL+path)
				r.wantStatus(t, row.status)
				if row.status == 400 {
					r.wantError(t, 400, startsWith(invalidResponse))
				}
				if place == "userinfo" && strings.Contains(string(r.body), "token endpoint") {
					t.Errorf("the sign-in ended before it came to the place: %s", r.body)
				}
				if name == "429" && r.header.Get("Retry-After") != "7" {
					t.Errorf("Retry-After is %q where the provider's is 7", r.header.Get("Retry-After"))
				}
				if r.took > 15*time.Second || row.status == 400 && r.took > 5*time.Second {
					t.Errorf("took %v", r.took)
				}
			})
		}
	}
}

// TestProviderAtPrivateAddress: nothing is sent to an address that is not public unless an operator says so.
func TestProviderAtPrivateAddress(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		if n := accepted.Load(); n > 0 {
			t.Errorf("%d connections were made", n)
		}
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for name, host := range map[string]string{
		"loopback": "127.0.0.1:" + port, "its name": "localhost:" + port, "IPv6 in brackets": "[::1]:" + port, "IPv4 in IPv6": "[::ffff:127.0.0.1]:" + port,
		"another loopback": "127.9.9.9:" + port, "any": "0.0.0.0:" + port, "cloud metadata": "169.254.169.254", "private": "10.0.0.1:" + port, "link local": "[fe80::1]:" + port,
	} {
		number++
		id := fmt.Sprintf("oidc.private%d", number)
		t.Run(name, func(t *testing.T) {
			base := "https://" + host
			change := M{"clientId": "app", "clientSecret": randomSecret("client secret"), "endpoints": M{"issuer": base}}
			p.putProvider(t, id, change)
			r := p.client().maybeShed().post(t, authURLPath, M{"providerId": id, "callBackUri": callback})
			r.wantStatus(t, 503) // as of a name that cannot be looked up
			p.wantCheck(t, id, names("not public"))

			maps.Copy(change["endpoints"].(M), M{"authorization": "https://login.example.test/", "token": base + "/token", "jwks": base + "/keys"})
			p.putProvider(t, id, change)
			begun := p.begin(t, id)
			p.client().maybeShed().post(t, idpPath, begun.with("code", "code")).wantStatus(t, 503)

			r = p.srv.operator(t).do(t, http.MethodPut, p.providerPath(id), M{"clientSecret": randomSecret("client secret"), "endpoints": M{"issuer": "http://" + host}})
			r.wantStatus(t, http.StatusUnprocessableEntity) // plain http
		})
	}
}

// TestProviderAdmin: what the admin API keeps of a provider, tells of it, and refuses.
func TestProviderAdmin(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	path := func(id string) string { return p.providerPath(id) }
	asAdmin := p.srv.bareHost().admin(p.adminToken)
	list := func(want ...any) {
		t.Helper()
		r := asAdmin.do(t, http.MethodGet, strings.TrimSuffix(path(""), "/"), nil)
		r.wantStatus(t, http.StatusOK)
		array := L{}
		wantJSON(t, r.what, r.body, M{"providers": append(array, want...)})
	}
	put := func(id string, body M, status int) reply {
		t.Helper()
		r := asAdmin.do(t, http.MethodPut, path(id), body)
		r.wantStatus(t, status)
		return r
	}
	list()
	secret := randomSecret("client secret")
	made := put("google.com", M{"clientId": "shop", "clientSecret": secret}, 200)
	want := M{"id": "google.com", "enabled": true, "clientId": "shop", "secretSet": true, "scopes": L{}, "parameters": M{}, "endpoints": M{}, "allowHosts": L{},
		"implicit": false, "callbackHint": isText, "createdAt": isInstant, "updatedAt": isInstant}
	wantJSON(t, made.what, made.body, want)
	changed := put("google.com", M{"scopes": L{"https://example.test/scope"}, "parameters": M{"prompt": "select_account", "redirect_uri": "https://evil.example.test/"}}, 200)
	want["scopes"], want["parameters"] = L{"https://example.test/scope"}, M{"prompt": "select_account", "redirect_uri": "https://evil.example.test/"}
	wantJSON(t, changed.what, changed.body, want)
	list(want)
	for _, r := range []reply{made, changed, asAdmin.do(t, http.MethodGet, path("google.com"), nil)} {
		if strings.Contains(string(r.body), secret) {
			t.Errorf("%s tells the secret", r.what)
		}
	}

	for name, k := range map[string]struct {
		id     string
		body   M
		status int
	}{
		"unknown provider":        {"example.com", M{"clientId": "a"}, 422},
		"odd name":                {"oidc.A_B", M{"clientId": "a", "endpoints": M{"issuer": "https://id.example.test"}}, 422},
		"no client id":            {"github.com", M{}, 422},
		"no issuer":               {"oidc.acme", M{"clientId": "a"}, 422},
		"unknown endpoint":        {"google.com", M{"endpoints": M{"logout": "https://a.example.test"}}, 422},
		"endpoint without secret": {"google.com", M{"endpoints": M{"issuer": "https://evil.example.test"}}, 422}, // P18
		"plain http":              {"google.com", M{"clientSecret": "x", "endpoints": M{"issuer": "http://a.example.test"}}, 422},
		"endpoint with user":      {"google.com", M{"clientSecret": "x", "endpoints": M{"token": "https://a@b.example.test"}}, 422},
		"allowed hosts":           {"google.com", M{"clientSecret": "x", "allowHosts": L{"127.0.0.1"}}, 403}, // operators only
		"number as secret":        {"google.com", M{"clientSecret": 1}, 422},
		"scopes as text":          {"google.com", M{"scopes": "openid"}, 422},
	} {
		t.Run(name, func(t *testing.T) { put(k.id, k.body, k.status) })
	}
	list(want) // none of it happened

	// An authorization request is ours, whatever the parameters say. Known endpoints need no request to the provider.
	put("google.com", M{"clientSecret": secret, "endpoints": M{"authorization": "https://login.example.test/a?tenant=1", "token": "https://login.example.test/t",
		"jwks": "https://login.example.test/k", "issuer": "https://login.example.test"}}, 200)
	begun := p.begin(t, "google.com")
	for name, value := range map[string]string{"redirect_uri": callback, "prompt": "select_account", "tenant": "1", "client_id": "shop", "response_type": "code"} {
		if got := begun.asked(t, name); got != value {
			t.Errorf("authUri: %s is %q, want %q", name, got, value)
		}
	}
	asAdmin.do(t, http.MethodDelete, path("google.com"), nil).wantStatus(t, http.StatusNoContent)
	list()
	p.client().post(t, authURLPath, M{"providerId": "google.com", "callBackUri": callback}).wantError(t, 400, providerMissing)
}

// TestProviderAllowedHostWithPort: an operator may allow one port alone.
func TestProviderAllowedHostWithPort(t *testing.T) {
	t.Parallel()
	p, d := newProject(t), sharedDex(t)
	p.useDex(t, dexID, d, M{"allowHosts": L{d.addr}})
	p.signInAtDex(t, d, newDexUser(t, true), isUID, true)
}
