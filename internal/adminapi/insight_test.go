package adminapi

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestActivity(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop")
	r.user("shop", "ada@example.com")
	r.signIn("shop", "ada@example.com")
	r.clock.Advance(25*time.Hour + 10*time.Minute)
	r.signIn("shop", "ada@example.com")
	r.signIn("shop", "ada@example.com")
	signIns := func(step string, since, until time.Time) (counts []int) {
		t.Helper()
		for _, p := range got(admin.Activity(t.Context(), "shop", step, since, until))(t).Points {
			counts = append(counts, p.SignIns)
		}
		return counts
	}
	want := func(what string, counts []int, length int, last ...int) {
		t.Helper()
		if len(counts) != length {
			t.Fatalf("%s: %v", what, counts)
		}
		for i, n := range last {
			if counts[length-len(last)+i] != n {
				t.Errorf("%s: %v, want it to end with %v", what, counts, last)
				break
			}
		}
	}
	r.clock.Advance(time.Minute)
	for _, added := range []int{0, 1} { // the youngest are not added up before they have settled; nothing may show
		if _, err := r.admin.CountActivity(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("by the day", signIns("", time.Time{}, time.Time{}), 30, 0, 1, 2)
		want("by the hour", signIns("hour", time.Time{}, time.Time{}), 48, 2)
		want("up to the middle of an hour", signIns("hour", testStart, testStart.Add(25*time.Hour+5*time.Minute)), 26, 0, 2)
		want("a part", signIns("hour", testStart, testStart.Add(90*time.Minute)), 2, 1, 0)
		r.clock.Advance(time.Duration(1-added) * 10 * time.Minute)
	}
	for _, c := range []struct {
		step         string
		since, until time.Time
		field        string
	}{
		{"week", time.Time{}, time.Time{}, "step"},
		{"hour", testStart, testStart, "since"},
		{"hour", testStart, testStart.Add(745 * time.Hour), "since"},
	} {
		_, err := admin.Activity(t.Context(), "shop", c.step, c.since, c.until)
		wantError(t, err, 422, auth.CodeInvalidArgument, c.field)
	}
}

func TestMailPreviews(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop", "language", "de")
	ctx := t.Context()
	has := func(what, text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q:\n%s", what, part, text)
			}
		}
	}
	for _, kind := range auth.MailKinds() {
		for _, language := range []string{"en", "de", "fi"} {
			p := got(admin.PreviewMail(ctx, "shop", string(kind), language))(t)
			if p.Subject == "" || p.Text == "" || p.HTML == "" {
				t.Errorf("%s in %s: %+v", kind, language, p)
			}
		}
	}
	builtIn := got(admin.PreviewMail(ctx, "shop", "reset-password", "de"))(t)
	draft := got(admin.PreviewMailDraft(ctx, "shop", "reset-password", "de", MailTemplateParts{Subject: "Neu: {{.UserName}}"}))(t)
	if draft.Subject != "Neu: Ada Lovelace" || draft.Text != builtIn.Text {
		t.Errorf("draft: %+v", draft)
	}
	must(t, admin.PutMailTemplate(ctx, "shop", "reset-password", "de", MailTemplateParts{Subject: "Gespeichert"}))
	if saved := got(admin.PreviewMail(ctx, "shop", "reset-password", "de"))(t); saved.Subject != "Gespeichert" {
		t.Errorf("saved: %+v", saved)
	}
	if bare := got(admin.PreviewMailDraft(ctx, "shop", "reset-password", "de", MailTemplateParts{}))(t); bare != builtIn {
		t.Errorf("an empty draft: %+v", bare)
	}
	_, err := admin.PreviewMailDraft(ctx, "shop", "reset-password", "de", MailTemplateParts{Text: "{{range .}}{{end}}"})
	wantError(t, err, 422, auth.CodeInvalidArgument, "template")
	_, err = admin.PreviewMail(ctx, "shop", "no-such", "de")
	wantError(t, err, 422, auth.CodeInvalidArgument, "kind")

	sent := got(admin.SendTestMail(ctx, "shop", "reset-password", "de", "Me@Example.com"))(t)
	m := got(admin.ReadMail(ctx, "shop", sent.ID))(t)
	has("the test mail", m.Subject, "[Test] Gespeichert")
	if m.To != "me@example.com" || m.State != "queued" || m.Kind != "reset-password" {
		t.Errorf("the test mail: %+v", m)
	}
	_, err = admin.SendTestMail(ctx, "shop", "reset-password", "de", "nobody")
	wantError(t, err, 422, auth.CodeInvalidEmail, "")
	var refused error
	for n := 1; refused == nil; n++ {
		if _, refused = admin.SendTestMail(ctx, "shop", "invite", "en", "me@example.com"); n > 30 {
			t.Fatal("no limit")
		}
	}
	wantError(t, refused, 429, auth.CodeTooManyAttempts, "")
	for outcome, want := range map[string]int{"allowed": 30, "denied": 1} {
		if log := got(admin.ListAudit(ctx, "shop", AuditFilter{Event: "mail.test", Outcome: outcome, Limit: 99}))(t); len(log.Records) != want {
			t.Errorf("%d records %s, want %d", len(log.Records), outcome, want)
		}
	}
}

