package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/token"
)

// Config is what the domain works with. All fields are needed but Rows, Breached, Pause, and those from MailQueued on.
type Config struct {
	Store      Store
	Rows       ProjectRows // of the same store; nil exports and imports no projects
	Keyring    *secret.Keyring
	Mail       MailRenderer
	Providers  ProviderClient
	Passkeys   PasskeyClient
	Hashing    *password.Queue
	Breached   BreachedPasswords // nil: no list
	Clock      func() time.Time
	Rand       io.Reader
	PublicURL  *url.URL // no trailing slash; issuer and links come from it alone (P12)
	Log        *slog.Logger
	Pause      func(context.Context, time.Duration) // waits; for tests. nil waits really
	MailQueued func()                               // called after a commit that queued mail, to wake the worker; it must not block

	Webhooks      WebhookClient // nil calls none: then a blocking hook counts as failing
	WebhookQueued func()        // as MailQueued, for deliveries; may be nil

	MailChecker MailChecker // nil: nobody checks
}

// BreachedPasswords is a list of leaked passwords.
type BreachedPasswords interface {
	// Contains tells whether the password is on the list. An error means that nobody knows, and refuses the password (P46).
	Contains(password string) (bool, error)
}

// Service is what end users can do. Its methods are safe for concurrent use.
type Service struct {
	store      Store
	rows       ProjectRows // may be nil
	keyring    *secret.Keyring
	mail       MailRenderer
	providers  ProviderClient
	passkeys   PasskeyClient
	hashing    *password.Queue
	breached   BreachedPasswords // may be nil
	clock      func() time.Time
	rand       io.Reader
	publicURL  string
	log        *slog.Logger
	pause      func(context.Context, time.Duration)
	mailQueued func()

	mailChecker   MailChecker // may be nil
	webhooks      WebhookClient
	webhookQueued func()
	backlogs      *backlogs
	importTries   importTries

	settings    *cache[settingsKey, *Settings]
	privateKeys *cache[keyRef, *token.SigningKey]
	keySets     *cache[string, []byte] // by the keys in them
	publicKeys  *cache[keyRef, token.PublicKey]
	authentic   *cache[string, token.Authentic] // by the hash of the token
}

// NewService makes the domain's end-user half; [NewAdmin] adds the operators'.
func NewService(c Config) *Service {
	if c.MailQueued == nil {
		c.MailQueued = func() {}
	}
	if c.Pause == nil {
		c.Pause = sleep
	}
	if c.Webhooks == nil {
		c.Webhooks = noWebhooks{}
	}
	if c.WebhookQueued == nil {
		c.WebhookQueued = func() {}
	}
	s := &Service{
		rows: c.Rows, keyring: c.Keyring, mail: c.Mail, providers: c.Providers, passkeys: c.Passkeys, hashing: c.Hashing, breached: c.Breached, clock: c.Clock, rand: c.Rand,
		publicURL: c.PublicURL.String(), log: c.Log, pause: c.Pause, mailQueued: c.MailQueued,
		settings:    newCache[settingsKey, *Settings](1024),
		privateKeys: newCache[keyRef, *token.SigningKey](1024),
		publicKeys:  newCache[keyRef, token.PublicKey](2048),
		keySets:     newCache[string, []byte](256),
		authentic:   newCache[string, token.Authentic](2048),
	}
	s.backlogs, s.mailChecker = newBacklogs(maxWaiting), c.MailChecker
	s.webhooks, s.webhookQueued, s.store = c.Webhooks, c.WebhookQueued, &watchedStore{c.Store, s}
	return s
}

// now is the current instant as stores keep it: UTC milliseconds.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// settingsKey names one state of a project's settings, so that a cached resolution is never stale.
type settingsKey struct {
	project ProjectID
	version int64
	created int64
}

// Project finds a project and resolves its settings. [ConsoleProject] is none that it knows. It fails with CodeProjectNotFound.
func (s *Service) Project(ctx context.Context, id ProjectID) (*Project, error) {
	if id == ConsoleProject {
		return nil, errNoProject
	}
	return s.HostedProject(ctx, id)
}

var errNoProject = newError(CodeProjectNotFound, "there is no such project")

// HostedProject is Project for the hosted pages and for the instance's own work, which know [ConsoleProject], too.
func (s *Service) HostedProject(ctx context.Context, id ProjectID) (*Project, error) {
	p, err := s.store.GetProject(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, errNoProject
	}
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	if err := s.resolve(&p); err != nil {
		return nil, err
	}
	return &p, nil
}

func (s *Service) resolve(p *Project) error {
	key := settingsKey{p.ID, p.Version, p.CreatedAt.UnixMilli()}
	settings, err := s.settings.get(key, func() (*Settings, error) { return ResolveSettings(p.Preset, consoleOverrides(p.ID, p.Overrides)) })
	if err != nil {
		return fmt.Errorf("settings of project %s: %w", p.ID, err)
	}
	p.Settings = settings
	return nil
}

// Issuer is the iss of the project's id tokens, and the base of its discovery document.
func (s *Service) Issuer(p ProjectID) string { return s.publicURL + "/" + string(p) }

// newID gives a random id in the form of a uid.
func (s *Service) newID() (string, error) { return token.NewID(userIDChars, s.rand) }

// newTimeID gives an id that sorts by time: 11 characters of base-32 milliseconds, then 15 random ones.
func (s *Service) newTimeID(now time.Time) (string, error) {
	random, err := token.NewID(15, s.rand)
	if err != nil {
		return "", err
	}
	return timePrefix(now) + random, nil
}

const timeDigits = "0123456789abcdefghijklmnopqrstuv"

func timePrefix(t time.Time) string {
	var b [11]byte
	ms := uint64(max(t.UnixMilli(), 0))
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = timeDigits[ms&31]
		ms >>= 5
	}
	return string(b[:])
}

// source groups addresses that one client can choose among: IPv6 by its /64 (P29).
func source(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
