package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// vault is the domain over an empty store, with one project.
func vault(t *testing.T, clock *authtest.Clock) *auth.Certificates {
	t.Helper()
	service := auth.NewService(authtest.Config(t, clock.Now))
	admin := auth.NewAdmin(service)
	if _, _, err := admin.CreateProject(t.Context(), service.LocalOperator(auth.Caller{}), auth.NewProject{ID: "shop"}); err != nil {
		t.Fatal(err)
	}
	return auth.NewCertificates(service)
}

// testLog keeps what was logged.
type testLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *testLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// writePair writes a certificate of 90 days that signs itself, and its key.
func writePair(t *testing.T, p Pair, expires time.Time, names ...string) *x509.Certificate {
	t.Helper()
	return writePairOf(t, p, 90*24*time.Hour, expires, names...)
}

func writePairOf(t *testing.T, p Pair, lifetime time.Duration, expires time.Time, names ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, DNSNames: names, NotBefore: expires.Add(-lifetime), NotAfter: expires}
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
	write(t, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return leaf
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func pairIn(dir, name string) Pair {
	return Pair{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
}

// handshake connects to a configuration under a name, and gives the certificate that it shows.
func handshake(t *testing.T, config *tls.Config, name string) (*x509.Certificate, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	server := tls.Server(ours, config)
	go func() { _ = server.HandshakeContext(t.Context()) }() // the client tells how it went
	defer theirs.Close()
	client := tls.Client(theirs, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := client.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}
