package console

import (
	"context"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// dnsOfTests finds what a test of the page needs.
type dnsOfTests struct{}

func (dnsOfTests) CheckMail(_ context.Context, p auth.ProjectID, _ []string) (auth.MailCheck, error) {
	if p == "silent" {
		return auth.MailCheck{}, nil
	}
	return auth.MailCheck{From: "hello@acme.example", Findings: []auth.MailFinding{
		{Check: "spf", Name: "acme.example", State: auth.FindingBad, Found: "no SPF record", Advice: `one TXT record such as "v=spf1 mx -all"`},
		{Check: "dkim", Name: "k._domainkey.acme.example", State: auth.FindingOK, Found: "an RSA key of 2048 bits"},
	}}, nil
}

func TestConsoleDeliverability(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	r.project("silent", "Silent")
	const page = "/console/projects/acme/mail/deliverability"
	r.get(page).wantPage(200, "Check now")
	r.post(page, "check").wantPage(200, "hello@acme.example", "SPF Bad", "no SPF record", "Record v=spf1 mx -all", "DKIM Good")
	r.post("/console/projects/silent/mail/deliverability", "check").wantPage(200, "has no sender")
}

func TestConsoleMailbox(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const list = "/console/projects/acme/mail"
	r.get(list).wantPage(200, "There are no mails.")
	for i := range onPage + 1 {
		_, err := r.admin.SendTestMail(t.Context(), acme, auth.MailResetPassword, "de", "reader@example.com")
		if err != nil && i < 30 {
			t.Fatal(err)
		}
		r.clock.Advance(61e9)
	}
	mails, err := r.admin.ListMail(t.Context(), acme, "", "", 100)
	r.must(err)
	if len(mails) != onPage+1 {
		t.Fatalf("%d mails", len(mails))
	}
	a := r.get(list).wantPage(200, "reader@example.com", "reset-password", "Older")
	if n := strings.Count(a.Body.String(), "/mail/messages/"); n != onPage {
		t.Errorf("%d mails on the first page", n)
	}
	a = r.get(list+"?before="+string(mails[onPage-1].ID)).wantPage(200, "Newest")
	if n := strings.Count(a.Body.String(), "/mail/messages/"); n != 1 {
		t.Errorf("%d mails on the second page", n)
	}
	r.get(list+"?state=dead").wantPage(200, "There are no mails in this state.")
	r.get(list+"?state=nonsense").wantPage(200, "reader@example.com")

	page := list + "/messages/" + string(mails[0].ID)
	a = r.get(page).wantPage(200, "[Test] ", "Links", "https://auth.example.com", "Text", "HTML")
	if policy := a.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	frame := r.get(page + "/html")
	if policy := frame.Header().Get("Content-Security-Policy"); frame.Code != 200 || !strings.HasSuffix(policy, "; sandbox") || !strings.Contains(policy, "default-src 'none'") ||
		strings.Contains(policy, "script-src") || !strings.Contains(frame.Body.String(), "<!doctype html>") {
		t.Errorf("frame: %d, %s", frame.Code, policy)
	}
	r.post(page, "retry").wantPage(404) // it is queued
	r.post(page, "delete").wantBack(list + "?notice=deleted")
	r.get(page).wantPage(404)
	r.get(page + "/html").wantPage(404)
}

func TestConsoleTemplates(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const list, page = "/console/projects/acme/mail/templates", "/console/projects/acme/mail/templates/invite/de"
	r.get(list).wantPage(200, "invite", "To somebody invited", "second-factor-changed", "en", "ar")
	r.post(list, "open", "kind", "invite", "language", "no tag!").wantPage(422, "BCP 47")
	r.post(list, "open", "kind", "invite", "language", "pt-BR").wantBack(list + "/invite/pt-BR")
	r.get(list + "/nothing/de").wantPage(404)
	r.get(page+"?from=built-in").wantPage(200, "Sie wurden zu {{.ProjectName}} eingeladen")
	r.get(list + "/invite/no%20language?from=built-in").wantPage(422)
	r.get(page).wantPage(200, "Built in", "{{.Link}}", "Send me a test")

	for wrong, field := range map[string]string{"{{.Secret}}": "html", "": "subject"} {
		html := "<p>\r\n" + wrong + "</p>"
		if wrong == "" {
			html = " "
		}
		a := r.post(page, "save", "subject", "", "html", html).wantPage(422)
		if !strings.Contains(a.Body.String(), `name="`+field+`"`) || strings.Count(a.Body.String(), `aria-invalid="true"`) != 1 {
			t.Errorf("%q: %s", wrong, a.Body)
		}
		if wrong != "" && !strings.Contains(a.text(), "Html, line 2") {
			t.Errorf("no line: %s", a.text())
		}
	}
	preview := r.post(page, "preview", "subject", "Grüße {{.ProjectName}}", "html", "<p style=\"color:red\">Hallo {{.UserName}}</p>")
	if preview.wantPage(200, "Grüße Acme"); !strings.Contains(preview.Body.String(), "Hallo Ada Lovelace") || !strings.HasSuffix(preview.Header().Get("Content-Security-Policy"), "; sandbox") {
		t.Errorf("preview: %s", preview.Body)
	}
	r.post(page, "preview", "html", "<script>x</script>").wantPage(422, "script")
	r.get(page+"/preview").wantPage(200, "Einladung")
	own, err := r.admin.MailTemplates(t.Context(), acme)
	r.must(err)
	if len(own) != 0 {
		t.Fatal("a preview was stored")
	}
	r.post(page, "save", "subject", "Servus {{.ProjectName}}", "text", "Zeile 1\r\nZeile 2").wantBack(page + "?notice=saved")
	r.get(page+"/preview").wantPage(200, "Servus Acme", "Zeile 2")
	a := r.get(page).wantPage(200, "Own")
	if !strings.Contains(a.Body.String(), "Zeile 1\nZeile 2</textarea>") || strings.Contains(a.Body.String(), "\r") {
		t.Errorf("lines: %s", a.Body)
	}
	r.get(list).wantPage(200, "de own")
	r.post(page, "test").wantBack(page + "?notice=tested")
	mails, err := r.admin.ListMail(t.Context(), acme, "", "", 10)
	r.must(err)
	if len(mails) != 1 || mails[0].To != operatorEmail {
		t.Errorf("mails %+v", mails)
	}
	r.post(page, "reset").wantBack(page + "?notice=reset")
	r.post(page, "reset").wantPage(404)
	r.get(page+"/preview").wantPage(200, "Einladung")
}
