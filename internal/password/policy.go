package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy says which new passwords are acceptable (P26). It applies when a
// password is chosen, never when one is verified. The zero value refuses only
// what cannot be hashed or typed.
type Policy struct {
	MinLength int // in characters (code points); an empty password is always refused
	MaxLength int // in characters; 0 means MaxBytes alone bounds the length
	// RefuseCommon refuses passwords that many people use.
	RefuseCommon bool
	// Context holds names an attacker would try first, such as the project's;
	// passwords made of them are refused.
	Context []string
}

// Refusal is the error with which a Policy refuses a password.
type Refusal struct {
	// Reason is a sentence for the user, without a full stop. It never quotes
	// the password.
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

const (
	reasonNotText = "Password should be valid UTF-8 text"
	reasonNUL     = "Password should not contain the NUL character"
	reasonCommon  = "Password is too common"
	reasonContext = "Password contains your name, your email address or the project's name"
)

// Check returns nil if the password is acceptable, and a *Refusal otherwise.
// context adds to p.Context what is known about this user, such as the email
// address.
func (p Policy) Check(password string, context ...string) error {
	if reason := p.reason(password, context); reason != "" {
		return &Refusal{Reason: reason}
	}
	return nil
}

func (p Policy) reason(password string, context []string) string {
	if len(password) > MaxBytes {
		return fmt.Sprintf("Password should be at most %d bytes", MaxBytes)
	}
	if !utf8.ValidString(password) {
		return reasonNotText
	}
	if strings.IndexByte(password, 0) >= 0 {
		return reasonNUL
	}
	length := utf8.RuneCountInString(password)
	if least := max(1, p.MinLength); length < least {
		return "Password should be at least " + characters(least)
	}
	if p.MaxLength > 0 && length > p.MaxLength {
		return "Password should be at most " + characters(p.MaxLength)
	}
	if p.RefuseCommon && isCommon(password) {
		return reasonCommon
	}
	if restsOnContext(password, contextWords(p.Context, context)) {
		return reasonContext
	}
	return ""
}

func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return fmt.Sprintf("%d characters", n)
}

const (
	// minContextWord is the shortest context word looked for, in characters.
	// Shorter ones turn up inside unrelated words.
	minContextWord = 4
	// minContextRest is how many characters besides the context words make a
	// password acceptable after all: a long passphrase may hold one's own name.
	minContextRest = 8
)

// contextWords returns the words to look for: each text as a whole, with its
// punctuation removed, and in parts. "ann.lee@example.com" gives itself,
// "annleeexamplecom" and "example".
func contextWords(lists ...[]string) []string {
	var words []string
	add := func(word string) {
		if utf8.RuneCountInString(word) >= minContextWord {
			words = append(words, word)
		}
	}
	for _, list := range lists {
		for _, text := range list {
			text = strings.ToLower(text)
			parts := strings.FieldsFunc(text, notAlphanumeric)
			local, _, _ := strings.Cut(text, "@")
			add(text)
			add(strings.Join(parts, ""))
			add(local)
			add(strings.Join(strings.FieldsFunc(local, notAlphanumeric), ""))
			for _, part := range parts {
				add(part)
			}
		}
	}
	return words
}

// restsOnContext reports whether the password contains a context word, plainly
// or with digits for letters, and what is left without it is short or common.
func restsOnContext(password string, words []string) bool {
	lower := strings.ToLower(password)
	for _, spelling := range append(unleet(lower), lower) {
		rest := spelling
		for _, word := range words {
			rest = strings.ReplaceAll(rest, word, "")
		}
		if rest == spelling {
			continue
		}
		if utf8.RuneCountInString(rest) < minContextRest || isCommon(rest) {
			return true
		}
	}
	return false
}

func notAlphanumeric(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
