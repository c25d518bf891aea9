package auth_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// exported is a capsule in memory.
type exported struct {
	auth.Capsule
	rows []auth.ProjectRow
}

func (h *harness) export() *exported {
	h.t.Helper()
	var e exported
	h.must(h.admin.ExportProject(h.ctx, h.LocalOperator(h.anyone()), func(c auth.Capsule) error { e.Capsule = c; return nil }, func(r auth.ProjectRow) error {
		e.rows = append(e.rows, auth.ProjectRow{Table: r.Table, Columns: r.Columns, Values: slices.Clone(r.Values)})
		return nil
	}))
	return &e
}

// each hands out copies: importing seals rows in place.
func (e *exported) each(take func(auth.ProjectRow) error) error {
	for _, r := range e.rows {
		if err := take(auth.ProjectRow{Table: r.Table, Columns: r.Columns, Values: slices.Clone(r.Values)}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exported) row(table string) *auth.ProjectRow {
	return &e.rows[slices.IndexFunc(e.rows, func(r auth.ProjectRow) bool { return r.Table == table })]
}

func (e *exported) put(table, column string, value any) {
	r := e.row(table)
	r.Values[slices.Index(r.Columns, column)] = value
}

// elsewhere is another server, with a project of its own.
func elsewhere(t *testing.T) *harness {
	return newHarness(t, func(s *setup) { s.url, s.id = "https://new.example.com", "elsewhere" })
}

func (h *harness) takeIn(e *exported) (int, error) {
	n, err := h.admin.ImportProject(h.ctx, h.operator(), e.Capsule, e.each)
	h.note(err)
	return n, err
}

// A project that moves to another server takes its passwords, sessions, tokens, second factors and settings along.
func TestCapsule(t *testing.T) {
	old := newHarness(t, documented, with("refreshTokenRotation", "true", "smtp", "smtps://user:hidden@mail.example.com"))
	tokens := old.verified(ada)
	_, app, recovery := old.withApp(grace)
	ended := old.signUp("gone@example.com")
	old.must(old.SignOutEverywhere(old.ctx, old.as(ended.IDToken), false))
	old.must(old.SendPasswordReset(old.ctx, old.anyone(), ada))
	reset := old.code(auth.MailResetPassword, ada)
	capsule := old.export()
	if len(old.audits(auth.EventProjectExported)) != 1 {
		t.Error("the export is not in the audit log")
	}

	h := elsewhere(t)
	n, err := h.takeIn(capsule)
	h.must(err)
	if n != len(capsule.rows) {
		t.Errorf("%d rows of %d", n, len(capsule.rows))
	}
	h.id = "acme"
	if len(h.audits(auth.EventProjectImported)) != 1 || len(h.audits(auth.EventSignUp)) == 0 {
		t.Error("the audit log did not come along, or lacks the import")
	}
	if _, err := h.AuthenticateUser(h.ctx, h.anyone(), tokens.IDToken); err != nil {
		t.Errorf("an id token of the old server: %v", err)
	}
	fresh, err := h.refresh(tokens.RefreshToken)
	h.must(err)
	if c := claims(t, fresh.IDToken); c["iss"] != "https://new.example.com/acme" {
		t.Errorf("the new issuer is %v", c["iss"])
	}
	h.wantEnded(ended)
	_, err = h.signIn(ada, goodPW)
	h.must(err)
	app.h = h // shows the codes of this server's clock
	h.clock.Advance(time.Minute)
	_, err = h.complete(h.pending(grace, goodPW), code(app.code()))
	h.must(err)
	_, err = h.complete(h.pending(grace, goodPW), auth.SecondFactorProof{RecoveryCode: recovery[0]})
	h.must(err)
	smtp, _, name, err := h.MailSettings(h.ctx, "acme")
	if h.must(err); smtp != "smtps://user:hidden@mail.example.com" || name != "Acme" {
		t.Errorf("mail settings %q, %q", smtp, name)
	}
	h.must(h.ResetPassword(h.ctx, h.anyone(), reset, otherPW))
	if mails := h.newMails(ada); len(mails) != 1 || mails[0].Kind != auth.MailPasswordChanged {
		t.Errorf("mails of the old server came along: %+v", mails)
	}
}

// An import that cannot be finished leaves nothing, and the id free.
func TestCapsuleRefusals(t *testing.T) {
	old := newHarness(t, documented)
	old.signUp(ada)
	fails := errors.New("the file ends here")
	tests := []struct {
		name   string
		change func(e *exported)
		want   auth.Code
	}{
		{"another project's row", func(e *exported) { e.put("users", "project", "elsewhere") }, auth.CodeInvalidArgument},
		{"another table", func(e *exported) { e.row("users").Table = "operator_tokens" }, auth.CodeInvalidArgument},
		{"a table that stays", func(e *exported) { e.row("users").Table = "outbox" }, auth.CodeInvalidArgument},
		{"another column", func(e *exported) { e.row("users").Columns = slices.Repeat([]string{"x"}, len(e.row("users").Columns)) }, auth.CodeInvalidArgument},
		{"a value of another kind", func(e *exported) { e.put("users", "created_at", "now") }, auth.CodeInvalidArgument},
		{"a row twice", func(e *exported) { e.rows = append(e.rows, *e.row("users")) }, auth.CodeInvalidArgument},
		{"no project", func(e *exported) { e.rows = e.rows[1:] }, auth.CodeInvalidArgument},
		{"two projects", func(e *exported) { e.rows = append(e.rows, e.rows[0]) }, auth.CodeInvalidArgument},
		{"another project", func(e *exported) { e.put("projects", "id", "shop") }, auth.CodeInvalidArgument},
		{"a misleading name", func(e *exported) { e.put("projects", "display_name", "support@bank.example") }, auth.CodeInvalidArgument},
		{"no admin token", func(e *exported) { e.put("projects", "admin_token_hash", nil) }, auth.CodeInvalidArgument},
		{"no preset", func(e *exported) { e.put("projects", "preset", "importing") }, auth.CodeInvalidArgument},
		{"settings that are none", func(e *exported) { e.put("projects", "overrides", `{"idTokenTTL":"never"}`) }, auth.CodeInvalidArgument},
		{"a newer schema", func(e *exported) { e.Schema = 99999 }, auth.CodeInvalidArgument},
		{"an id that is none", func(e *exported) { e.Project = "../acme" }, auth.CodeInvalidArgument},
		{"a taken id", func(e *exported) { e.Project = "elsewhere" }, auth.CodeConflict},
	}
	capsule := old.export()
	h := elsewhere(t)
	empty := func() {
		t.Helper()
		if _, err := h.Project(h.ctx, "acme"); auth.CodeOf(err) != auth.CodeProjectNotFound {
			t.Errorf("a project is there: %v", err)
		}
		users, err := h.store.SearchUsers(h.ctx, "acme", auth.UserSearch{Limit: 9})
		if h.must(err); len(users) > 0 {
			t.Error("users are there")
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &exported{Capsule: capsule.Capsule}
			for _, r := range capsule.rows {
				e.rows = append(e.rows, auth.ProjectRow{Table: r.Table, Columns: r.Columns, Values: slices.Clone(r.Values)})
			}
			tt.change(e)
			_, err := h.takeIn(e)
			h.want(err, tt.want)
			empty()
		})
	}
	_, err := h.admin.ImportProject(h.ctx, h.operator(), capsule.Capsule, func(take func(auth.ProjectRow) error) error {
		return errors.Join(capsule.each(take), fails)
	})
	if !errors.Is(err, fails) {
		t.Errorf("a file that breaks off: %v", err)
	}
	empty()
	_, err = h.admin.ImportProject(h.ctx, h.asAdmin(), capsule.Capsule, capsule.each)
	h.want(err, auth.CodeAdminRequired)
	h.want(h.admin.ExportProject(h.ctx, h.asAdmin(), nil, nil), auth.CodeAdminRequired)

	_, err = h.takeIn(capsule)
	h.must(err)
	_, err = h.takeIn(capsule)
	h.want(err, auth.CodeConflict)
	h.must(h.admin.DeleteProject(h.ctx, h.LocalOperator(h.anyoneOf("acme"))))
	_, err = h.takeIn(capsule)
	h.want(err, auth.CodeConflict) // ids of deleted projects never come back (P6)
}

// One import of a project runs at a time; one that was killed is cleaned up by the next.
func TestCapsuleTwice(t *testing.T) {
	old := newHarness(t, documented)
	old.signUp(ada)
	capsule := old.export()
	h := elsewhere(t)
	_, err := h.admin.ImportProject(h.ctx, h.operator(), capsule.Capsule, func(take func(auth.ProjectRow) error) error {
		_, err := h.takeIn(capsule)
		h.want(err, auth.CodeConflict)
		return capsule.each(take)
	})
	h.must(err)

	killed := elsewhere(t)
	killed.must(killed.store.Store.(auth.ProjectRows).BeginProject(killed.ctx, "acme", "dead", killed.clock.Now()))
	_, err = killed.takeIn(capsule)
	killed.must(err)
}

// What a killed import left is removed by itself, but not under one that runs.
func TestImportsAreCleanedUp(t *testing.T) {
	old := newHarness(t, documented)
	old.signUp(ada)
	capsule := old.export()
	h := elsewhere(t)
	clean := func(want int) {
		t.Helper()
		n, err := h.admin.CleanUpImports(h.ctx)
		if h.must(err); n != want {
			t.Errorf("cleaned %d imports up, want %d", n, want)
		}
	}
	_, err := h.admin.ImportProject(h.ctx, h.operator(), capsule.Capsule, func(take func(auth.ProjectRow) error) error {
		clean(0)
		return capsule.each(take)
	})
	h.must(err)
	h.must(h.store.Store.(auth.ProjectRows).BeginProject(h.ctx, "shop", "dead", h.clock.Now()))
	clean(1)
	clean(0)
}

// A capsule that is not of just now does not bring back what may have been ended since (P21).
func TestCapsuleEndsSessions(t *testing.T) {
	old := newHarness(t, documented)
	tokens := old.signUp(ada)
	capsule := old.export()
	capsule.EndSessions = true
	before, err := old.admin.SigningKeys(old.ctx, old.asAdmin())
	old.must(err)
	h := elsewhere(t)
	_, err = h.takeIn(capsule)
	h.must(err)
	h.id = "acme"
	h.wantEnded(tokens)
	keys, err := h.store.ListSigningKeys(h.ctx, "acme")
	if h.must(err); len(keys) != 1 || keys[0].ID == before[0].ID {
		t.Errorf("signing keys %v, on the old server %v", keys, before)
	}
	if _, err := h.AuthenticateUser(h.ctx, h.anyone(), tokens.IDToken); err == nil {
		t.Error("an id token of the old server counts on")
	}
	if p, err := h.store.GetProject(h.ctx, "acme"); err != nil || p.Overrides["formerIssuer"] != "" {
		t.Errorf("former issuer %q, %v", p.Overrides["formerIssuer"], err)
	}
	_, err = h.signIn(ada, goodPW)
	h.must(err)
}
