package sqlstore

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

const identityColumns = `project, provider_id, subject, user_id, email, email_verified, created_at, last_sign_in_at`

func identityFields(i *auth.Identity) []any {
	return []any{&i.Project, &i.ProviderID, &i.Subject, &i.User, &i.Email, &i.EmailVerified, &i.CreatedAt, &i.LastSignInAt}
}

func (r reader) GetIdentity(ctx context.Context, p auth.ProjectID, providerID, subject string) (auth.Identity, error) {
	return get(ctx, r.q, identityFields, `SELECT `+identityColumns+` FROM identities WHERE project = $1 AND provider_id = $2 AND subject = $3`, p, providerID, subject)
}

func (r reader) ListIdentities(ctx context.Context, p auth.ProjectID, user auth.UserID) ([]auth.Identity, error) {
	return cached(ctx, r.q, identityFields, `SELECT `+identityColumns+` FROM identities WHERE project = $1 AND user_id = $2 ORDER BY provider_id, subject`, p, user)
}

// CreateIdentity fails with ErrConflict where the provider's account is joined already, and with ErrNotFound where there is no such user.
func (t *tx) CreateIdentity(ctx context.Context, i auth.Identity) error {
	return create(ctx, t.q, `INSERT INTO identities (`+identityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		i.Project, i.ProviderID, i.Subject, i.User, i.Email, i.EmailVerified, i.CreatedAt, i.LastSignInAt)
}

// UpdateIdentity writes all fields but the key and CreatedAt.
func (t *tx) UpdateIdentity(ctx context.Context, i auth.Identity) error {
	return change(ctx, t.q, `UPDATE identities SET user_id = $4, email = $5, email_verified = $6, last_sign_in_at = $7
		WHERE project = $1 AND provider_id = $2 AND subject = $3`, i.Project, i.ProviderID, i.Subject, i.User, i.Email, i.EmailVerified, i.LastSignInAt)
}

func (t *tx) DeleteIdentity(ctx context.Context, p auth.ProjectID, providerID, subject string) error {
	return change(ctx, t.q, `DELETE FROM identities WHERE project = $1 AND provider_id = $2 AND subject = $3`, p, providerID, subject)
}
