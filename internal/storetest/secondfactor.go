package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func factorIDs(t *testing.T, s auth.Store, user auth.UserID) []string {
	t.Helper()
	return ids(must[[]auth.SecondFactor](t)(s.ListSecondFactors(t.Context(), one, user)), func(f auth.SecondFactor) auth.SecondFactorID { return f.ID })
}

func testSecondFactors(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	key := factorOf(one, "key", "c1")
	app := auth.SecondFactor{Project: one, ID: "app", User: anna, Kind: auth.FactorTOTP, Name: "app", SecretSealed: []byte("secret"), CreatedAt: after(5)}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateSecondFactor(ctx, key), tx.CreateSecondFactor(ctx, app))
	})
	wantEqual(t, "factors", must[[]auth.SecondFactor](t)(s.ListSecondFactors(ctx, one, anna)), []auth.SecondFactor{key, app})
	wantEqual(t, "nobody else's", factorIDs(t, s, bert), nil)
	wantEqual(t, "passkey", must[auth.SecondFactor](t)(s.GetPasskey(ctx, one, []byte("c1"))), key)
	_, err := s.GetPasskey(ctx, one, nil)
	wantError(t, "GetPasskey of no hash", err, auth.ErrNotFound)
	attempt := func(f func(tx auth.Tx) error) error { return s.Update(ctx, f) }
	wantError(t, "a taken id", attempt(func(tx auth.Tx) error { return tx.CreateSecondFactor(ctx, app) }), auth.ErrConflict)
	wantError(t, "of no user", attempt(func(tx auth.Tx) error {
		return tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "x", User: "nosuch"})
	}), auth.ErrNotFound)

	use := func(id auth.SecondFactorID, counter int64) error {
		return attempt(func(tx auth.Tx) error { return tx.UseSecondFactor(ctx, one, id, counter, []byte("new"), after(9)) })
	}
	wantError(t, "use of an unconfirmed factor", use("app", 7), auth.ErrNotFound)
	app.ConfirmedAt, app.LastUsedAt, app.Counter = after(6), after(6), 6
	confirm := func(f auth.SecondFactor) error {
		return attempt(func(tx auth.Tx) error { return tx.ConfirmSecondFactor(ctx, f) })
	}
	stranger := app
	stranger.User = bert
	wantError(t, "confirm another's", confirm(stranger), auth.ErrNotFound)
	known := app
	known.CredentialHash = key.CredentialHash
	wantError(t, "confirm a known credential", confirm(known), auth.ErrConflict)
	wantError(t, "confirm", confirm(app), nil)
	wantError(t, "confirm again", confirm(app), auth.ErrNotFound)
	wantEqual(t, "confirmed", must[[]auth.SecondFactor](t)(s.ListSecondFactors(ctx, one, anna))[1], app)

	wantError(t, "the same step", use("app", 6), auth.ErrNotFound)
	wantError(t, "an older step", use("app", 5), auth.ErrNotFound)
	wantError(t, "no step", use("app", 0), auth.ErrNotFound)
	wantError(t, "a later step", use("app", 7), nil)
	used := must[[]auth.SecondFactor](t)(s.ListSecondFactors(ctx, one, anna))[1]
	app.Counter, app.LastUsedAt, app.Credential = 7, after(9), []byte("new")
	wantEqual(t, "used", used, app)
	zero := factorOf(one, "zero", "c0")
	zero.Counter = 0
	update(t, s, func(tx auth.Tx) error { return tx.CreateSecondFactor(ctx, zero) })
	wantError(t, "an authenticator that does not count", errors.Join(use("zero", 0), use("zero", 0)), nil)
	wantError(t, "that begins to count", use("zero", 1), nil)
	wantError(t, "and stops", use("zero", 0), auth.ErrNotFound)

	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "young", User: anna, CreatedAt: after(99)}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "berts", User: bert, CreatedAt: after(99)}),
			tx.DeleteUnconfirmedSecondFactors(ctx, one, anna))
	})
	wantEqual(t, "without the unconfirmed", factorIDs(t, s, anna), []string{"key", "zero", "app"})
	wantError(t, "delete another's", attempt(func(tx auth.Tx) error { return tx.DeleteSecondFactor(ctx, one, bert, "key") }), auth.ErrNotFound)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteSecondFactor(ctx, one, anna, "key") })
	update(t, s, func(tx auth.Tx) error {
		n, err := tx.DeleteSecondFactors(ctx, one, anna)
		wantEqual(t, "deleted", n, 2)
		return err
	})
	wantEqual(t, "left", append(factorIDs(t, s, anna), factorIDs(t, s, bert)...), []string{"berts"})
}

