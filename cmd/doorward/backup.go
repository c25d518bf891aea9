package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/server"
)

type backupCmd struct {
	Create backupCreateCmd `cmd:"" default:"withargs" help:"Write a backup. It may be called as doorward backup, too."`
	List   backupListCmd   `cmd:"" help:"List the backups at a place, newest first, and tell whether one is overdue."`
	Keygen backupKeygenCmd `cmd:"" help:"Make a key pair: one half for servers, which seals backups, one for you, which opens them."`
}

type backupCreateCmd struct {
	dataFlags
	To             string   `help:"Directory, file that ends in .backup, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME. The configured backup-to where it is left out." placeholder:"PLACE"`
	Recipient      []string `help:"Seal for this public key (age1…) in place of the configured way. More than one may be given." placeholder:"KEY"`
	PassphraseFile string   `help:"Seal with the passphrase in this file in place of the configured way." placeholder:"FILE"`
}

func (backupCreateCmd) Help() string {
	return `One file for everything, of both kinds of database; it restores into either. Servers go on serving: what is in it is the state of one instant. A backup has its name only once it is complete and on stable storage.

It is always encrypted: for recipients (doorward backup keygen makes one), with a passphrase, or else with the master key. In the first two cases the master key is inside, and the backup alone is enough. In the third it opens only with the key file, which is not inside: keep a copy of that elsewhere.

Credentials for S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws/credentials.

Example:

    doorward backup --data /var/lib/doorward --to /mnt/backups --recipient age1…   (doorward backup create does the same)`
}

// madeBackup is what `doorward backup` prints.
type madeBackup struct {
	Name      string    `json:"name"`
	Place     string    `json:"place"`
	At        time.Time `json:"at"`
	Bytes     int64     `json:"bytes"`
	Rows      int64     `json:"rows"`
	MasterKey bool      `json:"masterKey"`
}

func (cmd backupCreateCmd) Run(a *app) (err error) {
	if err := a.takeSealFlags(cmd.Recipient, cmd.PassphraseFile); err != nil {
		return err
	}
	c := loadConfig(a.flags, a.env)
	c.useRecordedPublicURL()
	if err := c.err(); err != nil {
		return err
	}
	to := cmd.To
	if to == "" {
		to = c.server.Backup.To
	}
	if to == "" {
		return usageError("say with --to where the backup goes, as --to /mnt/backups")
	}
	place, name, err := backup.ParsePlace(to, time.Now)
	if err != nil {
		return usageError("--to: " + err.Error())
	}
	if err := c.checkDataThere(); err != nil {
		return err
	}
	c.inject(slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	instance, err := server.Open(a.ctx, c.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	made, err := instance.Backup(a.ctx, instance.Service.LocalOperator(auth.Caller{}), place, name)
	if err != nil {
		return backupError(err, made.Name, place)
	}
	return a.print(madeBackup{made.Name, place.String(), made.At, made.Bytes, made.Rows, made.MasterKey}, func(w io.Writer) {
		pairs(w, "Backup", made.Name, "Place", place.String(), "Of", timeText(made.At)+" UTC", "Rows", fmt.Sprint(made.Rows), "Bytes", fmt.Sprint(made.Bytes))
		if !made.MasterKey {
			fmt.Fprintf(w, "\nIt opens only with %s, which is not in it: keep a copy of that elsewhere, or seal backups for a recipient (`doorward backup keygen`).\n", plain(c.server.MasterKeyFile))
		}
	})
}

// backupError tells whether there is a backup all the same.
func backupError(err error, name string, place backup.Place) error {
	if errors.Is(err, auth.ErrBackupNotRecorded) {
		return fmt.Errorf("%s is in %s: %w", name, place, err)
	}
	return fmt.Errorf("%w; there is no new backup", err)
}

// takeSealFlags puts the flags of this command in the place of the options that seal backups.
func (a *app) takeSealFlags(recipients []string, passphraseFile string) error {
	if len(recipients) == 0 && passphraseFile == "" {
		return nil
	}
	a.flags["backup-recipients"], a.flags["backup-passphrase"] = strings.Join(recipients, ","), ""
	if passphraseFile == "" {
		return nil
	}
	if len(recipients) > 0 {
		return usageError("a backup is sealed for recipients or with a passphrase, not both")
	}
	passphrase, err := readSecretFile(passphraseFile)
	if err != nil {
		return err
	}
	a.flags["backup-passphrase"] = passphrase
	return nil
}

func readSecretFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", usageError(err.Error())
	}
	if text := strings.TrimRight(string(content), "\r\n"); text != "" {
		return text, nil
	}
	return "", usageError(path + " is empty")
}

