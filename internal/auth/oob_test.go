package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// flow is one kind of one-time code: how to get one, and how to use it.
type flow struct {
	name string
	ttl  time.Duration
	// issue sends a code for the user that starts with the address and gives it.
	issue func(h *harness, u auth.Tokens, email string) string
	use   func(h *harness, code string, u auth.UserID) error
}

var flows = []flow{
	{"verify", 24 * time.Hour,
		func(h *harness, _ auth.Tokens, email string) string {
			h.newMails(email)
			h.must(h.SendVerification(h.ctx, h.anyone(), email))
			return h.code(auth.MailVerifyEmail, email)
		},
		func(h *harness, code string, u auth.UserID) error { return h.VerifyEmail(h.ctx, h.anyone(), code, u) }},
	{"reset", time.Hour,
		func(h *harness, _ auth.Tokens, email string) string {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), email))
			return h.code(auth.MailResetPassword, email)
		},
		func(h *harness, code string, _ auth.UserID) error {
			return h.ResetPassword(h.ctx, h.anyone(), code, h.secret(otherPW))
		}},
	{"change email", 24 * time.Hour,
		func(h *harness, u auth.Tokens, _ string) string {
			h.set("emailChange", "verified")
			h.must(h.ChangeEmail(h.ctx, h.as(u.IDToken), "new-"+ada))
			return h.code(auth.MailChangeEmail, "new-"+ada)
		},
		func(h *harness, code string, _ auth.UserID) error {
			return h.ConfirmEmailChange(h.ctx, h.anyone(), code)
		}},
	{"take back email", 30 * 24 * time.Hour,
		func(h *harness, u auth.Tokens, email string) string {
			h.set("emailChange", "immediate")
			h.must(h.ChangeEmail(h.ctx, h.as(u.IDToken), "newer-"+ada))
			return h.code(auth.MailEmailChanged, email)
		},
		func(h *harness, code string, _ auth.UserID) error { return h.TakeBackEmail(h.ctx, h.anyone(), code) }},
	{"invite", 7 * 24 * time.Hour,
		func(h *harness, _ auth.Tokens, _ string) string {
			_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: "invitee@example.com"})
			h.must(err)
			return h.code(auth.MailInvite, "invitee@example.com")
		},
		func(h *harness, code string, u auth.UserID) error {
			if invitee, err := h.store.GetUserByEmail(h.ctx, h.id, "invitee@example.com"); err == nil {
				u = invitee.ID
			}
			return h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: code, User: u, NewPassword: h.secret(otherPW)})
		}},
}

// Each code works once, for its own purpose, and not after its time (P7, P23).
func TestCodes(t *testing.T) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			t.Run("once", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				h.must(f.use(h, code, u.User.ID))
				h.want(f.use(h, code, u.User.ID), auth.CodeInvalidOOBCode)
				if len(code) < 43 {
					t.Errorf("a code of %d characters has less than 256 bits", len(code))
				}
			})
			t.Run("other purposes", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				for _, other := range flows {
					if other.name != f.name {
						h.want(other.use(h, code, u.User.ID), auth.CodeInvalidOOBCode)
					}
				}
				h.must(f.use(h, code, u.User.ID))
			})
			t.Run("in full only", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				for _, wrong := range []string{code[:len(code)-1], code + "A", " " + code, code + "\x00", strings.ToLower(code), strings.Repeat("\xff", 43), h.adminToken, u.RefreshToken} {
					if wrong == code {
						continue
					}
					h.want(f.use(h, wrong, u.User.ID), auth.CodeInvalidOOBCode)
				}
				h.must(f.use(h, code, u.User.ID))
			})
			t.Run("expiry", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				h.clock.Advance(f.ttl)
				h.want(f.use(h, code, u.User.ID), auth.CodeExpiredOOBCode)
				h.clock.Advance(-time.Millisecond)
				h.must(f.use(h, code, u.User.ID))
			})
			t.Run("a newer one voids it", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				first := f.issue(h, u, ada)
				if f.name == "take back email" {
					return // each change has its own way back; see TestTakeBack
				}
				second := f.issue(h, u, ada)
				h.want(f.use(h, first, u.User.ID), auth.CodeInvalidOOBCode)
				h.must(f.use(h, second, u.User.ID))
			})
			t.Run("race", func(t *testing.T) {
				h := newHarness(t, documented, crowd)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				h.store.once.Store(true)
				errs := make([]error, 20)
				each(len(errs), func(i int) { errs[i] = f.use(h, code, u.User.ID) })
				used := 0
				for _, err := range errs {
					if err == nil {
						used++
					} else {
						h.want(err, auth.CodeInvalidOOBCode)
					}
				}
				if used != 1 {
					t.Errorf("used %d times, want 1", used)
				}
			})
			t.Run("user deleted", func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				users, err := h.store.SearchUsers(h.ctx, h.id, auth.UserSearch{Limit: 10})
				h.must(err)
				for _, user := range users {
					h.must(h.DeleteUser(h.ctx, h.asAdmin(), user.ID))
				}
				if code := auth.CodeOf(f.use(h, code, u.User.ID)); code != auth.CodeInvalidOOBCode && code != auth.CodeNoUserForID {
					t.Errorf("code %q", code)
				}
			})
		})
	}
}

