package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/doorward/doorward/internal/auth"
)

// LetsEncrypt is the directory of the CA that most take.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Account says which CA to order from, as whom, and how to prove that the names are ours.
type Account struct {
	Email     string
	Directory string         // URL
	Roots     *x509.CertPool // that verify the directory's own certificate; nil: those of the system
	KeyID     string         // external account binding (RFC 8555 section 7.3.4); "": none
	MACKey    string         // base64url
	DNS       DNS            // nil: TLS-ALPN-01, and HTTP-01 where port 80 is served
	Resolvers []string       // DNS servers, as HOST or HOST:PORT, to look the proofs up at; none: those of the system
}

// Options are what a manager works with. All are needed.
type Options struct {
	Account    Account
	PublicHost string // of the public URL
	Domain     string // a project's host is PROJECT.Domain
	Vault      *auth.Certificates
	Log        *slog.Logger
	Clock      func() time.Time
}

const (
	// orderLimit is how long a handshake waits for a certificate to be ordered. Orders in the background have the library's own limits.
	orderLimit = 90 * time.Second
	// handshakeLimit is what is left to a client once the certificate is there.
	handshakeLimit = 5 * time.Second
	// maxCached bounds the certificates in memory (P54); the others are read from the database when they are needed.
	maxCached = 10000

	cleanEvery = 24 * time.Hour
	keepEnded  = 14 * 24 * time.Hour // expired certificates
)

// A certificate that was not obtained is ordered again after firstRetry, then after twice as long each time, up to lastRetry, and no sooner than the count of all processes
// allows: five times in the first hour, which is what public CAs allow for one name.
const (
	firstRetry = 2 * time.Minute
	lastRetry  = time.Hour
)

// restFailed is how long handshakes order nothing for a host of a project whose order failed.
const restFailed = time.Minute

// Manager orders certificates and renews them. Make one with [NewManager].
//
// The public host's certificate is ordered at once and renewed in the background. Those of projects' hosts are one wildcard, where DNS can prove it; else each is ordered
// when somebody first connects to it, if there is such a project.
type Manager struct {
	Options
	names    []string // that are managed in the background
	storage  *storage
	cache    *certmagic.Cache
	managed  *certmagic.Config
	onDemand *certmagic.Config // nil: there is a wildcard
	issuers  []*certmagic.ACMEIssuer

	ending context.Context // ends with Run; handshakes that wait for an order end with it
	end    context.CancelFunc

	obtained, failed atomic.Int64
	rests            rests
	retry            time.Duration
}

// NewManager makes a manager. It connects to nothing yet.
func NewManager(o Options) *Manager {
	m := &Manager{Options: o, names: []string{o.PublicHost}, storage: newStorage(o.Vault, o.Log), rests: rests{clock: o.Clock}, retry: firstRetry}
	m.ending, m.end = context.WithCancel(context.Background())
	m.cache = certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: m.configFor, Capacity: maxCached, Logger: newZap(o.Log)})
	m.managed = m.newConfig(nil)
	if o.Account.DNS != nil {
		m.names = append(m.names, "*."+o.Domain)
	} else {
		m.onDemand = m.newConfig(&certmagic.OnDemandConfig{DecisionFunc: m.mayServe})
	}
	return m
}

func (m *Manager) newConfig(onDemand *certmagic.OnDemandConfig) *certmagic.Config {
	log := newZap(m.Log)
	config := certmagic.New(m.cache, certmagic.Config{Storage: m.storage, Logger: log, OnDemand: onDemand, DefaultServerName: m.PublicHost, OnEvent: m.onEvent})
	account := m.Account
	issuer := certmagic.ACMEIssuer{CA: account.Directory, Email: account.Email, Agreed: true, TrustedRoots: account.Roots, Logger: log, DisableHTTPChallenge: true}
	if account.KeyID != "" {
		issuer.ExternalAccount = &acme.EAB{KeyID: account.KeyID, MACKey: account.MACKey}
	}
	if account.DNS != nil {
		issuer.DNS01Solver = &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{DNSProvider: account.DNS, TTL: recordTTL, Resolvers: account.Resolvers, Logger: log}}
	}
	made := certmagic.NewACMEIssuer(config, issuer)
	m.issuers = append(m.issuers, made)
	config.Issuers = []certmagic.Issuer{made}
	return config
}

