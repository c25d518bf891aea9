package adminapi

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestActivity(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop")
	r.user("shop", "ada@example.com")
	r.signIn("shop", "ada@example.com")
	r.clock.Advance(25 * time.Hour)
	r.signIn("shop", "ada@example.com")
	r.signIn("shop", "ada@example.com")
	signIns := func(step string, since, until time.Time) (counts []int) {
		t.Helper()
		for _, p := range got(admin.Activity(t.Context(), "shop", step, since, until))(t).Points {
			counts = append(counts, p.SignIns)
		}
		return counts
	}
	want := func(what string, counts []int, length int, last ...int) {
		t.Helper()
		if len(counts) != length {
			t.Fatalf("%s: %v", what, counts)
		}
		for i, n := range last {
			if counts[length-len(last)+i] != n {
				t.Errorf("%s: %v, want it to end with %v", what, counts, last)
				break
			}
		}
	}
	r.clock.Advance(time.Minute)
	for _, added := range []int{0, 1} { // the youngest are not added up before they have settled; nothing may show
		if _, err := r.admin.CountActivity(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("by the day", signIns("", time.Time{}, time.Time{}), 30, 0, 1, 2)
		want("by the hour", signIns("hour", time.Time{}, time.Time{}), 48, 2)
		want("a part", signIns("hour", testStart, testStart.Add(90*time.Minute)), 2, 1, 0)
		r.clock.Advance(time.Duration(1-added) * 10 * time.Minute)
	}
	for _, c := range []struct {
		step         string
		since, until time.Time
		field        string
	}{
		{"week", time.Time{}, time.Time{}, "step"},
		{"hour", testStart, testStart, "since"},
		{"hour", testStart, testStart.Add(745 * time.Hour), "since"},
	} {
		_, err := admin.Activity(t.Context(), "shop", c.step, c.since, c.until)
		wantError(t, err, 422, auth.CodeInvalidArgument, c.field)
	}
}
