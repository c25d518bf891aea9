// Package userfile reads files of users: as export writes them, as Firebase does, and tables. It says of each line who it is, or what is wrong with it.
package userfile

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Read gives the users of a file one by one. A line that holds none is told as refused; an error means that the file as a whole cannot be used, and is the last. config is
// for FormatFirebase, and may be nil.
func Read(r io.Reader, format string, config *FirebaseHashConfig) iter.Seq2[auth.ImportLine, error] {
	return func(yield func(auth.ImportLine, error) bool) {
		lines, err := NewLines(r, format)
		for err == nil {
			var line auth.ImportLine
			if line, err = lines.read(format, config); err == nil && !yield(line, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(auth.ImportLine{}, unusable(err))
		}
	}
}

func (u *Lines) read(format string, config *FirebaseHashConfig) (auth.ImportLine, error) {
	text, number, err := u.Next()
	line := auth.ImportLine{Number: number}
	var wrong *LineError
	switch {
	case errors.As(err, &wrong):
		line.Refused = wrong.reason
		return line, nil
	case err != nil:
		return line, err
	case len(text) > MaxLineBytes:
		line.Refused = fmt.Sprintf("the line is longer than %d bytes", MaxLineBytes)
		return line, nil
	}
	parse := ParsePortable
	if format == FormatFirebase {
		if u.HashConfig != nil {
			config = u.HashConfig
		}
		hashing := FirebaseHashing{}
		if config != nil {
			if hashing, err = config.hashing(); err != nil {
				return line, err
			}
		}
		parse = hashing.Parse
	}
	if line.User, err = parse(text); err != nil {
		line.Refused = Reason(err)
	}
	return line, nil
}

// unusable makes an error that an operator reads.
func unusable(err error) error {
	var plumbing *web.Error
	if errors.As(err, &plumbing) && plumbing.Field == "" {
		return err
	}
	return &auth.Error{Code: auth.CodeInvalidArgument, Field: "file", Message: Reason(err)}
}
