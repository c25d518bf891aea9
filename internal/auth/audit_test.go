package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Each decision leaves a record that says who, whom, from where and with what outcome (P45). That no record, error or log line holds a secret is checked at the end of
// every test; see checkSecrets.
func TestEveryDecisionIsRecorded(t *testing.T) {
	const yes, no = auth.OutcomeAllowed, auth.OutcomeDenied
	tests := []struct {
		name    string
		do      func(h *harness, up auth.Tokens)
		event   auth.Event
		outcome auth.Outcome
		actor   auth.ActorKind
		about   bool // the record names the user
	}{
		{"sign-in", func(h *harness, _ auth.Tokens) { _, _ = h.signIn(ada, goodPW) }, auth.EventSignIn, yes, auth.ActorAnonymous, true},
		{"wrong password", func(h *harness, _ auth.Tokens) { _, _ = h.signIn(ada, otherPW) }, auth.EventSignIn, no, auth.ActorAnonymous, true},
		{"unknown address", func(h *harness, _ auth.Tokens) { _, _ = h.signIn(grace, otherPW) }, auth.EventSignIn, no, auth.ActorAnonymous, false},
		{"sign-up of a taken address", func(h *harness, _ auth.Tokens) { _, _ = h.trySignUp(ada, goodPW) }, auth.EventSignUp, no, auth.ActorAnonymous, false},
		{"refresh", func(h *harness, up auth.Tokens) { h.clock.Advance(time.Hour); _, _ = h.refresh(up.RefreshToken) }, auth.EventRefresh, yes, auth.ActorAnonymous, true},
		{"bad refresh", func(h *harness, _ auth.Tokens) { _, _ = h.refresh("nothing") }, auth.EventRefresh, no, auth.ActorAnonymous, false},
		{"reset asked", func(h *harness, _ auth.Tokens) { h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada)) }, auth.EventResetRequested, yes, auth.ActorAnonymous, true},
		{"reset of nobody", func(h *harness, _ auth.Tokens) { _ = h.SendPasswordReset(h.ctx, h.anyone(), grace) }, auth.EventResetRequested, no, auth.ActorAnonymous, false},
		{"bad reset", func(h *harness, _ auth.Tokens) { _ = h.ResetPassword(h.ctx, h.anyone(), "x", otherPW) }, auth.EventPasswordReset, no, auth.ActorAnonymous, false},
		{"bad verification", func(h *harness, up auth.Tokens) { _ = h.VerifyEmail(h.ctx, h.anyone(), "x", up.User.ID) }, auth.EventEmailVerified, no, auth.ActorAnonymous, true},
		{"bad confirmation", func(h *harness, _ auth.Tokens) { _ = h.ConfirmEmailChange(h.ctx, h.anyone(), "x") }, auth.EventEmailChanged, no, auth.ActorAnonymous, false},
		{"bad take-back", func(h *harness, _ auth.Tokens) { _ = h.TakeBackEmail(h.ctx, h.anyone(), "x") }, auth.EventEmailTakenBack, no, auth.ActorAnonymous, false},
		{"password change", func(h *harness, up auth.Tokens) {
			h.must(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, h.secret(otherPW)))
		}, auth.EventPasswordChanged, yes, auth.ActorUser, true},
		{"wrong password change", func(h *harness, up auth.Tokens) {
			_ = h.ChangePassword(h.ctx, h.as(up.IDToken), h.secret(otherPW), goodPW)
		}, auth.EventPasswordChanged, no, auth.ActorUser, true},
		{"email change", func(h *harness, up auth.Tokens) { h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace)) }, auth.EventEmailChanged, yes, auth.ActorUser, true},
		{"disable", func(h *harness, up auth.Tokens) {
			_, _ = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Disabled: ptr(true)})
		}, auth.EventUserDisabled, yes, auth.ActorAdmin, true},
		{"self-promotion", func(h *harness, up auth.Tokens) {
			_, _ = h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{CustomClaims: &map[string]any{"plan": "gold"}})
		}, auth.EventUserUpdated, no, auth.ActorUser, true},
		{"own password without the old one", func(h *harness, up auth.Tokens) {
			_, _ = h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{Password: ptr(h.secret(otherPW))})
		}, auth.EventUserUpdated, no, auth.ActorUser, true},
		{"patch of another", func(h *harness, up auth.Tokens) {
			_, _ = h.UpdateUser(h.ctx, h.as(h.signUp(grace).IDToken), up.User.ID, auth.UserPatch{Name: ptr("x")})
		}, auth.EventUserUpdated, no, auth.ActorUser, true},
		{"deletion of another", func(h *harness, up auth.Tokens) { _ = h.DeleteUser(h.ctx, h.as(h.signUp(grace).IDToken), up.User.ID) }, auth.EventUserDeleted, no, auth.ActorUser, true},
		{"deletion", func(h *harness, up auth.Tokens) { h.must(h.DeleteAccount(h.ctx, h.as(up.IDToken))) }, auth.EventUserDeleted, yes, auth.ActorUser, true},
		{"bad admin token", func(h *harness, _ auth.Tokens) { _, _ = h.AuthenticateAdmin(h.ctx, h.anyone(), "x") }, auth.EventAdminDenied, no, auth.ActorAnonymous, false},
		{"export", func(h *harness, _ auth.Tokens) { _, _ = h.admin.ExportUsers(h.ctx, h.asAdmin(), "", 1) }, auth.EventUsersExported, yes, auth.ActorAdmin, false},
		{"settings", func(h *harness, _ auth.Tokens) { h.set("selfSignUp", "false") }, auth.EventSettingsChanged, yes, auth.ActorAdmin, false},
		{"too many tries", func(h *harness, _ auth.Tokens) {
			for range 11 {
				_, _ = h.signIn(ada, otherPW)
			}
		}, auth.EventSignIn, no, auth.ActorAnonymous, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.verified(ada)
			h.newMails(ada)
			known := map[auth.AuditID]bool{}
			for _, r := range h.audits("") {
				known[r.ID] = true
			}
			tt.do(h, up)
			found := false
			for _, r := range h.audits(tt.event) {
				if known[r.ID] || r.Outcome != tt.outcome || r.Actor != tt.actor || (r.User == up.User.ID) != tt.about {
					continue
				}
				found = true
				if r.Addr != clientAddr || r.RequestID != "request-1" || !r.At.Equal(h.clock.Now().Truncate(time.Millisecond)) || r.Project != h.id {
					t.Errorf("incomplete: %+v", r)
				}
				if tt.actor == auth.ActorUser && r.ActorID == "" {
					t.Error("the record does not say which user")
				}
			}
			if !found {
				t.Errorf("no record of %s %s by %s", tt.event, tt.outcome, tt.actor)
			}
		})
	}
}

