package password

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	_ "github.com/trustelem/zxcvbn/match" // nothing of it runs: its module holds the ranking
)

// TestMostUsedPasswords: of a public ranking of leaked passwords, the first 3,000 that are long enough for the hardened preset are refused
// (ASVS 5.0.0, 6.2.4). The ranking comes with a Go module; the lists in its code are no ranking, because they leave out what other lists have.
func TestMostUsedPasswords(t *testing.T) {
	const want = 3000
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/trustelem/zxcvbn").Output()
	if err != nil {
		t.Fatal(err)
	}
	ranking, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "data", "passwords.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen, accepted := 0, []string{}
	for line := range strings.Lines(string(ranking)) {
		word, _, _ := strings.Cut(line, " ") // the most used first, with how often it was
		if utf8.RuneCountInString(word) < hardenedPolicy.MinLength {
			continue
		}
		if hardenedPolicy.Check(word) == nil {
			accepted = append(accepted, word)
		}
		if seen++; seen == want {
			break
		}
	}
	if seen < want || len(accepted) > 0 {
		t.Errorf("of the %d most used passwords %d are accepted: %s", seen, len(accepted), strings.Join(accepted, " "))
	}
}
