package doorward_test

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const securityDoc = "docs/security.md"

// asvsSections has how many requirements each section of ASVS 5.0.0 has, of the chapters that the document covers.
var asvsSections = map[string]int{
	"4.1": 5, "4.2": 5, "4.3": 2, "4.4": 4,
	"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
	"9.1": 3, "9.2": 4,
	"10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
	"11.1": 4, "11.2": 5, "11.3": 5, "11.4": 4, "11.5": 2, "11.6": 2, "11.7": 2,
}

var (
	codeSpan    = regexp.MustCompile("`([^`]+)`")
	citedTest   = regexp.MustCompile(`^(\S+) ((?:Test|Fuzz)\w+)$`)
	citedFile   = regexp.MustCompile(`^[\w./-]+/[\w./-]+\.(go|md|sql)$|^[A-Z]+\.md$`)
	requirement = regexp.MustCompile(`^(\d+\.\d+)\.(\d+)$`)
)

// openMarks are what writers leave where something is to be filled in.
var openMarks = regexp.MustCompile(`@@\w*|TODO|FIXME|TBD`)

func securityText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(securityDoc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section gives the part of the document below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(securityText(t), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", securityDoc, heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// rows gives the cells of a section's table, without its head.
func rows(t *testing.T, heading string) (table [][]string) {
	t.Helper()
	for line := range strings.Lines(section(t, heading)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		table = append(table, cells)
	}
	if len(table) < 3 {
		t.Fatalf("the section %q has no table", heading)
	}
	return table[2:]
}

// TestSecurityDocNamesWhatExists: every test and every file that the document names is in the tree.
func TestSecurityDocNamesWhatExists(t *testing.T) {
	named := 0
	for _, span := range codeSpan.FindAllStringSubmatch(securityText(t), -1) {
		if cited := citedTest.FindStringSubmatch(span[1]); cited != nil {
			named++
			if !hasTest(t, cited[1], cited[2]) {
				t.Errorf("there is no %s in %s", cited[2], cited[1])
			}
		} else if strings.Contains(span[1], "Test") || strings.Contains(span[1], "Fuzz") {
			t.Errorf("%q is not `package TestName`", span[1])
		} else if citedFile.MatchString(span[1]) {
			if _, err := os.Stat(span[1]); err != nil {
				t.Error(err)
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d tests are named", named)
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(content), "\nfunc "+name+"(")
	})
}

// TestSecurityDocIsFinished: no place is left to be filled in.
func TestSecurityDocIsFinished(t *testing.T) {
	for _, mark := range openMarks.FindAllString(securityText(t), -1) {
		t.Errorf("%s: a place is marked %s", securityDoc, mark)
	}
}

// shows tells whether a cell names a test or a document.
func shows(cell string) bool {
	return slices.ContainsFunc(codeSpan.FindAllStringSubmatch(cell, -1), func(span []string) bool {
		return citedTest.MatchString(span[1]) || strings.HasSuffix(span[1], ".md")
	})
}

// TestSecurityDocThreats: each threat has a defence in a file, a test that shows it, and a word on what remains.
func TestSecurityDocThreats(t *testing.T) {
	for _, row := range rows(t, "Threats") {
		if len(row) != 4 {
			t.Errorf("a row has %d cells: %q", len(row), row)
			continue
		}
		if !codeSpan.MatchString(row[1]) || !shows(row[2]) || row[3] == "" {
			t.Errorf("%s: it lacks a file, a test, or what remains", row[0])
		}
	}
}

// TestSecurityDocRequirements: every requirement is there once, with one of three statuses and its evidence or reason.
func TestSecurityDocRequirements(t *testing.T) {
	seen := map[string]int{}
	count := map[string]int{}
	for _, row := range rows(t, "ASVS 5.0.0") {
		number := requirement.FindStringSubmatch(row[0])
		if len(row) != 5 || number == nil {
			t.Errorf("a row is not number, level, demand, status, reason: %q", row)
			continue
		}
		if n, err := strconv.Atoi(number[2]); err != nil || n < 1 || n > asvsSections[number[1]] {
			t.Errorf("%s is no requirement", row[0])
		}
		seen[row[0]]++
		count[row[3]]++
		if !slices.Contains([]string{"1", "2", "3"}, row[1]) || row[2] == "" {
			t.Errorf("%s: level %q, demand %q", row[0], row[1], row[2])
		}
		switch row[3] {
		case "met":
			if !shows(row[4]) {
				t.Errorf("%s is met, and no test or document shows it", row[0])
			}
		case "not met", "not applicable":
			if len(row[4]) < 10 {
				t.Errorf("%s: the reason is %q", row[0], row[4])
			}
		default:
			t.Errorf("%s: status %q", row[0], row[3])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(asvsSections)) {
		for i := range asvsSections[name] {
			if number := name + "." + strconv.Itoa(i+1); seen[number] != 1 {
				t.Errorf("%s is there %d times", number, seen[number])
			}
		}
	}
	t.Logf("%v", count)
}

// TestCryptographyInventory: a package that uses cryptography stands in the inventory, and a primitive in the list of those that may be used at all.
func TestCryptographyInventory(t *testing.T) {
	allowed := []string{
		"crypto", "crypto/aes", "crypto/cipher", "crypto/ecdsa", "crypto/ed25519", "crypto/elliptic", "crypto/hkdf", "crypto/hmac", "crypto/pbkdf2", "crypto/rand", "crypto/rsa",
		"crypto/sha1", "crypto/sha256", "crypto/sha512", "crypto/subtle", "crypto/tls", "crypto/x509",
		"github.com/go-jose/go-jose/v4", "golang.org/x/crypto/argon2", "golang.org/x/crypto/bcrypt", "golang.org/x/crypto/scrypt", "golang.org/x/crypto/x509roots/fallback",
	}
	mayUseSHA1 := []string{"internal/breached", "internal/password", "internal/totp"}
	inventory := section(t, "Cryptography")
	eachFile(t, func(path string, file *ast.File) {
		dir := filepath.ToSlash(filepath.Dir(path))
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if name != "crypto" && !strings.HasPrefix(name, "crypto/") && !strings.HasPrefix(name, "golang.org/x/crypto") && !strings.Contains(name, "jose") {
				continue
			}
			if !slices.Contains(allowed, name) || name == "crypto/sha1" && !slices.Contains(mayUseSHA1, dir) {
				t.Errorf("%s imports %s, which it may not", path, name)
			}
			if !strings.Contains(inventory, "`"+dir+"`") {
				t.Errorf("%s uses %s, and %s is not in the inventory of %s", path, name, dir, securityDoc)
			}
		}
	})
}
