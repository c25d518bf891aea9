package auth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// leavingStore is a store that cannot be read any more once a change is committed, as a database that fails over at that moment.
type leavingStore struct {
	auth.Store
	leave, away atomic.Bool
}

func (s *leavingStore) Update(ctx context.Context, f func(auth.Tx) error) error {
	err := s.Store.Update(ctx, f)
	s.away.Store(s.leave.Load() && err == nil)
	return err
}

func (s *leavingStore) ListSigningKeys(ctx context.Context, p auth.ProjectID) ([]auth.SigningKey, error) {
	if s.away.Load() {
		return nil, auth.ErrStoreBusy
	}
	return s.Store.ListSigningKeys(ctx, p)
}

func (s *leavingStore) GetProject(ctx context.Context, p auth.ProjectID) (auth.Project, error) {
	if s.away.Load() {
		return auth.Project{}, auth.ErrStoreBusy
	}
	return s.Store.GetProject(ctx, p)
}

// TestCommittedIsNotUnavailable: where the change stands and only its answer fails, nobody is told that nothing was done (P50).
func TestCommittedIsNotUnavailable(t *testing.T) {
	h := newHarness(t, documented, with("refreshTokenRotation", "true"))
	up := h.signUp(ada)
	store := &leavingStore{Store: h.store.Store}
	h.store.Store = store

	anyone, admin := h.anyone(), h.asAdmin()
	unknown := func(err error) {
		t.Helper()
		h.note(err)
		h.want(err, auth.CodeOutcomeUnknown)
		if auth.AsError(err).RetryAfter == 0 {
			t.Error("it does not say when to ask again")
		}
		store.away.Store(false)
	}
	store.leave.Store(true)
	_, err := h.SignUp(h.ctx, anyone, auth.SignUpParams{Email: grace, Password: goodPW})
	unknown(err)
	_, err = h.SignIn(h.ctx, anyone, auth.SignInParams{Email: ada, Password: goodPW})
	unknown(err)
	_, err = h.Refresh(h.ctx, anyone, up.RefreshToken)
	unknown(err)
	_, err = h.admin.UpdateProject(h.ctx, admin, auth.ProjectChange{Set: map[string]string{"idTokenTTL": "7m"}})
	unknown(err)

	store.leave.Store(false)
	store.away.Store(false)
	if _, err := h.signIn(grace, goodPW); err != nil {
		t.Errorf("the account whose sign-up had an unknown outcome: %v", err)
	}
	if _, err := h.refresh(up.RefreshToken); err != nil {
		t.Errorf("the same refresh again: %v", err)
	}
}

func TestAfterCommit(t *testing.T) {
	other := errors.New("something else")
	for _, c := range []struct {
		err  error
		want auth.Code
	}{{nil, ""}, {auth.ErrStoreBusy, auth.CodeOutcomeUnknown}, {auth.ErrOutcomeUnknown, auth.CodeOutcomeUnknown}, {other, auth.CodeInternal}} {
		got := auth.AfterCommit(c.err)
		if auth.CodeOf(got) != c.want || !errors.Is(got, c.err) {
			t.Errorf("AfterCommit(%v) = %v, want %q", c.err, got, c.want)
		}
	}
}
