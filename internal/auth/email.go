package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Email is a canonical address: what ParseEmail gives, and nothing else. It is compared exactly (P4).
type Email string

const (
	maxEmailBytes = 254 // RFC 5321 section 4.5.3.1.3, less the angle brackets
	maxLocalBytes = 64  // RFC 5321 section 4.5.3.1.1
)

// atext beyond letters and digits: RFC 5322 section 3.2.3.
const atextSymbols = "!#$%&'*+-/=?^_`{|}~"

var domainProfile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.Transitional(false))

// ParseEmail is the one function that makes an address canonical (P4): NFKC, lower case, the domain as IDNA A-labels. It takes one bare address with a
// dot-atom local part (RFC 5321 section 4.1.2, RFC 6531) and a domain of at least two labels; no quoted local parts, comments, address literals or display names.
// Spaces around it are dropped. It fails with CodeInvalidEmail. ParseEmail of its own result gives the same.
func ParseEmail(s string) (Email, error) {
	if len(s) > 4*maxEmailBytes || !utf8.ValidString(s) {
		return "", errInvalidEmail
	}
	local, domain, ok := strings.Cut(fold(strings.Trim(s, " \t\r\n")), "@")
	if !ok || !isLocalPart(local) {
		return "", errInvalidEmail
	}
	domain, err := domainProfile.ToASCII(domain)
	if err != nil || !isDomain(domain) {
		return "", errInvalidEmail
	}
	if len(local)+1+len(domain) > maxEmailBytes {
		return "", errInvalidEmail
	}
	return Email(local + "@" + domain), nil
}

var errInvalidEmail = newError(CodeInvalidEmail, "not a valid email address")

// fold maps spellings that people take for the same to one: compatibility forms and case. Lower-casing can undo normalisation, so it runs until nothing changes.
func fold(s string) string {
	for range 4 {
		next := norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
		if next == s {
			return s
		}
		s = next
	}
	return s
}

func isLocalPart(s string) bool {
	if s == "" || len(s) > maxLocalBytes || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
		return false
	}
	for i, r := range s {
		switch {
		case r == '.' || strings.ContainsRune(atextSymbols, r):
		case r < utf8.RuneSelf:
			if !('a' <= r && r <= 'z' || '0' <= r && r <= '9') {
				return false
			}
		case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return false // invisible
		case unicode.IsLetter(r) || unicode.IsDigit(r):
		case unicode.IsMark(r) && i > 0: // a mark needs something to stand on
		default: // controls, format characters, spaces, symbols: invisible or look-alike
			return false
		}
	}
	return true
}

func isDomain(s string) bool {
	if !strings.Contains(s, ".") || strings.HasSuffix(s, ".") {
		return false
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Trim(last, "0123456789") != "" // an all-numeric last label is an address, not a name (RFC 3696 section 2)
}

// IsZero tells whether there is no address.
func (e Email) IsZero() bool { return e == "" }
