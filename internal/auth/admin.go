package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Admin is what operators can do: of one project with its admin token, of the whole instance with an operator token.
type Admin struct {
	*Service
}

// NewAdmin makes the operators' half over the same domain.
func NewAdmin(s *Service) *Admin { return &Admin{s} }

// Page sizes of lists.
const (
	DefaultPage = 50
	MaxPage     = 1000
)

// PageSize gives the number of rows for a wish; 0 is the default. It fails with CodeInvalidArgument.
func PageSize(wish int) (int, error) {
	if wish == 0 {
		return DefaultPage, nil
	}
	if wish < 1 || wish > MaxPage {
		return 0, invalidArgument("limit", fmt.Sprintf("limit is 1 to %d", MaxPage))
	}
	return wish, nil
}

// SearchUsers finds users of the project in the order of their uids.
func (a *Admin) SearchUsers(ctx context.Context, c Caller, search UserSearch) ([]User, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.SearchUsers(ctx, c.Project.ID, search)
}

// CreateUserParams are what an admin creates an account with. Password may be "": then the user comes in by a reset link or a provider.
type CreateUserParams struct {
	Email    string
	Password string
	UserPatch
}

// CreateUser makes an account. It fails with CodeInvalidEmail, CodeEmailInUse, CodeWeakPassword, CodeInvalidArgument and CodeUnavailable.
func (a *Admin) CreateUser(ctx context.Context, c Caller, params CreateUserParams) (User, error) {
	if err := c.requireAdmin(); err != nil {
		return User{}, err
	}
	if err := c.notConsole(); err != nil {
		return User{}, err
	}
	email, err := ParseEmail(params.Email)
	if err != nil {
		return User{}, err
	}
	u, err := a.newUser(c, email)
	if err != nil {
		return User{}, err
	}
	if params.Password != "" {
		var name string
		setString(&name, params.Name)
		if u.PasswordHash, err = a.hashPassword(ctx, c.Project, email, params.Password, name); err != nil {
			return User{}, err
		}
		u.PasswordUpdatedAt = u.CreatedAt
	}
	patch := params.UserPatch
	patch.Email, patch.Password = nil, nil
	err = a.store.Update(ctx, func(tx Tx) error {
		created, err := a.applyPatch(ctx, tx, u, patch)
		if err != nil {
			return err
		}
		u = created
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventUserCreated, OutcomeAllowed, u.ID)
	})
	if errors.Is(err, ErrConflict) {
		return User{}, a.deny(ctx, c, EventUserCreated, "", errEmailInUse)
	}
	return u, err
}

// UserIdentities lists the provider accounts that are joined to a user.
func (a *Admin) UserIdentities(ctx context.Context, c Caller, id UserID) ([]Identity, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListIdentities(ctx, c.Project.ID, id)
}

// Sessions lists living sessions, newest first: of one user, or with id "" of the project.
func (a *Admin) Sessions(ctx context.Context, c Caller, id UserID, after SessionID, limit int) ([]Session, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListSessions(ctx, c.Project.ID, id, after, limit)
}

// RevokeSession ends one session. It fails with CodeNotFound.
func (a *Admin) RevokeSession(ctx context.Context, c Caller, id SessionID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		session, err := tx.GetSession(ctx, c.Project.ID, id)
		if err != nil {
			return err
		}
		if err := tx.RevokeSession(ctx, c.Project.ID, id, a.now()); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventSessionRevoked, OutcomeAllowed, session.User, "session", string(id))
	})
	return notFound(err, "there is no such living session")
}

// RevokeUserSessions ends all sessions and pending sign-ins of a user and says how many. It fails with CodeNotFound.
func (a *Admin) RevokeUserSessions(ctx context.Context, c Caller, id UserID) (n int, err error) {
	if err := c.requireAdmin(); err != nil {
		return 0, err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		u, err := tx.GetUser(ctx, c.Project.ID, id)
		if err != nil {
			return err
		}
		if n, err = tx.RevokeUserSessions(ctx, c.Project.ID, id, "", a.now()); err != nil {
			return err
		}
		if err := voidBegun(ctx, tx, u); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventSessionRevoked, OutcomeAllowed, id, "sessions", fmt.Sprint(n))
	})
	return n, notFound(err, "there is no such user")
}

