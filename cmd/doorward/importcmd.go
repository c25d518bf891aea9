package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/userfile"
)

type importCmd struct {
	reachFlags
	projectFlag
	File       string `arg:"" help:"The users; - for standard input."`
	Format     string `help:"doorward, as export writes it, firebase, as its auth:export writes it (JSON or JSON Lines), or csv, with a line of column names." default:"doorward" enum:"doorward,firebase,csv" placeholder:"FORMAT"`
	HashConfig string `help:"File with Firebase's password hash parameters, as its console shows them or as JSON." placeholder:"FILE"`
	DryRun     bool   `help:"Only tell what would happen."`
}

func (importCmd) Help() string {
	return `A line that cannot be used is told and left out, and the exit code is 1 then. Users that are there already stay as they are, so an import that broke off can simply be run again.

The columns of csv are uid, email, emailVerified, name, picture, locale, disabled, passwordHash, roles (with ; between them), createdAt, passwordUpdatedAt and lastSignInAt, in any order; each may be missing.

Example:

    doorward import users.json --format firebase --hash-config hash.txt --dry-run --project shop`
}

// importBatch bounds what is sent at once, well below the limits of the API.
const (
	importBatchLines = 500
	importBatchBytes = 4 << 20
)

func (c importCmd) Run(a *app) error {
	options := adminapi.ImportOptions{DryRun: c.DryRun, Format: c.Format}
	if c.Format == userfile.FormatCSV {
		options.Format = adminapi.FormatDoorward // what is sent
	}
	var err error
	if options.HashConfig, err = readHashConfig(c.HashConfig); err != nil {
		return err
	}
	if options.HashConfig != nil && c.Format != adminapi.FormatFirebase {
		return usageError("--hash-config is for --format firebase")
	}
	file, err := a.openInput(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	users, err := userfile.NewLines(file, c.Format)
	if err != nil {
		return usageError(err.Error())
	}
	run := importRun{app: a, project: c.Project, options: options, total: adminapi.ImportReport{
		DryRun: c.DryRun, Failed: []adminapi.ImportFailed{}, CannotSignIn: map[string]int{}, PasswordKinds: map[string]int{},
	}, told: time.Now()}
	err = a.reach(c.reachFlags, func(api *adminapi.Client) error { return run.all(api, users) })
	if err != nil {
		return err
	}
	if err := a.print(run.total, func(w io.Writer) { printImport(w, run.total) }); err != nil {
		return err
	}
	if n := len(run.total.Failed); n > 0 {
		return fmt.Errorf("%d lines were left out", n)
	}
	return nil
}

func (a *app) openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(a.stdin), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError(err.Error())
	}
	return file, nil
}

// importRun sends batches and adds their reports up.
type importRun struct {
	app     *app
	project string
	options adminapi.ImportOptions
	total   adminapi.ImportReport
	done    int // lines
	told    time.Time
}

func (r *importRun) all(api *adminapi.Client, users *userfile.Lines) error {
	for {
		lines, numbers, err := r.readBatch(users)
		if err != nil {
			return r.broken(err)
		}
		if len(lines) == 0 {
			return nil
		}
		if users.HashConfig != nil {
			r.options.HashConfig = users.HashConfig
		}
		report, err := api.ImportUsers(r.app.ctx, r.project, r.options, bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n')))
		if err != nil {
			return r.broken(err)
		}
		r.add(report, numbers)
		r.tell()
	}
}

// broken tells how far the import came.
func (r *importRun) broken(err error) error {
	if r.done == 0 {
		return err
	}
	return fmt.Errorf("after %d users: %w; run it again, it goes on where it stopped", r.done, err)
}

// add takes a batch's report into the total. numbers are those of the batch's lines within the file.
func (r *importRun) add(report adminapi.ImportReport, numbers []int) {
	r.done += len(numbers)
	r.total.Created += report.Created
	r.total.Existing += report.Existing
	r.total.CanSignIn += report.CanSignIn
	for reason, n := range report.CannotSignIn {
		r.total.CannotSignIn[reason] += n
	}
	for kind, n := range report.PasswordKinds {
		r.total.PasswordKinds[kind] += n
	}
	for _, failed := range report.Failed {
		if failed.Line >= 1 && failed.Line <= len(numbers) {
			failed.Line = numbers[failed.Line-1]
		}
		r.total.Failed = append(r.total.Failed, failed)
	}
}

// tell writes a line on the progress now and then.
func (r *importRun) tell() {
	if r.app.json || time.Since(r.told) < 2*time.Second {
		return
	}
	r.told = time.Now()
	fmt.Fprintf(r.app.stderr, "doorward: %d users read, %d created, %d were there, %d left out\n", r.done, r.total.Created, r.total.Existing, len(r.total.Failed))
}

// readBatch takes down the lines that hold nothing to be sent.
func (r *importRun) readBatch(users *userfile.Lines) (lines [][]byte, numbers []int, err error) {
	size := 0
	for len(lines) < importBatchLines && size < importBatchBytes {
		line, number, err := users.Next()
		if errors.Is(err, io.EOF) {
			return lines, numbers, nil
		}
		var wrong *userfile.LineError
		if errors.As(err, &wrong) {
			r.total.Failed = append(r.total.Failed, adminapi.ImportFailed{Line: number, Reason: wrong.Error()})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		lines, numbers = append(lines, line), append(numbers, number)
		size += len(line)
	}
	return lines, numbers, nil
}

func printImport(w io.Writer, r adminapi.ImportReport) {
	did := "created"
	if r.DryRun {
		did = "would be created"
	}
	fmt.Fprintf(w, "%d %s, %d were there already, %d left out\n", r.Created, did, r.Existing, len(r.Failed))
	fmt.Fprintf(w, "%d can sign in\n", r.CanSignIn)
	for _, reason := range slices.Sorted(maps.Keys(r.CannotSignIn)) {
		fmt.Fprintf(w, "%d cannot sign in: %s\n", r.CannotSignIn[reason], plain(reason))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.PasswordKinds)) {
		fmt.Fprintf(w, "%d passwords hashed with %s\n", r.PasswordKinds[kind], plain(kind))
	}
	for _, failed := range r.Failed {
		fmt.Fprintf(w, "line %d: %s\n", failed.Line, plain(failed.Reason))
	}
}

// readHashConfig reads Firebase's password hash parameters; nil where no file is named. The errors never quote the file, which holds a key.
func readHashConfig(path string) (*adminapi.FirebaseHashConfig, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("hash config: " + err.Error())
	}
	config, err := userfile.ParseHashConfig(content)
	if err != nil {
		return nil, usageError("hash config: " + path + " is " + err.Error())
	}
	return config, nil
}