type backupListCmd struct {
	dataFlags
	Place string `arg:"" optional:"" help:"Directory or s3://…; the configured backup-to where it is left out."`
}

func (backupListCmd) Help() string {
	return `The exit code is 1 where the configured server makes backups there by itself and the newest is overdue.

Example:

    doorward backup list /mnt/backups`
}

type listedBackup struct {
	Name      string    `json:"name"`
	Host      string    `json:"host"`
	At        time.Time `json:"at"`
	Scheduled bool      `json:"scheduled"`
	Bytes     int64     `json:"bytes"`
}

func (cmd backupListCmd) Run(a *app) error {
	c := loadConfig(a.flags, a.env)
	c.useRecordedPublicURL()
	if err := c.err(); err != nil {
		return err
	}
	own := cmd.Place == "" || cmd.Place == c.server.Backup.To
	if cmd.Place == "" {
		cmd.Place = c.server.Backup.To
	}
	if cmd.Place == "" {
		return usageError("name the place, as doorward backup list /mnt/backups")
	}
	place, _, err := backup.ParsePlace(cmd.Place, time.Now)
	if err != nil {
		return usageError(err.Error())
	}
	files, err := place.List(a.ctx)
	if err != nil {
		return err
	}
	list := make([]listedBackup, len(files))
	for i, f := range files {
		list[i] = listedBackup{f.Name.String(), f.Host, f.At, f.Scheduled, f.Size}
	}
	err = printList(a, list, "NAME OF BYTES SCHEDULED", func(b listedBackup) []string {
		return []string{b.Name, timeText(b.At), fmt.Sprint(b.Bytes), yesNo(b.Scheduled)}
	})
	if err != nil || !own {
		return err
	}
	return overdue(files, c.server, time.Now())
}

// overdue is an error where the server's own newest backup is too old.
func overdue(files []backup.File, c server.Config, now time.Time) error {
	limit := c.Backup.Every + server.BackupGrace(c.Backup.Every)
	own, future := backup.Scheduled(files, c.PublicURL.Host, now)
	switch {
	case len(own) == 0 && len(future) > 0:
		return fmt.Errorf("overdue: %s has only backups there of a time that has not come, as %s", c.PublicURL.Host, future[0].Name)
	case len(own) == 0:
		return fmt.Errorf("overdue: %s has made no backup there yet; the server's log says why", c.PublicURL.Host)
	case now.Sub(own[0].At) > limit:
		return fmt.Errorf("overdue: the newest backup of %s is of %s UTC; the server's log says why", c.PublicURL.Host, timeText(own[0].At))
	}
	return nil
}

type backupKeygenCmd struct {
	Out string `required:"" help:"File to write the key to that opens backups. One that is there is not replaced." placeholder:"FILE"`
}

func (backupKeygenCmd) Help() string {
	return `Servers need the recipient that is printed, and nothing else: they can make backups and read none. The file opens all of them: keep it where the servers are not, and twice. It is a key file of age, whose tools open the backups, too.

Example:

    doorward backup keygen --out backup.key`
}

