package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
)

// batchRows are written in one transaction.
const batchRows = 500

// sync brings all tables of the target to what the snapshot says. Parents come first, so a row that a deletion there takes along is found missing later.
func (c *copier) sync(ctx context.Context, snapshot *sqlstore.Snapshot, p Progress) (changed int64, err error) {
	for _, t := range sqlstore.Tables() {
		s := &tableSync{c: c, snapshot: snapshot, table: t, progress: p}
		s.progress.Table = t.Name
		s.progress.Of, _ = c.source.CountRows(ctx, t, sqlstore.Range{}) // for the display alone
		err := s.run(ctx)
		if errors.Is(err, auth.ErrConflict) {
			err = s.runInTheClear(ctx)
		}
		if err != nil {
			return p.Changed, fmt.Errorf("copying %s: %w", t.Name, err)
		}
		c.Report(s.progress)
		p.Changed = s.progress.Changed
	}
	return p.Changed, nil
}

// tableSync brings one table of the target to what the snapshot says.
type tableSync struct {
	c        *copier
	snapshot *sqlstore.Snapshot
	table    sqlstore.Table
	progress Progress
	puts     []sqlstore.Row
	deletes  [][]any
}

func (s *tableSync) run(ctx context.Context) error { return s.walk(ctx, s.copyRow) }

// runInTheClear is for rows that exchanged a unique value, as two users their addresses: no order of single writes gets there. First everything goes that is not as
// it should be, with what hangs on it; the tables that are left behind so come later in the pass.
func (s *tableSync) runInTheClear(ctx context.Context) error {
	s.puts, s.deletes, s.progress.Rows = nil, nil, 0
	if err := s.walk(ctx, s.clearRow); err != nil {
		return err
	}
	s.progress.Rows = 0
	return s.run(ctx)
}

func (s *tableSync) walk(ctx context.Context, visit func(ctx context.Context, want, is sqlstore.Row) error) error {
	want, is := s.snapshot.Rows(ctx, s.table, sqlstore.Range{}), s.c.target.Rows(ctx, s.table, sqlstore.Range{})
	err := merge(s.table, want, is, func(want, is sqlstore.Row) error {
		if s.progress.Rows++; s.progress.Rows%reportEvery == 0 {
			s.c.Report(s.progress)
		}
		return visit(ctx, want, is)
	})
	if err != nil {
		return err
	}
	return s.flush(ctx)
}

func (s *tableSync) copyRow(ctx context.Context, want, is sqlstore.Row) error {
	switch {
	case want == nil:
		s.deletes = append(s.deletes, s.table.KeyOf(is))
	case is == nil || s.table.RowDigest(want) != s.table.RowDigest(is):
		s.puts = append(s.puts, want)
	}
	return s.flushFull(ctx)
}

func (s *tableSync) clearRow(ctx context.Context, want, is sqlstore.Row) error {
	if is != nil && (want == nil || s.table.RowDigest(want) != s.table.RowDigest(is)) {
		s.deletes = append(s.deletes, s.table.KeyOf(is))
	}
	return s.flushFull(ctx)
}

func (s *tableSync) flushFull(ctx context.Context) error {
	if len(s.puts)+len(s.deletes) < batchRows {
		return nil
	}
	return s.flush(ctx)
}

// flush writes what was collected, durably, unless another process has taken the target over.
func (s *tableSync) flush(ctx context.Context) error {
	if len(s.puts)+len(s.deletes) == 0 {
		return nil
	}
	err := s.c.target.UpdateRows(ctx, func(_ auth.Tx, w *sqlstore.RowWriter) error {
		marks, err := w.Marks(ctx)
		if err != nil {
			return err
		}
		if marks[sqlstore.MarkFillingRun].Value != s.c.run {
			return sqlstore.ErrOtherRun
		}
		if _, err := w.Delete(ctx, s.table, s.deletes); err != nil {
			return err
		}
		_, err = w.Put(ctx, s.table, s.puts, sqlstore.Replace)
		return err
	})
	if err != nil {
		return fmt.Errorf("the target: %w", err)
	}
	s.progress.Changed += int64(len(s.puts) + len(s.deletes))
	s.puts, s.deletes = nil, nil
	return nil
}

// merge walks over two sides of a table in the order of the key, and visits each key with its row on either side, nil where there is none.
func merge(t sqlstore.Table, left, right iter.Seq2[sqlstore.Row, error], visit func(left, right sqlstore.Row) error) error {
	nextLeft, stopLeft := iter.Pull2(left)
	defer stopLeft()
	nextRight, stopRight := iter.Pull2(right)
	defer stopRight()
	l, err, _ := nextLeft()
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	r, err, _ := nextRight()
	if err != nil {
		return fmt.Errorf("the target: %w", err)
	}
	for l != nil || r != nil {
		order := compare(t, l, r)
		var visitLeft, visitRight sqlstore.Row
		if order <= 0 {
			visitLeft = l
			if l, err, _ = nextLeft(); err != nil {
				return fmt.Errorf("the source: %w", err)
			}
		}
		if order >= 0 {
			visitRight = r
			if r, err, _ = nextRight(); err != nil {
				return fmt.Errorf("the target: %w", err)
			}
		}
		if err := visit(visitLeft, visitRight); err != nil {
			return err
		}
	}
	return nil
}

// compare orders rows by their key; the end of a side comes after all rows.
func compare(t sqlstore.Table, l, r sqlstore.Row) int {
	switch {
	case l == nil:
		return 1
	case r == nil:
		return -1
	}
	return sqlstore.CompareKeys(t.KeyOf(l), t.KeyOf(r))
}
