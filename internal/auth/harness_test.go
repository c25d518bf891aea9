package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/passkey"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/token"
)

const (
	ada     = "ada@example.com"
	grace   = "grace@example.org"
	goodPW  = "blue teapot on the moon"
	otherPW = "a rather different phrase"
)

// start is when every test begins: not a whole millisecond, as no real clock gives one.
var start = time.Date(2026, 3, 29, 0, 59, 58, 123456789, time.UTC)

// harness is the whole domain over a real store, real keys and real templates.
type harness struct {
	*auth.Service
	t       *testing.T
	ctx     context.Context
	admin   *auth.Admin
	store   *testStore
	clock   *authtest.Clock
	keyring *secret.Keyring
	dir     string
	id      auth.ProjectID // the project that most tests work in

	breached auth.BreachedPasswords
	url      string // public

	adminToken string
	askers     map[string]string // id tokens of accounts that ask for an address
	queued     atomic.Int64      // calls of MailQueued
	paused     atomic.Int64      // the last wait that was asked for
	log        lockedBuffer
	hooks      scriptedHooks
	woken      atomic.Int64 // calls of WebhookQueued
	token      string       // a refresh token, for tests in tables
	seenMail   map[auth.MailID]bool
	asked      int // references, by explained

	mu      sync.Mutex
	secrets map[string]bool // what may be in no audit record, no error and no log line
	errs    []string
}

type option func(*setup)

type setup struct {
	preset   auth.Preset
	settings map[string]string
	queue    *password.Queue
	breached auth.BreachedPasswords
	url      string // public
	id       auth.ProjectID
}

// documented makes the project of the documented preset; the default is hardened.
func documented(s *setup) { s.preset = auth.PresetDocumented }

// with overrides settings, as key, value, key, value.
func with(pairs ...string) option {
	return func(s *setup) {
		for i := 0; i+1 < len(pairs); i += 2 {
			s.settings[pairs[i]] = pairs[i+1]
		}
	}
}

// crowd lets many passwords be hashed at once.
func crowd(s *setup) { s.queue = password.NewQueue(4, 256) }

// fast are settings that make tests quick and change no decision.
func fast() map[string]string {
	return map[string]string{"passwordHashMemory": "8192", "passwordHashTime": "1", "signingAlgorithm": "ES256", "signUpByMail": "false"}
}

var running sync.Map // of *testing.T: Parallel may be called once

func newHarness(t *testing.T, options ...option) *harness {
	t.Helper()
	if _, again := running.LoadOrStore(t, true); !again {
		t.Parallel()
	}
	s := &setup{preset: auth.PresetHardened, settings: fast(), queue: password.NewQueue(2, 8), url: "https://auth.example.com", id: "acme"}
	for _, o := range options {
		o(s)
	}
	dir := t.TempDir()
	h := &harness{
		t: t, ctx: context.Background(), dir: dir, clock: authtest.NewClock(start), id: s.id, seenMail: map[auth.MailID]bool{}, secrets: map[string]bool{}, askers: map[string]string{},
	}
	database := filepath.Join(dir, "doorward.db")
	if err := os.WriteFile(database, emptyDatabase(t), 0o600); err != nil {
		t.Fatal(err)
	}
	h.store = &testStore{Store: storetest.OpenURL(t, "sqlite:"+database)}
	h.breached = s.breached
	h.url = s.url
	h.open(s.queue)
	h.admin = auth.NewAdmin(h.Service)
	_, adminToken, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: string(h.id), DisplayName: "Acme", Preset: s.preset, Settings: s.settings})
	if err != nil {
		t.Fatalf("creating the project: %v", err)
	}
	h.adminToken = h.secret(adminToken)
	t.Cleanup(h.checkSecrets)
	return h
}

// newRenderer parses the templates once for all tests.
var newRenderer = sync.OnceValues(mail.NewRenderer)

var empty struct {
	once    sync.Once
	content []byte
}

// emptyDatabase is a database that has its schema already, made once for all tests.
func emptyDatabase(t *testing.T) []byte {
	t.Helper()
	empty.once.Do(func() {
		file := filepath.Join(t.TempDir(), "empty.db")
		t.Run("empty database", func(t *testing.T) { storetest.OpenURL(t, "sqlite:"+file) }) // its end closes the store
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		empty.content = content
	})
	return empty.content
}

