//go:build unix

package pgcluster

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestFailover walks through a whole failover, with one row each step: what was acknowledged is on the new primary, and the stale one acknowledges nothing.
func TestFailover(t *testing.T) {
	t.Parallel()
	c, err := Start("", "app")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	mustExec(t, c.PrimaryURL("app"), "CREATE TABLE kept (n BIGINT PRIMARY KEY)")
	for round := range 2 {
		n := int64(10 * round)
		mustExec(t, c.PrimaryURL("app"), "INSERT INTO kept VALUES ($1)", n+1)
		c.Kill()
		if err := c.Promote(); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c.PrimaryURL("app"), "INSERT INTO kept VALUES ($1)", n+2)
		if err := c.StartStale(); err != nil {
			t.Fatal(err)
		}
		if err := tryExec(c.OtherURL("app"), time.Second, "INSERT INTO kept VALUES ($1)", n+3); err == nil {
			t.Error("the stale primary acknowledged a change without its standby")
		}
		if err := c.Rebuild(); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c.PrimaryURL("app"), "INSERT INTO kept VALUES ($1)", n+4)
		if got, want := count(t, c.PrimaryURL("app")), int64(3*(round+1)); got != want {
			t.Errorf("round %d: %d rows on the primary, want %d", round, got, want)
		}
		if err := tryExec(c.OtherURL("app"), time.Second, "INSERT INTO kept VALUES (1000)"); err == nil {
			t.Error("the standby took a change")
		}
	}
}

func mustExec(t *testing.T, url, statement string, args ...any) {
	t.Helper()
	if err := tryExec(url, limit, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func tryExec(url string, wait time.Duration, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, statement, args...)
	return err
}

func count(t *testing.T, url string) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
