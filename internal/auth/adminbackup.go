package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// The audited events of backups.
const (
	EventBackup   Event = "backup.create"
	EventRestored Event = "backup.restore" // the first record that is not the backup's
)

// ErrBackupNotRecorded means that a backup is there, complete, and that only its audit record could not be written.
var ErrBackupNotRecorded = errors.New("the backup is complete, but the audit log does not name it")

// Backup has take back everything up, and records it under the name that take gives. It fails with what take fails with, or with ErrBackupNotRecorded. Only for operators.
func (a *Admin) Backup(ctx context.Context, c Caller, take func() (name string, err error)) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	return a.recordBackup(ctx, c, take)
}

// BackupBySchedule is Backup in the name of the server itself.
func (a *Admin) BackupBySchedule(ctx context.Context, take func() (name string, err error)) error {
	return a.recordBackup(ctx, Caller{actor: ActorSystem}, take)
}

func (a *Admin) recordBackup(ctx context.Context, c Caller, take func() (string, error)) error {
	name, err := take()
	if err != nil {
		return err
	}
	c.Project = nil
	err = a.store.Update(ctx, func(tx Tx) error { return a.audit(ctx, tx, c, EventBackup, OutcomeAllowed, "", "name", name) })
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackupNotRecorded, err)
	}
	return nil
}

// Restored is what an instance was restored from.
type Restored struct {
	Name string    // of the backup
	At   time.Time // of its snapshot
	// SourceStopped means that nothing happened after the snapshot, so that all of it still holds.
	SourceStopped bool
}

// SettleRestored makes an instance fit to serve whose rows come from a backup. Sessions, codes and keys are not among them (P21), so it gives every project a new key, unless the
// source was stopped; then it records the restore. Only for operators, and before any server serves the instance.
func (a *Admin) SettleRestored(ctx context.Context, c Caller, r Restored) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	if !r.SourceStopped {
		if err := a.eachProject(ctx, func(p *Project) error { return a.replaceKeys(ctx, c, p) }); err != nil {
			return err
		}
	}
	c.Project = nil
	return a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventRestored, OutcomeAllowed, "", "name", r.Name, "at", r.At.UTC().Format(time.RFC3339), "source_stopped", fmt.Sprint(r.SourceStopped))
	})
}

// replaceKeys leaves one new key, and withdraws what others there are: one that was withdrawn after the backup must not live again (P25).
func (a *Admin) replaceKeys(ctx context.Context, c Caller, p *Project) error {
	fresh, err := a.newSigningKey(p)
	if err != nil {
		return err
	}
	c.Project = p
	return a.store.Update(ctx, func(tx Tx) error {
		keys, err := tx.ListSigningKeys(ctx, p.ID)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := tx.DeleteSigningKey(ctx, p.ID, k.ID); err != nil {
				return err
			}
		}
		if err := tx.CreateSigningKey(ctx, fresh); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventKeyRotated, OutcomeAllowed, "", "kid", string(fresh.ID), "algorithm", fresh.Algorithm, "withdrawn", fmt.Sprint(len(keys)))
	})
}

func (a *Admin) eachProject(ctx context.Context, f func(*Project) error) error {
	var after ProjectID
	for {
		projects, err := a.store.ListProjects(ctx, after, MaxPage)
		if err != nil || len(projects) == 0 {
			return err
		}
		for i := range projects {
			p := &projects[i]
			after = p.ID
			if err := a.resolve(p); err != nil {
				return err
			}
			if err := f(p); err != nil {
				return fmt.Errorf("project %s: %w", p.ID, err)
			}
		}
	}
}

// ProbeAudience is whom the tokens of Probes are for: nobody.
const ProbeAudience = "doorward-restore-check"

// Probe is a token that a project's key signed, to see whether what it publishes verifies it.
type Probe struct {
	Project ProjectID
	Issuer  string
	Token   string // for ProbeAudience, and a minute long
}

// SignProbes has the key of every project sign once. Only for operators.
func (a *Admin) SignProbes(ctx context.Context, c Caller) ([]Probe, error) {
	if err := c.requireOperator(); err != nil {
		return nil, err
	}
	var probes []Probe
	err := a.eachProject(ctx, func(p *Project) error {
		if p.ID == ConsoleProject { // its tokens are for browsers and this server, so it publishes no keys
			return nil
		}
		key, err := a.signer(ctx, p.ID)
		if err != nil {
			return err
		}
		now := a.now().Unix()
		signed, err := key.Sign(map[string]any{"iss": a.Issuer(p.ID), "aud": ProbeAudience, "sub": ProbeAudience, "iat": now, "exp": now + 60})
		if err != nil {
			return err
		}
		probes = append(probes, Probe{p.ID, a.Issuer(p.ID), signed})
		return nil
	})
	return probes, err
}

// CheckProbe verifies a probe with a project's key set as it is published (RFC 7517 section 5).
func (a *Admin) CheckProbe(p Probe, keySet []byte) error {
	keys, err := token.ParseJWKS(keySet)
	if err != nil {
		return err
	}
	_, err = token.Verify(p.Token, keys, token.Expect{Issuer: p.Issuer, Audience: ProbeAudience, Now: a.now(), Leeway: time.Minute})
	return err
}
