package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// checkDocument holds body to the rules that encoding/json does not keep: it takes the last of two members with one
// name, puts U+FFFD in place of what is no UTF-8, and lets NUL pass (P31).
func checkDocument(body []byte, maxDepth int) error {
	trimmed := bytes.Trim(body, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return Malformed("The request body is empty where a JSON object is expected")
	case trimmed[0] != '{':
		return Malformed("The request body must be a JSON object")
	case !utf8.Valid(body):
		return Malformed("The request body must be valid UTF-8")
	case !json.Valid(body):
		return Malformed("The request body is not valid JSON")
	}
	if err := checkEscapes(body); err != nil {
		return err
	}
	return checkMembers(body, maxDepth)
}

// checkEscapes refuses \u0000 and surrogates that form no pair (RFC 8259 section 8.2). In valid JSON a backslash
// starts an escape, and stands nowhere but in strings.
func checkEscapes(body []byte) error {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++ // at the letter after the backslash
		if body[i] != 'u' {
			continue
		}
		first := escapedRune(body[i+1:])
		i += 4
		switch {
		case first == 0:
			return Malformed("The request body must not contain the character U+0000")
		case !utf16.IsSurrogate(first):
			continue
		}
		rest := body[i+1:]
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' ||
			utf16.DecodeRune(first, escapedRune(rest[2:])) == utf8.RuneError {
			return Malformed("The request body must not contain lone surrogates")
		}
		i += 6
	}
	return nil
}

// escapedRune reads the four hex digits that valid JSON has after \u.
func escapedRune(digits []byte) rune {
	code, err := strconv.ParseUint(string(digits[:4]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(code)
}

// scope is an object or array that is still open.
type scope struct {
	names    map[string]bool // nil in an array
	wantName bool            // the next token of an object is a member's name
}

// checkMembers refuses names that an object has twice, compared as decoded ("\u0065mail" is "email"), and objects
// and arrays deeper than maxDepth. body is valid JSON.
func checkMembers(body []byte, maxDepth int) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var open []scope
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil { // not reached by valid JSON; refuse all the same
			return Malformed("The request body is not valid JSON")
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].names != nil {
			within := &open[n-1]
			within.wantName = !within.wantName
			if !within.wantName {
				name, _ := token.(string)
				if within.names[name] {
					return Malformed("The request body has an object that names a member twice")
				}
				within.names[name] = true
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, scope{names: map[string]bool{}, wantName: true})
		case json.Delim('['):
			open = append(open, scope{})
		}
		if len(open) > maxDepth {
			return Malformed(fmt.Sprintf("The request body is nested deeper than %d levels", maxDepth))
		}
	}
}
