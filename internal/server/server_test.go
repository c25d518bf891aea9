package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/breached"
	"github.com/doorward/doorward/internal/sqlstore"
)

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func testConfig(t testing.TB) Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return Config{
		DataDir: dir, Database: "sqlite:" + filepath.Join(dir, "doorward.db"), MasterKeyFile: filepath.Join(dir, "master.key"),
		PublicURL: &url.URL{Scheme: "http", Host: "localhost:8080"}, Domain: "api.auth.example.com", MailFrom: "noreply@example.com",
		MaxConnections: 100, ShutdownGrace: 5 * time.Second, HashWorkers: 2, HashQueue: 16,
		Log: slog.New(slog.DiscardHandler), Clock: time.Now, Rand: rand.Reader,
	}
}

// openInstance opens an instance with its default project; the test's end closes it.
func openInstance(t testing.TB, c Config) *Instance {
	t.Helper()
	i, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := i.EnsureDefaultProject(t.Context()); err != nil {
		t.Fatal(err)
	}
	return i
}

func newServer(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := New(t.Context(), openInstance(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(method, host, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestMounts: bare hosts serve all, hosts of projects the AUTH API and health only.
func TestMounts(t *testing.T) {
	t.Parallel()
	s := newServer(t, testConfig(t))
	const projectHost, localHost, bareHost = "default.api.auth.example.com", "default.api.localhost:8080", "auth.example.com"
	tests := []struct {
		method, path string
		onProject    int
		onBare       int
	}{
		{"GET", "/healthz", 200, 200},
		{"GET", "/readyz", 200, 200},
		{"GET", "/healthz/", 404, 404},
		{"GET", "/readyz/more", 404, 404},
		{"POST", "/healthz", 405, 405},
		{"GET", "/api/v1/openapi.json", 200, 200},
		{"GET", "/api/v1/nothing", 404, 404},
		{"GET", "/api/v1", 404, 404},
		{"GET", "/api/v1/auth/accounts/roles", 403, 403},
		{"GET", "/admin/v1/openapi.json", 404, 200},
		{"GET", "/admin/v1/projects", 404, 401},
		{"GET", "/default/.well-known/jwks.json", 404, 200},
		{"GET", "/default/.well-known/openid-configuration", 404, 200},
		{"GET", "/nowhere/.well-known/jwks.json", 404, 404},
		{"GET", "/default/reset-password", 404, 200},
		{"GET", "/metrics", 404, 404},
		{"GET", "/", 404, 404},
		{"GET", "/nothing", 404, 404},
		{"PUT", "/default/.well-known/jwks.json", 404, 405},
	}
	for _, test := range tests {
		for host, want := range map[string]int{projectHost: test.onProject, localHost: test.onProject, bareHost: test.onBare} {
			w := answer(s.Handler(), request(test.method, host, test.path, ""))
			if w.Code != want {
				t.Errorf("%s %s%s: %d, want %d: %s", test.method, host, test.path, w.Code, want, w.Body)
			}
			if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s%s: headers are %v", test.method, host, test.path, w.Header())
			}
			if w.Code == 404 && test.path == "/nothing" && !strings.Contains(w.Body.String(), `{"errors":[{"code":"404","title":"Not Found","detail":`) {
				t.Errorf("%s%s: %s", host, test.path, w.Body)
			}
		}
	}
}

// TestLocalAdminIsNotServed: what makes everybody an operator is reached in-process only.
func TestLocalAdminIsNotServed(t *testing.T) {
	t.Parallel()
	s := newServer(t, testConfig(t))
	const path = "/admin/v1/projects"
	if w := answer(s.Handler(), request("GET", "localhost", path, "")); w.Code != 401 {
		t.Errorf("over the network: %d", w.Code)
	}
	if w := answer(s.instance.LocalAdmin(), request("GET", "localhost", path, "")); w.Code != 200 {
		t.Errorf("in-process: %d %s", w.Code, w.Body)
	}
}

func TestTrustedProxyAndLog(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var log lockedBuffer
	c.Log = slog.New(slog.NewJSONHandler(&log, nil))
	s := newServer(t, c)
	r := request("POST", "localhost", "/api/v1/auth/accounts/sign-in/email?token=secret", `{"email":"ada@example.com","password":"very secret"}`)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	answer(s.Handler(), r)
	line := map[string]any{}
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("%v in %q", err, log.String())
	}
	if line["route"] != "/api/v1/auth/accounts/sign-in/email" || line["status"] != 400.0 || line["client"] != "192.0.2.1" || strings.Contains(log.String(), "secret") {
		t.Errorf("the log line is %s", log.String())
	}
}

// TestReadyz: without its database the server says so, and stays alive.
func TestReadyz(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	i, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if w := answer(s.Handler(), request("GET", "localhost", "/readyz", "")); w.Code != 503 || !strings.Contains(w.Body.String(), `"failed":["database"]`) {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	if w := answer(s.Handler(), request("GET", "localhost", "/healthz", "")); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
}

// TestMovedDatabase: what is revoked in the database that this one moved to is still valid in this one, so nothing is answered from it (P20, P21).
func TestMovedDatabase(t *testing.T) {
	t.Parallel()
	s := newServer(t, testConfig(t))
	paths := []string{"/api/v1/jwks", "/admin/v1/projects", "/sign-in", "/readyz"}
	set := func(phase string) {
		t.Helper()
		err := s.instance.store.UpdateMarks(t.Context(), func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
			m[sqlstore.MarkMoving] = sqlstore.MarkValue{Value: phase, Note: "elsewhere", At: time.Now()}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.attempt(t.Context(), workMove, s.lookForMove)
	}
	set(sqlstore.MovingClosed)
	for _, path := range paths {
		if w := answer(s.Handler(), request("GET", "localhost", path, "")); w.Code == 503 {
			t.Errorf("%s while the move is at work: %d", path, w.Code)
		}
	}
	set(sqlstore.MovingMoved)
	for _, path := range paths {
		if w := answer(s.Handler(), request("GET", "localhost", path, "")); w.Code != 503 {
			t.Errorf("%s after the move: %d", path, w.Code)
		}
	}
	if w := answer(s.Handler(), request("GET", "localhost", "/healthz", "")); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
}

// TestOverload: a full hashing queue is answered at once with 503 and Retry-After (P27).
func TestOverload(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.HashWorkers, c.HashQueue = 1, 1
	s := newServer(t, c)
	hold, held := make(chan struct{}), make(chan struct{})
	var busy sync.WaitGroup
	for range 2 { // one works, one waits
		busy.Go(func() {
			_ = s.instance.hashing.Do(context.Background(), "default", func() { held <- struct{}{}; <-hold })
		})
	}
	<-held
	for s.instance.hashing.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	w := answer(s.Handler(), request("POST", "localhost", "/api/v1/auth/accounts/signup", `{"email":"ada@example.com","password":"a long passphrase"}`))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("sign-up: %d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	if w := answer(s.Handler(), request("GET", "localhost", "/readyz", "")); w.Code != 200 {
		t.Errorf("readyz under load: %d", w.Code)
	}
	close(hold)
	<-held
	busy.Wait()
}

// start runs the server and gives its URL, and a function that stops it and gives Run's error.
func start(t *testing.T, s *Server) (base string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() }) // before the instance is closed
	return "http://" + ln.Addr().String(), stop
}

func get(t *testing.T, target string) (int, string) {
	t.Helper()
	resp, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestMetricsListener(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(t)
	c.MetricsListen = probe.Addr().String()
	s := newServer(t, c)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), taken); err == nil || !strings.Contains(err.Error(), "metrics: ") {
		t.Errorf("with the metrics' port taken: %v", err)
	}
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}

	base, stop := start(t, s)
	get(t, base+"/api/v1/openapi.json")
	const counted = `doorward_http_requests_total{method="GET",route="/api/v1/openapi.json",status="2xx",surface="accounts"} 1`
	status, body := get(t, "http://"+c.MetricsListen+"/metrics")
	for range 100 { // a request is counted once its answer is out
		if strings.Contains(body, counted) {
			break
		}
		time.Sleep(20 * time.Millisecond)
		status, body = get(t, "http://"+c.MetricsListen+"/metrics")
	}
	for _, want := range []string{
		counted,
		"doorward_hashing_shed_total 0", "doorward_hashing_waiting 0", `doorward_mails{state="kept"} 0`, "go_goroutines",
	} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("metrics: %d, no %q", status, want)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(t, "http://"+c.MetricsListen+path); status != 200 || !strings.Contains(body, `"ok"`) {
			t.Errorf("%s beside the metrics: %d %s", path, status, body)
		}
	}
	if status, _ := get(t, "http://"+c.MetricsListen+"/api/v1/openapi.json"); status != 404 {
		t.Errorf("the metrics' listener serves the API: %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestTraces: a collector gets a span that names the route, and nothing that the client wrote.
func TestTraces(t *testing.T) {
	t.Parallel()
	got := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	defer collector.Close()
	c := testConfig(t)
	c.OTLPEndpoint = collector.URL
	base, stop := start(t, newServer(t, c))
	get(t, base+"/default/.well-known/jwks.json?code=secret")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case spans := <-got:
		if !strings.HasPrefix(spans, "/v1/traces ") || !strings.Contains(spans, "GET /{project}/.well-known/jwks.json") || strings.Contains(spans, "secret") {
			t.Errorf("the collector got %q", spans)
		}
	case <-time.After(5 * time.Second):
		t.Error("the collector got nothing")
	}
}

// TestGraceEnds: a request that does not come to its end is broken off, and Run says so.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.ShutdownGrace = 50 * time.Millisecond
	base, stop := start(t, newServer(t, c))
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /api/v1/auth/accounts/signup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until the server has the request
	if err := stop(); err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run gave %v", err)
	}
}

