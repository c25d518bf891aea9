package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Pair names the files of a certificate, with its chain, and of its private key, both PEM.
type Pair struct{ Cert, Key string }

// String names the certificate's file.
func (p Pair) String() string { return p.Cert }

// Load reads both files and checks that they belong together.
func (p Pair) Load() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", p.Cert, p.Key, err)
	}
	return &cert, nil
}

// pollEvery is how often files are looked at. A change is taken up when it has rested for one more look, so that a pair is not read while it is being written.
const pollEvery = 2 * time.Second

// A certificate is warned of once a day from warnBefore its end on, or where it lives short, when one part in warnShare of its life is left. The alert rules say the same.
const (
	warnBefore = 14 * 24 * time.Hour
	warnShare  = 6
	warnEvery  = 24 * time.Hour
)

// Files are certificates from files. The first one also serves clients that name no host, or one that none of them is for. Make them with [OpenFiles].
type Files struct {
	log      *slog.Logger
	clock    func() time.Time
	pairs    []*watchedPair
	poll     time.Duration
	serving  atomic.Pointer[[]*tls.Certificate] // one for each pair
	warnedAt time.Time
}

type watchedPair struct {
	Pair
	seen, loaded version
	told         failure
}

// failure is what was logged of files that do not load.
type failure struct {
	version
	err string
}

// version tells one state of a pair's files from another.
type version struct{ cert, key fileVersion }

type fileVersion struct {
	size     int64
	modified time.Time
	err      string
}

// OpenFiles loads all pairs. It fails where one does not load.
func OpenFiles(pairs []Pair, log *slog.Logger, clock func() time.Time) (*Files, error) {
	f := &Files{log: log, clock: clock, poll: pollEvery}
	var certificates []*tls.Certificate
	var failures []error
	for _, p := range pairs {
		now := p.version()
		cert, err := p.Load()
		failures = append(failures, err)
		certificates = append(certificates, cert)
		f.pairs = append(f.pairs, &watchedPair{Pair: p, seen: now, loaded: now})
	}
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	f.serving.Store(&certificates)
	return f, nil
}

func (p Pair) version() version { return version{fileVersionOf(p.Cert), fileVersionOf(p.Key)} }

func fileVersionOf(path string) fileVersion {
	info, err := os.Stat(path)
	if err != nil {
		return fileVersion{err: err.Error()}
	}
	return fileVersion{size: info.Size(), modified: info.ModTime()}
}

// Bind needs nothing to be known.
func (f *Files) Bind(_, _ net.Addr) {}

// Orders has none.
func (f *Files) Orders() (obtained, failed int64) { return 0, 0 }

// Run takes up changed files until ctx ends.
func (f *Files) Run(ctx context.Context) {
	ticker := time.NewTicker(f.poll)
	defer ticker.Stop()
	for {
		f.warn()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look takes up each pair that changed and has rested since the last look. One that does not load is logged once and tried again at each look, because
// what is wrong need not change the files (permissions, too many open files); the one before it goes on serving.
func (f *Files) look() {
	for i, p := range f.pairs {
		now := p.version()
		if rested := now == p.seen; !rested || now == p.loaded {
			p.seen = now
			continue
		}
		cert, err := p.Load()
		if err != nil {
			if told := (failure{now, err.Error()}); told != p.told {
				p.told = told
				f.log.Error("the certificate files changed and cannot be used; the certificate before them goes on serving", slog.Any("error", err))
			}
			continue
		}
		p.loaded, p.told = now, failure{}
		serving := append([]*tls.Certificate(nil), *f.serving.Load()...)
		serving[i] = cert
		f.serving.Store(&serving)
		f.log.Info("certificate reloaded", slog.String("file", p.Cert), slog.String("name", nameOf(cert.Leaf)), slog.Time("expires", cert.Leaf.NotAfter))
	}
}

// warn tells daily of what expires soon.
func (f *Files) warn() {
	now := f.clock()
	if now.Sub(f.warnedAt) < warnEvery {
		return
	}
	for _, e := range f.Expiries() {
		if e.At.Sub(now) < min(warnBefore, e.Lifetime/warnShare) {
			f.warnedAt = now
			f.log.Warn("a certificate expires soon, or has: replace its files", slog.String("name", e.Name), slog.Time("expires", e.At))
		}
	}
}

// TLSConfig serves the files' certificates.
func (f *Files) TLSConfig() *tls.Config { return tlsConfig(f.certificate) }

// certificate gives the first that the client can use for the name it asks for, else the first.
func (f *Files) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	serving := *f.serving.Load()
	for _, cert := range serving {
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return serving[0], nil
}

// Challenges has none to answer.
func (f *Files) Challenges(next http.Handler) http.Handler { return next }

// Expiries gives those of all files.
func (f *Files) Expiries() (all []Expiry) {
	for _, cert := range *f.serving.Load() {
		all = append(all, Expiry{nameOf(cert.Leaf), cert.Leaf.NotAfter, lifetimeOf(cert.Leaf)})
	}
	return all
}
