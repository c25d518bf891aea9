package backup

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var instant = time.Date(2026, 1, 31, 9, 12, 44, 0, time.UTC)

// fakeMaster is a master key that writes beside what it seals which key it was.
type fakeMaster string

func (m fakeMaster) SealFileKey(key []byte) ([]byte, error) { return append([]byte(m), key...), nil }

func (m fakeMaster) OpenFileKey(sealed []byte) ([]byte, error) {
	key, mine := bytes.CutPrefix(sealed, []byte(m))
	if !mine {
		return nil, errors.New("another key")
	}
	return key, nil
}

var sampleRows = [][]any{
	{"a", int64(-1), nil, 1.5, []byte{0, 1}},
	{"", int64(1 << 62), "text with \n and ü", -0.0, []byte("x")},
	{"c", int64(0), strings.Repeat("long ", 40000), nil, nil},
}

func sample(name string, kinds ...string) Table {
	t := Table{Name: name, Key: []int{0}}
	for i, kind := range kinds {
		t.Columns = append(t.Columns, Column{string(rune('a' + i)), kind})
	}
	return t
}

// writeSample writes a whole backup.
func writeSample(t *testing.T, w io.Writer, lock Lock) Trailer {
	t.Helper()
	sealed, err := lock.Seal(w)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewWriter(sealed, Header{Schema: 8, At: instant, Host: "auth.example.com", Engine: "sqlite", MasterKey: true, Tables: []Table{sample("things", "t", "i", "t", "r", "b"), sample("nothing", "t")}})
	must(t, err)
	must(t, b.MasterKey([]byte("v1 key")))
	must(t, b.Table("things"))
	for _, row := range sampleRows {
		must(t, b.Row(row))
	}
	must(t, b.Table("nothing"))
	trailer, err := b.Close()
	must(t, err)
	must(t, sealed.Close())
	return trailer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type read struct {
	header  Header
	key     string
	tables  []string
	rows    [][]any
	trailer Trailer
}

func readAll(r io.Reader, keys Keys) (got read, err error) {
	plain, err := keys.Open(r)
	if err != nil {
		return got, err
	}
	b, err := NewReader(plain)
	if err != nil {
		return got, err
	}
	defer b.Close()
	got.header = b.Header
	got.trailer, err = b.Read(Content{
		MasterKey: func(text []byte) error { got.key = string(text); return nil },
		Table:     func(t Table) error { got.tables = append(got.tables, t.Name); return nil },
		Row:       func(values []any) error { got.rows = append(got.rows, values); return nil },
	})
	return got, err
}

func TestWhatGoesInComesOut(t *testing.T) {
	t.Parallel()
	file, recipient, err := NewKey()
	must(t, err)
	for name, way := range map[string]struct {
		lock Lock
		keys Keys
	}{
		"recipient":  {Lock{Recipients: []string{recipient}, MasterKey: fakeMaster("m")}, Keys{Identities: file}},
		"passphrase": {Lock{Passphrase: "long and secret"}, Keys{Passphrase: "long and secret", Identities: file, MasterKey: fakeMaster("m")}},
		"master key": {Lock{MasterKey: fakeMaster("m")}, Keys{MasterKey: fakeMaster("m")}},
	} {
		var out bytes.Buffer
		trailer := writeSample(t, &out, way.lock)
		if bytes.Contains(out.Bytes(), []byte("things")) || bytes.Contains(out.Bytes(), []byte("v1 key")) {
			t.Errorf("%s: clear text in the file", name)
		}
		got, err := readAll(&out, way.keys)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.header.Schema != 8 || !got.header.At.Equal(instant) || got.header.Format != Format || got.key != "v1 key" {
			t.Errorf("%s: header %+v, key %q", name, got.header, got.key)
		}
		if len(got.rows) != len(sampleRows) {
			t.Fatalf("%s: %d rows", name, len(got.rows))
		}
		for i, row := range sampleRows {
			if !slices.EqualFunc(row, got.rows[i], func(a, b any) bool {
				x, blob := a.([]byte)
				if y, ok := b.([]byte); ok && blob {
					return bytes.Equal(x, y)
				}
				return a == b
			}) {
				t.Errorf("%s: row %d is %v", name, i, got.rows[i])
			}
		}
		if !slices.Equal(got.tables, []string{"things", "nothing"}) || !slices.Equal(got.trailer.Tables, trailer.Tables) || trailer.Rows() != 3 || trailer.Tables[1].Rows != 0 {
			t.Errorf("%s: tables %v, trailer %+v", name, got.tables, got.trailer)
		}
	}
}

// TestDamageIsNoticed: cut off at any length, or with any byte changed, a backup is refused, and never read as a whole one.
func TestDamageIsNoticed(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lock, keys := Lock{MasterKey: fakeMaster("m")}, Keys{MasterKey: fakeMaster("m")}
	writeSample(t, &out, lock)
	whole := out.Bytes()
	refused := func(what string, at int, content []byte) {
		t.Helper()
		if _, err := readAll(bytes.NewReader(content), keys); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s at %d of %d: %v", what, at, len(whole), err)
		}
	}
	for n := range whole {
		refused("cut off", n, whole[:n])
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		refused("a bit flipped", i, flipped)
	}
	refused("more", len(whole), append(bytes.Clone(whole), 0))
	refused("empty", 0, nil)
	refused("another file", 0, []byte("SQLite format 3\x00 and so on and so on"))
}

