package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/server"
)

type projectExportCmd struct {
	ID             string   `arg:"" help:"Project."`
	To             string   `required:"" help:"File to make; one that is there is not replaced." placeholder:"FILE"`
	Recipient      []string `help:"Seal for this public key (age1…), as doorward backup keygen prints it. More than one may be given." placeholder:"KEY"`
	PassphraseFile string   `help:"Seal with the passphrase in this file." placeholder:"FILE"`
}

func (projectExportCmd) Help() string {
	return `One encrypted file with the project whole: users, password hashes, identities, second factors, sessions, signing keys, settings and their secrets, providers, webhooks, templates, audit log. It is the state of one instant; the server may go on serving. It works on the data directory or the database, not over --server.

On the other server, doorward project import takes it in. Mails and webhook deliveries that wait stay behind: the old server sends them. What changes here after the export is not in the file, so let users pause, or export at a quiet hour. Delete the project here once the other server has it; its id is not used again here.

Example:

    doorward project export shop --to shop.capsule --passphrase-file passphrase.txt`
}

// movedProject is what export and import print.
type movedProject struct {
	Project string    `json:"project"`
	File    string    `json:"file"`
	At      time.Time `json:"at"`
	Rows    int64     `json:"rows"`
	Issuer  string    `json:"issuer"` // of the server that the project comes from

	Unknown []unknownReport `json:"mayHaveChanged,omitempty"` // where its sessions ended
}

func (c projectExportCmd) Run(a *app, group *projectCmd) error {
	lock := backup.Lock{Recipients: c.Recipient}
	switch {
	case (len(c.Recipient) > 0) == (c.PassphraseFile != ""):
		return usageError("seal the file with --passphrase-file or for a --recipient, one of them")
	case c.PassphraseFile != "":
		var err error
		if lock.Passphrase, err = readPassphrase(c.PassphraseFile); err != nil {
			return err
		}
	}
	for _, recipient := range c.Recipient {
		if _, err := backup.ParseRecipient(recipient); err != nil {
			return usageError(err.Error())
		}
	}
	return a.onDatabase(group.reachFlags, func(instance *server.Instance, caller auth.Caller) error {
		project, err := instance.Service.Project(a.ctx, auth.ProjectID(c.ID))
		if err != nil {
			return err
		}
		caller.Project = project
		moved := movedProject{Project: c.ID, File: c.To, At: time.Now().UTC(), Issuer: instance.Service.Issuer(project.ID)}
		err = createWhole(c.To, func(w io.Writer) (err error) {
			moved.Rows, err = instance.ExportProject(a.ctx, caller, w, lock)
			return err
		})
		if err != nil {
			return err
		}
		return a.print(moved, func(w io.Writer) {
			pairs(w, "Project", moved.Project, "File", moved.File, "Rows", fmt.Sprint(moved.Rows), "Issuer", moved.Issuer)
			fmt.Fprintln(w, "\nWhat changes here from now on is not in it. Delete the project here once the other server serves it.")
		})
	})
}

// readPassphrase wants one that nobody guesses: whoever finds the file can try as many as they like.
func readPassphrase(path string) (string, error) {
	passphrase, err := readSecretFile(path)
	if err == nil && len(passphrase) < 12 {
		err = usageError("the passphrase has fewer than 12 characters; whoever finds the file can try as many as they like")
	}
	return passphrase, err
}

// createWhole makes a private file that has its name only when all of it is on stable storage.
func createWhole(path string, fill func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return usageError(path + " is there already; choose another file")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return usageError(err.Error())
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".doorward-*.partial") // of mode 0600
	if err != nil {
		return usageError(err.Error())
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err := errors.Join(fill(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

type projectImportCmd struct {
	File           string `arg:"" help:"File that doorward project export made."`
	Key            string `help:"Key file that opens it, as doorward backup keygen wrote it." placeholder:"FILE"`
	PassphraseFile string `help:"File with the passphrase that it is sealed with." placeholder:"FILE"`
	EndSessions    bool   `help:"Sessions, links in mails and signing keys stay behind, so users sign in again and no id token of before counts. Passwords, disabled users, tokens and secrets are those of the export; they are listed." xor:"sessions"`
	KeepSessions   bool   `help:"Sessions go on although the file is not of the last hour: nothing was ended on the old server since." xor:"sessions"`
}

func (projectImportCmd) Help() string {
	return `All or nothing: the project is served once all of it is there, and an import that breaks off leaves nothing. It works on the data directory or the database, not over --server; servers go on serving meanwhile. The project keeps its id, which must never have been used here; only a project "default" that nobody used or set up gives way to one that comes.

Passwords, sessions, refresh tokens, second factors and signing keys go on working. Where this server has another public URL, new id tokens have another issuer: tell it to whoever verifies them; the server itself takes the old ones until they expire (setting formerIssuer). Passkeys are bound to their domain: set passkeyRPID to the old one.

What was ended on the old server after the export is not known. With --end-sessions, sessions, refresh tokens, links and codes in mails and signing keys do not come along: the project gets a new key, and id tokens of before count no more. All else comes as it was: passwords, who is disabled, roles, second factors and recovery codes, the admin token, secrets of providers and webhooks. It is listed with the command that takes it back.

Example:

    doorward project import shop.capsule --passphrase-file passphrase.txt`
}

func (c projectImportCmd) Run(a *app, group *projectCmd) (err error) {
	var keys backup.Keys
	if c.Key != "" {
		if keys.Identities, err = readSecretFile(c.Key); err != nil {
			return err
		}
	}
	if c.PassphraseFile != "" {
		if keys.Passphrase, err = readSecretFile(c.PassphraseFile); err != nil {
			return err
		}
	}
	var sessions *bool
	if c.EndSessions || c.KeepSessions {
		sessions = &c.EndSessions
	}
	file, err := os.Open(c.File)
	if err != nil {
		return usageError(err.Error())
	}
	defer file.Close()
	return a.onDatabase(group.reachFlags, func(instance *server.Instance, caller auth.Caller) error {
		imported, err := instance.ImportProject(a.ctx, caller, file, keys, sessions)
		if err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		moved := movedProject{string(imported.Project), c.File, imported.At, int64(imported.Rows), imported.Issuer, reportUnknown(imported.Unknown)}
		return a.print(moved, func(w io.Writer) {
			pairs(w, "Project", moved.Project, "Name", imported.DisplayName, "Of", timeText(moved.At)+" UTC", "Rows", fmt.Sprint(moved.Rows))
			if issuer := instance.Service.Issuer(imported.Project); issuer != moved.Issuer {
				fmt.Fprintf(w, "\nThe issuer of new id tokens is %s, and was %s: tell it to whoever verifies them.\n", issuer, plain(moved.Issuer))
			}
			if c.EndSessions {
				fmt.Fprintln(w, "\nSessions, links and codes were left behind, and the project has a new signing key: id tokens of before count no more.")
			}
			writeUnknown(w, "file", moved.At, moved.Unknown)
		})
	})
}

// onDatabase opens the database that the flags name, as an operator. A capsule holds every secret of a project, so it does not go through the API.
func (a *app) onDatabase(f reachFlags, do func(*server.Instance, auth.Caller) error) error {
	if f.Server != "" || f.AdminToken != "" || a.env["DOORWARD_SERVER"] != "" && f.Data == "" && f.Database == "" && f.Config == "" {
		return usageError("this works on the data directory or the database; run it where they are, with --data or --database")
	}
	return a.withInstance(func(instance *server.Instance) error {
		return do(instance, instance.Service.LocalOperator(auth.Caller{}))
	})
}
