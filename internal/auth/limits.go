package auth

import (
	"cmp"
	"context"
	"time"
)

// signInBudget is one of the budgets that a try to prove a password counts against.
type signInBudget struct {
	key      string
	interval time.Duration
	burst    int
}

// signInBudgets are those of an account from one source, of the account from all sources, looser, so that one guesser cannot lock the owner out, and of the
// source for all accounts.
func signInBudgets(c Caller, account string) []signInBudget {
	set, from := c.Project.Settings, source(c.Addr)
	return []signInBudget{
		{"sign-in/account/" + account + "/" + from, set.SignInAccountInterval, set.SignInAccountBurst},
		{"sign-in/account/" + account, set.SignInAccountInterval / crowd, set.SignInAccountBurst * crowd},
		{"sign-in/source/" + from, set.SignInSourceInterval, set.SignInSourceBurst},
	}
}

// accountName is what limits know an account by.
func accountName(u User) string { return cmp.Or(string(u.Email), string(u.ID)) }

// takeSignInTry counts a try before any secret is checked (P29). refundSignInTry gives it back once the secret was right, so that only failures add up.
func (s *Service) takeSignInTry(ctx context.Context, c Caller, account string) error {
	now := s.now()
	return s.store.Update(ctx, func(tx Tx) error {
		for _, b := range signInBudgets(c, account) {
			if err := takeLimit(ctx, tx, c.Project.ID, b.key, now, b.interval, b.burst); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) refundSignInTry(ctx context.Context, tx Tx, c Caller, account string) error {
	for _, b := range signInBudgets(c, account) {
		if err := tx.RefundLimit(ctx, c.Project.ID, b.key, b.interval); err != nil {
			return err
		}
	}
	return nil
}
