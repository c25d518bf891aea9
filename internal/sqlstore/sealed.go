package sqlstore

import (
	"context"
	"errors"

	"github.com/doorward/doorward/internal/auth"
)

var errSealedKind = errors.New("unknown kind of sealed value")

// sealedStatements read and swap the values of one kind.
type sealedStatements struct{ list, replace string }

var sealedKinds = map[auth.SealedKind]sealedStatements{
	auth.SealedSigningKey: {
		`SELECT project, id, private_sealed FROM signing_keys WHERE (project, id) > ($1, $2) ORDER BY project, id LIMIT $3`,
		`UPDATE signing_keys SET private_sealed = $4 WHERE project = $1 AND id = $2 AND private_sealed = $3`,
	},
	auth.SealedMail: {
		`SELECT project, id, sealed FROM outbox WHERE (project, id) > ($1, $2) AND sealed IS NOT NULL ORDER BY project, id LIMIT $3`,
		`UPDATE outbox SET sealed = $4 WHERE project = $1 AND id = $2 AND sealed = $3`,
	},
	auth.SealedProvider: {
		`SELECT project, id, secret_sealed FROM identity_providers WHERE (project, id) > ($1, $2) AND secret_sealed IS NOT NULL ORDER BY project, id LIMIT $3`,
		`UPDATE identity_providers SET secret_sealed = $4 WHERE project = $1 AND id = $2 AND secret_sealed = $3`,
	},
	auth.SealedFlow: {
		`SELECT project, id, verifier_sealed FROM sign_in_flows WHERE (project, id) > ($1, $2) ORDER BY project, id LIMIT $3`,
		`UPDATE sign_in_flows SET verifier_sealed = $4 WHERE project = $1 AND id = $2 AND verifier_sealed = $3`,
	},
	auth.SealedWebhook: {
		`SELECT project, id, secret_sealed FROM webhooks WHERE (project, id) > ($1, $2) AND secret_sealed IS NOT NULL ORDER BY project, id LIMIT $3`,
		`UPDATE webhooks SET secret_sealed = $4 WHERE project = $1 AND id = $2 AND secret_sealed = $3`,
	},
	auth.SealedSecondFactor: {
		`SELECT project, id, secret_sealed FROM second_factors WHERE (project, id) > ($1, $2) AND secret_sealed IS NOT NULL ORDER BY project, id LIMIT $3`,
		`UPDATE second_factors SET secret_sealed = $4 WHERE project = $1 AND id = $2 AND secret_sealed = $3`,
	},
	auth.SealedShortCode: {
		`SELECT project, short_id, short_sealed FROM oob_codes WHERE (project, short_id) > ($1, $2) AND short_id <> '' ORDER BY project, short_id LIMIT $3`,
		`UPDATE oob_codes SET short_sealed = $4 WHERE project = $1 AND short_id = $2 AND short_id <> '' AND short_sealed = $3`,
	},
	auth.SealedImport: {
		`SELECT project, id, sealed FROM user_import_parts WHERE (project, id) > ($1, $2) ORDER BY project, id LIMIT $3`,
		`UPDATE user_import_parts SET sealed = $4 WHERE project = $1 AND id = $2 AND sealed = $3`,
	},
	auth.SealedTLSFile: { // of the instance: $1, the project, is always ''
		`SELECT '', path, sealed FROM tls_files WHERE ('', path) > ($1, $2) ORDER BY path LIMIT $3`,
		`UPDATE tls_files SET sealed = $4 WHERE $1 = '' AND path = $2 AND sealed = $3`,
	},
	auth.SealedProjectSecrets: {
		`SELECT id, id, secrets_sealed FROM projects WHERE (id, id) > ($1, $2) AND secrets_sealed IS NOT NULL ORDER BY id LIMIT $3`,
		`UPDATE projects SET secrets_sealed = $4 WHERE id = $1 AND id = $2 AND secrets_sealed = $3`,
	},
}

func sealedFields(v *auth.SealedValue) []any { return []any{&v.Project, &v.Row, &v.Sealed} }

func (r reader) ListSealed(ctx context.Context, kind auth.SealedKind, after auth.SealedValue, limit int) ([]auth.SealedValue, error) {
	statements, ok := sealedKinds[kind]
	if !ok {
		return nil, errSealedKind
	}
	return list(ctx, r.q, sealedFields, statements.list, after.Project, after.Row, max(0, limit))
}

func (t *tx) ReplaceSealed(ctx context.Context, kind auth.SealedKind, v auth.SealedValue, replacement []byte) error {
	statements, ok := sealedKinds[kind]
	if !ok {
		return errSealedKind
	}
	return change(ctx, t.q, statements.replace, v.Project, v.Row, v.Sealed, replacement)
}
