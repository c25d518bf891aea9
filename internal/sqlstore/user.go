package sqlstore

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

// userColumns belong to a statement that names the table u.
const userColumns = `u.project, u.id, u.email, u.email_verified, u.name, u.picture, u.locale, u.password_hash, u.password_updated_at, u.disabled,
	u.invite_pending, u.verification_required, u.roles, u.custom_claims, u.attributes, u.created_at, u.updated_at, u.last_sign_in_at, u.author`

const selectUsers = `SELECT ` + userColumns + ` FROM users u WHERE u.project = $1`

func userFields(u *auth.User) []any {
	return []any{&u.Project, &u.ID, &u.Email, &u.EmailVerified, &u.Name, &u.Picture, &u.Locale, &u.PasswordHash, &u.PasswordUpdatedAt, &u.Disabled,
		&u.InvitePending, &u.VerificationRequired, &u.Roles, &u.CustomClaims, &u.Attributes, &u.CreatedAt, &u.UpdatedAt, &u.LastSignInAt, &u.Author}
}

func (r reader) GetUser(ctx context.Context, p auth.ProjectID, id auth.UserID) (auth.User, error) {
	return cachedGet(ctx, r.q, userFields, selectUsers+` AND u.id = $2`, p, id)
}

func (r reader) GetUserByEmail(ctx context.Context, p auth.ProjectID, email auth.Email) (auth.User, error) {
	return get(ctx, r.q, userFields, selectUsers+` AND u.email = $2`, p, email)
}

func (r reader) CountUsers(ctx context.Context, p auth.ProjectID) (int, error) {
	return get(ctx, r.q, value[int], `SELECT COUNT(*) FROM users WHERE project = $1`, p)
}

// stateConditions: a user is unverified when that is what keeps it from signing in.
var stateConditions = map[auth.UserState]string{
	auth.StateAny:        ``,
	auth.StateActive:     ` AND u.disabled = 0 AND u.invite_pending = 0 AND (u.verification_required = 0 OR u.email_verified = 1)`,
	auth.StateDisabled:   ` AND u.disabled = 1`,
	auth.StateInvited:    ` AND u.invite_pending = 1`,
	auth.StateUnverified: ` AND u.verification_required = 1 AND u.email_verified = 0`,
}

// lastRune sorts after every other character, so that prefix+lastRune ends the range of a prefix.
const lastRune = "\U0010FFFF"

func (r reader) SearchUsers(ctx context.Context, p auth.ProjectID, s auth.UserSearch) ([]auth.User, error) {
	state, ok := stateConditions[s.State]
	if !ok {
		return nil, errUnknownState
	}
	b := &builder{args: []any{p}}
	b.write(selectUsers, state)
	if s.Email != "" {
		b.write(` AND u.email = `, b.arg(s.Email))
	}
	if s.EmailPrefix != "" {
		b.write(` AND u.email >= `, b.arg(s.EmailPrefix), ` AND u.email < `, b.arg(s.EmailPrefix+lastRune))
	}
	if s.Role != "" {
		b.write(` AND u.id IN (SELECT user_id FROM user_roles WHERE project = $1 AND role_id = `, b.arg(s.Role), `)`)
	}
	searchFacts(b, s)
	order := ` ORDER BY u.id`
	if s.NewestFirst {
		order = ` ORDER BY u.created_at DESC, u.id DESC`
	}
	switch {
	case s.After != "" && s.NewestFirst:
		b.write(` AND (u.created_at, u.id) < (`, b.arg(s.AfterCreated), `, `, b.arg(s.After), `)`)
	case s.After != "":
		b.write(` AND u.id > `, b.arg(s.After))
	}
	b.write(order, ` LIMIT `, b.arg(max(0, s.Limit)))
	return list(ctx, r.q, userFields, b.text.String(), b.args...)
}

// searchFacts restricts a search by what else is known of users.
func searchFacts(b *builder, s auth.UserSearch) {
	switch s.Provider {
	case "":
	case auth.ProviderPassword:
		b.write(` AND u.password_hash <> ''`)
	default:
		b.write(` AND EXISTS (SELECT 1 FROM identities i WHERE i.project = u.project AND i.user_id = u.id AND i.provider_id = `, b.arg(s.Provider), `)`)
	}
	if s.EmailVerified != nil {
		b.write(` AND u.email_verified = `, b.arg(*s.EmailVerified))
	}
	if s.SecondFactor != nil {
		not := ``
		if !*s.SecondFactor {
			not = `NOT `
		}
		b.write(` AND `, not, `EXISTS (SELECT 1 FROM second_factors f WHERE f.project = u.project AND f.user_id = u.id AND f.confirmed_at > 0)`)
	}
	if !s.CreatedSince.IsZero() {
		b.write(` AND u.created_at >= `, b.arg(s.CreatedSince))
	}
	if !s.CreatedUntil.IsZero() {
		b.write(` AND u.created_at < `, b.arg(s.CreatedUntil))
	}
}

