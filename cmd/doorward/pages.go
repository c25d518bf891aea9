package main

import "fmt"

// pageFlags bound a list.
type pageFlags struct {
	Limit int    `help:"Most entries to print." default:"1000" placeholder:"N"`
	After string `help:"Continue after the entry with this id." placeholder:"ID"`
}

// maxPage is the most entries that one call of the API gives.
const maxPage = 1000

// collect asks for one page after the other until it has enough. Where there is more, it says on stderr how to go on.
func collect[T any](a *app, p pageFlags, ask func(after string, limit int) (page []T, next string, err error)) ([]T, error) {
	if p.Limit < 1 {
		return nil, usageError("--limit is 1 or more")
	}
	var all []T
	next := p.After
	for {
		page, cursor, err := ask(next, min(maxPage, p.Limit-len(all)))
		if err != nil {
			return nil, err
		}
		all, next = append(all, page...), cursor
		if next == "" {
			return all, nil
		}
		if len(all) >= p.Limit {
			fmt.Fprintf(a.stderr, "doorward: there is more; go on with --after %s\n", plain(next))
			return all, nil
		}
	}
}
