package sqlstore

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

// The paths below a directory are those from its name and a slash on, up to its name and the character after the slash.
const (
	slash      = "/"
	afterSlash = "0"
)

func (r reader) GetTLSFile(ctx context.Context, path string) (auth.TLSFile, error) {
	fields := func(f *auth.TLSFile) []any { return []any{&f.Path, &f.Sealed, &f.ModifiedAt} }
	return get(ctx, r.q, fields, `SELECT path, sealed, modified_at FROM tls_files WHERE path = $1`, path)
}

func (r reader) ListTLSFiles(ctx context.Context, directory string) ([]string, error) {
	fields := func(path *string) []any { return []any{path} }
	if directory == "" {
		return list(ctx, r.q, fields, `SELECT path FROM tls_files ORDER BY path`)
	}
	return list(ctx, r.q, fields, `SELECT path FROM tls_files WHERE path > $1 AND path < $2 ORDER BY path`, directory+slash, directory+afterSlash)
}

func (t *tx) PutTLSFile(ctx context.Context, f auth.TLSFile) error {
	_, err := t.q.exec(ctx, `INSERT INTO tls_files (path, sealed, modified_at) VALUES ($1, $2, $3)
		ON CONFLICT (path) DO UPDATE SET sealed = $2, modified_at = $3`, f.Path, f.Sealed, f.ModifiedAt)
	return err
}

func (t *tx) DeleteTLSFiles(ctx context.Context, path string) error {
	_, err := t.q.exec(ctx, `DELETE FROM tls_files WHERE path = $1 OR (path > $2 AND path < $3)`, path, path+slash, path+afterSlash)
	return err
}
