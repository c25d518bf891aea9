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
	switch {
	case marked && !strings.HasPrefix(before.Value, restoring):
		return fmt.Errorf("%w: %s", ErrNotEmpty, before.Note)
	case marked:
		return l.wipe(ctx)
	}
	if err := l.checkEmpty(ctx); err != nil {
		return err
	}
	err = l.store.UpdateMarks(ctx, func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		marks[sqlstore.MarkFilling] = sqlstore.MarkValue{Value: restoring + name, Note: "`doorward restore` fills it from " + name, At: now}
		return nil
	})
	if err != nil {
		return err
	}
	// Once more: from the mark on nobody else writes.
	if err := l.checkEmpty(ctx); err != nil {
		return l.unmark(ctx, err)
	}
	return nil
}

func (l *loader) unmark(ctx context.Context, cause error) error {
	err := l.store.UpdateMarks(ctx, func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		delete(marks, sqlstore.MarkFilling)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w; and the database is left marked: %w", cause, err)
	}
	return cause
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
			err := l.store.UpdateRows(ctx, func(_ auth.Tx, w *sqlstore.RowWriter) error {
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
