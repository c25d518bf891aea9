package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// directory keeps backups as files that only their owner may read (P47).
type directory struct{ path string }

// partial ends the name of a file that is being written; it begins with a dot.
const partial = ".partial"

func (d directory) String() string { return d.path }

func (d directory) Put(ctx context.Context, name string, fill func(io.Writer) error) (size int64, err error) {
	if err := checkFileName(name); err != nil {
		return 0, err
	}
	if err := d.check(); err != nil {
		return 0, err
	}
	target, temporary := filepath.Join(d.path, name), filepath.Join(d.path, "."+name+partial)
	if _, err := os.Lstat(target); err == nil {
		return 0, fmt.Errorf("%s is there already", target)
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%s is there: another backup of this name is being written, or was interrupted; remove it", temporary)
	}
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	out := &counted{w: cancelled{ctx, file}}
	err = fill(out)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(temporary, target); err != nil {
		return 0, err
	}
	return out.n, d.sync()
}

// check wants the directory there: one that is made here could hide that a disk is not mounted.
func (d directory) check() error {
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no directory %s for backups: make it, or mount the disk that has it", d.path)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory; the name of a backup ends in %s", d.path, Suffix)
	}
	return nil
}

// CheckWritable tells whether files can be made at a place that is a directory, by making an empty one and removing it. Stores are not asked.
func CheckWritable(p Place) error {
	d, ok := p.(directory)
	if !ok {
		return nil
	}
	if err := d.check(); err != nil {
		return err
	}
	file, err := os.CreateTemp(d.path, ".doorward-check-*")
	if err != nil {
		return fmt.Errorf("no backup can be written to %s: %w; it has to be the server's user's, and under systemd in ReadWritePaths of the unit", d.path, err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// sync makes the new name last (P48).
func (d directory) sync() error {
	if runtime.GOOS == "windows" { // has no such call, and needs none
		return nil
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (d directory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	if err := checkFileName(name); err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(d.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, filepath.Join(d.path, name))
	}
	return file, err
}

func (d directory) List(context.Context) ([]File, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		name, ok := ParseName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		files = append(files, File{name, info.Size()})
	}
	return newestFirst(files), nil
}

func (d directory) Delete(_ context.Context, name string) error {
	if err := checkFileName(name); err != nil {
		return err
	}
	// What a killed process left of it would refuse every later one of this name.
	if err := os.Remove(filepath.Join(d.path, "."+name+partial)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(filepath.Join(d.path, name))
}

func (d directory) CleanUp(_ context.Context, host string, before time.Time) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inner, isPartial := strings.CutSuffix(strings.TrimPrefix(entry.Name(), "."), partial)
		name, ok := ParseName(inner)
		if !isPartial || !ok || name.Host != plainHost(host) || !name.At.Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// cancelled ends a long writing when its context ends.
type cancelled struct {
	ctx context.Context
	w   io.Writer
}

func (c cancelled) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
