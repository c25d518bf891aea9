package backup

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Suffix ends the name of every backup.
const Suffix = ".backup"

// Name is what the name of a backup tells: whose it is, of when, and who wanted it.
type Name struct {
	Host      string    // of the instance's public URL
	At        time.Time // UTC, in whole seconds
	Scheduled bool      // made by the server; retention leaves all others alone
	random    string
}

const (
	instantLayout = "20060102T150405Z"
	randomChars   = 6
	randomDigits  = "0123456789abcdefghjkmnpqrstvwxyz"
)

var namePattern = regexp.MustCompile(`^doorward-([a-z0-9.-]{1,200})-(\d{8}T\d{6}Z)-(auto|manual)-([0-9a-z]{6})\.backup$`)

// NewName names a backup that no other has the name of. rand is crypto/rand.Reader outside tests.
func NewName(host string, at time.Time, scheduled bool, rand io.Reader) (Name, error) {
	random := make([]byte, randomChars)
	if _, err := io.ReadFull(rand, random); err != nil {
		return Name{}, fmt.Errorf("name of the backup: %w", err)
	}
	for i := range random {
		random[i] = randomDigits[random[i]%32]
	}
	return Name{Host: plainHost(host), At: at.UTC().Truncate(time.Second), Scheduled: scheduled, random: string(random)}, nil
}

// plainHost leaves of a host what may stand in a file's name.
func plainHost(host string) string {
	plain := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-.")
	if plain == "" {
		return "unnamed"
	}
	return plain[:min(len(plain), 200)]
}

// ParseName reads a name; false where it is none that NewName gave.
func ParseName(text string) (Name, bool) {
	parts := namePattern.FindStringSubmatch(text)
	if parts == nil {
		return Name{}, false
	}
	at, err := time.Parse(instantLayout, parts[2])
	if err != nil {
		return Name{}, false
	}
	return Name{Host: parts[1], At: at, Scheduled: parts[3] == "auto", random: parts[4]}, true
}

// String is the name of the file.
func (n Name) String() string {
	kind := "manual"
	if n.Scheduled {
		kind = "auto"
	}
	return "doorward-" + n.Host + "-" + n.At.Format(instantLayout) + "-" + kind + "-" + n.random + Suffix
}

// File is a backup at a place.
type File struct {
	Name
	Size int64 // bytes
}

// newestFirst sorts what a place lists.
func newestFirst(files []File) []File {
	slices.SortFunc(files, func(a, b File) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.Name.String(), a.Name.String())
	})
	return files
}

// Ahead is how far clocks may be apart: what is later than now by more was made while one was wrong (P53).
const Ahead = time.Hour

// Scheduled gives those of the files that the server of this host made by itself, the newest first. Those that are later than now by more than an hour are given apart: they were made
// while a clock was wrong, so that they neither are the newest nor count among those to keep (P53).
func Scheduled(files []File, host string, now time.Time) (own, future []File) {
	for _, f := range files {
		switch {
		case !f.Scheduled || f.Host != plainHost(host):
		case f.At.Sub(now) > Ahead:
			future = append(future, f)
		default:
			own = append(own, f)
		}
	}
	return newestFirst(own), newestFirst(future)
}

// Surplus gives those of the scheduled backups, as Scheduled sorts them, that need not be kept; 0 keeps all.
func Surplus(scheduled []File, keep int) []File {
	if keep < 1 || len(scheduled) <= keep {
		return nil
	}
	return scheduled[keep:]
}

// ErrNotThere means that a place has no such backup.
var ErrNotThere = errors.New("there is no such backup")