func TestPresets(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop", "passwordMinLength", "7", "idTokenTTL", "30m")
	ctx := t.Context()
	changes := func(preset string, reset bool) map[string]SettingChange {
		t.Helper()
		byKey := map[string]SettingChange{}
		for _, s := range got(admin.PresetDiff(ctx, "shop", preset, reset))(t).Changes {
			byKey[s.Key] = s
		}
		return byKey
	}
	diff := changes("hardened", false)
	if s := diff["invitePermission"]; s.Now != "public" || s.Would != "admin" || s.Own || s.Help == "" {
		t.Errorf("invitePermission: %+v", s)
	}
	if _, there := diff["passwordMinLength"]; there {
		t.Error("the project's own value would change")
	}
	withReset := changes("hardened", true)
	if s := withReset["passwordMinLength"]; s.Now != "7" || s.Would != "8" || !s.Own || len(withReset) != len(diff)+1 {
		t.Errorf("%d and %d changes, passwordMinLength: %+v", len(diff), len(withReset), s)
	}
	_, err := admin.PresetDiff(ctx, "shop", "softened", false)
	wantError(t, err, 422, auth.CodeInvalidArgument, "preset")
	_, err = admin.ApplyPreset(ctx, "shop", "softened", false)
	wantError(t, err, 422, auth.CodeInvalidArgument, "preset")

	if p := got(admin.ApplyPreset(ctx, "shop", "hardened", false))(t); p.Preset != "hardened" || p.Overrides["passwordMinLength"] != "7" {
		t.Errorf("applied: %+v", p)
	}
	if left := changes("hardened", false); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	p := got(admin.ApplyPreset(ctx, "shop", "hardened", true))(t)
	if _, still := p.Overrides["passwordMinLength"]; still || p.Overrides["idTokenTTL"] != "30m" {
		t.Errorf("applied with reset: %+v", p)
	}
	for key, s := range withReset {
		for _, now := range got(admin.ProjectSettings(ctx, "shop"))(t).Settings {
			if now.Key == key && now.Value != s.Would {
				t.Errorf("%s is %q; the diff said %q", key, now.Value, s.Would)
			}
		}
	}
}

// fakeMailChecker finds what the project's selectors are.
type fakeMailChecker struct{}

func (fakeMailChecker) CheckMail(_ context.Context, p auth.ProjectID, selectors []string) (auth.MailCheck, error) {
	found := auth.MailFinding{Check: "dkim", Name: "a._domainkey.example.com", State: auth.FindingBad, Found: string(p) + " " + strings.Join(selectors, "+"), Advice: "a key"}
	return auth.MailCheck{From: "noreply@example.com", Findings: []auth.MailFinding{found}}, nil
}

func TestMailCheck(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop", "mailDkimSelectors", "key1, key-2")
	check := got(admin.CheckMail(t.Context(), "shop"))(t)
	want := MailFinding{Check: "dkim", Name: "a._domainkey.example.com", State: "bad", Found: "shop key1+key-2", Advice: "a key"}
	if check.From != "noreply@example.com" || len(check.Findings) != 1 || check.Findings[0] != want {
		t.Errorf("check: %+v", check)
	}
	_, err := r.op.UpdateProject(t.Context(), "shop", ProjectPatch{Settings: map[string]string{"mailDkimSelectors": "a b"}})
	wantError(t, err, 422, auth.CodeInvalidArgument, "mailDkimSelectors")
	err = nil
	for n := 0; err == nil; n++ {
		if _, err = admin.CheckMail(t.Context(), "shop"); n > 30 {
			t.Fatal("no limit")
		}
	}
	wantError(t, err, 429, auth.CodeTooManyAttempts, "")
}

func TestAuditSearch(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop")
	r.clock.Advance(time.Hour)
	reference := r.refuse("shop")
	r.clock.Advance(time.Hour)
	r.user("shop", "ada@example.com")
	find := func(f AuditFilter) (events []string) {
		t.Helper()
		for _, record := range got(admin.ListAudit(t.Context(), "shop", f))(t).Records {
			events = append(events, record.Event)
		}
		return events
	}
	for _, c := range []struct {
		name   string
		filter AuditFilter
		want   string
	}{
		{"reference", AuditFilter{Reference: strings.ToLower(reference)}, "user.sign_in"},
		{"kind of actor", AuditFilter{Actor: "anonymous"}, "user.sign_in"},
		{"who", AuditFilter{ActorID: "tester"}, "user.create project.create"},
		{"since", AuditFilter{Since: testStart.Add(2 * time.Hour)}, "user.create"},
		{"between", AuditFilter{Since: testStart.Add(time.Minute), Until: testStart.Add(2 * time.Hour)}, "user.sign_in"},
		{"until and before", AuditFilter{Until: testStart.Add(time.Minute), Before: "zzzz"}, "project.create"},
		{"another address", AuditFilter{Address: "192.0.2.77"}, ""},
	} {
		if events := strings.Join(find(c.filter), " "); events != c.want {
			t.Errorf("%s: %q, want %q", c.name, events, c.want)
		}
	}
	for _, c := range []struct {
		filter AuditFilter
		field  string
	}{{AuditFilter{Address: "localhost"}, "address"}, {AuditFilter{Actor: "robot"}, "actor"}, {AuditFilter{Reference: "!"}, "reference"}} {
		_, err := admin.ListAudit(t.Context(), "shop", c.filter)
		wantError(t, err, 422, auth.CodeInvalidArgument, c.field)
	}
}
