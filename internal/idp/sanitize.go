package idp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sanitizer makes what a provider said fit to be kept for an operator to read: no token, code, secret or nonce stays in it, whoever sent it, and however it is
// dressed. What is removed leaves a mark with its length. It errs on the side of removing.
type sanitizer struct {
	known []string // secrets of this very operation, wherever they turn up
}

const (
	maxKnownSecrets  = 128
	minKnownSecret   = 4  // a shorter one would remove half of every text
	minRandom        = 16 // the shortest run of characters that is taken for random
	maxSanitizedText = 8 << 10
)

// learn adds a secret, in the forms in which others may repeat it.
func (s *sanitizer) learn(secrets ...string) {
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret), strings.Trim(quoted(secret), `"`)} {
			if len(s.known) < maxKnownSecrets && len(form) >= minKnownSecret && !slices.Contains(s.known, form) {
				s.known = append(s.known, form)
			}
		}
	}
	slices.SortFunc(s.known, func(a, b string) int { return len(b) - len(a) }) // what holds another goes first
}

// quoted is the JSON form of a string.
func quoted(text string) string {
	encoded, err := encodeJSON(text)
	if err != nil { // strings always encode
		return text
	}
	return encoded
}

func encodeJSON(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it is read by people
	err := encoder.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func removed(n int) string { return fmt.Sprintf("[removed, %d characters]", n) }

// body makes an answer's body fit, as what its media type says and else as what it looks like. The result is one line.
func (s *sanitizer) body(mediaType string, body []byte) string {
	media, parameters, err := mime.ParseMediaType(mediaType)
	if err != nil {
		media = ""
	}
	if isWide(parameters["charset"], body) {
		return fmt.Sprintf("[removed, %d bytes that are no text in UTF-8]", len(body))
	}
	var value any
	if decodeJSON(body, &value) == nil {
		s.collect(value)
		if encoded, err := encodeJSON(s.value("", value)); err == nil {
			return oneLine(encoded)
		}
	}
	body = body[:min(len(body), maxSanitizedText)]
	if media == "application/x-www-form-urlencoded" || formShape.Match(body) {
		if pairs, ok := s.form(string(body)); ok {
			return oneLine(pairs)
		}
	}
	return oneLine(s.text(string(body)))
}

// isWide tells text of two or four bytes per character, and what is no text: no pattern finds a secret in it.
func isWide(charset string, body []byte) bool {
	charset = plainName(charset)
	return bytes.IndexByte(body, 0) >= 0 || bytes.HasPrefix(body, []byte("\xfe\xff")) || bytes.HasPrefix(body, []byte("\xff\xfe")) ||
		strings.HasPrefix(charset, "utf16") || strings.HasPrefix(charset, "utf32") || strings.HasPrefix(charset, "iso10646")
}

var formShape = regexp.MustCompile(`^[\w.%\[\]+-]+=[^\s&]*(?:&[\w.%\[\]+-]+=[^\s&]*)*$`)

// collect learns the secrets in a value, so that they are removed also from where nothing tells that they are ones.
func (s *sanitizer) collect(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, item := range v {
			if text, ok := item.(string); ok && isSecretName(name) {
				s.learn(text)
			}
			s.collect(item)
		}
	case []any:
		for _, item := range v {
			s.collect(item)
		}
	}
}

// value gives a decoded JSON value without secrets. name is that of the member it is of.
func (s *sanitizer) value(name string, value any) any {
	if isSecretName(name) {
		return s.secretValue(name, value)
	}
	switch v := value.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for member, item := range v {
			clean[s.text(member)] = s.value(member, item)
		}
		return clean
	case []any:
		clean := make([]any, len(v))
		for i, item := range v {
			clean[i] = s.value(name, item)
		}
		return clean
	case string:
		switch {
		case isErrorName(name):
			return s.errorCode(v)
		case isIdentifier(name):
			return s.identifier(v)
		}
		return s.text(v)
	}
	return value
}

// errorCode keeps a value of "error" only where it has the shape of the registered ones (RFC 6749 section 5.2), as a secret in that place would go unnoticed.
func (s *sanitizer) errorCode(v string) string {
	if !errorShape.MatchString(v) {
		return removed(utf8.RuneCountInString(v))
	}
	return s.text(v)
}

