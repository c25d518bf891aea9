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
	h.clock.Advance(8 * 24 * time.Hour)
	tokens, err := h.signIn(ada, goodPW)
	h.must(err)
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

	own, _ := h.enrollApp(h.as(in.IDToken)) // the owner's own
	h.newMails(ada)
	h.clock.Advance(8 * 24 * time.Hour)
	in, err = h.complete(h.pending(ada, goodPW), code(own.code()))
	h.must(err)
	h.must(h.ChangePassword(h.ctx, h.as(in.IDToken), goodPW, h.secret(otherPW)))
	h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailPasswordChanged, ada)))
	if factors, err := h.store.ListSecondFactors(h.ctx, h.id, up.User.ID); err != nil || len(factors) != 1 {
		t.Errorf("an older factor went too: %v, %v", factors, err)
	}
}

// A thief who links an account and unlinks it again does not get it back by the owner's own link, whichever of the two the owner uses (P2).
func TestTakingBackRestoresNoStranger(t *testing.T) {
	for name, prepare := range map[string]func(h *harness) auth.Tokens{
		"stolen session": func(h *harness) auth.Tokens { return h.verified(ada) },
		"squatter":       func(h *harness) auth.Tokens { return h.signUp(ada) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			tokens := prepare(h)
			h.identity(tokens.User.ID, "mallory", mallory, true)
			h.clock.Advance(time.Minute)
			h.must(h.UnlinkProvider(h.ctx, h.as(tokens.IDToken), "google.com"))
			h.must(h.TakeBack(h.ctx, h.anyone(), h.code(auth.MailIdentityUnlinked, ada)))
			if got := h.subjects(tokens.User.ID); len(got) != 0 {
				t.Errorf("the owner's link brought back %v", got)
			}
		})
	}
}

// Once the owner has taken the account back, no other link of the same trouble undoes what the owner does next (P7).
func TestOneTakeBackEndsTheOthers(t *testing.T) {
	h := newHarness(t, documented)
	tokens := h.verified(ada)
	h.must(h.ChangePassword(h.ctx, h.as(tokens.IDToken), goodPW, h.secret(otherPW)))
	first := h.code(auth.MailPasswordChanged, ada)
	tokens, err := h.signIn(ada, otherPW)
	h.must(err)
	h.must(h.ChangePassword(h.ctx, h.as(tokens.IDToken), otherPW, goodPW))
	second := h.code(auth.MailPasswordChanged, ada)
	h.must(h.TakeBack(h.ctx, h.anyone(), first))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), goodPW))
	h.want(h.TakeBack(h.ctx, h.anyone(), second), auth.CodeInvalidOOBCode)
	if _, err := h.signIn(ada, goodPW); err != nil {
		t.Errorf("the owner's new password is gone: %v", err)
	}
}

// The factor goes also where time passes between its proof and its mail, and with it recovery codes that a thief renewed.
func TestAddedFactorIsTakenBackLater(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.enrollApp(h.as(up.IDToken))
	first := h.code(auth.MailSecondFactorChanged, ada)
	h.clock.Advance(time.Minute)
	fresh, err := h.RenewRecoveryCodes(h.ctx, h.as(up.IDToken))
	h.must(err)
	h.noteCodes(fresh)
	h.code(auth.MailSecondFactorChanged, ada) // this is told too
	h.must(h.TakeBack(h.ctx, h.anyone(), first))
	if factors, err := h.store.ListSecondFactors(h.ctx, h.id, up.User.ID); err != nil || len(factors) != 0 {
		t.Errorf("factors: %v, %v", factors, err)
	}
	if left, err := h.store.CountRecoveryCodes(h.ctx, h.id, up.User.ID); err != nil || left != 0 {
		t.Errorf("%d recovery codes, %v", left, err)
	}
}

// A thief moves the account to an own address, proves that, and moves it back. The owner, who resets the password, keeps the account, and the thief's way back is gone (P2).
func TestDetourLeavesTheOwnerTheAccount(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), mallory))
	link := linkOf(t, h.message(auth.MailVerifyEmail, mallory))
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), up.User.ID))
	h.clock.Advance(time.Minute)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), ada))
	if links := mail.Links(h.message(auth.MailEmailChanged, mallory)); len(links) > 0 {
		t.Errorf("the detour has a way back: %v", links)
	}
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	in, err := h.signIn(ada, otherPW)
	h.must(err)
	if in.User.ID != up.User.ID {
		t.Error("the owner has another account than before")
	}
}

// What an admin sets right stays right: links that went out before are dead.
func TestAdminsRescueStays(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), mallory))
	link := linkOf(t, h.message(auth.MailVerifyEmail, mallory))
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), up.User.ID))
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), "third@example.com"))
	thiefs := h.code(auth.MailEmailChanged, mallory)
	email, verified, pw := ada, true, h.secret(otherPW)
	_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Email: &email, EmailVerified: &verified, Password: &pw})
	h.must(err)
	h.want(h.TakeBackEmail(h.ctx, h.anyone(), thiefs), auth.CodeInvalidOOBCode)
}

// Signing out ends a wish for another address, and sign-ins that wait for their second factor (P7).
func TestSigningOutEndsWhatWasBegun(t *testing.T) {
	ends := map[string]func(h *harness, c auth.Caller) error{
		"everywhere": func(h *harness, c auth.Caller) error { return h.SignOutEverywhere(h.ctx, c, true) },
		"admin": func(h *harness, c auth.Caller) error {
			u, _ := c.User()
			_, err := h.admin.RevokeUserSessions(h.ctx, h.asAdmin(), u.ID)
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			up := h.verified(ada)
			c := h.as(up.IDToken)
			h.must(h.ChangeEmail(h.ctx, c, mallory))
			wish := h.code(auth.MailChangeEmail, mallory)
			h.must(end(h, c))
			h.want(h.ConfirmEmailChange(h.ctx, h.anyone(), wish), auth.CodeInvalidOOBCode)
		})
	}
}

// An older code for an own address must not tell whether a later wish was for a taken one (P28).
func TestOlderWishDoesNotTell(t *testing.T) {
	for _, email := range []string{grace, "free@example.com"} {
		h := newHarness(t)
		h.importUser(grace)
		up := h.verified(ada)
		h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), mallory))
		first := h.code(auth.MailChangeEmail, mallory)
		h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), email))
		h.want(h.ConfirmEmailChange(h.ctx, h.anyone(), first), auth.CodeInvalidOOBCode)
	}
}

// An address that a provider spells with other letters than its canonical form may be another mailbox (P3).
func TestProvidersSpelling(t *testing.T) {
	for address, joins := range map[string]bool{"vic@example.com": true, "VIC@Example.com": true, "V\u0130C@example.com": false, "\uff56ic@example.com": false} {
		r := newProviderRig(t)
		r.google()
		holder := r.signUp("vic@example.com")
		u := holder.User
		u.EmailVerified = true
		if err := r.store.Update(t.Context(), func(tx auth.Tx) error { return tx.UpdateUser(t.Context(), u) }); err != nil {
			t.Fatal(err)
		}
		r.idp.users["who"] = auth.ExternalIdentity{Subject: "1", Email: address, EmailVerified: true}
		got, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("who"))
		if err != nil || (got.IDToken != "" && got.User.ID == holder.User.ID) != joins {
			t.Errorf("%q: joined %v, %v", address, got.User.ID == holder.User.ID, err)
		}
	}
}
