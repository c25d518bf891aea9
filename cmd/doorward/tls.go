package main

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/certs"
)

// tlsOptions make the server speak HTTPS itself. They stand above the public URL, whose scheme follows them.
var tlsOptions = []option{
	{key: "tls-cert", help: "File of the TLS certificate with its chain (PEM); several are separated by commas.", shown: "none: plain HTTP", def: text(""), set: setTLSCert},
	{key: "tls-key", help: "File of its private key; as many as certificates.", shown: "none", def: text(""), set: setTLSKey},
	{key: "acme-email", help: "Get TLS certificates from a CA by ACME, with this contact address.", shown: "none: no CA is asked", def: text(""), set: setACMEEmail},
	{key: "acme-agree", help: "true: you agree to the CA's terms of service.", shown: "none", def: text(""), set: setACMEAgree},
	{key: "acme-directory", help: "URL of the CA's ACME directory.", shown: "Let's Encrypt", def: text(certs.LetsEncrypt), set: setACMEDirectory},
	{key: "acme-ca", help: "File of the CA certificates (PEM) that verify the directory itself, of a CA of your own.", shown: "those of the system", def: text(""), set: setACMECA},
	{key: "acme-eab", help: "Account that the CA gave you, as KEYID:MACKEY (external account binding).", shown: "none", secret: true, def: text(""), set: setACMEEAB, masked: maskEAB},
	{key: "acme-dns", help: "Prove names by DNS, with one wildcard certificate for all project hosts: rfc2136://KEYNAME:SECRET@HOST:53 or acme-dns://USER:PASSWORD@HOST?subdomain=NAME.",
		shown: "none: a certificate for each project host", secret: true, def: text(""), set: setACMEDNS, masked: maskDNS},
	{key: "acme-resolvers", help: "DNS servers to look the proofs up at, as HOST:PORT, separated by commas.", shown: "those of the system", def: text(""), set: setACMEResolvers},
	{key: "http-listen", help: "Address that answers plain HTTP with redirects to HTTPS, as :80; CAs may prove names there, too.", shown: "none", def: text(""), set: setHTTPListen},
}

var errNoACME = errors.New("it has no effect without acme-email")

func setTLSCert(s *settings, v string) error {
	s.server.TLS.Files = nil
	for _, file := range fields(v) {
		s.server.TLS.Files = append(s.server.TLS.Files, certs.Pair{Cert: file})
	}
	return nil
}

func setTLSKey(s *settings, v string) error {
	keys := fields(v)
	if len(keys) != len(s.server.TLS.Files) {
		return fmt.Errorf("there are %d certificates in tls-cert and %d keys here", len(s.server.TLS.Files), len(keys))
	}
	for i, key := range keys {
		s.server.TLS.Files[i].Key = key
	}
	return nil
}

// fields splits at commas and leaves out what is empty.
func fields(v string) (all []string) {
	for field := range strings.SplitSeq(v, ",") {
		if field = strings.TrimSpace(field); field != "" {
			all = append(all, field)
		}
	}
	return all
}

func setACMEEmail(s *settings, v string) error {
	if v == "" {
		return nil
	}
	s.server.TLS.ACME = &certs.Account{Email: v}
	if len(s.server.TLS.Files) > 0 {
		return errors.New("certificates come either from a CA or from files; unset it or tls-cert")
	}
	if _, err := auth.ParseEmail(v); err != nil {
		return errors.New("it is not an email address")
	}
	return nil
}

func setACMEAgree(s *settings, v string) error {
	switch {
	case v != "" && v != "true" && v != "false":
		return errors.New("it is neither true nor false")
	case v != "true" && s.server.TLS.ACME != nil:
		return errors.New("the CA wants agreement to its terms of service (Let's Encrypt: https://letsencrypt.org/repository/); read them and set it to true")
	}
	return nil
}

func setACMEDirectory(s *settings, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("it is not a URL as " + certs.LetsEncrypt)
	}
	if s.server.TLS.ACME == nil {
		if v != certs.LetsEncrypt {
			return errNoACME
		}
		return nil
	}
	s.server.TLS.ACME.Directory = v
	return nil
}

