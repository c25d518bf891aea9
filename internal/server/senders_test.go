package server

import (
	"bufio"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
)

func TestSenders(t *testing.T) {
	t.Parallel()
	server, err := mail.ParseURL("smtp://127.0.0.1:25")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		smtp     *mail.Config
		fromName string
		settings map[string]string
		sender   bool
		from     string
	}{
		{name: "no server", sender: false},
		{name: "the server's", smtp: &server, sender: true, from: `"The Shop" <noreply@example.com>`},
		{name: "the server's with a name", smtp: &server, fromName: "Acme", sender: true, from: `"Acme" <noreply@example.com>`},
		{name: "the project's address", smtp: &server, fromName: "Acme", settings: map[string]string{"mailFrom": "hello@shop.example.com"}, sender: true, from: `"The Shop" <hello@shop.example.com>`},
		{name: "an address of another domain", smtp: &server, settings: map[string]string{"mailFrom": "ceo@bank.example"}, sender: true, from: `"The Shop" <noreply@example.com>`},
		{name: "another domain's address over the project's server", smtp: &server, settings: map[string]string{"mailFrom": "a@shop.test", "smtp": "smtps://u:p@mail.shop.test"}, sender: true, from: `"The Shop" <a@shop.test>`},
		{name: "the project's server", settings: map[string]string{"smtp": "smtps://u:p@mail.example.com"}, sender: true, from: `"The Shop" <noreply@example.com>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			c.SMTP, c.MailFromName = test.smtp, test.fromName
			i := openInstance(t, c)
			operator := i.Service.LocalOperator(auth.Caller{})
			if _, _, err := i.Admin.CreateProject(t.Context(), operator, auth.NewProject{ID: "shop", DisplayName: "The Shop", Settings: test.settings}); err != nil {
				t.Fatal(err)
			}
			sender, from, err := i.mailer.PerProject(t.Context(), "shop")
			if err != nil || (sender != nil) != test.sender || from != test.from {
				t.Errorf("sender %v, from %q, error %v; want %v and %q", sender, from, err, test.sender, test.from)
			}
		})
	}
}

// TestProjectServerStaysOffThisNetwork: a project's admin cannot make the server talk to its own machine or network (P17).
func TestProjectServerStaysOffThisNetwork(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := &senders{now: time.Now}
	own, err := s.ownServer("smtp://" + ln.Addr().String() + "?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	err = own.Send(t.Context(), "noreply@example.com", auth.Message{To: "ada@example.com", Subject: "s", Text: "t", HTML: "<p>h</p>"}, "id")
	if err == nil || !strings.Contains(err.Error(), "an address that is not public") {
		t.Errorf("error is %v", err)
	}
}

// fakeSMTP takes mails in clear text and hands out what it was told to send.
func fakeSMTP(t *testing.T) (address string, mails <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	got := make(chan string, 8)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serveSMTP(conn, got)
		}
	}()
	return ln.Addr().String(), got
}

func serveSMTP(conn net.Conn, mails chan<- string) {
	defer conn.Close()
	text := textproto.NewReader(bufio.NewReader(conn))
	fmt.Fprint(conn, "220 here\r\n")
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		switch {
		case line == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			body, err := text.ReadDotLines()
			if err != nil {
				return
			}
			mails <- strings.Join(body, "\n")
			fmt.Fprint(conn, "250 taken\r\n")
		case line == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 fine\r\n")
		}
	}
}

// TestRunSendsMail: the worker of a running server empties the outbox at once.
func TestRunSendsMail(t *testing.T) {
	t.Parallel()
	address, mails := fakeSMTP(t)
	smtp, err := mail.ParseURL("smtp://" + address + "?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(t)
	c.SMTP = &smtp
	s := newServer(t, c)
	_, stop := start(t, s)
	w := answer(s.Handler(), request("POST", "localhost", "/api/v1/auth/accounts/invite", `{"email":"ada@example.com"}`))
	if w.Code != 204 {
		t.Fatalf("invite: %d %s", w.Code, w.Body)
	}
	select {
	case got := <-mails:
		if !strings.Contains(got, "To: <ada@example.com>") || !strings.Contains(got, "noreply@example.com") {
			t.Errorf("the mail is\n%s", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no mail came")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
