package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// testText: PostgreSQL cannot keep a NUL, so no store takes one; nothing is found by it either.
func testText(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		for name, u := range map[string]auth.User{
			"name":      {Project: one, ID: anna, Name: bad},
			"attribute": {Project: one, ID: anna, Attributes: map[string]any{"a": bad}},
		} {
			err := s.Update(ctx, func(tx auth.Tx) error { return tx.CreateUser(ctx, u) })
			// JSON replaces invalid UTF-8, so only the NUL of an attribute is refused.
			if refused := err != nil; refused != (name == "name" || bad == "a\x00b") {
				t.Errorf("a user with the %s %q: %v", name, bad, err)
			}
			_ = s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) })
		}
		_, err := s.GetUser(ctx, one, auth.UserID(bad))
		wantError(t, "GetUser", err, auth.ErrNotFound)
		_, err = s.GetProject(ctx, auth.ProjectID(bad))
		wantError(t, "GetProject", err, auth.ErrNotFound)
		wantError(t, "DeleteUser", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, auth.UserID(bad)) }), auth.ErrNotFound)
	}
	kept := auth.User{Project: one, ID: bert, Name: "quote ' \" \\ ; -- \u2028 🙂", Attributes: map[string]any{"<&>": "ünï"}, CreatedAt: now}
	update(t, s, func(tx auth.Tx) error { return tx.CreateUser(ctx, kept) })
	wantEqual(t, "text", must[auth.User](t)(s.GetUser(ctx, one, bert)), kept)
}

func testUpdateRollsBack(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	errOwn := errors.New("own")
	err := s.Update(ctx, func(tx auth.Tx) error {
		if err := tx.CreateUser(ctx, auth.User{Project: one, ID: anna}); err != nil {
			return err
		}
		if _, err := tx.GetUser(ctx, one, anna); err != nil {
			t.Errorf("a transaction does not see its own change: %v", err)
		}
		if _, err := s.GetUser(ctx, one, anna); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("a change is seen before its commit: %v", err)
		}
		return fmt.Errorf("wrapped: %w", errOwn)
	})
	wantError(t, "Update", err, errOwn)
	_, err = s.GetUser(ctx, one, anna)
	wantError(t, "GetUser", err, auth.ErrNotFound)

	err = s.Update(ctx, func(tx auth.Tx) error {
		_ = tx.CreateUser(ctx, auth.User{Project: one, ID: anna})
		_ = tx.CreateUser(ctx, auth.User{Project: "nosuch", ID: anna}) // a statement that fails ends the transaction, even where nobody looks
		return nil
	})
	wantError(t, "Update after an overlooked failure", err, auth.ErrNotFound)
	_, err = s.GetUser(ctx, one, anna)
	wantError(t, "GetUser", err, auth.ErrNotFound)
}

func testUpdatePanics(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want the callback's panic", got)
			}
		}()
		_ = s.Update(ctx, func(tx auth.Tx) error {
			if err := tx.CreateUser(ctx, auth.User{Project: one, ID: anna}); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	_, err := s.GetUser(ctx, one, anna)
	wantError(t, "GetUser", err, auth.ErrNotFound)
	addUsers(t, s, bert) // the store goes on
}

func testUpdateHonoursContext(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ended, func(auth.Tx) error {
		t.Error("a callback ran although its context had ended")
		return nil
	})
	wantError(t, "Update", err, context.Canceled)

	ctx, cancel := context.WithCancel(t.Context())
	err = s.Update(ctx, func(tx auth.Tx) error {
		if err := tx.CreateUser(ctx, auth.User{Project: one, ID: anna}); err != nil {
			return err
		}
		cancel()
		return tx.CreateUser(ctx, auth.User{Project: one, ID: bert})
	})
	wantError(t, "Update whose context ends", err, context.Canceled)
	_, err = s.GetUser(t.Context(), one, anna)
	wantError(t, "GetUser", err, auth.ErrNotFound)
	addUsers(t, s, anna)
}

func testConflictDoesNotEndTheTransaction(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addUsers(t, s, anna, bert)
	update(t, s, func(tx auth.Tx) error {
		wantError(t, "CreateUser", tx.CreateUser(ctx, auth.User{Project: one, ID: anna}), auth.ErrConflict)
		wantError(t, "UpdateUser", tx.UpdateUser(ctx, auth.User{Project: one, ID: bert, Email: auth.Email(anna + "@example.com")}), auth.ErrConflict)
		wantError(t, "DeleteRole", tx.DeleteRole(ctx, one, "nosuch"), auth.ErrNotFound)
		return tx.CreateUser(ctx, auth.User{Project: one, ID: "third"})
	})
	wantEqual(t, "count", must[int](t)(s.CountUsers(ctx, one)), 3)
}

