package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

var errStore = errors.New("the store is away")

// A mail is queued exactly when the change that it announces is committed (P43).
func TestMailIsQueuedWithItsChange(t *testing.T) {
	flows := map[string]func(h *harness, up auth.Tokens) error{
		"sign-up":      func(h *harness, _ auth.Tokens) error { _, err := h.trySignUp("new@example.com", goodPW); return err },
		"verification": func(h *harness, _ auth.Tokens) error { return h.SendVerification(h.ctx, h.anyone(), ada) },
		"reset":        func(h *harness, _ auth.Tokens) error { return h.SendPasswordReset(h.ctx, h.anyone(), ada) },
		"admin reset":  func(h *harness, up auth.Tokens) error { return h.admin.SendReset(h.ctx, h.asAdmin(), up.User.ID) },
		"invite": func(h *harness, _ auth.Tokens) error {
			_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: "new@example.com"})
			return err
		},
		"email change": func(h *harness, up auth.Tokens) error {
			return h.ChangeEmail(h.ctx, h.as(up.IDToken), "new@example.com")
		},
		"confirm": func(h *harness, up auth.Tokens) error {
			return h.ConfirmEmailChange(h.ctx, h.anyone(), h.plantCode(h.user(up.User.ID), auth.PurposeChangeEmail))
		},
		"take back": func(h *harness, up auth.Tokens) error {
			return h.TakeBackEmail(h.ctx, h.anyone(), h.plantCode(h.user(up.User.ID), auth.PurposeTakeBackEmail))
		},
	}
	for name, flow := range flows {
		for _, method := range []string{"", "CreateAudit", "CreateMail"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				flow := flow // may be replaced below
				h := newHarness(t, documented)
				up := h.signUp(ada)
				before := h.mailCount()
				users, err := h.store.CountUsers(h.ctx, h.id)
				h.must(err)
				woken := h.queued.Load()
				stored := h.user(up.User.ID)
				if method == "" {
					h.must(flow(h, up))
					if h.mailCount() <= before || h.queued.Load() != woken+1 {
						t.Errorf("%d new mails, the worker was woken %d times", h.mailCount()-before, h.queued.Load()-woken)
					}
					return
				}
				if name == "confirm" || name == "take back" { // plant the code while the store still works
					u := h.user(up.User.ID)
					purpose := map[string]auth.OOBPurpose{"confirm": auth.PurposeChangeEmail, "take back": auth.PurposeTakeBackEmail}[name]
					code := h.plantCode(u, purpose)
					flow = func(h *harness, _ auth.Tokens) error {
						if purpose == auth.PurposeChangeEmail {
							return h.ConfirmEmailChange(h.ctx, h.anyone(), code)
						}
						return h.TakeBackEmail(h.ctx, h.anyone(), code)
					}
				}
				heal := h.fail(method, errStore)
				if err := flow(h, up); !errors.Is(err, errStore) {
					t.Errorf("error %v, want the store's", err)
				}
				heal()
				after, err := h.store.CountUsers(h.ctx, h.id)
				h.must(err)
				if got := h.user(up.User.ID); h.mailCount() != before || after != users || got.Email != stored.Email || h.queued.Load() != woken {
					t.Errorf("%d new mails, %d new users, email %q, worker woken %d times", h.mailCount()-before, after-users, got.Email, h.queued.Load()-woken)
				}
				h.wantAlive(up)
				if name != "sign-up" && name != "invite" {
					h.must(flow(h, up)) // a retry is safe, and works
				}
			})
		}
	}
}

func (h *harness) mailCount() int {
	h.t.Helper()
	all, err := h.store.ListMail(h.ctx, h.id, "", "", 1000)
	h.must(err)
	return len(all)
}

// What is decided must be written down; where that fails nothing is granted and nothing is refused as if it were (P45, P46).
func TestNoDecisionWithoutRecord(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	defer h.fail("CreateAudit", errStore)()
	for name, call := range map[string]func() error{
		"sign-in":       func() error { _, err := h.signIn(ada, goodPW); return err },
		"wrong sign-in": func() error { _, err := h.signIn(ada, otherPW); return err },
		"sign-up":       func() error { _, err := h.trySignUp(grace, goodPW); return err },
		"sign-up twice": func() error { _, err := h.trySignUp(ada, goodPW); return err },
		"bad code":      func() error { return h.ResetPassword(h.ctx, h.anyone(), "x", otherPW) },
		"bad refresh":   func() error { _, err := h.refresh("x"); return err },
		"bad admin":     func() error { _, err := h.AuthenticateAdmin(h.ctx, h.anyone(), "x"); return err },
		"disable": func() error {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Disabled: ptr(true)})
			return err
		},
		"delete": func() error { return h.DeleteAccount(h.ctx, h.as(up.IDToken)) },
		"export": func() error { _, err := h.admin.ExportUsers(h.ctx, h.asAdmin(), "", 10); return err },
		"settings": func() error {
			_, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), auth.ProjectChange{Set: map[string]string{"selfSignUp": "false"}})
			return err
		},
		"key": func() error { _, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin()); return err },
	} {
		if err := call(); !errors.Is(err, errStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.store.tx.Store(nil)
	if u := h.user(up.User.ID); u.Disabled || !h.anyone().Project.Settings.SelfSignUp {
		t.Error("a change without record was kept")
	}
	h.wantAlive(up)
}

// What is given out of a call that failed is nothing: no users to read where the export could not be recorded.
func TestFailedExportGivesNothing(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	defer h.fail("CreateAudit", errStore)()
	users, err := h.admin.ExportUsers(h.ctx, h.asAdmin(), "", 10)
	if err == nil || len(users) != 0 {
		t.Errorf("%d users with their hashes, error %v", len(users), err)
	}
	h.store.tx.Store(nil)
	mails, err := h.store.ListMail(h.ctx, h.id, "", "", 1)
	h.must(err)
	defer h.fail("CreateAudit", errStore)()
	_, msg, err := h.admin.ReadMail(h.ctx, h.asAdmin(), mails[0].ID)
	if err == nil || msg.Text != "" {
		t.Errorf("a mail was read without a record, error %v", err)
	}
	token, err := h.admin.RotateAdminToken(h.ctx, h.asAdmin())
	if err == nil || token != "" {
		t.Errorf("an admin token that does not count was given, error %v", err)
	}
	_, token, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "new", Settings: fast()})
	if err == nil || token != "" {
		t.Errorf("an admin token of no project was given, error %v", err)
	}
	token, err = h.admin.CreateOperatorToken(h.ctx, h.operator(), "new")
	if err == nil || token != "" {
		t.Errorf("an operator token that does not count was given, error %v", err)
	}
}