func (h *harness) open(queue *password.Queue) {
	h.t.Helper()
	keyring, _, err := secret.OpenKeyring(filepath.Join(h.dir, "keys"), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	renderer, err := newRenderer()
	if err != nil {
		h.t.Fatal(err)
	}
	publicURL, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	h.keyring = keyring
	h.Service = auth.NewService(auth.Config{
		Store: h.store, Rows: h.store.Store.(auth.ProjectRows), Keyring: keyring, Mail: renderer, Passkeys: passkey.Client{}, Hashing: queue, Breached: h.breached, Clock: h.clock.Now, Rand: rand.Reader, PublicURL: publicURL,
		Log: slog.New(slog.NewTextHandler(&h.log, nil)), MailQueued: func() { h.queued.Add(1) }, Pause: func(_ context.Context, d time.Duration) { h.paused.Store(int64(d)) },
		Webhooks: &h.hooks, WebhookQueued: func() { h.woken.Add(1) },
	})
}

// operator is a caller who may do everything, about no project yet.
func (h *harness) operator() auth.Caller { return h.LocalOperator(auth.Caller{Addr: clientAddr}) }

var clientAddr = netip.MustParseAddr("192.0.2.7")

// anyone is a caller of the project that has shown nothing.
func (h *harness) anyone() auth.Caller { return h.anyoneOf(h.id) }

func (h *harness) anyoneOf(id auth.ProjectID) auth.Caller {
	h.t.Helper()
	p, err := h.HostedProject(h.ctx, id)
	if err != nil {
		h.t.Fatalf("project %s: %v", id, err)
	}
	return auth.Caller{Project: p, Addr: clientAddr, RequestID: "request-1", UserAgent: "tests/1.0"}
}

func (h *harness) asAdmin() auth.Caller { return h.anyone().AsActor(auth.ActorAdmin) }

// as is the caller that an id token makes.
func (h *harness) as(idToken string) auth.Caller {
	h.t.Helper()
	c, err := h.AuthenticateUser(h.ctx, h.anyone(), idToken)
	if err != nil {
		h.t.Fatalf("authenticate: %v", err)
	}
	return c
}

// secret notes text that must leak nowhere.
func (h *harness) secret(s string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s != "" {
		h.secrets[s] = true
	}
	return s
}

func (h *harness) set(pairs ...string) {
	h.t.Helper()
	change := auth.ProjectChange{Set: map[string]string{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		change.Set[pairs[i]] = pairs[i+1]
	}
	if _, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), change); err != nil {
		h.t.Fatalf("settings %v: %v", pairs, err)
	}
}

// want checks an error's code, and keeps its text for the search for secrets.
func (h *harness) want(err error, code auth.Code) {
	h.t.Helper()
	h.note(err)
	if got := auth.CodeOf(err); got != code {
		h.t.Errorf("code %q, want %q (error: %v)", got, code, err)
	}
}

// must ends the test where something failed that this test is not about.
func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("unexpected error: %v", err)
	}
}

func (h *harness) note(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err.Error())
}

func (h *harness) trySignUp(email, pw string) (auth.Tokens, error) {
	h.secret(pw)
	tokens, err := h.SignUp(h.ctx, h.anyone(), auth.SignUpParams{Email: email, Password: pw})
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

func (h *harness) signUp(email string) auth.Tokens {
	h.t.Helper()
	tokens, err := h.trySignUp(email, goodPW)
	if err != nil {
		h.t.Fatalf("sign up %s: %v", email, err)
	}
	return tokens
}

// verified signs up and proves the address.
func (h *harness) verified(email string) auth.Tokens {
	h.t.Helper()
	tokens := h.signUp(email)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, email), tokens.User.ID))
	return tokens
}

func (h *harness) signIn(email, pw string) (auth.Tokens, error) {
	h.secret(pw)
	tokens, err := h.SignIn(h.ctx, h.anyone(), auth.SignInParams{Email: email, Password: pw})
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

func (h *harness) refresh(token string) (auth.Tokens, error) {
	h.secret(token)
	tokens, err := h.Refresh(h.ctx, h.anyone(), token)
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

// user reads an account as it is stored.
func (h *harness) user(id auth.UserID) auth.User {
	h.t.Helper()
	u, err := h.store.GetUser(h.ctx, h.id, id)
	if err != nil {
		h.t.Fatalf("user %s: %v", id, err)
	}
	return u
}

// alter changes a stored account behind the domain's back.
func (h *harness) alter(id auth.UserID, f func(*auth.User)) {
	h.t.Helper()
	u := h.user(id)
	f(&u)
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.UpdateUser(h.ctx, u) }))
}

// identity joins an account at a provider to a user.
func (h *harness) identity(user auth.UserID, subject, email string, verified bool) {
	h.t.Helper()
	i := auth.Identity{Project: h.id, User: user, ProviderID: "google.com", Subject: subject, Email: email, EmailVerified: verified, CreatedAt: h.clock.Now()}
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.CreateIdentity(h.ctx, i) }))
}

