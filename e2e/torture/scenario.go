package main

import (
	"context"
	"time"
)

// Scenario is one kind of fault.
type Scenario struct {
	Name  string
	About string
	Long  int  // rounds of the long form
	Short int  // rounds of the one that runs with the tests
	Mount bool // it mounts a file system, which takes root on Linux
	// Run starts what it needs, keeps load on it, makes so many rounds of faults, and has everything checked at the end. An error means that the scenario could not be
	// played, or that something but a verdict was wrong; verdicts are in the arena.
	Run func(ctx context.Context, a *Arena, rounds int) error
}

// Scenarios lists all.
var Scenarios = []Scenario{sqliteKill, postgresKill, threeProcesses, failover, sqliteDiskFull, postgresDiskFull, smtpAway}

// Result is what a scenario came to.
type Result struct {
	Scenario string          `json:"scenario"`
	Seed     uint64          `json:"seed"`
	Rounds   int             `json:"rounds"`
	Seconds  float64         `json:"seconds"`
	Accounts int             `json:"accounts"`
	Calls    map[Phase]int   `json:"calls"`
	Done     map[Op]int      `json:"acknowledged"`
	Changes  int             `json:"changes"`            // acknowledged calls that are more than a sign-in or a refresh
	Statuses map[int]int     `json:"statuses,omitempty"` // answers of 500 and above, and 429
	Latency  Times           `json:"latency"`            // of what was acknowledged
	Restart  Times           `json:"restart"`            // from the restart to the first good sign-in
	Database Times           `json:"database"`           // of it, until a killed database answered
	Slow     int             `json:"slowRestarts"`       // over the limit
	Mails    int             `json:"mails"`              // that arrived
	Copies   int             `json:"mailCopies"`         // that arrived once more, after a crash
	Outside  int             `json:"errorsOutside"`      // errors of processes that were not killed
	Verdicts map[Verdict]int `json:"verdicts"`
	Notes    map[string]any  `json:"notes,omitempty"` // a scenario's own figures
	Error    string          `json:"error,omitempty"`
}

// RestartLimit is within what a killed server signs in again.
const RestartLimit = 2 * time.Second

// Good tells whether the promise was kept.
func (r Result) Good() bool {
	for _, n := range r.Verdicts {
		if n > 0 {
			return false
		}
	}
	return r.Error == "" && r.Outside == 0
}
