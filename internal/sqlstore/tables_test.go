package sqlstore

import (
	"slices"
	"testing"
)

func TestParentsComeBeforeTheirChildren(t *testing.T) {
	s := openFresh(t)
	type reference struct{ child, parent string }
	references, err := list(t.Context(), s.q, func(r *reference) []any { return []any{&r.child, &r.parent} },
		`SELECT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`)
	if err != nil || len(references) < 20 {
		t.Fatal(len(references), err)
	}
	place := func(name string) int { return slices.IndexFunc(tables, func(t Table) bool { return t.Name == name }) }
	for _, r := range references {
		if place(r.parent) >= place(r.child) {
			t.Errorf("%s stands before %s, which it refers to", r.child, r.parent)
		}
	}
}