func setACMECA(s *settings, v string) error {
	return acmeOption(s, v, func(a *certs.Account) error {
		content, err := os.ReadFile(v)
		if err != nil {
			return err
		}
		a.Roots = x509.NewCertPool()
		if !a.Roots.AppendCertsFromPEM(content) {
			return errors.New("the file holds no certificate in PEM")
		}
		return nil
	})
}

// acmeOption sets what belongs to the CA, unless it is empty.
func acmeOption(s *settings, v string, set func(*certs.Account) error) error {
	switch {
	case v == "":
		return nil
	case s.server.TLS.ACME == nil:
		return errNoACME
	}
	return set(s.server.TLS.ACME)
}

func setACMEEAB(s *settings, v string) error {
	return acmeOption(s, v, func(a *certs.Account) error {
		id, key, _ := strings.Cut(v, ":")
		key = strings.TrimRight(key, "=")
		if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) < 16 || id == "" {
			return errors.New("it is not KEYID:MACKEY, with the key in base64url")
		}
		a.KeyID, a.MACKey = id, key
		return nil
	})
}

func maskEAB(v string) string {
	id, _, _ := strings.Cut(v, ":")
	return id + ":(hidden)"
}

func setACMEDNS(s *settings, v string) error {
	return acmeOption(s, v, func(a *certs.Account) (err error) {
		a.DNS, err = certs.ParseDNS(v)
		return err
	})
}

func maskDNS(v string) string {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" {
		return "(hidden)"
	}
	return u.Redacted()
}

func setACMEResolvers(s *settings, v string) error {
	return acmeOption(s, v, func(a *certs.Account) error {
		a.Resolvers = fields(v)
		return nil
	})
}

func setHTTPListen(s *settings, v string) error {
	if v == "" {
		return nil
	}
	s.server.TLS.HTTPListen = v
	if !s.server.TLS.On() {
		return errors.New("there is no HTTPS to redirect to; set tls-cert or acme-email")
	}
	return checkAddress(v)
}

// checkPublicURL tells whether a CA can give a certificate for the public URL's host.
func checkPublicURL(s *settings) error {
	public := s.server.PublicURL
	switch {
	case s.server.TLS.ACME == nil:
		return nil
	case isLoopbackHost(public.Hostname()), !strings.Contains(public.Hostname(), "."), strings.Trim(public.Hostname(), "0123456789.:") == "":
		return errors.New("a CA gives certificates for names that others can look up, as https://auth.example.com")
	case public.Scheme != "https":
		return errors.New("with certificates from a CA it begins with https://")
	}
	return nil
}

// checkCertificates loads the files of certificates, which only those who serve can read. A server that starts does so by itself: a pair that is just being replaced
// is no mistake of the configuration, which systemd would not try again.
func (c *configuration) checkCertificates() {
	for _, pair := range c.server.TLS.Files {
		if _, err := pair.Load(); err != nil {
			c.problem("tls-cert", c.values["tls-cert"].source, err.Error())
		}
	}
}

// tlsNotes are what is allowed of TLS but may surprise.
func (c *configuration) tlsNotes() (notes []problem) {
	if !c.server.TLS.On() {
		return nil
	}
	if c.server.PublicURL.Scheme != "https" {
		notes = append(notes, problem{"public-url", c.values["public-url"].source, "the server speaks HTTPS, but links and issuers say http"})
	}
	if host, _, _ := net.SplitHostPort(c.listen); c.server.TLS.ACME != nil && c.server.TLS.ACME.DNS == nil && isLoopbackHost(host) {
		notes = append(notes, problem{"listen", c.values["listen"].source, "the CA cannot connect to " + c.listen + "; listen on :443, forward port 443 to it, or set acme-dns"})
	}
	if len(c.server.TLS.Files) == 0 {
		return notes
	}
	for _, host := range []string{c.server.PublicURL.Hostname(), "project." + c.server.Domain} {
		if !c.hasCertificate(host) {
			notes = append(notes, problem{"tls-cert", c.values["tls-cert"].source, "no certificate is valid for " + host})
		}
	}
	return notes
}

// hasCertificate tells whether one of the files is for the host and has not expired.
func (c *configuration) hasCertificate(host string) bool {
	for _, pair := range c.server.TLS.Files {
		cert, err := pair.Load()
		if err == nil && cert.Leaf.VerifyHostname(host) == nil && time.Now().Before(cert.Leaf.NotAfter) {
			return true
		}
	}
	return false
}
