package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/e2e/release"
)

// Arena is what one scenario plays in: a directory, a mail server, a ledger with its model, and the servers and workers that the scenario starts.
type Arena struct {
	Seed   uint64
	Rand   *rand.Rand // the scenario's own; workers have theirs
	Dir    string
	Binary string
	Out    io.Writer
	Mail   *MailSink
	Ledger *Ledger
	Model  *Model

	Findings *Findings
	Tally    *Tally
	Projects []string // after Prepare

	operator string // token
	canary   struct{ project, email, password string }

	mu       sync.Mutex
	faults   []time.Time
	restarts []time.Duration
	database []time.Duration // the part of a restart that the database took to recover
	outside  []string
	notes    map[string]any
	closers  []func() error
	watch    func(server string, c Call, a Answer)
	workers  int
}

// NewArena makes one in a new directory under dir. The caller closes it.
func NewArena(scenario string, seed uint64, dir, binary string, out io.Writer) (*Arena, error) {
	// Others may pass through: PostgreSQL runs as another user.
	place, err := os.MkdirTemp(dir, scenario+"-")
	if err == nil {
		err = os.Chmod(place, 0o711)
	}
	if err != nil {
		return nil, err
	}
	a := &Arena{
		Seed: seed, Rand: rand.New(rand.NewPCG(seed, hash(scenario))), Dir: place, Binary: binary, Out: out,
		Model: NewModel(), Tally: newTally(), notes: map[string]any{},
	}
	if a.Ledger, err = CreateLedger(filepath.Join(place, "ledger")); err != nil {
		return nil, err
	}
	a.Findings = newFindings(out, a.Ledger)
	sink, err := StartMailSink()
	if err != nil {
		return nil, err
	}
	a.Mail = sink
	a.OnClose(func() error { sink.Close(); return nil })
	return a, nil
}

func hash(text string) (h uint64) {
	for _, b := range []byte(text) {
		h = (h ^ uint64(b)) * 1099511628211 // FNV-1a
	}
	return h
}

// OnClose has f called when the arena closes, the last one first.
func (a *Arena) OnClose(f func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closers = append(a.closers, f)
}

// Close ends everything that was started. The directory stays.
func (a *Arena) Close() (err error) {
	a.mu.Lock()
	closers := a.closers
	a.closers = nil
	a.mu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		err = errors.Join(err, closers[i]())
	}
	return errors.Join(err, a.Ledger.Close())
}

// Logf prints a line.
func (a *Arena) Logf(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }

// Note keeps a figure of the scenario's own for its result.
func (a *Arena) Note(name string, value any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes[name] = value
}

// Fault notes that a process is killed now, or anything else happens after which a mail may arrive twice.
func (a *Arena) Fault() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, time.Now())
}

// Outside notes an error that nobody may have seen.
func (a *Arena) Outside(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outside = append(a.outside, fmt.Sprintf(format, args...))
	if len(a.outside) <= shownFindings {
		a.Logf("OUTSIDE %s", a.outside[len(a.outside)-1])
	}
}

// Watch has f told of every answer that workers get. Call it before StartLoad.
func (a *Arena) Watch(f func(server string, c Call, an Answer)) { a.watch = f }

// publicURL is the same for all processes of an arena: tokens of one are good for the others.
const publicURL = "https://auth.torture.test"

// NewServer makes a server with a free address, and does not start it. Servers that share a database need the same data directory, which has the master key.
// database "" is SQLite in the data directory. It is killed when the arena closes.
func (a *Arena) NewServer(name, data, database string, more ...string) (*Server, error) {
	address, err := release.FreeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{
		"--data", filepath.Join(a.Dir, data), "--public-url", publicURL, "--smtp", a.Mail.URL(), "--mail-from", "doorward@torture.test",
		"--hash-workers", "2", "--log-level", "warn",
	}
	if database != "" {
		args = append(args, "--database", database)
	}
	s := &Server{Name: name, Address: address, Args: append(args, more...), binary: a.Binary, log: filepath.Join(a.Dir, name+".log")}
	a.OnClose(func() error { s.Kill(); return nil })
	return s, nil
}

// projectSettings keep limits out of the way, since a load from one machine looks like an attack. The first project has the default hash and the default algorithm of keys, as
// far as one machine's cores allow; the others have the cheapest, so that the database has more to do.
func projectSettings(id string) map[string]string {
	settings := map[string]string{
		"signInAccountBurst": "10000", "signInSourceBurst": "100000", "signInProjectBurst": "10000000", "signUpSourceBurst": "1000000", "guessSourceBurst": "1000000",
		"mailAddressBurst": "10000", "mailSourceBurst": "1000000", "mailProjectBurst": "10000000", "idTokenTTL": "24h", "refreshTokenGrace": "1h", "resetCodeTTL": "24h",
		"verifyEmailURL": appURL + id + "/verify", "resetPasswordURL": appURL + id + "/reset", "inviteURL": appURL + id + "/invite",
		"refreshTokenRotation": fmt.Sprint(id == "rotating"),
	}
	if id != "default-hash" {
		settings["passwordHashMemory"], settings["passwordHashTime"], settings["signingAlgorithm"] = "8192", "1", "ES256"
	}
	return settings
}

