package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// connections of the closed loops.
var connections = []int{1, 32, maxConnections}

// judged is the load whose ratio counts.
const judged = 32

// measured is a load of a work with the limit that was taken right before and right after: a virtual machine is not equally fast all the time.
type measured struct {
	outcome
	limit float64
}

func (m measured) ratio() float64 { return m.perSecond() / m.limit }

func measureRatios(ctx context.Context, o options, s *server, engine string, r *report) error {
	t, err := fill(s, max(o.users, maxConnections))
	if err != nil {
		return err
	}
	if err := r.limits(o, engine, s.data); err != nil {
		return err
	}
	if o.works == "" || o.works == "none" {
		if err := measureSmall(t, r); err != nil {
			return err
		}
	}
	r.begin(engine)
	byName := map[string]measured{}
	for _, w := range works() {
		if o.works != "" && !slices.Contains(strings.Split(o.works, ","), w.name) {
			continue
		}
		if err := measureWork(ctx, o, t, w, r, byName); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	r.verdicts(engine, byName)
	return nil
}

// measureWork takes all loads of one work, and leaves the medians in byName.
func measureWork(ctx context.Context, o options, t *site, w work, r *report, byName map[string]measured) error {
	senders, err := w.senders(t)
	if err != nil {
		return err
	}
	limit, stop, err := w.limiter(o, t, senders)
	if err != nil {
		return err
	}
	loads := make([]load, len(connections), len(connections)+1)
	for i, n := range connections {
		loads[i] = load{connections: n, during: o.seconds}
	}
	for at := 0; at < len(loads); at++ {
		m, err := median(ctx, o.rounds, func() (measured, error) {
			before, err := limit(loads[at])
			if err != nil {
				return measured{}, err
			}
			t.quiet()
			m := measured{outcome: t.measure(loads[at], senders)}
			t.quiet()
			after, err := limit(loads[at])
			m.limit = (before + after) / 2
			return m, err
		})
		if err != nil {
			return errors.Join(err, stop())
		}
		r.row(w, m)
		byName[fmt.Sprint(w.name, " ", loads[at])] = m
		if loads[at].connections == judged && loads[at].rate == 0 { // the last: half of what was possible
			loads = append(loads, load{connections: maxConnections, rate: m.perSecond() / 2, during: o.seconds})
		}
	}
	return stop()
}

// median measures some times, and gives the one whose ratio is in the middle.
func median(ctx context.Context, rounds int, once func() (measured, error)) (measured, error) {
	var all []measured
	for range rounds {
		if err := ctx.Err(); err != nil {
			return measured{}, err
		}
		m, err := once()
		if err != nil {
			return measured{}, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b measured) int {
		if a.ratio() < b.ratio() {
			return -1
		}
		return 1
	})
	return all[len(all)/2], nil
}

// limiter gives what measures the work's limit, and what ends that.
func (w work) limiter(o options, t *site, senders []sender) (measure func(load) (float64, error), stop func() error, err error) {
	nothing := func() error { return nil }
	switch w.limit {
	case limitHashes:
		return func(load) (float64, error) { return hashes().perSecond(o.seconds / 2) }, nothing, nil
	case limitRS256:
		l, err := signatures("RS256")
		return func(load) (float64, error) { return l.perSecond(o.seconds / 2) }, nothing, err
	}
	answer, err := t.answerTo(senders[0])
	if err != nil {
		return nil, nil, err
	}
	b, err := startBare(answer)
	if err != nil {
		return nil, nil, err
	}
	return func(l load) (float64, error) {
		l.rate, l.during = 0, o.seconds/2
		o := l.run(b.address, senders)
		return o.perSecond(), o.first
	}, b.stop, nil
}

// answerTo takes an answer of the server to the bare handler.
func (t *site) answerTo(s sender) (bareAnswer, error) {
	answer := bareAnswer{Header: http.Header{}}
	status, body, err := t.client.exchange(s.next(), func(name, value string) {
		if name != "Date" {
			answer.Header.Add(name, value)
		}
	})
	answer.Status, answer.Body = status, slices.Clone(body)
	return answer, err
}
