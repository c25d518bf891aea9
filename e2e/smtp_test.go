package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"encoding/base64"
)

// mailParts returns the decoded bodies of a message by media type.
func mailParts(t *testing.T, data []byte) (header mail.Header, parts map[string]string) {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("not a mail: %v\n%s", err, data)
	}
	parts = map[string]string{}
	collectParts(t, message.Header.Get("Content-Type"), message.Header.Get("Content-Transfer-Encoding"), message.Body, parts)
	return message.Header, parts
}

func collectParts(t *testing.T, contentType, encoding string, body io.Reader, parts map[string]string) {
	t.Helper()
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatalf("Content-Type %q: %v", contentType, err)
	}
	if strings.HasPrefix(media, "multipart/") {
		reader := multipart.NewReader(body, params["boundary"])
		for {
			part, err := reader.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			collectParts(t, part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, parts)
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	parts[media] = string(text)
}

// TestSMTP: mails leave through the configured server, over TLS and with its password, and the link in
// them works.
func TestSMTP(t *testing.T) {
	t.Parallel()
	for scheme, implicit := range map[string]bool{"smtp": false, "smtps": true} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			mails := startSMTP(t, implicit)
			credentials := url.UserPassword(smtpUser, smtpPassword).String()
			s := ownServer(t, serverOptions{adminToken: randomSecret("admin"),
				args: []string{"--smtp", scheme + "://" + credentials + "@" + mails.addr}, env: []string{"SSL_CERT_FILE=" + mails.caFile}})
			p := s.newProject(t, "documented", mailURLs...)
			a := p.signUp(t)
			mails.mu.Lock()
			mails.refuse = 1 // a temporary refusal must not lose the mail
			mails.mu.Unlock()
			p.client().post(t, resetPath, M{"email": a.email}).want204(t)

			var found envelopeMail
			eventually(t, 90*time.Second, func() error {
				for _, m := range mails.to(a.email, "") {
					if _, parts := mailParts(t, m.data); strings.Contains(parts["text/plain"], resetURL) {
						found = m
						return nil
					}
				}
				return fmt.Errorf("no mail with a reset link to %s", a.email)
			})
			if !found.tls || !found.auth || len(found.to) != 1 {
				t.Errorf("over TLS %v, authenticated %v, to %q", found.tls, found.auth, found.to)
			}
			header, parts := mailParts(t, found.data)
			for _, name := range []string{"From", "To", "Subject", "Date", "Message-Id"} {
				if header.Get(name) == "" {
					t.Errorf("the mail has no %s", name)
				}
			}
			if to, err := header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != a.email {
				t.Errorf("To is %q", header.Get("To"))
			}
			code := regexp.MustCompile(`oobCode=([A-Za-z0-9_.~-]+)`).FindStringSubmatch(parts["text/plain"])
			if code == nil || !strings.Contains(parts["text/html"], code[1]) {
				t.Fatalf("text and HTML do not hold the same code:\n%s\n%s", parts["text/plain"], parts["text/html"])
			}
			remember("oobCode", code[1])
			p.client().post(t, verifyReset, M{"oobCode": code[1], "newPassword": newPassword()}).want204(t)
			if strings.Contains(s.output.String(), smtpPassword) {
				t.Error("the server printed the SMTP password")
			}
		})
	}
}

// TestSMTPAway: losing mail does not hurt sign-in, and what was to be sent is sent later (P43, P51).
func TestSMTPAway(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), env: []string{"DOORWARD_SMTP=smtp://127.0.0.1:" + port}})
	p := s.newProject(t, "documented", mailURLs...)
	a := p.signUp(t)
	r := p.client().post(t, resetPath, M{"email": a.email})
	r.want204(t)
	if r.took > 5*time.Second {
		t.Errorf("%s: took %v while the SMTP server is away", r.what, r.took)
	}
	p.signIn(t, a.email, a.password)
	s.bareHost().do(t, "GET", "/healthz", nil).wantStatus(t, 200)
}
