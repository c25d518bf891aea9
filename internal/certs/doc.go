// Package certs gives TLS its certificates: from files, reloaded when they change, or from a CA by ACME (RFC 8555), with what that needs kept in the database, so that any
// number of processes share certificates, challenges and locks. It alone knows the ACME library.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// Source is where certificates come from.
type Source interface {
	// Bind tells, before anything is served, where TLS is, and where the redirects from port 80 are; nil where there are none.
	Bind(serving, redirects net.Addr)
	// Run keeps the certificates fresh until ctx ends.
	Run(ctx context.Context)
	// TLSConfig is for the listener that serves. TLS 1.2 is the lowest version; ciphers and curves are Go's.
	TLSConfig() *tls.Config
	// Challenges answers what a CA asks on port 80 (RFC 8555 section 8.3), and leaves everything else to next.
	Challenges(next http.Handler) http.Handler
	// Expiries gives the certificates that should always be there, and when each expires.
	Expiries() []Expiry
	// Orders counts what was asked of a CA since the start, by how it ended.
	Orders() (obtained, failed int64)
}

// Expiry is when the certificate of a name expires.
type Expiry struct {
	Name     string
	At       time.Time     // zero: there is no certificate yet
	Lifetime time.Duration // how long the certificate is valid in all
}

func lifetimeOf(leaf *x509.Certificate) time.Duration { return leaf.NotAfter.Sub(leaf.NotBefore) }

// tlsConfig has HTTP/2 on.
func tlsConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12, NextProtos: append([]string{"h2", "http/1.1"}, protocols...)}
}

// nameOf is what a certificate is called in logs and metrics: its first name.
func nameOf(leaf *x509.Certificate) string {
	if len(leaf.DNSNames) > 0 {
		return leaf.DNSNames[0]
	}
	if len(leaf.IPAddresses) > 0 {
		return leaf.IPAddresses[0].String()
	}
	return leaf.Subject.CommonName
}