func testRecoveryCodes(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	count := func(user auth.UserID) int { return must[int](t)(s.CountRecoveryCodes(ctx, one, user)) }
	use := func(user auth.UserID, hash string) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.UseRecoveryCode(ctx, one, user, []byte(hash)) })
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.ReplaceRecoveryCodes(ctx, one, anna, [][]byte{[]byte("a"), []byte("b"), []byte("c")}, now),
			tx.ReplaceRecoveryCodes(ctx, one, bert, [][]byte{[]byte("z")}, now))
	})
	wantEqual(t, "codes", count(anna), 3)
	wantError(t, "another's", use(anna, "z"), auth.ErrNotFound)
	wantError(t, "use", use(anna, "a"), nil)
	wantError(t, "use again", use(anna, "a"), auth.ErrNotFound)
	wantEqual(t, "left", count(anna), 2)
	update(t, s, func(tx auth.Tx) error { return tx.ReplaceRecoveryCodes(ctx, one, anna, [][]byte{[]byte("d")}, now) })
	wantError(t, "an old one", use(anna, "b"), auth.ErrNotFound)
	wantEqual(t, "new ones", count(anna), 1)
	update(t, s, func(tx auth.Tx) error { return second(tx.DeleteSecondFactors(ctx, one, anna)) })
	wantEqual(t, "gone with the factors", count(anna), 0)
	wantEqual(t, "another's stay", count(bert), 1)
}

func testPendingSignIns(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	pending := auth.PendingSignIn{
		Project: one, Hash: []byte("p1"), User: anna, ProviderID: "password", Email: "a@example.com", PasswordUpdatedAt: after(-5), CreatedAt: now, ExpiresAt: after(60),
	}
	update(t, s, func(tx auth.Tx) error { return tx.CreatePendingSignIn(ctx, pending) })
	wantError(t, "a taken hash", s.Update(ctx, func(tx auth.Tx) error { return tx.CreatePendingSignIn(ctx, pending) }), auth.ErrConflict)
	wantEqual(t, "pending", must[auth.PendingSignIn](t)(s.GetPendingSignIn(ctx, one, pending.Hash, after(59))), pending)
	_, err := s.GetPendingSignIn(ctx, one, pending.Hash, after(60))
	wantError(t, "expired", err, auth.ErrNotFound)
	try := func(at time.Time) (tried auth.PendingSignIn, err error) {
		err = s.Update(ctx, func(tx auth.Tx) (err error) {
			tried, err = tx.TryPendingSignIn(ctx, one, pending.Hash, 2, at)
			return err
		})
		return tried, err
	}
	for want := range 2 {
		tried, err := try(now)
		wantError(t, "try", err, nil)
		wantEqual(t, "tries", tried.Tries, want+1)
	}
	_, err = try(now)
	wantError(t, "a try too many", err, auth.ErrNotFound)
	consume := func(at time.Time) error {
		return s.Update(ctx, func(tx auth.Tx) error { return second(tx.ConsumePendingSignIn(ctx, one, pending.Hash, at)) })
	}
	wantError(t, "consume an expired one", consume(after(60)), auth.ErrNotFound)
	wantError(t, "consume", consume(now), nil)
	wantError(t, "consume again", consume(now), auth.ErrNotFound)
	other := pending
	other.User, other.Hash = bert, []byte("p2")
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreatePendingSignIn(ctx, pending), tx.CreatePendingSignIn(ctx, other), tx.VoidPendingSignIns(ctx, one, anna))
	})
	_, err = s.GetPendingSignIn(ctx, one, pending.Hash, now)
	wantError(t, "voided", err, auth.ErrNotFound)
	wantEqual(t, "another's", must[auth.PendingSignIn](t)(s.GetPendingSignIn(ctx, one, other.Hash, now)), other)
}

func testPasskeyChallenges(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	own, open := challengeOf(one, anna), challengeOf(one, "")
	open.Hash = []byte("open")
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.PutPasskeyChallenge(ctx, own), tx.PutPasskeyChallenge(ctx, open))
	})
	use := func(purpose auth.PasskeyPurpose, hash []byte, at time.Time) (c auth.PasskeyChallenge, err error) {
		err = s.Update(ctx, func(tx auth.Tx) (err error) {
			c, err = tx.UsePasskeyChallenge(ctx, one, purpose, hash, at)
			return err
		})
		return c, err
	}
	_, err := use("first", own.Hash, now)
	wantError(t, "of another purpose", err, auth.ErrNotFound)
	_, err = use("second", own.Hash, after(60))
	wantError(t, "expired", err, auth.ErrNotFound)
	own.State = []byte("newer")
	update(t, s, func(tx auth.Tx) error { return tx.PutPasskeyChallenge(ctx, own) })
	for _, want := range []auth.PasskeyChallenge{own, open} {
		got, err := use("second", want.Hash, now)
		wantError(t, "use", err, nil)
		wantEqual(t, "challenge", got, want)
		_, err = use("second", want.Hash, now)
		wantError(t, "use again", err, auth.ErrNotFound)
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.PutPasskeyChallenge(ctx, own), tx.DeleteUser(ctx, one, anna))
	})
	_, err = use("second", own.Hash, now)
	wantError(t, "gone with the user", err, auth.ErrNotFound)
}

// Of all who show one code at once, one gets in.
func testRaceForSecondFactor(t *testing.T, s auth.Store) {
	addSession(t, s)
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateSecondFactor(t.Context(), factorOf(one, "key", "c")), tx.ReplaceRecoveryCodes(t.Context(), one, anna, [][]byte{[]byte("r")}, now))
	})
	won := race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, _ int) error {
		return tx.UseSecondFactor(ctx, one, "key", 2, nil, now)
	})
	wantEqual(t, "winners of the factor", won, 1)
	won = race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, _ int) error {
		return tx.UseRecoveryCode(ctx, one, anna, []byte("r"))
	})
	wantEqual(t, "winners of the recovery code", won, 1)
}
