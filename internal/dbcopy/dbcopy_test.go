package dbcopy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// database is an empty database and a store of its own for the copy, as another process has one.
type database struct {
	name, url string
	store     *sqlstore.Store
}

func newDatabase(t *testing.T, engine string) database {
	t.Helper()
	d := database{name: engine + " of " + t.Name()}
	if engine == "SQLite" {
		d.url = "sqlite:" + filepath.Join(t.TempDir(), "doorward.db")
	} else {
		d.url = pgtest.URL(t)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: d.url, NoSync: true, Filling: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	d.store = store
	return d
}

// served opens the database as a server does.
func (d database) served(t *testing.T) *sqlstore.Store {
	t.Helper()
	return storetest.OpenURL(t, d.url).(*sqlstore.Store)
}

func options(from, to database, report func(Progress)) Options {
	if report == nil {
		report = func(Progress) {}
	}
	return Options{SourceName: from.name, TargetName: to.name, Clock: time.Now, Rand: rand.Reader, Report: report}
}

func digests(t *testing.T, s *sqlstore.Store) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, table := range sqlstore.Tables() {
		d := table.NewTableDigest()
		for row, err := range s.Rows(t.Context(), table, sqlstore.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			d.Add(table.RowDigest(row))
		}
		sums[table.Name] = fmt.Sprint(d.Rows, " ", d.Sum())
	}
	return sums
}

func wantSame(t *testing.T, from, to database) {
	t.Helper()
	if diff := cmp.Diff(digests(t, from.store), digests(t, to.store)); diff != "" {
		t.Errorf("the databases differ: %s", diff)
	}
}

func addProject(ctx context.Context, s *sqlstore.Store, id string) error {
	return s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateProject(ctx, auth.Project{ID: auth.ProjectID(id), CreatedAt: time.Now()})
	})
}

// eachWay runs a test for each pair of engines.
func eachWay(t *testing.T, test func(t *testing.T, from, to database)) {
	for _, way := range [][2]string{{"SQLite", "PostgreSQL"}, {"PostgreSQL", "SQLite"}, {"SQLite", "SQLite"}, {"PostgreSQL", "PostgreSQL"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) { test(t, newDatabase(t, way[0]), newDatabase(t, way[1])) })
	}
}

func TestCopy(t *testing.T) {
	eachWay(t, func(t *testing.T, from, to database) {
		storetest.Fill(t, from.store, "one", "two")
		result, err := Run(t.Context(), from.store, to.store, options(from, to, nil))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, from, to)
		if len(result.Tables) != len(sqlstore.Tables()) || result.Rows < 40 || result.Already || result.Prepared {
			t.Errorf("%+v", result)
		}
		if err := addProject(t.Context(), from.served(t), "late"); !errors.Is(err, sqlstore.ErrMoving) || !strings.Contains(err.Error(), to.name) {
			t.Errorf("the source takes changes: %v", err)
		}
		if err := addProject(t.Context(), to.served(t), "late"); err != nil {
			t.Errorf("the target: %v", err)
		}
		if moved, err := from.store.MovedTo(t.Context()); err != nil || moved != to.name {
			t.Errorf("the source says that it moved to %q, %v", moved, err)
		}
		again, err := Run(t.Context(), from.store, to.store, options(from, to, nil))
		if err != nil || !again.Already {
			t.Errorf("again: %+v, %v", again, err)
		}
	})
}

