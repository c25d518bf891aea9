package adminapi

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Bounds of one import.
const (
	MaxImportLines     = auth.MaxImportBatch // lines that hold a user
	MaxImportLineBytes = 64 << 10            // a longer line is left out and told
	MaxImportBytes     = 16 << 20            // of the whole body
)

// The formats of import lines.
const (
	FormatDoorward = "doorward" // PortableUser
	FormatFirebase = "firebase" // users as `firebase auth:export --format=json` writes them
)

var importFormats = []string{"", FormatDoorward, FormatFirebase}

// ndjson is the media type of one JSON object a line.
const ndjson = "application/x-ndjson"

// PortableUser is one account whole, as export writes and import reads it. PasswordHash is encoded with its parameters ($argon2id$…, $2b$…, $scrypt$…,
// $firebase-scrypt$…, $pbkdf2-sha256$…).
type PortableUser struct {
	UID                  string             `json:"uid,omitempty"` // on import "": one is made
	Email                string             `json:"email,omitempty"`
	EmailVerified        bool               `json:"emailVerified,omitempty"`
	Name                 string             `json:"name,omitempty"`
	Picture              string             `json:"picture,omitempty"`
	Locale               string             `json:"locale,omitempty"`
	Disabled             bool               `json:"disabled,omitempty"`
	InvitePending        bool               `json:"invitePending,omitempty"`
	VerificationRequired bool               `json:"verificationRequired,omitempty"`
	PasswordHash         string             `json:"passwordHash,omitempty"`
	PasswordUpdatedAt    time.Time          `json:"passwordUpdatedAt,omitzero"`
	CustomClaims         map[string]any     `json:"customClaims,omitempty"`
	Attributes           map[string]any     `json:"attributes,omitempty"`
	Roles                []string           `json:"roles,omitempty"` // names; import creates those that are missing
	Providers            []PortableIdentity `json:"providers,omitempty"`
	CreatedAt            time.Time          `json:"createdAt,omitzero"`
	LastSignInAt         time.Time          `json:"lastSignInAt,omitzero"`
}

// PortableIdentity is an account at an identity provider that is joined to the user.
type PortableIdentity struct {
	ProviderID    string `json:"providerId"`
	Subject       string `json:"subject"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"emailVerified,omitempty"`
}

// portableUserBody is how PortableUser arrives, with instants still as text.
type portableUserBody struct {
	UID                  string             `json:"uid"`
	Email                string             `json:"email"`
	EmailVerified        bool               `json:"emailVerified"`
	Name                 string             `json:"name"`
	Picture              string             `json:"picture"`
	Locale               string             `json:"locale"`
	Disabled             bool               `json:"disabled"`
	InvitePending        bool               `json:"invitePending"`
	VerificationRequired bool               `json:"verificationRequired"`
	PasswordHash         string             `json:"passwordHash"`
	PasswordUpdatedAt    string             `json:"passwordUpdatedAt"`
	CustomClaims         map[string]any     `json:"customClaims"`
	Attributes           map[string]any     `json:"attributes"`
	Roles                []string           `json:"roles"`
	Providers            []PortableIdentity `json:"providers"`
	CreatedAt            string             `json:"createdAt"`
	LastSignInAt         string             `json:"lastSignInAt"`
}

// ImportReport says what an import did, or in a dry run would do.
type ImportReport struct {
	DryRun        bool           `json:"dryRun"`
	Created       int            `json:"created"`
	Existing      int            `json:"existing"` // were there already, and were left as they are
	Failed        []ImportFailed `json:"failed"`
	CanSignIn     int            `json:"canSignIn"`     // of those created
	CannotSignIn  map[string]int `json:"cannotSignIn"`  // of those created, by reason
	PasswordKinds map[string]int `json:"passwordKinds"` // of those created, by hash format
}

