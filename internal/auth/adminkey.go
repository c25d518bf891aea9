package auth

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/doorward/doorward/internal/secret"
)

// SigningKeys lists the project's keys, the newest first, without their private halves.
func (a *Admin) SigningKeys(ctx context.Context, c Caller) ([]SigningKey, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	keys, err := a.store.ListSigningKeys(ctx, c.Project.ID)
	for i := range keys {
		keys[i].PrivateSealed = nil
	}
	return keys, err
}

// RotateSigningKey makes a new key sign from now on; the ones before stay published until their tokens have expired. A project's admin may do so ten times in a row, and
// once a minute then: keys cost as much as passwords, and are published (P27). It fails with CodeTooManyAttempts and CodeUnavailable.
func (a *Admin) RotateSigningKey(ctx context.Context, c Caller) (SigningKey, error) {
	if err := c.requireAdmin(); err != nil {
		return SigningKey{}, err
	}
	if c.Actor() != ActorOperator {
		b := []budget{{"keys", time.Minute, 10}}
		if err := a.store.Count(ctx, func(tx Limits) error { return a.takeAll(ctx, tx, c, b) }); err != nil {
			return SigningKey{}, err
		}
	}
	var fresh SigningKey
	var err error
	if busy := a.hashed(ctx, c.Project, func() { fresh, err = a.newSigningKey(c.Project) }); busy != nil {
		return SigningKey{}, busy
	}
	if err != nil {
		return SigningKey{}, err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := a.rotateSigningKey(ctx, tx, c.Project, fresh); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventKeyRotated, OutcomeAllowed, "", "kid", string(fresh.ID), "algorithm", fresh.Algorithm)
	})
	fresh.PrivateSealed = nil
	return fresh, err
}

// WithdrawSigningKey removes a key at once: every token that it signed is dead (P25). The one that signs cannot be withdrawn; rotate first.
// It fails with CodeNotFound and CodeInvalidArgument.
func (a *Admin) WithdrawSigningKey(ctx context.Context, c Caller, id KeyID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		keys, err := tx.ListSigningKeys(ctx, c.Project.ID)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.ID == id && k.RetiredAt.IsZero() {
				return invalidArgument("kid", "this key signs; rotate first, then withdraw it")
			}
		}
		if err := tx.DeleteSigningKey(ctx, c.Project.ID, id); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventKeyWithdrawn, OutcomeAllowed, "", "kid", string(id))
	})
	return notFound(err, "there is no such key")
}

// RotateDueKeys replaces signing keys that are older than their project's signingKeyRotation, and says how many. Two processes that do it at once rotate once.
func (a *Admin) RotateDueKeys(ctx context.Context) (int, error) {
	system := Caller{actor: ActorSystem}
	rotated := 0
	var after ProjectID
	for {
		projects, err := a.store.ListProjects(ctx, after, MaxPage)
		if err != nil || len(projects) == 0 {
			return rotated, err
		}
		for i := range projects {
			after = projects[i].ID
			done, err := a.rotateIfDue(ctx, system, &projects[i])
			if err != nil {
				return rotated, fmt.Errorf("project %s: %w", projects[i].ID, err)
			}
			if done {
				rotated++
			}
		}
	}
}

