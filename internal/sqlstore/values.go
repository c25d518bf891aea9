package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

// errText refuses text that PostgreSQL could not keep, on both engines.
var errText = errors.New("text holds a NUL or invalid UTF-8")

// optional is text whose empty form is stored as NULL, so that it takes no part in uniqueness.
type optional string

// bind turns Go values into what both drivers take: int64, float64, string, []byte and nil.
func bind(args []any) ([]any, error) {
	bound := make([]any, len(args))
	for i, arg := range args {
		value, err := bindOne(arg)
		if err != nil {
			return nil, err
		}
		bound[i] = value
	}
	return bound, nil
}

func bindOne(arg any) (any, error) {
	switch v := arg.(type) {
	case nil, int64, float64:
		return v, nil
	case string:
		return bindText(v)
	case []byte:
		if len(v) == 0 {
			return nil, nil
		}
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case time.Time:
		return unixMilli(v), nil
	case netip.Addr:
		if !v.IsValid() {
			return "", nil
		}
		return bindText(v.String())
	case optional:
		if v == "" {
			return nil, nil
		}
		return bindText(string(v))
	case []auth.RoleID:
		return bindText(joinRoles(v))
	case []string:
		return bindStrings(v)
	case map[string]any:
		return bindJSON(v, len(v))
	case map[string]string:
		return bindJSON(v, len(v))
	}
	if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
		return bindText(v.String())
	}
	return nil, fmt.Errorf("cannot store a %T", arg)
}

func bindText(s string) (any, error) {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return nil, errText
	}
	return s, nil
}

func bindJSON(v any, entries int) (any, error) {
	if entries == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return string(text), nil
}

func bindStrings(v []string) (any, error) {
	text, err := json.Marshal(append([]string{}, v...))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return bindText(string(text))
}

// unixMilli is the stored form of an instant.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// milliseconds is the stored form of a duration, at least 1.
func milliseconds(d time.Duration) int64 { return max(1, d.Milliseconds()) }

// joinRoles writes each role between semicolons of its own, so that one can be cut out by its text (see DeleteRole).
func joinRoles(roles []auth.RoleID) string {
	var b strings.Builder
	for _, r := range roles {
		b.WriteString(roleMark(r))
	}
	return b.String()
}

func roleMark(r auth.RoleID) string { return ";" + string(r) + ";" }

// destinations wraps pointers to what database/sql cannot scan by itself.
func destinations(fields []any) []any {
	for i, field := range fields {
		switch field.(type) {
		case *time.Time, *netip.Addr, *auth.Email, *[]auth.RoleID, *[]string, *map[string]any, *map[string]string:
			fields[i] = destination{field}
		}
	}
	return fields
}

// destination scans a column into the pointer it holds; the inverse of bindOne.
type destination struct{ to any }

// Scan takes what the drivers give.
func (d destination) Scan(value any) error {
	switch to := d.to.(type) {
	case *time.Time:
		n, ok := value.(int64)
		if !ok {
			return fmt.Errorf("an instant is stored as %T", value)
		}
		*to = time.Time{}
		if n != 0 {
			*to = time.UnixMilli(n).UTC()
		}
		return nil
	case *auth.Email:
		*to = ""
		if value == nil {
			return nil
		}
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("text is stored as %T", value)
	}
	switch to := d.to.(type) {
	case *auth.Email:
		*to = auth.Email(text)
		return nil
	case *netip.Addr:
		return scanAddr(to, text)
	case *[]auth.RoleID:
		*to = nil
		for _, role := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' }) {
			*to = append(*to, auth.RoleID(role))
		}
		return nil
	case *[]string:
		*to = nil
		if text == "[]" {
			return nil
		}
		return json.Unmarshal([]byte(text), to)
	case *map[string]any:
		return scanMap(to, text)
	case *map[string]string:
		return scanMap(to, text)
	}
	return fmt.Errorf("cannot scan into %T", d.to)
}

func scanAddr(to *netip.Addr, text string) (err error) {
	*to = netip.Addr{}
	if text != "" {
		*to, err = netip.ParseAddr(text)
	}
	return err
}

func scanMap[V any](to *map[string]V, text string) error {
	*to = map[string]V{}
	if text == "{}" {
		return nil
	}
	return json.Unmarshal([]byte(text), to)
}
