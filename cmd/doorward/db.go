package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/dbcopy"
	"github.com/doorward/doorward/internal/sqlstore"
)

type dbCmd struct {
	Copy   dbCopyCmd   `cmd:"" help:"Move all data to another database, while servers use the first."`
	Status dbStatusCmd `cmd:"" help:"Tell whether a database is whole and takes changes."`
	Reopen dbReopenCmd `cmd:"" help:"Let a database that was closed for a move take changes again."`
}

type dbCopyCmd struct {
	From    string `arg:"" help:"URL of the database to copy, sqlite:FILE or postgres://…; @FILE reads it from a file."`
	To      string `arg:"" help:"URL of the database to fill, likewise. It is empty, or one that the same copy began to fill."`
	Prepare bool   `help:"Copy what is there now, and stop before the first database is closed. The same command without this goes on."`
}

func (dbCopyCmd) Help() string {
	return `Servers go on with the first database meanwhile. At the end it is closed: its servers refuse changes with 503 and answer what only reads, while the rest is copied and all rows of both are compared. Then the second one is whole, and servers of the first answer 503 to everything. Stop them, and start them with --database and the second one. Tokens, sessions and passwords go on working. The master key file is not copied: it stays as it is, and the servers need the same one.

A copy that broke off goes on when the command is given again. No server starts on a database that is not whole. With --prepare first, the long part can be done days before.

Example:

    doorward db copy sqlite:/var/lib/doorward/doorward.db @/etc/doorward/postgres-url`
}

// namedDatabase is a database of the command line.
type namedDatabase struct {
	url  string
	name string // for people, without secrets
	file string // of SQLite
}

// database reads an argument. A URL with a password is better in a file, since all users of the machine see arguments (P44).
func (a *app) database(argument string) (namedDatabase, error) {
	text := argument
	if path, isFile := strings.CutPrefix(argument, "@"); isFile {
		content, err := os.ReadFile(path)
		if err != nil {
			return namedDatabase{}, usageError(err.Error())
		}
		text = strings.TrimSpace(string(content))
	}
	if err := setDatabase(&settings{}, text); err != nil {
		return namedDatabase{}, usageError("database: " + err.Error())
	}
	if strings.Contains(text, "://") {
		return namedDatabase{url: text, name: sqlstore.MaskURL(text)}, nil
	}
	path, err := filepath.Abs(strings.TrimPrefix(text, "sqlite:"))
	if err != nil {
		return namedDatabase{}, usageError(err.Error())
	}
	return namedDatabase{url: "sqlite:" + path, name: "sqlite:" + path, file: path}, nil
}

// missing tells whether a SQLite file is not there.
func (d namedDatabase) missing() bool {
	if d.file == "" {
		return false
	}
	_, err := os.Stat(d.file)
	return errors.Is(err, fs.ErrNotExist)
}

