// Package authtest puts the domain together for the tests of the packages around it: real store, real keys, real templates, and a clock that only the test moves.
package authtest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/passkey"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/storetest"
)

// PublicURL is that of Config.
const PublicURL = "https://auth.example.com"

// Config is a domain over an empty store. A test replaces what it wants to be otherwise, and calls auth.NewService. There are no identity providers in it.
func Config(t testing.TB, now func() time.Time) auth.Config {
	t.Helper()
	keyring, _, err := secret.OpenKeyring(filepath.Join(t.TempDir(), "keys"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := mail.NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	public, err := url.Parse(PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Config{
		Store: storetest.Open(t), Keyring: keyring, Mail: renderer, Passkeys: passkey.Client{}, Hashing: password.NewQueue(2, 8), Clock: now, Rand: rand.Reader, PublicURL: public,
		Log: slog.New(slog.DiscardHandler), Pause: func(context.Context, time.Duration) {},
	}
}

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock gives a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, back with a negative duration.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
