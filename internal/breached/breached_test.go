package breached

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/FastFilter/xorfilter"
)

// passwords gives n different ones.
func passwords(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("leaked password %d", i)
	}
	return list
}

// buildFrom builds a filter and opens it.
func buildFrom(t *testing.T, perShard uint64, lists ...List) (*Filter, Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "filter")
	report, err := build(t.Context(), path, perShard, lists)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if report.Passwords != f.Passwords() || report.Bytes != f.Size() {
		t.Errorf("the report says %+v, the filter %d passwords and %d bytes", report, f.Passwords(), f.Size())
	}
	return f, report
}

func plain(lines ...string) List {
	return List{Name: "plain", Reader: strings.NewReader(strings.Join(lines, "\n")), Format: FormatPlain}
}

func contains(t *testing.T, f *Filter, password string) bool {
	t.Helper()
	listed, err := f.Contains(password)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

// TestEveryListedPasswordIsFound: whatever the length of the list and the number of shards, and hardly anything else is.
func TestEveryListedPasswordIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		n        int
		perShard uint64
	}{{1, 100}, {2, 1}, {3, 100}, {10, 1}, {100, 100}, {1000, 100}, {5000, 1}, {100000, 3000}, {100000, shardKeys}} {
		t.Run(fmt.Sprintf("%d by %d", test.n, test.perShard), func(t *testing.T) {
			list := passwords(test.n)
			f, report := buildFrom(t, test.perShard, plain(list...))
			if report.Passwords != uint64(test.n) || report.Lines != uint64(test.n) {
				t.Errorf("report %+v", report)
			}
			for _, password := range list {
				if !contains(t, f, password) {
					t.Fatalf("%q is not found", password)
				}
			}
		})
	}
}

// TestFalsePositives: the fingerprints of 16 bits let one in 65,536 through; among 400,000, 6 are expected and 30 are out of question.
func TestFalsePositives(t *testing.T) {
	t.Parallel()
	f, _ := buildFrom(t, 20000, plain(passwords(100000)...))
	wrong := 0
	for i := range 400000 {
		if contains(t, f, fmt.Sprintf("never leaked %d", i)) {
			wrong++
		}
	}
	if wrong > 30 {
		t.Errorf("%d of 400000 passwords are wrongly found", wrong)
	}
	if perPassword := float64(f.Size()) / 100000; perPassword > 2.8 {
		t.Errorf("%.2f bytes a password", perPassword)
	}
}

// TestPlacesAreTheLibrarys: our reading agrees with the library's on every key, listed or not.
func TestPlacesAreTheLibrarys(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 5, 1000, 50000} {
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = r.Uint64()
		}
		filter, err := xorfilter.NewBinaryFuse[uint16](keys)
		if err != nil {
			t.Fatal(err)
		}
		s := shard{filter.Seed, filter.SegmentLength, filter.SegmentCountLength}
		if !s.sound() || s.slots() != int64(len(filter.Fingerprints)) {
			t.Fatalf("%d keys: shard %+v for %d fingerprints", n, s, len(filter.Fingerprints))
		}
		for i := range 300000 {
			key := r.Uint64()
			if i < n {
				key = keys[i]
			}
			slots, want := s.places(key)
			ours := filter.Fingerprints[slots[0]]^filter.Fingerprints[slots[1]]^filter.Fingerprints[slots[2]] == want
			if ours != filter.Contains(key) {
				t.Fatalf("%d keys: key %x is %v for us", n, key, ours)
			}
		}
	}
}

func sha1Line(password string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(password))) }