// What servers acknowledge while their database is copied is in the target, and nothing else is.
func TestCopyWhileServed(t *testing.T) {
	eachWay(t, func(t *testing.T, from, to database) {
		server := from.served(t)
		storetest.Fill(t, server, "one")
		var load sync.WaitGroup
		var mu sync.Mutex
		var acknowledged []auth.UserID
		over := make(chan struct{}) // where the copy fails, nothing else ends the load
		for worker := range 4 {
			load.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					case <-time.After(20 * time.Millisecond): // a copy on a slow machine must keep up
					}
					id := auth.UserID(fmt.Sprintf("user-%d-%d", worker, n))
					err := changeSomething(t.Context(), server, id, worker, n)
					if errors.Is(err, sqlstore.ErrMoving) {
						return
					}
					if err != nil {
						if !errors.Is(err, auth.ErrStoreBusy) {
							t.Errorf("a change: %v", err)
							return
						}
						continue
					}
					mu.Lock()
					acknowledged = append(acknowledged, id)
					mu.Unlock()
				}
			})
		}
		time.Sleep(300 * time.Millisecond)
		result, err := Run(t.Context(), from.store, to.store, options(from, to, nil))
		if err != nil {
			close(over)
		}
		load.Wait()
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, from, to)
		target := to.served(t)
		for _, id := range acknowledged {
			if _, err := target.GetUser(t.Context(), "one", id); err != nil {
				t.Fatalf("user %s was acknowledged: %v", id, err)
			}
		}
		t.Logf("%d users, %d passes, closed for %v", len(acknowledged), result.Passes, result.Closed)
	})
}

// changeSomething creates a user with a session, lets the first two users of a worker exchange their addresses, and deletes the session of the one before.
func changeSomething(ctx context.Context, s *sqlstore.Store, id auth.UserID, worker, n int) error {
	return s.Update(ctx, func(tx auth.Tx) error {
		session := auth.Session{Project: "one", ID: auth.SessionID(id), User: id, CreatedAt: time.Now()}
		err := errors.Join(
			tx.CreateUser(ctx, auth.User{Project: "one", ID: id, Email: auth.Email(id + "@example.com"), CreatedAt: time.Now()}),
			tx.CreateSession(ctx, session))
		if err != nil || n < 2 {
			return err
		}
		return exchange(ctx, tx, auth.UserID(fmt.Sprintf("user-%d-0", worker)), auth.UserID(fmt.Sprintf("user-%d-1", worker)))
	})
}

func exchange(ctx context.Context, tx auth.Tx, a, b auth.UserID) error {
	one, err := tx.GetUser(ctx, "one", a)
	if err != nil {
		return err
	}
	other, err := tx.GetUser(ctx, "one", b)
	if err != nil {
		return err
	}
	address := one.Email
	one.Email = "in-between-" + address
	if err := tx.UpdateUser(ctx, one); err != nil {
		return err
	}
	one.Email, other.Email = other.Email, address
	return errors.Join(tx.UpdateUser(ctx, other), tx.UpdateUser(ctx, one))
}

// Unique values that went from one row to another come over, with everything that hangs on the rows.
func TestExchangedAddresses(t *testing.T) {
	eachWay(t, func(t *testing.T, from, to database) {
		ctx := t.Context()
		storetest.Fill(t, from.store, "one")
		for n, id := range []auth.UserID{"user-0-0", "user-0-1", "user-0-2"} {
			if err := changeSomething(ctx, from.store, id, 0, min(n, 1)); err != nil {
				t.Fatal(err)
			}
		}
		prepare := options(from, to, nil)
		prepare.Prepare = true
		if result, err := Run(ctx, from.store, to.store, prepare); err != nil || !result.Prepared {
			t.Fatal(result, err)
		}
		if _, err := sqlstore.Open(ctx, sqlstore.Options{URL: to.url}); !errors.Is(err, sqlstore.ErrFilling) {
			t.Errorf("a server on a prepared target: %v", err)
		}
		err := from.store.Update(ctx, func(tx auth.Tx) error { return exchange(ctx, tx, "user-0-0", "user-0-1") })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(ctx, from.store, to.store, options(from, to, nil)); err != nil {
			t.Fatal(err)
		}
		wantSame(t, from, to)
	})
}

