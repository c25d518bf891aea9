package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Format is the number of the newest format that this program reads, and the one that it writes.
const Format = 1

// What is wrong with a backup.
var (
	// ErrDamaged means that a backup is not as it was written: cut off, changed, or no backup at all.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNewer means that a newer version of this program wrote the backup.
	ErrNewer = errors.New("the backup was written by a newer version of this program")
)

// Header stands first in a backup.
type Header struct {
	Format    int       `json:"format"`
	Schema    int64     `json:"schema"` // number of the newest migration of the database
	At        time.Time `json:"at"`     // of the snapshot; later changes are not in it
	Host      string    `json:"host"`   // of the public URL
	Program   string    `json:"program"`
	Engine    string    `json:"engine"`    // sqlite or postgres; a backup restores into both
	MasterKey bool      `json:"masterKey"` // whether the key file is in it
	Tables    []Table   `json:"tables"`    // in the order in which they follow

	Capsule *Capsule `json:"capsule,omitempty"` // of a file that has one project and no whole database
}

// Capsule names the one project of a file.
type Capsule struct {
	Project     string `json:"project"`
	DisplayName string `json:"displayName"`
	Issuer      string `json:"issuer"`
}

// Table describes a table as the database had it, so that a later version can make it anew.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"` // in the order of a row's values
	Key     []int    `json:"key"`     // places of the primary key's columns, in its order
	Rows    int64    `json:"rows"`    // how many there are
}

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // t text, i integer, r double, b bytes
}

var sqlName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// check refuses what could not be of a schema of ours; the names go into statements.
func (t Table) check() error {
	malformed := fmt.Errorf("%w: the description of a table cannot be read", ErrDamaged)
	if !sqlName.MatchString(t.Name) || len(t.Columns) == 0 || len(t.Key) == 0 {
		return malformed
	}
	for _, c := range t.Columns {
		if !sqlName.MatchString(c.Name) || !strings.Contains("tirb", c.Kind) || len(c.Kind) != 1 {
			return malformed
		}
	}
	for _, place := range t.Key {
		if place < 0 || place >= len(t.Columns) {
			return malformed
		}
	}
	return nil
}

// Sum is what a table held.
type Sum struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Digest string `json:"sha256"`
}

// Trailer stands last in a backup.
type Trailer struct {
	Tables []Sum `json:"tables"`
}

// Rows is the number of rows of all tables.
func (t Trailer) Rows() (n int64) {
	for _, sum := range t.Tables {
		n += sum.Rows
	}
	return n
}

const (
	frameHeader    = 'H'
	frameMasterKey = 'K'
	frameTable     = 'T'
	frameRow       = 'R'
	frameTrailer   = 'Z'

	maxFrame = 256 << 20 // no row comes near: what a user holds is bounded far below
)

// Writer writes what is inside of a backup. The caller calls MasterKey or not, Table and Row in turn, then Close.
type Writer struct {
	packer *zstd.Encoder
	out    *bufio.Writer
	row    []byte
	digest *Digest
	sums   []Sum
}

// NewWriter begins a backup on w, which Close leaves open.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	packer, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	h.Format = Format
	b := &Writer{packer: packer, out: bufio.NewWriterSize(packer, 64<<10)}
	return b, b.document(frameHeader, h)
}

// MasterKey writes the text of the master key's file.
func (b *Writer) MasterKey(text []byte) error { return b.frame(frameMasterKey, text) }

// Table begins the next table of the header; the rows that follow are its.
func (b *Writer) Table(name string) error {
	b.endTable()
	b.digest = NewDigest(name)
	return b.frame(frameTable, []byte(name))
}

// Row writes one row. Its values are nil, int64, float64, string and []byte; anything else is an error.
func (b *Writer) Row(values []any) error {
	if b.digest == nil {
		return errors.New("backup: a row before the first table")
	}
	var err error
	if b.row, err = b.digest.add(b.row[:0], values); err != nil {
		return err
	}
	return b.frame(frameRow, b.row)
}

// Close writes the trailer and gives it.
func (b *Writer) Close() (Trailer, error) {
	b.endTable()
	t := Trailer{Tables: b.sums}
	if err := b.document(frameTrailer, t); err != nil {
		return t, err
	}
	if err := b.out.Flush(); err != nil {
		return t, err
	}
	return t, b.packer.Close()
}

func (b *Writer) endTable() {
	if b.digest != nil {
		b.sums = append(b.sums, b.digest.Sum())
		b.digest = nil
	}
}