func zipped(t *testing.T, text string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestFormats(t *testing.T) {
	t.Parallel()
	upper := strings.ToUpper(sha1Line("hunter2"))
	long := strings.Repeat("x", 3*maxLine)
	tests := []struct {
		name   string
		text   string
		format Format
		listed []string
		absent []string
	}{
		{"plain", "hunter2\npassword\n", FormatAuto, []string{"hunter2", "password"}, []string{"hunter2\n", "", "Hunter2"}},
		{"no last line end", "a\nhunter2", FormatAuto, []string{"a", "hunter2"}, nil},
		{"Windows", "hunter2\r\nsecret\r\n", FormatAuto, []string{"hunter2", "secret"}, []string{"hunter2\r"}},
		{"byte order mark", "\ufeffhunter2\n", FormatAuto, []string{"hunter2"}, nil},
		{"spaces count", " hunter2 \n", FormatAuto, []string{" hunter2 "}, []string{"hunter2"}},
		{"empty lines", "\n\nhunter2\n\n", FormatAuto, []string{"hunter2"}, []string{""}},
		{"a line too long", "a\n" + long + "\nhunter2\n", FormatAuto, []string{"a", "hunter2"}, []string{long}},
		{"not UTF-8", "hunt\xff\nhunter2\n", FormatAuto, []string{"hunt\xff", "hunter2"}, nil},
		{"colon", "hunter2:17\n", FormatAuto, []string{"hunter2:17"}, []string{"hunter2"}},
		{"SHA-1", sha1Line("hunter2") + "\n" + sha1Line("secret"), FormatAuto, []string{"hunter2", "secret"}, []string{sha1Line("hunter2")}},
		{"SHA-1 in capitals with counts", upper + ":12345\r\n" + sha1Line("secret") + ":1\r\n", FormatAuto, []string{"hunter2", "secret"}, nil},
		{"SHA-1 as passwords", upper + "\nsecret\n", FormatPlain, []string{upper, "secret"}, []string{"hunter2"}},
		{"SHA-1 further down is a password", "secret\n" + upper + "\n", FormatAuto, []string{"secret", upper}, []string{"hunter2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for kind, reader := range map[string]io.Reader{"as it is": strings.NewReader(test.text), "gzip": zipped(t, test.text)} {
				f, _ := buildFrom(t, shardKeys, List{"list", reader, test.format})
				for _, password := range test.listed {
					if !contains(t, f, password) {
						t.Errorf("%s: %q is not found", kind, password)
					}
				}
				for _, password := range test.absent {
					if contains(t, f, password) {
						t.Errorf("%s: %.20q is found", kind, password)
					}
				}
			}
		})
	}
}

func TestListsAddUpWithoutRepetition(t *testing.T) {
	t.Parallel()
	f, report := buildFrom(t, shardKeys, plain("a", "b", "a"), List{"sums", strings.NewReader(sha1Line("b") + "\n" + sha1Line("c")), FormatAuto})
	if report.Lines != 5 || report.Passwords != 3 {
		t.Errorf("report %+v", report)
	}
	for _, password := range []string{"a", "b", "c"} {
		if !contains(t, f, password) {
			t.Errorf("%q is not found", password)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// TestBuildRefusals: what is there already stays, nothing is left beside it, and no error tells a password.
func TestBuildRefusals(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		list List
		want string
	}{
		{"empty", t.Context(), plain("", ""), "no password in the lists"},
		{"no SHA-1", t.Context(), List{"l", strings.NewReader(sha1Line("a") + "\nhunter2\n"), FormatAuto}, "l: line 2 is no SHA-1"},
		{"no SHA-1 at all", t.Context(), List{"l", strings.NewReader("hunter2\n"), FormatSHA1}, "l: line 1 is no SHA-1"},
		{"count that is none", t.Context(), List{"l", strings.NewReader(sha1Line("a") + ":hunter2\n"), FormatSHA1}, "line 1 is no SHA-1"},
		{"half a gzip", t.Context(), List{"l", io.LimitReader(zipped(t, strings.Repeat("hunter2\n", 10)), 20), FormatAuto}, "unexpected EOF"},
		{"reader fails", t.Context(), List{"l", failing{}, FormatAuto}, "the disk is gone"},
		{"interrupted", ended, plain("a"), "context canceled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "filter")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Build(test.ctx, path, test.list)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want %q", err, test.want)
			}
			wantOnly(t, path, "old")
		})
	}
}

