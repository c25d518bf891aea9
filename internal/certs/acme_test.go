package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

// brokenCA answers 500 to everything, and counts.
func brokenCA(t *testing.T) (ca *httptest.Server, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	ca = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	ca.Config.ErrorLog = nil
	t.Cleanup(ca.Close)
	return ca, asked
}

func manager(t *testing.T, ca *httptest.Server, clock *authtest.Clock, log *testLog) *Manager {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	m := NewManager(Options{
		Account: Account{Email: "ada@example.com", Directory: ca.URL, Roots: roots}, PublicHost: "auth.example.com", Domain: "api.auth.example.com", Vault: vault(t, clock), Log: log.logger(),
		Clock: time.Now,
	})
	m.rests.clock = clock.Now
	t.Cleanup(func() { m.end(); m.cache.Stop() })
	return m
}

// Names that are no host of ours, and projects that do not exist, reach neither the CA nor an order's count.
func TestUnknownHostsAskNobody(t *testing.T) {
	ca, asked := brokenCA(t)
	m := manager(t, ca, authtest.NewClock(start), &testLog{})
	for _, name := range []string{"nosuch.api.auth.example.com", "api.auth.example.com", "a.shop.api.auth.example.com", "-.api.auth.example.com", "www.example.com", "shop.api.auth.example.com.evil.example"} {
		if _, err := handshake(t, m.TLSConfig(), name); err == nil {
			t.Errorf("%s has a certificate", name)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
	if err := m.mayServe(t.Context(), "nosuch.api.auth.example.com"); auth.CodeOf(err) != auth.CodeProjectNotFound {
		t.Errorf("a project that does not exist: %v", err)
	}
	if err := m.mayOrder(t.Context(), "nosuch.api.auth.example.com"); auth.CodeOf(err) != auth.CodeProjectNotFound {
		t.Errorf("an order for it: %v", err)
	}
	if err := m.mayServe(t.Context(), "shop.api.auth.example.com"); err != nil {
		t.Errorf("one that exists: %v", err)
	}
	if files, err := m.Vault.List(t.Context(), ""); err != nil || len(files) != 0 {
		t.Errorf("files %v, %v", files, err)
	}
}

// Handshakes for a project whose certificate cannot be had do not wait for the next try, and order no more than a few.
func TestFailingOrdersAreBounded(t *testing.T) {
	ca, asked := brokenCA(t)
	clock, log := authtest.NewClock(start), &testLog{}
	m := manager(t, ca, clock, log)
	m.Bind(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
	began := time.Now()
	perRound := make([]int64, 6)
	for round := range perRound {
		before := asked.Load()
		for range 5 {
			if _, err := handshake(t, m.TLSConfig(), "SHOP.api.auth.example.com"); err == nil {
				t.Error("it has a certificate")
			}
		}
		perRound[round] = asked.Load() - before
		clock.Advance(restFailed + time.Second)
	}
	if perRound[0] == 0 || perRound[0] != perRound[1] || perRound[2] != perRound[1] || perRound[3]+perRound[4]+perRound[5] != 0 {
		t.Errorf("the CA was asked %v times by rounds of five handshakes", perRound)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the handshakes waited %s", took)
	}
	if _, failed := m.Orders(); failed != 3 {
		t.Errorf("%d failed orders", failed)
	}
	var final certmagic.ErrNoRetry
	for range 3 {
		if err := m.mayOrder(t.Context(), "auth.example.com"); err != nil {
			t.Errorf("the public host's order: %v", err)
		}
	}
	if err := m.mayOrder(t.Context(), "auth.example.com"); auth.CodeOf(err) != auth.CodeTooManyAttempts || auth.AsError(err).RetryAfter == 0 || !errors.As(err, &final) {
		t.Errorf("the public host's fourth order at once: %v", err)
	}
	if err := m.mayOrder(t.Context(), "shop.api.auth.example.com"); auth.CodeOf(err) != auth.CodeTooManyAttempts || !errors.As(err, &final) {
		t.Errorf("one more order: %v", err)
	}
	clock.Advance(time.Hour)
	if err := m.mayOrder(t.Context(), "shop.api.auth.example.com"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// A certificate that is there goes on serving while its renewal rests.
func TestRestingNamesServeWhatTheyHave(t *testing.T) {
	ca, asked := brokenCA(t)
	m := manager(t, ca, authtest.NewClock(start), &testLog{})
	p := pairIn(t.TempDir(), "p")
	leaf := writePair(t, p, time.Now().Add(time.Hour), "shop.api.auth.example.com")
	if _, err := m.onDemand.CacheUnmanagedCertificatePEMFile(t.Context(), p.Cert, p.Key, nil); err != nil {
		t.Fatal(err)
	}
	m.rests.add("shop.api.auth.example.com", time.Minute)
	if cert, err := handshake(t, m.TLSConfig(), "shop.api.auth.example.com"); err != nil || !cert.Equal(leaf) {
		t.Errorf("%v", err)
	}
	if asked.Load() != 0 {
		t.Error("the CA was asked")
	}
}

// One that expired serves nobody, so a handshake waits for an order as where there is none.
func TestExpiredCertificatesCountAsNone(t *testing.T) {
	ca, _ := brokenCA(t)
	m := manager(t, ca, authtest.NewClock(start), &testLog{})
	p := pairIn(t.TempDir(), "p")
	const name = "shop.api.auth.example.com"
	writePair(t, p, time.Now().Add(-time.Hour), name)
	if _, err := m.onDemand.CacheUnmanagedCertificatePEMFile(t.Context(), p.Cert, p.Key, nil); err != nil {
		t.Fatal(err)
	}
	if len(m.cache.AllMatchingCertificates(name)) != 1 || len(m.valid(name)) != 0 {
		t.Errorf("%d in memory, %d valid", len(m.cache.AllMatchingCertificates(name)), len(m.valid(name)))
	}
	m.rests.add(name, time.Minute)
	if cert, err := handshake(t, m.TLSConfig(), name); err == nil {
		t.Errorf("shown: %v", cert.NotAfter)
	}
}

// A CA that is away is asked again and again, and nothing else stops; Run ends at once when it is told to.
func TestCAIsAway(t *testing.T) {
	ca, asked := brokenCA(t)
	log := &testLog{}
	m := manager(t, ca, authtest.NewClock(start), log)
	m.retry = 5 * time.Millisecond
	m.Bind(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { m.Run(ctx); close(ended) }()
	for deadline := time.Now().Add(30 * time.Second); strings.Count(log.String(), "no certificate could be obtained") < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("asked %d times:\n%s", asked.Load(), log)
		}
	}
	if e := m.Expiries(); len(e) != 1 || e[0].Name != "auth.example.com" || !e[0].At.IsZero() {
		t.Errorf("%v", e)
	}
	stop()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
	}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: m.configFor}) // Run stopped the other; the test's end stops this one
}

func TestManagerWithDNSHasAWildcard(t *testing.T) {
	m := NewManager(Options{Account: Account{Directory: "https://ca.example/dir", DNS: &acmeDNS{}}, PublicHost: "auth.example.com", Domain: "api.auth.example.com", Log: (&testLog{}).logger(), Clock: time.Now})
	defer m.cache.Stop()
	if m.onDemand != nil || fmt.Sprint(m.names) != "[auth.example.com *.api.auth.example.com]" {
		t.Errorf("names %v", m.names)
	}
}

// The library's lines reach our log by their level: its info is our debug, and its debug never arrives.
func TestZapLines(t *testing.T) {
	log := &testLog{}
	z := newZap(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))).Named("x").With(zap.String("a", "1"))
	z.Debug("secret")
	z.Info("chatty")
	z.Warn("careful", zap.Int("n", 2))
	z.Error("broken", zap.Error(io.EOF), zap.Strings("names", []string{"x"}))
	got := log.String()
	for _, want := range []string{"level=WARN msg=careful part=certificates a=1 n=2", "level=ERROR msg=broken part=certificates a=1 error=EOF names=[x]", "level=DEBUG msg=chatty"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("debug lines in\n%s", got)
	}
}