// TestBreachedPasswords: a server does not serve with a list that it cannot trust.
func TestBreachedPasswords(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.BreachedPasswords = filepath.Join(t.TempDir(), "breached")
	if _, err := Open(t.Context(), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := breached.Build(t.Context(), c.BreachedPasswords, breached.List{Reader: strings.NewReader("hunter2\n"), Format: breached.FormatPlain}); err != nil {
		t.Fatal(err)
	}
	newServer(t, c)
	content, err := os.ReadFile(c.BreachedPasswords)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(c.BreachedPasswords, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c.DataDir = filepath.Join(t.TempDir(), "other") // the one above is served
	c.Database, c.MasterKeyFile = "sqlite:"+filepath.Join(c.DataDir, "doorward.db"), filepath.Join(c.DataDir, "master.key")
	if _, err := New(t.Context(), openInstance(t, c)); !errors.Is(err, breached.ErrDamaged) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestDataDirectory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(path string) error
		want    string // in the error; "" for none
	}{
		{"missing", func(string) error { return nil }, ""},
		{"private", func(p string) error { return os.Mkdir(p, 0o700) }, ""},
		{"empty and open", func(p string) error { return errors.Join(os.Mkdir(p, 0o755), os.Chmod(p, 0o755)) }, ""},
		{"used and open", func(p string) error {
			return errors.Join(os.MkdirAll(filepath.Join(p, "x"), 0o755), os.Chmod(p, 0o750))
		}, "run chmod 700 "},
		{"a file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "is not a directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data")
			if err := test.prepare(path); err != nil {
				t.Fatal(err)
			}
			err := openDataDir(path)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error is %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the directory has mode %v (%v)", info.Mode(), err)
			}
		})
	}
}

