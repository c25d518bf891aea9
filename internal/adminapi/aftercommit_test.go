package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

// leavingStore is a store that cannot list roles any more once a change is committed.
type leavingStore struct {
	auth.Store
	leave, away atomic.Bool
}

func (s *leavingStore) Update(ctx context.Context, f func(auth.Tx) error) error {
	err := s.Store.Update(ctx, f)
	s.away.Store(s.leave.Load() && err == nil)
	return err
}

func (s *leavingStore) ListRoles(ctx context.Context, p auth.ProjectID) ([]auth.Role, error) {
	if s.away.Load() {
		return nil, auth.ErrStoreBusy
	}
	return s.Store.ListRoles(ctx, p)
}

// TestCommittedIsNotUnavailable: a user who was disabled, invited or created is not told of as if nothing had been done (P50).
func TestCommittedIsNotUnavailable(t *testing.T) {
	config := authtest.Config(t, authtest.NewClock(testStart).Now)
	store := &leavingStore{Store: config.Store}
	config.Store = store
	api := New(Options{Admin: auth.NewAdmin(auth.NewService(config)), Local: true}).Handler()
	client := NewClient(&url.URL{Scheme: "http", Host: "localhost"}, "", InProcess(api))
	must(t, projectError(client.CreateProject(t.Context(), NewProject{ID: "shop", Settings: fast()})))
	u := got(client.CreateUser(t.Context(), "shop", NewUser{Email: "ada@example.com"}))(t)

	store.leave.Store(true)
	_, err := client.DisableUser(t.Context(), "shop", u.UID)
	wantError(t, err, http.StatusServiceUnavailable, auth.CodeOutcomeUnknown, "")
	_, err = client.InviteUser(t.Context(), "shop", Invite{Email: "grace@example.com"})
	wantError(t, err, http.StatusServiceUnavailable, auth.CodeOutcomeUnknown, "")
	_, err = client.CreateUser(t.Context(), "shop", NewUser{Email: "alan@example.com"})
	wantError(t, err, http.StatusServiceUnavailable, auth.CodeOutcomeUnknown, "")

	// A read that fails is no change.
	_, err = client.GetUser(t.Context(), "shop", u.UID)
	wantError(t, err, http.StatusServiceUnavailable, auth.CodeUnavailable, "")
	store.leave.Store(false)
	store.away.Store(false)
	if u := got(client.GetUser(t.Context(), "shop", u.UID))(t); !u.Disabled {
		t.Error("the user was not disabled")
	}
}

func projectError(_ CreatedProject, err error) error { return err }
