package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const tlsHost = "auth.doorward.test"

// tlsServer starts a server that speaks HTTPS at a port, with its health at another one.
func tlsServer(t *testing.T, port string, o serverOptions) *server {
	t.Helper()
	metrics := mustFreePort(t)
	o.port, o.health = port, "http://127.0.0.1:"+metrics
	o.publicURL = "https://" + tlsHost + ":" + port
	o.args = append(o.args, "--metrics-listen", "127.0.0.1:"+metrics)
	return ownServer(t, o)
}

// handshake connects to a server under a name, and gives the certificate that it shows, which may have to be ordered first.
func handshake(s *server, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots}}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// certificateOf waits until the server has a certificate for a name.
func certificateOf(t *testing.T, s *server, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	var last error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		cert, err := handshake(s, name, roots)
		if err == nil {
			return cert
		}
		last = err
	}
	t.Fatalf("no certificate for %s: %v; output:\n%s", name, last, tail(s.output.String(), 6000))
	return nil
}

// secureClient reaches every name at the server.
func secureClient(s *server, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.addr)
	}
	return &http.Client{Transport: transport, Timeout: requestLimit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func fetch(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// metric reads one line of the metrics.
func (s *server) metric(t *testing.T, name string) string {
	t.Helper()
	_, body := fetch(t, &http.Client{Timeout: requestLimit}, s.opts.health+"/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// The certificate of the public host is ordered at the start, by TLS-ALPN-01; that of a project's host when somebody connects. Nobody makes the server order anything else, and a
// restart orders nothing.
func TestCertificatesFromACA(t *testing.T) {
	t.Parallel()
	port := mustFreePort(t)
	ca := startPebble(t, pebbleOptions{names: startNameServer(t), tlsPort: port})
	s := tlsServer(t, port, serverOptions{args: ca.flags()})
	roots := ca.roots(t)
	public := certificateOf(t, s, tlsHost, roots)
	resp, _ := fetch(t, secureClient(s, roots), s.publicURL+"/healthz")
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || !strings.HasPrefix(resp.Header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("status %d over %s, Strict-Transport-Security %q", resp.StatusCode, resp.Proto, resp.Header.Get("Strict-Transport-Security"))
	}
	if n := ca.orders(); n != 1 {
		t.Errorf("%d orders for the public host", n)
	}

	project := "default.api." + tlsHost
	onDemand, err := handshake(s, project, roots)
	if err != nil {
		t.Fatalf("the first connection to a project's host: %v; output:\n%s", err, tail(s.output.String(), 6000))
	}
	if resp, body := fetch(t, secureClient(s, roots), "https://"+project+":"+port+"/readyz"); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if n := ca.orders(); n != 2 {
		t.Errorf("%d orders for two hosts", n)
	}
	for _, name := range []string{"nosuch.api." + tlsHost, "a.b.api." + tlsHost, "api." + tlsHost, "www.example.com", "admin." + tlsHost} {
		if _, err := handshake(s, name, roots); err == nil {
			t.Errorf("%s has a certificate", name)
		}
	}
	if n := ca.orders(); n != 2 {
		t.Errorf("%d orders after connections to unknown hosts", n)
	}
	if left := s.metric(t, fmt.Sprintf("doorward_certificate_expires_seconds{name=%q}", tlsHost)); !strings.HasPrefix(left, "7.7") {
		t.Errorf("the certificate of 90 days expires in %q seconds", left)
	}
	if n := s.metric(t, `doorward_certificate_orders_total{outcome="obtained"}`); n != "2" {
		t.Errorf("%q certificates obtained", n)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := tlsServer(t, port, serverOptions{data: s.opts.data, args: ca.flags()})
	if cert := certificateOf(t, again, tlsHost, roots); !cert.Equal(public) {
		t.Error("after a restart the public host has another certificate")
	}
	if cert := certificateOf(t, again, project, roots); !cert.Equal(onDemand) {
		t.Error("after a restart the project's host has another certificate")
	}
	if n := ca.orders(); n != 2 {
		t.Errorf("%d orders after a restart", n)
	}
	keysAreSealed(t, s.opts.data)
}

// keysAreSealed looks for private keys in clear text in all files (P18).
func keysAreSealed(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "doorward.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database in %s: %v", dir, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			t.Errorf("%s has a private key in clear text", file)
		}
	}
}

// With DNS the proofs are put into the zone, one wildcard serves all projects' hosts, and the zone is clean afterwards.
func TestWildcardByDNS(t *testing.T) {
	t.Parallel()
	names := startNameServer(t)
	ca := startPebble(t, pebbleOptions{names: names, eab: map[string]string{"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}})
	zone := fmt.Sprintf("rfc2136://%s:%s@%s", strings.TrimSuffix(zoneKeyName, "."), strings.NewReplacer("=", "%3D", "/", "%2F", "+", "%2B").Replace(zoneKey), names.addr)
	port := mustFreePort(t)
	s := tlsServer(t, port, serverOptions{args: ca.flags("--acme-resolvers", names.addr), env: []string{"DOORWARD_ACME_DNS=" + zone,
		"DOORWARD_ACME_EAB=kid-1:zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}})
	remember("key of the zone", zoneKey)
	remember("external account", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")
	roots := ca.roots(t)
	certificateOf(t, s, tlsHost, roots)
	one := certificateOf(t, s, "default.api."+tlsHost, roots)
	other := certificateOf(t, s, "another.api."+tlsHost, roots)
	if !one.Equal(other) || len(one.DNSNames) != 1 || one.DNSNames[0] != "*.api."+tlsHost {
		t.Errorf("certificates for %v and %v", one.DNSNames, other.DNSNames)
	}
	if n := ca.issued(); n != 2 {
		t.Errorf("%d certificates issued", n)
	}
	var left int
	var added []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if left, added, _ = names.left(); left == 0 {
			break
		}
	}
	if _, _, refused := names.left(); left != 0 || len(added) != 2 || refused != 0 {
		t.Errorf("%d records left; names %v; %d updates refused", left, added, refused)
	}
}

// Processes on one database order one certificate for all, whichever of them the CA finds, and each has it.
func TestProcessesShareCertificates(t *testing.T) {
	port := mustFreePort(t)
	ca := startPebble(t, pebbleOptions{names: startNameServer(t), tlsPort: port})
	roots := ca.roots(t)
	dir, err := os.MkdirTemp(suite.dir, "own-")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	first := tlsServer(t, port, serverOptions{data: data, args: ca.flags()})
	processes := []*server{first}
	for range 2 { // the CA never connects to these
		processes = append(processes, tlsServer(t, mustFreePort(t), serverOptions{data: data, args: ca.flags()}))
	}
	public := certificateOf(t, first, tlsHost, roots)
	for i, s := range processes {
		if cert := certificateOf(t, s, tlsHost, roots); !cert.Equal(public) {
			t.Errorf("process %d has another certificate", i)
		}
	}
	// The second process orders, and the first answers the CA.
	elsewhere, err := handshake(processes[1], "default.api."+tlsHost, roots)
	if err != nil {
		t.Fatalf("%v; output:\n%s", err, tail(processes[1].output.String(), 4000))
	}
	if cert := certificateOf(t, first, "default.api."+tlsHost, roots); !cert.Equal(elsewhere) {
		t.Error("the first process has another certificate than the one that ordered")
	}
	// All order at once.
	first.cli(t, "project", "create", "other")
	certificates := make([]*x509.Certificate, len(processes))
	var connecting sync.WaitGroup
	for i, s := range processes {
		connecting.Go(func() { certificates[i], _ = handshake(s, "other.api."+tlsHost, roots) }) // nil where it fails
	}
	connecting.Wait()
	for i, cert := range certificates {
		if cert == nil || !cert.Equal(certificates[0]) {
			t.Errorf("process %d has another certificate, or none; output:\n%s", i, tail(processes[i].output.String(), 2000))
		}
	}
	if n := ca.issued(); n != 3 {
		t.Errorf("%d certificates for three hosts; output:\n%s", n, tail(first.output.String(), 4000))
	}
}

// A process that is killed while it orders leaves a lock that ends by itself.
func TestKilledWhileOrdering(t *testing.T) {
	t.Parallel()
	port := mustFreePort(t)
	names := startNameServer(t)
	ca := startPebble(t, pebbleOptions{names: names, tlsPort: port})
	s := tlsServer(t, port, serverOptions{args: ca.flags()})
	for deadline := time.Now().Add(30 * time.Second); ca.orders() == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	s.kill(t)
	again := tlsServer(t, port, serverOptions{data: s.opts.data, args: ca.flags()})
	start := time.Now()
	roots := ca.roots(t)
	for {
		if _, err := handshake(again, tlsHost, roots); err == nil {
			return
		}
		if time.Since(start) > 150*time.Second {
			t.Fatalf("no certificate in time; output:\n%s", tail(again.output.String(), 6000))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A certificate that is due is renewed while the old one serves, also while the CA is away.
func TestRenewal(t *testing.T) {
	t.Parallel()
	port := mustFreePort(t)
	names := startNameServer(t)
	ca := startPebble(t, pebbleOptions{names: names, tlsPort: port, validity: 30 * time.Second})
	s := tlsServer(t, port, serverOptions{args: ca.flags()})
	roots := ca.roots(t)
	project := "default.api." + tlsHost
	old := certificateOf(t, s, project, roots)
	renewed := false
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && !renewed; time.Sleep(250 * time.Millisecond) {
		cert, err := handshake(s, project, roots)
		if err != nil {
			t.Fatalf("a connection failed while the certificate was due: %v; output:\n%s", err, tail(s.output.String(), 4000))
		}
		renewed = !cert.Equal(old)
	}
	if !renewed {
		t.Fatalf("not renewed; output:\n%s", tail(s.output.String(), 4000))
	}
	ca.kill()
	if _, err := handshake(s, project, roots); err != nil {
		t.Errorf("without the CA: %v", err)
	}
}

// Files of certificates are taken up when they change, without one failed request; a pair that does not fit changes nothing.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first, second := newTestCertificate(t, time.Hour, tlsHost, "127.0.0.1"), newTestCertificate(t, 2*time.Hour, tlsHost)
	first.write(t, certFile, keyFile)
	s := tlsServer(t, mustFreePort(t), serverOptions{args: []string{"--tls-cert", certFile, "--tls-key", keyFile}})
	roots := x509.NewCertPool()
	roots.AddCert(first.leaf)
	roots.AddCert(second.leaf)
	if cert := certificateOf(t, s, "", roots); !cert.Equal(first.leaf) {
		t.Error("a client that names no host gets another certificate")
	}

	var requests, failures atomic.Int64
	var lastFailure atomic.Value
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				client := secureClient(s, roots) // a new handshake each time
				resp, err := client.Get(s.publicURL + "/healthz")
				requests.Add(1)
				if err != nil {
					failures.Add(1)
					lastFailure.Store(err.Error())
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				client.CloseIdleConnections()
			}
		})
	}
	shows := func(want *x509.Certificate, within time.Duration) bool {
		for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			if cert, err := handshake(s, tlsHost, roots); err == nil && cert.Equal(want) {
				return true
			}
		}
		return false
	}
	if err := os.WriteFile(certFile, second.cert, 0o600); err != nil { // its key is the old one
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.output.String(), "the certificate files changed and cannot be used"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a pair that does not fit is not told of")
		}
	}
	if !shows(first.leaf, 2*time.Second) {
		t.Error("a pair that does not fit took the old one's place")
	}
	second.write(t, certFile, keyFile)
	if !shows(second.leaf, 30*time.Second) {
		t.Error("the new pair is not taken up")
	}
	close(stop)
	load.Wait()
	if failures.Load() > 0 || requests.Load() < 20 {
		t.Errorf("%d of %d requests failed: %v", failures.Load(), requests.Load(), lastFailure.Load())
	}
	if left := s.metric(t, fmt.Sprintf("doorward_certificate_expires_seconds{name=%q}", tlsHost)); left == "" || strings.HasPrefix(left, "-") {
		t.Errorf("the certificate expires in %q seconds", left)
	}
}

// Port 80 sends browsers to HTTPS, and proves names to a CA that looks there; apps that speak plain HTTP are told, and not sent on.
func TestPlainHTTPIsRedirected(t *testing.T) {
	t.Parallel()
	plain := mustFreePort(t)
	port := mustFreePort(t)
	ca := startPebble(t, pebbleOptions{names: startNameServer(t), httpPort: plain}) // nothing listens where it looks for TLS-ALPN-01
	s := tlsServer(t, port, serverOptions{args: ca.flags("--http-listen", "127.0.0.1:"+plain)})
	certificateOf(t, s, tlsHost, ca.roots(t))
	for _, test := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", tlsHost, "/verify-email?code=a%2Fb", 308, "https://" + tlsHost + ":" + port + "/verify-email?code=a%2Fb"},
		{"GET", tlsHost + ":" + plain, "//evil.example/x", 308, "https://" + tlsHost + ":" + port + "//evil.example/x"},
		{"GET", "default.api." + tlsHost, "/", 308, "https://default.api." + tlsHost + ":" + port + "/"},
		{"GET", "evil.example", "/", 404, ""},
		{"GET", tlsHost, "/api/v1/auth/accounts/list", 403, ""},
		{"GET", tlsHost, "/admin/v1/projects", 403, ""},
		{"POST", tlsHost, "/verify-email", 403, ""},
		{"GET", tlsHost, "/.well-known/acme-challenge/nosuch", 308, "https://" + tlsHost + ":" + port + "/.well-known/acme-challenge/nosuch"},
	} {
		req, err := http.NewRequest(test.method, "http://127.0.0.1:"+plain+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = test.host
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get("Location") != test.location {
			t.Errorf("%s %s%s: %d, Location %q", test.method, test.host, test.path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}