func TestDefaultProjectIsMadeOnce(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	i, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	created := make(chan string, 8)
	var starts sync.WaitGroup
	for range 8 { // as many processes would
		starts.Go(func() {
			ok, token, err := i.EnsureDefaultProject(t.Context())
			if err != nil {
				t.Error(err)
			}
			if ok {
				created <- token
			}
		})
	}
	starts.Wait()
	if len(created) != 1 {
		t.Fatalf("created %d times", len(created))
	}
	p, err := i.Service.Project(t.Context(), auth.DefaultProject)
	if err != nil || p.Preset != auth.PresetDocumented {
		t.Fatalf("the project is %+v (%v)", p, err)
	}
	if _, err := i.Service.AuthenticateAdmin(t.Context(), auth.Caller{Project: p}, <-created); err != nil {
		t.Errorf("the token that was told: %v", err)
	}
}

func TestMasterKeyMissing(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	openInstance(t, c)
	c.MasterKeyFile += ".other"
	if _, err := Open(t.Context(), c); !errors.Is(err, ErrMasterKeyMissing) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(c.MasterKeyFile); err == nil {
		t.Error("a new key was made")
	}
}

// TestBackgroundGoesOn: neither an error nor a panic ends a loop.
func TestBackgroundGoesOn(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var log lockedBuffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := newServer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	s.repeat(ctx, "test", time.Millisecond, func(context.Context) error {
		runs++
		switch runs {
		case 1:
			return errors.New("first")
		case 2:
			panic("second")
		}
		cancel()
		return nil
	})
	if runs != 3 || !strings.Contains(log.String(), "error=first") || !strings.Contains(log.String(), "panic in the background") {
		t.Errorf("%d runs, log\n%s", runs, log.String())
	}
}

func TestPanicCostsOneRequest(t *testing.T) {
	t.Parallel()
	s := newServer(t, testConfig(t))
	h := s.surface("test", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	w := answer(h, request("GET", "localhost", "/", ""))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), `"detail":"Error processing your request"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
