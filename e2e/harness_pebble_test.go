package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
)

// pebble is a process of Pebble, a real ACME server for tests, with its state in memory.
type pebble struct {
	opts      pebbleOptions
	directory string // URL
	manage    string // URL
	caFile    string // of the certificate that it speaks HTTPS with
	dir       string
	output    *lockedBuffer
	process   *os.Process
	exited    chan struct{}
	client    *http.Client
}

// pebbleOptions say where a CA looks for proofs. A port that is "" is one where nothing listens.
type pebbleOptions struct {
	names    *nameServer
	tlsPort  string
	httpPort string
	eab      map[string]string // accounts by key id; others are refused then
	validity time.Duration     // of certificates; default 90 days
}

var pebbleBinary struct {
	sync.Once
	path string
	err  error
}

// buildPebble builds it from the module in pebble/, once. DOORWARD_E2E_PEBBLE names a ready binary instead.
func buildPebble() (string, error) {
	pebbleBinary.Do(func() {
		if ready := os.Getenv("DOORWARD_E2E_PEBBLE"); ready != "" {
			pebbleBinary.path, pebbleBinary.err = filepath.Abs(ready)
			return
		}
		pebbleBinary.path = filepath.Join(suite.dir, "pebble")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", pebbleBinary.path, "github.com/letsencrypt/pebble/v2/cmd/pebble")
		build.Dir = "pebble"
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			pebbleBinary.err = fmt.Errorf("build pebble: %w\n%s", err, output)
		}
	})
	return pebbleBinary.path, pebbleBinary.err
}

// startPebble starts a CA for one test, and ends it at the test's end.
func startPebble(t *testing.T, o pebbleOptions) *pebble {
	t.Helper()
	binary, err := buildPebble()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(suite.dir, "pebble-")
	if err != nil {
		t.Fatal(err)
	}
	if o.validity == 0 {
		o.validity = 90 * 24 * time.Hour
	}
	p := &pebble{opts: o, dir: dir, caFile: filepath.Join(dir, "cert.pem"), output: &lockedBuffer{}, exited: make(chan struct{})}
	config := p.configure(t)
	cmd := exec.Command(binary, "-config", config, "-dnsserver", o.names.addr)
	cmd.Env = append(cleanEnv(), "PEBBLE_VA_NOSLEEP=1")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := bound.Start(cmd, syscall.SIGKILL, func(error) { close(p.exited) }); err != nil {
		t.Fatal(err)
	}
	p.process = cmd.Process
	t.Cleanup(p.kill)
	if err := p.waitReady(); err != nil {
		t.Fatalf("%v; output:\n%s", err, p.output)
	}
	return p
}

// configure writes the CA's files.
func (p *pebble) configure(t *testing.T) (path string) {
	t.Helper()
	api, manage := mustFreePort(t), mustFreePort(t)
	p.directory, p.manage = "https://127.0.0.1:"+api+"/dir", "https://127.0.0.1:"+manage
	own := newTestCertificate(t, time.Hour, "127.0.0.1")
	own.write(t, p.caFile, filepath.Join(p.dir, "key.pem"))
	pool := x509.NewCertPool()
	pool.AddCert(own.leaf)
	p.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	config, err := json.Marshal(M{"pebble": M{
		"listenAddress": "127.0.0.1:" + api, "managementListenAddress": "127.0.0.1:" + manage, "certificate": p.caFile, "privateKey": filepath.Join(p.dir, "key.pem"),
		"httpPort": portNumber(t, p.opts.httpPort), "tlsPort": portNumber(t, p.opts.tlsPort), "retryAfter": M{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": len(p.opts.eab) > 0, "externalAccountMACKeys": p.opts.eab,
		"profiles": M{"default": M{"description": "for tests", "validityPeriod": int(p.opts.validity.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(p.dir, "config.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func portNumber(t *testing.T, port string) int {
	t.Helper()
	if port == "" {
		port = mustFreePort(t)
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustFreePort(t *testing.T) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (p *pebble) waitReady() error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.exited:
			return errors.New("pebble ended before it was ready")
		default:
		}
		if resp, err := p.client.Get(p.directory); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return errors.New("pebble was not ready in time")
}

func (p *pebble) kill() {
	_ = p.process.Kill() // fails only when it has ended
	<-p.exited
}

// orders counts the orders that the CA took.
func (p *pebble) orders() int { return strings.Count(p.output.String(), "Added order ") }

// issued counts the certificates that it gave.
func (p *pebble) issued() int { return strings.Count(p.output.String(), "Issued certificate serial") }

// flags are those of a server that orders here.
func (p *pebble) flags(extra ...string) []string {
	flags := []string{"--acme-email", "operator@doorward.test", "--acme-agree", "true", "--acme-directory", p.directory, "--acme-ca", p.caFile}
	return append(flags, extra...)
}

// roots are what clients trust that trust this CA.
func (p *pebble) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	resp, err := p.client.Get(p.manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		t.Fatalf("no root in %q", content)
	}
	return pool
}

// testCertificate is a certificate that signs itself.
type testCertificate struct {
	leaf      *x509.Certificate
	cert, key []byte // PEM
}

func newTestCertificate(t *testing.T, validity time.Duration, names ...string) testCertificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return testCertificate{leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})}
}

func (c testCertificate) write(t *testing.T, certFile, keyFile string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(certFile, c.cert, 0o600), os.WriteFile(keyFile, c.key, 0o600)); err != nil {
		t.Fatal(err)
	}
}