// ImportFailed is a line that was left out. Lines count from 1; a hashConfig line is not counted.
type ImportFailed struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// importUsers reads at most MaxImportLines users, one a line, and hands those that parse to the domain.
func (a *API) importUsers(q request) (ImportReport, error) {
	dryRun, err := q.flag("dryRun")
	if err != nil {
		return ImportReport{}, err
	}
	format, err := oneOf(q, "format", importFormats)
	if err != nil {
		return ImportReport{}, err
	}
	if err := declaresNDJSON(q.http.Header); err != nil {
		return ImportReport{}, err
	}
	batch, err := readBatch(q.http.Body, format)
	if err != nil {
		return ImportReport{}, err
	}
	done, err := a.admin.ImportUsers(q.ctx, q.caller, batch.users, dryRun)
	if err != nil {
		return ImportReport{}, err
	}
	return batch.report(done, dryRun), nil
}

func declaresNDJSON(h http.Header) error {
	values := h.Values("Content-Type")
	if len(values) == 1 && h.Get("Content-Encoding") == "" {
		mediaType, _, err := mime.ParseMediaType(values[0])
		if err == nil && (mediaType == ndjson || mediaType == "application/jsonl") {
			return nil
		}
	}
	return &web.Error{Status: http.StatusUnsupportedMediaType, Detail: "The Content-Type of an import must be application/x-ndjson, without Content-Encoding"}
}

// importBatch is what was read of an import's body.
type importBatch struct {
	users  []auth.PortableUser
	lines  []int // of users, likewise indexed
	failed []ImportFailed
}

func (b *importBatch) fail(line int, err error) {
	b.failed = append(b.failed, ImportFailed{line, lineReason(err)})
}

func (b *importBatch) report(done auth.ImportReport, dryRun bool) ImportReport {
	failed := append([]ImportFailed{}, b.failed...)
	for _, f := range done.Failed {
		failed = append(failed, ImportFailed{b.lines[f.Index], f.Reason})
	}
	slices.SortFunc(failed, func(x, y ImportFailed) int { return cmp.Compare(x.Line, y.Line) })
	return ImportReport{dryRun, done.Created, done.Existing, failed, done.CanSignIn, counts(done.CannotSignIn), counts(done.PasswordKinds)}
}

func counts(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

// readBatch reads the body line by line, so that no more of it than one line is held twice. Empty lines hold no user, but count as lines.
func readBatch(body io.Reader, format string) (*importBatch, error) {
	lines := newLineReader(body)
	line, err := lines.next()
	parse := parsePortable
	if format == FormatFirebase {
		hashing, isConfig, badConfig := parseHashConfig(line)
		if badConfig != nil {
			return nil, badConfig
		}
		if isConfig {
			line, err = lines.next()
		}
		parse = hashing.parse
	}
	batch := &importBatch{}
	for n := 1; err != io.EOF; n++ {
		if err := batch.add(n, line, err, parse); err != nil {
			return nil, err
		}
		line, err = lines.next()
	}
	return batch, nil
}

// add takes one line in, or the complaint about it. It fails where the whole import does.
func (b *importBatch) add(n int, line []byte, complaint error, parse func([]byte) (auth.PortableUser, error)) error {
	var tooLong *lineTooLongError
	switch {
	case errors.As(complaint, &tooLong):
		b.fail(n, complaint)
	case complaint != nil:
		return complaint
	case len(line) > 0:
		user, err := parse(line)
		if err != nil {
			b.fail(n, err)
			break
		}
		b.users, b.lines = append(b.users, user), append(b.lines, n)
	}
	if len(b.users)+len(b.failed) > MaxImportLines {
		return &auth.Error{Code: auth.CodeInvalidArgument, Message: fmt.Sprintf("an import has at most %d lines; send the rest in further ones", MaxImportLines)}
	}
	return nil
}

// lineReader splits a body into lines of bounded length.
type lineReader struct {
	buf  *bufio.Reader
	left int64 // bytes that the body may still have
}

type lineTooLongError struct{}

func (*lineTooLongError) Error() string {
	return fmt.Sprintf("the line is longer than %d bytes", MaxImportLineBytes)
}

func newLineReader(body io.Reader) *lineReader {
	return &lineReader{bufio.NewReaderSize(body, MaxImportLineBytes+2), MaxImportBytes}
}

// next gives a line without its end and the blanks around it, valid until the next call. It fails with io.EOF, *lineTooLongError, and *web.Error where the body
// cannot be read or is too long.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.buf.ReadSlice('\n')
	r.left -= int64(len(line))
	tooLong := err == bufio.ErrBufferFull
	for err == bufio.ErrBufferFull && r.left >= 0 {
		var rest []byte
		rest, err = r.buf.ReadSlice('\n')
		r.left -= int64(len(rest))
	}
	switch {
	case r.left < 0:
		return nil, web.Malformed(fmt.Sprintf("The request body is over the limit of %d bytes", MaxImportBytes))
	case err != nil && err != io.EOF:
		return nil, unreadable(err)
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	}
	line = bytes.Trim(line, " \t\r\n")
	if tooLong || len(line) > MaxImportLineBytes {
		return nil, &lineTooLongError{}
	}
	return line, nil
}

