package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// cachedRowsBytes bounds what a rowCache keeps, as it counts: the values, and something for each.
const cachedRowsBytes = 8 << 20

// rowCache keeps the rows of reads that are asked again and again, while nothing at all changed: it is asked with the header of SQLite's log, and what was read under
// another one is forgotten. So a row out of it is as fresh as one that SQLite reads, whichever process changed it (P20, decision 33).
type rowCache struct {
	index *walIndex

	mu    sync.Mutex
	now   walHeader
	rows  map[cachedRead][][]any
	bytes int
}

// cachedRead is a statement with its parameters.
type cachedRead struct{ statement, args string }

func newRowCache(index *walIndex) *rowCache {
	return &rowCache{index: index, rows: map[cachedRead][][]any{}}
}

// cached is list for statements that find few rows by a key.
func cached[T any](ctx context.Context, q *querier, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	c := q.cache
	if c == nil {
		return list(ctx, q, fields, statement, args...)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	read, ok := readOf(statement, args)
	header, known := c.index.read()
	if !known {
		c.forget()
	}
	if !ok || !known {
		return list(ctx, q, fields, statement, args...)
	}
	rows, found := c.get(header, read)
	if !found {
		var err error
		if rows, err = list(ctx, q, rawFields(len(fields(new(T)))), statement, args...); err != nil {
			return nil, err
		}
		c.put(header, read, rows)
	}
	return assignAll(fields, rows)
}

// cachedGet is get for such statements.
func cachedGet[T any](ctx context.Context, q *querier, fields func(*T) []any, statement string, args ...any) (one T, err error) {
	return only(cached(ctx, q, fields, statement, args...))
}

// readOf names a read; ok is false where a parameter is of a kind that no such read has.
func readOf(statement string, args []any) (read cachedRead, ok bool) {
	var b strings.Builder
	for _, arg := range args {
		var text string
		switch v := arg.(type) {
		case []byte:
			text = string(v)
		case int:
			text = strconv.Itoa(v)
		default:
			value := reflect.ValueOf(arg)
			if value.Kind() != reflect.String {
				return cachedRead{}, false
			}
			text = value.String()
		}
		b.WriteString(strconv.Itoa(len(text)))
		b.WriteByte(':')
		b.WriteString(text)
	}
	return cachedRead{statement, b.String()}, true
}

func (c *rowCache) get(now walHeader, read cachedRead) (rows [][]any, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != now {
		c.now = now
		c.clear()
	}
	rows, found = c.rows[read]
	return rows, found
}

// forget is for when nobody can tell whether the rows are as they were.
func (c *rowCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = walHeader{}
	c.clear()
}

func (c *rowCache) clear() {
	c.bytes = 0
	if len(c.rows) > 1000 { // a map stays as large as it was, and each clearing goes through all of it
		c.rows = map[cachedRead][][]any{}
		return
	}
	clear(c.rows)
}

// put keeps rows that were read after the header was. They may be of a later state: then the header is another one by now, and they are forgotten at the next read.
func (c *rowCache) put(now walHeader, read cachedRead, rows [][]any) {
	size := len(read.args) + 200
	for _, row := range rows {
		for _, value := range row {
			size += 40
			switch v := value.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != now || size > cachedRowsBytes/64 {
		return
	}
	if c.bytes+size > cachedRowsBytes {
		c.clear()
	}
	c.rows[read] = rows
	c.bytes += size
}

// rawFields scans a row as the driver gives it.
func rawFields(columns int) func(*[]any) []any {
	return func(row *[]any) []any {
		*row = make([]any, columns)
		pointers := make([]any, columns)
		for i := range *row {
			pointers[i] = &(*row)[i]
		}
		return pointers
	}
}

// assignAll makes values of their own from rows that many share.
func assignAll[T any](fields func(*T) []any, rows [][]any) ([]T, error) {
	var all []T
	if len(rows) > 0 {
		all = make([]T, len(rows))
	}
	for i, row := range rows {
		for at, to := range destinations(fields(&all[i])) {
			if err := assign(to, row[at]); err != nil {
				return nil, fmt.Errorf("reading a row: column %d: %w", at, err)
			}
		}
	}
	return all, nil
}

// assign is what database/sql does for the kinds of values that are stored.
func assign(to, value any) error {
	switch to := to.(type) {
	case sql.Scanner:
		return to.Scan(value)
	case *[]byte:
		*to = nil
		switch v := value.(type) {
		case nil:
			return nil
		case []byte:
			*to = append([]byte{}, v...)
			return nil
		case string:
			*to = []byte(v)
			return nil
		}
	case *string:
		if v, ok := value.(string); ok {
			*to = v
			return nil
		}
	case *int:
		if v, ok := value.(int64); ok {
			*to = int(v)
			return nil
		}
	case *int64:
		if v, ok := value.(int64); ok {
			*to = v
			return nil
		}
	case *bool:
		if v, ok := value.(int64); ok && (v == 0 || v == 1) {
			*to = v == 1
			return nil
		}
	}
	into := reflect.ValueOf(to).Elem()
	switch v := value.(type) {
	case string:
		if into.Kind() == reflect.String {
			into.SetString(v)
			return nil
		}
	case int64:
		if into.CanInt() {
			into.SetInt(v)
			return nil
		}
	}
	return fmt.Errorf("a %T is stored as %T", to, value)
}
