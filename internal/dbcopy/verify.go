package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/doorward/doorward/internal/sqlstore"
)

// maxDifferences bounds the differences that are told.
const maxDifferences = 10

// verify reads all rows of both sides once more and compares them. It fails with [ErrDiffers] and the first differences.
func (c *copier) verify(ctx context.Context, snapshot *sqlstore.Snapshot) (tables []TableResult, rows int64, err error) {
	target, err := c.target.Snapshot(ctx, sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		return nil, 0, fmt.Errorf("the target: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	var found differences
	for _, t := range sqlstore.Tables() {
		v := verification{table: t, source: t.NewTableDigest(), target: t.NewTableDigest(), found: &found}
		progress := Progress{Step: StepVerify, Table: t.Name}
		progress.Of, _ = c.source.CountRows(ctx, t, sqlstore.Range{})
		err := merge(t, snapshot.Rows(ctx, t, sqlstore.Range{}), target.Rows(ctx, t, sqlstore.Range{}), func(want, is sqlstore.Row) error {
			if progress.Rows++; progress.Rows%reportEvery == 0 {
				c.Report(progress)
			}
			v.add(want, is)
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("comparing %s: %w", t.Name, err)
		}
		if v.source.Sum() != v.target.Sum() && found.count == 0 {
			found.add(t.Name + " has another digest")
		}
		c.Report(progress)
		tables = append(tables, TableResult{t.Name, v.source.Rows, v.source.Sum()})
		rows += v.source.Rows
	}
	return tables, rows, found.err()
}

type verification struct {
	table          sqlstore.Table
	source, target *sqlstore.TableDigest
	found          *differences
}

func (v *verification) add(want, is sqlstore.Row) {
	var wanted, found sqlstore.Digest
	if want != nil {
		wanted = v.table.RowDigest(want)
		v.source.Add(wanted)
	}
	if is != nil {
		found = v.table.RowDigest(is)
		v.target.Add(found)
	}
	switch {
	case is == nil:
		v.found.add(fmt.Sprintf("%s (%s) is missing in the target", v.table.Name, sqlstore.FormatKey(v.table.KeyOf(want))))
	case want == nil:
		v.found.add(fmt.Sprintf("%s (%s) is in the target alone", v.table.Name, sqlstore.FormatKey(v.table.KeyOf(is))))
	case wanted != found:
		v.found.add(fmt.Sprintf("%s (%s) differs", v.table.Name, sqlstore.FormatKey(v.table.KeyOf(want))))
	}
}

type differences struct {
	count int
	first []string
}

func (d *differences) add(text string) {
	if d.count++; d.count <= maxDifferences {
		d.first = append(d.first, text)
	}
}

func (d *differences) err() error {
	if d.count == 0 {
		return nil
	}
	return fmt.Errorf("%w in %d rows: %s", ErrDiffers, d.count, strings.Join(d.first, "; "))
}
