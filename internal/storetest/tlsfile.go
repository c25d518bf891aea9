package storetest

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func testTLSFiles(t *testing.T, s auth.Store) {
	ctx := t.Context()
	file := auth.TLSFile{Path: "certificates/ca/a.example/a.example.key", Sealed: []byte{1, 0, 2}, ModifiedAt: now}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.PutTLSFile(ctx, auth.TLSFile{Path: file.Path, Sealed: []byte("old"), ModifiedAt: after(-1)}),
			tx.PutTLSFile(ctx, file),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "certificates/ca/a.example/a.example.crt", Sealed: []byte("crt"), ModifiedAt: now}),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "certificates/ca/a.example.org/b.crt", Sealed: []byte("b"), ModifiedAt: now}),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "certificates/ca/a.example", Sealed: []byte("a file with the name of a directory"), ModifiedAt: now}),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "acme/users/default.key", Sealed: []byte("u"), ModifiedAt: now}))
	})
	wantEqual(t, "file", must[auth.TLSFile](t)(s.GetTLSFile(ctx, file.Path)), file)
	_, err := s.GetTLSFile(ctx, "certificates/ca")
	wantError(t, "GetTLSFile of a directory", err, auth.ErrNotFound)
	list := func(directory string) []string {
		t.Helper()
		return must[[]string](t)(s.ListTLSFiles(ctx, directory))
	}
	pair := []string{"certificates/ca/a.example/a.example.crt", "certificates/ca/a.example/a.example.key"}
	wantEqual(t, "below a directory", list("certificates/ca/a.example"), pair)
	wantEqual(t, "all", len(list("")), 5)
	wantEqual(t, "below a name that begins alike", len(list("certificates/c")), 0)

	update(t, s, func(tx auth.Tx) error { return tx.DeleteTLSFiles(ctx, "certificates/ca/a.example") })
	wantEqual(t, "after the deletion of a directory", list(""), []string{"acme/users/default.key", "certificates/ca/a.example.org/b.crt"})
	update(t, s, func(tx auth.Tx) error { return tx.DeleteTLSFiles(ctx, "certificates/ca/a.example") })
	update(t, s, func(tx auth.Tx) error { return tx.DeleteTLSFiles(ctx, "acme/users/default.key") })
	wantEqual(t, "after the deletion of a file", list(""), []string{"certificates/ca/a.example.org/b.crt"})
}