// notFound puts the domain's word for a store's ErrNotFound.
func notFound(err error, message string) error {
	if errors.Is(err, ErrNotFound) {
		return newError(CodeNotFound, message)
	}
	return err
}

// CreateRole fails with CodeInvalidArgument and CodeConflict.
func (a *Admin) CreateRole(ctx context.Context, c Caller, name string) (Role, error) {
	if err := c.requireAdmin(); err != nil {
		return Role{}, err
	}
	if !isRoleName(name) {
		return Role{}, invalidArgument("name", "a role's name has 1 to 64 letters, digits, spaces and . _ - :")
	}
	id, err := a.newID()
	if err != nil {
		return Role{}, err
	}
	role := Role{Project: c.Project.ID, ID: RoleID(id), Name: name, CreatedAt: a.now()}
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := tx.CreateRole(ctx, role); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventRoleCreated, OutcomeAllowed, "", "role", name)
	})
	if errors.Is(err, ErrConflict) {
		return Role{}, newError(CodeConflict, fmt.Sprintf("there is a role %q already", name))
	}
	return role, err
}

// DeleteRole takes a role, named by name or uid, from the project and its users. It fails with CodeNotFound.
func (a *Admin) DeleteRole(ctx context.Context, c Caller, nameOrID string) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	return a.store.Update(ctx, func(tx Tx) error {
		ids, err := resolveRoles(ctx, tx, c.Project.ID, []string{nameOrID})
		if CodeOf(err) == CodeInvalidArgument {
			return newError(CodeNotFound, "there is no such role")
		}
		if err != nil {
			return err
		}
		if err := tx.DeleteRole(ctx, c.Project.ID, ids[0]); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventRoleDeleted, OutcomeAllowed, "", "role", string(ids[0]))
	})
}

// Audit lists the project's audit records, newest first; for operators with no project in the caller, the whole instance's.
func (a *Admin) Audit(ctx context.Context, c Caller, f AuditFilter) ([]AuditRecord, error) {
	p, err := c.scope()
	if err != nil {
		return nil, err
	}
	// Ids sort by time, so the instants bound what a store looks at, however many records there are.
	if !f.Since.IsZero() {
		f.From = AuditID(timePrefix(f.Since))
	}
	if !f.Until.IsZero() {
		end := AuditID(timePrefix(f.Until.Add(time.Millisecond))) // Until may be within a millisecond
		if f.Before == "" || end < f.Before {
			f.Before = end
		}
	}
	return a.store.ListAudit(ctx, p, f)
}

// scope is the project that an admin's list is about; "" is the whole instance, for operators.
func (c Caller) scope() (ProjectID, error) {
	if c.Project == nil {
		return "", c.requireOperator()
	}
	return c.Project.ID, c.requireAdmin()
}

// Ready checks that the store answers.
func (a *Admin) Ready(ctx context.Context) error { return a.store.Ping(ctx) }

// MailCounts counts the instance's mails by state, for metrics.
func (a *Admin) MailCounts(ctx context.Context) (map[MailState]int, error) {
	return a.store.CountMail(ctx)
}

// OldestWaitingMail gives the age of the instance's oldest mail that is neither sent nor given up, for metrics; 0 where none waits.
func (a *Admin) OldestWaitingMail(ctx context.Context) (time.Duration, error) {
	created, err := a.store.OldestWaitingMail(ctx)
	if err != nil || created.IsZero() {
		return 0, err
	}
	return max(0, a.now().Sub(created)), nil
}

// DefaultRetention is how long ended things are kept. Audit records are kept for ever.
var DefaultRetention = Retention{Codes: 7 * day, Sessions: 30 * day, Sources: 90 * day, Mail: 30 * day, Decisions: 30 * day, Webhooks: 14 * day, Activity: 400 * day}

// Sweep deletes what nobody can need any more, a batch at a time, and says how much.
func (a *Admin) Sweep(ctx context.Context) (int, error) {
	const batch = 500
	total := 0
	for {
		n := 0
		err := a.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.Sweep(ctx, a.now(), DefaultRetention, batch)
			return err
		})
		total += n
		if err != nil || n < batch {
			return total, err
		}
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-time.After(50 * time.Millisecond): // leave the writer to those who wait for an answer
		}
	}
}
