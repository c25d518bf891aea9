package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TLSFile is one thing that certificate management keeps: a certificate, a private key, the account at the CA, a challenge. It belongs to the instance. Private keys are
// among them, so all are sealed alike.
type TLSFile struct {
	Path       string // components divided by slashes
	Sealed     []byte
	ModifiedAt time.Time
}

// Certificates is what the management of TLS certificates may do with the instance: keep its files sealed, hold its locks among all processes, and ask which hosts there
// are. No caller from outside reaches it. Its methods are safe for concurrent use.
type Certificates struct{ service *Service }

// NewCertificates makes it over the domain.
func NewCertificates(s *Service) *Certificates { return &Certificates{s} }

// Load opens a file, and says when it was saved. It fails with [ErrNotFound].
func (c *Certificates) Load(ctx context.Context, path string) (content []byte, modified time.Time, err error) {
	f, err := c.service.store.GetTLSFile(ctx, path)
	if err != nil {
		return nil, time.Time{}, err
	}
	content, err = c.service.keyring.Open(f.Sealed, SealedTLSFile.AD("", path))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("tls file %s: %w", path, err)
	}
	return content, f.ModifiedAt, nil
}

// Save seals content and creates or replaces the file.
func (c *Certificates) Save(ctx context.Context, path string, content []byte) error {
	sealed, err := c.service.keyring.Seal(content, SealedTLSFile.AD("", path))
	if err != nil {
		return fmt.Errorf("tls file %s: %w", path, err)
	}
	f := TLSFile{Path: path, Sealed: sealed, ModifiedAt: c.service.now()}
	return c.service.store.Update(ctx, func(tx Tx) error { return tx.PutTLSFile(ctx, f) })
}

// Remove deletes the file at a path and all files below it. There may be none.
func (c *Certificates) Remove(ctx context.Context, path string) error {
	return c.service.store.Update(ctx, func(tx Tx) error { return tx.DeleteTLSFiles(ctx, path) })
}

// List gives the paths of the files below a directory, sorted; directory "" is the root.
func (c *Certificates) List(ctx context.Context, directory string) ([]string, error) {
	return c.service.store.ListTLSFiles(ctx, directory)
}

// Lock gives a lock to the holder for a while, or prolongs it. It fails with [ErrConflict] where another one has it.
func (c *Certificates) Lock(ctx context.Context, name, holder string, length time.Duration) error {
	now := c.service.now()
	return c.service.store.Update(ctx, func(tx Tx) error { return tx.TakeLease(ctx, lockName(name), holder, now, now.Add(length)) })
}

// Unlock ends it. It fails with [ErrNotFound] where the holder lost it before.
func (c *Certificates) Unlock(ctx context.Context, name, holder string) error {
	return c.service.store.Update(ctx, func(tx Tx) error { return tx.ReleaseLease(ctx, lockName(name), holder) })
}

func lockName(name string) string { return "tls/" + name }

// NewHolder names a holder of locks, apart from all others.
func (c *Certificates) NewHolder() (string, error) { return c.service.newID() }

// HasProject tells whether a project's host is to be served: an error is CodeProjectNotFound, or a failure, on which nothing is to be ordered (P46).
func (c *Certificates) HasProject(ctx context.Context, id ProjectID) error {
	_, err := c.service.Project(ctx, id)
	return err
}

// What processes may order together for hosts of projects, on whose handshakes anybody can make them try. It stays within what public CAs allow: of one host 5 failures an
// hour, of one account 300 orders in 3 hours.
const (
	hostOrderBurst    = 3
	hostOrderInterval = 30 * time.Minute
	orderBurst        = 100
	orderInterval     = time.Minute
)

// TakeOrder counts one order for the certificate of a project's host. It fails with CodeTooManyAttempts and RetryAfter where there were too many, and with
// CodeProjectNotFound.
func (c *Certificates) TakeOrder(ctx context.Context, id ProjectID) error {
	now := c.service.now()
	return c.service.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.GetProject(ctx, id); errors.Is(err, ErrNotFound) || id == ConsoleProject {
			return errNoProject
		} else if err != nil {
			return fmt.Errorf("project: %w", err)
		}
		if err := takeLimit(ctx, tx, id, "certificate", now, hostOrderInterval, hostOrderBurst); err != nil {
			return err
		}
		return takeLimit(ctx, tx, "", "certificates", now, orderInterval, orderBurst)
	})
}

// TakeNamedOrder counts one order for a name of the configuration, as of the public host: processes that are restarted, and many of them, together stay within what CAs
// allow of one host. It fails with CodeTooManyAttempts and RetryAfter.
func (c *Certificates) TakeNamedOrder(ctx context.Context, name string) error {
	return c.service.store.Update(ctx, func(tx Tx) error {
		return takeLimit(ctx, tx, "", "certificate/"+name, c.service.now(), hostOrderInterval, hostOrderBurst)
	})
}
