package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// refundTx looks at what a refund is done with.
type refundTx struct {
	auth.Tx
	saw func(context.Context, string)
}

func (tx refundTx) RefundLimit(ctx context.Context, p auth.ProjectID, key string, interval time.Duration) error {
	tx.saw(ctx, key)
	return tx.Tx.RefundLimit(ctx, p, key, interval)
}

// A refund waits for the store as long as every change does: with less time a right password would stay counted as a failure under load.
func TestRefundsHaveTheStoresTime(t *testing.T) {
	h := newHarness(t)
	seen := map[string]bool{}
	wrap := func(tx auth.Tx) auth.Tx {
		return refundTx{tx, func(ctx context.Context, key string) {
			seen[strings.SplitN(key, "/", 2)[0]] = true
			if _, bounded := ctx.Deadline(); bounded {
				t.Error("a refund has a deadline of its own")
			}
		}}
	}
	h.store.tx.Store(&wrap)
	h.verified(ada) // whose code counts as a guess until it proves right
	_, err := h.signIn(ada, goodPW)
	h.must(err)
	if !seen["sign-in"] || !seen["guess"] {
		t.Errorf("given back: %v, want both a sign-in and a guess", seen)
	}
}