// A copy that ends anywhere leaves a source that takes changes and a target that no server starts on, and goes on when it is run again.
func TestInterruptedCopyGoesOn(t *testing.T) {
	eachWay(t, func(t *testing.T, from, to database) {
		storetest.Fill(t, from.store, "one", "two", "three")
		for stopAt := 1; ; stopAt += 23 {
			ctx, cancel := context.WithCancel(t.Context())
			reports := 0
			_, err := Run(ctx, from.store, to.store, options(from, to, func(Progress) {
				if reports++; reports == stopAt {
					cancel()
				}
			}))
			cancel()
			if err == nil {
				if stopAt < 60 {
					t.Errorf("nothing was interrupted after %d reports", stopAt)
				}
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped at %d: %v", stopAt, err)
			}
			if err := addProject(t.Context(), from.store, fmt.Sprint("p", stopAt)); err != nil {
				t.Fatalf("stopped at %d: the source: %v", stopAt, err)
			}
			if _, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: to.url}); !errors.Is(err, sqlstore.ErrFilling) {
				t.Fatalf("stopped at %d: the target opens: %v", stopAt, err)
			}
		}
		wantSame(t, from, to)
	})
}

func TestRefusals(t *testing.T) {
	from, other := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	storetest.Fill(t, other.store, "one")
	run := func(from, to database, prepare bool) error {
		o := options(from, to, nil)
		o.Prepare = prepare
		before := digests(t, to.store)
		_, err := Run(t.Context(), from.store, to.store, o)
		if err != nil {
			if diff := cmp.Diff(before, digests(t, to.store)); diff != "" {
				t.Errorf("a refused copy changed the target: %s", diff)
			}
		}
		return err
	}
	if err := run(from, other, false); !errors.Is(err, sqlstore.ErrNotEmpty) {
		t.Errorf("a target with data: %v", err)
	}
	if err := run(from, from, false); !errors.Is(err, sqlstore.ErrSameDatabase) {
		t.Errorf("onto itself: %v", err)
	}
	target, second := newDatabase(t, "SQLite"), newDatabase(t, "PostgreSQL")
	if err := run(from, target, true); err != nil {
		t.Fatal(err)
	}
	if err := run(other, target, false); !errors.Is(err, sqlstore.ErrNotEmpty) {
		t.Errorf("a target of another source: %v", err)
	}
	if err := addProject(t.Context(), from.store, "goes-on"); err != nil {
		t.Errorf("after a preparation the source refuses: %v", err)
	}
	if err := run(from, target, false); err != nil {
		t.Fatal(err)
	}
	if err := run(from, second, false); !errors.Is(err, ErrMovesElsewhere) {
		t.Errorf("a second target: %v", err)
	}
	was, err := Reopen(t.Context(), from.store, "")
	if err != nil || was.Note != target.name {
		t.Error(was, err)
	}
	if err := run(from, target, false); !errors.Is(err, sqlstore.ErrFilledAlready) {
		t.Errorf("a target that is in use, from a source that was opened again: %v", err)
	}
}

// atLast calls do once, when the last pass has ended and the comparison has not begun.
func atLast(step Step, table string, do func()) func(Progress) {
	var once sync.Once
	return func(p Progress) {
		if p.Step == step && p.Table == table {
			once.Do(do)
		}
	}
}

func lastTable() string { return sqlstore.Tables()[len(sqlstore.Tables())-1].Name }

