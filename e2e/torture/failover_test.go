package main

import (
	"testing"
	"time"
)

func TestRecovery(t *testing.T) {
	t.Parallel()
	start := time.Now()
	// g good and b bad answers, one each 10 ms
	answers := func(pattern string) (list []outcome) {
		for i, c := range pattern {
			list = append(list, outcome{start.Add(time.Duration(i) * 10 * time.Millisecond), c == 'g'})
		}
		return list
	}
	many := func(c string, n int) (s string) {
		for range n {
			s += c
		}
		return s
	}
	for name, c := range map[string]struct {
		pattern string
		took    time.Duration
		ok      bool
	}{
		"all good":          {many("g", 200), 0, true},
		"bad at first":      {many("b", 30) + many("g", 200), 280 * time.Millisecond, true}, // two of 202 are within the percent
		"one late bad":      {many("b", 30) + many("g", 200) + "b" + many("g", 10), 290 * time.Millisecond, true},
		"bad to the end":    {many("g", 100) + many("b", 10), 0, false},
		"all bad":           {many("b", 100), 0, false},
		"too few to say":    {many("g", 10), 0, false},
		"bad in the middle": {many("g", 50) + many("b", 20) + many("g", 80), 700 * time.Millisecond, true},
	} {
		took, ok := recovery(answers(c.pattern), start)
		if took != c.took || ok != c.ok {
			t.Errorf("%s: %v, %v; want %v, %v", name, took, ok, c.took, c.ok)
		}
	}
}
