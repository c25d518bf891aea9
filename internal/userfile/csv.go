package userfile

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Columns are what a table may have, in any order. They are fields of PortableUser.
func Columns() []string { return slices.Clone(columns) }

var columns = []string{"uid", "email", "emailVerified", "name", "picture", "locale", "disabled", "passwordHash", "roles", "createdAt", "passwordUpdatedAt", "lastSignInAt"}

// csvTable reads the records of RFC 4180, with commas or, as spreadsheets write them in much of Europe, semicolons.
type csvTable struct {
	records *csv.Reader
	columns []string // of the file, in its order
}

func newCSVTable(r *bufio.Reader) (*csvTable, error) {
	head, _ := r.Peek(r.Size()) // an error comes again with the first record
	names, _, _ := strings.Cut(string(head), "\n")
	t := &csvTable{records: csv.NewReader(r)}
	if strings.Contains(names, ";") && !strings.Contains(names, ",") {
		t.records.Comma = ';'
	}
	t.records.FieldsPerRecord = -1
	first, err := t.records.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; the first line has to name the columns")
	}
	if err != nil {
		return nil, fmt.Errorf("the first line has to name the columns: %w", tableError(err))
	}
	for _, name := range first {
		i := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, strings.TrimSpace(name)) })
		if i < 0 {
			return nil, fmt.Errorf("the column %.40q is not known; the first line names some of %s", name, strings.Join(columns, ", "))
		}
		if slices.Contains(t.columns, columns[i]) {
			return nil, fmt.Errorf("the column %s is there twice", columns[i])
		}
		t.columns = append(t.columns, columns[i])
	}
	return t, nil
}

// next gives a record as a PortableUser. What is wrong with a value is found where that is read.
func (t *csvTable) next() ([]byte, int, error) {
	record, err := t.records.Read()
	if err != nil {
		return nil, 0, tableError(err)
	}
	number, _ := t.records.FieldPos(0)
	user := map[string]any{}
	if len(record) != len(t.columns) {
		return nil, number, &LineError{fmt.Sprintf("the line has %d fields, and the first one names %d", len(record), len(t.columns))}
	}
	for i, value := range record {
		if value = strings.TrimSpace(value); value != "" {
			user[t.columns[i]] = cell(t.columns[i], value)
		}
	}
	line, err := json.Marshal(user)
	return line, number, err
}

func cell(column, value string) any {
	switch column {
	case "emailVerified", "disabled":
		switch strings.ToLower(value) {
		case "true", "yes", "1":
			return true
		case "false", "no", "0":
			return false
		}
	case "roles":
		roles := strings.Split(value, ";")
		for i := range roles {
			roles[i] = strings.TrimSpace(roles[i])
		}
		return roles
	}
	return value
}

// tableError says where the file is no table, without quoting it.
func tableError(err error) error {
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return fmt.Errorf("line %d: %w", wrong.Line, wrong.Err)
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("read users: %w", err)
}

// LineError is what is wrong with one line, while the others may do.
type LineError struct{ reason string }

func (e *LineError) Error() string { return e.reason }
