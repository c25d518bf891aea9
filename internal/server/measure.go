package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/internal/auth"
)

// measuredStore counts and times changes. What it tells apart is what an operator acts on: a database that is slow, one that takes no changes now, and one
// that left a commit's outcome open.
type measuredStore struct {
	auth.Store
	clock   func() time.Time
	changes *prometheus.CounterVec // by outcome
	seconds prometheus.Histogram   // of those that were committed
}

func newMeasuredStore(store auth.Store, clock func() time.Time) *measuredStore {
	m := &measuredStore{
		Store: store, clock: clock,
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_database_changes_total",
			Help: "Changes by outcome: committed, rolled_back (refused by a rule, or failed), busy (not taken, nothing changed), unknown (may have happened).",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "doorward_database_commit_seconds",
			Help:    "Time of committed changes, from asking until they are durable; with the wait for their turn.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, outcome := range []string{"committed", "rolled_back", "busy", "unknown"} {
		m.changes.WithLabelValues(outcome) // so that each is there from the start, at 0
	}
	return m
}

// Update is that of the store.
func (m *measuredStore) Update(ctx context.Context, f func(auth.Tx) error) error {
	return m.measure(func() error { return m.Store.Update(ctx, f) })
}

// Count is that of the store. A sign-in counts before anything else, so a database that takes no changes shows here first.
func (m *measuredStore) Count(ctx context.Context, f func(auth.Limits) error) error {
	return m.measure(func() error { return m.Store.Count(ctx, f) })
}

func (m *measuredStore) measure(change func() error) error {
	start := m.clock()
	err := change()
	m.changes.WithLabelValues(outcomeOf(err)).Inc()
	if err == nil {
		m.seconds.Observe(m.clock().Sub(start).Seconds())
	}
	return err
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, auth.ErrOutcomeUnknown):
		return "unknown"
	case errors.Is(err, auth.ErrStoreBusy):
		return "busy"
	}
	return "rolled_back"
}

var (
	databaseUpDesc = prometheus.NewDesc("doorward_database_up", "1 where the database answered just now, else 0.", nil, nil)
	mailAgeDesc    = prometheus.NewDesc("doorward_mail_oldest_waiting_seconds", "Age of the oldest mail that is neither sent nor given up; 0 where none waits.", nil, nil)
)

// databaseCollector asks the database when it is asked.
type databaseCollector struct{ instance *Instance }

func (databaseCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- databaseUpDesc
	descs <- mailAgeDesc
}

func (c databaseCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	up := 0.0
	if c.instance.Admin.Ready(ctx) == nil {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(databaseUpDesc, prometheus.GaugeValue, up)
	age, err := c.instance.Admin.OldestWaitingMail(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(mailAgeDesc, err)
		return
	}
	metrics <- prometheus.MustNewConstMetric(mailAgeDesc, prometheus.GaugeValue, age.Seconds())
}

// countListener counts the connections that are open.
type countListener struct {
	net.Listener
	open *atomic.Int64
}

func (l countListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// registerMetrics adds what the server itself knows.
func (s *Server) registerMetrics(r prometheus.Registerer) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "doorward_build_info", Help: "1, with the running version in its labels.",
		ConstLabels: prometheus.Labels{"version": s.config.Version.Version, "revision": s.config.Version.Revision, "go": s.config.Version.Go},
	})
	build.Set(1)
	s.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_background_failures_total", Help: "Background work that failed and is tried again, by what it is.",
	}, []string{"work"})
	for _, work := range []string{workSweep, workKeys, workMemory, workBackup} {
		s.failures.WithLabelValues(work)
	}
	r.MustRegister(build, s.failures,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "doorward_connections_open", Help: "Connections of clients that are open."},
			func() float64 { return float64(s.connections.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "doorward_connections_limit", Help: "Connections that may be open at a time; further ones wait."},
			func() float64 { return float64(s.config.MaxConnections) }),
	)
}
