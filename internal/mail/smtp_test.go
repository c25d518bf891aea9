package mail

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/publicnet"
)

func testClock() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// peer is the far end of an SMTP connection that misbehaves as told. The module of the end-to-end tests sends to a real SMTP server; this one is for what
// real servers cannot be made to do.
type peer struct {
	replies   map[string]string // by verb; "" is the greeting, "." the end of the data. "hang" and "drop" are done rather than said
	ehlo      []string          // extensions
	tls       *tls.Config       // for STARTTLS
	implicit  bool              // TLS from the start
	address   string
	mu        sync.Mutex
	commands  []string
	mails     []string
	encrypted []bool // of each mail
}

func (p *peer) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = listener.Addr().String()
	if p.implicit {
		listener = tls.NewListener(listener, p.tls)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { p.serve(ctx, conn) })
		}
	})
	t.Cleanup(func() { cancel(); listener.Close(); connections.Wait() })
}

func (p *peer) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, encrypted := conn.(*tls.Conn)
	in := bufio.NewReader(conn)
	if !p.reply(ctx, conn, "", "220 test ESMTP") {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		p.mu.Lock()
		p.commands = append(p.commands, line)
		p.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		if !p.reply(ctx, conn, verb, p.usual(verb)) || verb == "QUIT" {
			return
		}
		switch {
		case verb == "STARTTLS" && p.replies[verb] == "":
			conn, encrypted = tls.Server(conn, p.tls), true
			in = bufio.NewReader(conn)
		case verb == "DATA" && p.replies[verb] == "":
			if !p.data(ctx, conn, in, encrypted) {
				return
			}
		}
	}
}

func (p *peer) usual(verb string) string {
	switch verb {
	case "EHLO":
		reply := "250-test\r\n"
		for _, extension := range p.ehlo {
			reply += "250-" + extension + "\r\n"
		}
		return reply + "250 8BITMIME"
	case "MAIL", "RCPT", "RSET":
		return "250 ok"
	case "AUTH":
		return "235 ok"
	case "DATA":
		return "354 go on"
	case "STARTTLS":
		return "220 go on"
	case "QUIT":
		return "221 bye"
	default:
		return "502 what?"
	}
}

// data takes a mail, and counts it before it is acknowledged.
func (p *peer) data(ctx context.Context, conn net.Conn, in *bufio.Reader, encrypted bool) bool {
	var mail strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		mail.WriteString(line)
	}
	p.mu.Lock()
	p.mails, p.encrypted = append(p.mails, mail.String()), append(p.encrypted, encrypted)
	p.mu.Unlock()
	return p.reply(ctx, conn, ".", "250 taken")
}

func (p *peer) reply(ctx context.Context, conn net.Conn, verb, usual string) bool {
	switch r := p.replies[verb]; r {
	case "":
		_, err := io.WriteString(conn, usual+"\r\n")
		return err == nil
	case "hang":
		<-ctx.Done()
		return false
	case "drop":
		return false
	default:
		_, err := io.WriteString(conn, r+"\r\n")
		return err == nil
	}
}

func (p *peer) got() (commands, mails []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.commands...), append([]string{}, p.mails...)
}

// sender sends to the peer under the given URL, whose host and port need not be the peer's.
func (p *peer) sender(t *testing.T, url string, change func(*Config)) *SMTP {
	t.Helper()
	c, err := ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c.SendTimeout = 5 * time.Second
	if change != nil {
		change(&c)
	}
	s, err := NewSMTP(c, testClock)
	if err != nil {
		t.Fatal(err)
	}
	s.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.address)
	}
	return s
}

const testLink = "https://app.example.com/reset?oobCode=Zm9vYmFyYmF6cXV4MTIzNDU2&uid=abc"

func testMessage() auth.Message {
	return auth.Message{To: "bob@example.org", Subject: "Grüße", Text: "Öffnen:\n" + testLink + "\n", HTML: "<p>Öffnen: <a href=\"" + testLink + "\">hier</a></p>\n"}
}

