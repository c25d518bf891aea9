package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	netmail "net/mail"
	"net/netip"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
)

// jitter spreads retries; it protects nothing, so it needs no cryptographic randomness.
func jitter() float64 { return rand.Float64() }

// senders finds the SMTP server for a project's mails.
type senders struct {
	service  *auth.Service
	server   *mail.SMTP // the server's own; nil where none is set
	from     string
	fromName string
	now      func() time.Time
}

func newSenders(c Config, service *auth.Service) (*senders, error) {
	s := &senders{service: service, from: c.MailFrom, fromName: c.MailFromName, now: c.Clock}
	if c.SMTP == nil {
		return s, nil
	}
	var err error
	s.server, err = mail.NewSMTP(*c.SMTP, c.Clock)
	return s, err
}

// forProject gives the sender and the From of a project's mails: its own SMTP server and address where set, else the server's. A nil sender keeps mails.
func (s *senders) forProject(ctx context.Context, id auth.ProjectID) (mail.Sender, string, error) {
	smtpURL, ownFrom, displayName, err := s.service.MailSettings(ctx, id)
	if err != nil {
		return nil, "", err
	}
	from := netmail.Address{Name: s.fromName, Address: s.from}
	if from.Name == "" || ownFrom != "" {
		from.Name = displayName
	}
	if ownFrom != "" {
		from.Address = string(ownFrom)
	}
	if smtpURL == "" {
		if s.server == nil {
			return nil, "", nil
		}
		return s.server, from.String(), nil
	}
	own, err := s.ownServer(smtpURL)
	if err != nil {
		return nil, "", fmt.Errorf("the project's SMTP server: %w", err)
	}
	return own, from.String(), nil
}

// ownServer makes the sender for an SMTP server that a project's admin chose. It must not read this machine's files or reach its network (P17).
func (s *senders) ownServer(smtpURL string) (*mail.SMTP, error) {
	c, err := mail.ParseURL(smtpURL)
	if err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		return nil, errors.New("a project's SMTP server takes no CA file")
	}
	own, err := mail.NewSMTP(c, s.now)
	if err != nil {
		return nil, err
	}
	own.Dial = (&net.Dialer{Control: publicOnly}).DialContext
	return own, nil
}

// publicOnly checks the address that is dialled in the end, after names were resolved.
func publicOnly(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	if !isPublic(addr.Addr().Unmap()) {
		return errors.New("the address is not on the public internet; only the server's own SMTP setting may name such a one")
	}
	return nil
}

// notPublic are networks that netip has no word for: carrier-grade NAT, benchmarks, documentation, reserved, NAT64, 6to4 and Teredo, which lead back to IPv4
// addresses of any kind.
var notPublic = parsePrefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16")

func parsePrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}

func isPublic(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, network := range notPublic {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}
