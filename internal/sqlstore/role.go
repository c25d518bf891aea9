package sqlstore

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

const selectRoles = `SELECT project, id, name, created_at FROM roles WHERE project = $1`

func roleFields(r *auth.Role) []any { return []any{&r.Project, &r.ID, &r.Name, &r.CreatedAt} }

func (r reader) GetRole(ctx context.Context, p auth.ProjectID, id auth.RoleID) (auth.Role, error) {
	return get(ctx, r.q, roleFields, selectRoles+` AND id = $2`, p, id)
}

func (r reader) GetRoleByName(ctx context.Context, p auth.ProjectID, name string) (auth.Role, error) {
	return get(ctx, r.q, roleFields, selectRoles+` AND name = $2`, p, name)
}

func (r reader) ListRoles(ctx context.Context, p auth.ProjectID) ([]auth.Role, error) {
	return list(ctx, r.q, roleFields, selectRoles+` ORDER BY name`, p)
}

// CreateRole fails with ErrConflict where the uid or the name is taken.
func (t *tx) CreateRole(ctx context.Context, r auth.Role) error {
	return create(ctx, t.q, `INSERT INTO roles (project, id, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, r.Project, r.ID, r.Name, r.CreatedAt)
}

func (t *tx) DeleteRole(ctx context.Context, p auth.ProjectID, id auth.RoleID) error {
	_, err := t.q.exec(ctx, `UPDATE users SET roles = REPLACE(roles, $3, '')
		WHERE project = $1 AND id IN (SELECT user_id FROM user_roles WHERE project = $1 AND role_id = $2)`, p, id, roleMark(id))
	if err != nil {
		return err
	}
	return change(ctx, t.q, `DELETE FROM roles WHERE project = $1 AND id = $2`, p, id)
}