var errorShape = regexp.MustCompile(`^[a-z_.]{1,64}$`)

func isErrorName(name string) bool { return plainName(name) == "error" }

// secretValue removes the value of a member whose name says that it is secret. Truth values and null tell nothing, and a short number in "code" is an error's.
func (s *sanitizer) secretValue(name string, value any) any {
	switch v := value.(type) {
	case nil, bool:
		return v
	case string:
		return removed(utf8.RuneCountInString(v))
	case json.Number:
		if strings.EqualFold(name, "code") && len(v) <= 5 {
			return v
		}
		return removed(len(v))
	}
	return "[removed]"
}

// form gives a form-encoded body without secrets, decoded for reading.
func (s *sanitizer) form(body string) (string, bool) {
	if _, err := url.ParseQuery(body); err != nil {
		return "", false
	}
	var pairs []string
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name) // ParseQuery could
		value, _ = url.QueryUnescape(value)
		if isSecretName(name) && !isErrorNumber(name, value) {
			s.learn(value)
			value = removed(utf8.RuneCountInString(value))
		} else if isErrorName(name) {
			value = s.errorCode(value)
		} else {
			value = s.text(value)
		}
		pairs = append(pairs, s.text(name)+"="+value)
	}
	return strings.Join(pairs, "&"), true
}

func isErrorNumber(name, value string) bool {
	return strings.EqualFold(name, "code") && len(value) <= 5 && strings.Trim(value, "0123456789") == ""
}

var (
	anyJWT = regexp.MustCompile(`eyJ[\w-]{5,}(?:\.[\w-]*)*`)
	anyPEM = regexp.MustCompile(`(?s)-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|$)`)
	// Credentials of HTTP (RFC 9110 section 11.4), with their header or without.
	header = regexp.MustCompile(`(?i)((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*)[^\r\n<]+`)
	scheme = regexp.MustCompile(`(?i)\b(bearer|basic|dpop|negotiate|digest)(\s+)[\w+/=.~:-]{4,}`)
	// name= or name: or "name": or 'name' =>, of which the name is looked at. Quotes may be escaped, as in JSON that is quoted in JSON.
	pairing = regexp.MustCompile(`([\w.-]*\w)(?:\\*["']|&quot;|&#34;)?\s*(?:=>|=|:|%3[dD])\s*`)
	// <input name="code" value="…">: a page's hidden fields.
	attribute = regexp.MustCompile(`(?i)\b(value|content)(\s*=\s*)("[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s>]+)`)
	tag       = regexp.MustCompile(`(?i)<(?:input|meta|button|option|param)\b[^>]*(?:>|$)`)
	run       = regexp.MustCompile(`[\w~+/=-]{16,}`)
)

// text removes secrets from text of any kind: HTML, logs, sentences.
func (s *sanitizer) text(text string) string {
	text = s.identifier(text)
	text = tag.ReplaceAllStringFunc(text, func(t string) string {
		return attribute.ReplaceAllStringFunc(t, func(a string) string {
			parts := attribute.FindStringSubmatch(a)
			return parts[1] + parts[2] + removed(utf8.RuneCountInString(strings.Trim(parts[3], `"'`)))
		})
	})
	text = removePairs(text)
	return run.ReplaceAllStringFunc(text, func(r string) string {
		if !looksRandom(r) {
			return r
		}
		return removed(len(r))
	})
}