func (a *Admin) rotateIfDue(ctx context.Context, c Caller, p *Project) (bool, error) {
	if err := a.resolve(p); err != nil {
		return false, err
	}
	keys, err := a.store.ListSigningKeys(ctx, p.ID)
	if err != nil || !a.keyDue(p, keys) {
		return false, err
	}
	fresh, err := a.newSigningKey(p)
	if err != nil {
		return false, err
	}
	c.Project = p
	err = a.store.Update(ctx, func(tx Tx) error {
		keys, err := tx.ListSigningKeys(ctx, p.ID)
		if err != nil {
			return err
		}
		if !a.keyDue(p, keys) {
			return ErrNotFound // another process was first
		}
		if err := a.rotateSigningKey(ctx, tx, p, fresh); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventKeyRotated, OutcomeAllowed, "", "kid", string(fresh.ID), "algorithm", fresh.Algorithm)
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (a *Admin) keyDue(p *Project, keys []SigningKey) bool {
	age := p.Settings.SigningKeyRotation
	if age == 0 || len(keys) == 0 {
		return false
	}
	return a.now().Sub(keys[0].CreatedAt) > age
}

// StageMasterKey makes a master key that opens and does not seal yet, and gives its id; or that of the one that is staged already.
func (a *Admin) StageMasterKey(ctx context.Context, c Caller) (id string, err error) {
	if err := c.requireOperator(); err != nil {
		return "", err
	}
	if id, err = a.keyring.Stage(a.rand); err != nil {
		return "", err
	}
	c.Project = nil
	return id, a.store.Update(ctx, func(tx Tx) error { return a.audit(ctx, tx, c, EventMasterKeyStaged, OutcomeAllowed, "", "key", id) })
}

// RotateMasterKey adds a master key, or takes the one that is staged, and seals every stored secret again with it; PruneMasterKeys then removes the old ones. progress is called now and then with the
// number of values done. Where values are sealed with another key than the newest, as a rotation that broke off leaves them, it finishes that one and adds no key: another one would be on no other
// machine. finished tells so. It may run while servers serve. Only for operators who hold the data directory.
func (a *Admin) RotateMasterKey(ctx context.Context, c Caller, progress func(done int)) (newID string, finished bool, err error) {
	if err := c.requireOperator(); err != nil {
		return "", false, err
	}
	if newID, err = a.keyring.Newest(); err != nil {
		return "", false, err
	}
	if finished, err = a.sealedByOthers(ctx, newID); err != nil {
		return "", false, err
	}
	if !finished {
		if newID, err = a.keyring.Add(a.rand); err != nil {
			return "", false, err
		}
	}
	// Twice: a server may have sealed something with the old key while it had not noticed the new one.
	done := 0
	for range 2 {
		for _, kind := range SealedKinds() {
			n, err := a.reseal(ctx, kind, newID, func(n int) { progress(done + n) })
			if err != nil {
				return "", false, fmt.Errorf("reseal %s: %w", kind, err)
			}
			done += n
		}
	}
	c.Project = nil
	err = a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventMasterKeyRotated, OutcomeAllowed, "", "key", newID)
	})
	return newID, finished, err
}

// sealedByOthers tells whether any value is sealed with another key.
func (a *Admin) sealedByOthers(ctx context.Context, key string) (bool, error) {
	for v, err := range a.sealedValues(ctx) {
		if err != nil {
			return false, err
		}
		if id, err := secret.KeyID(v.Sealed); err != nil || id != key {
			return true, nil
		}
	}
	return false, nil
}

// sealedValues gives all that is sealed. It ends with the first error.
func (a *Admin) sealedValues(ctx context.Context) iter.Seq2[SealedValue, error] {
	return func(yield func(SealedValue, error) bool) {
		for _, kind := range SealedKinds() {
			var last SealedValue
			for {
				values, err := a.store.ListSealed(ctx, kind, last, 500)
				if err != nil {
					yield(SealedValue{}, err)
					return
				}
				if len(values) == 0 {
					break
				}
				for _, v := range values {
					if !yield(v, nil) {
						return
					}
					last = v
				}
			}
		}
	}
}

func (a *Admin) reseal(ctx context.Context, kind SealedKind, newID string, progress func(int)) (int, error) {
	done := 0
	var last SealedValue
	for {
		values, err := a.store.ListSealed(ctx, kind, last, 200)
		if err != nil || len(values) == 0 {
			return done, err
		}
		for _, v := range values {
			last = v
			if id, err := secret.KeyID(v.Sealed); err == nil && id == newID {
				continue
			}
			if err := a.resealValue(ctx, kind, v); err != nil {
				return done, err
			}
			done++
		}
		progress(done)
	}
}

func (a *Admin) resealValue(ctx context.Context, kind SealedKind, v SealedValue) error {
	plain, err := a.keyring.Open(v.Sealed, kind.AD(v.Project, v.Row))
	if err != nil {
		return fmt.Errorf("project %s, row %s: %w", v.Project, v.Row, err)
	}
	sealed, err := a.keyring.Seal(plain, kind.AD(v.Project, v.Row))
	if err != nil {
		return err
	}
	err = a.store.Update(ctx, func(tx Tx) error { return tx.ReplaceSealed(ctx, kind, v, sealed) })
	if errors.Is(err, ErrNotFound) {
		return nil // changed meanwhile: whoever changed it sealed it anew, or the second pass does
	}
	return err
}

// PruneMasterKeys removes master keys that nothing is sealed with any more, and says which. Run it once every server has noticed the newest key.
func (a *Admin) PruneMasterKeys(ctx context.Context, c Caller) ([]string, error) {
	if err := c.requireOperator(); err != nil {
		return nil, err
	}
	used := map[string]bool{a.keyring.Current(): true, a.keyring.Staged(): true}
	for v, err := range a.sealedValues(ctx) {
		if err != nil {
			return nil, err
		}
		id, err := secret.KeyID(v.Sealed)
		if err != nil {
			return nil, err
		}
		used[id] = true
	}
	var removed []string
	for _, id := range a.keyring.IDs() {
		if used[id] {
			continue
		}
		if err := a.keyring.Remove(id); err != nil {
			return removed, err
		}
		removed = append(removed, id)
	}
	return removed, nil
}