// Prepare makes an operator, the projects and the account that AwaitSignIn uses, on a server that was started.
func (a *Arena) Prepare(ctx context.Context, s *Server) error {
	if err := a.awaitReady(ctx, s); err != nil {
		return err
	}
	reach := []string{"operator", "create", "torture", "--json"}
	for i := 0; i+1 < len(s.Args); i++ {
		if s.Args[i] == "--data" || s.Args[i] == "--database" {
			reach = append(reach, s.Args[i], s.Args[i+1])
		}
	}
	output, err := runCLI(ctx, a.Binary, reach...)
	if err != nil {
		return err
	}
	var created struct{ Token string }
	if err := json.Unmarshal(output, &created); err != nil || created.Token == "" {
		return fmt.Errorf("operator create printed no token: %w", err)
	}
	a.operator, a.Projects = created.Token, []string{"default-hash", "rotating", "plain", "other"}
	caller := newCaller(s.URL(), "127.0.0.1")
	for _, id := range a.Projects {
		project := body{"id": id, "preset": "documented", "settings": projectSettings(id)}
		if answer := caller.Do(ctx, Call{Method: "POST", Path: "/admin/v1/projects", Bearer: a.operator, Body: project}); answer.Phase != Done {
			return fmt.Errorf("project %s: %d %s", id, answer.Status, answer.Detail)
		}
	}
	a.canary.project, a.canary.email, a.canary.password = a.Projects[0], "canary@torture.test", "the canary sings"
	canary := a.Model.Account(a.canary.project, a.canary.email)
	if !a.actor(s, "127.0.0.1", nil).signUp(ctx, canary, a.canary.password) {
		return errors.New("the first sign-up failed")
	}
	return nil
}

func (a *Arena) awaitReady(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := http.Client{Timeout: 2 * time.Second}
	for {
		resp, err := client.Get(s.URL() + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if s.Exited() {
			return fmt.Errorf("the server %s ended before it was ready; its log is %s", s.Name, s.log)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server %s was not ready in time; its log is %s", s.Name, s.log)
		}
	}
}

// AwaitSignIn tries to sign in until it works, and keeps the time since began as one restart's. It fails after a minute, or once the server has ended by itself.
func (a *Arena) AwaitSignIn(ctx context.Context, s *Server, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	x, account := a.actor(s, "127.0.0.1", nil), a.Model.Account(a.canary.project, a.canary.email)
	x.caller = newCaller(s.URL(), "127.0.0.1") // tries count as no calls
	call := x.post(account, "/sign-in/email", "", body{"email": a.canary.email, "password": a.canary.password})
	e := Entry{Op: Look, Phase: Intent, Project: account.Project, Account: account.Email, Process: s.Name, Password: a.canary.password}
	x.write(account, e)
	for {
		answer := x.caller.Do(ctx, call)
		if e.Phase = answer.Phase; e.Phase == Done || e.Phase == Unknown {
			x.write(account, e)
		}
		if e.Phase == Done {
			break
		}
		if s.Exited() {
			return fmt.Errorf("the server %s ended by itself; its log is %s", s.Name, s.log)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no sign-in at %s a minute after the fault: %d %s", s.Name, answer.Status, answer.Detail)
		}
	}
	took := time.Since(began)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.restarts = append(a.restarts, took); took > RestartLimit {
		a.Logf("%s: the first good sign-in came %v after the restart", s.Name, took.Round(time.Millisecond))
	}
	return nil
}

// recovered keeps how long the database took to answer again.
func (a *Arena) recovered(took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.database = append(a.database, took)
}

var sources atomic.Uint32

// newSource gives a loopback address that no other worker of this program has, where the system has all of 127.0.0.0/8.
func newSource() string {
	n := sources.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 20+os.Getpid()%200, n>>8&255, n&255)
}

func (a *Arena) actor(s *Server, source string, watch func(Call, Answer)) *actor {
	return &actor{process: s.Name, caller: watched{newCaller(s.URL(), source), a.Tally, watch}, operator: a.operator, ledger: a.Ledger, findings: a.Findings, projects: a.Projects}
}

