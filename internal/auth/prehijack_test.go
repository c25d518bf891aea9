package auth_test

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// Someone signs up with a victim's address and plants what they can. The moment the victim proves the address, all of it is gone (P2).
func TestPreHijacking(t *testing.T) {
	proofs := map[string]struct {
		options []option
		prove   func(h *harness, planted auth.Tokens)
	}{
		"reset": {[]option{documented}, func(h *harness, _ auth.Tokens) {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
		}},
		"reset by an admin": {[]option{documented}, func(h *harness, planted auth.Tokens) {
			h.must(h.admin.SendReset(h.ctx, h.asAdmin(), planted.User.ID))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
		}},
		"invite": {[]option{documented}, func(h *harness, planted auth.Tokens) {
			h.alter(planted.User.ID, func(u *auth.User) { u.InvitePending = true })
			_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: ada})
			h.must(err)
			h.must(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.code(auth.MailInvite, ada), User: planted.User.ID, NewPassword: h.secret(otherPW)}))
		}},
	}
	for name, tt := range proofs {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, tt.options...)
			planted := h.signUp(ada)
			h.newMails(ada)
			h.identity(planted.User.ID, "mallory-at-google", mallory, true)
			h.identity(planted.User.ID, "unproven-at-google", ada, false)
			h.identity(planted.User.ID, "ada-at-google", ada, true)
			h.set("emailChange", "verified")
			h.must(h.ChangeEmail(h.ctx, h.as(planted.IDToken), mallory))
			change := h.code(auth.MailChangeEmail, mallory)
			h.newMails(ada)

			tt.prove(h, planted)
			u := h.user(planted.User.ID)
			if !u.EmailVerified || u.Email != ada || u.Blocked() {
				t.Errorf("account %q, verified %v, blocked %v", u.Email, u.EmailVerified, u.Blocked())
			}
			h.wantEnded(planted)
			_, err := h.signIn(ada, goodPW)
			h.want(err, auth.CodeWrongPassword)
			h.want(h.ConfirmEmailChange(h.ctx, h.anyone(), change), auth.CodeInvalidOOBCode)
			if got := h.subjects(u.ID); !slices.Equal(got, []string{"ada-at-google"}) {
				t.Errorf("identities that open the account: %v", got)
			}
			_, err = h.signIn(ada, otherPW)
			h.must(err)
		})
	}
}

// Verifying proves the address too. The password stays, for whoever chose it asked for the code; what others joined or are about to change goes.
func TestPreHijackingVerification(t *testing.T) {
	h := newHarness(t, documented)
	planted := h.signUp(ada)
	code := h.code(auth.MailVerifyEmail, ada)
	h.identity(planted.User.ID, "mallory-at-google", mallory, true)
	h.identity(planted.User.ID, "ada-at-google", ada, true)
	h.set("emailChange", "verified")
	h.must(h.ChangeEmail(h.ctx, h.as(planted.IDToken), mallory))
	change := h.code(auth.MailChangeEmail, mallory)

	h.must(h.VerifyEmail(h.ctx, h.anyone(), code, planted.User.ID))
	if got := h.subjects(planted.User.ID); !slices.Equal(got, []string{"ada-at-google"}) {
		t.Errorf("identities that open the account: %v", got)
	}
	h.want(h.ConfirmEmailChange(h.ctx, h.anyone(), change), auth.CodeInvalidOOBCode)
	if u := h.user(planted.User.ID); u.Email != ada {
		t.Errorf("the proven account now belongs to %q", u.Email)
	}
}

// Proving an address of an account that is verified already takes nothing away that its owner joined.
func TestResetOfAVerifiedAccountKeepsIdentities(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.identity(up.User.ID, "ada-at-work", "ada@work.example", true)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	if got := h.subjects(up.User.ID); !slices.Equal(got, []string{"ada-at-work"}) {
		t.Errorf("identities %v", got)
	}
}
