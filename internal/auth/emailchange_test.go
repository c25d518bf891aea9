package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const mallory = "mallory@evil.example"

var verifiedChange = with("emailChange", "verified", "recentSignIn", "5m")

func TestImmediateEmailChange(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), " Grace@Example.ORG"))
	u := h.user(up.User.ID)
	if u.Email != grace || u.EmailVerified {
		t.Errorf("email %q, verified %v", u.Email, u.EmailVerified)
	}
	told := h.message(auth.MailEmailChanged, ada)
	if !strings.Contains(told.Text, grace) {
		t.Error("the old address is not told the new one")
	}
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, grace), up.User.ID))
	if !h.user(up.User.ID).EmailVerified {
		t.Error("the new address cannot be proven")
	}
	_, err := h.signIn(ada, goodPW)
	h.want(err, auth.CodeEmailNotFound)
	_, err = h.signIn(grace, goodPW)
	h.must(err)
}

func TestEmailChangeRefusals(t *testing.T) {
	for _, options := range [][]option{{documented}, {documented, verifiedChange}} {
		h := newHarness(t, options...)
		up := h.verified(ada)
		h.signUp(grace)
		c := h.as(up.IDToken)
		for email, want := range map[string]auth.Code{"": auth.CodeInvalidEmail, "x": auth.CodeInvalidEmail, "GRACE@example.org": auth.CodeEmailInUse, strings.ToUpper(ada): ""} {
			h.want(h.ChangeEmail(h.ctx, c, email), want)
		}
		h.want(h.ChangeEmail(h.ctx, h.anyone(), "new@example.com"), auth.CodeUnauthenticated)
		h.want(h.ChangeEmail(h.ctx, h.asAdmin(), "new@example.com"), auth.CodeUnauthenticated)
		if u := h.user(up.User.ID); u.Email != ada || !u.EmailVerified {
			t.Errorf("email %q, verified %v", u.Email, u.EmailVerified)
		}
		h.wantAlive(up)
	}
}

func TestVerifiedEmailChange(t *testing.T) {
	h := newHarness(t, verifiedChange)
	up := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace))
	if u := h.user(up.User.ID); u.Email != ada || !u.EmailVerified {
		t.Errorf("changed before it is proven: %q, %v", u.Email, u.EmailVerified)
	}
	if msg := h.message(auth.MailEmailChanged, ada); !strings.Contains(msg.Text, grace) {
		t.Error("the old address is not told the new one")
	}
	h.wantAlive(up)
	h.must(h.ConfirmEmailChange(h.ctx, h.anyone(), h.code(auth.MailChangeEmail, grace)))
	if u := h.user(up.User.ID); u.Email != grace || !u.EmailVerified {
		t.Errorf("email %q, verified %v", u.Email, u.EmailVerified)
	}
	h.must(h.TakeBackEmail(h.ctx, h.anyone(), h.code(auth.MailEmailChanged, ada)))
	if u := h.user(up.User.ID); u.Email != ada {
		t.Errorf("taken back to %q", u.Email)
	}
}

func TestEmailChangeNeedsRecentSignIn(t *testing.T) {
	h := newHarness(t, verifiedChange)
	up := h.verified(ada)
	h.clock.Advance(5 * time.Minute)
	h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace))
	h.clock.Advance(time.Second)
	h.want(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace), auth.CodeRecentSignInRequired)
	fresh, err := h.refresh(up.RefreshToken) // a refresh is no sign-in
	h.must(err)
	h.want(h.ChangeEmail(h.ctx, h.as(fresh.IDToken), grace), auth.CodeRecentSignInRequired)
	h.wantDenied(auth.EventEmailChangeAsked, 2)
}

// Two accounts ask for one address: the first to prove it has it.
func TestTwoWantOneAddress(t *testing.T) {
	h := newHarness(t, documented, verifiedChange)
	one, two := h.verified(ada), h.verified(grace)
	h.must(h.ChangeEmail(h.ctx, h.as(one.IDToken), "wanted@example.com"))
	first := h.code(auth.MailChangeEmail, "wanted@example.com")
	h.must(h.ChangeEmail(h.ctx, h.as(two.IDToken), "wanted@example.com"))
	second := h.code(auth.MailChangeEmail, "wanted@example.com")
	h.must(h.ConfirmEmailChange(h.ctx, h.anyone(), first))
	h.want(h.ConfirmEmailChange(h.ctx, h.anyone(), second), auth.CodeEmailInUse)
	if h.user(two.User.ID).Email != grace {
		t.Error("the loser lost its address too")
	}
}

