package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/certs"
)

// certificateFiles writes a certificate that signs itself, and its key.
func certificateFiles(t *testing.T, expires time.Time, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: expires.Add(-24 * time.Hour), NotAfter: expires}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func TestTLSOptions(t *testing.T) {
	t.Parallel()
	c := loadConfig(map[string]string{"tls-cert": "a.crt, b.crt", "tls-key": "a.key,b.key", "listen": ":443", "http-listen": ":80"}, nil)
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	if got := c.server.TLS; len(got.Files) != 2 || got.Files[1] != (certs.Pair{Cert: "b.crt", Key: "b.key"}) || got.HTTPListen != ":80" || c.server.PublicURL.String() != "https://localhost" {
		t.Errorf("%+v, public URL %s", got, c.server.PublicURL)
	}
	if c := loadConfig(map[string]string{"tls-cert": "a.crt", "tls-key": "a.key", "listen": ":8443"}, nil); c.server.PublicURL.String() != "https://localhost:8443" {
		t.Errorf("public URL %s", c.server.PublicURL)
	}

	ca, _ := certificateFiles(t, time.Now().Add(time.Hour), "ca.example")
	acme := map[string]string{
		"public-url": "https://auth.example.com", "acme-email": "ada@example.com", "acme-agree": "true", "acme-directory": "https://ca.example/dir", "acme-ca": ca,
		"acme-eab": "kid:c2l4dGVlbi1vci1tb3JlLWJ5dGVzLW9mLWtleQ==", "acme-dns": "rfc2136://key:c2l4dGVlbi1vci1tb3JlLWJ5dGVzLW9mLWtleQ%3D%3D@ns.example", "acme-resolvers": "192.0.2.1:53,192.0.2.2",
	}
	c = loadConfig(acme, nil)
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	a := c.server.TLS.ACME
	if a == nil || a.Email != "ada@example.com" || a.Directory != "https://ca.example/dir" || a.Roots == nil || a.KeyID != "kid" || strings.HasSuffix(a.MACKey, "=") || a.DNS == nil || len(a.Resolvers) != 2 {
		t.Errorf("%+v", a)
	}
	minimal := loadConfig(map[string]string{"public-url": "https://auth.example.com", "acme-email": "ada@example.com", "acme-agree": "true"}, nil)
	if err := minimal.err(); err != nil || minimal.server.TLS.ACME.Directory != certs.LetsEncrypt {
		t.Errorf("%+v, %v", minimal.server.TLS.ACME, err)
	}
	for _, o := range options {
		if shown := o.show(c.values[o.key].text); strings.Contains(shown, "c2l4") {
			t.Errorf("%s shows a secret: %s", o.key, shown)
		}
	}
}

func TestTLSOptionsThatContradict(t *testing.T) {
	t.Parallel()
	notACertificate := writeFile(t, "ca.pem", "nothing")
	acme := func(more ...string) map[string]string {
		flags := map[string]string{"public-url": "https://auth.example.com", "acme-email": "ada@example.com", "acme-agree": "true"}
		for i := 0; i < len(more); i += 2 {
			flags[more[i]] = more[i+1]
		}
		return flags
	}
	for _, test := range []struct {
		flags map[string]string
		key   string
		says  string
	}{
		{map[string]string{"tls-cert": "a.crt"}, "tls-key", "1 certificates in tls-cert and 0 keys"},
		{map[string]string{"tls-key": "a.key"}, "tls-key", "0 certificates"},
		{map[string]string{"http-listen": ":80"}, "http-listen", "no HTTPS to redirect to"},
		{acme("http-listen", "80"), "http-listen", "not HOST:PORT"},
		{acme("tls-cert", "a.crt", "tls-key", "a.key"), "acme-email", "either from a CA or from files"},
		{acme("acme-email", "ada"), "acme-email", "not an email address"},
		{acme("acme-agree", ""), "acme-agree", "terms of service"},
		{acme("acme-agree", "yes"), "acme-agree", "neither true nor false"},
		{acme("acme-directory", "http://ca.example/dir"), "acme-directory", "not a URL"},
		{acme("acme-ca", notACertificate), "acme-ca", "no certificate in PEM"},
		{acme("acme-eab", "kid"), "acme-eab", "KEYID:MACKEY"},
		{acme("acme-dns", "ns.example"), "acme-dns", "neither rfc2136"},
		{acme("public-url", "http://auth.example.com"), "public-url", "begins with https"},
		{acme("public-url", "https://localhost"), "public-url", "names that others can look up"},
		{acme("public-url", "https://192.0.2.1"), "public-url", "names that others can look up"},
		{map[string]string{"acme-directory": "https://ca.example/dir"}, "acme-directory", "no effect without acme-email"},
		{map[string]string{"acme-dns": "rfc2136://x"}, "acme-dns", "no effect without acme-email"},
		{map[string]string{"acme-eab": "kid:x"}, "acme-eab", "no effect without acme-email"},
	} {
		c := loadConfig(test.flags, nil)
		found := false
		for _, p := range c.problems {
			found = found || p.Key == test.key && strings.Contains(p.Message, test.says)
		}
		if !found {
			t.Errorf("%v: %v, want %q of %s", test.flags, c.problems, test.says, test.key)
		}
	}
}

// config check and serve look into the files of certificates; other verbs, whose user may not read them, do not. A start that meets a pair which is just being replaced
// ends with 1, so that systemd tries again.
func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, time.Now().Add(time.Hour), "auth.example.com")
	_, otherKey := certificateFiles(t, time.Now().Add(time.Hour), "auth.example.com")
	expired, expiredKey := certificateFiles(t, time.Now().Add(-time.Hour), "auth.example.com")
	run := func(verb ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), verb, nil, strings.NewReader(""), &out, &out)
		return out.String(), code
	}
	const url = "https://auth.example.com"
	out, code := run("config", "check", "--tls-cert", cert, "--tls-key", key, "--public-url", url)
	if code != exitDone || !strings.Contains(out, "no certificate is valid for project.api.auth.example.com") || strings.Contains(out, "valid for auth.example.com") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	out, code = run("config", "check", "--tls-cert", cert, "--tls-key", otherKey, "--public-url", url)
	if code != exitUsage || !strings.Contains(out, "WRONG tls-cert") || !strings.Contains(out, "private key does not match") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	out, code = run("config", "check", "--tls-cert", expired, "--tls-key", expiredKey, "--public-url", "http://auth.example.com")
	if code != exitDone || !strings.Contains(out, "no certificate is valid for auth.example.com") || !strings.Contains(out, "links and issuers say http") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	out, code = run("serve", "--tls-cert", cert, "--tls-key", otherKey, "--public-url", url, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	if code != exitFailed || !strings.Contains(out, "private key does not match") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	for listen, want := range map[string]bool{"127.0.0.1:8080": true, ":443": false} {
		out, code = run("config", "check", "--acme-email", "ada@example.com", "--acme-agree", "true", "--public-url", url, "--listen", listen)
		if code != exitDone || strings.Contains(out, "the CA cannot connect") != want {
			t.Errorf("listening on %s: exit code %d:\n%s", listen, code, out)
		}
	}
	config := writeFile(t, "doorward.toml", "tls_cert = '/nosuch.crt'\ntls_key = '/nosuch.key'\n")
	if out, code = run("project", "list", "--config", config, "--data", t.TempDir()); strings.Contains(out, "nosuch") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
