package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// M and L write JSON objects and arrays in tests. As an expectation, a value may be a matcher.
type (
	M = map[string]any
	L = []any
)

// matcher accepts a family of JSON values. An optional one also accepts that its member is absent.
type matcher struct {
	name     string
	ok       func(v any) bool
	optional bool
}

func isString(name string, ok func(string) bool) matcher {
	return matcher{name: name, ok: func(v any) bool { s, is := v.(string); return is && ok(s) }}
}

func matches(pattern string) matcher {
	return isString("text like "+pattern, regexp.MustCompile(pattern).MatchString)
}

func startsWith(prefix string) matcher {
	return isString("text that starts with "+prefix, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

// names accepts a text that mentions every given word.
func names(words ...string) matcher {
	return isString(fmt.Sprintf("text that names %q", words), func(s string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
	})
}

func oneOf(values ...any) matcher {
	return matcher{name: fmt.Sprintf("one of %v", values), ok: func(v any) bool {
		return slices.ContainsFunc(values, func(want any) bool { return len(diff("", want, v)) == 0 })
	}}
}

func optional(m matcher) matcher { m.optional = true; return m }

var (
	isUID     = matches(`^[A-Za-z0-9]{28}$`)
	isJWT     = matches(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
	isText    = isString("a text that is not empty", func(s string) bool { return strings.TrimSpace(s) != "" })
	isAny     = matcher{name: "anything", ok: func(any) bool { return true }}
	isInstant = isString("an RFC 3339 instant", func(s string) bool { _, err := time.Parse(time.RFC3339, s); return err == nil })
	// isRefreshToken: at least 256 random bits need 43 characters of base64url.
	isRefreshToken = isString("an opaque token of at least 43 characters", func(s string) bool { return len(s) >= 43 && !strings.Contains(s, " ") })
	isWeakPassword = matches(`^WEAK_PASSWORD : \S`)
)

// diff compares a decoded JSON value with what is wanted and names each difference by its path.
func diff(path string, want, got any) []string {
	switch w := want.(type) {
	case matcher:
		if !w.ok(got) {
			return []string{fmt.Sprintf("%s: want %s, got %s", path, w.name, compact(got))}
		}
		return nil
	case M:
		return diffObject(path, w, got)
	case L:
		return diffArray(path, w, got)
	case int:
		want = float64(w)
	case int64:
		want = float64(w)
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s: want %s, got %s", path, compact(want), compact(got))}
	}
	return nil
}

func diffObject(path string, want M, got any) (found []string) {
	object, ok := got.(M)
	if !ok {
		return []string{fmt.Sprintf("%s: want an object, got %s", path, compact(got))}
	}
	for name, w := range want {
		value, there := object[name]
		if m, is := w.(matcher); !there && is && m.optional {
			continue
		}
		if !there {
			found = append(found, path+"."+name+": missing")
			continue
		}
		found = append(found, diff(path+"."+name, w, value)...)
	}
	for name, value := range object {
		if _, wanted := want[name]; !wanted {
			found = append(found, fmt.Sprintf("%s.%s: not wanted, but is %s", path, name, compact(value)))
		}
	}
	sort.Strings(found)
	return found
}

func diffArray(path string, want L, got any) (found []string) {
	array, ok := got.(L)
	if !ok {
		return []string{fmt.Sprintf("%s: want an array, got %s", path, compact(got))}
	}
	if len(want) != len(array) {
		return []string{fmt.Sprintf("%s: want %d elements, got %d: %s", path, len(want), len(array), compact(got))}
	}
	for i := range want {
		found = append(found, diff(fmt.Sprintf("%s[%d]", path, i), want[i], array[i])...)
	}
	return found
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return tail(string(text), 600)
}

// wantJSON fails the test for each difference between a JSON text and the wanted value.
func wantJSON(t *testing.T, what string, text []byte, want any) {
	t.Helper()
	for _, d := range diff("", want, parseJSON(t, what, text)) {
		t.Errorf("%s: %s", what, d)
	}
}

// parseJSON decodes exactly one JSON value.
func parseJSON(t *testing.T, what string, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: not JSON: %v: %q", what, err, tail(string(text), 600))
	}
	if decoder.More() {
		t.Fatalf("%s: more than one JSON value: %q", what, tail(string(text), 600))
	}
	return value
}

func mustMarshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only test data comes here
	}
	return text
}

// text returns a member of a decoded object that must be a string.
func text(t *testing.T, object any, name string) string {
	t.Helper()
	m, _ := object.(M)
	s, ok := m[name].(string)
	if !ok {
		t.Fatalf("no text %q in %s", name, compact(object))
	}
	return s
}
