package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/release"
)

type options struct {
	binary  string
	engines string
	works   string
	report  string
	seconds time.Duration
	rounds  int
	users   int
	scale   string
	profile string
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == bareArg {
		if err := serveBare(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, "bare handler:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.binary, "binary", "", "the doorward binary to measure; it is built where this is empty")
	flag.StringVar(&o.engines, "engine", "sqlite,postgres", "databases to measure")
	flag.StringVar(&o.works, "work", "", "names of the works to measure, separated by commas; all where empty, and \"none\" for the small figures alone")
	flag.StringVar(&o.report, "report", "", "Markdown file to put the tables into, where the comments <!-- ratios --> and <!-- end of ratios --> stand, or likewise scale")
	flag.DurationVar(&o.seconds, "for", 2*time.Second, "how long each load lasts")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each is measured; the median counts")
	flag.IntVar(&o.users, "users", 1000, "users in the database")
	flag.StringVar(&o.scale, "scale", "", "measure at many \"users\", at many \"projects\" or at \"both\", in place of the ratios")
	flag.StringVar(&o.profile, "profile", "", "file to write a CPU profile of the server to; the binary is built for that, and its figures are no release's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "doorward-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL does not run as root, and has its data below
		return err
	}
	if o.binary == "" {
		o.binary = filepath.Join(dir, "doorward")
		var tags []string
		if o.profile != "" {
			tags = []string{"profile"}
		}
		if err := release.Build(ctx, "..", o.binary, tags...); err != nil {
			return err
		}
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	report := newReport(os.Stdout)
	report.machine(o)
	for _, engine := range strings.Split(o.engines, ",") {
		if err := measureEngine(ctx, o, filepath.Join(dir, engine), engine, report); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	if o.report == "" {
		return nil
	}
	section := "ratios"
	if o.scale != "" {
		section = "scale"
	}
	return report.putInto(o.report, section)
}

func measureEngine(ctx context.Context, o options, dir, engine string, r *report) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	s := &server{binary: o.binary, data: filepath.Join(dir, "data"), log: filepath.Join(dir, "log"), profile: o.profile}
	switch engine {
	case "sqlite":
	case "postgres":
		database, err := startPostgres(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, database.Close()) }()
		s.database = database.PrimaryURL("doorward")
	default:
		return fmt.Errorf("there is no engine %q", engine)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if o.scale != "" {
		return measureScale(ctx, o, s, engine, r)
	}
	return measureRatios(ctx, o, s, engine, r)
}
