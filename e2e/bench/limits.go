package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// A limit is what the machine can do of one sum, a second over all cores, as Go's own packages do it.
type limit struct {
	name string
	once func() error
}

// The parameters of the default settings.
const (
	hashMemory = 19456 // KiB
	hashPasses = 2
	hashLanes  = 1
	rsaBits    = 2048
)

func hashes() limit {
	return limit{"hashes", func() error {
		argon2.IDKey([]byte(password), []byte("sixteen of salt."), hashPasses, hashMemory, hashLanes, 32)
		return nil
	}}
}

func signatures(algorithm string) (limit, error) {
	digest := sha256.Sum256([]byte("what is signed"))
	l := limit{name: algorithm + " signatures"}
	switch algorithm {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return l, err
		}
		l.once = func() error { _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); return err }
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return l, err
		}
		l.once = func() error { _, _, err := ecdsa.Sign(rand.Reader, key, digest[:]); return err }
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return l, err
		}
		l.once = func() error { ed25519.Sign(key, digest[:]); return nil }
	}
	return l, nil
}

// perSecond does it on all cores for a while.
func (l limit) perSecond(d time.Duration) (float64, error) {
	var done atomic.Int64
	var failure error
	var once sync.Once
	var group sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for time.Since(began) < d {
				if err := l.once(); err != nil {
					once.Do(func() { failure = err })
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), failure
}

// syncs is how often a second the disk takes a page for good, one after the other, as a log is written.
func syncs(dir string, d time.Duration) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "syncs"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	page := make([]byte, 4096)
	began, done := time.Now(), 0
	for ; time.Since(began) < d; done++ {
		if _, err := file.Write(page); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(done) / time.Since(began).Seconds(), nil
}
