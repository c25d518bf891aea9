package auth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// BulkAction is what is done to many users at once.
type BulkAction string

// The actions, each as the method for one user does it.
const (
	BulkDisable          BulkAction = "disable"
	BulkEnable           BulkAction = "enable"
	BulkEndSessions      BulkAction = "endSessions"
	BulkSendReset        BulkAction = "sendReset"
	BulkSendVerification BulkAction = "sendVerification"
	BulkAddRole          BulkAction = "addRole"
	BulkRemoveRole       BulkAction = "removeRole"
	BulkDelete           BulkAction = "delete"
)

// BulkActions lists them.
func BulkActions() []BulkAction {
	return []BulkAction{BulkDisable, BulkEnable, BulkEndSessions, BulkSendReset, BulkSendVerification, BulkAddRole, BulkRemoveRole, BulkDelete}
}

// MaxBulk bounds the users of one call.
const MaxBulk = 1000

// bulkWorkers is how many users are changed side by side: a store commits what waits together.
const bulkWorkers = 8

// BulkParams say what is done, and to whom. Role, a name or uid, is for BulkAddRole and BulkRemoveRole only.
type BulkParams struct {
	Action BulkAction
	Users  []UserID
	Role   string
}

// BulkResult is what became of one user. Refused is nil where it was done.
type BulkResult struct {
	User    UserID
	Refused *Error
}

// BulkUsers does the same to many users, each in a transaction and with an audit record of its own, and gives the result of each in their order; a user who is named twice
// counts once. It fails as a whole, and does nothing then, with CodeInvalidArgument and CodeAdminRequired.
func (a *Admin) BulkUsers(ctx context.Context, c Caller, params BulkParams) ([]BulkResult, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if err := c.notConsole(); err != nil {
		return nil, err
	}
	users := eachOnce(params.Users)
	if len(users) == 0 || len(users) > MaxBulk {
		return nil, invalidArgument("users", fmt.Sprintf("name 1 to %d users", MaxBulk))
	}
	do, err := a.bulkAction(ctx, c, params)
	if err != nil {
		return nil, err
	}
	return a.bulk(ctx, users, do), nil
}

// eachOnce keeps the first of those that are there twice.
func eachOnce(users []UserID) []UserID {
	seen := make(map[UserID]bool, len(users))
	once := make([]UserID, 0, len(users))
	for _, id := range users {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}

func (a *Admin) bulk(ctx context.Context, users []UserID, do func(UserID) error) []BulkResult {
	results := make([]BulkResult, len(users))
	places := make(chan int)
	var workers sync.WaitGroup
	for range min(bulkWorkers, len(users)) {
		workers.Go(func() {
			for i := range places {
				results[i] = BulkResult{users[i], a.bulkOne(ctx, users[i], do)}
			}
		})
	}
	for i := range users {
		places <- i
	}
	close(places)
	workers.Wait()
	return results
}

// bulkOne gives the refusal of one user, nil for none. A failure of the store is told as such, and does not hide what became of the others.
func (a *Admin) bulkOne(ctx context.Context, id UserID, do func(UserID) error) *Error {
	if ctx.Err() != nil {
		return &Error{Code: CodeUnavailable, Message: "the call ended before it was this user's turn", cause: ctx.Err()}
	}
	err := caught(func() error { return do(id) })
	if err == nil {
		return nil
	}
	refused := AsError(err)
	if refused.Code == CodeInternal {
		a.log.ErrorContext(ctx, "a change of many users failed for one", slog.String("uid", string(id)), slog.Any("error", err))
	}
	return refused
}

// caught makes an error of a panic, which outside of a request's own goroutine would end the process (P46). Of its value only the type is told: it may be a secret.
func caught(do func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic with a value of type %T\n%s", value, debug.Stack())
		}
	}()
	return do()
}

// bulkAction gives what is done to each. It fails with CodeInvalidArgument.
func (a *Admin) bulkAction(ctx context.Context, c Caller, params BulkParams) (func(UserID) error, error) {
	patch := func(patch UserPatch) func(UserID) error {
		return func(id UserID) error {
			_, err := a.UpdateUser(ctx, c, id, patch)
			return err
		}
	}
	withRole := params.Action == BulkAddRole || params.Action == BulkRemoveRole
	if withRole != (params.Role != "") {
		return nil, invalidArgument("role", fmt.Sprintf("a role is for %s and %s, which need one", BulkAddRole, BulkRemoveRole))
	}
	if withRole {
		if _, err := resolveRoles(ctx, a.store, c.Project.ID, []string{params.Role}); err != nil {
			return nil, err
		}
	}
	yes, no := true, false
	switch params.Action {
	case BulkDisable:
		return patch(UserPatch{Disabled: &yes}), nil
	case BulkEnable:
		return patch(UserPatch{Disabled: &no}), nil
	case BulkAddRole:
		return patch(UserPatch{AddRoles: []string{params.Role}}), nil
	case BulkRemoveRole:
		return patch(UserPatch{RemoveRoles: []string{params.Role}}), nil
	case BulkEndSessions:
		return func(id UserID) error { _, err := a.RevokeUserSessions(ctx, c, id); return err }, nil
	case BulkSendReset:
		return func(id UserID) error { return a.SendReset(ctx, c, id) }, nil
	case BulkSendVerification:
		return func(id UserID) error { return a.SendVerificationTo(ctx, c, id) }, nil
	case BulkDelete:
		return func(id UserID) error { return a.DeleteUser(ctx, c, id) }, nil
	}
	return nil, invalidArgument("action", fmt.Sprintf("%q is no action on users", clip(string(params.Action), 40)))
}

// SendVerificationTo mails a user the link that proves the address, in an admin's name. It fails with CodeNoUserForID, and with CodeInvalidArgument where there is nothing to
// prove: no address, one that is verified, or an invite that waits and proves it anyway.
func (a *Admin) SendVerificationTo(ctx context.Context, c Caller, id UserID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	u, err := a.userByID(ctx, c, id)
	if err != nil {
		return err
	}
	switch {
	case u.Email.IsZero():
		return invalidArgument("uid", "the user has no email address")
	case u.EmailVerified:
		return invalidArgument("uid", "the user's email address is verified already")
	case u.InvitePending:
		return invalidArgument("uid", "the user is invited; accepting the invite verifies the email address")
	}
	return a.commitMail(ctx, func(tx Tx) error {
		if err := a.sendVerification(ctx, tx, c, u, true); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventVerifyRequested, OutcomeAllowed, u.ID)
	})
}