// A code belongs to its user: with another's uid it does nothing, and stays good.
func TestCodesOfAnotherUser(t *testing.T) {
	h := newHarness(t, documented)
	one, two := h.signUp(ada), h.signUp(grace)
	code := h.code(auth.MailVerifyEmail, ada)
	h.want(h.VerifyEmail(h.ctx, h.anyone(), code, two.User.ID), auth.CodeInvalidOOBCode)
	h.want(h.VerifyEmail(h.ctx, h.anyone(), code, ""), auth.CodeNoUserForID)
	h.want(h.VerifyEmail(h.ctx, h.anyone(), "", one.User.ID), auth.CodeInvalidOOBCode)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), code, one.User.ID))
	if h.user(two.User.ID).EmailVerified {
		t.Error("the other user's email is verified")
	}
}

// Codes die when the credentials, the email or the state of the account change (P7).
func TestCodesDieWithChanges(t *testing.T) {
	changes := map[string]func(h *harness, u auth.Tokens){
		"password change": func(h *harness, u auth.Tokens) {
			h.must(h.ChangePassword(h.ctx, h.as(u.IDToken), goodPW, h.secret("yet another phrase")))
		},
		"password by admin": func(h *harness, u auth.Tokens) {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), u.User.ID, auth.UserPatch{Password: ptr(h.secret("yet another phrase"))})
			h.must(err)
		},
		"email by admin": func(h *harness, u auth.Tokens) {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), u.User.ID, auth.UserPatch{Email: ptr("moved@example.com")})
			h.must(err)
		},
		"email change": func(h *harness, u auth.Tokens) {
			h.set("emailChange", "immediate")
			h.must(h.ChangeEmail(h.ctx, h.as(u.IDToken), "moved@example.com"))
		},
		"disabled": func(h *harness, u auth.Tokens) {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), u.User.ID, auth.UserPatch{Disabled: ptr(true)})
			h.must(err)
		},
		"password reset": func(h *harness, u auth.Tokens) {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret("yet another phrase")))
		},
	}
	for name, change := range changes {
		for _, f := range flows[:3] {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				h := newHarness(t, documented)
				u := h.signUp(ada)
				code := f.issue(h, u, ada)
				change(h, u)
				h.want(f.use(h, code, u.User.ID), auth.CodeInvalidOOBCode)
			})
		}
	}
}

// A code counts only for the address that it was sent to, even where nothing voided it when the address changed.
func TestCodesAreBoundToTheirAddress(t *testing.T) {
	for _, f := range []flow{flows[0], flows[1]} {
		t.Run(f.name, func(t *testing.T) {
			h := newHarness(t, documented)
			u := h.signUp(ada)
			code := f.issue(h, u, ada)
			h.alter(u.User.ID, func(u *auth.User) { u.Email = grace })
			h.want(f.use(h, code, u.User.ID), auth.CodeInvalidOOBCode)
			if h.user(u.User.ID).EmailVerified {
				t.Error("a code for one address proved another")
			}
			h.alter(u.User.ID, func(u *auth.User) { u.Email = ada })
			h.must(f.use(h, code, u.User.ID)) // the refusal did not use it up
		})
	}
}