func TestDifferencesAreFound(t *testing.T) {
	eachWay(t, func(t *testing.T, from, to database) {
		storetest.Fill(t, from.store, "one", "two")
		users, _ := sqlstore.TableNamed("users")
		roles, _ := sqlstore.TableNamed("roles")
		_, err := Run(t.Context(), from.store, to.store, options(from, to, atLast(StepLast, lastTable(), func() {
			err := to.store.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) error {
				var changed sqlstore.Row
				for row := range to.store.Rows(t.Context(), users, sqlstore.Range{Project: "one"}) {
					changed = slices.Clone(row)
				}
				changed[users.Place("disabled")] = int64(1)
				_, err := w.Put(t.Context(), users, []sqlstore.Row{changed}, sqlstore.Replace)
				_, extra := w.Put(t.Context(), roles, []sqlstore.Row{{"one", "extra", "extra", int64(1)}}, sqlstore.Refuse)
				_, missing := w.Delete(t.Context(), roles, [][]any{{"two", "role"}})
				return errors.Join(err, extra, missing)
			})
			if err != nil {
				t.Error(err)
			}
		})))
		if !errors.Is(err, ErrDiffers) {
			t.Fatal(err)
		}
		for _, want := range []string{`users ("one", "annaannaannaannaannaannaanna") differs`, `roles ("one", "extra") is in the target alone`, `roles ("two", "role") is missing`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		if err := addProject(t.Context(), from.store, "goes-on"); err != nil {
			t.Errorf("the source: %v", err)
		}
		if _, err := Run(t.Context(), from.store, to.store, options(from, to, nil)); err != nil {
			t.Errorf("again: %v", err)
		}
		wantSame(t, from, to)
	})
}

func TestReopenedMeanwhile(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	_, err := Run(t.Context(), from.store, to.store, options(from, to, atLast(StepVerify, lastTable(), func() {
		if _, err := Reopen(t.Context(), from.store, ""); err != nil {
			t.Error(err)
		}
	})))
	if !errors.Is(err, ErrReopened) {
		t.Errorf("the copy ends with %v", err)
	}
	if _, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: to.url}); !errors.Is(err, sqlstore.ErrFilling) {
		t.Errorf("the target opens: %v", err)
	}
}

// Whoever gives a move up is not overruled by the copy that still runs, whatever it is at.
func TestReopenedBeforeItIsClosed(t *testing.T) {
	for _, at := range []string{"while it copies on", "after the last mail in hand"} {
		t.Run(at, func(t *testing.T) {
			from, to := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
			storetest.Fill(t, from.store, "one")
			reopen := sync.OnceFunc(func() {
				if _, err := Reopen(t.Context(), from.store, ""); err != nil {
					t.Error(err)
				}
			})
			o := options(from, to, nil)
			if at == "while it copies on" { // after a copy that was killed
				setMark(t, from, sqlstore.MovingDrains, to)
				o.Report = func(Progress) { reopen() }
			} else {
				asked := 0 // since it drains: when that began, and, after the last look at the mark, for the mails in hand
				o.Clock = func() time.Time {
					if marks, err := from.store.Marks(t.Context()); err != nil {
						t.Error(err)
					} else if marks[sqlstore.MarkMoving].Value == sqlstore.MovingDrains {
						if asked++; asked == 2 {
							reopen()
						}
					}
					return time.Now()
				}
			}
			if _, err := Run(t.Context(), from.store, to.store, o); !errors.Is(err, ErrReopened) {
				t.Errorf("the copy ends with %v", err)
			}
			if err := addProject(t.Context(), from.store, "news"); err != nil {
				t.Errorf("the source was closed again: %v", err)
			}
			if _, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: to.url}); !errors.Is(err, sqlstore.ErrFilling) {
				t.Errorf("the target opens: %v", err)
			}
		})
	}
}

// Of two copies to one target, the one that came last goes on alone.
func TestSecondCopyTakesOver(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "PostgreSQL")
	storetest.Fill(t, from.store, "one")
	_, err := Run(t.Context(), from.store, to.store, options(from, to, atLast(StepCopy, "users", func() {
		if _, err := Run(t.Context(), from.store, to.store, options(from, to, nil)); err != nil {
			t.Errorf("the second: %v", err)
		}
		if _, err := Reopen(t.Context(), from.store, ""); err != nil {
			t.Error(err)
		}
		if err := addProject(t.Context(), from.store, "news"); err != nil {
			t.Error(err)
		}
	})))
	if !errors.Is(err, sqlstore.ErrOtherRun) {
		t.Errorf("the first: %v", err)
	}
	if _, err := to.store.GetProject(t.Context(), "news"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the first wrote into a database that is in use: %v", err)
	}
}

