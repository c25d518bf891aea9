package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// print writes a result: with --json the document, else what people does.
func (a *app) print(document any, people func(w io.Writer)) error {
	if !a.json {
		people(a.stdout)
		return nil
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// printList writes a list: with --json an array, else a table.
func printList[T any](a *app, list []T, header string, row func(T) []string) error {
	if list == nil {
		list = []T{} // an array, not null
	}
	return a.print(list, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, strings.ReplaceAll(header, " ", "\t"))
		for _, entry := range list {
			cells := row(entry)
			for i := range cells {
				cells[i] = orDash(plain(cells[i]))
			}
			fmt.Fprintln(t, strings.Join(cells, "\t"))
		}
		t.Flush()
	})
}

// printDone says in one line what was done; with --json as a document of the kind {"deleted": "id"}.
func (a *app) printDone(verb, what string) error {
	return a.print(map[string]string{verb: what}, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", verb, plain(what)) })
}

// pairs writes names and values below each other, and leaves empty ones out.
func pairs(w io.Writer, nameValue ...string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(nameValue); i += 2 {
		if nameValue[i+1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", nameValue[i], plain(nameValue[i+1]))
		}
	}
	t.Flush()
}

// plain drops characters that could control a terminal: names and addresses come from strangers.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// timeText prints an instant in UTC; "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