// StartLoad sets so many workers on each of the servers. target is how many living accounts each worker comes to have.
func (a *Arena) StartLoad(ctx context.Context, perServer, target int, servers ...*Server) *Load {
	ctx, stop := context.WithCancel(ctx)
	l := &Load{stop: stop}
	for _, s := range servers {
		for range perServer {
			a.workers++
			w := &worker{
				name: fmt.Sprintf("w%d", a.workers), rng: rand.New(rand.NewPCG(a.Seed, uint64(a.workers))),
				model: a.Model, mail: a.Mail, next: map[string]int{}, target: target,
			}
			w.actor = a.actor(s, newSource(), func(c Call, answer Answer) {
				w.saw(c, answer)
				if a.watch != nil {
					a.watch(s.Name, c, answer)
				}
			})
			l.workers = append(l.workers, w)
			l.done.Go(func() { w.run(ctx, l) })
		}
	}
	a.OnClose(func() error { l.Stop(); return nil })
	return l
}

// checkers is how many accounts are checked at a time.
const checkers = 6

// Check looks at every account at a server, and compares the database. The load is paused or stopped. The last check of many rounds sets drained: then every mail must leave
// the outbox, and accounts that were found deleted once are asked for again.
func (a *Arena) Check(ctx context.Context, s *Server, db Database, drained bool) error {
	began := time.Now()
	if err := a.checkAccounts(ctx, s, drained); err != nil {
		return err
	}
	facts, err := a.settledFacts(ctx, db, drained)
	if err != nil {
		a.Findings.Add(Finding{Corrupt, "", "", "the database cannot be read: " + err.Error()})
		return nil
	}
	a.mu.Lock()
	evidence := Evidence{Facts: facts, Arrived: a.Mail.ByID(), Faults: a.faults, Drained: drained}
	a.mu.Unlock()
	for _, found := range Compare(a.Model, evidence) {
		a.Findings.Add(found)
	}
	a.Logf("checked %d accounts and %d mails in %v: %d findings", len(a.Model.Accounts()), len(facts.Mails), time.Since(began).Round(time.Millisecond), a.Findings.Total())
	return ctx.Err()
}

// checkAccounts looks at every account, but at those that are buried only where all is set.
func (a *Arena) checkAccounts(ctx context.Context, s *Server, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	queue := make(chan *Account)
	var failed atomic.Pointer[Account]
	var wg sync.WaitGroup
	for i := range checkers {
		c := checker{actor: a.actor(s, newSource(), nil), rng: rand.New(rand.NewPCG(a.Seed, uint64(1000+i))), thorough: true}
		wg.Go(func() {
			for account := range queue {
				if !c.insist(ctx, account) {
					failed.Store(account)
				}
				account.Buried = account.Life == Deleted && account.Pending == nil
			}
		})
	}
	for _, account := range a.Model.Accounts() {
		if !account.Broken && (all || !account.Buried) {
			queue <- account
		}
	}
	close(queue)
	wg.Wait()
	if account := failed.Load(); account != nil {
		return fmt.Errorf("the check of %v got no answers; the log of %s is %s", account, s.Name, s.log)
	}
	return nil
}

// insist checks an account until there are answers.
func (c *checker) insist(ctx context.Context, a *Account) bool {
	for range 200 {
		if c.check(ctx, a) {
			return true
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// drainLimit is longer than the lease of a mail whose worker was killed, and than the pause after a sixth try (5m20s): there is no time for more tries while mail servers are away.
const drainLimit = 7 * time.Minute

// settledFacts reads the database, where drained is set once the outbox is empty.
func (a *Arena) settledFacts(ctx context.Context, db Database, drained bool) (Facts, error) {
	deadline := time.Now().Add(drainLimit)
	for {
		facts, err := db.Facts(ctx)
		if err != nil || !drained {
			return facts, err
		}
		waiting := 0
		for _, m := range facts.Mails {
			if m.State == "queued" || m.State == "working" {
				waiting++
			}
		}
		if waiting == 0 || time.Now().After(deadline) {
			return facts, nil
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return facts, ctx.Err()
		}
	}
}

// Result sums up.
func (a *Arena) Result(scenario string, rounds int, took time.Duration, err error) Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Result{
		Scenario: scenario, Seed: a.Seed, Rounds: rounds, Seconds: took.Seconds(), Accounts: len(a.Model.Accounts()), Restart: sumUp(a.restarts), Database: sumUp(a.database),
		Outside: len(a.outside), Verdicts: map[Verdict]int{}, Notes: a.notes,
	}
	r.Calls, r.Statuses, r.Latency = a.Tally.sum()
	r.Done = a.Ledger.Acknowledged()
	for op, n := range r.Done {
		if op != SignIn && op != Refresh && op != Look {
			r.Changes += n
		}
	}
	for _, v := range Verdicts {
		r.Verdicts[v] = a.Findings.Counts()[v]
	}
	for _, restart := range a.restarts {
		if restart > RestartLimit {
			r.Slow++
		}
	}
	for _, copies := range a.Mail.ByID() {
		r.Mails++
		r.Copies += len(copies) - 1
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