// removePairs removes the values that stand behind secret names. A value may itself be a list of pairs, so the search goes on within those that are kept.
func removePairs(text string) string {
	var b strings.Builder
	for {
		m := pairing.FindStringSubmatchIndex(text)
		if m == nil {
			break
		}
		name := text[m[2]:m[3]]
		b.WriteString(text[:m[1]])
		text = text[m[1]:]
		if !isSecretName(name) {
			continue
		}
		end := valueEnd(text)
		value := strings.Trim(text[:end], `"'\`)
		if isErrorNumber(name, value) || strings.HasPrefix(text, "[removed") {
			continue
		}
		b.WriteString(removed(utf8.RuneCountInString(value)))
		text = text[end:]
	}
	b.WriteString(text)
	return b.String()
}

// valueEnd finds where the value that text begins with ends: at its closing quote, or where an unquoted one can go no further.
func valueEnd(text string) int {
	backslashes := len(text) - len(strings.TrimLeft(text, `\`))
	for _, quote := range []string{`"`, `'`, "&quot;", "&#34;"} {
		if !strings.HasPrefix(text[backslashes:], quote) {
			continue
		}
		quote = text[:backslashes] + quote
		for at := len(quote); at < len(text); at++ {
			switch {
			case strings.HasPrefix(text[at:], quote):
				return at + len(quote)
			case text[at] == '\\' && backslashes == 0:
				at++ // what is escaped ends nothing
			}
		}
		return len(text)
	}
	if end := strings.IndexAny(text, " \t\r\n&\"'<>,;}])"); end >= 0 {
		return end
	}
	return len(text)
}

// identifier removes from the value of a member that names somebody or something only what is a secret for certain: such names may look random.
func (s *sanitizer) identifier(text string) string {
	for _, secret := range s.known {
		text = strings.ReplaceAll(text, secret, removed(utf8.RuneCountInString(secret)))
	}
	text = anyPEM.ReplaceAllStringFunc(text, func(p string) string { return removed(len(p)) })
	text = anyJWT.ReplaceAllStringFunc(text, func(t string) string { return removed(len(t)) })
	text = header.ReplaceAllString(text, "$1$2[removed]")
	return scheme.ReplaceAllString(text, "$1$2[removed]")
}

// looksRandom tells made-up secrets from words, paths and numbers: those change between small letters, capitals and digits all the time.
func looksRandom(r string) bool {
	changes, last := 0, 0
	for _, c := range r {
		class := 0
		switch {
		case unicode.IsDigit(c):
			class = 1
		case unicode.IsUpper(c):
			class = 2
		case unicode.IsLower(c):
			class = 3
		}
		if class != 0 && last != 0 && class != last {
			changes++
		}
		if class != 0 {
			last = class
		}
	}
	return len(r) >= minRandom && changes*5 >= len(r)
}

// Names of members are compared without case, dashes and underscores.
var (
	secretParts = []string{
		"token", "secret", "password", "passwd", "passphrase", "pwd", "credential", "assertion", "verifier", "challenge", "nonce", "apikey", "privatekey", "clientkey",
		"authorization", "cookie", "signature", "jwt", "samlresponse", "otp", "passcode", "proof", "ticket", "sessionid", "sessionstate", "sessionkey", "logouthint",
	}
	secretNames = []string{"state", "session", "sid", "pin", "key", "athash", "chash", "shash", "sig", "auth"}
	plainNames  = []string{
		"tokentype", "tokenuse", "tokenendpoint", "tokenendpointauthmethod", "signaturealgorithm", "challengemethod", "codechallengemethod", "authtime", "emailverified",
		"passwordexpiry", "passwordexpired", "passwordlastchanged",
	}
	// Names that end in "code" and hold no authorization code.
	plainCodes = []string{
		"errorcode", "suberrorcode", "statuscode", "responsecode", "resultcode", "countrycode", "zipcode", "postalcode", "languagecode", "currencycode", "regioncode", "areacode",
	}
	// Names whose values an operator needs, and which are no secrets though they may look random.
	identifiers = []string{
		"sub", "userid", "uid", "oid", "tid", "iss", "aud", "azp", "clientid", "appid", "kid", "alg", "email", "upn", "preferredusername", "givenname", "familyname",
		"picture", "avatarurl", "hd", "fbtraceid", "traceid", "correlationid", "errorsubcode",
	}
)

func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func isSecretName(name string) bool {
	name = plainName(name)
	switch {
	case name == "" || slices.Contains(plainNames, name) || slices.Contains(plainCodes, name):
		return false
	case strings.HasSuffix(name, "code") || slices.Contains(secretNames, name):
		return true
	}
	return slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(name, part) })
}

func isIdentifier(name string) bool { return slices.Contains(identifiers, plainName(name)) }

// oneLine writes controls, line breaks and characters that turn the direction of text as \u00XX, and drops what is not UTF-8.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			fmt.Fprintf(&b, `\u%04X`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
