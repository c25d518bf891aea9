package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// schemaStateTable holds one row: who migrates, and the oldest program that runs on the schema. It is older than the first migration, so it is none itself.
const schemaStateTable = `CREATE TABLE IF NOT EXISTS schema_state (
	id        {{INT}} NOT NULL PRIMARY KEY,
	runs_from {{INT}} NOT NULL,
	holder    {{TEXT}} NOT NULL,
	beat      {{INT}} NOT NULL
) {{TABLE}}`

// firstDeclared is the schema since which migrations say what they leave of older programs.
const firstDeclared = 7

const (
	lockBeat = time.Second
	lockPoll = 250 * time.Millisecond

	lockWait  = 5 * time.Second // for one statement on the lock
	lockTries = 40              // in a row that may fail because the database does
)

// lockStale is the number of polls without a beat after which the holder is taken for dead. Tests shorten it.
var lockStale = 40

var (
	errMigrated = errors.New("the schema is the newest")
	errLockLost = errors.New("another process took over the migration")
)

// schemaLock is held by the one process that migrates. It is a row, which every engine has, and not a lock of the session. The holder counts the row's beat up; who waits
// and sees no beat for ten seconds of its own takes over. No clock is compared with another one, and whoever lost the lock finds out before it commits.
type schemaLock struct {
	db     *sql.DB
	engine *engine
	holder string
	held   context.Context // ends when the lock is lost
	lose   context.CancelCauseFunc
	ended  chan struct{}
}

// takeSchemaLock waits for the lock, or gives errMigrated where meanwhile another process brought the schema to the newest version.
func takeSchemaLock(ctx context.Context, db *sql.DB, e *engine, newest int64) (*schemaLock, error) {
	l := &schemaLock{db: db, engine: e, holder: strconv.FormatUint(rand.Uint64(), 36), ended: make(chan struct{})}
	var last lockRow
	same, failures := 0, 0
	for {
		got, seen, err := l.try(ctx, last, same >= lockStale)
		switch {
		case got:
			l.held, l.lose = context.WithCancelCause(ctx)
			go l.keep()
			return l, nil
		case err != nil:
			if failures++; failures == lockTries {
				return nil, e.translate(fmt.Errorf("locking the schema: %w", err))
			}
		case seen == last:
			same++
		default:
			last, same, failures = seen, 0, 0
		}
		if version, ok := schemaVersion(ctx, db); ok && version >= newest {
			return nil, errMigrated
		}
		if err := pause(ctx, lockPoll); err != nil {
			return nil, err
		}
	}
}

type lockRow struct {
	holder string
	beat   int64
}

// try takes the lock where it is free, or where stale where it still is as last seen.
func (l *schemaLock) try(ctx context.Context, last lockRow, stale bool) (got bool, seen lockRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	seen, err = l.read(ctx)
	if err != nil {
		if seen, err = l.create(ctx); err != nil {
			return false, seen, err
		}
	}
	if seen.holder != "" && (!stale || seen != last) {
		return false, seen, nil
	}
	result, err := l.db.ExecContext(ctx, `UPDATE schema_state SET holder = $1, beat = beat + 1 WHERE id = 1 AND holder = $2 AND beat = $3`, l.holder, seen.holder, seen.beat)
	if err != nil {
		return false, seen, err
	}
	n, err := result.RowsAffected()
	return n == 1, seen, err
}

func (l *schemaLock) read(ctx context.Context) (row lockRow, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT holder, beat FROM schema_state WHERE id = 1`).Scan(&row.holder, &row.beat)
	return row, err
}

func (l *schemaLock) create(ctx context.Context) (lockRow, error) {
	if _, err := l.db.ExecContext(ctx, l.engine.types.Replace(schemaStateTable)); err != nil {
		return lockRow{}, err
	}
	_, err := l.db.ExecContext(ctx, `INSERT INTO schema_state (id, runs_from, holder, beat) VALUES (1, $1, '', 0) ON CONFLICT DO NOTHING`, int64(firstDeclared))
	if err != nil {
		return lockRow{}, err
	}
	return l.read(ctx)
}

// keep shows that the holder lives.
func (l *schemaLock) keep() {
	defer close(l.ended)
	for pause(l.held, lockBeat) == nil {
		if n, err := l.beat(l.held); err == nil && n == 0 {
			l.lose(errLockLost)
		}
	}
}

func (l *schemaLock) beat(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	result, err := l.db.ExecContext(ctx, `UPDATE schema_state SET beat = beat + 1 WHERE id = 1 AND holder = $1`, l.holder)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// confirm makes a transaction depend on the lock, and notes from which program on its schema can be used. It comes last, so that the row is locked for a moment only.
func (l *schemaLock) confirm(ctx context.Context, tx *sql.Tx, runsFrom int64) error {
	result, err := tx.ExecContext(ctx, `UPDATE schema_state SET beat = beat + 1, runs_from = CASE WHEN runs_from < $1 THEN $1 ELSE runs_from END
		WHERE id = 1 AND holder = $2`, runsFrom, l.holder)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errLockLost)
	}
	return nil
}

// explain says of an error that came with the loss of the lock that it did: the process can simply start again.
func (l *schemaLock) explain(err error) error {
	if errors.Is(context.Cause(l.held), errLockLost) || errors.Is(err, errLockLost) {
		return fmt.Errorf("%w: %w", auth.ErrStoreBusy, errLockLost)
	}
	return err
}

func (l *schemaLock) release() {
	ctx := context.WithoutCancel(l.held)
	l.lose(nil)
	<-l.ended
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	// Where this fails, the others wait until the lock is stale.
	_, _ = l.db.ExecContext(ctx, `UPDATE schema_state SET holder = '', beat = beat + 1 WHERE id = 1 AND holder = $1`, l.holder)
}
