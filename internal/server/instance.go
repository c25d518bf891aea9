// Package server puts the parts together: data directory, store, keys, domain, surfaces, and the loops in the background.
package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/breached"
	"github.com/doorward/doorward/internal/idp"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/passkey"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/token"
	"github.com/doorward/doorward/internal/webhook"
)

// Instance is the domain over an open data directory. Several processes may have one open at a time.
type Instance struct {
	Service *auth.Service
	Admin   *auth.Admin

	config   Config
	store    *sqlstore.Store
	measured *measuredStore // over store; all but the start go through it
	keyring  *secret.Keyring
	hashing  *password.Queue
	mailer   *mail.Worker

	breached *breached.Filter // nil: no list
	webhooks *webhook.Client
	courier  *webhook.Worker // of events
}

// ErrMasterKeyMissing means that the database holds secrets of a master key that is not there.
var ErrMasterKeyMissing = errors.New("the database is in use, but its master key is missing")

// Open opens the data directory, creates what is missing in it, and brings the database's schema to the newest version. The caller closes the instance.
func Open(ctx context.Context, c Config) (*Instance, error) {
	if err := openDataDir(c.DataDir); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{URL: c.Database, Log: c.Log, BeforeMigrate: beforeMigration(c)})
	if err != nil {
		return nil, err
	}
	i, err := open(ctx, c, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return i, nil
}

func open(ctx context.Context, c Config, store *sqlstore.Store) (*Instance, error) {
	if err := checkMasterKey(ctx, c, store); err != nil {
		return nil, err
	}
	keyring, _, err := secret.OpenKeyring(c.MasterKeyFile, c.Rand)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	renderer, err := mail.NewRenderer()
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	checker := &mailCheck{resolver: net.DefaultResolver}
	i := &Instance{config: c, store: store, keyring: keyring, hashing: password.NewQueue(c.HashWorkers, c.HashQueue), mailer: &mail.Worker{}}
	i.measured = newMeasuredStore(store, c.Clock)
	list, err := i.openBreached()
	if err != nil {
		return nil, err
	}
	i.webhooks, i.courier = webhook.NewClient(c.Clock, webhook.Options{}), &webhook.Worker{}
	i.Service = auth.NewService(auth.Config{
		Store: i.measured, Rows: store, Keyring: keyring, Mail: renderer, Providers: idp.New(c.Clock, idp.Options{}), Passkeys: passkey.Client{}, Hashing: i.hashing, Breached: list, Clock: c.Clock, Rand: c.Rand,
		PublicURL: c.PublicURL, Log: c.Log, MailQueued: i.mailer.Wake,
		Webhooks: i.webhooks, WebhookQueued: i.courier.Wake, MailChecker: checker,
	})
	i.Admin = auth.NewAdmin(i.Service)
	if err := errors.Join(i.setUpMailer(checker), i.setUpCourier()); err != nil {
		return nil, errors.Join(err, i.closeBreached())
	}
	return i, nil
}

// openBreached opens the list of leaked passwords, where there is one. A server reads it whole before it serves; see New.
func (i *Instance) openBreached() (auth.BreachedPasswords, error) {
	if i.config.BreachedPasswords == "" {
		return nil, nil // no interface around a nil pointer
	}
	var err error
	if i.breached, err = breached.Open(i.config.BreachedPasswords); err != nil {
		return nil, fmt.Errorf("breached passwords: %w", err)
	}
	return i.breached, nil
}

func (i *Instance) verifyBreached(ctx context.Context) error {
	if i.breached == nil {
		return nil
	}
	if err := i.breached.Verify(ctx); err != nil {
		return fmt.Errorf("breached passwords: %w", err)
	}
	return nil
}

func (i *Instance) closeBreached() error {
	if i.breached == nil {
		return nil
	}
	return i.breached.Close()
}

// checkMasterKey refuses to make a new key beside a database whose secrets another one sealed: nobody could read them any more.
func checkMasterKey(ctx context.Context, c Config, store *sqlstore.Store) error {
	if _, err := os.Stat(c.MasterKeyFile); !errors.Is(err, fs.ErrNotExist) {
		return nil // there, or secret.OpenKeyring says what is wrong
	}
	projects, err := store.ListProjects(ctx, "", 1)
	if err != nil {
		return fmt.Errorf("look for projects: %w", err)
	}
	if len(projects) == 0 {
		return nil
	}
	// Another process may have made both since the first look; it makes the key first.
	if _, err := os.Stat(c.MasterKeyFile); err == nil {
		return nil
	}
	return fmt.Errorf("%w: put %s back from its copy, or name it with --master-key-file", ErrMasterKeyMissing, c.MasterKeyFile)
}

