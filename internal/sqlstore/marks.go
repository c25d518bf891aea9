package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Mark names something that is to be known of this one database. Marks are no data: a copy does not take them along.
type Mark string

// The marks.
const (
	// MarkIdentity has a random value that tells this database from all others. It is set when a copy of it begins.
	MarkIdentity Mark = "identity"
	// MarkMoving is set while the database is left for another, which its note names. Its value is a phase, MovingDrains or MovingClosed.
	MarkMoving Mark = "moving"
	// MarkFilling is set while the database is filled with the rows of another one: it is not whole, and [Open] and [Store.Update] refuse it. Its value says what
	// it is filled from, its note says so for people.
	MarkFilling Mark = "filling"
	// MarkFillingRun names the process that fills it now: one that finds another name in there stops.
	MarkFillingRun Mark = "filling_run"
	// MarkFilledFrom is set once it is whole, with the value of MarkFilling.
	MarkFilledFrom Mark = "filled_from"
)

// The phases of a database that is being left.
const (
	MovingDrains = "drains" // mails and webhook deliveries are not given out any more; all else goes on
	MovingClosed = "closed" // every change is refused, in all processes, from the commit of this mark on
)

// MarkValue is what a mark holds.
type MarkValue struct {
	Value string
	Note  string // for people; no secret
	At    time.Time
}

// ErrMoving means that the database takes no changes because its data moves to another one. It is an [auth.ErrStoreBusy]: reads go on, and nothing was changed.
var ErrMoving = fmt.Errorf("%w: the database moves, and takes no changes", auth.ErrStoreBusy)

// ErrFilling means that the database is not whole: a copy or a restore into it did not end yet.
var ErrFilling = errors.New("the database is not whole yet")

type markRow struct {
	name Mark
	MarkValue
}

func markFields(m *markRow) []any { return []any{&m.name, &m.Value, &m.Note, &m.At} }

// Marks gives all marks of the database.
func (s *Store) Marks(ctx context.Context) (map[Mark]MarkValue, error) {
	return readMarks(ctx, s.reader.q)
}

// Marks gives the marks as the snapshot sees them.
func (s *Snapshot) Marks(ctx context.Context) (map[Mark]MarkValue, error) { return readMarks(ctx, s.q) }

// Marks gives the marks in the order of all changes.
func (w *RowWriter) Marks(ctx context.Context) (map[Mark]MarkValue, error) {
	return readMarks(ctx, w.q)
}

func readMarks(ctx context.Context, q *querier) (map[Mark]MarkValue, error) {
	rows, err := list(ctx, q, markFields, `SELECT name, value, note, set_at FROM database_marks`)
	if err != nil {
		return nil, err
	}
	marks := map[Mark]MarkValue{}
	for _, row := range rows {
		marks[row.name] = row.MarkValue
	}
	return marks, nil
}

// UpdateMarks lets f change the marks, in one transaction. f may run twice.
func (s *Store) UpdateMarks(ctx context.Context, f func(map[Mark]MarkValue) error) error {
	return s.rawUpdate(ctx, func(q *querier) error {
		before, err := readMarks(ctx, q)
		if err != nil {
			return err
		}
		after := maps.Clone(before)
		if err := f(after); err != nil {
			return err
		}
		return writeMarks(ctx, q, before, after)
	})
}

func writeMarks(ctx context.Context, q *querier, before, after map[Mark]MarkValue) error {
	for _, name := range slices.Sorted(maps.Keys(after)) {
		v := after[name]
		if v == before[name] {
			continue
		}
		_, err := q.exec(ctx, `INSERT INTO database_marks (name, value, note, set_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, note = excluded.note, set_at = excluded.set_at`, name, v.Value, v.Note, v.At)
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, kept := after[name]; kept {
			continue
		}
		if _, err := q.exec(ctx, `DELETE FROM database_marks WHERE name = $1`, name); err != nil {
			return err
		}
	}
	return nil
}

// checkOpen is the first statement of every change. That it is in the change's own transaction is what makes MovingClosed exact: on SQLite changes come one
// after the other, and on PostgreSQL a serializable one that has not seen the mark stands before it in the order that every serializable snapshot keeps.
func checkOpen(ctx context.Context, q *querier) error {
	rows, err := list(ctx, q, markFields, `SELECT name, value, note, set_at FROM database_marks WHERE name IN ($1, $2)`, MarkMoving, MarkFilling)
	if err != nil {
		return err
	}
	for _, m := range rows {
		switch {
		case m.name == MarkFilling:
			return fmt.Errorf("%w: %w (%s)", auth.ErrStoreBusy, ErrFilling, m.Note)
		case m.Value == MovingClosed:
			return fmt.Errorf("%w: it goes to %s; start the servers on that one, or give the move up with `doorward db reopen`", ErrMoving, m.Note)
		}
	}
	return nil
}

// givesWorkOut tells whether workers may take mails and deliveries: those that are in hand when the database closes could be sent twice.
func (r reader) givesWorkOut(ctx context.Context) (bool, error) {
	_, err := get(ctx, r.q, value[string], `SELECT value FROM database_marks WHERE name = $1`, MarkMoving)
	if errors.Is(err, auth.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// refuseFilling refuses to serve a database that is not whole.
func (s *Store) refuseFilling(ctx context.Context) error {
	marks, err := s.Marks(ctx)
	if err != nil {
		return err
	}
	if m, ok := marks[MarkFilling]; ok {
		return fmt.Errorf("%w: %s; run the same command again until it says that it is done, or use an empty database", ErrFilling, m.Note)
	}
	return nil
}

// InHand counts the mails and webhook deliveries that a worker has in hand at an instant.
func (s *Store) InHand(ctx context.Context, now time.Time) (int64, error) {
	return get(ctx, s.reader.q, value[int64], `SELECT (SELECT COUNT(*) FROM outbox WHERE state = $1 AND lease_until > $3)
		+ (SELECT COUNT(*) FROM webhook_deliveries WHERE state = $2 AND lease_until > $3)`, auth.MailWorking, auth.DeliveryWorking, now)
}
