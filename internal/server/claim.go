package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
)

// restoring begins the value of the mark that a restore sets.
const restoring = "backup "

// claim marks an empty database as being filled. What an earlier restore left that did not end is removed; anything else that is there is left alone.
func (l *loader) claim(ctx context.Context, name string, now time.Time) error {
	marks, err := l.store.Marks(ctx)
	if err != nil {
		return err
	}
	before, marked := marks[sqlstore.MarkFilling]
	if marked && !strings.HasPrefix(before.Value, restoring) {
		return fmt.Errorf("%w: %s", ErrNotEmpty, before.Note)
	}
	if !marked {
		if err := l.checkEmpty(ctx); err != nil {
			return err
		}
	}
	last := marks[sqlstore.MarkFillingRun].Value
	err = l.store.UpdateMarks(ctx, func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		if marks[sqlstore.MarkFilling].Value != before.Value || marks[sqlstore.MarkFillingRun].Value != last {
			return sqlstore.ErrOtherRun
		}
		marks[sqlstore.MarkFilling] = sqlstore.MarkValue{Value: restoring + name, Note: "`doorward restore` fills it from " + name, At: now}
		marks[sqlstore.MarkFillingRun] = sqlstore.MarkValue{Value: l.run, At: now}
		return nil
	})
	if err != nil {
		return err
	}
	if marked {
		return l.wipe(ctx)
	}
	// Once more: from the mark on nobody else writes.
	if err := l.checkEmpty(ctx); err != nil {
		if left := unmark(ctx, l.store, l.run); left != nil {
			return fmt.Errorf("%w; and the database is left marked: %w", err, left)
		}
		return err
	}
	return nil
}

// update changes rows, unless another process has taken the database over: it fails with sqlstore.ErrOtherRun then.
func (l *loader) update(ctx context.Context, change func(*sqlstore.RowWriter) error) error {
	return l.store.UpdateRows(ctx, func(_ auth.Tx, w *sqlstore.RowWriter) error {
		if err := checkRun(ctx, w, l.run); err != nil {
			return err
		}
		return change(w)
	})
}

// checkRun is part of the change's transaction.
func checkRun(ctx context.Context, w *sqlstore.RowWriter, run string) error {
	if run == "" {
		return nil
	}
	marks, err := w.Marks(ctx)
	if err == nil && marks[sqlstore.MarkFillingRun].Value != run {
		err = sqlstore.ErrOtherRun
	}
	return err
}

// unmark makes a database known as whole, or as not begun.
func unmark(ctx context.Context, store *sqlstore.Store, run string) error {
	return store.UpdateMarks(ctx, func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		if marks[sqlstore.MarkFillingRun].Value != run {
			return sqlstore.ErrOtherRun
		}
		delete(marks, sqlstore.MarkFilling)
		delete(marks, sqlstore.MarkFillingRun)
		return nil
	})
}

func (l *loader) checkEmpty(ctx context.Context) error {
	for _, t := range l.schema {
		for _, err := range l.store.Rows(ctx, t, sqlstore.Range{}) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%w: table %s has rows", ErrNotEmpty, t.Name)
		}
	}
	return nil
}

// wipe empties a database that a restore did not finish, children before parents.
func (l *loader) wipe(ctx context.Context) error {
	for _, t := range slices.Backward(l.schema) {
		for {
			var keys [][]any
			for row, err := range l.store.Rows(ctx, t, sqlstore.Range{}) {
				if err != nil {
					return err
				}
				if keys = append(keys, t.KeyOf(row)); len(keys) == loadRows {
					break
				}
			}
			if len(keys) == 0 {
				break
			}
			err := l.update(ctx, func(w *sqlstore.RowWriter) error {
				_, err := w.Delete(ctx, t, keys)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