// unreadable tells a body that came too slowly or is over a limit set outside from one that broke off.
func unreadable(err error) error {
	var outerLimit *http.MaxBytesError
	switch {
	case errors.As(err, &outerLimit):
		return web.Malformed(fmt.Sprintf("The request body is over the limit of %d bytes", outerLimit.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &web.Error{Status: http.StatusRequestTimeout, Detail: "The request body did not arrive in time", Cause: err}
	}
	return &web.Error{Status: http.StatusBadRequest, Detail: "The request body could not be read", Cause: err}
}

// decodeLine reads one line as strictly as a request's body (P31).
func decodeLine(line []byte, dst any) error {
	as := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(line))}
	return web.DecodeJSON(as, dst, web.DecodeOptions{MaxBytes: MaxImportLineBytes})
}

// lineReason says what is wrong with a line; no value of it is told, for it may be a password hash.
func lineReason(err error) string {
	var refused *web.Error
	if errors.As(err, &refused) {
		return strings.Replace(refused.Detail, "The request body", "The line", 1)
	}
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func parsePortable(line []byte) (auth.PortableUser, error) {
	var body portableUserBody
	if err := decodeLine(line, &body); err != nil {
		return auth.PortableUser{}, err
	}
	pu := auth.PortableUser{
		User: auth.User{
			ID: auth.UserID(body.UID), Email: auth.Email(body.Email), EmailVerified: body.EmailVerified, Name: body.Name, Picture: body.Picture, Locale: body.Locale,
			Disabled: body.Disabled, InvitePending: body.InvitePending, VerificationRequired: body.VerificationRequired,
			PasswordHash: body.PasswordHash, CustomClaims: body.CustomClaims, Attributes: body.Attributes,
		},
		RoleNames: body.Roles,
	}
	for _, p := range body.Providers {
		pu.Identities = append(pu.Identities, auth.Identity{ProviderID: p.ProviderID, Subject: p.Subject, Email: p.Email, EmailVerified: p.EmailVerified})
	}
	for _, instant := range []struct {
		field, text string
		to          *time.Time
	}{
		{"createdAt", body.CreatedAt, &pu.User.CreatedAt},
		{"lastSignInAt", body.LastSignInAt, &pu.User.LastSignInAt},
		{"passwordUpdatedAt", body.PasswordUpdatedAt, &pu.User.PasswordUpdatedAt},
	} {
		if instant.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, instant.text)
		if err != nil {
			return auth.PortableUser{}, web.MalformedField(instant.field, "an RFC 3339 instant")
		}
		*instant.to = t.UTC().Truncate(time.Millisecond)
	}
	return pu, nil
}
