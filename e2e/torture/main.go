package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "of the load and the faults; 0 takes a random one, which is printed")
	flag.StringVar(&o.scenarios, "scenario", "", "names of the scenarios to play, separated by commas; all where empty")
	flag.IntVar(&o.rounds, "rounds", 0, "of each scenario; 0 is the long form's")
	flag.StringVar(&o.repository, "repository", "..", "where the server is built from")
	flag.StringVar(&o.dir, "dir", "", "directory for data and logs; a temporary one where empty, which is removed unless something was found")
	flag.BoolVar(&o.busy, "busy", false, "others use the machine: slow restarts are told, and fail nothing")
	flag.StringVar(&o.json, "json", "", "file for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

type options struct {
	seed       uint64
	scenarios  string
	rounds     int
	repository string
	dir        string
	json       string
	busy       bool
}

func run(ctx context.Context, o options, out io.Writer) (good bool, err error) {
	if o.seed == 0 {
		o.seed = rand.Uint64() >> 12 // exact in JSON
	}
	fmt.Fprintf(out, "seed %d\n", o.seed)
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "torture-"); err != nil {
			return false, err
		}
		defer func() {
			if good {
				_ = os.RemoveAll(dir)
				return
			}
			fmt.Fprintln(out, "data, logs and ledgers are kept in", dir)
		}()
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return false, err
	}
	binary, err := buildBinary(ctx, dir, o.repository)
	if err != nil {
		return false, err
	}
	chosen, err := choose(o.scenarios)
	if err != nil {
		return false, err
	}
	good = true
	var results []Result
	for _, s := range chosen {
		rounds := o.rounds
		if rounds == 0 {
			rounds = s.Long
		}
		r := Play(ctx, s, o.seed, rounds, dir, binary, out)
		good = good && r.Good() && (o.busy || r.Slow == 0)
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprint(out, "\n", table(results))
	return good, writeJSON(o.json, results)
}

func choose(names string) (chosen []Scenario, err error) {
	if names == "" {
		return Scenarios, nil
	}
next:
	for name := range strings.SplitSeq(names, ",") {
		for _, s := range Scenarios {
			if s.Name == name {
				chosen = append(chosen, s)
				continue next
			}
		}
		return nil, fmt.Errorf("there is no scenario %q", name)
	}
	return chosen, nil
}

// Play plays one scenario.
func Play(ctx context.Context, s Scenario, seed uint64, rounds int, dir, binary string, out io.Writer) Result {
	fmt.Fprintf(out, "\n== %s: %s; %d rounds, seed %d\n", s.Name, s.About, rounds, seed)
	began := time.Now()
	a, err := NewArena(s.Name, seed, dir, binary, out)
	if err != nil {
		return Result{Scenario: s.Name, Seed: seed, Error: err.Error()}
	}
	err = s.Run(ctx, a, rounds)
	if closing := a.Close(); err == nil {
		err = closing
	}
	r := a.Result(s.Name, rounds, time.Since(began), err)
	line, _ := json.Marshal(r)
	fmt.Fprintf(out, "result %s\n", line)
	return r
}

// table is the results as docs/reliability.md has them.
func table(results []Result) string {
	var b strings.Builder
	b.WriteString("| scenario | rounds | acknowledged | of these changes | failed | unknown | first sign-in p50 / p99 / max | errors outside |")
	for _, v := range Verdicts {
		fmt.Fprintf(&b, " %s |", v)
	}
	b.WriteByte('\n')
	b.WriteString(strings.Repeat("|---", 8+len(Verdicts)) + "|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %v / %v / %v | %d |", r.Scenario, r.Rounds, r.Calls[Done], r.Changes, r.Calls[Failed], r.Calls[Unknown],
			r.Restart.P50.Round(time.Millisecond), r.Restart.P99.Round(time.Millisecond), r.Restart.Most.Round(time.Millisecond), r.Outside)
		for _, v := range Verdicts {
			fmt.Fprintf(&b, " %d |", r.Verdicts[v])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func writeJSON(file string, results []Result) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
