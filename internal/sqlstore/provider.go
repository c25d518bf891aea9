package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const providerColumns = `project, id, enabled, client_id, secret_sealed, scopes, parameters, endpoints, allow_hosts, implicit, team_id, key_id, created_at, updated_at`

func providerFields(i *auth.IdentityProvider) []any {
	return []any{&i.Project, &i.ID, &i.Enabled, &i.ClientID, &i.SecretSealed, &i.Scopes, &i.Parameters, &i.Endpoints, &i.AllowHosts, &i.Implicit, &i.TeamID,
		&i.KeyID, &i.CreatedAt, &i.UpdatedAt}
}

func (r reader) GetIdentityProvider(ctx context.Context, p auth.ProjectID, id string) (auth.IdentityProvider, error) {
	return get(ctx, r.q, providerFields, `SELECT `+providerColumns+` FROM identity_providers WHERE project = $1 AND id = $2`, p, id)
}

func (r reader) ListIdentityProviders(ctx context.Context, p auth.ProjectID) ([]auth.IdentityProvider, error) {
	return list(ctx, r.q, providerFields, `SELECT `+providerColumns+` FROM identity_providers WHERE project = $1 ORDER BY id`, p)
}

const putProvider = `INSERT INTO identity_providers (` + providerColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
	ON CONFLICT (project, id) DO UPDATE SET enabled = $3, client_id = $4, secret_sealed = $5, scopes = $6, parameters = $7, endpoints = $8, allow_hosts = $9,
	implicit = $10, team_id = $11, key_id = $12, updated_at = $14`

func (t *tx) PutIdentityProvider(ctx context.Context, i auth.IdentityProvider) error {
	return change(ctx, t.q, putProvider, i.Project, i.ID, i.Enabled, i.ClientID, i.SecretSealed, i.Scopes, i.Parameters, i.Endpoints, i.AllowHosts, i.Implicit,
		i.TeamID, i.KeyID, i.CreatedAt, i.UpdatedAt)
}

func (t *tx) DeleteIdentityProvider(ctx context.Context, p auth.ProjectID, id string) error {
	return change(ctx, t.q, `DELETE FROM identity_providers WHERE project = $1 AND id = $2`, p, id)
}

const flowColumns = `project, id, session_hash, state_hash, nonce_hash, verifier_sealed, provider_id, redirect_uri, created_at, expires_at, consumed_at`

func flowFields(f *auth.SignInFlow) []any {
	return []any{&f.Project, &f.ID, &f.SessionHash, &f.StateHash, &f.NonceHash, &f.VerifierSealed, &f.ProviderID, &f.RedirectURI, &f.CreatedAt, &f.ExpiresAt, &f.ConsumedAt}
}

func (r reader) GetSignInFlow(ctx context.Context, p auth.ProjectID, sessionHash []byte) (auth.SignInFlow, error) {
	return get(ctx, r.q, flowFields, `SELECT `+flowColumns+` FROM sign_in_flows WHERE project = $1 AND session_hash = $2`, p, sessionHash)
}

func (t *tx) CreateSignInFlow(ctx context.Context, f auth.SignInFlow) error {
	return create(ctx, t.q, `INSERT INTO sign_in_flows (`+flowColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		f.Project, f.ID, f.SessionHash, f.StateHash, f.NonceHash, f.VerifierSealed, f.ProviderID, f.RedirectURI, f.CreatedAt, f.ExpiresAt, f.ConsumedAt)
}

// ConsumeSignInFlow is one statement, so that of two completions one wins (P14).
func (t *tx) ConsumeSignInFlow(ctx context.Context, p auth.ProjectID, sessionHash []byte, now time.Time) (auth.SignInFlow, error) {
	return get(ctx, t.q, flowFields, `UPDATE sign_in_flows SET consumed_at = $3
		WHERE project = $1 AND session_hash = $2 AND consumed_at = 0 AND expires_at > $3 RETURNING `+flowColumns, p, sessionHash, now)
}
