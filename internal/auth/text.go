package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// clip shortens text from outside before it is quoted in an error.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return cutBytes(s, n) + "…"
}

// cutBytes shortens s to at most n bytes without cutting a character in two.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// plainText makes something storable of a header: valid UTF-8 without controls, at most n bytes.
func plainText(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return cutBytes(s, n)
}

// parseLocale gives a canonical BCP 47 tag, or "" for what is none.
func parseLocale(s string) string {
	if len(s) > 35 { // RFC 5646 section 4.4.1
		return ""
	}
	tag, err := language.Parse(s)
	if err != nil {
		return ""
	}
	return tag.String()
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// isStorable tells whether both engines keep the text as it is.
func isStorable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// checkText bounds a text by what it takes as JSON, since it ends up in tokens. It fails with CodeInvalidArgument.
func checkText(field, s string, most int) error {
	if encoded, err := json.Marshal(s); err != nil || len(encoded) > most+2 || !isStorable(s) {
		return invalidArgument(field, fmt.Sprintf("%s is longer than %d bytes as JSON, or not text", field, most))
	}
	return nil
}

// checkTexts looks through a value of JSON for text that cannot be kept.
func checkTexts(field string, value any) error {
	bad := false
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case string:
			bad = bad || !isStorable(v)
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for name, item := range v {
				bad = bad || !isStorable(name)
				walk(item)
			}
		}
	}
	walk(value)
	if bad {
		return invalidArgument(field, field+" holds NUL or text that is not UTF-8")
	}
	return nil
}