// Whoever has the old address gets the account back from whoever changed it, with nothing of theirs left in it (P2).
func TestTakeBack(t *testing.T) {
	h := newHarness(t, documented)
	owner := h.verified(ada)
	h.identity(owner.User.ID, "owner-at-google", ada, true)
	h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), mallory)) // a thief with the owner's session
	back := h.code(auth.MailEmailChanged, ada)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, mallory), owner.User.ID))
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), mallory))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, mallory), h.secret("the thief's password")))
	thief, err := h.signIn(mallory, "the thief's password")
	h.must(err)
	h.identity(owner.User.ID, "thief-at-google", mallory, true)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), mallory))
	reset := h.code(auth.MailResetPassword, mallory)

	h.must(h.TakeBackEmail(h.ctx, h.anyone(), back))
	u := h.user(owner.User.ID)
	if u.Email != ada || !u.EmailVerified || u.PasswordHash != "" {
		t.Errorf("email %q, verified %v, has password %v", u.Email, u.EmailVerified, u.PasswordHash != "")
	}
	h.wantEnded(thief)
	h.want(h.ResetPassword(h.ctx, h.anyone(), reset, otherPW), auth.CodeInvalidOOBCode)
	for _, email := range []string{ada, mallory} {
		for _, pw := range []string{"the thief's password", goodPW} {
			if _, err := h.signIn(email, pw); err == nil {
				t.Errorf("%s signs in with a password of before", email)
			}
		}
	}
	if slices.Contains(h.subjects(u.ID), "thief-at-google") {
		t.Error("the thief's Google account still opens the account")
	}
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	if _, err := h.signIn(ada, otherPW); err != nil {
		t.Errorf("the owner cannot come back in: %v", err)
	}
	h.want(h.TakeBackEmail(h.ctx, h.anyone(), back), auth.CodeInvalidOOBCode)
}

// A thief who changes the address twice holds a way back too. It dies when the owner takes the account back, and using it first does not take the owner's away.
func TestTakeBackAmongSeveral(t *testing.T) {
	for name, proves := range map[string]bool{"the thief proves the address": true, "the thief only claims it": false} {
		for _, thiefFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/thief first %v", name, thiefFirst), func(t *testing.T) {
				h := newHarness(t, documented)
				owner := h.verified(ada)
				h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), mallory))
				ownersWay := h.code(auth.MailEmailChanged, ada)
				if proves {
					h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, mallory), owner.User.ID))
				}
				h.clock.Advance(time.Minute)
				h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), "second-"+mallory))
				thiefsWay := h.code(auth.MailEmailChanged, mallory)
				h.clock.Advance(time.Minute)
				if thiefFirst {
					h.must(h.TakeBackEmail(h.ctx, h.anyone(), thiefsWay))
				}
				h.must(h.TakeBackEmail(h.ctx, h.anyone(), ownersWay))
				h.want(h.TakeBackEmail(h.ctx, h.anyone(), thiefsWay), auth.CodeInvalidOOBCode)
				if u := h.user(owner.User.ID); u.Email != ada || u.PasswordHash != "" {
					t.Errorf("the account is at %q", u.Email)
				}
			})
		}
	}
}

// An account that was made under an address nobody proved, then moved to a victim's: once the victim proves it, the maker has no way back in (P2).
func TestWayBackOfAClaimEndsWithAProof(t *testing.T) {
	proofs := map[string]func(h *harness, u auth.Tokens){
		"nobody proves it": func(*harness, auth.Tokens) {},
		"reset": func(h *harness, _ auth.Tokens) {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
		},
		"verification": func(h *harness, u auth.Tokens) {
			h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), u.User.ID))
		},
	}
	for name, prove := range proofs {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			maker := h.signUp(mallory)
			h.must(h.ChangeEmail(h.ctx, h.as(maker.IDToken), ada))
			way := h.code(auth.MailEmailChanged, mallory)
			prove(h, maker)
			want, at := auth.CodeInvalidOOBCode, auth.Email(ada)
			if name == "nobody proves it" {
				want, at = "", mallory
			}
			h.want(h.TakeBackEmail(h.ctx, h.anyone(), way), want)
			if u := h.user(maker.User.ID); u.Email != at {
				t.Errorf("the account is at %q, want %q", u.Email, at)
			}
		})
	}
}

// A squatter who did prove the address keeps it: it was free when they did.
func TestTakeBackAgainstAProvenHolder(t *testing.T) {
	h := newHarness(t, documented)
	owner := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), grace))
	way := h.code(auth.MailEmailChanged, ada)
	holder := h.verified(ada)
	h.want(h.TakeBackEmail(h.ctx, h.anyone(), way), auth.CodeEmailInUse)
	if h.user(holder.User.ID).Email != ada || h.user(owner.User.ID).Email != grace {
		t.Error("a refused take-back moved an address")
	}
	h.wantAlive(holder)
}

// The old address is free once it was changed. Someone who merely claims it must not be able to keep its owner out (P2).
func TestTakeBackAgainstASquatter(t *testing.T) {
	h := newHarness(t, documented)
	owner := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), mallory))
	way := h.code(auth.MailEmailChanged, ada)
	if _, err := h.trySignUp(ada, "the squatter's password"); err != nil {
		h.want(err, auth.CodeEmailInUse) // refusing the address while it can be taken back is right as well
	}
	h.must(h.TakeBackEmail(h.ctx, h.anyone(), way))
	if u := h.user(owner.User.ID); u.Email != ada {
		t.Errorf("email %q", u.Email)
	}
}
