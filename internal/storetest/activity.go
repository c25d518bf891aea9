package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// testActivity: what is counted is the same before, while and after records are added up, and no record counts twice.
func testActivity(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	hour := now.Truncate(time.Hour)
	record := func(n int, at time.Time, event auth.Event, outcome auth.Outcome) {
		update(t, s, func(tx auth.Tx) error {
			return tx.CreateAudit(ctx, auth.AuditRecord{Project: one, ID: auth.AuditID(fmt.Sprintf("a%03d", n)), At: at, Event: event, Outcome: outcome})
		})
	}
	record(1, hour, auth.EventSignUp, auth.OutcomeAllowed)
	record(2, hour.Add(time.Minute), auth.EventSignIn, auth.OutcomeAllowed)
	record(3, hour.Add(59*time.Minute), auth.EventSignIn, auth.OutcomeDenied)
	record(4, hour.Add(time.Hour), auth.EventInviteAccepted, auth.OutcomeAllowed)
	record(5, hour.Add(time.Hour), auth.EventRefresh, auth.OutcomeAllowed)
	record(6, hour.Add(25*time.Hour), auth.EventPasswordReset, auth.OutcomeAllowed)
	record(7, hour.Add(25*time.Hour), auth.EventUserDeleted, auth.OutcomeAllowed)
	record(8, hour.Add(25*time.Hour), auth.EventSettingsChanged, auth.OutcomeAllowed)

	byHour := []auth.ActivityPoint{
		{At: hour, SignUps: 1, SignIns: 1, Refusals: 1},
		{At: hour.Add(time.Hour), SignUps: 1, Refreshes: 1},
		{At: hour.Add(25 * time.Hour), Resets: 1, Deletions: 1},
	}
	day := hour.Truncate(24 * time.Hour)
	byDay := []auth.ActivityPoint{
		{At: day, SignUps: 2, SignIns: 1, Refreshes: 1, Refusals: 1},
		{At: day.Add(24 * time.Hour), Resets: 1, Deletions: 1},
	}
	look := func(what string) {
		t.Helper()
		wantEqual(t, what+", by the hour", must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "", hour, hour.Add(48*time.Hour), time.Hour)), byHour)
		wantEqual(t, what+", by the day", must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "", day, day.Add(72*time.Hour), 24*time.Hour)), byDay)
		wantEqual(t, what+", in part", must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "a004", hour.Add(time.Hour), hour.Add(2*time.Hour), time.Hour)), byHour[1:2])
	}
	count := func(before auth.AuditID, limit int) (n int) {
		t.Helper()
		update(t, s, func(tx auth.Tx) (err error) { n, err = tx.CountActivity(ctx, one, before, limit); return err })
		return n
	}
	look("nothing added up")
	wantEqual(t, "projects to add up before the first record", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "a001")), nil)
	wantEqual(t, "projects to add up", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "a002")), []auth.ProjectID{one})
	wantEqual(t, "the first batch", count("a008", 2), 2)
	look("a batch added up")
	wantEqual(t, "those before a008", count("a008", 9), 5)
	look("all but the last added up")
	wantEqual(t, "projects to add up afterwards", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "a008")), nil)
	wantEqual(t, "once more", count("a008", 9), 0)

	// Two processes at once.
	record(9, hour, auth.EventSignIn, auth.OutcomeAllowed)
	byHour[0].SignIns++
	byDay[0].SignIns++
	race(t, s, 10, nil, func(ctx context.Context, tx auth.Tx, _ int) error {
		_, err := tx.CountActivity(ctx, one, "b", 9)
		return err
	})
	look("all added up, by many")

	update(t, s, func(tx auth.Tx) error {
		retention := auth.DefaultRetention
		_, err := tx.Sweep(ctx, hour.Add(retention.Activity+2*time.Hour), retention, 100)
		return err
	})
	wantEqual(t, "after the sweep", must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "", hour, hour.Add(48*time.Hour), time.Hour)), byHour[2:])
}

// testActivityAhead: where a clock ran ahead, what is written since it was put right is added up all the same, and nothing counts twice.
func testActivityAhead(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	hour := now.Truncate(time.Hour)
	record := func(id auth.AuditID, at time.Time) {
		update(t, s, func(tx auth.Tx) error {
			return tx.CreateAudit(ctx, auth.AuditRecord{Project: one, ID: id, At: at, Event: auth.EventSignIn, Outcome: auth.OutcomeAllowed})
		})
	}
	record("a1", hour.Add(-time.Hour))
	record("b1", hour)
	record("f1", hour.Add(5*time.Hour))
	count := func(before auth.AuditID) {
		t.Helper()
		update(t, s, func(tx auth.Tx) error {
			return errors.Join(tx.RecountActivity(ctx, one, hour, "b", before), second(tx.CountActivity(ctx, one, before, 9)))
		})
	}
	signIns := func() (counts []int) {
		t.Helper()
		for _, p := range must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "", hour.Add(-time.Hour), hour.Add(time.Hour), time.Hour)) {
			counts = append(counts, p.SignIns)
		}
		return counts
	}
	count("g")
	wantEqual(t, "projects to add up while the clock is ahead", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "g")), nil)
	wantEqual(t, "counted ahead", signIns(), []int{1, 1})
	record("b2", hour.Add(time.Minute)) // by the right clock
	wantEqual(t, "projects to add up when it is put right", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "c")), []auth.ProjectID{one})
	for range 2 {
		count("c")
		wantEqual(t, "counted by the right clock", signIns(), []int{1, 2})
		wantEqual(t, "projects to add up then", must[[]auth.ProjectID](t)(s.UncountedActivity(ctx, "c")), nil)
	}
	count("g") // the hour of the record from ahead has come
	wantEqual(t, "counted later", signIns(), []int{1, 2})
	wantEqual(t, "the record from ahead", must[[]auth.ActivityPoint](t)(s.Activity(ctx, one, "", hour.Add(5*time.Hour), hour.Add(6*time.Hour), time.Hour)),
		[]auth.ActivityPoint{{At: hour.Add(5 * time.Hour), SignIns: 1}})
}
