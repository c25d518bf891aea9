package breached

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Format says what a line of a list is.
type Format string

// The formats. FormatAuto is SHA-1 where the first line is one, else plain.
const (
	FormatAuto  Format = "auto"
	FormatPlain Format = "plain" // a password, byte for byte
	FormatSHA1  Format = "sha1"  // a password's SHA-1 in hexadecimal digits, and how often it was seen behind a colon
)

// maxLine bounds a line. No password is as long; such lines are left out.
const maxLine = 64 << 10

// readList gives the key of each line to add, and counts the lines. It unpacks gzip. Its errors name the number of a line, and never what is on it.
func readList(r io.Reader, format Format, add func(key uint64) error) (lines uint64, err error) {
	buffered := bufio.NewReaderSize(r, maxLine)
	if start, _ := buffered.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return 0, err
		}
		buffered = bufio.NewReaderSize(unpacked, maxLine)
	}
	if start, _ := buffered.Peek(3); string(start) == "\ufeff" {
		_, _ = buffered.Discard(3)
	}
	for {
		line, err := readLine(buffered)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, fmt.Errorf("line %d: %w", lines+1, err)
		}
		lines++
		if len(line) == 0 {
			continue
		}
		key, isSum := parseSHA1(line)
		if format == FormatAuto {
			format = FormatPlain
			if isSum {
				format = FormatSHA1
			}
		}
		switch {
		case format == FormatPlain:
			key = keyOf(string(line))
		case !isSum:
			return lines, fmt.Errorf("line %d is no SHA-1 in hexadecimal digits", lines)
		}
		if err := add(key); err != nil {
			return lines, err
		}
	}
}

// readLine gives the next line without its end, which may be CR LF. A line that is too long is an empty one. The result is valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		line = nil
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil // the last line, without an end
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), err
}

// parseSHA1 gives the key in a line of 40 hexadecimal digits, which a colon and a number may follow.
func parseSHA1(line []byte) (key uint64, ok bool) {
	digits, count, hasCount := bytes.Cut(line, []byte(":"))
	if len(digits) != 40 || hasCount && (len(count) == 0 || len(bytes.Trim(count, "0123456789")) > 0) {
		return 0, false
	}
	var sum [20]byte
	if _, err := hex.Decode(sum[:], digits); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(sum[:]), true
}