// configFor says how a certificate in the cache is looked after.
func (m *Manager) configFor(cert certmagic.Certificate) (*certmagic.Config, error) {
	if m.onDemand != nil && len(cert.Names) > 0 && cert.Names[0] != m.PublicHost {
		return m.onDemand, nil
	}
	return m.managed, nil
}

// Bind names our listeners to the library, which would open its own for challenges otherwise.
func (m *Manager) Bind(serving, redirects net.Addr) {
	for _, issuer := range m.issuers {
		issuer.ListenHost, issuer.AltTLSALPNPort = hostPort(serving)
		if redirects != nil {
			_, issuer.AltHTTPPort = hostPort(redirects)
			issuer.DisableHTTPChallenge = false
		}
	}
}

func hostPort(addr net.Addr) (host string, port int) {
	host, text, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text) // of an address that is in use
	return host, port
}

// Run obtains and renews certificates until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var work sync.WaitGroup
	for _, name := range m.names {
		work.Go(func() { m.manage(ctx, name) })
	}
	m.clean(ctx)
	work.Wait()
	m.end()
	go m.cache.Stop() // it may wait for a CA; nobody waits for it
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	m.storage.unlockAll(release)
}

// manage obtains a certificate, or takes it from the database, and tries again until there is one. From then on the library renews it.
func (m *Manager) manage(ctx context.Context, name string) {
	for pause := m.retry; ; pause = min(2*pause, lastRetry) {
		err := m.managed.ManageSync(ctx, []string{name})
		if err == nil || ctx.Err() != nil {
			return
		}
		after := pause
		if e := (*auth.Error)(nil); errors.As(err, &e) {
			after = max(after, e.RetryAfter)
		}
		m.Log.Error("no certificate could be obtained; it is tried again", slog.String("name", name), slog.Duration("after", after), slog.Any("error", err))
		if wait(ctx, after) != nil {
			return
		}
	}
}

// clean deletes, once a day for all processes, what expired.
func (m *Manager) clean(ctx context.Context) {
	for {
		err := certmagic.CleanStorage(ctx, m.storage, certmagic.CleanStorageOptions{
			Logger: newZap(m.Log), Interval: cleanEvery, OCSPStaples: true, ExpiredCerts: true, ExpiredCertGracePeriod: keepEnded,
		})
		if err != nil && ctx.Err() == nil {
			m.Log.Warn("expired certificates were not deleted", slog.Any("error", err))
		}
		if wait(ctx, cleanEvery) != nil {
			return
		}
	}
}

// TLSConfig answers the CA's challenges, too (RFC 8737).
func (m *Manager) TLSConfig() *tls.Config { return tlsConfig(m.certificate, acmez.ACMETLS1Protocol) }

var errNoSuchHost = errors.New("there is no such host here")

// certificate gives the one for a handshake. Names that are nobody's host here reach neither the database nor the CA.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if name == "" || name == m.PublicHost {
		return m.managed.GetCertificate(hello)
	}
	if _, err := m.projectOf(name); err != nil {
		return nil, err
	}
	if m.onDemand == nil {
		return m.managed.GetCertificate(hello)
	}
	return m.certificateOnDemand(hello, name)
}

// projectOf gives the project whose host a name is, if it can be one.
func (m *Manager) projectOf(name string) (auth.ProjectID, error) {
	project, ok := strings.CutSuffix(name, "."+m.Domain)
	if !ok {
		return "", errNoSuchHost
	}
	id, err := auth.ParseProjectID(project)
	if err != nil {
		return "", errNoSuchHost
	}
	return id, nil
}

// giveUpKey is the key of a context for what ends the wait of a handshake.
type giveUpKey struct{}

