package sqlstore

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// A new table of projects' data cannot be forgotten in capsules: somebody decides whether it goes along.
func TestCapsuleTables(t *testing.T) {
	for _, table := range Tables() {
		goes, why, known := auth.CapsuleTables(table.Name)
		switch {
		case table.Project >= 0 && (!known || !goes && why == ""):
			t.Errorf("table %s holds projects' data; auth/capsule.go does not say whether it goes with a project", table.Name)
		case table.Project < 0 && known:
			t.Errorf("table %s holds no project's data", table.Name)
		}
	}
}
