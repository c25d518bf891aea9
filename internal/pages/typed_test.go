package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

var shownCode = regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}\b`)

// typed gives what the newest mail of the kind has to be typed: the address that it went to and its code.
func (s *server) typed(t *testing.T, c auth.Caller, kind auth.MailKind) []string {
	t.Helper()
	operator := s.service.LocalOperator(c)
	mails, err := s.admin.ListMail(t.Context(), operator, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		if m.Kind == kind {
			_, msg, err := s.admin.ReadMail(t.Context(), operator, m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return []string{"email", string(msg.To), "code", shownCode.FindString(msg.Text)}
		}
	}
	t.Fatalf("no mail %s", kind)
	return nil
}

func typedFlows() []flow { return flows[:4] }

func wrongCode(typed []string) []string {
	last := "0"
	if strings.HasSuffix(typed[3], last) {
		last = "2"
	}
	return []string{typed[0], typed[1], typed[2], typed[3][:8] + last}
}

// TestTypedCodes: the page without a query asks for address and code, and does with them what the link does.
func TestTypedCodes(t *testing.T) {
	for _, f := range typedFlows() {
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			id := f.prepare(t, s, c)
			page := s.get(t, "/acme/"+f.page)
			page.want(t, 200, f.page+".title")
			page.wantText(t, "typed.text")

			typed := s.typed(t, c, f.kind)
			refused := s.submit(t, page, append(wrongCode(typed), f.typed...)...)
			refused.want(t, 422, f.page+".title")
			refused.wantText(t, "error.code.text")
			wantDescribed(t, refused, "code")
			if f.used(t, s, c, id) || strings.Contains(refused.body, newPassword) {
				t.Fatal("a wrong code works, or the password is sent back")
			}
			done := s.submit(t, refused, append(typed, f.typed...)...)
			done.want(t, 200, f.page+".done.title")
			if !f.used(t, s, c, id) {
				t.Error("the code changed nothing")
			}
			s.submit(t, page, append(typed, f.typed...)...).want(t, 422, f.page+".title")
		})
	}
}

// wantDescribed checks that the error is tied to the one field, which the reader is taken to.
func wantDescribed(t *testing.T, page answered, id string) {
	t.Helper()
	for _, input := range page.all("input") {
		described := strings.Contains(" "+attribute(input, "aria-describedby")+" ", " error ")
		if described != (attribute(input, "id") == id) || described != hasAttribute(input, "autofocus") {
			t.Errorf("the field %s has %v; the error is about %s", attribute(input, "id"), input.Attr, id)
		}
	}
}

// TestTypedCodesTellNothing: a wrong code is answered the same for an address without an account, also after more tries than a code has.
func TestTypedCodesTellNothing(t *testing.T) {
	for _, f := range typedFlows() {
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			f.prepare(t, s, c)
			page := s.get(t, "/acme/"+f.page)
			typed := s.typed(t, c, f.kind)
			for i := range 12 {
				known := s.submit(t, page, append(wrongCode(typed), f.typed...)...)
				unknown := s.submit(t, page, append([]string{"email", "nobody@example.com", "code", typed[3]}, f.typed...)...)
				same := strings.NewReplacer("nobody@example.com", typed[1], typed[3], wrongCode(typed)[3]).Replace(unknown.body)
				if diff := cmp.Diff(known.body, same); diff != "" || known.status != unknown.status {
					t.Fatalf("try %d: %d and %d\n%s", i, known.status, unknown.status, diff)
				}
			}
		})
	}
}

// TestTypedFields: what is missing or malformed is said at its field, and the rest is kept.
func TestTypedFields(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme", "passwordMinLength", "8")
	page := s.get(t, "/acme/reset-password")
	for _, test := range []struct {
		email, code, password string
		status                int
		key, field            string
	}{
		{"", "K7QM-4T9X", newPassword, 422, "error.email.text", "email"},
		{"ada", "K7QM-4T9X", newPassword, 422, "error.email.text", "email"},
		{"ada@example.com", "", newPassword, 422, "error.code-missing.text", "code"},
		{"ada@example.com", "K7QM", newPassword, 422, "error.code.text", "code"},
		{"ada@example.com", "K7QM-4T9X", "", 422, "error.password-missing.text", "password"},
	} {
		got := s.submit(t, page, "email", test.email, "code", test.code, "newPassword", test.password)
		got.want(t, test.status, "reset-password.title")
		got.wantText(t, test.key)
		wantDescribed(t, got, test.field)
		kept := map[string]string{}
		for _, input := range got.all("input") {
			kept[attribute(input, "name")] = attribute(input, "value")
		}
		if diff := cmp.Diff(map[string]string{"email": test.email, "code": test.code, "newPassword": ""}, kept); diff != "" {
			t.Errorf("%s: fields:\n%s", test.key, diff)
		}
	}
}

// TestWeakPasswordKeepsTheTypedCode: the reader need not type it again, and it takes no try.
func TestWeakPasswordKeepsTheTypedCode(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "passwordMinLength", "8")
	f := flows[2]
	f.prepare(t, s, c)
	page, typed := s.get(t, "/acme/reset-password"), s.typed(t, c, f.kind)
	for range 7 {
		page = s.submit(t, page, append(typed, "newPassword", "short")...)
		page.want(t, 422, "reset-password.title")
		wantDescribed(t, page, "password")
	}
	s.submit(t, page, "newPassword", newPassword).want(t, 200, "reset-password.done.title")
}

// TestNewMailFromTheTypedForm: whoever has no code gets one, with the button beside.
func TestNewMailFromTheTypedForm(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[0]
	f.prepare(t, s, c)
	page := s.get(t, "/acme/verify-email")
	buttons := page.all("button")
	if len(buttons) != 2 || attribute(buttons[0], "name") != "" || attribute(buttons[1], "name") != "send" || !hasAttribute(buttons[1], "formnovalidate") {
		t.Fatalf("the buttons of the form are\n%s", page.body)
	}
	r := formRequest("/acme/verify-email", url.Values{"email": {string(testEmail)}, "code": {""}, "send": {attribute(buttons[1], "value")}}.Encode())
	s.do(t, r).want(t, 200, "resend.done.title")
	if n := s.countMails(t, c, f.kind); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	if n := len(s.get(t, "/acme/reset-password").all("button")); n != 1 {
		t.Errorf("%d buttons on a page that sends no mail", n)
	}
}

// TestPagesWithoutTypedCodes: ways back have links only, and a link that was cut short asks for no code.
func TestPagesWithoutTypedCodes(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for _, page := range flows[4:] {
		s.get(t, "/acme/"+page.page).want(t, 400, "error.incomplete.title")
		s.do(t, formRequest("/acme/"+page.page, "email=ada@example.com&code=K7QM-4T9X")).want(t, 400, "error.incomplete.title")
	}
	s.get(t, "/acme/reset-password?oobCode=x").want(t, 400, "error.incomplete.title")
	s.do(t, formRequest("/acme/reset-password", "email=ada@example.com")).want(t, 400, "error.incomplete.title")
}

// TestTypedFormsFromElsewhere: another site cannot send the form (P39).
func TestTypedFormsFromElsewhere(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[0]
	id := f.prepare(t, s, c)
	r := s.get(t, "/acme/verify-email").request(t, s.typed(t, c, f.kind)...)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	s.do(t, r).want(t, http.StatusForbidden, "error.origin.title")
	if f.used(t, s, c, id) {
		t.Error("the form was taken")
	}
}