var errRests = errors.New("its certificate could not be obtained; it is tried again later")

// certificateOnDemand waits for an order where there is no certificate yet. Then the connection gets the time for that, which is longer than handshakes have otherwise.
func (m *Manager) certificateOnDemand(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	cached := m.valid(name)
	if m.rests.has(name) && !isChallenge(hello) {
		if len(cached) == 0 {
			return nil, errRests
		}
		return &cached[0].Certificate, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), orderLimit)
	defer cancel()
	defer context.AfterFunc(m.ending, cancel)()
	if len(cached) == 0 {
		if err := hello.Conn.SetDeadline(m.Clock().Add(orderLimit)); err != nil {
			return nil, err
		}
		defer func() { _ = hello.Conn.SetDeadline(m.Clock().Add(handshakeLimit)) }() // fails only when the connection is gone
	}
	return m.onDemand.GetCertificateWithContext(context.WithValue(ctx, giveUpKey{}, cancel), hello)
}

// valid gives the certificates for a name in memory that have not expired: with others alone, a handshake has to wait for an order as without any.
func (m *Manager) valid(name string) []certmagic.Certificate {
	return slices.DeleteFunc(m.cache.AllMatchingCertificates(name), func(c certmagic.Certificate) bool { return m.Clock().After(c.Leaf.NotAfter) })
}

// isChallenge tells whether it is the CA that connects (RFC 8737 section 3).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// mayServe lets only hosts of projects have a certificate. It is asked before anything is read from storage or ordered.
func (m *Manager) mayServe(ctx context.Context, name string) error {
	project, err := m.projectOf(name)
	if err != nil {
		return err
	}
	return m.Vault.HasProject(ctx, project)
}

// onEvent is told what the library does.
func (m *Manager) onEvent(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_obtaining":
		return m.mayOrder(ctx, name)
	case "cert_obtained":
		m.obtained.Add(1)
		m.Log.Info("certificate obtained", slog.String("name", name), slog.Any("renewal", data["renewal"]))
	case "cert_failed":
		m.failed.Add(1)
		m.rests.add(name, restFailed)
		// The library would keep a handshake waiting for its next try. A later handshake tries, as long as there are orders left.
		if giveUp, ok := ctx.Value(giveUpKey{}).(context.CancelFunc); ok {
			giveUp()
		}
	}
	return nil
}

// mayOrder counts orders for all processes, and refuses too many.
func (m *Manager) mayOrder(ctx context.Context, name string) error {
	if slices.Contains(m.names, name) {
		if err := m.Vault.TakeNamedOrder(ctx, name); err != nil {
			return certmagic.ErrNoRetry{Err: fmt.Errorf("certificate for %s: %w", name, err)}
		}
		return nil
	}
	project, err := m.projectOf(name)
	if err == nil {
		err = m.Vault.TakeOrder(ctx, project)
	}
	if err != nil {
		m.rests.add(name, max(restFailed, auth.AsError(err).RetryAfter))
		return certmagic.ErrNoRetry{Err: fmt.Errorf("certificate for %s: %w", name, err)}
	}
	return nil
}

// Challenges answers HTTP-01 where port 80 is served.
func (m *Manager) Challenges(next http.Handler) http.Handler {
	return m.issuers[0].HTTPChallengeHandler(next)
}

// Expiries gives those of the managed names. Certificates of projects' hosts are renewed when somebody connects, so that one that expired tells nothing.
func (m *Manager) Expiries() (all []Expiry) {
	for _, name := range m.names {
		e := Expiry{Name: name}
		for _, cert := range m.cache.AllMatchingCertificates(name) {
			if cert.Leaf.NotAfter.After(e.At) {
				e.At, e.Lifetime = cert.Leaf.NotAfter, lifetimeOf(cert.Leaf)
			}
		}
		all = append(all, e)
	}
	return all
}

// Orders counts those of this process.
func (m *Manager) Orders() (obtained, failed int64) { return m.obtained.Load(), m.failed.Load() }
