package storetest

import (
	"os"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSQLite(t *testing.T) {
	Run(t, func(t *testing.T) auth.Store { return Open(t) })
}

func TestPostgreSQL(t *testing.T) {
	Run(t, func(t *testing.T) auth.Store { return OpenURL(t, pgtest.URL(t)) })
}
