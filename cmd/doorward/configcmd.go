package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Print each value, where it came from, and what is wrong."`
}

type configCheckCmd struct{ serverFlags }

func (configCheckCmd) Help() string {
	return `Takes the flags of serve. Secrets are not shown. The exit code is 2 where something is wrong.

Example:

    doorward config check --config /etc/doorward.toml`
}

type configReport struct {
	Values   []configValue `json:"values"`
	Problems []problem     `json:"problems"`
	Notes    []problem     `json:"notes"`
}

type configValue struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func (configCheckCmd) Run(a *app) error {
	c := loadConfig(a.flags, a.env)
	c.checkCertificates()
	report := configReport{Problems: []problem{}, Notes: []problem{}}
	for _, o := range options {
		v := c.values[o.key]
		report.Values = append(report.Values, configValue{o.key, o.show(v.text), v.source})
	}
	report.Problems = append(report.Problems, c.problems...)
	report.Notes = append(report.Notes, c.notes()...)
	report.Notes = append(report.Notes, c.backupNotes()...)
	if err := a.print(report, func(w io.Writer) { printConfig(w, report) }); err != nil {
		return err
	}
	if len(c.problems) > 0 {
		return usageError(fmt.Sprintf("the configuration has %d mistakes", len(c.problems)))
	}
	return nil
}

func printConfig(w io.Writer, report configReport) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range report.Values {
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, orDash(plain(v.Value)), plain(v.Source))
	}
	t.Flush()
	for _, p := range report.Problems {
		fmt.Fprintln(w, "WRONG "+plain(p.String()))
	}
	for _, n := range report.Notes {
		fmt.Fprintln(w, "NOTE  "+plain(n.String()))
	}
}
