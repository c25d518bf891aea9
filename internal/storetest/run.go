package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Run checks a kind of store against the promises of [auth.Store], but those of the tests named without. open gives an empty store for one test, and closes it
// at its end.
func Run(t *testing.T, open func(t *testing.T) auth.Store, without ...string) {
	tests := []struct {
		name string
		test func(t *testing.T, s auth.Store)
	}{
		{"Projects", testProjects},
		{"DeletedProjectIDStaysTaken", testDeletedProjectIDStaysTaken},
		{"Users", testUsers},
		{"UserEmails", testUserEmails},
		{"SearchUsers", testSearchUsers},
		{"QueryUsers", testQueryUsers},
		{"QueryUsersBounded", testQueryUsersBounded},
		{"QueryUsersSorts", testQueryUsersSorts},
		{"QueryUsersFollowsChanges", testQueryUsersFollowsChanges},
		{"QueryUsersRefuses", testQueryUsersRefuses},
		{"Roles", testRoles},
		{"Identities", testIdentities},
		{"Sessions", testSessions},
		{"KnownSources", testKnownSources},
		{"RefreshTokens", testRefreshTokens},
		{"OOBCodes", testOOBCodes},
		{"ShortCodes", testShortCodes},
		{"SecondFactors", testSecondFactors},
		{"RecoveryCodes", testRecoveryCodes},
		{"PendingSignIns", testPendingSignIns},
		{"BrowserTokens", testBrowserTokens},
		{"SignInCodes", testSignInCodes},
		{"PasskeyChallenges", testPasskeyChallenges},
		{"SigningKeys", testSigningKeys},
		{"Leases", testLeases},
		{"TLSFiles", testTLSFiles},
		{"SetupCodes", testSetupCodes},
		{"Capsule", testCapsule},
		{"UserImports", testUserImports},
		{"MailTemplates", testMailTemplates},
		{"Outbox", testOutbox},
		{"OutboxLeases", testOutboxLeases},
		{"Webhooks", testWebhooks},
		{"WebhookDeliveries", testWebhookDeliveries},
		{"WebhookLeases", testWebhookLeases},
		{"Audit", testAudit},
		{"AuditLong", testAuditLong},
		{"Decisions", testDecisions},
		{"Activity", testActivity},
		{"ActivityAhead", testActivityAhead},
		{"Limits", testLimits},
		{"OperatorTokens", testOperatorTokens},
		{"Sealed", testSealed},
		{"Sweep", testSweep},
		{"Isolation", testIsolation},
		{"DeleteUserCascades", testDeleteUserCascades},
		{"DeleteProjectCascades", testDeleteProjectCascades},
		{"Text", testText},
		{"UpdateRollsBack", testUpdateRollsBack},
		{"UpdatePanics", testUpdatePanics},
		{"UpdateHonoursContext", testUpdateHonoursContext},
		{"ConflictDoesNotEndTheTransaction", testConflictDoesNotEndTheTransaction},
		{"RaceForEmail", testRaceForEmail},
		{"RaceForCode", testRaceForCode},
		{"RaceForShortCode", testRaceForShortCode},
		{"RaceForRotation", testRaceForRotation},
		{"RaceForSecondFactor", testRaceForSecondFactor},
		{"RaceForSignInCode", testRaceForSignInCode},
		{"RaceForLimit", testRaceForLimit},
		{"Count", testCount},
		{"RaceToCount", testRaceToCount},
		{"RaceForMail", testRaceForMail},
		{"CountersLoseNothing", testCountersLoseNothing},
		{"ClosedStoreRefuses", testClosedStoreRefuses},
	}
	for _, test := range tests {
		if slices.Contains(without, test.name) {
			continue
		}
		t.Run(test.name, func(t *testing.T) { test.test(t, open(t)) })
	}
}

// The ids and the instant that most tests use.
const (
	one  auth.ProjectID = "one"
	two  auth.ProjectID = "two"
	anna auth.UserID    = "annaannaannaannaannaannaanna"
	bert auth.UserID    = "bertbertbertbertbertbertbert"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

// after gives the instant so many seconds after now.
func after(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

func update(t *testing.T, s auth.Store, f func(tx auth.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// addProjects creates empty projects.
func addProjects(t *testing.T, s auth.Store, ids ...auth.ProjectID) {
	t.Helper()
	update(t, s, func(tx auth.Tx) error {
		for _, id := range ids {
			if err := tx.CreateProject(t.Context(), auth.Project{ID: id, CreatedAt: now, UpdatedAt: now, Version: 1}); err != nil {
				return err
			}
		}
		return nil
	})
}

// addUsers creates users of project one that have only a uid and the address uid@example.com.
func addUsers(t *testing.T, s auth.Store, ids ...auth.UserID) {
	t.Helper()
	update(t, s, func(tx auth.Tx) error {
		for _, id := range ids {
			if err := tx.CreateUser(t.Context(), auth.User{Project: one, ID: id, Email: auth.Email(id + "@example.com"), CreatedAt: now}); err != nil {
				return err
			}
		}
		return nil
	})
}

// wantEqual compares, taking empty and nil lists and maps for the same.
func wantEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

// must gives the result of a call that has to succeed.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// race runs f in n goroutines at once, each in an Update of its own, and gives how many succeeded. Only the given errors may come from the others.
func race(t *testing.T, s auth.Store, n int, allowed error, f func(ctx context.Context, tx auth.Tx, i int) error) int {
	t.Helper()
	var mu sync.Mutex
	won := 0
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			err := s.Update(t.Context(), func(tx auth.Tx) error { return f(t.Context(), tx, i) })
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case allowed == nil || !errors.Is(err, allowed):
				t.Errorf("goroutine %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	return won
}

func ids[T any, ID ~string](all []T, id func(T) ID) []string {
	var names []string
	for _, v := range all {
		names = append(names, string(id(v)))
	}
	return names
}

func userIDs(users []auth.User) []string {
	return ids(users, func(u auth.User) auth.UserID { return u.ID })
}

// numbered gives n ids that sort by number.
func numbered(n int) []auth.UserID {
	var all []auth.UserID
	for i := range n {
		all = append(all, auth.UserID(fmt.Sprintf("user%04d", i)))
	}
	return all
}
