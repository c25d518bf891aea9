package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Row is a row of a [Table], its values in the order of the table's columns, each of the type of its kind, or nil.
type Row []any

// Digest is a SHA-256 of a row or a table.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// KeyOf gives the values of a row's primary key, in the order of the key.
func (t Table) KeyOf(r Row) []any {
	key := make([]any, len(t.Key))
	for i, place := range t.Key {
		key[i] = r[place]
	}
	return key
}

// CompareKeys orders two keys of one table as the database does.
func CompareKeys(a, b []any) int {
	for i := range a {
		if order := compareValues(a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case int64:
		return cmp.Compare(a, b.(int64))
	case []byte:
		return bytes.Compare(a, b.([]byte))
	}
	panic(fmt.Sprintf("a key of type %T", a))
}

// FormatKey writes a key for people. Of blobs, which are hashes of secrets, it tells only the beginning.
func FormatKey(key []any) string {
	parts := make([]string, len(key))
	for i, v := range key {
		switch v := v.(type) {
		case []byte:
			parts[i] = hex.EncodeToString(v[:min(4, len(v))]) + "…"
		case string:
			parts[i] = strconv.Quote(v)
		default:
			parts[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(parts, ", ")
}

// RowDigest is the SHA-256 of a row. Each value goes into it with its type and its length, so that no two rows have the same encoding.
func (t Table) RowDigest(r Row) Digest {
	h := sha256.New()
	for _, v := range r {
		writeValue(h, v)
	}
	return Digest(h.Sum(nil))
}

func writeValue(h hash.Hash, v any) {
	switch v := v.(type) {
	case nil:
		h.Write([]byte{'n'})
	case int64:
		writeTagged(h, byte(Int), uint64(v))
	case float64:
		writeTagged(h, byte(Real), math.Float64bits(v+0)) // the two zeros are one number: SQLite keeps no sign of 0
	case string:
		writeTagged(h, byte(Text), uint64(len(v)))
		h.Write([]byte(v))
	case []byte:
		writeTagged(h, byte(Blob), uint64(len(v)))
		h.Write(v)
	default:
		panic(fmt.Sprintf("a value of type %T", v))
	}
}

func writeTagged(h hash.Hash, tag byte, n uint64) {
	h.Write(binary.BigEndian.AppendUint64([]byte{tag}, n))
}

// TableDigest adds the rows of one table up, in the order of the key. Two tables with the same sum and count hold the same rows.
type TableDigest struct {
	Rows int64
	hash hash.Hash
}

// NewTableDigest begins with no rows.
func (t Table) NewTableDigest() *TableDigest {
	d := &TableDigest{hash: sha256.New()}
	writeValue(d.hash, t.Name)
	for _, c := range t.Columns {
		writeValue(d.hash, c.Name)
	}
	return d
}

// Add takes the digest of the next row.
func (d *TableDigest) Add(row Digest) {
	d.Rows++
	d.hash.Write(row[:])
}

// Sum gives the digest of the rows so far.
func (d *TableDigest) Sum() Digest { return Digest(d.hash.Sum(nil)) }

// Range says which rows of a table to read. The zero Range is all.
type Range struct {
	Project string // only rows of this project, and none of tables that have no projects; "" for all
	After   []any  // only rows with a greater key; nil for all
}

// pageRows bounds the rows of one statement, and so memory and the time of each.
const pageRows = 256

// Snapshot reads one consistent state of the database, whatever is written meanwhile. On SQLite the log grows until it is closed.
type Snapshot struct {
	q     *querier
	close func() error
}

// SnapshotOptions choose the kind of a snapshot.
type SnapshotOptions struct {
	// Serializable makes a snapshot on PostgreSQL that takes its place in the serial order of all changes, so that a change that it does not see cannot
	// have happened before one that it does see. Reading then fails with [auth.ErrStoreBusy] where a change that runs at the same time is in the way.
	// On SQLite every snapshot is like this.
	Serializable bool
	// AnyTables takes also a database with other tables than this program knows, as long as its reader asks [Snapshot.Tables] which there are.
	AnyTables bool
}

// Snapshot begins a snapshot of the whole database. It refuses databases that hold more than this program knows; see [ErrTables]. The caller closes it.
func (s *Store) Snapshot(ctx context.Context, o SnapshotOptions) (*Snapshot, error) {
	var snapshot *Snapshot
	var err error
	if s.writer != nil {
		snapshot, err = snapshotSQLite(ctx, s.path)
	} else {
		snapshot, err = snapshotPostgres(ctx, s.pool, o)
	}
	if err != nil {
		return nil, err
	}
	if o.AnyTables {
		return snapshot, nil
	}
	if err := checkTables(ctx, snapshot.q); err != nil {
		return nil, errors.Join(err, snapshot.Close())
	}
	return snapshot, nil
}

// snapshotSQLite reads on a connection of its own, which takes no turn from the others.
func snapshotSQLite(ctx context.Context, path string) (*Snapshot, error) {
	index := useWALIndex(path) // so that a store of the same database that is closed meanwhile leaves its locks alone
	db, err := sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), index.close())
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(sqliteEngine.translate(err), db.Close(), index.close())
	}
	run := &prepared{on: conn}
	q := &querier{run: run, engine: sqliteEngine}
	end := func() error {
		run.close() // database/sql leaves statements of a *sql.Conn open, and with one SQLite would keep the read going, and the log
		return errors.Join(conn.Close(), db.Close(), index.close())
	}
	if _, err := q.exec(ctx, `BEGIN DEFERRED`); err != nil { // its state is that of the first read
		return nil, errors.Join(err, end())
	}
	return &Snapshot{q, end}, nil
}

// snapshotTime is that of snapshotTimes, and the time of a statement on this side too, with the grace.
const snapshotTime = 10 * time.Minute

// snapshotTimes are how long PostgreSQL lets a snapshot wait for whoever takes the rows, and one of its statements run, in milliseconds: counting a large table takes longer than any
// request may.
var snapshotTimes = []string{`SET LOCAL idle_in_transaction_session_timeout = 600000`, `SET LOCAL statement_timeout = 600000`}

func snapshotPostgres(ctx context.Context, pool *sql.DB, o SnapshotOptions) (*Snapshot, error) {
	begin := `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	if o.Serializable {
		begin = `BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY`
	}
	waiting := &turns{run: postgresTxTime} // for a connection: as long as those who have one may take
	connecting, done, err := waiting.take(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(connecting)
	if err != nil {
		err = waiting.explain(connecting, postgresEngine.translate(err))
		done()
		return nil, err
	}
	done()
	if err := exchange(ctx, conn, postgresShortTime, begin, "BEGIN"); err != nil {
		_ = conn.Close()
		return nil, inFlight(ctx, err)
	}
	q := &querier{run: conn, engine: postgresEngine, inTx: true, turns: &turns{run: snapshotTime + postgresGrace}}
	// What a serializable transaction read is proven by its commit alone: PostgreSQL forgets the reads of one that rolls back, and a change that they contradict passes.
	end := func() error {
		ctx := context.WithoutCancel(ctx)
		if q.failed != nil {
			_ = exchange(ctx, conn, postgresShortTime, `ROLLBACK`, "ROLLBACK")
			_ = conn.Close()
			return nil
		}
		if err := exchange(ctx, conn, postgresShortTime, `COMMIT`, "COMMIT"); err != nil {
			_ = conn.Close()
			return busy(err) // nothing was changed, and what was read is not proven
		}
		return conn.Close()
	}
	for _, statement := range snapshotTimes {
		if _, err := q.exec(ctx, statement); err != nil {
			return nil, errors.Join(err, end())
		}
	}
	return &Snapshot{q, end}, nil
}

// Close ends the snapshot. Of a serializable one, what was read holds only where this gives no error; it gives [auth.ErrStoreBusy] where a change was in the way.
func (s *Snapshot) Close() error { return s.close() }

// Schema gives the number of the last migration that the database has.
func (s *Snapshot) Schema(ctx context.Context) (int64, error) {
	return get(ctx, s.q, value[int64], `SELECT MAX(version_id) FROM goose_db_version`)
}

// Rows gives the rows of a table in the order of its key, and holds few of them at a time. An error is the last that it gives.
func (s *Snapshot) Rows(ctx context.Context, t Table, r Range) iter.Seq2[Row, error] {
	return readRows(ctx, s.q, t, r)
}

// Count gives the number of rows.
func (s *Snapshot) Count(ctx context.Context, t Table, r Range) (int64, error) {
	return countRows(ctx, s.q, t, r)
}

// Rows is [Snapshot.Rows] without a snapshot: of a database that nobody else writes, or whose changes do not matter.
func (s *Store) Rows(ctx context.Context, t Table, r Range) iter.Seq2[Row, error] {
	return readRows(ctx, s.q, t, r)
}

func readRows(ctx context.Context, q *querier, t Table, r Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			page, err := readPage(ctx, q, t, r)
			if err != nil {
				yield(nil, fmt.Errorf("reading %s: %w", t.Name, err))
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			r.After = t.KeyOf(page[len(page)-1])
		}
	}
}

func readPage(ctx context.Context, q *querier, t Table, r Range) ([]Row, error) {
	if r.Project != "" && t.Project < 0 {
		return nil, nil
	}
	var b builder
	b.write(`SELECT `, t.names(t.all()), ` FROM `, t.Name)
	t.where(&b, r)
	b.write(` ORDER BY `, t.names(t.Key), ` LIMIT `, b.arg(pageRows))
	return list(ctx, q, t.scanRow, b.text.String(), b.args...)
}

func countRows(ctx context.Context, q *querier, t Table, r Range) (int64, error) {
	if r.Project != "" && t.Project < 0 {
		return 0, nil
	}
	var b builder
	b.write(`SELECT COUNT(*) FROM `, t.Name)
	t.where(&b, r)
	return get(ctx, q, value[int64], b.text.String(), b.args...)
}

func (t Table) where(b *builder, r Range) {
	word := ` WHERE `
	if r.Project != "" {
		b.write(word, t.Columns[t.Project].Name, ` = `, b.arg(r.Project))
		word = ` AND `
	}
	if r.After != nil {
		b.write(word, `(`, t.names(t.Key), `) > (`, b.list(r.After), `)`)
	}
}

func (b *builder) list(values []any) string {
	parameters := make([]string, len(values))
	for i, v := range values {
		parameters[i] = b.arg(v)
	}
	return strings.Join(parameters, `, `)
}

func (t Table) scanRow(r *Row) []any {
	*r = make(Row, len(t.Columns))
	fields := make([]any, len(t.Columns))
	for i := range *r {
		fields[i] = &(*r)[i]
	}
	return fields
}

func (t Table) all() []int {
	all := make([]int, len(t.Columns))
	for i := range all {
		all[i] = i
	}
	return all
}

// names lists columns for a statement. They come from the list of tables alone.
func (t Table) names(places []int) string {
	names := make([]string, len(places))
	for i, place := range places {
		names[i] = t.Columns[place].Name
	}
	return strings.Join(names, `, `)
}

// OnConflict says what becomes of a row whose key is there already.
type OnConflict int

// What to do. Other unique columns than the key lead to [auth.ErrConflict] with each of them.
const (
	Refuse  OnConflict = iota // fail with auth.ErrConflict
	Keep                      // leave the row that is there
	Replace                   // write the new values
)

// RowWriter writes rows in a transaction; see [Store.UpdateRows].
type RowWriter struct{ q *querier }

// UpdateRows is [Store.Update] with a writer of rows beside the transaction. Rows go in as they are: whoever writes them answers for what the domain
// would have checked. Keep one call small, a thousand rows or so: on PostgreSQL a transaction has 30 seconds, and on SQLite all others wait for it.
func (s *Store) UpdateRows(ctx context.Context, f func(auth.Tx, *RowWriter) error) error {
	return s.rawUpdate(ctx, func(q *querier) error { return f(&tx{reader{q}}, &RowWriter{q}) })
}

// statementRows bounds the rows of one INSERT: the engines take some ten thousand parameters.
const statementRows = 100

// Put inserts rows, and gives how many were inserted or replaced. The parents of a row go before it, else it fails with [auth.ErrNotFound].
func (w *RowWriter) Put(ctx context.Context, t Table, rows []Row, c OnConflict) (int64, error) {
	var written int64
	for chunk := range slices.Chunk(rows, statementRows) {
		var b builder
		b.write(`INSERT INTO `, t.Name, ` (`, t.names(t.all()), `) VALUES `)
		for i, row := range chunk {
			if err := t.check(row); err != nil {
				return written, err
			}
			if i > 0 {
				b.write(`, `)
			}
			b.write(`(`, b.list(row), `)`)
		}
		t.onConflict(&b, c)
		n, err := w.q.exec(ctx, b.text.String(), b.args...)
		if err != nil {
			return written, fmt.Errorf("writing %s: %w", t.Name, err)
		}
		written += n
	}
	return written, nil
}

func (t Table) onConflict(b *builder, c OnConflict) {
	if c == Refuse {
		return
	}
	var updates []string
	for i, column := range t.Columns {
		if !slices.Contains(t.Key, i) {
			updates = append(updates, column.Name+` = excluded.`+column.Name)
		}
	}
	b.write(` ON CONFLICT (`, t.names(t.Key), `) DO `)
	if c == Keep || len(updates) == 0 {
		b.write(`NOTHING`)
		return
	}
	b.write(`UPDATE SET `, strings.Join(updates, `, `))
}

// Delete deletes the rows with the keys, and what belongs to them. It gives how many there were.
func (w *RowWriter) Delete(ctx context.Context, t Table, keys [][]any) (int64, error) {
	var deleted int64
	for chunk := range slices.Chunk(keys, statementRows) {
		var b builder
		b.write(`DELETE FROM `, t.Name, ` WHERE `)
		for i, key := range chunk {
			if i > 0 {
				b.write(` OR `)
			}
			t.hasKey(&b, key)
		}
		n, err := w.q.exec(ctx, b.text.String(), b.args...)
		if err != nil {
			return deleted, fmt.Errorf("deleting from %s: %w", t.Name, err)
		}
		deleted += n
	}
	return deleted, nil
}

// hasKey compares column by column: both engines look each of a chain of such terms up in the index, and know the types of its parameters.
func (t Table) hasKey(b *builder, key []any) {
	for i, place := range t.Key {
		word := ` AND `
		if i == 0 {
			word = `(`
		}
		b.write(word, t.Columns[place].Name, ` = `, b.arg(key[i]))
	}
	b.write(`)`)
}

// check refuses rows that are not of the table: they may come from a file.
func (t Table) check(r Row) error {
	if len(r) != len(t.Columns) {
		return fmt.Errorf("a row of %s has %d values and not %d", t.Name, len(r), len(t.Columns))
	}
	for i, v := range r {
		if !t.Columns[i].Kind.takes(v) {
			return fmt.Errorf("column %s.%s holds a %T", t.Name, t.Columns[i].Name, v)
		}
	}
	return nil
}

func (k Kind) takes(v any) bool {
	switch v.(type) {
	case nil:
		return true
	case string:
		return k == Text
	case int64:
		return k == Int
	case float64:
		return k == Real
	case []byte:
		return k == Blob
	}
	return false
}

// CountRows is [Snapshot.Count] without a snapshot.
func (s *Store) CountRows(ctx context.Context, t Table, r Range) (int64, error) {
	return countRows(ctx, s.reader.q, t, r)
}
