package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/doorward/doorward/internal/adminapi"
)

type exportCmd struct {
	reachFlags
	projectFlag
	File  string `arg:"" optional:"" help:"File to write, readable by you alone. Default: standard output."`
	After string `help:"Begin after this uid, and append to the file: goes on with an export that broke off." placeholder:"UID"`
}

func (exportCmd) Help() string {
	return `Writes JSON Lines, one user each, with password hashes: keep the file as you keep the database.

Example:

    doorward export users.jsonl --project shop`
}

const exportBatch = 1000

// exportReport says what an export wrote.
type exportReport struct {
	Users int    `json:"users"`
	File  string `json:"file"`
}

func (c exportCmd) Run(a *app) (err error) {
	toStdout := c.File == "" || c.File == "-"
	var out io.Writer = a.stdout
	if !toStdout {
		file, err := c.create()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	users := 0
	err = a.reach(c.reachFlags, func(api *adminapi.Client) (err error) {
		users, err = a.export(api, c.Project, c.After, out)
		return err
	})
	if err != nil || toStdout {
		return err
	}
	return a.print(exportReport{users, c.File}, func(w io.Writer) { fmt.Fprintf(w, "%d users written to %s\n", users, c.File) })
}

// create makes the file, or opens it where an export goes on. It never overwrites one.
func (c exportCmd) create() (*os.File, error) {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.After != "" {
		mode = os.O_WRONLY | os.O_APPEND
	}
	file, err := os.OpenFile(c.File, mode, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, usageError(c.File + " is there already; choose another file, or go on with --after UID of its last line")
	case err != nil:
		return nil, usageError(err.Error())
	}
	return file, nil
}

// export writes batch after batch, each whole or not at all.
func (a *app) export(api *adminapi.Client, project, after string, out io.Writer) (users int, err error) {
	for {
		var batch bytes.Buffer
		next, err := api.ExportUsers(a.ctx, project, after, exportBatch, &batch)
		if err == nil {
			_, err = out.Write(batch.Bytes())
		}
		if err != nil && after != "" {
			return users, fmt.Errorf("%w; go on with --after %s", err, after)
		}
		if err != nil {
			return users, err
		}
		users += bytes.Count(batch.Bytes(), []byte("\n"))
		if next == "" {
			return users, nil
		}
		after = next
		if !a.json {
			fmt.Fprintf(a.stderr, "doorward: %d users written\n", users)
		}
	}
}