func wantOnly(t *testing.T, path, content string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != content || len(entries) != 1 {
		t.Errorf("%d files, content %q, error %v", len(entries), got, err)
	}
}

// TestDamage: a byte changed anywhere, a byte less and a byte more are noticed; in the head, already by Open.
func TestDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "filter")
	if _, err := build(t.Context(), path, 100, []List{plain(passwords(500)...)}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, error %v", len(entries), err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	headEnd := headSize(f.head.shardBits)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= byte(1 + i%255)
		wantDamaged(t, fmt.Sprintf("byte %d", i), damaged, i < headEnd)
	}
	for _, n := range []int{0, 1, fixedHeadSize - 1, fixedHeadSize, headEnd - 1, headEnd, len(whole) - sumSize, len(whole) - 1} {
		wantDamaged(t, fmt.Sprintf("cut to %d", n), whole[:n], true)
	}
	wantDamaged(t, "longer", append(bytes.Clone(whole), 0), true)
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := Open(path + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func wantDamaged(t *testing.T, name string, content []byte, atOpen bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err == nil {
		defer f.Close()
		if atOpen {
			t.Errorf("%s: it opens", name)
		}
		err = f.Verify(t.Context())
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%s: error %v", name, err)
	}
}

// TestUnreadableFileIsAnError: a file cut short under an open filter, or closed, says nothing about a password.
func TestUnreadableFileIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "filter")
	if _, err := Build(t.Context(), path, plain(passwords(100)...)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(headSize(0))); err != nil {
		t.Fatal(err)
	}
	if listed, err := f.Contains("leaked password 1"); !errors.Is(err, ErrDamaged) || listed {
		t.Errorf("cut short: %v, %v", listed, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Contains("leaked password 1"); err == nil {
		t.Error("closed: no error")
	}
}

// lineSource makes n lines of SHA-1, without keeping any.
type lineSource struct {
	n    uint64
	rest []byte
	line [41]byte
}

func (s *lineSource) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.n == 0 {
			return 0, io.EOF
		}
		s.n--
		const digits = "0123456789abcdef"
		for i, x := 0, mix(s.n+1); i < 40; i, x = i+1, x>>4|x<<60 {
			s.line[i] = digits[x&15]
		}
		s.line[40] = '\n'
		s.rest = s.line[:]
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

var underRace bool // set in race_test.go

// TestMemoryIsBounded: two million lines, all that was ever allocated counted, take what the buckets and one shard need. Their keys alone are 16 MB, and
// their filter in one piece 60 MB. No other test of this package runs at the time.
func TestMemoryIsBounded(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates more")
	}
	const lines, perShard = 2_000_000, 1 << 16
	var before, after runtime.MemStats
	path := filepath.Join(t.TempDir(), "filter")
	runtime.ReadMemStats(&before)
	report, err := build(t.Context(), path, perShard, []List{{"lines", &lineSource{n: lines}, FormatAuto}})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if report.Lines != lines || report.Passwords < lines-1 {
		t.Errorf("report %+v", report)
	}
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 14 {
		t.Errorf("%d MB were allocated", used)
	}
	if perPassword := float64(report.Bytes) / lines; perPassword > 2.5 {
		t.Errorf("%.2f bytes a password", perPassword)
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "filter")
	if _, err := Build(f.Context(), path, plain("a", "b")); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "filter")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		filter, err := Open(path)
		if err != nil {
			return
		}
		defer filter.Close()
		if _, err := filter.Contains("a"); err != nil {
			t.Errorf("a file that opens cannot be read: %v", err)
		}
	})
}

func BenchmarkContains(b *testing.B) {
	path := filepath.Join(b.TempDir(), "filter")
	if _, err := Build(b.Context(), path, plain(passwords(100000)...)); err != nil {
		b.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if listed, err := f.Contains("leaked password 77"); err != nil || !listed {
			b.Fatal(listed, err)
		}
	}
}
