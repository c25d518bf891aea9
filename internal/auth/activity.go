package auth

import (
	"context"
	"fmt"
	"time"
)

// ActivityStep is how far apart the points of a chart are.
type ActivityStep string

// The steps. Days are those of UTC.
const (
	StepHour ActivityStep = "hour"
	StepDay  ActivityStep = "day"
)

// Duration of a step; 0 for one that there is not.
func (s ActivityStep) Duration() time.Duration {
	switch s {
	case StepHour:
		return time.Hour
	case StepDay:
		return day
	}
	return 0
}

// ActivityPoint counts what happened in a project from At on, for one step.
type ActivityPoint struct {
	At        time.Time
	SignUps   int // also invites that were accepted
	SignIns   int
	Refreshes int
	Resets    int // of passwords
	Deletions int // of users
	Refusals  int // of anything, as far as they are recorded
}

const (
	// MaxActivityPoints bounds one answer: 31 days by the hour, and more by the day than are kept.
	MaxActivityPoints = 744
	// activitySettles is how old audit records are when they are added up: younger ones may be in transactions that have not committed, or come from a clock
	// that is late. It is longer than any transaction lives. Until then they are counted one by one.
	activitySettles = 5 * time.Minute
	activityBatch   = 5000
)

// Now gives the instant that the domain goes by.
func (a *Admin) Now() time.Time { return a.now() }

// Activity counts what happened in the project, point by point from the step that since is in to the end of the hour that until is in; points at which nothing
// happened are there too. It fails with CodeInvalidArgument.
func (a *Admin) Activity(ctx context.Context, c Caller, since, until time.Time, step ActivityStep) ([]ActivityPoint, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	length := step.Duration()
	if length == 0 {
		return nil, invalidArgument("step", "the step is hour or day")
	}
	since = since.UTC().Truncate(length)
	if !since.Before(until) {
		return nil, invalidArgument("since", "since is before until")
	}
	if until.Sub(since) > MaxActivityPoints*length {
		return nil, invalidArgument("since", fmt.Sprintf("at most %d steps at once", MaxActivityPoints))
	}
	if begun := until.UTC().Truncate(time.Hour); begun.Before(until) {
		until = begun.Add(time.Hour) // what is added up is kept by the hour
	}
	counted, err := a.store.Activity(ctx, c.Project.ID, AuditID(timePrefix(since)), since, until, length)
	if err != nil {
		return nil, err
	}
	var points []ActivityPoint
	for at := since; at.Before(until); at = at.Add(length) {
		point := ActivityPoint{At: at}
		if len(counted) > 0 && counted[0].At.Equal(at) {
			point, counted = counted[0], counted[1:]
		}
		points = append(points, point)
	}
	return points, nil
}

// CountActivity adds up the audit records of all projects that have settled, a batch at a time, and says how many. Any number of processes may do so.
func (a *Admin) CountActivity(ctx context.Context) (int, error) {
	until := a.now().Add(-activitySettles)
	settled := AuditID(timePrefix(until))
	projects, err := a.store.UncountedActivity(ctx, settled)
	total := 0
	for _, p := range projects {
		n := 0
		if n, err = a.countProject(ctx, p, until); err != nil {
			return total + n, err
		}
		total += n
	}
	return total, err
}

func (a *Admin) countProject(ctx context.Context, p ProjectID, until time.Time) (int, error) {
	total, settled, hour := 0, AuditID(timePrefix(until)), until.UTC().Truncate(time.Hour)
	err := a.store.Update(ctx, func(tx Tx) error { return tx.RecountActivity(ctx, p, hour, AuditID(timePrefix(hour)), settled) })
	if err != nil {
		return 0, err
	}
	for {
		n := 0
		err := a.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.CountActivity(ctx, p, settled, activityBatch)
			return err
		})
		total += n
		if err != nil || n < activityBatch {
			return total, err
		}
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-time.After(50 * time.Millisecond): // leave the writer to those who wait for an answer
		}
	}
}
