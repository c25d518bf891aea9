package auth

import (
	"context"
	"fmt"
)

// SecondFactorsOf lists a user's confirmed second factors, the oldest first, and how many recovery codes are left. It fails with CodeNotFound.
func (a *Admin) SecondFactorsOf(ctx context.Context, c Caller, id UserID) (factors []SecondFactor, recoveryCodes int, err error) {
	if err := c.requireAdmin(); err != nil {
		return nil, 0, err
	}
	if _, err := a.store.GetUser(ctx, c.Project.ID, id); err != nil {
		return nil, 0, notFound(err, "there is no such user")
	}
	if factors, err = confirmedFactors(ctx, a.store, c.Project.ID, id); err != nil {
		return nil, 0, err
	}
	recoveryCodes, err = a.store.CountRecoveryCodes(ctx, c.Project.ID, id)
	return factors, recoveryCodes, err
}

// ResetSecondFactors removes all second factors and recovery codes of a user who lost them, ends the user's sessions and pending sign-ins, and tells the user by mail.
// It says how many factors there were. It fails with CodeNotFound.
func (a *Admin) ResetSecondFactors(ctx context.Context, c Caller, id UserID) (n int, err error) {
	if err := c.requireAdmin(); err != nil {
		return 0, err
	}
	err = a.commitMail(ctx, func(tx Tx) error {
		u, err := tx.GetUser(ctx, c.Project.ID, id)
		if err != nil {
			return err
		}
		if n, err = tx.DeleteSecondFactors(ctx, c.Project.ID, id); err != nil {
			return err
		}
		if err := a.factorsChanged(ctx, tx, c, u, ""); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventSecondFactorsReset, OutcomeAllowed, id, "factors", fmt.Sprint(n))
	})
	return n, notFound(err, "there is no such user")
}
