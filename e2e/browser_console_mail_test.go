package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// choosySMTP is an SMTP server that refuses all mails for good, until it is told to take them.
type choosySMTP struct {
	addr string
	open atomic.Bool
}

func (s *choosySMTP) NewSession(*smtp.Conn) (smtp.Session, error) { return choosySession{s}, nil }

type choosySession struct{ server *choosySMTP }

func (c choosySession) Mail(string, *smtp.MailOptions) error { return nil }

func (c choosySession) Rcpt(string, *smtp.RcptOptions) error {
	if c.server.open.Load() {
		return nil
	}
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "we do not know you"}
}

func (c choosySession) Data(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
func (c choosySession) Reset()                 {}
func (c choosySession) Logout() error          { return nil }

func startChoosySMTP(t *testing.T) *choosySMTP {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &choosySMTP{addr: listener.Addr().String()}
	server := smtp.NewServer(s)
	server.Domain, server.ErrorLog = "localhost", nopLogger{}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// TestBrowserConsoleMail: an operator edits templates with a preview, and reads and sends mails again.
func TestBrowserConsoleMail(t *testing.T) {
	t.Parallel()
	t.Run("templates and the development mailbox", func(t *testing.T) {
		t.Parallel()
		p := hosted(t)
		page, _ := consolePage(t, p.srv)
		room := "/console/projects/" + p.id + "/mail"
		page.Visit(room + "/templates")
		page.Check()
		page.Screenshot("console-mail-templates")
		for language, words := range map[string][2]string{"de": {"Neues Passwort", "Guten Tag"}, "fr": {"Nouveau mot de passe", "Bonjour"}} {
			page.Visit(room + "/templates/reset-password/" + language)
			page.WantHeading("reset-password in " + language)
			page.Follow("Begin with the built-in template")
			page.Fill("HTML", "<p>\n{{.Nothing}}</p>")
			if status := page.Follow("Save"); status != 422 {
				t.Errorf("a broken template: status %d", status)
			}
			page.WantText("line 2: there is no field .Nothing")
			page.Fill("Subject", words[0]+" für {{.ProjectName}}")
			page.Fill("HTML", "<h1 style=\"color:#0f766e\">"+words[1]+" {{.UserName}}</h1><p><a href=\"{{.Link}}\">{{.Link}}</a></p>")
			page.Press("Preview")
			page.WantFrame("preview", words[0]+" für "+p.id)
			page.Fill("Subject", words[0]+" {{.ExpiresIn}}") // the preview follows what is typed
			page.WantFrame("preview", words[0]+" 1 ")
			page.Check()
			page.Follow("Save")
			page.WantText("The template was saved.")
			page.Screenshot("console-mail-template-" + language)
			page.Follow("Send me a test")
			page.WantText("A test was queued")
		}
		page.Visit(room)
		page.WantText("Kept")
		page.Check()
		page.Screenshot("console-mail")
		page.Visit(room + "/templates/reset-password/de")
		page.Follow("Reset to built-in")
		page.WantText("The built-in template is used again.")
		page.WantText("Built in")

		a := p.signUp(t)
		page.Visit(room)
		page.Follow(a.email)
		page.WantText("Links")
		page.WantText("/" + p.id + "/verify-email?")
		page.Check()
		page.Follow("Delete")
		page.WantText("The mail was deleted.")
		page.Visit(room + "/deliverability")
		page.Follow("Check now")
		page.WantText("This project has no sender")
		page.Check()
		page.Screenshot("console-mail-deliverability")
	})
	t.Run("a mail that was refused", func(t *testing.T) {
		t.Parallel()
		mails := startChoosySMTP(t)
		s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), env: []string{"DOORWARD_SMTP=smtp://" + mails.addr}})
		p := s.newProject(t, "documented")
		a := p.signUp(t)
		page, _ := consolePage(t, s)
		room := "/console/projects/" + p.id + "/mail"
		eventually(t, mailLimit, func() error {
			if page.Visit(room + "?state=dead"); !strings.Contains(page.Text(), a.email) {
				return fmt.Errorf("the mail is not given up:\n%s", page.Text())
			}
			return nil
		})
		page.Check()
		page.Follow(a.email)
		page.WantText("Given up")
		page.WantText("we do not know you")
		page.Check()
		page.Screenshot("console-mail-refused")
		mails.open.Store(true)
		page.Follow("Send it again")
		page.WantText("The mail was queued")
		eventually(t, mailLimit+10*time.Second, func() error {
			if page.Visit(room + "?state=sent"); !strings.Contains(page.Text(), a.email) {
				return fmt.Errorf("the mail is not sent:\n%s", page.Text())
			}
			return nil
		})
		page.Follow(a.email)
		page.WantText("The content is gone from the server")
		page.Check()
	})
}
