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
	// MarkMoving is set while the database is left for another, which its note names. Its value is a phase, such as MovingDrains.
	MarkMoving Mark = "moving"
	// MarkMovingRun names the process that moves it now.
	MarkMovingRun Mark = "moving_run"
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
	MovingMoved  = "moved"  // likewise, and servers answer nothing from it any more: the other database is whole
)

// MarkValue is what a mark holds.
type MarkValue struct {
	Value string
	Note  string // for people; no secret
	At    time.Time
}

// Closed tells of a [MarkMoving] whether the database refuses changes.
func (v MarkValue) Closed() bool { return v.Value == MovingClosed || v.Value == MovingMoved }

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
		case m.Closed():
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

// MovedTo tells to which database the data of this one moved, in words for people; "" where it did not. As [Store.Ping] it waits behind no other reader.
func (s *Store) MovedTo(ctx context.Context) (string, error) {
	to, err := get(ctx, s.probe, value[string], `SELECT note FROM database_marks WHERE name = $1 AND value = $2`, MarkMoving, MovingMoved)
	if errors.Is(err, auth.ErrNotFound) {
		return "", nil
	}
	return to, err
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

// InHand counts the mails and webhook deliveries that a worker has in hand at an instant. That none was claimed by a change that the snapshot does not see is sure
// once a serializable one that sees [MarkMoving] is closed without an error.
func (s *Snapshot) InHand(ctx context.Context, now time.Time) (int64, error) {
	return get(ctx, s.q, value[int64], `SELECT (SELECT COUNT(*) FROM outbox WHERE state = $1 AND lease_until > $3)
		+ (SELECT COUNT(*) FROM webhook_deliveries WHERE state = $2 AND lease_until > $3)`, auth.MailWorking, auth.DeliveryWorking, now)
}

// The ways in which a database cannot be filled.
var (
	ErrNotEmpty      = errors.New("the database has other data")
	ErrFilledAlready = errors.New("the database was filled from there already, and is whole")
	ErrSameDatabase  = errors.New("it is the same database")
	ErrOtherRun      = errors.New("another process fills the database now")
)

// BeginFilling marks an empty database as one that is being filled, or takes over one whose filling from the same source broke off. of is the value of
// [MarkFilling], run a new name for [MarkFillingRun]. It fails with [ErrNotEmpty], [ErrFilledAlready] or [ErrSameDatabase], and changes nothing then.
func (s *Store) BeginFilling(ctx context.Context, of MarkValue, run string) error {
	return s.rawUpdate(ctx, func(q *querier) error {
		before, err := readMarks(ctx, q)
		if err != nil {
			return err
		}
		filling, begun := before[MarkFilling]
		switch {
		case before[MarkIdentity].Value == of.Value:
			return ErrSameDatabase
		case before[MarkFilledFrom].Value == of.Value:
			return ErrFilledAlready
		case begun && filling.Value != of.Value:
			return fmt.Errorf("%w: %s", ErrNotEmpty, filling.Note)
		}
		if !begun {
			if err := checkEmpty(ctx, q); err != nil {
				return err
			}
		}
		after := maps.Clone(before)
		after[MarkFilling], after[MarkFillingRun] = of, MarkValue{Value: run, At: of.At}
		return writeMarks(ctx, q, before, after)
	})
}

func checkEmpty(ctx context.Context, q *querier) error {
	for _, t := range tables {
		page, err := readPage(ctx, q, t, Range{})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			return fmt.Errorf("%w: %s has rows", ErrNotEmpty, t.Name)
		}
	}
	return nil
}

// EndFilling marks the database as whole. It fails with [ErrOtherRun] where another process has taken over.
func (s *Store) EndFilling(ctx context.Context, run string, now time.Time) error {
	return s.UpdateMarks(ctx, func(m map[Mark]MarkValue) error {
		if m[MarkFillingRun].Value != run {
			return ErrOtherRun
		}
		m[MarkFilledFrom] = MarkValue{Value: m[MarkFilling].Value, Note: m[MarkFilling].Note, At: now}
		delete(m, MarkFilling)
		delete(m, MarkFillingRun)
		return nil
	})
}
