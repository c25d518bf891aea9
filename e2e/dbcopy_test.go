//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
	"github.com/doorward/doorward/e2e/pgcluster"
)

// copyLimit is how long one copy may take.
const copyLimit = 2 * time.Minute

// TestDatabaseCopy moves a server in use from SQLite to PostgreSQL and back: what was acknowledged is there, what was revoked stays revoked, and tokens, sessions
// and passwords work on. The copy is killed on the way, while servers use the database and while it is closed.
func TestDatabaseCopy(t *testing.T) {
	t.Parallel()
	cluster, err := pgcluster.Start("", "doorward")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(t.TempDir(), "data")
	first, second, third := "sqlite:"+filepath.Join(data, "doorward.db"), cluster.PrimaryURL("doorward"), "sqlite:"+filepath.Join(data, "second.db")
	adminToken := randomSecret("admin")
	serve := func(database string) *server {
		return ownServer(t, serverOptions{data: data, adminToken: adminToken, publicURL: "https://auth.example.test", args: []string{"--database", database}})
	}
	p := serve(first).newProject(t, "documented", mailURLs...)
	revoked := p.signUp(t)
	p.client().bearer(revoked.idToken).delete(t, sessionsPath).want204(t)

	accounts := moveUnderLoad(t, p, first, second)
	p.srv = serve(second)
	checkMoved(t, p, accounts, revoked)
	if again := copyDatabase(t, first, second); !again.Already {
		t.Errorf("the same copy once more: %+v", again)
	}

	accounts = append(accounts, moveUnderLoad(t, p, second, third)...)
	p.srv = serve(third)
	checkMoved(t, p, accounts, revoked)
	t.Logf("%d accounts moved", len(accounts))
}

// moveUnderLoad copies a database whose server signs people up, with kills, and ends the server. It gives the accounts that were acknowledged.
func moveUnderLoad(t *testing.T, p project, from, to string) []account {
	t.Helper()
	load := startSignUps(p)
	time.Sleep(500 * time.Millisecond)
	killCopy(t, from, to, "copying", 0)
	killCopy(t, from, to, "copying", 300*time.Millisecond)
	wantState(t, to, "filling")
	refused := runBinary(t, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--database", to)
	if refused.code != 1 || !strings.Contains(refused.stderr, "not whole yet") {
		t.Errorf("a server on a database that is not whole: exit code %d, %s", refused.code, refused.stderr)
	}
	killCopy(t, from, to, "closed", 0)
	wantState(t, from, "closed")
	checkClosed(t, p, load.some(t))
	report := copyDatabase(t, from, to)
	accounts := load.stop(t)
	if report.Already || report.Rows < int64(len(accounts)) || len(report.Tables) < 20 {
		t.Errorf("the copy reports %+v", report)
	}
	wantState(t, to, "open")
	if err := p.srv.stop(); err != nil {
		t.Error(err)
	}
	t.Logf("%d accounts, %d passes, closed for %d ms at last", len(accounts), report.Passes, report.ClosedMilliseconds)
	return accounts
}

// signUps is a load of sign-ups.
type signUps struct {
	stopped      chan struct{}
	wg           sync.WaitGroup
	mu           sync.Mutex
	acknowledged []account
	strange      []string // answers that are neither success nor 503
}

func startSignUps(p project) *signUps {
	s := &signUps{stopped: make(chan struct{})}
	for range 2 {
		s.wg.Go(func() {
			for {
				select {
				case <-s.stopped:
					return
				default:
					s.signUp(p)
					time.Sleep(50 * time.Millisecond) // checking each account takes longer than making it
				}
			}
		})
	}
	return s
}

func (s *signUps) signUp(p project) {
	a := account{email: newEmail(), password: newPassword()}
	r, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.strange = append(s.strange, err.Error())
	case r.status == http.StatusOK:
		var body struct {
			Data struct{ UID, IDToken, RefreshToken string }
		}
		decodeQuietly(r.body, &body)
		a.uid, a.idToken, a.refreshToken = body.Data.UID, body.Data.IDToken, body.Data.RefreshToken
		s.acknowledged = append(s.acknowledged, a)
	case r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != "":
		time.Sleep(20 * time.Millisecond)
	default:
		s.strange = append(s.strange, string(r.body))
	}
}

// some gives one of the accounts so far.
func (s *signUps) some(t *testing.T) account {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.acknowledged) == 0 {
		t.Fatal("nobody was signed up")
	}
	return s.acknowledged[0]
}

func (s *signUps) stop(t *testing.T) []account {
	t.Helper()
	close(s.stopped)
	s.wg.Wait()
	if len(s.strange) > 0 {
		t.Errorf("%d strange answers, as %s", len(s.strange), s.strange[0])
	}
	return s.acknowledged
}

// checkClosed: a closed database refuses what writes and answers what reads.
func checkClosed(t *testing.T, p project, a account) {
	t.Helper()
	for path, body := range map[string]M{signup: {"email": newEmail(), "password": newPassword()}, signin: a.credentials()} {
		r := p.client().maybeShed().post(t, path, body)
		r.wantStatus(t, http.StatusServiceUnavailable)
		r.wantRetryAfter(t)
	}
	p.client().bearer(a.idToken).get(t, sessionsPath).wantStatus(t, http.StatusOK)
}

// checkMoved: all accounts sign in and refresh, and what was revoked before the move is.
func checkMoved(t *testing.T, p project, accounts []account, revoked account) {
	t.Helper()
	for _, a := range accounts {
		p.client().bearer(a.idToken).get(t, sessionsPath).wantStatus(t, http.StatusOK)
		p.refresh(t, a.uid, a.refreshToken)
		p.signIn(t, a.email, a.password)
	}
	p.client().post(t, refreshPath, M{"refresh_token": revoked.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	p.client().bearer(revoked.idToken).get(t, sessionsPath).wantError(t, 403, isText)
}

// killCopy kills a copy some time after its progress tells of a step.
func killCopy(t *testing.T, from, to, step string, later time.Duration) {
	t.Helper()
	cmd := exec.Command(suite.binary, "db", "copy", from, to)
	cmd.Env, cmd.Dir = cleanEnv(), suite.dir
	progress := &lockedBuffer{}
	cmd.Stderr = progress
	ended := make(chan error, 1)
	if err := bound.Start(cmd, syscall.SIGKILL, func(err error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); !strings.Contains(progress.String(), step); time.Sleep(2 * time.Millisecond) {
		if time.Since(begun) > copyLimit {
			t.Errorf("the copy never came to %q: %s", step, progress)
			break
		}
	}
	time.Sleep(later)
	_ = cmd.Process.Kill()
	if err := <-ended; err == nil {
		t.Fatalf("the copy was done before it could be killed: %s", progress)
	}
}

type copyReport struct {
	Already            bool
	Passes             int
	Rows               int64
	ClosedMilliseconds int64
	Tables             []struct {
		Name, SHA256 string
		Rows         int64
	}
}

// copyDatabase runs a copy to its end.
func copyDatabase(t *testing.T, from, to string) (report copyReport) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), copyLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, suite.binary, "db", "copy", from, to, "--json")
	cmd.Env, cmd.Dir = cleanEnv(), suite.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("db copy: %v: %s", err, stderr.String())
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("db copy prints %s: %v", out, err)
	}
	return report
}

func wantState(t *testing.T, database, want string) {
	t.Helper()
	r := runBinary(t, "db", "status", database, "--json")
	if state := text(t, parseJSON(t, "db status", []byte(r.stdout)), "state"); state != want {
		t.Errorf("%s is %s, want %s", database, state, want)
	}
}
