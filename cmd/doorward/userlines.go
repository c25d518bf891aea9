package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

// maxUserLine is the longest line that is read at all, in bytes.
const maxUserLine = 1 << 20

// userLines gives the users of a file one by one, however large the file is.
type userLines struct {
	lines    *bufio.Scanner // of JSON Lines, or
	document *json.Decoder  // of Firebase's one document
	firebase bool
	number   int // of the last line, or user of a document

	hashConfig *adminapi.FirebaseHashConfig // of a {"hashConfig": …} line, once it was read
}

func newUserLines(r io.Reader, format string) (*userLines, error) {
	buffered := bufio.NewReaderSize(r, 4096)
	head, err := buffered.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read users: %w", err)
	}
	u := &userLines{firebase: format == adminapi.FormatFirebase}
	if u.firebase && isFirebaseDocument(head) {
		u.document = json.NewDecoder(buffered)
		return u, u.enterDocument()
	}
	u.lines = bufio.NewScanner(buffered)
	u.lines.Buffer(make([]byte, 0, 1<<16), maxUserLine)
	return u, nil
}

// enterDocument reads {"users": [
func (u *userLines) enterDocument() error {
	for range 3 {
		if _, err := u.document.Token(); err != nil {
			return usageError("the file is not the JSON that Firebase writes: " + err.Error())
		}
	}
	return nil
}

// next gives a user and its number in the file, counted from 1; io.EOF after the last.
func (u *userLines) next() ([]byte, int, error) {
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

func (u *userLines) nextOfDocument() ([]byte, int, error) {
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
func (u *userLines) isHashConfig(line []byte) bool {
	if !u.firebase || u.number != 1 {
		return false
	}
	var head struct {
		HashConfig *adminapi.FirebaseHashConfig `json:"hashConfig"`
	}
	if json.Unmarshal(line, &head) != nil || head.HashConfig == nil {
		return false
	}
	u.hashConfig = head.HashConfig
	return true
}
