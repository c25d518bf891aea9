package auth_test

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The wall clock is set back and forth by an hour: what was revoked or used up stays so, nobody is shut out, and sign-ins go on (P53).
func TestClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			verify := h.code(auth.MailVerifyEmail, ada)
			h.must(h.VerifyEmail(h.ctx, h.anyone(), verify, up.User.ID))
			revoked, err := h.signIn(ada, goodPW)
			h.must(err)
			session := auth.SessionID(claims(t, revoked.IDToken)["sid"].(string))
			h.must(h.SignOut(h.ctx, h.as(revoked.IDToken), session))
			for range 3 { // the limits of the account and the source are in use
				_, err := h.signIn(ada, otherPW)
				h.want(err, auth.CodeWrongPassword)
			}

			h.clock.Advance(jump)
			h.wantEnded(revoked)
			h.want(h.VerifyEmail(h.ctx, h.anyone(), verify, up.User.ID), auth.CodeInvalidOOBCode)
			if alive, _ := h.alive(up); alive {
				t.Error("an id token counts that was issued in the future, or is over")
			}
			again, err := h.refresh(up.RefreshToken)
			h.must(err)
			h.wantAlive(again)
			in, err := h.signIn(ada, goodPW)
			h.must(err)
			h.wantAlive(in)
			_, err = h.trySignUp("bob@example.com", goodPW)
			h.must(err)
		})
	}
}