// The record of a change of settings says what changed, but no secret.
func TestSettingsAudit(t *testing.T) {
	h := newHarness(t)
	h.set("smtp", "smtp://user:"+h.secret("the-smtp-password")+"@mail.example.com", "idTokenTTL", "2h")
	got := h.audits(auth.EventSettingsChanged)[0].Detail
	if got["idTokenTTL"] != "2h" || got["smtp"] == "" {
		t.Errorf("detail %v", got)
	}
	p := h.anyone().Project
	if _, there := p.Overrides["smtp"]; there {
		t.Error("the secret stands among the overrides")
	}
	if set, err := h.admin.SecretsSet(h.asAdmin()); err != nil || !set["smtp"] {
		t.Errorf("secrets set: %v, %v", set, err)
	}
	_, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), auth.ProjectChange{Reset: []string{"smtp", "idTokenTTL"}})
	h.must(err)
	if set, _ := h.admin.SecretsSet(h.asAdmin()); set["smtp"] || h.anyone().Project.Settings.IDTokenTTL != time.Hour {
		t.Error("reset did not go back to the defaults")
	}
	for _, change := range []auth.ProjectChange{{Set: map[string]string{"nothing": "x"}}, {Reset: []string{"nothing"}}, {Preset: "soft"}, {DisplayName: "a\nb"}, {Set: map[string]string{"smtp": "x:the-smtp-password"}}} {
		_, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), change)
		h.want(err, auth.CodeInvalidArgument)
	}
}

// No password, code or token lies in the database in clear (P7, P44).
func TestDatabaseHoldsNoSecrets(t *testing.T) {
	h := newHarness(t, rotating, with("smtp", "smtps://user:the-smtp-password@mail.example.com"))
	h.secret("the-smtp-password")
	up := h.signUp(ada)
	h.code(auth.MailVerifyEmail, ada)
	_, err := h.refresh(up.RefreshToken)
	h.must(err)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	in, err := h.signIn(ada, otherPW)
	h.must(err)
	_, enrolled := h.enrollApp(h.as(in.IDToken))
	for _, code := range enrolled.RecoveryCodes {
		h.secret(strings.ReplaceAll(code, "-", ""))
	}
	h.pending(ada, otherPW)
	operator, err := h.admin.CreateOperatorToken(h.ctx, h.operator(), "ci")
	h.must(err)
	h.secret(operator)
	files, err := filepath.Glob(filepath.Join(h.dir, "doorward.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("database files %v, %v", files, err)
	}
	sawUser := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sawUser = sawUser || strings.Contains(string(content), ada)
		for s := range h.secrets {
			if strings.Contains(string(content), s) {
				t.Errorf("%s holds a secret of %d bytes in clear", filepath.Base(file), len(s))
			}
		}
	}
	if !sawUser {
		t.Error("the search found not even the address: it looks in the wrong place")
	}
}
