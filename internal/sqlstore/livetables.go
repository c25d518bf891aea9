package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Tables gives the tables as the database itself describes them, in the order of [Tables]; such as this program does not know come last. For what has to take everything
// along whatever release the schema is of: an older one before it is migrated, or a newer one that this program still runs on.
func (s *Snapshot) Tables(ctx context.Context) ([]Table, error) {
	columns, err := list(ctx, s.q, liveColumnFields, s.q.engine.columns)
	if err != nil {
		return nil, err
	}
	live := map[string]*Table{}
	for _, c := range columns {
		if slices.Contains(notData, c.table) {
			continue
		}
		if live[c.table] == nil {
			live[c.table] = &Table{Name: c.table, Project: -1}
		}
		if err := live[c.table].add(c); err != nil {
			return nil, err
		}
	}
	return inOrder(live), nil
}

// add appends a column. Those of the key come with their position in it, in any order.
func (t *Table) add(c liveColumn) error {
	kind, ok := liveKinds[c.kind]
	if !ok {
		return fmt.Errorf("%w: column %s.%s of type %s", ErrTables, t.Name, c.name, c.kind)
	}
	t.Columns = append(t.Columns, Column{c.name, kind})
	if c.name == "project" {
		t.Project = len(t.Columns) - 1
	}
	if c.position > 0 {
		for len(t.Key) < int(c.position) {
			t.Key = append(t.Key, 0)
		}
		t.Key[c.position-1] = len(t.Columns) - 1
	}
	return nil
}

func inOrder(live map[string]*Table) []Table {
	place := func(name string) int {
		if i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == name }); i >= 0 {
			return i
		}
		return len(tables)
	}
	all := make([]Table, 0, len(live))
	for _, t := range live {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Table) int {
		return cmp.Or(cmp.Compare(place(a.Name), place(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return all
}
