package auth

import (
	"cmp"
	"context"
)

// signInKeys are the limiter keys of one try to prove a password: of the account, by its canonical address, and of where the try comes from.
func signInKeys(c Caller, account string) (accountKey, sourceKey string) {
	return "sign-in/account/" + account, "sign-in/source/" + source(c.Addr)
}

// accountName is what limits know an account by.
func accountName(u User) string { return cmp.Or(string(u.Email), string(u.ID)) }

// takeSignInTry counts a try before any secret is checked (P29). refundSignInTry gives it back once the secret was right, so that only failures add up.
func (s *Service) takeSignInTry(ctx context.Context, c Caller, account string) error {
	accountKey, sourceKey := signInKeys(c, account)
	set, now := c.Project.Settings, s.now()
	return s.store.Update(ctx, func(tx Tx) error {
		if err := takeLimit(ctx, tx, c.Project.ID, accountKey, now, set.SignInAccountInterval, set.SignInAccountBurst); err != nil {
			return err
		}
		return takeLimit(ctx, tx, c.Project.ID, sourceKey, now, set.SignInSourceInterval, set.SignInSourceBurst)
	})
}

func (s *Service) refundSignInTry(ctx context.Context, tx Tx, c Caller, account string) error {
	accountKey, sourceKey := signInKeys(c, account)
	set := c.Project.Settings
	if err := tx.RefundLimit(ctx, c.Project.ID, accountKey, set.SignInAccountInterval); err != nil {
		return err
	}
	return tx.RefundLimit(ctx, c.Project.ID, sourceKey, set.SignInSourceInterval)
}
