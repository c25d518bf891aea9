package console

import (
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func overviewPages() []page {
	return []page{{path: "/projects/{project}", room: roomOverview, entry: true, show: (*visit).overview}}
}

// spans are the times that the overview's chart may show.
var spans = []span{
	{"24h", "24 hours", 24 * time.Hour, auth.StepHour},
	{"7d", "7 days", 7 * 24 * time.Hour, auth.StepDay},
	{"30d", "30 days", 30 * 24 * time.Hour, auth.StepDay},
	{"90d", "90 days", 90 * 24 * time.Hour, auth.StepDay},
}

type span struct {
	Name, Label string
	length      time.Duration
	step        auth.ActivityStep
}

// overview is what the overview of a project shows.
type overview struct {
	Stats   auth.Stats
	Spans   []span
	Span    span
	SignIns int // within the span
	SignUps int
	Refused int
	Chart   chart
	Points  []auth.ActivityPoint // newest first
	Dead    int                  // mails that were given up; at most deadShown
	Plus    bool                 // there are more
}

// deadShown bounds how many dead mails are counted.
const deadShown = 99

// overview plots what happens in the project, and says what needs attention.
func (v *visit) overview() error {
	ctx := v.r.Context()
	stats, err := v.Admin.ProjectStats(ctx, v.caller)
	if err != nil {
		return err
	}
	chosen := spans[2]
	if i := slices.IndexFunc(spans, func(s span) bool { return s.Name == v.query("span") }); i >= 0 {
		chosen = spans[i]
	}
	until := v.Admin.Now().Truncate(chosen.step.Duration()).Add(chosen.step.Duration()) // the step that has begun counts
	points, err := v.Admin.Activity(ctx, v.caller, until.Add(-chosen.length), until, chosen.step)
	if err != nil {
		return err
	}
	dead, err := v.Admin.ListMail(ctx, v.caller, auth.MailDead, "", deadShown+1)
	if err != nil {
		return err
	}
	shown := overview{Stats: stats, Spans: spans, Span: chosen, Chart: activityChart(points, chosen.step), Dead: min(len(dead), deadShown), Plus: len(dead) > deadShown}
	for _, p := range points {
		shown.SignIns, shown.SignUps, shown.Refused = shown.SignIns+p.SignIns, shown.SignUps+p.SignUps, shown.Refused+p.Refusals
	}
	shown.Points = slices.Clone(points)
	slices.Reverse(shown.Points)
	return v.render("overview", v.caller.Project.DisplayName, shown)
}

// activityChart plots the points.
func activityChart(points []auth.ActivityPoint, step auth.ActivityStep) chart {
	layout := "2 Jan"
	if step == auth.StepHour {
		layout = "15:04"
	}
	series := []series{{Name: "Sign-ins"}, {Name: "Sign-ups"}, {Name: "Refusals"}}
	labels := make([]string, len(points))
	for i, p := range points {
		labels[i] = p.At.UTC().Format(layout)
		for s, n := range []int{p.SignIns, p.SignUps, p.Refusals} {
			series[s].values = append(series[s].values, n)
		}
	}
	return newChart(labels, series)
}