func (b *Writer) document(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.frame(kind, text)
}

func (b *Writer) frame(kind byte, content []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(content)))
	if _, err := b.out.Write(head); err != nil {
		return err
	}
	_, err := b.out.Write(content)
	return err
}

// Content is who takes what is read from a backup. A nil function leaves its part out.
type Content struct {
	MasterKey func(text []byte) error
	Table     func(t Table) error
	Row       func(values []any) error // the values are the callee's to keep
}

// Reader reads what is inside of a backup.
type Reader struct {
	Header Header

	source   *watched
	unpacker *zstd.Decoder
	in       *bufio.Reader
}

// NewReader reads the header. It fails with ErrDamaged, ErrNewer, and with r's own errors. The caller closes the reader, which leaves r open.
func NewReader(r io.Reader) (*Reader, error) {
	source := &watched{r: r}
	unpacker, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, source.explain(err)
	}
	b := &Reader{source: source, unpacker: unpacker, in: bufio.NewReaderSize(unpacker, 64<<10)}
	if err := b.readHeader(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close frees what the reader holds.
func (b *Reader) Close() { b.unpacker.Close() }

func (b *Reader) readHeader() error {
	kind, content, err := b.next()
	if err != nil {
		return err
	}
	if kind != frameHeader {
		return fmt.Errorf("%w: it does not begin with a header", ErrDamaged)
	}
	// The format's number first: what else a newer header holds is not known.
	var first struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &first); err != nil || first.Format < 1 {
		return fmt.Errorf("%w: its header cannot be read", ErrDamaged)
	}
	if first.Format > Format {
		return fmt.Errorf("%w: it has format %d, this program reads up to %d", ErrNewer, first.Format, Format)
	}
	if err := json.Unmarshal(content, &b.Header); err != nil {
		return fmt.Errorf("%w: its header cannot be read", ErrDamaged)
	}
	for _, t := range b.Header.Tables {
		if err := t.check(); err != nil {
			return err
		}
	}
	return nil
}

// Read hands everything behind the header to c, and gives the trailer after it has checked that it fits what was read. It fails with ErrDamaged, with c's errors, and with those of
// the source. What c was handed before an error is not to be trusted.
func (b *Reader) Read(c Content) (Trailer, error) {
	var sums []Sum
	var digest *Digest
	columns := 0
	tables := b.Header.Tables
	for {
		kind, content, err := b.next()
		if err != nil {
			return Trailer{}, err
		}
		switch kind {
		case frameMasterKey:
			if c.MasterKey != nil {
				err = c.MasterKey(content)
			}
		case frameTable:
			if digest != nil {
				sums = append(sums, digest.Sum())
			}
			if len(tables) == 0 || tables[0].Name != string(content) {
				return Trailer{}, fmt.Errorf("%w: its tables are not those of its header", ErrDamaged)
			}
			t := tables[0]
			tables = tables[1:]
			digest, columns = NewDigest(t.Name), len(t.Columns)
			if c.Table != nil {
				err = c.Table(t)
			}
		case frameRow:
			if digest == nil {
				return Trailer{}, fmt.Errorf("%w: a row before the first table", ErrDamaged)
			}
			digest.addEncoded(content)
			err = b.row(c, content, columns)
		case frameTrailer:
			if digest != nil {
				sums = append(sums, digest.Sum())
			}
			if len(tables) > 0 {
				return Trailer{}, fmt.Errorf("%w: table %s is missing", ErrDamaged, tables[0].Name)
			}
			return b.trailer(content, sums)
		default:
			return Trailer{}, fmt.Errorf("%w: it has a part of kind %q", ErrDamaged, kind)
		}
		if err != nil {
			return Trailer{}, err
		}
	}
}

func (b *Reader) row(c Content, content []byte, columns int) error {
	if c.Row == nil {
		return nil
	}
	values, err := decodeRow(content)
	if err != nil {
		return err
	}
	if len(values) != columns {
		return fmt.Errorf("%w: a row has %d values for %d columns", ErrDamaged, len(values), columns)
	}
	return c.Row(values)
}