func (h *harness) subjects(user auth.UserID) []string {
	h.t.Helper()
	identities, err := h.store.ListIdentities(h.ctx, h.id, user)
	h.must(err)
	var subjects []string
	for _, i := range identities {
		subjects = append(subjects, i.Subject)
	}
	return subjects
}

// newMails gives the mails to an address that were queued since it was last asked.
func (h *harness) newMails(to string) []auth.OutboxMail {
	h.t.Helper()
	all, err := h.store.ListMail(h.ctx, h.id, "", "", 1000)
	h.must(err)
	var fresh []auth.OutboxMail
	for _, m := range all {
		if string(m.To) == to && !h.seenMail[m.ID] {
			h.seenMail[m.ID] = true
			fresh = append(fresh, m)
		}
	}
	return fresh
}

// message opens the only new mail of a kind to an address.
func (h *harness) message(kind auth.MailKind, to string) auth.Message {
	h.t.Helper()
	var found []auth.OutboxMail
	for _, m := range h.newMails(to) {
		if m.Kind == kind {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		h.t.Fatalf("%d new mails %s to %s, want 1", len(found), kind, to)
	}
	msg, err := h.OpenMail(found[0])
	h.must(err)
	return msg
}

// code takes the one-time code out of the only new mail of a kind to an address.
func (h *harness) code(kind auth.MailKind, to string) string {
	h.t.Helper()
	return h.secret(linkOf(h.t, h.message(kind, to)).Query().Get("oobCode"))
}

func linkOf(t *testing.T, msg auth.Message) *url.URL {
	t.Helper()
	links := mail.Links(msg)
	if len(links) == 0 {
		t.Fatalf("no link in the mail %q", msg.Subject)
	}
	link, err := url.Parse(links[0])
	if err != nil {
		t.Fatal(err)
	}
	if link.Query().Get("oobCode") == "" {
		t.Fatalf("no code in the mail %q", msg.Subject)
	}
	return link
}

// claims reads the payload of a JWT without checking it.
func claims(t *testing.T, idToken string) map[string]any {
	t.Helper()
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts in the id token", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// alive tells whether an id token is accepted, and a refresh token still gives tokens.
func (h *harness) alive(tokens auth.Tokens) (id, refresh bool) {
	_, err := h.AuthenticateUser(h.ctx, h.anyone(), tokens.IDToken)
	_, rerr := h.refresh(tokens.RefreshToken)
	return err == nil, rerr == nil
}

// wantEnded checks that nothing of a session works.
func (h *harness) wantEnded(tokens auth.Tokens) {
	h.t.Helper()
	if id, refresh := h.alive(tokens); id || refresh {
		h.t.Errorf("the session lives on: id token accepted %v, refresh token accepted %v", id, refresh)
	}
}

func (h *harness) wantAlive(tokens auth.Tokens) {
	h.t.Helper()
	if id, refresh := h.alive(tokens); !id || !refresh {
		h.t.Errorf("the session is dead: id token accepted %v, refresh token accepted %v", id, refresh)
	}
}

// audits gives the project's records of an event, newest first.
func (h *harness) audits(event auth.Event) []auth.AuditRecord {
	h.t.Helper()
	records, err := h.store.ListAudit(h.ctx, h.id, auth.AuditFilter{Event: event, Limit: 1000})
	h.must(err)
	return records
}

// wantDenied checks that there are n records of a refused event, and that each says who asked from where.
func (h *harness) wantDenied(event auth.Event, n int) {
	h.t.Helper()
	denied := 0
	for _, r := range h.audits(event) {
		if r.Outcome != auth.OutcomeDenied {
			continue
		}
		denied++
		if r.Addr != clientAddr || r.RequestID == "" || r.Detail["code"] == "" || r.At.IsZero() {
			h.t.Errorf("incomplete record of a refusal: %+v", r)
		}
	}
	if denied != n {
		h.t.Errorf("%d records of a refused %s, want %d", denied, event, n)
	}
}

// checkSecrets searches every audit record, error text and log line of the test for the secrets that it used.
func (h *harness) checkSecrets() {
	h.t.Helper()
	var haystack []string
	records, err := h.store.ListAudit(h.ctx, "", auth.AuditFilter{Limit: 100000})
	if err != nil {
		h.t.Errorf("audit: %v", err)
	}
	for _, r := range records {
		haystack = append(haystack, "audit: "+fmt.Sprintf("%+v", r))
	}
	decisions, err := h.store.ListDecisions(h.ctx, "", "request-1", 100000)
	if err != nil {
		h.t.Errorf("decisions: %v", err)
	}
	for _, d := range decisions {
		haystack = append(haystack, "decision: "+fmt.Sprintf("%+v", d))
	}
	mails, err := h.store.ListMail(h.ctx, "", "", "", 100000)
	if err != nil {
		h.t.Errorf("mail: %v", err)
	}
	for _, m := range mails {
		haystack = append(haystack, "outbox: "+fmt.Sprintf("%+q", fmt.Sprintf("%+v", m)))
	}
	for _, e := range h.errs {
		haystack = append(haystack, "error: "+e)
	}
	haystack = append(haystack, "log: "+h.log.String())
	for s := range h.secrets {
		if len(s) < 6 { // too short to tell from other text
			continue
		}
		for _, text := range haystack {
			if strings.Contains(text, s) {
				h.t.Errorf("a secret of %d bytes leaked into %.200s", len(s), text)
			}
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// testStore is the real store, made unfriendly: it runs every change twice, of which the first is rolled back, as PostgreSQL does to a transaction that lost a
// race. A change that keeps something of its first run in a variable shows.
type testStore struct {
	auth.Store
	once   atomic.Bool                           // run changes only once, for tests of races
	tx     atomic.Pointer[func(auth.Tx) auth.Tx] // wraps the transaction of every change
	before atomic.Pointer[func()]                // runs once, before the next change
}

var errRolledBack = errors.New("rolled back to run again")

func (s *testStore) Update(ctx context.Context, f func(auth.Tx) error) error {
	if before := s.before.Swap(nil); before != nil {
		(*before)()
	}
	run := f
	if wrap := s.tx.Load(); wrap != nil {
		run = func(tx auth.Tx) error { return f((*wrap)(tx)) }
	}
	if !s.once.Load() {
		first := s.Store.Update(ctx, func(tx auth.Tx) error {
			if err := run(tx); err != nil {
				return err
			}
			return errRolledBack
		})
		if !errors.Is(first, errRolledBack) {
			return first
		}
	}
	return s.Store.Update(ctx, run)
}

// Count is as unfriendly.
func (s *testStore) Count(ctx context.Context, f func(auth.Limits) error) error {
	return s.Update(ctx, func(tx auth.Tx) error { return f(tx) })
}

// meanwhile runs f between what the domain has read and its next change.
func (h *harness) meanwhile(f func()) { h.store.before.Store(&f) }

// failingTx fails one method of a transaction.
type failingTx struct {
	auth.Tx
	method string
	err    error
}

func (tx failingTx) CreateAudit(ctx context.Context, r auth.AuditRecord) error {
	if tx.method == "CreateAudit" {
		return tx.err
	}
	return tx.Tx.CreateAudit(ctx, r)
}

func (tx failingTx) CreateDecision(ctx context.Context, d auth.Decision) error {
	if tx.method == "CreateDecision" {
		return tx.err
	}
	return tx.Tx.CreateDecision(ctx, d)
}

func (tx failingTx) CreateMail(ctx context.Context, m auth.OutboxMail) error {
	if tx.method == "CreateMail" {
		return tx.err
	}
	return tx.Tx.CreateMail(ctx, m)
}

func (tx failingTx) CreateSession(ctx context.Context, s auth.Session) error {
	if tx.method == "CreateSession" {
		return tx.err
	}
	return tx.Tx.CreateSession(ctx, s)
}

// fail makes a method of every transaction fail until the function it gives is called.
func (h *harness) fail(method string, err error) (heal func()) {
	wrap := func(tx auth.Tx) auth.Tx { return failingTx{tx, method, err} }
	h.store.tx.Store(&wrap)
	return func() { h.store.tx.Store(nil) }
}

// each runs f n times at once and waits.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			f(i)
		})
	}
	close(ready)
	wg.Wait()
}

func ptr[T any](v T) *T { return &v }

func smallQueue() *password.Queue { return password.NewQueue(2, 8) }

// plantCode stores a code for a user whose state no flow would send one in.
func (h *harness) plantCode(u auth.User, purpose auth.OOBPurpose) string {
	h.t.Helper()
	plain := h.secret("planted-code-planted-code-planted-code-" + string(purpose))
	code := auth.OOBCode{
		Project: h.id, Hash: token.Hash(plain), User: u.ID, Purpose: purpose, Email: u.Email, NewEmail: "new-" + u.Email,
		CreatedAt: h.clock.Now(), ExpiresAt: h.clock.Now().Add(time.Hour),
	}
	if purpose == auth.PurposeTakeBackEmail {
		code.Email = "old-" + u.Email
	}
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.CreateOOBCode(h.ctx, code) }))
	return plain
}

// importUser makes an unverified account with the good password and no mail.
func (h *harness) importUser(email string) auth.User {
	h.t.Helper()
	h.secret(goodPW)
	u, err := h.admin.CreateUser(h.ctx, h.asAdmin(), auth.CreateUserParams{Email: email, Password: goodPW})
	h.must(err)
	return u
}
