package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const smtpUser, smtpPassword = "doorward", "smtp-secret-of-the-suite"

// smtpServer is a real SMTP server on loopback that keeps what it accepts.
type smtpServer struct {
	addr   string
	caFile string // its own authority, for SSL_CERT_FILE

	mu       sync.Mutex
	received []envelopeMail
	refuse   int // so many more messages are refused with a temporary error
}

// envelopeMail is one message as it came over the wire.
type envelopeMail struct {
	from string
	to   []string
	data []byte
	tls  bool
	auth bool
}

// startSMTP starts the server: implicit TLS (smtps), or STARTTLS offered on a plain connection (smtp).
func startSMTP(t *testing.T, implicitTLS bool) *smtpServer {
	t.Helper()
	certificate, caFile := ownCertificate(t)
	s := &smtpServer{caFile: caFile}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &smtpSession{server: s, conn: c}, nil
	}))
	server.Domain = "localhost"
	server.ErrorLog = nopLogger{}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	if implicitTLS {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type nopLogger struct{}

func (nopLogger) Printf(string, ...any) {}
func (nopLogger) Println(...any)        {}

type smtpSession struct {
	server *smtpServer
	conn   *smtp.Conn
	mail   envelopeMail
	auth   bool
}

func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != smtpUser || password != smtpPassword {
			return errors.New("wrong user or password")
		}
		s.auth = true
		return nil
	}), nil
}

func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.auth {
		return smtp.ErrAuthRequired
	}
	_, overTLS := s.conn.TLSConnectionState()
	s.mail = envelopeMail{from: from, tls: overTLS, auth: s.auth}
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *smtpSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refuse > 0 {
		s.server.refuse--
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again"}
	}
	s.mail.data = data
	s.server.received = append(s.server.received, s.mail)
	return nil
}

func (s *smtpSession) Reset()        { s.mail = envelopeMail{} }
func (s *smtpSession) Logout() error { return nil }

// to returns the messages that went to an address and hold a text.
func (s *smtpServer) to(address, holding string) (found []envelopeMail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mail := range s.received {
		for _, to := range mail.to {
			if to == address && bytes.Contains(mail.data, []byte(holding)) {
				found = append(found, mail)
			}
		}
	}
	return found
}

// ownCertificate makes a certificate for 127.0.0.1 and localhost that is its own authority.
func ownCertificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}