// EnsureDefaultProject creates the project that bare hosts serve, unless it is there. It tells whether it did, and then the admin token, unless that
// came from the configuration.
func (i *Instance) EnsureDefaultProject(ctx context.Context) (created bool, adminToken string, err error) {
	_, err = i.Service.Project(ctx, auth.DefaultProject)
	if err == nil {
		return false, "", nil
	}
	if auth.CodeOf(err) != auth.CodeProjectNotFound {
		return false, "", err
	}
	// Of an import that broke off only what stands in the way: the rest can wait for the sweep, and a start cannot.
	if _, err := i.Admin.CleanUpImports(ctx, auth.DefaultProject); err != nil {
		i.config.Log.Error("not cleaned up; it is tried again", slog.Any("error", err))
	}
	_, adminToken, err = i.Admin.CreateProject(ctx, i.Service.LocalOperator(auth.Caller{}), auth.NewProject{
		ID: string(auth.DefaultProject), Preset: auth.PresetDocumented, AdminToken: i.config.AdminToken,
	})
	if auth.CodeOf(err) == auth.CodeConflict {
		return false, "", nil // another process was first, or an import of it runs
	}
	if err != nil {
		return false, "", fmt.Errorf("create project %s: %w", auth.DefaultProject, err)
	}
	if i.config.AdminToken != "" {
		adminToken = ""
	}
	return true, adminToken, nil
}

// EnsureConsole creates the console's project, unless it is there. While there is no operator's account it gives a link to set one up, which voids earlier ones; else "".
// A database that takes no changes any more is left as it is.
func (i *Instance) EnsureConsole(ctx context.Context) (setupLink string, err error) {
	if to, err := i.Moving(ctx); err != nil || to != "" {
		return "", err
	}
	local := i.Service.LocalOperator(auth.Caller{})
	if err := i.Admin.EnsureConsole(ctx, local); err != nil {
		return "", fmt.Errorf("create project %s: %w", auth.ConsoleProject, err)
	}
	return i.Admin.FirstSetupLink(ctx, local)
}

// Moving tells where the data of a database that takes no changes any more went; "" while it takes them.
func (i *Instance) Moving(ctx context.Context) (to string, err error) {
	marks, err := i.store.Marks(ctx)
	if m := marks[sqlstore.MarkMoving]; err == nil && m.Closed() {
		return m.Note, nil
	}
	return "", err
}

// MovedTo tells where the data went once that is whole; "" before.
func (i *Instance) MovedTo(ctx context.Context) (string, error) { return i.store.MovedTo(ctx) }

// Close finishes what the store accepted and closes it.
func (i *Instance) Close() error {
	if err := errors.Join(i.store.Close(), i.closeBreached()); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// setUpMailer fills in the worker, which runs only in a server.
func (i *Instance) setUpMailer(checker *mailCheck) error {
	lease, err := token.NewID(28, i.config.Rand)
	if err != nil {
		return err
	}
	senders, err := newSenders(i.config, i.Service)
	if err != nil {
		return err
	}
	checker.senders = senders
	w := i.mailer
	w.Store, w.Open, w.PerProject = i.measured, i.Service.OpenMail, senders.forProject
	w.Clock, w.Jitter, w.LeaseToken, w.Log = i.config.Clock, jitter, lease, i.config.Log
	if i.config.ShutdownGrace > 0 {
		w.Grace = i.config.ShutdownGrace
	}
	return nil
}

// setUpCourier fills in the worker of webhooks, which runs only in a server.
func (i *Instance) setUpCourier() error {
	lease, err := token.NewID(28, i.config.Rand)
	if err != nil {
		return err
	}
	w := i.courier
	w.Store, w.Events, w.Client = i.measured, i.Service, i.webhooks
	w.Clock, w.Jitter, w.LeaseToken, w.Log = i.config.Clock, jitter, lease, i.config.Log
	if i.config.ShutdownGrace > 0 {
		w.Grace = i.config.ShutdownGrace
	}
	return nil
}