// TestInnerDamage: what is inside does not rest on the encryption alone, for recipients are public and anybody may seal for them.
func TestInnerDamage(t *testing.T) {
	t.Parallel()
	inner := func(tables []Table, change func(b *Writer) error) error {
		var out bytes.Buffer
		b, err := NewWriter(&out, Header{Tables: tables})
		must(t, err)
		must(t, b.Table("t"))
		must(t, b.Row([]any{"1"}))
		must(t, change(b))
		_, err = b.Close()
		must(t, err)
		r, err := NewReader(&out)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = r.Read(Content{Row: func([]any) error { return nil }})
		return err
	}
	for name, change := range map[string]func(b *Writer) error{
		"a row that the digest lacks":   func(b *Writer) error { return b.frame(frameRow, []byte{kindNull}) },
		"a trailer before its time":     func(b *Writer) error { return b.document(frameTrailer, Trailer{Tables: []Sum{b.digest.Sum()}}) },
		"a row of two values":           func(b *Writer) error { return b.Row([]any{"1", "2"}) },
		"a value of no kind":            func(b *Writer) error { return b.frame(frameRow, []byte{'?'}) },
		"a value longer than its row":   func(b *Writer) error { return b.frame(frameRow, []byte{kindText, 200}) },
		"a table that the header lacks": func(b *Writer) error { return b.Table("u") },
		"a part of no kind":             func(b *Writer) error { return b.frame('?', nil) },
	} {
		if err := inner([]Table{sample("t", "t")}, change); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tables := range map[string][]Table{
		"a name that is a statement": {sample("t", "t"), sample("users; DROP TABLE users", "t")}, "a column of no kind": {sample("t", "x")}, "no columns": {sample("t")},
		"a table that is missing": {sample("t", "t"), sample("u", "t")},
	} {
		if err := inner(tables, func(*Writer) error { return nil }); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := inner([]Table{sample("t", "t")}, func(*Writer) error { return nil }); err != nil {
		t.Errorf("unharmed: %v", err)
	}
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b, err := NewWriter(&out, Header{})
	must(t, err)
	b.packer.Reset(&out)
	out.Reset()
	b.out.Reset(b.packer)
	must(t, b.frame(frameHeader, []byte(`{"format":2,"schema":"no number any more"}`)))
	must(t, b.out.Flush())
	must(t, b.packer.Close())
	if _, err := NewReader(&out); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a newer format: %v", err)
	}
}

// TestSourceFails: a place that does not answer is not called a damaged backup.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writeSample(t, &out, Lock{MasterKey: fakeMaster("m")})
	away := errors.New("the network is away")
	for _, n := range []int{0, 10, 100, 250, out.Len() - 1} {
		r := io.MultiReader(bytes.NewReader(out.Bytes()[:n]), iotest.ErrReader(away))
		if _, err := readAll(r, Keys{MasterKey: fakeMaster("m")}); !errors.Is(err, away) || errors.Is(err, ErrDamaged) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	mine, recipient, err := NewKey()
	must(t, err)
	other, _, err := NewKey()
	must(t, err)
	for _, test := range []struct {
		lock Lock
		keys Keys
		says string
	}{
		{Lock{Recipients: []string{recipient}}, Keys{Identities: other}, "other recipients"},
		{Lock{Recipients: []string{recipient}}, Keys{MasterKey: fakeMaster("m")}, "--key"},
		{Lock{Passphrase: "right"}, Keys{Passphrase: "wrong"}, "the passphrase is another one"},
		{Lock{Passphrase: "right"}, Keys{Identities: mine}, "--passphrase-file"},
		{Lock{MasterKey: fakeMaster("m")}, Keys{MasterKey: fakeMaster("n")}, "another master key"},
		{Lock{MasterKey: fakeMaster("m")}, Keys{}, "--master-key-file"},
	} {
		var out bytes.Buffer
		writeSample(t, &out, test.lock)
		_, err := readAll(&out, test.keys)
		if !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("want %q: %v", test.says, err)
		}
	}
	if _, err := (Keys{Identities: "AGE-SECRET-KEY-NONSENSE"}).Open(&bytes.Buffer{}); err == nil || strings.Contains(err.Error(), "NONSENSE") {
		t.Errorf("a key file that is none: %v", err)
	}
	if _, err := (Lock{}).Seal(io.Discard); err == nil {
		t.Error("sealed with nothing")
	}
	if _, err := (Lock{Passphrase: "p", Recipients: []string{recipient}}).Seal(io.Discard); err == nil {
		t.Error("sealed in two ways")
	}
}
