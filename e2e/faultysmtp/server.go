// Package faultysmtp is an SMTP server on loopback that misbehaves when told to.
package faultysmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/mail"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Mode is how the server treats its clients.
type Mode int

// Modes.
const (
	Working        Mode = iota
	Refusing            // nobody listens
	Temporary           // every mail is answered with a 4xx reply
	Hanging             // an answer does not come, at one command or another
	DroppingBefore      // the connection ends after DATA, and the mail is not kept
	DroppingAfter       // the connection ends after DATA, and the mail is kept
)

// Faults are all modes but Working.
var Faults = []Mode{Refusing, Temporary, Hanging, DroppingBefore, DroppingAfter}

// String names the mode for people.
func (m Mode) String() string {
	return [...]string{"working", "refusing connections", "answering 4xx", "hanging", "dropping before it stores", "dropping after it stored"}[m]
}

// Delivery is one mail that the server kept.
type Delivery struct {
	MessageID    string
	To           string
	Acknowledged bool // false where the connection was dropped instead
	Data         []byte
}

// Server is the server. It speaks without TLS and asks for no login.
type Server struct {
	addr string

	keep func(Delivery)
	smtp *smtp.Server // nil while nobody listens

	mu       sync.Mutex
	mode     Mode
	left     chan struct{} // closed when the mode changes
	sessions int
}

// Start starts a server that works. It tells keep of each mail that it keeps, before it answers the client, from many goroutines.
func Start(keep func(Delivery)) (*Server, error) {
	// Below the range from which the system takes the ports of outgoing connections, so that the port stays free while nobody listens.
	var err error
	for range 100 {
		s := &Server{addr: "127.0.0.1:" + strconv.Itoa(15000+rand.N(15000)), keep: keep, left: make(chan struct{})}
		if err = s.listen(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// Addr is where it listens, HOST:PORT.
func (s *Server) Addr() string { return s.addr }

// Set changes the mode. It drops the connections that hang; what else is under way comes to its end, so that nobody is left without an answer but by a mode. It
// fails where it cannot listen again. It is for one goroutine at a time.
func (s *Server) Set(m Mode) error {
	s.mu.Lock()
	close(s.left)
	s.left, s.mode = make(chan struct{}), m
	s.mu.Unlock()
	if m != Refusing {
		return s.listen()
	}
	if s.smtp == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	closing := s.smtp
	s.smtp = nil
	return closing.Shutdown(ctx)
}

// Close ends the server.
func (s *Server) Close() error { return s.Set(Refusing) }

func (s *Server) listen() error {
	if s.smtp != nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return s.session(c), nil }))
	s.smtp.Domain = "localhost"
	s.smtp.ErrorLog = silence{}
	serving := s.smtp
	go func() { _ = serving.Serve(listener) }()
	return nil
}

func (s *Server) session(c *smtp.Conn) smtp.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	return &session{server: s, conn: c, hangAt: s.sessions % 3}
}

// now gives the mode and the channel that is closed when it ends.
func (s *Server) now() (Mode, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode, s.left
}

// session is one connection. Sessions hang at one of three commands in turn.
type session struct {
	server *Server
	conn   *smtp.Conn
	hangAt int
	to     string
}

var (
	errDropped   = errors.New("dropped")
	errTemporary = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
)

// hang waits for the end of the mode where this is the session's command to hang at, and then drops the connection.
func (c *session) hang(at int) error {
	mode, left := c.server.now()
	if mode != Hanging || c.hangAt != at {
		return nil
	}
	<-left
	return c.drop()
}

func (c *session) drop() error {
	_ = c.conn.Conn().Close()
	return errDropped
}

func (c *session) Mail(string, *smtp.MailOptions) error { return c.hang(0) }

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	return c.hang(1)
}

func (c *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := c.hang(2); err != nil {
		return err
	}
	switch mode, _ := c.server.now(); mode {
	case Refusing, DroppingBefore:
		return c.drop()
	case Temporary:
		return errTemporary
	case DroppingAfter:
		if err := c.keep(data, false); err != nil {
			return err
		}
		return c.drop()
	default:
		return c.keep(data, true)
	}
}

func (c *session) keep(data []byte, acknowledge bool) error {
	parsed, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not a mail: %w", err)
	}
	c.server.keep(Delivery{MessageID: parsed.Header.Get("Message-Id"), To: c.to, Acknowledged: acknowledge, Data: data})
	return nil
}

func (c *session) Reset()        { c.to = "" }
func (c *session) Logout() error { return nil }

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}