func (b *Reader) trailer(content []byte, sums []Sum) (Trailer, error) {
	var t Trailer
	if json.Unmarshal(content, &t) != nil {
		return Trailer{}, fmt.Errorf("%w: its trailer cannot be read", ErrDamaged)
	}
	if len(t.Tables) != len(sums) {
		return Trailer{}, fmt.Errorf("%w: it has %d tables, and its trailer tells of %d", ErrDamaged, len(sums), len(t.Tables))
	}
	for i, sum := range sums {
		if t.Tables[i] != sum {
			return Trailer{}, fmt.Errorf("%w: the rows of table %s are not those that were written", ErrDamaged, sum.Table)
		}
	}
	// To the very end: the last block of the file says that it is the last.
	if _, err := b.in.ReadByte(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("%w: something stands behind its trailer", ErrDamaged)
		}
		return Trailer{}, b.source.explain(err)
	}
	return t, nil
}

func (b *Reader) next() (kind byte, content []byte, err error) {
	if kind, err = b.in.ReadByte(); err != nil {
		return 0, nil, b.source.explain(err)
	}
	n, err := binary.ReadUvarint(b.in)
	if err != nil {
		return 0, nil, b.source.explain(err)
	}
	if n > maxFrame {
		return 0, nil, fmt.Errorf("%w: a part of %d bytes", ErrDamaged, n)
	}
	// Grows as it is read, so that a length alone takes no memory.
	var buffer bytes.Buffer
	if _, err := io.CopyN(&buffer, b.in, int64(n)); err != nil {
		return 0, nil, b.source.explain(err)
	}
	return kind, buffer.Bytes(), nil
}

// watched remembers an error of a source, to tell a source that fails from one whose content is wrong.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (w *watched) explain(err error) error {
	switch {
	case w.err != nil:
		return w.err
	case errors.Is(err, ErrDamaged):
		return err
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends too soon", ErrDamaged)
	}
	return fmt.Errorf("%w: %v", ErrDamaged, err)
}

// Digest sums up the rows of a table, which come in the order of the primary key.
type Digest struct {
	table string
	rows  int64
	hash  hash.Hash
	row   []byte
}

// NewDigest begins the digest of a table.
func NewDigest(table string) *Digest { return &Digest{table: table, hash: sha256.New()} }

// Add counts a row in. Values are as in Writer.Row.
func (d *Digest) Add(values []any) (err error) {
	d.row, err = d.add(d.row[:0], values)
	return err
}

// Sum tells what was added so far.
func (d *Digest) Sum() Sum {
	return Sum{Table: d.table, Rows: d.rows, Digest: hex.EncodeToString(d.hash.Sum(nil))}
}

func (d *Digest) add(space []byte, values []any) ([]byte, error) {
	row, err := appendRow(space, values)
	if err == nil {
		d.addEncoded(row)
	}
	return row, err
}

func (d *Digest) addEncoded(row []byte) {
	d.rows++
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(row)))
	d.hash.Write(length[:])
	d.hash.Write(row)
}

const (
	kindNull  = 'n'
	kindInt   = 'i'
	kindFloat = 'f'
	kindText  = 't'
	kindBytes = 'b'
)

func appendRow(out []byte, values []any) ([]byte, error) {
	for _, value := range values {
		switch v := value.(type) {
		case nil:
			out = append(out, kindNull)
		case int64:
			out = binary.BigEndian.AppendUint64(append(out, kindInt), uint64(v))
		case float64:
			out = binary.BigEndian.AppendUint64(append(out, kindFloat), math.Float64bits(v+0)) // SQLite keeps no sign of 0
		case string:
			out = append(binary.AppendUvarint(append(out, kindText), uint64(len(v))), v...)
		case []byte:
			out = append(binary.AppendUvarint(append(out, kindBytes), uint64(len(v))), v...)
		default:
			return nil, fmt.Errorf("backup: a value of type %T", value)
		}
	}
	return out, nil
}

func decodeRow(row []byte) (values []any, err error) {
	malformed := fmt.Errorf("%w: a row cannot be read", ErrDamaged)
	for len(row) > 0 {
		kind := row[0]
		row = row[1:]
		switch kind {
		case kindNull:
			values = append(values, nil)
		case kindInt, kindFloat:
			if len(row) < 8 {
				return nil, malformed
			}
			bits := binary.BigEndian.Uint64(row)
			row = row[8:]
			if kind == kindInt {
				values = append(values, int64(bits))
			} else {
				values = append(values, math.Float64frombits(bits))
			}
		case kindText, kindBytes:
			n, used := binary.Uvarint(row)
			if used <= 0 || n > uint64(len(row)-used) {
				return nil, malformed
			}
			content := row[used : used+int(n)]
			row = row[used+int(n):]
			if kind == kindText {
				values = append(values, string(content))
			} else {
				values = append(values, bytes.Clone(content))
			}
		default:
			return nil, malformed
		}
	}
	return values, nil
}