const insertUser = `INSERT INTO users (project, id, email, email_verified, name, picture, locale, password_hash, password_updated_at, disabled, invite_pending,
	verification_required, roles, custom_claims, attributes, created_at, updated_at, last_sign_in_at, author)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING`

func (t *tx) CreateUser(ctx context.Context, u auth.User) error {
	err := create(ctx, t.q, insertUser, u.Project, u.ID, optional(u.Email), u.EmailVerified, u.Name, u.Picture, u.Locale, u.PasswordHash, u.PasswordUpdatedAt,
		u.Disabled, u.InvitePending, u.VerificationRequired, u.Roles, u.CustomClaims, u.Attributes, u.CreatedAt, u.UpdatedAt, u.LastSignInAt, u.Author)
	if err != nil {
		return err
	}
	if err := t.indexRoles(ctx, u); err != nil {
		return err
	}
	return t.indexAttributes(ctx, u)
}

const updateUser = `UPDATE users SET email = $3, email_verified = $4, name = $5, picture = $6, locale = $7, password_hash = $8, password_updated_at = $9,
	disabled = $10, invite_pending = $11, verification_required = $12, roles = $13, custom_claims = $14, attributes = $15, updated_at = $16,
	last_sign_in_at = $17, author = $18 WHERE project = $1 AND id = $2`

// UpdateUser looks for the email before it writes, because on PostgreSQL a statement that fails ends the transaction.
func (t *tx) UpdateUser(ctx context.Context, u auth.User) error {
	type indexed struct {
		email             auth.Email
		roles, attributes string
	}
	old, err := get(ctx, t.q, func(i *indexed) []any { return []any{&i.email, &i.roles, &i.attributes} },
		`SELECT email, roles, attributes FROM users WHERE project = $1 AND id = $2`, u.Project, u.ID)
	if err != nil {
		return err
	}
	if u.Email != "" && u.Email != old.email {
		holders, err := list(ctx, t.q, value[string], `SELECT id FROM users WHERE project = $1 AND email = $2`, u.Project, u.Email)
		if err != nil {
			return err
		}
		if len(holders) > 0 {
			return auth.ErrConflict
		}
	}
	attributes, err := bindJSON(u.Attributes, len(u.Attributes))
	if err != nil {
		return err
	}
	err = change(ctx, t.q, updateUser, u.Project, u.ID, optional(u.Email), u.EmailVerified, u.Name, u.Picture, u.Locale, u.PasswordHash, u.PasswordUpdatedAt,
		u.Disabled, u.InvitePending, u.VerificationRequired, u.Roles, u.CustomClaims, attributes, u.UpdatedAt, u.LastSignInAt, u.Author)
	if err != nil {
		return err
	}
	if joinRoles(u.Roles) != old.roles {
		if _, err := t.q.exec(ctx, `DELETE FROM user_roles WHERE project = $1 AND user_id = $2`, u.Project, u.ID); err != nil {
			return err
		}
		if err := t.indexRoles(ctx, u); err != nil {
			return err
		}
	}
	if attributes == old.attributes {
		return nil
	}
	if _, err := t.q.exec(ctx, `DELETE FROM user_attributes WHERE project = $1 AND user_id = $2`, u.Project, u.ID); err != nil {
		return err
	}
	return t.indexAttributes(ctx, u)
}

func (t *tx) DeleteUser(ctx context.Context, p auth.ProjectID, id auth.UserID) error {
	if err := change(ctx, t.q, `DELETE FROM users WHERE project = $1 AND id = $2`, p, id); err != nil {
		return err
	}
	// Not by a cascade: a decision may be made about somebody who is gone, as a token's user.
	_, err := t.q.exec(ctx, `DELETE FROM decisions WHERE project = $1 AND user_id = $2`, p, id)
	if err != nil {
		return err
	}
	_, err = t.q.exec(ctx, `DELETE FROM webhook_deliveries WHERE project = $1 AND user_id = $2 AND state IN ($3, $4)`, p, id, auth.DeliveryDelivered, auth.DeliveryDead)
	return err
}

// indexRoles fails with ErrNotFound where a role does not exist.
func (t *tx) indexRoles(ctx context.Context, u auth.User) error {
	for _, role := range u.Roles {
		_, err := t.q.exec(ctx, `INSERT INTO user_roles (project, role_id, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, u.Project, role, u.ID)
		if err != nil {
			return err
		}
	}
	return nil
}
