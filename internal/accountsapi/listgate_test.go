package accountsapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// TestListGate fills the places of one project, then all, and finds them free again.
func TestListGate(t *testing.T) {
	g := newListGate()
	g.wait = 20 * time.Millisecond
	var dones []func()
	enter := func(key listKey, n int) {
		t.Helper()
		for range n {
			done, err := g.enter(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			dones = append(dones, done)
		}
	}
	refused := func(key listKey) {
		t.Helper()
		_, err := g.enter(t.Context(), key)
		var busy *web.Error
		if !errors.As(err, &busy) || busy.Status != 503 || busy.Header.Get("Retry-After") == "" {
			t.Errorf("%v is let in, or refused with %v", key, err)
		}
	}
	for _, p := range []auth.ProjectID{"a", "b", "c"} {
		enter(listKey{p, false}, maxListsPerKey)
		refused(listKey{p, false})
	}
	enter(listKey{"a", true}, maxListsPerKey) // an admin, beside the users
	refused(listKey{"d", false})              // all are taken
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(left, listKey{"d", false}); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever left is told %v", err)
	}
	for _, done := range dones {
		done()
	}
	if len(g.keys) != 0 || len(g.all) != 0 {
		t.Errorf("%d keys and %d places are left", len(g.keys), len(g.all))
	}
}

// TestListsAreBounded asks for a page while all places of the project are taken.
func TestListsAreBounded(t *testing.T) {
	s := newTestServer(t, nil)
	s.do("GET", usersPath, nil, asAdmin()).object()
	s.api.lists.wait = 20 * time.Millisecond
	for range maxListsPerKey {
		done, err := s.api.lists.enter(t.Context(), listKey{auth.DefaultProject, true})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
	}
	answer := s.do("GET", usersPath, nil, asAdmin())
	answer.wantError(503, "The service is unavailable for now")
	if answer.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
