package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/breached"
)

type breachedCmd struct {
	Build breachedBuildCmd `cmd:"" help:"Make the file from lists of passwords."`
	Check breachedCheckCmd `cmd:"" help:"Read a file and tell whether it is whole."`
}

type breachedBuildCmd struct {
	Out    string   `required:"" help:"File to write. One that is there is replaced when all is done." placeholder:"FILE"`
	Format string   `help:"What a line is: plain, a password; sha1, its SHA-1 in hexadecimal digits, and how often it was seen behind a colon; auto, what the first line looks like." default:"auto" enum:"auto,plain,sha1" placeholder:"FORMAT"`
	Lists  []string `arg:"" name:"list" help:"Lists, one password a line, gzip or not; - for standard input."`
}

func (breachedBuildCmd) Help() string {
	return `The file takes about 2.3 bytes for each password. Memory stays below 100 MB however long the lists are; beside the file there must be room for 8 bytes more for each line while it is made. A running server takes a new file at its next start.

Example:

    doorward breached build --out /var/lib/doorward/breached.bin leaked.txt.gz sha1-of-more.txt`
}

func (c breachedBuildCmd) Run(a *app) error {
	var lists []breached.List
	for _, path := range c.Lists {
		file, err := a.openInput(path)
		if err != nil {
			return err
		}
		defer file.Close()
		lists = append(lists, breached.List{Name: path, Reader: file, Format: breached.Format(c.Format)})
	}
	report, err := breached.Build(a.ctx, c.Out, lists...)
	if err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	return a.print(map[string]any{"file": c.Out, "lines": report.Lines, "passwords": report.Passwords, "bytes": report.Bytes}, func(w io.Writer) {
		fmt.Fprintf(w, "%s has %d passwords, of %d lines, in %d bytes.\n", plain(c.Out), report.Passwords, report.Lines, report.Bytes)
	})
}

type breachedCheckCmd struct {
	File          string `arg:"" help:"File that breached build wrote."`
	PasswordStdin bool   `help:"Also tell whether the password on standard input is on the list."`
}

func (breachedCheckCmd) Help() string {
	return `The exit code is 1 where the file is damaged. A password that is not on the list is taken for one that is in about one of 65,000 cases.

Example:

    doorward breached check /var/lib/doorward/breached.bin`
}

type breachedReport struct {
	File      string `json:"file"`
	Passwords uint64 `json:"passwords"`
	Bytes     int64  `json:"bytes"`
	Listed    *bool  `json:"listed,omitempty"`
}

func (c breachedCheckCmd) Run(a *app) (err error) {
	filter, err := breached.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, filter.Close()) }()
	if err := filter.Verify(a.ctx); err != nil {
		return err
	}
	report := breachedReport{File: c.File, Passwords: filter.Passwords(), Bytes: filter.Size()}
	if c.PasswordStdin {
		password, err := a.readPassword("-")
		if err != nil {
			return err
		}
		listed, err := filter.Contains(password)
		if err != nil {
			return err
		}
		report.Listed = &listed
	}
	return a.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s is whole: %d passwords in %d bytes.\n", plain(c.File), report.Passwords, report.Bytes)
		switch {
		case report.Listed == nil:
		case *report.Listed:
			fmt.Fprintln(w, "The password is on the list.")
		default:
			fmt.Fprintln(w, "The password is not on the list.")
		}
	})
}
