package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ConsoleOperator is the account of somebody who may do everything on the instance: a user of the console's project.
type ConsoleOperator struct {
	User
	SecondFactors int // confirmed ones
}

// Operators lists the operators' accounts by their addresses. Only for operators.
func (a *Admin) Operators(ctx context.Context, c Caller) ([]ConsoleOperator, error) {
	if _, err := a.onConsole(ctx, c); err != nil {
		return nil, err
	}
	users, err := allOperators(ctx, a.store)
	if err != nil {
		return nil, err
	}
	operators := make([]ConsoleOperator, len(users))
	for i, u := range users {
		factors, err := confirmedFactors(ctx, a.store, u.Project, u.ID)
		if err != nil {
			return nil, err
		}
		operators[i] = ConsoleOperator{u, len(factors)}
	}
	slices.SortFunc(operators, func(a, b ConsoleOperator) int { return cmp.Compare(a.Email, b.Email) })
	return operators, nil
}

func allOperators(ctx context.Context, r Reader) ([]User, error) {
	var all []User
	var after UserID
	for {
		users, err := r.SearchUsers(ctx, ConsoleProject, UserSearch{After: after, Limit: MaxPage})
		if err != nil {
			return nil, fmt.Errorf("operators: %w", err)
		}
		if len(users) == 0 {
			return all, nil
		}
		all, after = append(all, users...), users[len(users)-1].ID
	}
}

// InviteOperator makes an account that waits for its owner, and gives the one-time link under which that is done, to be handed on; it is mailed, too. A pending invitee gets a
// new link, which voids the old one. Only for operators. It fails with CodeMissingEmail and CodeEmailInUse.
func (a *Admin) InviteOperator(ctx context.Context, c Caller, email string) (o ConsoleOperator, link string, err error) {
	if c, err = a.onConsole(ctx, c); err != nil {
		return ConsoleOperator{}, "", err
	}
	address, err := ParseEmail(email)
	if err != nil {
		return ConsoleOperator{}, "", newError(CodeMissingEmail, "an email address is needed")
	}
	err = a.commitMail(ctx, func(tx Tx) (err error) {
		if o.User, err = a.inviteeOf(ctx, tx, c, address, nil); err != nil {
			return err
		}
		if link, err = a.queueInvite(ctx, tx, c, o.User); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventInvite, OutcomeAllowed, o.ID)
	})
	if errors.Is(err, ErrConflict) || CodeOf(err) == CodeEmailInUse {
		return ConsoleOperator{}, "", a.deny(ctx, c, EventInvite, "", newError(CodeEmailInUse, "there is an operator of this email address already"))
	}
	if err != nil {
		return ConsoleOperator{}, "", err
	}
	return o, link, nil
}

// DisableOperator keeps an operator out and ends the operator's sessions at once. uidOrEmail names it. Only for operators. It fails with CodeNotFound, and with CodeConflict
// where nobody else could sign in to the console, unless the caller holds the data directory.
func (a *Admin) DisableOperator(ctx context.Context, c Caller, uidOrEmail string) (ConsoleOperator, error) {
	return a.switchOperator(ctx, c, uidOrEmail, true)
}

// EnableOperator lets a disabled operator in again. It fails with CodeNotFound.
func (a *Admin) EnableOperator(ctx context.Context, c Caller, uidOrEmail string) (ConsoleOperator, error) {
	return a.switchOperator(ctx, c, uidOrEmail, false)
}

func (a *Admin) switchOperator(ctx context.Context, c Caller, uidOrEmail string, disabled bool) (o ConsoleOperator, err error) {
	err = a.changeOperator(ctx, c, uidOrEmail, disabled, func(tx Tx, c Caller, u User) error {
		changed := u
		changed.Disabled = disabled
		if o.User, err = a.writePatched(ctx, tx, c, u, changed); err != nil {
			return err
		}
		factors, err := confirmedFactors(ctx, tx, u.Project, u.ID)
		o.SecondFactors = len(factors)
		return err
	})
	return o, err
}

// DeleteOperator removes an operator's account. It fails as DisableOperator does.
func (a *Admin) DeleteOperator(ctx context.Context, c Caller, uidOrEmail string) error {
	return a.changeOperator(ctx, c, uidOrEmail, true, func(tx Tx, c Caller, u User) error {
		if err := tx.DeleteUser(ctx, u.Project, u.ID); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventUserDeleted, OutcomeAllowed, u.ID)
	})
}

// ResetOperatorFactors removes the second factors of an operator who lost them, as ResetSecondFactors does, and says how many there were. It fails with CodeNotFound.
func (a *Admin) ResetOperatorFactors(ctx context.Context, c Caller, uidOrEmail string) (int, error) {
	c, err := a.onConsole(ctx, c)
	if err != nil {
		return 0, err
	}
	u, err := operatorNamed(ctx, a.store, uidOrEmail)
	if err != nil {
		return 0, err
	}
	return a.ResetSecondFactors(ctx, c, u.ID)
}

// changeOperator runs change in a transaction. shutsOut says that the operator does not get in any more.
func (a *Admin) changeOperator(ctx context.Context, c Caller, uidOrEmail string, shutsOut bool, change func(tx Tx, c Caller, u User) error) error {
	c, err := a.onConsole(ctx, c)
	if err != nil {
		return err
	}
	return a.store.Update(ctx, func(tx Tx) error {
		u, err := operatorNamed(ctx, tx, uidOrEmail)
		if err != nil {
			return err
		}
		if shutsOut && !c.isLocal() {
			if err := notLastOperator(ctx, tx, u); err != nil {
				return err
			}
		}
		return change(tx, c, u)
	})
}

func operatorNamed(ctx context.Context, r Reader, uidOrEmail string) (u User, err error) {
	if strings.Contains(uidOrEmail, "@") {
		email, parseErr := ParseEmail(uidOrEmail)
		if parseErr != nil {
			return User{}, parseErr
		}
		u, err = r.GetUserByEmail(ctx, ConsoleProject, email)
	} else {
		u, err = r.GetUser(ctx, ConsoleProject, UserID(uidOrEmail))
	}
	return u, notFound(err, "there is no such operator")
}

// notLastOperator refuses where nobody but the user could sign in to the console. A user who cannot either may go.
func notLastOperator(ctx context.Context, r Reader, u User) error {
	if u.Project != ConsoleProject || u.Blocked() {
		return nil
	}
	all, err := allOperators(ctx, r)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(other User) bool { return other.ID != u.ID && !other.Blocked() }) {
		return nil
	}
	return newError(CodeConflict, "this is the last operator who can sign in; invite another one first")
}
