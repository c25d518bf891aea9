package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Place keeps backups: a directory, or a bucket of an S3-compatible store with a prefix.
type Place interface {
	// Put writes a backup. It is there under its name once fill has returned nil and all is on stable storage, and else it is not there at all. It gives the size in bytes, and
	// replaces nothing.
	Put(ctx context.Context, name string, fill func(io.Writer) error) (int64, error)
	// Get reads a backup. It fails with ErrNotThere.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List gives what bears the name of a backup, the newest first.
	List(ctx context.Context) ([]File, error)
	// Delete removes a backup, and what an interrupted Put left of it. The caller knows that none of this name is being written.
	Delete(ctx context.Context, name string) error
	// CleanUp removes what interrupted backups of the host left, where they began before the instant.
	CleanUp(ctx context.Context, host string, before time.Time) error
	// String names the place as ParsePlace takes it.
	String() string
}

// ParsePlace reads a path or s3://BUCKET/PREFIX?endpoint=URL&region=NAME. Where the last part ends in ".backup" it is the name of one file, else name is "". It looks at nothing but the text.
func ParsePlace(text string, clock func() time.Time) (p Place, name string, err error) {
	if text == "" {
		return nil, "", errors.New("it is empty")
	}
	if strings.HasPrefix(text, "s3://") {
		return parseS3(text, clock)
	}
	if strings.Contains(text, "://") {
		return nil, "", errors.New("it is neither a directory nor s3://BUCKET/PREFIX")
	}
	text = filepath.Clean(strings.TrimPrefix(text, "file:"))
	if strings.HasSuffix(text, Suffix) {
		return directory{filepath.Dir(text)}, filepath.Base(text), nil
	}
	return directory{text}, "", nil
}

// Newest gives the newest backup of a place. It fails with ErrNotThere, and where the first is later than now by more than an hour: one that was made while a clock was wrong, which may
// be older than others (P53).
func Newest(ctx context.Context, p Place, now time.Time) (string, error) {
	files, err := p.List(ctx)
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%w: %s has none", ErrNotThere, p)
	}
	for _, f := range files {
		if f.Host != files[0].Host {
			return "", fmt.Errorf("%s has backups of several servers, as %s and %s; name one file", p, files[0].Host, f.Host)
		}
	}
	if files[0].At.Sub(now) > Ahead {
		return "", fmt.Errorf("the newest by its name, %s, is of a time that has not come by this machine's clock (%s): a clock was wrong, and it may be older than others; name one file", files[0].Name, now.UTC().Format(time.RFC3339))
	}
	return files[0].Name.String(), nil
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// checkFileName refuses what is a path.
func checkFileName(name string) error {
	if name == "" || name != path.Base(name) || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%q is no name of a backup", name)
	}
	return nil
}
