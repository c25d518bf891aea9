package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

// request is what a handler sees of an HTTP request whose caller and query were checked.
type request struct {
	ctx    context.Context
	caller auth.Caller
	query  url.Values
	http   *http.Request
}

// path gives a segment of the path by its name in the pattern.
func (q request) path(name string) string { return q.http.PathValue(name) }

func (q request) uid() auth.UserID { return auth.UserID(q.path("uid")) }

func (q request) mail() auth.MailID { return auth.MailID(q.path("mail")) }

// param gives a query parameter; "" where it is absent.
func (q request) param(name string) string { return q.query.Get(name) }

// limit gives the number of rows asked for.
func (q request) limit() (int, error) {
	text := q.param("limit")
	if text == "" {
		return auth.PageSize(0)
	}
	wish, err := strconv.Atoi(text)
	if err != nil || wish == 0 {
		wish = -1 // PageSize has the words
	}
	return auth.PageSize(wish)
}

// instant gives an RFC 3339 query parameter; zero where it is absent.
func (q request) instant(name string) (time.Time, error) {
	text := q.param(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, badParam(name, "must be an RFC 3339 instant")
	}
	return t.UTC(), nil
}

// flag gives a boolean query parameter; false where it is absent.
func (q request) flag(name string) (bool, error) {
	switch q.param(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badParam(name, "must be true or false")
}

// optionalFlag gives a boolean query parameter; nil where it is absent.
func (q request) optionalFlag(name string) (*bool, error) {
	if q.param(name) == "" {
		return nil, nil
	}
	value, err := q.flag(name)
	return &value, err
}

// parseQuery reads the parameters that the operation knows, each at most once. One that it does not know is refused: a misspelt filter would restrict nothing.
func parseQuery(raw string, known []string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &auth.Error{Code: auth.CodeInvalidArgument, Message: "the query string cannot be read"}
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return nil, &auth.Error{Code: auth.CodeInvalidArgument, Message: "the query string has a parameter that this operation does not know; it knows: " + strings.Join(known, ", ")}
		case len(values) > 1:
			return nil, badParam(name, "is given more than once")
		case !utf8.ValidString(values[0]) || strings.ContainsFunc(values[0], unicode.IsControl):
			return nil, badParam(name, "holds characters that are not text")
		}
	}
	return query, nil
}

// page encodes at most limit of the rows, of which the caller asked one more for, and gives the cursor for the rest: the key of the last one shown.
func page[Row, Item any](rows []Row, limit int, encode func(Row) Item, key func(Item) string) (items []Item, next string) {
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	items = make([]Item, len(rows))
	for i, row := range rows {
		items[i] = encode(row)
	}
	if more {
		next = key(items[limit-1])
	}
	return items, next
}