func (cmd backupKeygenCmd) Run(a *app) error {
	text, recipient, err := backup.NewKey()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(cmd.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return a.print(map[string]string{"file": cmd.Out, "recipient": recipient}, func(w io.Writer) {
		pairs(w, "Key file", cmd.Out+"  (keep it away from the servers)", "Recipient", recipient)
		fmt.Fprintf(w, "\ndoorward serve --backup-to PLACE --backup-recipients %s …\n", recipient)
	})
}

type restoreCmd struct {
	dataFlags
	Backup           string `arg:"" help:"Backup: a file, s3://BUCKET/PREFIX/NAME.backup?endpoint=URL&region=NAME, or a place, whose newest it is then, unless that is of a time to come."`
	To               string `help:"Database to make, sqlite:FILE or postgres://…; it must be new." placeholder:"URL"`
	Key              string `help:"Key file that opens the backup, as doorward backup keygen wrote it." placeholder:"FILE"`
	PassphraseFile   string `help:"File with the passphrase that the backup is sealed with." placeholder:"FILE"`
	Verify           bool   `help:"First start a copy aside: count and compare every row, open every secret, sign with every project's key. Without --to nothing else is done."`
	SourceWasStopped bool   `help:"Nothing was changed after the backup: its server was stopped before. Sessions, codes, keys and waiting mails go on."`
}

func (restoreCmd) Help() string {
	return `What was ended after the backup must not live again, and a backup does not know what that was. So all sessions end, codes and links are void, every project gets a new signing key, and mails and deliveries that waited are dead, as they may have been sent since. Users sign in again. What else may have changed since is listed with the command for it. Where the server was stopped before the backup was made, as for a move, --source-was-stopped keeps all of it.

The master key comes from the backup, or else from --master-key-file. A restore that is interrupted is begun anew by the same command; a database that is not whole is not served.

Example:

    doorward restore /mnt/backups --key backup.key --verify --to sqlite:/var/lib/doorward/doorward.db --data /var/lib/doorward   (doorward restore)`
}

// restoreReport is what `doorward restore` prints.
type restoreReport struct {
	Backup   string          `json:"backup"`
	At       time.Time       `json:"at"`
	Schema   int64           `json:"schema"`
	Tables   []backup.Sum    `json:"tables"`
	Verified *verifyReport   `json:"verified,omitempty"`
	Restored string          `json:"restored,omitempty"`       // the database
	Unsure   bool            `json:"outcomeUnknown,omitempty"` // whether it was
	Kept     bool            `json:"keptSessions"`
	Unknown  []unknownReport `json:"mayHaveChanged,omitempty"`
}

type verifyReport struct {
	Rows     int64    `json:"rows"`
	Secrets  int64    `json:"secrets"`
	Projects []string `json:"projects"` // whose test token was verified
}

type unknownReport struct {
	Project string    `json:"project,omitempty"`
	What    string    `json:"what"`
	Changed time.Time `json:"changed"`
	Command string    `json:"command"`
}

func (cmd restoreCmd) Run(a *app) error {
	if cmd.To == "" && !cmd.Verify {
		return usageError("say with --to which database to make, as --to sqlite:/var/lib/doorward/doorward.db, or --verify to see whether one can be made")
	}
	if cmd.To != "" {
		a.flags["database"] = cmd.To
	}
	c := loadConfig(a.flags, a.env)
	if err := c.err(); err != nil {
		return err
	}
	c.inject(slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	o, err := cmd.options(a)
	if err != nil {
		return err
	}
	report := restoreReport{Backup: o.Name, Kept: cmd.SourceWasStopped}
	if cmd.Verify {
		v, err := server.VerifyBackup(a.ctx, c.server, o)
		if err != nil {
			return fmt.Errorf("the backup was not verified: %w", err)
		}
		report.At, report.Schema, report.Tables = v.Header.At, v.Header.Schema, v.Tables
		report.Verified = &verifyReport{backup.Trailer{Tables: v.Tables}.Rows(), v.Secrets, v.Projects}
	}
	var unsure error
	if cmd.To != "" {
		r, err := server.Restore(a.ctx, c.server, o)
		if errors.Is(err, server.ErrMaybeRestored) {
			report.Unsure, unsure, err = true, err, nil
		}
		if err != nil {
			return fmt.Errorf("nothing was restored: %w", err)
		}
		report.At, report.Schema, report.Tables, report.Restored = r.Header.At, r.Header.Schema, r.Tables, c.show("database")
		if !cmd.SourceWasStopped {
			report.Unknown = reportUnknown(r.Unknown)
		}
	}
	return errors.Join(a.print(report, func(w io.Writer) { report.write(w, c.server.MasterKeyFile) }), unsure)
}

// show gives an option's value as it may be printed.
func (c *configuration) show(key string) string {
	for _, o := range options {
		if o.key == key {
			return o.show(c.values[key].text)
		}
	}
	return ""
}

func (cmd restoreCmd) options(a *app) (o server.RestoreOptions, err error) {
	o.SourceStopped, o.Progress = cmd.SourceWasStopped, a.restoreProgress()
	if cmd.Key != "" {
		if o.Keys.Identities, err = readSecretFile(cmd.Key); err != nil {
			return o, err
		}
	}
	if cmd.PassphraseFile != "" {
		if o.Keys.Passphrase, err = readSecretFile(cmd.PassphraseFile); err != nil {
			return o, err
		}
	}
	if o.From, o.Name, err = backup.ParsePlace(cmd.Backup, time.Now); err != nil {
		return o, usageError("the backup: " + err.Error())
	}
	if o.Name == "" {
		o.Name, err = backup.Newest(a.ctx, o.From, time.Now())
	}
	if errors.Is(err, backup.ErrNotThere) {
		err = notFoundError(err.Error())
	}
	return o, err
}

// restoreProgress tells people at a terminal, on one line, how far it is.
func (a *app) restoreProgress() func(table string, rows, of int64) {
	file, ok := a.stderr.(*os.File)
	if !ok || a.json || !isTerminal(file) {
		return nil
	}
	return func(table string, rows, of int64) {
		fmt.Fprintf(file, "\r\x1b[K%s: %d of %d rows", table, rows, of)
		if rows == of {
			fmt.Fprint(file, "\r\x1b[K")
		}
	}
}

func (r restoreReport) write(w io.Writer, keyFile string) {
	pairs(w, "Backup", r.Backup, "Of", timeText(r.At)+" UTC", "Rows", fmt.Sprint(backup.Trailer{Tables: r.Tables}.Rows()), "Restored to", r.Restored)
	if r.Verified != nil {
		fmt.Fprintf(w, "\nVerified: %d rows of %d tables are as they were; %d secrets opened; test tokens of these projects were signed and verified: %s.\n",
			r.Verified.Rows, len(r.Tables), r.Verified.Secrets, plain(strings.Join(r.Verified.Projects, ", ")))
	}
	if r.Restored == "" {
		return
	}
	if r.Unsure {
		fmt.Fprintln(w, "\nIt is not known whether the database is whole: see the error. If it is, all of this holds.")
	}
	fmt.Fprintf(w, "\nThe master key is in %s; start the server with the same --master-key-file and --database.\n", plain(keyFile))
	if r.Kept {
		fmt.Fprintln(w, "Sessions, codes, keys and waiting mails go on. The old server must not be started again.")
		return
	}
	fmt.Fprintln(w, "All sessions are ended, codes are void, every project has a new signing key, and mails that waited are dead (`doorward mail list --state dead`).")
	writeUnknown(w, "backup", r.At, r.Unknown)
}

func reportUnknown(list []server.Unknown) (reports []unknownReport) {
	for _, u := range list {
		reports = append(reports, unknownReport{u.Project, u.What, u.Changed, u.Command})
	}
	return reports
}

// writeUnknown lists what may have changed after the instant that a backup or another file is of.
func writeUnknown(w io.Writer, source string, at time.Time, list []unknownReport) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\nThe %s does not know what was changed after %s UTC. If one of these was, for a reason, do it again:\n\n", source, timeText(at))
	for _, u := range list {
		scope := u.Project
		if scope == "" {
			scope = "instance"
		}
		fmt.Fprintf(w, "  %s: %s (last change %s)\n      %s\n", plain(scope), plain(u.What), orDash(timeText(u.Changed)), plain(u.Command))
	}
}
