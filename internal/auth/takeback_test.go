package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
)

// A change of password is told to its address, with a link that ends everything the change gave (P22).
func TestPasswordChangeIsTakenBack(t *testing.T) {
	h := newHarness(t)
	h.verified(ada)
	tokens, err := h.signIn(ada, goodPW)
	h.must(err)
	h.must(h.ChangePassword(h.ctx, h.as(tokens.IDToken), goodPW, h.secret(otherPW)))
	wayBack := h.code(auth.MailPasswordChanged, ada)
	thief, err := h.signIn(ada, otherPW)
	h.must(err)
	h.must(h.TakeBack(h.ctx, h.anyone(), wayBack))
	h.wantEnded(thief)
	_, err = h.signIn(ada, otherPW)
	h.want(err, auth.CodeInvalidCredentials)
	h.want(h.TakeBack(h.ctx, h.anyone(), wayBack), auth.CodeInvalidOOBCode)
	const newest = "a third phrase for a new start"
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(newest)))
	_, err = h.signIn(ada, newest)
	h.must(err)
	if got := len(h.audits(auth.EventTakenBack)); got != 2 {
		t.Errorf("%d records of taking back, want one allowed and one refused", got)
	}
}

// A reset is a change of password too, also when an admin sets it; what an admin did cannot be taken back.
func TestEveryPasswordChangeIsTold(t *testing.T) {
	h := newHarness(t)
	tokens := h.verified(ada)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	h.code(auth.MailPasswordChanged, ada)
	pw := goodPW
	_, err := h.UpdateUser(h.ctx, h.asAdmin(), tokens.User.ID, auth.UserPatch{Password: &pw})
	h.must(err)
	if links := mail.Links(h.message(auth.MailPasswordChanged, ada)); len(links) != 0 {
		t.Errorf("an admin's change has the links %v", links)
	}
}

// Whoever proves by taking back that an unproven account's address is theirs gets it clean (P2).
func TestTakingBackProvesTheAddress(t *testing.T) {
	h := newHarness(t, documented)
	squatter := h.signUp(ada)
	h.identity(squatter.User.ID, "planted", mallory, true)
	h.must(h.ChangePassword(h.ctx, h.as(squatter.IDToken), goodPW, h.secret(otherPW)))
	h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailPasswordChanged, ada)))
	u := h.user(squatter.User.ID)
	if !u.EmailVerified || u.PasswordHash != "" || len(h.subjects(u.ID)) != 0 {
		t.Errorf("after taking back: verified %v, password %v, identities %v", u.EmailVerified, u.PasswordHash != "", h.subjects(u.ID))
	}
	_, err := h.signIn(ada, otherPW)
	h.want(err, auth.CodeWrongPassword)
}

// An account that was moved to a stranger's address is not given to the stranger who takes a change of it back.
func TestTakingBackAMovedAccount(t *testing.T) {
	const dora = "dora@example.com"
	h := newHarness(t, documented)
	moved := h.verified(mallory)
	h.must(h.ChangeEmail(h.ctx, h.as(moved.IDToken), dora))
	h.must(h.ChangePassword(h.ctx, h.as(moved.IDToken), goodPW, h.secret(otherPW)))
	h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailPasswordChanged, dora)))
	if u := h.user(moved.User.ID); u.Email != mallory || u.PasswordHash == "" {
		t.Errorf("the account is at %q, with a password %v", u.Email, u.PasswordHash != "")
	}
}

// A link dies with the address that it was sent to, and is good in its own project only.
func TestWayBackIsBound(t *testing.T) {
	h := newHarness(t, documented)
	tokens := h.verified(ada)
	h.must(h.ChangePassword(h.ctx, h.as(tokens.IDToken), goodPW, h.secret(otherPW)))
	wayBack := h.code(auth.MailPasswordChanged, ada)
	h.want(h.TakeBackEmail(h.ctx, h.anyone(), wayBack), auth.CodeInvalidOOBCode)
	h.want(h.ResetPassword(h.ctx, h.anyone(), wayBack, goodPW), auth.CodeInvalidOOBCode)
	h.alter(tokens.User.ID, func(u *auth.User) { u.Email = grace })
	h.want(h.TakeBack(h.ctx, h.anyone(), wayBack), auth.CodeInvalidOOBCode)
	h.alter(tokens.User.ID, func(u *auth.User) { u.Email = ada })
	h.clock.Advance(8 * 24 * time.Hour)
	h.want(h.TakeBack(h.ctx, h.anyone(), wayBack), auth.CodeExpiredOOBCode)
}

// Linking and unlinking are told and taken back.
func TestIdentityChangesAreTakenBack(t *testing.T) {
	h := newHarness(t)
	tokens := h.verified(ada)
	h.identity(tokens.User.ID, "hers", ada, true)
	h.must(h.UnlinkProvider(h.ctx, h.as(tokens.IDToken), "google.com"))
	msg := h.message(auth.MailIdentityUnlinked, ada)
	if !strings.Contains(msg.Text, "Google") || strings.Contains(msg.Text, "google.com") {
		t.Errorf("the mail says %q", msg.Text)
	}
	h.must(h.TakeBack(h.ctx, h.anyone(), h.secret(linkOf(t, msg).Query().Get("oobCode"))))
	if got := h.subjects(tokens.User.ID); len(got) != 1 || got[0] != "hers" {
		t.Errorf("identities after taking back: %v", got)
	}
	h.wantEnded(tokens)
}

// Whoever got into an account and added a factor of their own is thrown out with it; the owner's own stays.
func TestAddedFactorIsTakenBack(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.enrollApp(h.as(up.IDToken))
	h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailSecondFactorChanged, ada)))
	h.wantEnded(up)
	if factors, err := h.store.ListSecondFactors(h.ctx, h.id, up.User.ID); err != nil || len(factors) != 0 {
		t.Errorf("factors after taking back: %v, %v", factors, err)
	}
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), goodPW))
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	if in.IDToken == "" {
		t.Error("the owner is asked for a factor that somebody else added")
	}

	h.enrollApp(h.as(in.IDToken)) // the owner's own
	h.newMails(ada)
	h.clock.Advance(time.Minute)
	h.must(h.ChangePassword(h.ctx, h.as(in.IDToken), goodPW, h.secret(otherPW)))
	h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailPasswordChanged, ada)))
	if factors, err := h.store.ListSecondFactors(h.ctx, h.id, up.User.ID); err != nil || len(factors) != 1 {
		t.Errorf("an older factor went too: %v, %v", factors, err)
	}
}