func TestSentMail(t *testing.T) {
	p := &peer{}
	p.start(t)
	s := p.sender(t, "smtp://localhost:2525", nil)
	if err := s.Send(t.Context(), "Example <no-reply@example.com>", testMessage(), "0abc"); err != nil {
		t.Fatal(err)
	}
	commands, mails := p.got()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	for i, want := range []string{"EHLO example.com", "MAIL FROM:<no-reply@example.com> BODY=8BITMIME", "RCPT TO:<bob@example.org>", "DATA", "QUIT"} {
		if i >= len(commands) || commands[i] != want {
			t.Errorf("commands %q, want %q as number %d", commands, want, i)
		}
	}
	mail, err := netmail.ReadMessage(strings.NewReader(mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(mail.Header.Get("Subject"))
	if err != nil || subject != "Grüße" {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"From": `"Example" <no-reply@example.com>`, "To": "<bob@example.org>", "Message-ID": "<0abc@example.com>",
		"Date": "Wed, 04 Mar 2026 05:06:07 +0000", "Auto-Submitted": "auto-generated", "Mime-Version": "1.0",
	} {
		if got := mail.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	parts := readParts(t, mail)
	if want := testMessage(); len(parts) != 2 || parts["text/plain"] != want.Text || parts["text/html"] != want.HTML {
		t.Errorf("parts %q", parts)
	}
}

func readParts(t *testing.T, mail *netmail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(mail.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q, %v", kind, err)
	}
	parts := map[string]string{}
	reader := multipart.NewReader(mail.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || params["charset"] != "UTF-8" {
			t.Fatalf("part of type %q %v, %v", kind, params, err)
		}
		parts[kind] = strings.ReplaceAll(string(content), "\r\n", "\n")
	}
}

func TestHeaderInjection(t *testing.T) {
	p := &peer{}
	p.start(t)
	s := p.sender(t, "smtp://localhost:2525", nil)
	tests := []struct {
		name string
		from string
		to   auth.Email
		subj string
		id   auth.MailID
	}{
		{"from", "a@example.com\r\nBcc: x@example.org", "b@example.org", "s", "1"},
		{"from's name", "A\r\nBcc: x@example.org <a@example.com>", "b@example.org", "s", "1"},
		{"from is none", "nobody", "b@example.org", "s", "1"},
		{"two froms", "a@example.com, b@example.com", "b@example.org", "s", "1"},
		{"to", "a@example.com", "b@example.org\r\nRCPT TO:<x@example.org>", "s", "1"},
		{"to with bare LF", "a@example.com", "b@example.org\nDATA", "s", "1"},
		{"two recipients", "a@example.com", "b@example.org, c@example.org", "s", "1"},
		{"no recipient", "a@example.com", "", "s", "1"},
		{"subject", "a@example.com", "b@example.org", "s\r\nBcc: x@example.org", "1"},
		{"subject with bare CR", "a@example.com", "b@example.org", "s\rx", "1"},
		{"subject with NUL", "a@example.com", "b@example.org", "s\x00", "1"},
		{"id", "a@example.com", "b@example.org", "s", "1>\r\nBcc: x@example.org"},
		{"id with space", "a@example.com", "b@example.org", "s", "1 2"},
	}
	for _, tc := range tests {
		if err := s.Send(t.Context(), tc.from, auth.Message{To: tc.to, Subject: tc.subj, Text: "t"}, tc.id); err == nil {
			t.Errorf("%s: sent", tc.name)
		}
	}
	if commands, mails := p.got(); len(commands) != 0 || len(mails) != 0 {
		t.Errorf("the server was told %q", commands)
	}
}

// A line with a single dot in a mail does not end it (RFC 5321 section 4.5.2).
func TestDotsAreStuffed(t *testing.T) {
	p := &peer{}
	p.start(t)
	m := testMessage()
	m.Text = "before\n.\nMAIL FROM:<evil@example.com>\n"
	if err := p.sender(t, "smtp://localhost:2525", nil).Send(t.Context(), "a@example.com", m, "1"); err != nil {
		t.Fatal(err)
	}
	commands, mails := p.got()
	if len(mails) != 1 || !strings.Contains(mails[0], "\r\n..\r\n") || strings.Contains(strings.Join(commands, "\n"), "evil") {
		t.Errorf("commands %q, mails %q", commands, mails)
	}
}

func TestServerSaysNo(t *testing.T) {
	tests := []struct {
		name      string
		replies   map[string]string
		url       string
		code      int
		permanent bool
		text      string
		mails     int // that the server saw
	}{
		{"greeting 5xx", map[string]string{"": "554 go away"}, "", 554, false, "go away", 0},
		{"greeting 4xx", map[string]string{"": "421 too busy"}, "", 421, false, "too busy", 0},
		{"sender 4xx", map[string]string{"MAIL": "451 later"}, "", 451, false, "later", 0},
		{"sender 5xx", map[string]string{"MAIL": "550 not yours"}, "", 550, true, "not yours", 0},
		{"login wanted", map[string]string{"MAIL": "530 5.7.0 log in first"}, "", 530, false, "log in first", 0},
		{"recipient 4xx", map[string]string{"RCPT": "450 4.2.1 greylisted"}, "", 450, false, "greylisted", 0},
		{"recipient 5xx", map[string]string{"RCPT": "550 5.1.1 no such user"}, "", 550, true, "no such user", 0},
		{"data 4xx", map[string]string{"DATA": "452 disk full"}, "", 452, false, "disk full", 0},
		{"data 5xx", map[string]string{"DATA": "554 no"}, "", 554, true, "no", 0},
		{"content 4xx", map[string]string{".": "451 scanner away"}, "", 451, false, "scanner away", 1},
		{"content 5xx", map[string]string{".": "554 5.7.1 looks like spam"}, "", 554, true, "looks like spam", 1},
		{"login 5xx", map[string]string{"AUTH": "535 5.7.8 bad credentials"}, "smtp://ann:pa55word@localhost:2525", 535, false, "bad credentials", 0},
		{"greeting dropped", map[string]string{"": "drop"}, "", 0, false, "EOF", 0},
		{"drop after DATA", map[string]string{".": "drop"}, "", 0, false, "EOF", 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			p := &peer{replies: tc.replies, ehlo: []string{"AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES"}}
			p.start(t)
			url := tc.url
			if url == "" {
				url = "smtp://localhost:2525"
			}
			err := p.sender(t, url, nil).Send(t.Context(), "a@example.com", testMessage(), "1")
			var got *SendError
			if !errors.As(err, &got) {
				t.Fatalf("%v, want a *SendError", err)
			}
			if got.Code != tc.code || got.Permanent != tc.permanent || Permanent(err) != tc.permanent || !strings.Contains(got.Error(), tc.text) {
				t.Errorf("code %d, permanent %t, %q", got.Code, got.Permanent, got)
			}
			if _, mails := p.got(); len(mails) != tc.mails {
				t.Errorf("the server saw %d mails, want %d", len(mails), tc.mails)
			}
		})
	}
}

// Once the server took the mail, a missing goodbye does not count as a failure: that would send the mail twice.
func TestTakenIsTaken(t *testing.T) {
	for _, reply := range []string{"drop", "500 what?", "421 closing"} {
		p := &peer{replies: map[string]string{"QUIT": reply}}
		p.start(t)
		if err := p.sender(t, "smtp://localhost:2525", nil).Send(t.Context(), "a@example.com", testMessage(), "1"); err != nil {
			t.Errorf("QUIT answered with %s: %v", reply, err)
		}
	}
}

func TestHangingServer(t *testing.T) {
	for _, verb := range []string{"", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."} {
		t.Run("at "+verb, func(t *testing.T) {
			p := &peer{replies: map[string]string{verb: "hang"}, ehlo: []string{"AUTH PLAIN"}}
			if verb == "STARTTLS" {
				p.ehlo = append(p.ehlo, "STARTTLS")
			}
			p.start(t)
			s := p.sender(t, "smtp://ann:pa55word@localhost:2525", func(c *Config) { c.SendTimeout = 200 * time.Millisecond })
			start := time.Now()
			err := s.Send(t.Context(), "a@example.com", testMessage(), "1")
			if err == nil || Permanent(err) || !strings.Contains(err.Error(), "no answer in time") {
				t.Errorf("%v, want a temporary error about the time", err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestCancelledSend(t *testing.T) {
	p := &peer{replies: map[string]string{"MAIL": "hang"}}
	p.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	time.AfterFunc(100*time.Millisecond, cancel)
	err := p.sender(t, "smtp://localhost:2525", nil).Send(ctx, "a@example.com", testMessage(), "1")
	if err == nil || Permanent(err) || !strings.Contains(err.Error(), "program ends") {
		t.Errorf("%v, want a temporary error about the end", err)
	}
}

func TestServerAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	err = (&peer{address: address}).sender(t, "smtp://localhost:2525", nil).Send(t.Context(), "a@example.com", testMessage(), "1")
	if err == nil || Permanent(err) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v, want a temporary error", err)
	}
}

// TestErrorsKeepTheNetwork: a project's admin reads these errors, and must not learn from them which names lead where in this machine's network (P17).
func TestErrorsKeepTheNetwork(t *testing.T) {
	send := func(address string, control func(string, string, syscall.RawConn) error) error {
		t.Helper()
		c, err := ParseURL("smtp://" + address)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSMTP(c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		s.Dial = (&net.Dialer{Control: control}).DialContext
		return s.Send(t.Context(), "a@example.com", testMessage(), "1")
	}
	const unknown = "the SMTP server: its name could not be looked up, or it has an address that is not public"
	for _, address := range []string{"localhost:1", "127.0.0.1:1", "10.1.2.3:25", "nowhere.invalid:25"} {
		err := send(address, publicnet.Control)
		if err == nil || Permanent(err) || err.Error() != unknown {
			t.Errorf("%s: %v", address, err)
		}
		if !strings.Contains(detail(err), address) {
			t.Errorf("%s: the log has %q", address, detail(err))
		}
	}
	if err := send("localhost:1", nil); err == nil || strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "::1") {
		t.Errorf("nobody listens: %v", err)
	}
	p := &peer{replies: map[string]string{"MAIL": "450 go away, 10.1.2.3 [fd00::7] 192.168.0.9:25 4.7.1 8.8.8.8"}}
	p.start(t)
	err := p.sender(t, "smtp://localhost:2525", nil).Send(t.Context(), "a@example.com", testMessage(), "1")
	if err == nil || !strings.Contains(err.Error(), "go away, […] [[…]] […] 4.7.1 8.8.8.8") {
		t.Errorf("a reply that names addresses: %v", err)
	}
}

// TestStuckServerIsSilent: the worker pauses a project for these alone.
func TestStuckServerIsSilent(t *testing.T) {
	stuck := &peer{replies: map[string]string{"MAIL": "hang"}}
	stuck.start(t)
	change := func(c *Config) { c.SendTimeout = 200 * time.Millisecond }
	if err := stuck.sender(t, "smtp://localhost:2525", change).Send(t.Context(), "a@example.com", testMessage(), "1"); !Silent(err) {
		t.Errorf("a stuck server: %v", err)
	}
	busy := &peer{replies: map[string]string{"MAIL": "450 later"}}
	busy.start(t)
	if err := busy.sender(t, "smtp://localhost:2525", change).Send(t.Context(), "a@example.com", testMessage(), "1"); err == nil || Silent(err) {
		t.Errorf("a busy server: %v", err)
	}
}

// What a server repeats of the login or of the mail does not get into the error (P44).
func TestErrorsKeepSecrets(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00pa55word"))
	for name, replies := range map[string]map[string]string{
		"password":         {"AUTH": "535 no login with pa55word today"},
		"quoted password":  {"AUTH": `535 no login with pä"55\word today`},
		"encoded login":    {"AUTH": "535 no login with " + plain + " today"},
		"password later":   {"MAIL": "550 ann:pa55word is not allowed today"},
		"link in the mail": {".": "554 bad link " + testLink + " today"},
		"code in the mail": {".": "554 bad word Zm9vYmFyYmF6cXV4MTIzNDU2 today"},
		"code to type":     {".": "554 bad line K7QM-4T9X today"},
	} {
		p := &peer{replies: replies, ehlo: []string{"AUTH PLAIN"}}
		p.start(t)
		change := func(c *Config) {
			if name == "quoted password" {
				c.Password = `pä"55\word`
			}
		}
		msg := testMessage()
		msg.Text += "K7QM-4T9X\n"
		err := p.sender(t, "smtp://ann:pa55word@localhost:2525", change).Send(t.Context(), "a@example.com", msg, "1")
		if err == nil {
			t.Fatalf("%s: sent", name)
		}
		for _, secret := range []string{"pa55word", `55\`, plain, "Zm9vYmFyYmF6cXV4MTIzNDU2", "K7QM"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.Contains(err.Error(), "today") || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: the reply is lost or in lines: %v", name, err)
		}
	}
}

func TestTLS(t *testing.T) {
	trusted, caFile := newCertificate(t, "mail.example.com")
	other, _ := newCertificate(t, "mail.example.com")
	misnamed, misnamedCA := newCertificate(t, "mail.example.net")
	serve := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	tests := []struct {
		name    string
		url     string
		peer    *peer
		wantErr string // "" is sent, over TLS
	}{
		{"starttls", "smtp://ann:pa55word@mail.example.com?ca=" + caFile, &peer{ehlo: []string{"STARTTLS", "AUTH PLAIN"}, tls: serve(trusted)}, ""},
		{"implicit", "smtps://ann:pa55word@mail.example.com?ca=" + caFile, &peer{ehlo: []string{"AUTH LOGIN PLAIN"}, tls: serve(trusted), implicit: true}, ""},
		{"starttls not offered", "smtp://ann:pa55word@mail.example.com?ca=" + caFile, &peer{ehlo: []string{"AUTH PLAIN"}}, "does not support STARTTLS"},
		{"starttls refused", "smtp://ann:pa55word@mail.example.com?ca=" + caFile, &peer{ehlo: []string{"STARTTLS", "AUTH PLAIN"}, replies: map[string]string{"STARTTLS": "454 not now"}}, "not now"},
		{"starttls demanded of loopback", "smtp://localhost:25?tls=starttls", &peer{}, "does not support STARTTLS"},
		{"unknown issuer", "smtp://ann:pa55word@mail.example.com?ca=" + caFile, &peer{ehlo: []string{"STARTTLS", "AUTH PLAIN"}, tls: serve(other)}, "certificate"},
		{"system's issuers", "smtps://ann:pa55word@mail.example.com", &peer{ehlo: []string{"AUTH PLAIN"}, tls: serve(trusted), implicit: true}, "certificate"},
		{"other name", "smtps://ann:pa55word@mail.example.com?ca=" + misnamedCA, &peer{ehlo: []string{"AUTH PLAIN"}, tls: serve(misnamed), implicit: true}, "mail.example.com"},
		{"bad certificate on loopback, too", "smtp://localhost:25", &peer{ehlo: []string{"STARTTLS"}, tls: serve(other)}, "certificate"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tc.peer.start(t)
			err := tc.peer.sender(t, tc.url, nil).Send(t.Context(), "a@example.com", testMessage(), "1")
			commands, mails := tc.peer.got()
			if tc.wantErr == "" {
				if err != nil || len(mails) != 1 || !tc.peer.encrypted[0] {
					t.Errorf("%v, %d mails", err, len(mails))
				}
				return
			}
			if err == nil || Permanent(err) || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("%v, want a temporary error with %q", err, tc.wantErr)
			}
			for _, c := range commands {
				if strings.HasPrefix(c, "AUTH") || strings.HasPrefix(c, "MAIL") {
					t.Errorf("told without TLS: %s", c)
				}
			}
		})
	}
}

// newCertificate gives a certificate that signs itself, and a file with it.
func newCertificate(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestLogins(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "CRAM-MD5 PLAIN"} {
		p := &peer{ehlo: []string{"AUTH " + mechanism}}
		p.start(t)
		if err := p.sender(t, "smtp://ann:pa55word@localhost:2525", nil).Send(t.Context(), "a@example.com", testMessage(), "1"); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		commands, _ := p.got()
		want := fmt.Sprintf("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00ann\x00pa55word")))
		if len(commands) < 2 || commands[1] != want {
			t.Errorf("%s: commands %q, want %q", mechanism, commands, want)
		}
	}
}

// SMTPUTF8 (RFC 6531) is asked for where an address needs it, and only there.
func TestSMTPUTF8(t *testing.T) {
	for to, want := range map[auth.Email]bool{"bob@example.org": false, "björn@example.org": true} {
		p := &peer{ehlo: []string{"SMTPUTF8"}}
		p.start(t)
		m := testMessage()
		m.To = to
		if err := p.sender(t, "smtp://localhost:2525", nil).Send(t.Context(), "a@example.com", m, "1"); err != nil {
			t.Fatal(err)
		}
		commands, _ := p.got()
		if got := strings.Contains(commands[1], "SMTPUTF8"); got != want {
			t.Errorf("%s: %s", to, commands[1])
		}
	}
}
