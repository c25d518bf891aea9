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

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/userfile"
	"github.com/doorward/doorward/internal/web"
)

// Bounds of one import.
const (
	MaxImportLines     = auth.MaxImportBatch   // lines that hold a user
	MaxImportLineBytes = userfile.MaxLineBytes // a longer line is left out and told
	MaxImportBytes     = 16 << 20              // of the whole body
)

// The formats of import lines.
const (
	FormatDoorward = userfile.FormatDoorward // PortableUser
	FormatFirebase = userfile.FormatFirebase // users as `firebase auth:export --format=json` writes them
)

var importFormats = []string{"", FormatDoorward, FormatFirebase}

// What the lines hold.
type (
	PortableUser       = userfile.PortableUser
	PortableIdentity   = userfile.PortableIdentity
	FirebaseHashConfig = userfile.FirebaseHashConfig
	HashConfigLine     = userfile.HashConfigLine
	FirebaseUser       = userfile.FirebaseUser
	FirebaseIdentity   = userfile.FirebaseIdentity
)

// ndjson is the media type of one JSON object a line.
const ndjson = "application/x-ndjson"

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
	b.failed = append(b.failed, ImportFailed{line, userfile.Reason(err)})
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
	parse := userfile.ParsePortable
	if format == FormatFirebase {
		hashing, isConfig, badConfig := userfile.ParseHashConfigLine(line)
		if badConfig != nil {
			return nil, badConfig
		}
		if isConfig {
			line, err = lines.next()
		}
		parse = hashing.Parse
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