// look reads a database that is there, and leaves its schema as it is.
func (a *app) look(d namedDatabase) (sqlstore.Look, error) {
	if d.missing() {
		return sqlstore.Look{}, usageError("there is no database " + d.file)
	}
	look, err := sqlstore.LookAt(a.ctx, d.url)
	if err != nil {
		return sqlstore.Look{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return look, nil
}

// beforeMigration saves a database before these commands migrate it. Of PostgreSQL only a server can: its backup needs the data directory and the master key.
func beforeMigration(d namedDatabase) func(ctx context.Context, from, to int64) error {
	if d.file != "" {
		return sqlstore.SnapshotBeforeMigration(d.url)
	}
	return func(context.Context, int64, int64) error {
		return errors.New("only a server makes the backup that comes first: start the one of this release on it once")
	}
}

// openTarget opens the database to fill. One of an older schema that somebody uses is refused before it is migrated.
func (a *app) openTarget(d namedDatabase) (*sqlstore.Store, error) {
	if !d.missing() {
		look, err := a.look(d)
		if err != nil {
			return nil, err
		}
		if _, filling := look.Marks[sqlstore.MarkFilling]; look.Used && !filling && look.Schema < sqlstore.NewestSchema() {
			return nil, copyError(fmt.Errorf("the target: %w", sqlstore.ErrNotEmpty))
		}
	}
	return a.openNew(d, sqlstore.Options{Filling: true})
}

// open opens a database that is there.
func (a *app) open(d namedDatabase, o sqlstore.Options) (*sqlstore.Store, error) {
	if d.missing() {
		return nil, usageError("there is no database " + d.file)
	}
	return a.openNew(d, o)
}

// openNew opens a database, and makes a SQLite file where there is none.
func (a *app) openNew(d namedDatabase, o sqlstore.Options) (*sqlstore.Store, error) {
	o.URL = d.url
	store, err := sqlstore.Open(a.ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return store, nil
}

func (c dbCopyCmd) Run(a *app) (err error) {
	from, err := a.database(c.From)
	if err != nil {
		return err
	}
	to, err := a.database(c.To)
	if err != nil {
		return err
	}
	source, err := a.open(from, sqlstore.Options{BeforeMigrate: beforeMigration(from)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := a.openTarget(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	progress := newProgressLine(a)
	result, err := dbcopy.Run(a.ctx, source, target, dbcopy.Options{
		SourceName: from.name, TargetName: to.name, Prepare: c.Prepare, Clock: time.Now, Rand: rand.Reader, Report: progress.report,
	})
	progress.end()
	if err != nil {
		return copyError(err)
	}
	return a.printCopy(from, to, result)
}

// copyError adds the way out.
func copyError(err error) error {
	switch {
	case errors.Is(err, sqlstore.ErrSameDatabase):
		return usageError("both are the same database; nothing was done")
	case errors.Is(err, sqlstore.ErrNotEmpty):
		return usageError(err.Error() + "; nothing was done, name an empty database")
	case errors.Is(err, sqlstore.ErrFilledAlready):
		return usageError(err.Error() + "; nothing was done. To copy anew, name an empty database: this one may hold changes that the first lacks")
	case errors.Is(err, dbcopy.ErrMovesElsewhere), errors.Is(err, dbcopy.ErrBegun):
		return usageError(err.Error())
	case errors.Is(err, sqlstore.ErrOtherRun), errors.Is(err, dbcopy.ErrReopened), errors.Is(err, dbcopy.ErrBothOpen):
		return err
	}
	return fmt.Errorf("%w; the same command goes on where this one ended", err)
}

type copyReport struct {
	From     string      `json:"from"`
	To       string      `json:"to"`
	Already  bool        `json:"already"`
	Prepared bool        `json:"prepared"`
	Passes   int         `json:"passes"`
	Rows     int64       `json:"rows"`
	ClosedMs int64       `json:"closedMilliseconds"`
	Tables   []copyTable `json:"tables"`
}

type copyTable struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

func (a *app) printCopy(from, to namedDatabase, r dbcopy.Result) error {
	report := copyReport{From: from.name, To: to.name, Already: r.Already, Prepared: r.Prepared, Passes: r.Passes, Rows: r.Rows, ClosedMs: r.Closed.Milliseconds(), Tables: []copyTable{}}
	for _, t := range r.Tables {
		report.Tables = append(report.Tables, copyTable{t.Name, t.Rows, t.Digest.String()})
	}
	return a.print(report, func(w io.Writer) {
		switch {
		case r.Prepared:
			fmt.Fprintf(w, "%s has what %s had. Servers go on with the latter; the same command without --prepare moves them.\n", plain(to.name), plain(from.name))
			return
		case r.Already:
			fmt.Fprintf(w, "%s was whole already, and %s is closed.\n", plain(to.name), plain(from.name))
		default:
			fmt.Fprintf(w, "%d rows of %d tables are the same in both; %s took no changes for %.1f s, and is closed now.\n", r.Rows, len(r.Tables), plain(from.name), r.Closed.Seconds())
		}
		fmt.Fprintf(w, "Start the servers with --database %s now, and with the master key file that they have: it was not copied.\n", plain(to.name))
		fmt.Fprintln(w, "Keep the closed database, unused, as long as you keep backups.")
	})
}

type dbStatusCmd struct {
	Database string `arg:"" help:"URL of the database; @FILE reads it from a file."`
}

func (dbStatusCmd) Help() string {
	return `States: open, a database that servers use; drains, mails are not given out since a move begins; closed, it moves to another database and refuses changes; moved, the other one is whole, and servers of this one answer 503; filling, a copy or a restore into it is not at its end.

Example:

    doorward db status sqlite:/var/lib/doorward/doorward.db`
}

type statusReport struct {
	Database string     `json:"database"`
	State    string     `json:"state"`
	Note     string     `json:"note,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
}

func (c dbStatusCmd) Run(a *app) error {
	database, err := a.database(c.Database)
	if err != nil {
		return err
	}
	look, err := a.look(database)
	if err != nil {
		return err
	}
	report := statusOf(database.name, look.Marks)
	return a.print(report, func(w io.Writer) {
		since := ""
		if report.Since != nil {
			since = timeText(*report.Since)
		}
		pairs(w, "Database", report.Database, "State", report.State, "Note", report.Note, "Since", since)
	})
}

func statusOf(name string, marks map[sqlstore.Mark]sqlstore.MarkValue) statusReport {
	if m, ok := marks[sqlstore.MarkFilling]; ok {
		return statusReport{name, "filling", m.Note, &m.At}
	}
	if m, ok := marks[sqlstore.MarkMoving]; ok {
		if m.Value == sqlstore.MovingMoved {
			return statusReport{name, m.Value, "it moved to " + m.Note, &m.At}
		}
		return statusReport{name, m.Value, "it moves to " + m.Note, &m.At}
	}
	return statusReport{Database: name, State: "open"}
}

type dbReopenCmd struct {
	Database string `arg:"" help:"URL of the database; @FILE reads it from a file."`
	yesFlag
}

func (dbReopenCmd) Help() string {
	return `Only while no server runs on the database that it was moved to, or that one is thrown away: with two that take changes, what was revoked in one lives in the other, and what was changed since in one of them is lost.

Example:

    doorward db reopen sqlite:/var/lib/doorward/doorward.db`
}

func (c dbReopenCmd) Run(a *app) (err error) {
	database, err := a.database(c.Database)
	if err != nil {
		return err
	}
	store, err := a.open(database, sqlstore.Options{BeforeMigrate: beforeMigration(database)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	marks, err := store.Marks(a.ctx)
	if err != nil {
		return err
	}
	moving, ok := marks[sqlstore.MarkMoving]
	if !ok {
		return a.printDone("open", database.name)
	}
	if err := a.confirm(c.Yes, "Does no server run on "+moving.Note+", and will none ever again?"); err != nil {
		return err
	}
	if _, err := dbcopy.Reopen(a.ctx, store, ""); err != nil {
		return err
	}
	return a.printDone("open", database.name)
}

// progressLine shows on standard error how far a copy is: on a terminal in one line, else in a line every few seconds.
type progressLine struct {
	out      io.Writer // nil: quiet
	terminal bool
	last     time.Time
	step     string
	table    string
	began    time.Time // with the table
	drawn    bool
}

func newProgressLine(a *app) *progressLine {
	if a.json {
		return &progressLine{}
	}
	file, ok := a.stderr.(*os.File)
	return &progressLine{out: a.stderr, terminal: ok && isTerminal(file)}
}

var stepNames = map[dbcopy.Step]string{
	dbcopy.StepCopy: "copying", dbcopy.StepDrain: "waiting for mails in hand", dbcopy.StepLast: "closed, copying the rest", dbcopy.StepVerify: "closed, comparing",
}

func (p *progressLine) report(r dbcopy.Progress) {
	if p.out == nil {
		return
	}
	now := time.Now()
	step := stepNames[r.Step]
	if r.Pass > 1 {
		step = fmt.Sprintf("copying, pass %d", r.Pass)
	}
	if r.Table != p.table || step != p.step {
		p.began = now
	}
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	show := step != p.step || now.Sub(p.last) >= every
	p.table, p.step = r.Table, step
	if !show {
		return
	}
	p.last = now
	p.draw(step + progressText(r, now.Sub(p.began)))
}

func progressText(r dbcopy.Progress, took time.Duration) string {
	if r.Step == dbcopy.StepDrain {
		return fmt.Sprintf(": %d", r.Of)
	}
	text := fmt.Sprintf(": %s, %d", r.Table, r.Rows)
	if r.Of > 0 {
		text += fmt.Sprintf(" of %d", max(r.Of, r.Rows))
	}
	text += " rows"
	if took >= time.Second {
		text += fmt.Sprintf(", %.0f rows/s", float64(r.Rows)/took.Seconds())
	}
	return text
}

func (p *progressLine) draw(text string) {
	p.drawn = true
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[Kdoorward: %s", text)
		return
	}
	fmt.Fprintf(p.out, "doorward: %s\n", text)
}

// end leaves the line, so that what comes next has one of its own.
func (p *progressLine) end() {
	if p.terminal && p.drawn {
		fmt.Fprintln(p.out)
	}
}
