package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const factorColumns = `project, id, user_id, kind, name, secret_sealed, credential_hash, credential, counter, created_at, confirmed_at, last_used_at`

func factorFields(f *auth.SecondFactor) []any {
	return []any{&f.Project, &f.ID, &f.User, &f.Kind, &f.Name, &f.SecretSealed, &f.CredentialHash, &f.Credential, &f.Counter, &f.CreatedAt, &f.ConfirmedAt, &f.LastUsedAt}
}

func (r reader) ListSecondFactors(ctx context.Context, p auth.ProjectID, user auth.UserID) ([]auth.SecondFactor, error) {
	return list(ctx, r.q, factorFields, `SELECT `+factorColumns+` FROM second_factors WHERE project = $1 AND user_id = $2 ORDER BY created_at, id`, p, user)
}

func (r reader) GetPasskey(ctx context.Context, p auth.ProjectID, credentialHash []byte) (auth.SecondFactor, error) {
	return get(ctx, r.q, factorFields, `SELECT `+factorColumns+` FROM second_factors WHERE project = $1 AND credential_hash = $2 AND confirmed_at > 0`, p, credentialHash)
}

func (t *tx) CreateSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	return create(ctx, t.q, `INSERT INTO second_factors (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		f.Project, f.ID, f.User, f.Kind, f.Name, f.SecretSealed, f.CredentialHash, f.Credential, f.Counter, f.CreatedAt, f.ConfirmedAt, f.LastUsedAt)
}

// ConfirmSecondFactor looks for the credential before it writes, because on PostgreSQL a statement that fails ends the transaction.
func (t *tx) ConfirmSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	if len(f.CredentialHash) > 0 {
		if _, err := t.GetPasskey(ctx, f.Project, f.CredentialHash); !errors.Is(err, auth.ErrNotFound) {
			return errors.Join(err, auth.ErrConflict)
		}
	}
	return change(ctx, t.q, `UPDATE second_factors SET confirmed_at = $4, last_used_at = $4, counter = $5, credential_hash = $6, credential = $7
		WHERE project = $1 AND user_id = $2 AND id = $3 AND confirmed_at = 0`, f.Project, f.User, f.ID, f.ConfirmedAt, f.Counter, f.CredentialHash, f.Credential)
}

// UseSecondFactor is one statement, so that of two who show the same code one wins. Some authenticators count nothing: theirs stays 0.
func (t *tx) UseSecondFactor(ctx context.Context, p auth.ProjectID, id auth.SecondFactorID, counter int64, credential []byte, now time.Time) error {
	return change(ctx, t.q, `UPDATE second_factors SET counter = $3, credential = $4, last_used_at = $5
		WHERE project = $1 AND id = $2 AND confirmed_at > 0 AND (counter < $3 OR (counter = 0 AND $3 = 0))`, p, id, counter, credential, now)
}

func (t *tx) DeleteSecondFactor(ctx context.Context, p auth.ProjectID, user auth.UserID, id auth.SecondFactorID) error {
	return change(ctx, t.q, `DELETE FROM second_factors WHERE project = $1 AND user_id = $2 AND id = $3`, p, user, id)
}

func (t *tx) DeleteUnconfirmedSecondFactors(ctx context.Context, p auth.ProjectID, user auth.UserID) error {
	_, err := t.q.exec(ctx, `DELETE FROM second_factors WHERE project = $1 AND user_id = $2 AND confirmed_at = 0`, p, user)
	return err
}

func (t *tx) DeleteSecondFactors(ctx context.Context, p auth.ProjectID, user auth.UserID) (int, error) {
	if _, err := t.q.exec(ctx, `DELETE FROM recovery_codes WHERE project = $1 AND user_id = $2`, p, user); err != nil {
		return 0, err
	}
	n, err := t.q.exec(ctx, `DELETE FROM second_factors WHERE project = $1 AND user_id = $2`, p, user)
	return int(n), err
}

func (r reader) CountRecoveryCodes(ctx context.Context, p auth.ProjectID, user auth.UserID) (int, error) {
	return get(ctx, r.q, value[int], `SELECT COUNT(*) FROM recovery_codes WHERE project = $1 AND user_id = $2`, p, user)
}

func (t *tx) ReplaceRecoveryCodes(ctx context.Context, p auth.ProjectID, user auth.UserID, hashes [][]byte, now time.Time) error {
	if _, err := t.q.exec(ctx, `DELETE FROM recovery_codes WHERE project = $1 AND user_id = $2`, p, user); err != nil {
		return err
	}
	for _, hash := range hashes {
		if err := create(ctx, t.q, `INSERT INTO recovery_codes (project, user_id, hash, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, p, user, hash, now); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode is one statement, so that of two callers one wins (P7).
func (t *tx) UseRecoveryCode(ctx context.Context, p auth.ProjectID, user auth.UserID, hash []byte) error {
	return change(ctx, t.q, `DELETE FROM recovery_codes WHERE project = $1 AND user_id = $2 AND hash = $3`, p, user, hash)
}

const pendingColumns = `project, hash, user_id, provider_id, email, password_updated_at, tries, created_at, expires_at`

func pendingFields(p *auth.PendingSignIn) []any {
	return []any{&p.Project, &p.Hash, &p.User, &p.ProviderID, &p.Email, &p.PasswordUpdatedAt, &p.Tries, &p.CreatedAt, &p.ExpiresAt}
}

func (r reader) GetPendingSignIn(ctx context.Context, p auth.ProjectID, hash []byte, now time.Time) (auth.PendingSignIn, error) {
	return get(ctx, r.q, pendingFields, `SELECT `+pendingColumns+` FROM pending_sign_ins WHERE project = $1 AND hash = $2 AND expires_at > $3`, p, hash, now)
}

func (t *tx) CreatePendingSignIn(ctx context.Context, p auth.PendingSignIn) error {
	return create(ctx, t.q, `INSERT INTO pending_sign_ins (`+pendingColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		p.Project, p.Hash, p.User, p.ProviderID, p.Email, p.PasswordUpdatedAt, p.Tries, p.CreatedAt, p.ExpiresAt)
}

// TryPendingSignIn counts in the statement that reads, so that guesses at once cannot outnumber the limit (P29).
func (t *tx) TryPendingSignIn(ctx context.Context, p auth.ProjectID, hash []byte, most int, now time.Time) (auth.PendingSignIn, error) {
	return get(ctx, t.q, pendingFields, `UPDATE pending_sign_ins SET tries = tries + 1
		WHERE project = $1 AND hash = $2 AND expires_at > $3 AND tries < $4 RETURNING `+pendingColumns, p, hash, now, most)
}

// ConsumePendingSignIn is one statement, so that of two callers one wins (P7).
func (t *tx) ConsumePendingSignIn(ctx context.Context, p auth.ProjectID, hash []byte, now time.Time) (auth.PendingSignIn, error) {
	return get(ctx, t.q, pendingFields, `DELETE FROM pending_sign_ins WHERE project = $1 AND hash = $2 AND expires_at > $3 RETURNING `+pendingColumns, p, hash, now)
}

func (t *tx) VoidPendingSignIns(ctx context.Context, p auth.ProjectID, user auth.UserID) error {
	_, err := t.q.exec(ctx, `DELETE FROM pending_sign_ins WHERE project = $1 AND user_id = $2`, p, user)
	return err
}

func (t *tx) PutPasskeyChallenge(ctx context.Context, c auth.PasskeyChallenge) error {
	return change(ctx, t.q, `INSERT INTO passkey_challenges (project, purpose, hash, user_id, state, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (project, purpose, hash) DO UPDATE SET user_id = $4, state = $5, expires_at = $6`, c.Project, c.Purpose, c.Hash, optional(c.User), c.State, c.ExpiresAt)
}

// UsePasskeyChallenge is one statement, so that a challenge is answered once.
func (t *tx) UsePasskeyChallenge(ctx context.Context, p auth.ProjectID, purpose auth.PasskeyPurpose, hash []byte, now time.Time) (auth.PasskeyChallenge, error) {
	return get(ctx, t.q, challengeFields, `DELETE FROM passkey_challenges WHERE project = $1 AND purpose = $2 AND hash = $3 AND expires_at > $4
		RETURNING project, purpose, hash, COALESCE(user_id, ''), state, expires_at`, p, purpose, hash, now)
}

func challengeFields(c *auth.PasskeyChallenge) []any {
	return []any{&c.Project, &c.Purpose, &c.Hash, &c.User, &c.State, &c.ExpiresAt}
}
