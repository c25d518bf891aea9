package e2e

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

var typedCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`)

// typeCode sends the form of a hosted page that was opened without a link, as its reader fills it in.
func (s *server) typeCode(t *testing.T, address, email, code, password string) reply {
	t.Helper()
	list := forms(t, s.openPage(t, address).body)
	if len(list) != 1 || !list[0].fields.Has("email") || !list[0].fields.Has("code") {
		t.Fatalf("%s has no form for an address and a code: %v", address, list)
	}
	target, err := url.Parse(list[0].action)
	if err != nil {
		t.Fatal(err)
	}
	fields := url.Values{"email": {email}, "code": {code}}
	for _, name := range list[0].secret {
		fields.Set(name, password)
	}
	return s.bareHost().with("Content-Type", "application/x-www-form-urlencoded").with("Origin", s.publicURL).
		with("Sec-Fetch-Site", "same-origin").do(t, "POST", target.RequestURI(), fields.Encode())
}

// TestTypedCodeByMail: who reads a mail on another device types its code at the address that the mail names, however it is spelled; then code and link are used up.
func TestTypedCodeByMail(t *testing.T) {
	t.Parallel()
	mails := startSMTP(t, false)
	credentials := url.UserPassword(smtpUser, smtpPassword).String()
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"),
		args: []string{"--smtp", "smtp://" + credentials + "@" + mails.addr}, env: []string{"SSL_CERT_FILE=" + mails.caFile}})
	p := s.newProject(t, "documented")
	a := p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)

	page := s.publicURL + "/" + p.id + "/reset-password"
	var short, link string
	eventually(t, 90*time.Second, func() error {
		for _, m := range mails.to(a.email, "") {
			_, parts := mailParts(t, m.data)
			text := parts["text/plain"]
			if !strings.Contains(text, page+"?oobCode=") {
				continue
			}
			short, link = typedCode.FindString(text), regexp.MustCompile(`oobCode=([A-Za-z0-9_.~-]+)`).FindStringSubmatch(text)[1]
			if short == "" || !strings.Contains(parts["text/html"], short) || !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(page)+`\r?$`).MatchString(text) {
				t.Fatalf("the mail has no code, or does not say where to type it:\n%s\n%s", text, parts["text/html"])
			}
			return nil
		}
		return fmt.Errorf("no reset mail to %s", a.email)
	})
	remember("oobCode", link)
	remember("typed code", short)

	password := newPassword()
	s.typeCode(t, page, newEmail(), short, password).wantStatus(t, 422)
	s.typeCode(t, page, a.email, "0000-0000", password).wantStatus(t, 422)
	s.typeCode(t, page, strings.ToUpper(a.email), strings.ToLower(strings.ReplaceAll(short, "-", " ")), password).wantStatus(t, 200)
	p.client().post(t, signin, M{"email": a.email, "password": password}).wantData(t, session(a.email, true))
	s.typeCode(t, page, a.email, short, newPassword()).wantStatus(t, 422)
	p.client().post(t, verifyReset, M{"oobCode": link, "newPassword": newPassword()}).wantError(t, 400, "INVALID_OOB_CODE")
}
