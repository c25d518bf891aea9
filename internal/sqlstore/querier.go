package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/doorward/doorward/internal/auth"
)

// runner is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type runner interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// querier runs statements, in or outside of a transaction, and speaks the errors of [auth.Store].
type querier struct {
	run    runner
	engine *engine
	inTx   bool
	turns  *turns    // nil where SQLite writes
	cache  *rowCache // nil in transactions and on PostgreSQL
	// failed is the driver's error of the first statement that failed in a transaction. PostgreSQL takes no statement after one, and SQLite may have
	// rolled back by itself, so nothing runs after it on either, and the transaction does not commit.
	failed error
	answer error // what was told of it
}

func (q *querier) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	bound, err := q.prepare(ctx, args)
	if err != nil {
		return nil, err
	}
	rows, err := q.run.QueryContext(ctx, statement, bound...)
	return rows, q.fail(ctx, err)
}

// exec gives the number of rows that changed.
func (q *querier) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, done, err := q.turns.take(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	bound, err := q.prepare(ctx, args)
	if err != nil {
		return 0, err
	}
	result, err := q.run.ExecContext(ctx, statement, bound...)
	if err != nil {
		return 0, q.fail(ctx, err)
	}
	return result.RowsAffected()
}

func (q *querier) prepare(ctx context.Context, args []any) ([]any, error) {
	if q.failed != nil {
		return nil, q.answer
	}
	if err := ctx.Err(); err != nil {
		return nil, q.turns.explain(ctx, err)
	}
	return bind(args)
}

// fail remembers the error of a statement and translates it. ctx is the one that its turn gave.
func (q *querier) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	answer := q.turns.explain(ctx, q.engine.translate(err))
	if q.inTx && q.failed == nil {
		q.failed, q.answer = err, answer
	}
	return answer
}

// list scans all rows; fields names the pointers in the order of the statement's columns.
func list[T any](ctx context.Context, q *querier, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	return listWhile(ctx, q, func(T) error { return nil }, fields, statement, args...)
}

// listWhile is list, and ends with the error of check, which sees each row.
func listWhile[T any](ctx context.Context, q *querier, check func(T) error, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	ctx, done, err := q.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return scan(ctx, q, check, fields, statement, args...)
}

func scan[T any](ctx context.Context, q *querier, check func(T) error, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	rows, err := q.query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := rows.Scan(destinations(fields(&one))...); err != nil {
			return nil, q.fail(ctx, fmt.Errorf("reading a row: %w", err))
		}
		if err := check(one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, q.fail(ctx, err)
	}
	return all, nil
}

// get scans the only row. It fails with ErrNotFound where there is none, and so where the statement asks for text that cannot be stored.
func get[T any](ctx context.Context, q *querier, fields func(*T) []any, statement string, args ...any) (T, error) {
	return only(list(ctx, q, fields, statement, args...))
}

// only gives the first of the rows. It fails with ErrNotFound where there is none.
func only[T any](all []T, err error) (T, error) {
	var none T
	switch {
	case errors.Is(err, errText):
		return none, auth.ErrNotFound
	case err != nil:
		return none, err
	case len(all) == 0:
		return none, auth.ErrNotFound
	}
	return all[0], nil
}

// value is the one field of a one-column statement.
func value[T any](v *T) []any { return []any{v} }

// create runs an INSERT … ON CONFLICT DO NOTHING. It fails with ErrConflict where nothing was inserted; the transaction goes on on both engines.
func create(ctx context.Context, q *querier, statement string, args ...any) error {
	n, err := q.exec(ctx, statement, args...)
	if err == nil && n == 0 {
		return auth.ErrConflict
	}
	return err
}

// change runs an UPDATE or DELETE. It fails with ErrNotFound where no row changed.
func change(ctx context.Context, q *querier, statement string, args ...any) error {
	n, err := q.exec(ctx, statement, args...)
	if err == nil && n == 0 || errors.Is(err, errText) {
		return auth.ErrNotFound
	}
	return err
}

// builder collects a statement whose conditions depend on the question. Only fixed text goes into the statement; values become parameters (P32).
type builder struct {
	text strings.Builder
	args []any
}

func (b *builder) write(parts ...string) {
	for _, part := range parts {
		b.text.WriteString(part)
	}
}

// arg adds a value and gives its parameter.
func (b *builder) arg(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

// preparedLimit bounds the statements that one cache keeps; the users table's queries have no end of forms.
const preparedLimit = 256

// prepared keeps the compiled statements of a SQLite connection or pool.
type prepared struct {
	on interface {
		runner
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	mu         sync.RWMutex
	statements map[string]*sql.Stmt
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if statement == nil {
		return p.on.QueryContext(ctx, query, args...)
	}
	return statement.QueryContext(ctx, args...)
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if statement == nil {
		return p.on.ExecContext(ctx, query, args...)
	}
	return statement.ExecContext(ctx, args...)
}

// statement compiles a query once; nil where the cache is full.
func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.RLock()
	statement, full := p.statements[query], len(p.statements) >= preparedLimit
	p.mu.RUnlock()
	if statement != nil || full {
		return statement, nil
	}
	compiled, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.statements[query]; first != nil { // another goroutine was faster
		return first, compiled.Close()
	}
	if p.statements == nil {
		p.statements = map[string]*sql.Stmt{}
	}
	p.statements[query] = compiled
	return compiled, nil
}

// close frees the compiled statements. SQLite keeps a connection open, and its log, for as long as it has any.
func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, statement := range p.statements {
		_ = statement.Close()
	}
	p.statements = nil
}

// uncancelled runs statements to their end. An interrupted statement makes SQLite roll back the whole transaction, and with it the changes of others.
type uncancelled struct{ runner }

func (u uncancelled) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return u.runner.QueryContext(context.WithoutCancel(ctx), query, args...)
}

func (u uncancelled) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return u.runner.ExecContext(context.WithoutCancel(ctx), query, args...)
}
