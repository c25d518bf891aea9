package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/authtest"
)

func TestFilesChooseByName(t *testing.T) {
	dir := t.TempDir()
	public, wildcard := pairIn(dir, "public"), pairIn(dir, "wildcard")
	first := writePair(t, public, start.Add(time.Hour), "auth.example.com")
	second := writePair(t, wildcard, start.Add(2*time.Hour), "*.api.auth.example.com")
	f, err := OpenFiles([]Pair{public, wildcard}, (&testLog{}).logger(), authtest.NewClock(start).Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*x509.Certificate{"auth.example.com": first, "shop.api.auth.example.com": second, "other.example": first, "": first} {
		if cert, err := handshake(t, f.TLSConfig(), name); err != nil || !cert.Equal(want) {
			t.Errorf("%q: %v, %v", name, cert, err)
		}
	}
	if got := f.Expiries(); len(got) != 2 || got[0] != (Expiry{"auth.example.com", first.NotAfter, lifetimeOf(first)}) || got[1] != (Expiry{"*.api.auth.example.com", second.NotAfter, lifetimeOf(second)}) {
		t.Errorf("%v", got)
	}
	if config := f.TLSConfig(); config.MinVersion != tls.VersionTLS12 || config.NextProtos[0] != "h2" {
		t.Errorf("version %x, protocols %v", config.MinVersion, config.NextProtos)
	}
}

// A start with files that do not fit together fails, and says which.
func TestOpenFilesRefusesAPairThatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	a, b := pairIn(dir, "a"), pairIn(dir, "b")
	writePair(t, a, start, "a.example")
	writePair(t, b, start, "b.example")
	for _, p := range []Pair{{a.Cert, b.Key}, {a.Cert, filepath.Join(dir, "nosuch")}, {a.Key, a.Key}} {
		if _, err := OpenFiles([]Pair{b, p}, (&testLog{}).logger(), time.Now); err == nil || !strings.Contains(err.Error(), p.Cert) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// A changed pair is taken up once it rests; one that is being written, does not fit, or went away changes nothing and is told of once.
func TestFilesReload(t *testing.T) {
	dir, log := t.TempDir(), &testLog{}
	p := pairIn(dir, "p")
	old := writePair(t, p, start.Add(time.Hour), "a.example")
	f, err := OpenFiles([]Pair{p}, log.logger(), authtest.NewClock(start).Now)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(when string, want *x509.Certificate) {
		t.Helper()
		if cert := (*f.serving.Load())[0].Leaf; !cert.Equal(want) {
			t.Errorf("%s: %v serves", when, cert.DNSNames)
		}
	}
	other := pairIn(dir, "other")
	next := writePair(t, other, start.Add(2*time.Hour), "b.example")
	at := time.Now()
	touch := func(path string) { // a modification time of its own, however coarse the file system's clock is
		t.Helper()
		at = at.Add(time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(from, to string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, content)
		touch(to)
	}

	f.look()
	shows("nothing changed", old)
	swap(other.Cert, p.Cert)
	f.look() // sees half of the change
	swap(other.Key, p.Key)
	f.look()
	shows("not rested", old)
	f.look()
	shows("rested", next)
	if strings.Contains(log.String(), "cannot be used") {
		t.Errorf("half of a change was tried:\n%s", log)
	}

	write(t, p.Cert, []byte("garbage"))
	touch(p.Cert)
	for range 4 {
		f.look()
	}
	shows("garbage", next)
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	if err := os.Remove(p.Key); err != nil {
		t.Fatal(err)
	}
	f.look()
	f.look()
	shows("no key", next)
	renewed := writePair(t, p, start.Add(3*time.Hour), "c.example")
	touch(p.Cert)
	touch(p.Key)
	f.look()
	f.look()
	shows("mended", renewed)
}

// What cannot be loaded is tried again though the files' sizes and times stay: permissions and a lack of descriptors leave them as they are.
func TestFilesReloadAfterAFailureThatPassed(t *testing.T) {
	dir, log := t.TempDir(), &testLog{}
	p, other := pairIn(dir, "p"), pairIn(dir, "other")
	writePair(t, p, start.Add(time.Hour), "a.example")
	next := writePair(t, other, start.Add(2*time.Hour), "b.example")
	f, err := OpenFiles([]Pair{p}, log.logger(), authtest.NewClock(start).Now)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Hour)
	read := func(path string) []byte {
		t.Helper()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	put := func(path string, content []byte) {
		t.Helper()
		write(t, path, content)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	cert := read(other.Cert)
	put(p.Key, read(other.Key))
	put(p.Cert, make([]byte, len(cert)))
	for range 4 {
		f.look()
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	put(p.Cert, cert)
	f.look()
	if cert := (*f.serving.Load())[0].Leaf; !cert.Equal(next) {
		t.Errorf("%v serves", cert.DNSNames)
	}
}

// A certificate is warned of daily once two weeks are left, or a sixth of a short life.
func TestFilesWarnOfExpiry(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		lifetime, left time.Duration
		want           []int
	}{
		{90 * day, 15 * day, []int{0, 0, 1, 1, 2}},
		{6 * day, 36 * time.Hour, []int{0, 1, 1, 2}},
	} {
		dir, log, clock := t.TempDir(), &testLog{}, authtest.NewClock(start)
		p := pairIn(dir, "p")
		writePairOf(t, p, test.lifetime, start.Add(test.left), "a.example")
		f, err := OpenFiles([]Pair{p}, log.logger(), clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			f.warn()
			if n := strings.Count(log.String(), "expires soon"); n != want {
				t.Errorf("of %s, after %s: %d warnings, want %d", test.lifetime, clock.Now().Sub(start), n, want)
			}
			clock.Advance(13 * time.Hour)
		}
	}
}