// The one that is left behind does not open the source again: the other may have come to its end.
func TestFirstCopyLeavesTheSourceClosed(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	_, err := Run(t.Context(), from.store, to.store, options(from, to, atLast(StepVerify, lastTable(), func() {
		if _, err := Run(t.Context(), from.store, to.store, options(from, to, nil)); err != nil {
			t.Errorf("the second: %v", err)
		}
	})))
	if !errors.Is(err, sqlstore.ErrOtherRun) {
		t.Errorf("the first: %v", err)
	}
	if err := addProject(t.Context(), from.store, "news"); !errors.Is(err, sqlstore.ErrMoving) {
		t.Errorf("the source takes changes while the target is in use: %v", err)
	}
}

// A mail that is in hand is waited for, and its end comes over.
func TestMailInHandIsWaitedFor(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "PostgreSQL")
	ctx := t.Context()
	storetest.Fill(t, from.store, "one")
	var claimed []auth.OutboxMail
	mail := auth.OutboxMail{Project: "one", ID: "in-hand", State: auth.MailQueued, NextAttemptAt: time.Now(), CreatedAt: time.Now()}
	err := from.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.CreateMail(ctx, mail); err != nil {
			return err
		}
		var err error
		claimed, err = tx.ClaimMail(ctx, "one", "worker", time.Now(), time.Now().Add(time.Minute), 9, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	waited := 0
	result, err := Run(ctx, from.store, to.store, options(from, to, func(p Progress) {
		if p.Step != StepDrain {
			return
		}
		if waited++; waited == 3 {
			if err := from.store.Update(ctx, func(tx auth.Tx) error { return finish(ctx, tx, claimed) }); err != nil {
				t.Error(err)
			}
		}
	}))
	if err != nil || waited != 3 {
		t.Fatal(result, err, waited)
	}
	got, err := to.served(t).GetMail(ctx, "one", "in-hand")
	if err != nil || got.State != auth.MailSent {
		t.Errorf("the mail is %s, %v", got.State, err)
	}
	if result.Closed > 30*time.Second {
		t.Errorf("closed for %v", result.Closed)
	}
}

