package adminapi

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// ActivityPoint counts what happened from At on, for one step.
type ActivityPoint struct {
	At        time.Time `json:"at"`
	SignUps   int       `json:"signUps"` // also invites that were accepted
	SignIns   int       `json:"signIns"`
	Refreshes int       `json:"refreshes"`
	Resets    int       `json:"resets"`    // of passwords
	Deletions int       `json:"deletions"` // of users
	Refusals  int       `json:"refusals"`  // of anything
}

// ActivityList is a project's activity, oldest first, without gaps.
type ActivityList struct {
	Step   string          `json:"step"` // hour or day
	Points []ActivityPoint `json:"points"`
}

var (
	activityParams = []string{"since", "until", "step"}
	activitySteps  = []auth.ActivityStep{"", auth.StepHour, auth.StepDay}
)

// The time that is shown where none is asked for.
const (
	defaultDays  = 30
	defaultHours = 48
)

func (a *API) listActivity(q request) (ActivityList, error) {
	step, err := oneOf(q, "step", activitySteps)
	if err != nil {
		return ActivityList{}, err
	}
	since, err := q.instant("since")
	if err != nil {
		return ActivityList{}, err
	}
	until, err := q.instant("until")
	if err != nil {
		return ActivityList{}, err
	}
	steps := defaultHours
	if step != auth.StepHour {
		step, steps = auth.StepDay, defaultDays
	}
	if until.IsZero() {
		until = a.admin.Now()
	}
	if since.IsZero() {
		since = until.Add(-time.Duration(steps-1) * step.Duration())
	}
	points, err := a.admin.Activity(q.ctx, q.caller, since, until, step)
	if err != nil {
		return ActivityList{}, err
	}
	list := ActivityList{Step: string(step), Points: make([]ActivityPoint, len(points))}
	for i, p := range points {
		list.Points[i] = ActivityPoint(p)
	}
	return list, nil
}

// Activity gives what happened in a project, by the hour or by the day (of UTC). step "" is day; zero instants are the last 30 days, or 48 hours.
func (c *Client) Activity(ctx context.Context, project, step string, since, until time.Time) (ActivityList, error) {
	query := params("step", step, "since", instantParam(since), "until", instantParam(until))
	return fetchList[ActivityList](ctx, c, query, "projects", project, "activity")
}
