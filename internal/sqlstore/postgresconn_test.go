package sqlstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPostgresURLs(t *testing.T) {
	good := map[string]struct {
		hosts    int
		writable bool // whether servers are asked if they take writes
	}{
		"postgres://u:p@h/db":                                                 {1, false},
		"postgresql://u:p@h:5433/db?sslmode=disable":                          {1, false},
		"postgres://u:p@h1:5432,h2:5433/db":                                   {2, true},
		"postgres://u:p@h1,h2,h3/db?sslmode=require":                          {3, true},
		"postgres://u:p@h1,h2/db?target_session_attrs=any":                    {2, false},
		"postgres://u:p@h1,h2/db?target_session_attrs=primary":                {2, true},
		"postgres://u:p@h1/db?target_session_attrs=read-write":                {1, true},
		"postgres:///db?host=/run/postgresql":                                 {1, false},
		"postgres:///db?host=/run/postgresql,/srv/other&user=doorward":        {2, true},
		"postgres://[2001:db8::1]:5432,[2001:db8::2]:5432/db?sslmode=disable": {2, true},
	}
	for url, want := range good {
		target, err := parsePostgres(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if len(target.hosts) != want.hosts {
			t.Errorf("%s has %d hosts, want %d", url, len(target.hosts), want.hosts)
		}
		for _, host := range target.hosts {
			if (host.ValidateConnect != nil) != want.writable {
				t.Errorf("%s: asks host %s whether it takes writes: %v, want %v", url, host.Host, !want.writable, want.writable)
			}
			if host.ConnectTimeout != postgresConnectTime {
				t.Errorf("%s: connect timeout %v", url, host.ConnectTimeout)
			}
		}
	}
	for _, url := range []string{
		"postgres://u:hunter2@%zz/db", "postgres://u:hunter2@h:port/db", "postgres://u:hunter2@h/db?sslmode=maybe", "postgres://u:hunter2@h/db?sslrootcert=/nosuch&sslmode=verify-full",
		"postgres://u:hunter2@h1,h2/db?target_session_attrs=standby", "postgres://u:hunter2@h/db?statement_timeout=0", "postgres://u:hunter2@h/db?statement_timeout=soon",
		"mysql://u:hunter2@h/db", "sqlite:", "", ":memory:", "sqlite::memory:",
	} {
		if err := CheckURL(url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := CheckURL("postgres://u@h/db?sslmode=verify-full&sslrootcert=/nosuch/ca.pem"); err == nil || !strings.Contains(err.Error(), "/nosuch/ca.pem") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestStatementTime(t *testing.T) {
	for url, want := range map[string]time.Duration{
		"postgres://h/db": 15 * time.Second, "postgres://h/db?statement_timeout=2500": 2500 * time.Millisecond, "postgres://h/db?statement_timeout=40s": 40 * time.Second,
	} {
		target, err := parsePostgres(url)
		if err != nil || target.statementTime != want {
			t.Errorf("%s: %v, %v", url, target, err)
		}
	}
}

func TestMaskURL(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:/srv/doorward.db":                               "sqlite:/srv/doorward.db",
		"/srv/doorward.db":                                      "/srv/doorward.db",
		"postgres://h/db":                                       "postgres://h/db",
		"postgres://u@h/db":                                     "postgres://u@h/db",
		"postgres://u:hunter2@h:5432/db":                        "postgres://u:xxxxx@h:5432/db",
		"postgres://u:hunter2@h1:5432,h2:5433/db":               "postgres://u:xxxxx@h1:5432,h2:5433/db",
		"postgres://u@h/db?password=hunter2":                    "postgres://u@h/db",
		"postgres://u@h/db?sslmode=require&password=hunter2":    "postgres://u@h/db?sslmode=require",
		"postgres:///db?host=/run/postgresql&password=hunter2":  "postgres:///db?host=%2Frun%2Fpostgresql",
		"postgres://u:hunter2/x@h/db":                           "(hidden)",
		"postgres://u:hunter2?x@h/db":                           "(hidden)",
		"postgres://u:hunter2#x@h/db":                           "(hidden)",
		"postgres://u:x@hunter2@h/db":                           "postgres://u:xxxxx@h/db",
		"postgres://u:hunter2@h:port/db":                        "(hidden)",
		"mysql://u:hunter2@h/db":                                "(hidden)",
		"postgres://u:pass%40hunter2@h1,h2/db?sslmode=disable":  "postgres://u:xxxxx@h1,h2/db?sslmode=disable",
		"postgres://u:hunter2@h/db?sslpassword=hunter2&port=54": "postgres://u:xxxxx@h/db?port=54",
	} {
		if got := MaskURL(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}

// certificates makes a CA and a server's certificate for the name localhost, as PEM.
func certificates(t *testing.T) (ca, cert, key []byte) {
	t.Helper()
	caKey, caDER := sign(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	parent, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	serverKey, der := sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, parent, caKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return encode("CERTIFICATE", caDER), encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}

// sign makes a key and its certificate, signed by the parent's key or by itself.
func sign(t *testing.T, c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = c, key
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