// A project's own template that stops working falls back to the built-in one: the mail still goes (and says what failed in the log).
func TestTemplateFallback(t *testing.T) {
	h := newHarness(t, documented)
	bad := auth.MailTemplate{Kind: auth.MailResetPassword, Language: "en", Subject: "Reset {{.Nothing}}"}
	h.want(h.admin.PutMailTemplate(h.ctx, h.asAdmin(), bad), auth.CodeInvalidArgument)
	good := auth.MailTemplate{Kind: auth.MailResetPassword, Language: "en", Subject: "Our own subject"}
	h.must(h.admin.PutMailTemplate(h.ctx, h.asAdmin(), good))
	h.signUp(ada)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	if msg := h.message(auth.MailResetPassword, ada); msg.Subject != "Our own subject" {
		t.Errorf("subject %q", msg.Subject)
	}
	bad.Project = h.id
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.PutMailTemplate(h.ctx, bad) })) // as an older version could have stored it
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	msg := h.message(auth.MailResetPassword, ada)
	if msg.Subject == "" || strings.Contains(msg.Subject, "Nothing") {
		t.Errorf("subject %q", msg.Subject)
	}
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.secret(linkOf(t, msg).Query().Get("oobCode")), h.secret(otherPW)))
	if !strings.Contains(h.log.String(), "mail template failed") {
		t.Error("the log does not say that the template failed")
	}
	h.must(h.admin.DeleteMailTemplate(h.ctx, h.asAdmin(), auth.MailResetPassword, "en"))
	h.want(h.admin.DeleteMailTemplate(h.ctx, h.asAdmin(), auth.MailResetPassword, "en"), auth.CodeNotFound)
	for _, wrong := range []auth.MailTemplate{{Kind: "welcome", Language: "en"}, {Kind: auth.MailInvite, Language: "nope nope"}, {Kind: auth.MailInvite}} {
		h.want(h.admin.PutMailTemplate(h.ctx, h.asAdmin(), wrong), auth.CodeInvalidArgument)
	}
}

func TestMailLanguage(t *testing.T) {
	for name, tt := range map[string]struct {
		locale, project string
		want            string // a word of the subject
	}{
		"user's":                  {"de", "fr", "E-Mail"},
		"project's":               {"", "de", "E-Mail"},
		"unknown, then project's": {"tlh", "de", "E-Mail"},
		"not a tag":               {"???", "de", "E-Mail"},
		"region":                  {"de-AT", "en", "E-Mail"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented, with("language", tt.project))
			c := h.anyone()
			if tt.locale != "" {
				c.Languages = []string{tt.locale}
			}
			_, err := h.SignUp(h.ctx, c, auth.SignUpParams{Email: ada, Password: h.secret(goodPW)})
			h.must(err)
			if msg := h.message(auth.MailVerifyEmail, ada); !strings.Contains(msg.Subject, tt.want) {
				t.Errorf("subject %q", msg.Subject)
			}
		})
	}
}

// Reading a mail tells the codes in it, so it is written down; what is sent holds none any more.
func TestMailbox(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	mails, err := h.admin.ListMail(h.ctx, h.asAdmin(), auth.MailQueued, "", 10)
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	_, msg, err := h.admin.ReadMail(h.ctx, h.asAdmin(), mails[0].ID)
	h.must(err)
	h.secret(linkOf(t, msg).Query().Get("oobCode"))
	if records := h.audits(auth.EventMailRead); len(records) != 1 || records[0].Actor != auth.ActorAdmin {
		t.Errorf("audit %+v", records)
	}
	_, _, err = h.admin.ReadMail(h.ctx, h.asAdmin(), "nothing")
	h.want(err, auth.CodeNotFound)
	_, _, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Settings: fast()})
	h.must(err)
	other := h.anyoneOf("other").AsActor(auth.ActorAdmin)
	_, _, err = h.admin.ReadMail(h.ctx, other, mails[0].ID)
	h.want(err, auth.CodeNotFound)
	h.want(h.admin.RequeueMail(h.ctx, h.asAdmin(), mails[0].ID), auth.CodeNotFound) // it is queued
	h.want(h.admin.DeleteMail(h.ctx, other, mails[0].ID), auth.CodeNotFound)
	h.must(h.admin.DeleteMail(h.ctx, h.asAdmin(), mails[0].ID))
	h.want(h.admin.DeleteMail(h.ctx, h.asAdmin(), mails[0].ID), auth.CodeNotFound)
}
