package auth

import (
	"context"
)

// signInKeys are the limiter keys of one try to sign in.
func signInKeys(c Caller, email Email) (account, source_ string) {
	return "sign-in/account/" + string(email), "sign-in/source/" + source(c.Addr)
}

// takeSignInTry counts a try before any secret is checked (P29). refundSignInTry gives it back once the secret was right, so that only failures add up.
func (s *Service) takeSignInTry(ctx context.Context, c Caller, email Email) error {
	account, from := signInKeys(c, email)
	set, now := c.Project.Settings, s.now()
	return s.store.Update(ctx, func(tx Tx) error {
		if err := takeLimit(ctx, tx, c.Project.ID, account, now, set.SignInAccountInterval, set.SignInAccountBurst); err != nil {
			return err
		}
		return takeLimit(ctx, tx, c.Project.ID, from, now, set.SignInSourceInterval, set.SignInSourceBurst)
	})
}

func (s *Service) refundSignInTry(ctx context.Context, tx Tx, c Caller, email Email) error {
	account, from := signInKeys(c, email)
	set := c.Project.Settings
	if err := tx.RefundLimit(ctx, c.Project.ID, account, set.SignInAccountInterval); err != nil {
		return err
	}
	return tx.RefundLimit(ctx, c.Project.ID, from, set.SignInSourceInterval)
}
