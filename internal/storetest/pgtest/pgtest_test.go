package pgtest

import (
	"os"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestDatabasesAreSeparate(t *testing.T) {
	first, second, empty := URL(t), URL(t), EmptyURL(t)
	if first == second || second == empty {
		t.Fatalf("one database for two tests: %s, %s, %s", first, second, empty)
	}
	for _, url := range []string{first, second, empty} {
		store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
		if err != nil {
			t.Fatalf("opening %s: %v", url, err)
		}
		if err := store.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMissingPostgreSQLSaysHowToInstallIt(t *testing.T) {
	if !strings.Contains(missing, "apt-get install postgresql") {
		t.Error("the message names no way to install it")
	}
}

func TestNewestVersion(t *testing.T) {
	if got := version("/usr/lib/postgresql/17/bin/initdb"); got != 17 {
		t.Errorf("version = %d, want 17", got)
	}
}
