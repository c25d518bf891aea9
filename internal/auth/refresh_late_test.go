package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// Of two refreshes of one token at once, the one that comes second gets nothing for a session that ended in between.
func TestLateRefreshOfAnEndedSession(t *testing.T) {
	h := newHarness(t, rotating)
	up := h.signUp(ada)
	h.meanwhile(func() {
		_, err := h.Refresh(h.ctx, h.anyone(), up.RefreshToken)
		h.must(err)
		h.must(h.store.Store.Update(h.ctx, func(tx auth.Tx) error {
			_, err := tx.RevokeUserSessions(h.ctx, h.id, up.User.ID, "", h.clock.Now())
			return err
		}))
	})
	_, err := h.Refresh(h.ctx, h.anyone(), up.RefreshToken)
	h.want(err, auth.CodeExpiredRefreshToken)
}
