package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// answeringStore is a store whose changes end as the test says.
type answeringStore struct {
	auth.Store
	err error
}

func (s answeringStore) Update(context.Context, func(auth.Tx) error) error { return s.err }

func (s answeringStore) Count(context.Context, func(auth.Limits) error) error { return s.err }

func TestMeasuredStore(t *testing.T) {
	t.Parallel()
	at := time.Unix(0, 0)
	clock := func() time.Time { at = at.Add(30 * time.Millisecond); return at }
	m := newMeasuredStore(nil, clock)
	for _, err := range []error{nil, auth.ErrNotFound, fmt.Errorf("%w: disk full", auth.ErrStoreBusy), fmt.Errorf("%w: lost", auth.ErrOutcomeUnknown), nil} {
		m.Store = answeringStore{err: err}
		if got := m.Update(t.Context(), nil); !errors.Is(got, err) {
			t.Errorf("Update: got %v, want %v", got, err)
		}
		if got := m.Count(t.Context(), nil); !errors.Is(got, err) {
			t.Errorf("Count: got %v, want %v", got, err)
		}
	}
	metrics := web.NewMetrics(clock)
	metrics.Registerer().MustRegister(m.changes, m.seconds)
	wantMetrics(t, scrape(t, metrics),
		`doorward_database_changes_total{outcome="committed"} 4`, `doorward_database_changes_total{outcome="rolled_back"} 2`,
		`doorward_database_changes_total{outcome="busy"} 2`, `doorward_database_changes_total{outcome="unknown"} 2`,
		`doorward_database_commit_seconds_bucket{le="0.025"} 0`, `doorward_database_commit_seconds_bucket{le="0.05"} 4`, `doorward_database_commit_seconds_count 4`)
}

func scrape(t *testing.T, m *web.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantMetrics(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// TestMetricsWithoutDatabase: the metrics that tell of an outage are there during it.
func TestMetricsWithoutDatabase(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Version = Version{Version: "v1.2.3", Revision: "abc", Go: "go1.26"}
	s := newServer(t, c)
	wantMetrics(t, scrape(t, s.metrics), "doorward_database_up 1", "doorward_mail_oldest_waiting_seconds 0", `doorward_build_info{go="go1.26",revision="abc",version="v1.2.3"} 1`,
		`doorward_database_changes_total{outcome="committed"} 1`, "doorward_connections_limit 100", "doorward_connections_open 0", `doorward_mails{state="dead"} 0`)
	if err := s.instance.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.attempt(t.Context(), "sweep", s.sweep)
	text := scrape(t, s.metrics)
	wantMetrics(t, text, "doorward_database_up 0", "doorward_hashing_waiting 0", `doorward_database_changes_total{outcome="busy"} 0`, `doorward_background_failures_total{work="sweep"} 1`)
	if strings.Contains(text, "doorward_mails{") {
		t.Error("mails are counted without a database")
	}
}

func TestOldestWaitingMailMetric(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	i := openInstance(t, c)
	err := i.store.Update(t.Context(), func(tx auth.Tx) error {
		return tx.CreateMail(t.Context(), auth.OutboxMail{Project: auth.DefaultProject, ID: "m", State: auth.MailQueued, CreatedAt: time.Now().Add(-time.Hour), NextAttemptAt: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	if age, err := i.Admin.OldestWaitingMail(t.Context()); err != nil || age < time.Hour || age > 2*time.Hour {
		t.Errorf("age %s, %v", age, err)
	}
}

func TestCountListener(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Int64
	ln := countListener{inner, &open}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil || open.Load() != 1 {
		t.Fatalf("%v, %d open", err, open.Load())
	}
	conn.Close()
	conn.Close() // net/http may close twice
	if open.Load() != 0 {
		t.Errorf("%d open after the close", open.Load())
	}
}
