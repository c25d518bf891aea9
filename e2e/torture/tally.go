package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Tally counts calls by what came of them. It is safe for concurrent use.
type Tally struct {
	mu     sync.Mutex
	phases map[Phase]int
	fives  map[int]int // answers of 500 and above, and 429, by status
	took   []time.Duration
}

func newTally() *Tally { return &Tally{phases: map[Phase]int{}, fives: map[int]int{}} }

func (t *Tally) count(a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phases[a.Phase]++
	if a.Status >= 500 || a.Status == 429 {
		t.fives[a.Status]++
	}
	if a.Phase == Done {
		t.took = append(t.took, a.Took)
	}
}

// watched is a caller whose answers are counted, and shown to whoever watches.
type watched struct {
	Caller
	tally *Tally
	watch func(Call, Answer) // may be nil
}

func (w watched) Do(ctx context.Context, c Call) Answer {
	a := w.Caller.Do(ctx, c)
	w.tally.count(a)
	if w.watch != nil {
		w.watch(c, a)
	}
	return a
}

// Times sums durations up.
type Times struct {
	N    int           `json:"n"`
	P50  time.Duration `json:"p50"` // in JSON, all in nanoseconds
	P99  time.Duration `json:"p99"`
	Most time.Duration `json:"max"`
}

func sumUp(list []time.Duration) Times {
	if len(list) == 0 {
		return Times{}
	}
	sorted := slices.Sorted(slices.Values(list))
	at := func(percent int) time.Duration { return sorted[min(len(sorted)-1, len(sorted)*percent/100)] }
	return Times{len(sorted), at(50), at(99), sorted[len(sorted)-1]}
}

func (t *Tally) sum() (phases map[Phase]int, fives map[int]int, took Times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.phases), maps.Clone(t.fives), sumUp(t.took)
}

// done is how many calls were acknowledged.
func (t *Tally) done() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phases[Done]
}
