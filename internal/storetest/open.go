// Package storetest holds the conformance suite that every [auth.Store] passes, and a store for the tests of other packages.
package storetest

import (
	"path/filepath"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
)

// Open gives an empty SQLite store in a directory of the test. The test's end closes it.
func Open(t testing.TB) auth.Store {
	t.Helper()
	return OpenURL(t, "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"))
}

// OpenURL opens the store at a URL, without waiting for the disk. The test's end closes it.
func OpenURL(t testing.TB, url string) auth.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url, NoSync: true})
	if err != nil {
		t.Fatalf("opening the test store: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("closing the test store: %v", err)
		}
	})
	return store
}
