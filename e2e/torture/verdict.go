package main

import (
	"fmt"
	"io"
	"maps"
	"sync"
)

// Verdict is one way to break the promise. All must be zero.
type Verdict string

// The verdicts.
const (
	Lost    Verdict = "lost"    // acknowledged, and not there
	Revived Verdict = "revived" // ended with an acknowledgement, and works
	Phantom Verdict = "phantom" // there, and nobody asked for it, or was told that it failed
	Doubled Verdict = "doubled" // there twice
	Mixed   Verdict = "mixed"   // of one project or user, and seen in another
	Corrupt Verdict = "corrupt" // the database contradicts itself, or cannot be read
)

// Verdicts lists them in the order of reports.
var Verdicts = []Verdict{Lost, Revived, Phantom, Doubled, Mixed, Corrupt}

// Finding is one broken promise. Project and Account are "" where it is about no account.
type Finding struct {
	Verdict Verdict
	Project string
	Account string
	What    string
}

func (f Finding) String() string {
	if f.Account == "" {
		return fmt.Sprintf("%s: %s", f.Verdict, f.What)
	}
	return fmt.Sprintf("%s: %s in %s: %s", f.Verdict, f.Account, f.Project, f.What)
}

// shownFindings bounds what is printed with its ledger lines; all are counted.
const shownFindings = 10

// Findings counts findings and prints each with what the ledger says of its account. It is safe for concurrent use.
type Findings struct {
	mu     sync.Mutex
	out    io.Writer
	ledger *Ledger
	counts map[Verdict]int
	total  int
}

func newFindings(out io.Writer, ledger *Ledger) *Findings {
	return &Findings{out: out, ledger: ledger, counts: map[Verdict]int{}}
}

// Add counts a finding.
func (f *Findings) Add(found Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[found.Verdict]++
	if f.total++; f.total > shownFindings {
		return
	}
	fmt.Fprintln(f.out, "FOUND", found)
	if found.Account == "" {
		return
	}
	lines, err := f.ledger.Lines(found.Project, found.Account)
	if err != nil {
		fmt.Fprintln(f.out, "   its ledger lines cannot be read:", err)
	}
	for _, line := range lines {
		fmt.Fprintln(f.out, "  ", line)
	}
}

// Counts gives the number of findings of each verdict.
func (f *Findings) Counts() map[Verdict]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Total is the number of all findings.
func (f *Findings) Total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}
