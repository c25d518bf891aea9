package console

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestAuditLog(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	visitor := auth.Caller{Project: acme.Project, Addr: netip.MustParseAddr("198.51.100.7"), RequestID: "K7QM-4T9X-2WHD"}
	user, err := r.admin.SignUp(t.Context(), visitor, auth.SignUpParams{Email: "grace@example.com", Password: "copper lantern 97"})
	r.must(err)
	r.clock.Advance(time.Hour)
	r.session = r.signIn()
	visitor.RequestID = "AAAA-BBBB-CCCC"
	if _, err := r.admin.SignIn(t.Context(), visitor, auth.SignInParams{Email: "grace@example.com", Password: "wrong"}); err == nil {
		t.Fatal("signed in")
	}
	const page = "/console/projects/acme/audit"
	all := r.get(page).wantPage(200, "user.sign_up", "user.sign_in", "denied", "198.51.100.7", "project.create", "operator", "AAAA-BBBB-CCCC", "wrong_password")
	if got := all.link("How did this come about?"); got != "/console/projects/acme/explain?reference=AAAA-BBBB-CCCC" {
		t.Errorf("explained at %s", got)
	}
	if !strings.Contains(all.Body.String(), `href="/console/projects/acme/users/`+string(user.User.ID)+`"`) {
		t.Error("the user is not linked")
	}
	uid := string(user.User.ID)
	for query, want := range map[string][]string{
		"event=user.sign_up":                             {"user.sign_up"},
		"outcome=denied":                                 {"user.sign_in"},
		"user=" + uid + "&outcome=allowed":               {"user.sign_up"},
		"actor=operator":                                 {"project.create"},
		"actorId=local":                                  {"project.create"},
		"address=198.51.100.7&outcome=denied":            {"user.sign_in"},
		"reference=k7qm4t9x2whd":                         {"user.sign_up"},
		"since=2025-03-01T12:30":                         {"user.sign_in"},
		"until=2025-03-01T12%3A30%3A00Z&actor=anonymous": {"user.sign_up"},
		"event=key.rotate":                               nil,
		"address=203.0.113.9":                            nil,
	} {
		a := r.get(page + "?" + query).wantPage(200)
		if got := a.texts("code"); len(want) == 0 {
			a.wantPage(200, "There are no such records.")
		} else if rows := len(a.elements("tr")) - 1; rows != 1 || got[0] != want[0] {
			t.Errorf("%s: %d records, the first is %q", query, rows, got)
		}
		for name, values := range mustQuery(t, query) {
			if n := a.named(name); n == nil {
				t.Errorf("no field %s", name)
			} else if shown, _ := attributeOf(n, "value"); n.Data == "input" && shown != values[0] {
				t.Errorf("%s shows %q", name, shown)
			}
		}
	}
	for query, text := range map[string]string{"address=here": "no IP address", "reference=x": "12 letters and digits", "since=soon": "no date", "until=2025": "no date"} {
		a := r.get(page+"?"+query).wantPage(200, text)
		if len(a.elements("tr")) != 0 || a.attribute(strings.Split(query, "=")[0], "aria-invalid") != "true" {
			t.Errorf("%s: it searches all the same, or does not tell the field", query)
		}
	}
	r.get("/console/instance/audit").wantPage(200, "operator.set_up", "project.create", "acme")
	r.get("/console/instance/audit?event=user.sign_up&actor=anonymous").wantPage(200, "acme", "K7QM-4T9X-2WHD")
	if slices.Contains(r.get(page).texts("code"), "operator.set_up") {
		t.Error("a project's log has the instance's records")
	}
}

func mustQuery(t *testing.T, query string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestAuditPages(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	for i := range recordsOnPage + 3 {
		_, err := r.admin.CreateRole(t.Context(), acme, fmt.Sprintf("role %d", i))
		r.must(err)
		r.clock.Advance(time.Millisecond)
	}
	const page = "/console/projects/acme/audit"
	first := r.get(page+"?event=role.create").wantPage(200, fmt.Sprintf("role %d", recordsOnPage+2), "role 3")
	if rows := len(first.elements("tr")) - 1; rows != recordsOnPage {
		t.Errorf("%d records", rows)
	}
	second := r.get(first.link("Older")).wantPage(200, "role 2", "role 0", "Newest")
	if rows := len(second.elements("tr")) - 1; rows != 3 || strings.Contains(second.text(), "Older") {
		t.Errorf("%d records on the last page", rows)
	}
	if got := second.link("Newest"); got != page+"?event=role.create" {
		t.Errorf("newest at %s", got)
	}
	if size := first.Body.Len(); size > 100_000 {
		t.Errorf("the page has %d bytes", size)
	}
}

func TestExplain(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	visitor := auth.Caller{Project: acme.Project, Addr: netip.MustParseAddr("198.51.100.7"), UserAgent: "Browser <b>", RequestID: "AAAA-BBBB-CCCC"}
	_, err := r.admin.SignUp(t.Context(), visitor, auth.SignUpParams{Email: "grace@example.com", Password: "copper lantern 97"})
	r.must(err)
	if _, err := r.admin.SignIn(t.Context(), visitor, auth.SignInParams{Email: "grace@example.com", Password: "wrong"}); err == nil {
		t.Fatal("signed in")
	}
	for _, page := range []string{"/console/projects/acme/explain", "/console/instance/explain"} {
		r.get(page).wantPage(200, "Reference")
		a := r.get(page+"?reference=aaaabbbbcccc").wantPage(200, "A sign-in was refused", "Why: the password is wrong.", "What you can do:", "Lookup", "found", "Hash", "refused", "198.51.100.7", "Browser <b>", "wrong_password")
		if len(a.elements("ol")) != 1 {
			t.Error("the steps are no list")
		}
		r.get(page+"?reference=AAAA-BBBB-DDDD").wantPage(200, "Nothing is kept under this reference.")
		if a := r.get(page+"?reference=what").wantPage(200, "12 letters and digits"); a.attribute("reference", "aria-invalid") != "true" || a.attribute("reference", "value") != "what" {
			t.Error("the reference is lost, or not told to be wrong")
		}
	}
	r.get("/console/projects/acme/audit?event=decision.read").wantPage(200, "AAAA-BBBB-CCCC")
	r.project("other", "Other")
	r.get("/console/projects/other/explain?reference=AAAA-BBBB-CCCC").wantPage(200, "Nothing is kept")
}