func finish(ctx context.Context, tx auth.Tx, mails []auth.OutboxMail) error {
	for _, m := range mails {
		m.State, m.FinishedAt = auth.MailSent, time.Now()
		if err := tx.FinishMail(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func setMark(t *testing.T, d database, value string, to database) {
	t.Helper()
	err := d.store.UpdateMarks(t.Context(), func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		m[sqlstore.MarkMoving] = sqlstore.MarkValue{Value: value, Note: to.name, At: time.Now()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A copy that was killed between the end of the target and the word to the source is brought to its end by the next one.
func TestMoveIsBroughtToItsEnd(t *testing.T) {
	from, to, empty := newDatabase(t, "SQLite"), newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	if _, err := Run(t.Context(), from.store, to.store, options(from, to, nil)); err != nil {
		t.Fatal(err)
	}
	setMark(t, from, sqlstore.MovingClosed, to)
	again, err := Run(t.Context(), from.store, to.store, options(from, to, nil))
	if moved, _ := from.store.MovedTo(t.Context()); err != nil || !again.Already || moved != to.name {
		t.Errorf("%+v, %v, moved to %q", again, err, moved)
	}
	// An empty database in the place of the target is not filled anew: where that failed, the source would be opened again.
	if _, err := Run(t.Context(), from.store, empty.store, options(from, to, nil)); !errors.Is(err, ErrMovesElsewhere) {
		t.Errorf("into another database of the same name: %v", err)
	}
}

// What an earlier copy left of the source is said with the error of a later one, and is not prepared.
func TestStateOfTheSourceIsSaid(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	for _, left := range []struct{ phase, want string }{{sqlstore.MovingDrains, "still gives out no mails"}, {sqlstore.MovingClosed, "still refuses changes"}} {
		phase, want := left.phase, left.want
		setMark(t, from, phase, to)
		prepare := options(from, to, nil)
		prepare.Prepare = true
		if _, err := Run(t.Context(), from.store, to.store, prepare); !errors.Is(err, ErrBegun) {
			t.Errorf("%s, prepare: %v", phase, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, from.store, to.store, options(from, to, func(Progress) { cancel() }))
		cancel()
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, interrupted: %v", phase, err)
		}
	}
	other := newDatabase(t, "SQLite")
	storetest.Fill(t, other.store, "three")
	if _, err := Run(t.Context(), from.store, other.store, options(from, to, nil)); !errors.Is(err, sqlstore.ErrNotEmpty) || !strings.Contains(err.Error(), "still refuses changes") {
		t.Errorf("a target with data: %v", err)
	}
}

// A source that is opened again in the last instant is told of loudly.
func TestBothOpenIsSaid(t *testing.T) {
	from, to := newDatabase(t, "SQLite"), newDatabase(t, "SQLite")
	storetest.Fill(t, from.store, "one")
	o := options(from, to, nil)
	ending := false
	o.Report = func(p Progress) { ending = p.Step == StepVerify && p.Table == lastTable() }
	o.Clock = func() time.Time { // asked between the last look at the source and the end of the target
		if ending {
			if _, err := Reopen(t.Context(), from.store, ""); err != nil {
				t.Error(err)
			}
		}
		return time.Now()
	}
	if _, err := Run(t.Context(), from.store, to.store, o); !errors.Is(err, ErrBothOpen) {
		t.Error(err)
	}
}

// A claim that began before the mark, and is not committed when the mails in hand are counted, is waited for or fails.
func TestClaimInFlightIsNotSentTwice(t *testing.T) {
	from, to := newDatabase(t, "PostgreSQL"), newDatabase(t, "SQLite")
	ctx := t.Context()
	storetest.Fill(t, from.store, "one")
	err := from.store.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateMail(ctx, auth.OutboxMail{Project: "one", ID: "due", State: auth.MailQueued, NextAttemptAt: time.Now(), CreatedAt: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	server := from.served(t)
	claimed, drained := make(chan struct{}), make(chan struct{})
	var mails []auth.OutboxMail
	result := make(chan error, 1)
	go func() {
		tries := 0
		result <- server.Update(ctx, func(tx auth.Tx) (err error) {
			mails, err = tx.ClaimMail(ctx, "one", "worker", time.Now(), time.Now().Add(time.Hour), 9, true)
			if tries++; tries == 1 {
				close(claimed)
				<-drained
			}
			return err
		})
	}()
	<-claimed
	c := &copier{Options: options(from, to, nil), source: from.store, target: to.store, run: "this"}
	if _, err := c.setMoving(ctx, sqlstore.MovingDrains); err != nil {
		t.Fatal(err)
	}
	n, counted := c.inHand(ctx)
	close(drained)
	if err := <-result; err == nil && len(mails) > 0 && counted == nil && n == 0 {
		t.Errorf("%d mails were given out that were not counted", len(mails))
	}
}

// Counts of limits are not serializable, and one can be committed after the source closed. It is not in the target, and the copy does not fail of it.
func TestLateCountDoesNotFailACopy(t *testing.T) {
	from, to := newDatabase(t, "PostgreSQL"), newDatabase(t, "PostgreSQL")
	ctx := t.Context()
	storetest.Fill(t, from.store, "one")
	server := from.served(t)
	begun, closed, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		tries := 0
		result <- server.Count(ctx, func(l auth.Limits) error {
			if tries++; tries == 1 {
				close(begun)
				<-closed
			}
			_, err := l.TakeLimit(ctx, "one", "late", time.Now(), time.Minute, 3)
			return err
		})
	}()
	<-begun
	_, err := Run(ctx, from.store, to.store, options(from, to, atLast(StepLast, "limits", func() {
		close(closed)
		if err := <-result; err != nil {
			t.Errorf("the count: %v", err)
		}
	})))
	if err != nil {
		t.Error(err)
	}
}
