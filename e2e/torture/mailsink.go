package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Delivery is one mail that arrived.
type Delivery struct {
	ID      string // of the outbox: the first half of the Message-ID
	To      string
	Project string // of its first link; "" without one
	Kind    string // of its first link: verify, reset or invite; "" for others
	Code    string // likewise
	UID     string // likewise
	At      time.Time
	// Unacknowledged is that the server dropped the connection instead of saying that it took the mail.
	Unacknowledged bool
}

// MailSink is an SMTP server that keeps what arrives. It is safe for concurrent use.
type MailSink struct {
	Address string
	// Hook is asked with each message before it is kept, and answers for it instead where it gives an error. Set it before the first mail.
	Hook func(d Delivery) error

	server *smtp.Server
	mu     sync.Mutex
	byTo   map[string][]Delivery
	byID   map[string][]Delivery
	more   chan struct{} // closed and replaced at each arrival
}

// StartMailSink listens on loopback.
func StartMailSink() (*MailSink, error) {
	s := &MailSink{byTo: map[string][]Delivery{}, byID: map[string][]Delivery{}, more: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	s.server.Domain, s.server.ErrorLog = "localhost", silence{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("SMTP server: %w", err)
	}
	s.Address = listener.Addr().String()
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// URL is how a server is told to send here.
func (s *MailSink) URL() string { return "smtp://" + s.Address + "?tls=none" }

// Close ends it.
func (s *MailSink) Close() { _ = s.server.Close() }

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

type sinkSession struct {
	sink *MailSink
	to   string
}

func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}
func (s *sinkSession) Reset()        {}
func (s *sinkSession) Logout() error { return nil }

func (s *sinkSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d, err := readMail(data)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "unreadable: " + err.Error()}
	}
	d.To = s.to
	if s.sink.Hook != nil {
		if err := s.sink.Hook(d); err != nil {
			return err
		}
	}
	s.sink.Keep(d)
	return nil
}

// Keep takes a mail in as arrived now.
func (s *MailSink) Keep(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.At = time.Now()
	s.byTo[d.To] = append(s.byTo[d.To], d)
	s.byID[d.ID] = append(s.byID[d.ID], d)
	close(s.more)
	s.more = make(chan struct{})
}

// ByID gives all deliveries by the id of their mail.
func (s *MailSink) ByID() map[string][]Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]Delivery, len(s.byID))
	for id, list := range s.byID {
		all[id] = slices.Clone(list)
	}
	return all
}

// Await waits for a mail with such a link to the account that was queued at the instant or later.
func (s *MailSink) Await(ctx context.Context, a *Account, kind string, since time.Time) (Delivery, bool) {
	for {
		s.mu.Lock()
		list, more := s.byTo[a.Email], s.more
		s.mu.Unlock()
		for _, d := range list {
			if d.Project == a.Project && d.Kind == kind && queuedAt(d.ID) >= since.UnixMilli() {
				return d, true
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Delivery{}, false
		}
	}
}

// queuedAt reads when a mail was queued out of its id, which begins with the milliseconds since 1970 in eleven digits of five bits.
func queuedAt(id string) (millis int64) {
	for _, digit := range id[:min(11, len(id))] {
		millis = millis<<5 | int64(strings.IndexRune("0123456789abcdefghijklmnopqrstuv", digit))
	}
	return millis
}

// appURL is where the projects' mails lead, before the project and the kind.
const appURL = "https://app.torture.test/"

var link = regexp.MustCompile(regexp.QuoteMeta(appURL) + `([a-z0-9-]+)/([a-z]+)\?([^\s<>"]+)`)

func readMail(data []byte) (d Delivery, err error) {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return d, err
	}
	d.ID, _, _ = strings.Cut(strings.TrimPrefix(message.Header.Get("Message-ID"), "<"), "@")
	text, err := plainText(message)
	if err != nil {
		return d, err
	}
	if found := link.FindStringSubmatch(text); found != nil {
		query, err := url.ParseQuery(found[3])
		if err != nil {
			return d, err
		}
		d.Project, d.Kind, d.Code, d.UID = found[1], found[2], query.Get("oobCode"), query.Get("uid")
	}
	return d, nil
}

// plainText gives the first part of a multipart message, which is its text.
func plainText(message *mail.Message) (string, error) {
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	part, err := multipart.NewReader(message.Body, params["boundary"]).NextPart() // decodes quoted-printable
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(part)
	return string(text), err
}
