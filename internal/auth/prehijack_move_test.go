package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// Mallory moves a verified account to Dora's address. Dora, who resets a password there, gets an account of her own, and Mallory's way back leads to nothing of hers (P2).
func TestPreHijackingByMovedAccount(t *testing.T) {
	const dora = "dora@example.com"
	h := newHarness(t, documented)
	moved := h.verified(mallory)
	h.must(h.ChangeEmail(h.ctx, h.as(moved.IDToken), dora))
	wayBack := h.code(auth.MailEmailChanged, mallory)

	h.must(h.SendPasswordReset(h.ctx, h.anyone(), dora))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, dora), h.secret(otherPW)))
	tokens, err := h.signIn(dora, otherPW)
	h.must(err)
	if tokens.User.ID == moved.User.ID || !tokens.User.EmailVerified {
		t.Errorf("Dora is in the account %s of Mallory, verified %v", tokens.User.ID, tokens.User.EmailVerified)
	}
	h.wantEnded(moved)
	h.want(h.TakeBackEmail(h.ctx, h.anyone(), wayBack), auth.CodeInvalidOOBCode)
	if u := h.user(moved.User.ID); u.Email != mallory || !u.EmailVerified {
		t.Errorf("Mallory's account is at %q, verified %v", u.Email, u.EmailVerified)
	}
	if _, err := h.signIn(dora, otherPW); err != nil {
		t.Errorf("Dora is shut out: %v", err)
	}
	if _, err := h.signIn(mallory, goodPW); err != nil {
		t.Errorf("Mallory has lost the account: %v", err)
	}
}

// Where sign-up is closed the account goes back to its owner all the same, and nobody gets one that they were not invited to (P5).
func TestMovedAccountOpensNoDoor(t *testing.T) {
	const dora = "dora@example.com"
	h := newHarness(t, documented)
	moved := h.verified(mallory)
	h.must(h.ChangeEmail(h.ctx, h.as(moved.IDToken), dora))
	h.set("selfSignUp", "false")
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), dora))
	h.want(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, dora), h.secret(otherPW)), auth.CodeSignUpOff)
	_, err := h.signIn(dora, otherPW)
	h.want(err, auth.CodeEmailNotFound)
	if u := h.user(moved.User.ID); u.Email != mallory || !u.EmailVerified {
		t.Errorf("Mallory's account is at %q, verified %v", u.Email, u.EmailVerified)
	}
}
