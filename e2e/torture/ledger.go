package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"
)

// Phase is where a call stands.
type Phase string

// The phases. A call is an intent, followed by one of the others; an unknown one is resolved once the account tells what became of it.
const (
	Intent   Phase = "intent"
	Done     Phase = "ok"       // acknowledged
	Refused  Phase = "refused"  // answered no; nothing of it may have happened
	Failed   Phase = "failed"   // never sent, or answered that it cannot be done now; nothing of it may have happened
	Unknown  Phase = "unknown"  // the connection broke, the answer is missing, or says that the outcome is unknown; it may have happened
	Happened Phase = "happened" // an unknown one was found to have happened
	Nothing  Phase = "nothing"  // an unknown one was found not to have happened
)

// Op is what a call wants.
type Op string

// The calls. Each is about one account.
const (
	SignUp         Op = "sign-up"
	SignIn         Op = "sign-in"
	Refresh        Op = "refresh"
	ChangePassword Op = "change-password"
	RequestReset   Op = "request-reset"
	ResetPassword  Op = "reset-password"
	SignOut        Op = "sign-out"
	SignOutAll     Op = "sign-out-all"
	RevokeAll      Op = "revoke-all" // by an admin
	Invite         Op = "invite"
	AcceptInvite   Op = "accept-invite"
	Disable        Op = "disable"
	Enable         Op = "enable"
	Delete         Op = "delete"
	AdminDelete    Op = "admin-delete"
	ReuseToken     Op = "reuse-token" // an ancestor of a rotated refresh token is presented, which ends its session
	Look           Op = "look"        // what became of an unknown call: a sign-in where a password is given, else a refresh
)

// Entry is one line of a ledger. Which fields an entry has beside the first five depends on its call.
type Entry struct {
	N        int     `json:"n"`
	Millis   int64   `json:"ms"` // since the ledger began
	Phase    Phase   `json:"phase"`
	Op       Op      `json:"op"`
	Project  string  `json:"project"`
	Account  string  `json:"account"` // its address
	Process  string  `json:"process,omitempty"`
	UID      string  `json:"uid,omitempty"`
	Password string  `json:"password,omitempty"` // the new one, or the one presented
	Code     string  `json:"code,omitempty"`     // of a mail
	Session  int     `json:"session,omitempty"`  // the account's session by number, from 1
	Token    string  `json:"token,omitempty"`    // refresh token that was given
	IDToken  string  `json:"idToken,omitempty"`
	Rotated  bool    `json:"rotated,omitempty"` // the token replaces the one before
	Status   int     `json:"status,omitempty"`
	Detail   string  `json:"detail,omitempty"`
	Took     float64 `json:"took,omitempty"` // milliseconds
}

// Ledger is an append-only file of entries. Every entry is handed to the operating system before Write returns, so the file survives the harness. Passwords and tokens stand
// in it, of accounts that are made up. It is safe for concurrent use.
type Ledger struct {
	path  string
	began time.Time

	mu   sync.Mutex
	file *os.File
	n    int
	done map[Op]int // acknowledged
}

// CreateLedger begins a ledger.
func CreateLedger(path string) (*Ledger, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{path: path, began: time.Now(), file: file, done: map[Op]int{}}, nil
}

// Write appends an entry, and gives it with its number and instant.
func (l *Ledger) Write(e Entry) (Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	e.N, e.Millis = l.n, time.Since(l.began).Milliseconds()
	line, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("ledger: %w", err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return e, fmt.Errorf("ledger: %w", err)
	}
	if e.Phase == Done {
		l.done[e.Op]++
	}
	return e, nil
}

// Acknowledged counts the calls that were.
func (l *Ledger) Acknowledged() map[Op]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.done)
}

// Lines gives the lines of one account, oldest first.
func (l *Ledger) Lines(project, account string) (lines []string, err error) {
	err = eachLine(l.path, func(line []byte, e Entry) error {
		if e.Project == project && e.Account == account {
			lines = append(lines, string(line))
		}
		return nil
	})
	return lines, err
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// ReadLedger folds a ledger into what must be true now.
func ReadLedger(path string) (*Model, error) {
	m := NewModel()
	if err := eachLine(path, func(_ []byte, e Entry) error { return m.Account(e.Project, e.Account).Apply(e) }); err != nil {
		return nil, err
	}
	for _, a := range m.Accounts() {
		if a.open != nil { // the harness ended before the answer came
			a.doubt(*a.open)
		}
	}
	return m, nil
}

func eachLine(path string, visit func(line []byte, e Entry) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer file.Close()
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if err := visit(line[:len(line)-1], e); err != nil {
			return err
		}
	}
}
