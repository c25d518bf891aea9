package userfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// The formats of files.
const (
	FormatDoorward = "doorward" // JSON Lines, a PortableUser each
	FormatFirebase = "firebase" // as `firebase auth:export --format=json` writes it, or JSON Lines of such users
	FormatCSV      = "csv"      // a table with a line of column names
)

// maxReadLine is the longest line that is read at all, in bytes.
const maxReadLine = 1 << 20

// byteOrderMark is what some editors and spreadsheets write in front of UTF-8.
const byteOrderMark = "\ufeff"

// Lines gives the users of a file one by one, however large the file is.
type Lines struct {
	lines    *bufio.Scanner // of JSON Lines, or
	document *json.Decoder  // of Firebase's one document, or
	table    *csvTable
	firebase bool
	number   int // of the last line, or user of a document

	HashConfig *FirebaseHashConfig // of a {"hashConfig": …} line, once it was read
}

// NewLines begins a file of a format. It fails where the file is none of that format at all.
func NewLines(r io.Reader, format string) (*Lines, error) {
	buffered := bufio.NewReaderSize(r, 4096)
	if mark, _ := buffered.Peek(len(byteOrderMark)); string(mark) == byteOrderMark { // an error comes again
		_, _ = buffered.Discard(len(byteOrderMark))
	}
	head, err := buffered.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read users: %w", err)
	}
	if format == FormatCSV {
		table, err := newCSVTable(buffered)
		return &Lines{table: table}, err
	}
	u := &Lines{firebase: format == FormatFirebase}
	if u.firebase && isFirebaseDocument(head) {
		u.document = json.NewDecoder(buffered)
		return u, u.enterDocument()
	}
	u.lines = bufio.NewScanner(buffered)
	u.lines.Buffer(make([]byte, 0, 1<<16), maxReadLine)
	return u, nil
}

// enterDocument reads {"users": [
func (u *Lines) enterDocument() error {
	for range 3 {
		if _, err := u.document.Token(); err != nil {
			return fmt.Errorf("the file is not the JSON that Firebase writes: %w", err)
		}
	}
	return nil
}

// Next gives a user, as a line of JSON (of CSV as a PortableUser), and its number in the file, counted from 1; io.EOF after the last. *LineError is about this one alone.
func (u *Lines) Next() ([]byte, int, error) {
	if u.table != nil {
		return u.table.next()
	}
	if u.document != nil {
		return u.nextOfDocument()
	}
	for u.lines.Scan() {
		u.number++
		line := bytes.TrimSpace(u.lines.Bytes())
		if len(line) == 0 || u.isHashConfig(line) {
			continue
		}
		return bytes.Clone(line), u.number, nil
	}
	if errors.Is(u.lines.Err(), bufio.ErrTooLong) {
		return nil, 0, fmt.Errorf("line %d is longer than 1 MiB; the file is not JSON Lines", u.number+1)
	}
	if err := u.lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read users: %w", err)
	}
	return nil, 0, io.EOF
}

func (u *Lines) nextOfDocument() ([]byte, int, error) {
	if !u.document.More() {
		// More is false at the end of the array, and where the file breaks off.
		if _, err := u.document.Token(); err != nil {
			return nil, 0, fmt.Errorf("the file ends in the middle, after %d users", u.number)
		}
		return nil, 0, io.EOF
	}
	var user json.RawMessage
	if err := u.document.Decode(&user); err != nil {
		return nil, 0, fmt.Errorf("user %d of the file is not JSON: %w", u.number+1, err)
	}
	u.number++
	var line bytes.Buffer
	if err := json.Compact(&line, user); err != nil {
		return nil, 0, fmt.Errorf("user %d of the file is not JSON: %w", u.number, err)
	}
	return line.Bytes(), u.number, nil
}

// isHashConfig takes a first line of the kind {"hashConfig": …}, which is needed for every batch and not only for the first.
func (u *Lines) isHashConfig(line []byte) bool {
	if !u.firebase || u.number != 1 {
		return false
	}
	var head struct {
		HashConfig *FirebaseHashConfig `json:"hashConfig"`
	}
	if json.Unmarshal(line, &head) != nil || head.HashConfig == nil {
		return false
	}
	u.HashConfig = head.HashConfig
	return true
}

// isFirebaseDocument tells the one JSON document that Firebase writes from JSON Lines.
func isFirebaseDocument(head []byte) bool {
	return firebaseDocument.Match(head)
}

var firebaseDocument = regexp.MustCompile(`^\s*\{\s*"users"\s*:`)
