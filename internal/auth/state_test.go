package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// facts are what keeps an account from signing in (P5).
var facts = map[string]func(*auth.User){
	"disabled":              func(u *auth.User) { u.Disabled = true },
	"invited":               func(u *auth.User) { u.InvitePending = true },
	"verification required": func(u *auth.User) { u.VerificationRequired, u.EmailVerified = true, false },
	"disabled and invited":  func(u *auth.User) { u.Disabled, u.InvitePending = true, true },
	"all": func(u *auth.User) {
		u.Disabled, u.InvitePending, u.VerificationRequired, u.EmailVerified = true, true, true, false
	},
}

// Every way to tokens checks every fact.
func TestNoTokensForBlockedAccounts(t *testing.T) {
	for name, block := range facts {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			c := h.as(up.IDToken)
			h.alter(up.User.ID, block)
			_, err := h.signIn(ada, goodPW)
			h.want(err, auth.CodeUserDisabled)
			_, err = h.refresh(up.RefreshToken)
			h.want(err, auth.CodeUserDisabled)
			_, err = h.AuthenticateUser(h.ctx, c, up.IDToken)
			h.want(err, auth.CodeTokenInvalid)
			h.set("refreshTokenRotation", "true")
			_, err = h.refresh(up.RefreshToken)
			h.want(err, auth.CodeUserDisabled)
			_, err = h.trySignUp(ada, otherPW)
			h.want(err, auth.CodeEmailInUse)
			if u := h.user(up.User.ID); !u.Blocked() {
				t.Error("something of the above freed the account")
			}
			if n := len(h.audits(auth.EventSignIn)); n != 1 {
				t.Errorf("%d records of the refused sign-in", n)
			}
		})
	}
}

// Each flow clears the fact that it owns, and no other.
func TestFlowsClearOnlyTheirFact(t *testing.T) {
	code := func(h *harness, u auth.User, purpose auth.OOBPurpose) string { return h.plantCode(u, purpose) }
	flows := map[string]struct {
		do   func(h *harness, u auth.User) error
		wipe func(u *auth.User) // what the flow may change
	}{
		"verify email": {
			func(h *harness, u auth.User) error {
				return h.VerifyEmail(h.ctx, h.anyone(), code(h, u, auth.PurposeVerifyEmail), u.ID)
			},
			func(u *auth.User) { u.EmailVerified = true },
		},
		"reset password": {
			func(h *harness, u auth.User) error {
				return h.ResetPassword(h.ctx, h.anyone(), code(h, u, auth.PurposeResetPassword), h.secret(otherPW))
			},
			func(u *auth.User) { u.EmailVerified = true },
		},
		"take back email": {
			func(h *harness, u auth.User) error {
				return h.TakeBackEmail(h.ctx, h.anyone(), code(h, u, auth.PurposeTakeBackEmail))
			},
			func(u *auth.User) { u.EmailVerified = true },
		},
		"confirm email change": {
			func(h *harness, u auth.User) error {
				return h.ConfirmEmailChange(h.ctx, h.anyone(), code(h, u, auth.PurposeChangeEmail))
			},
			func(u *auth.User) { u.EmailVerified = true },
		},
		"accept invite": {
			func(h *harness, u auth.User) error {
				err := h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: code(h, u, auth.PurposeInvite), User: u.ID, NewPassword: h.secret(otherPW)})
				if !u.InvitePending && auth.CodeOf(err) != auth.CodeInvalidOOBCode {
					h.t.Errorf("an invite of an account that is not invited: %v", err)
				}
				return nil
			},
			func(u *auth.User) {
				if u.InvitePending {
					u.InvitePending, u.EmailVerified = false, true
				}
			},
		},
		"enable": {
			func(h *harness, u auth.User) error {
				_, err := h.UpdateUser(h.ctx, h.asAdmin(), u.ID, auth.UserPatch{Disabled: ptr(false)})
				return err
			},
			func(u *auth.User) { u.Disabled = false },
		},
		"ask for verification": {
			func(h *harness, u auth.User) error { return h.SendVerification(h.ctx, h.anyone(), string(u.Email)) }, func(*auth.User) {},
		},
		"ask for a reset": {
			func(h *harness, u auth.User) error { return h.SendPasswordReset(h.ctx, h.anyone(), string(u.Email)) }, func(*auth.User) {},
		},
	}
	for name, flow := range flows {
		for fact, block := range facts {
			t.Run(name+"/"+fact, func(t *testing.T) {
				h := newHarness(t, documented)
				up := h.signUp(ada)
				h.alter(up.User.ID, block)
				want := h.user(up.User.ID)
				h.must(flow.do(h, want))
				flow.wipe(&want)
				got := h.user(up.User.ID)
				if got.Disabled != want.Disabled || got.InvitePending != want.InvitePending || got.EmailVerified != want.EmailVerified || got.Blocked() != want.Blocked() {
					t.Errorf("disabled %v, invited %v, verified %v, blocked %v; want %v, %v, %v, %v",
						got.Disabled, got.InvitePending, got.EmailVerified, got.Blocked(), want.Disabled, want.InvitePending, want.EmailVerified, want.Blocked())
				}
			})
		}
	}
}

func TestInviteNeverAltersAnActiveAccount(t *testing.T) {
	for name, change := range map[string]func(*auth.User){
		"active": func(*auth.User) {}, "disabled": facts["disabled"], "unverified": facts["verification required"], "without password": func(u *auth.User) { u.PasswordHash = "" },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			h.alter(up.User.ID, change)
			before := h.user(up.User.ID)
			h.newMails(ada)
			_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: ada})
			h.want(err, auth.CodeEmailInUse)
			if after := h.user(up.User.ID); after.Blocked() != before.Blocked() || after.PasswordHash != before.PasswordHash || !after.UpdatedAt.Equal(before.UpdatedAt) {
				t.Error("the invite changed the account")
			}
			if n := len(h.newMails(ada)); n != 0 {
				t.Errorf("%d mails", n)
			}
		})
	}
}
