package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/publicnet"
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
	if ownFrom != "" && (smtpURL != "" || sameDomain(string(ownFrom), s.from)) {
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

// sameDomain tells whether an address lies in the domain of another, or below: through the server's SMTP no project writes in another domain's name (P37).
func sameDomain(address, other string) bool {
	_, domain, _ := strings.Cut(address, "@")
	_, home, _ := strings.Cut(other, "@")
	return domain == home || strings.HasSuffix(domain, "."+home)
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
	own.Dial = (&net.Dialer{Control: publicnet.Control}).DialContext
	return own, nil
}