const racers = 50

func testRaceForEmail(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	users := numbered(racers)
	won := race(t, s, racers, auth.ErrConflict, func(ctx context.Context, tx auth.Tx, i int) error {
		return tx.CreateUser(ctx, auth.User{Project: one, ID: users[i], Email: "same@example.com"})
	})
	wantEqual(t, "winners", won, 1)
	wantEqual(t, "users", must[int](t)(s.CountUsers(t.Context(), one)), 1)
}

func testRaceForCode(t *testing.T, s auth.Store) {
	addSession(t, s)
	update(t, s, func(tx auth.Tx) error {
		return tx.CreateOOBCode(t.Context(), auth.OOBCode{Project: one, Hash: []byte("c"), User: anna, Purpose: auth.PurposeInvite, ExpiresAt: after(60)})
	})
	won := race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, _ int) error {
		_, err := tx.ConsumeOOBCode(ctx, one, []byte("c"), auth.PurposeInvite, now)
		return err
	})
	wantEqual(t, "winners", won, 1)
}

func testRaceForRotation(t *testing.T, s auth.Store) {
	addSession(t, s)
	update(t, s, func(tx auth.Tx) error {
		return tx.CreateRefreshToken(t.Context(), auth.RefreshToken{Project: one, Hash: []byte("t"), Session: "s1", User: anna})
	})
	won := race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, i int) error {
		return tx.RotateRefreshToken(ctx, one, []byte("t"), fmt.Appendf(nil, "next %d", i), []byte("salt"), now)
	})
	wantEqual(t, "winners", won, 1)
}

func testRaceForLimit(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	errSpent := errors.New("spent")
	won := race(t, s, racers, errSpent, func(ctx context.Context, tx auth.Tx, _ int) error {
		wait, err := tx.TakeLimit(ctx, one, "k", now, time.Hour, 7)
		if err == nil && wait > 0 {
			return errSpent
		}
		return err
	})
	wantEqual(t, "uses", won, 7)
}

func testRaceForMail(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	update(t, s, func(tx auth.Tx) error {
		for _, id := range numbered(30) {
			if err := tx.CreateMail(t.Context(), auth.OutboxMail{Project: one, ID: auth.MailID(id), State: auth.MailQueued, NextAttemptAt: now}); err != nil {
				return err
			}
		}
		return nil
	})
	var claimed [10]int
	race(t, s, len(claimed), nil, func(ctx context.Context, tx auth.Tx, i int) error {
		mails, err := tx.ClaimMail(ctx, one, fmt.Sprintf("worker%d", i), now, after(60), 4, true)
		claimed[i] = len(mails)
		return err
	})
	total := 0
	for _, n := range claimed {
		total += n
	}
	wantEqual(t, "claims", total, 30)
	for _, m := range must[[]auth.OutboxMail](t)(s.ListMail(t.Context(), one, "", "", 99)) {
		if m.Attempts != 1 {
			t.Errorf("mail %s was claimed %d times", m.ID, m.Attempts)
		}
	}
}

// testCountersLoseNothing reads, adds one and writes back in many goroutines: what default isolation gets wrong.
func testCountersLoseNothing(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	addUsers(t, s, anna)
	var runs atomic.Int64
	won := race(t, s, 20, auth.ErrStoreBusy, func(ctx context.Context, tx auth.Tx, _ int) error {
		runs.Add(1)
		u, err := tx.GetUser(ctx, one, anna)
		if err != nil {
			return err
		}
		n, _ := u.Attributes["n"].(float64)
		u.Attributes["n"] = n + 1
		return tx.UpdateUser(ctx, u)
	})
	u := must[auth.User](t)(s.GetUser(t.Context(), one, anna))
	wantEqual(t, "counter", u.Attributes["n"], any(float64(won)))
	if won < 15 {
		t.Errorf("only %d of 20 changes succeeded, in %d runs", won, runs.Load())
	}
	_, total, err := s.QueryUsers(t.Context(), one, auth.UserQuery{Where: []auth.Condition{{Attribute: "n", Operator: auth.OpEqual, Values: []any{float64(won)}}}})
	if err != nil || total != 1 {
		t.Errorf("the index of the counter has %d users, %v", total, err)
	}
}

func testClosedStoreRefuses(t *testing.T, s auth.Store) {
	ctx := t.Context()
	if err := s.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := s.Update(ctx, func(auth.Tx) error { return nil }); err == nil {
		t.Error("a closed store takes a change")
	}
	if err := s.Ping(ctx); err == nil {
		t.Error("a closed store answers")
	}
}
