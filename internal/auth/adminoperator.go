package auth

import (
	"context"
	"errors"
	"regexp"

	"github.com/doorward/doorward/internal/token"
)

var operatorNamePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

// CreateOperatorToken makes a credential for the whole instance and gives it, which is told this once. It fails with CodeInvalidArgument and CodeConflict.
func (a *Admin) CreateOperatorToken(ctx context.Context, c Caller, name string) (string, error) {
	if err := c.requireOperator(); err != nil {
		return "", err
	}
	if !operatorNamePattern.MatchString(name) || name == localOperator {
		return "", invalidArgument("name", "an operator token's name has 1 to 40 of a-z, 0-9 and . _ -, and is not local")
	}
	plain, err := token.NewOpaque("dw_operator_", 32, a.rand)
	if err != nil {
		return "", err
	}
	c.Project = nil
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := tx.CreateOperatorToken(ctx, OperatorToken{Name: name, Hash: token.Hash(plain), CreatedAt: a.now()}); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventOperatorCreated, OutcomeAllowed, "", "name", name)
	})
	if errors.Is(err, ErrConflict) {
		return "", newError(CodeConflict, "there is an operator token of this name already")
	}
	if err != nil {
		return "", err
	}
	return plain, nil
}

// OperatorTokens lists the instance's operator tokens, without their hashes.
func (a *Admin) OperatorTokens(ctx context.Context, c Caller) ([]OperatorToken, error) {
	if err := c.requireOperator(); err != nil {
		return nil, err
	}
	tokens, err := a.store.ListOperatorTokens(ctx)
	for i := range tokens {
		tokens[i].Hash = nil
	}
	return tokens, err
}

// DeleteOperatorToken ends a credential at once. It fails with CodeNotFound.
func (a *Admin) DeleteOperatorToken(ctx context.Context, c Caller, name string) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	c.Project = nil
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteOperatorToken(ctx, name); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventOperatorDeleted, OutcomeAllowed, "", "name", name)
	})
	return notFound(err, "there is no operator token of this name")
}
