package sqlstore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// forbidden is what the two engines do not share, and what takes the clock or the comparison of text away from Go.
var forbidden = []string{`LIKE\b`, `ILIKE\b`, `\blower\(`, `\bupper\(`, `\bnow\(`, `CURRENT_TIME`, `datetime\(`, `strftime\(`, `->`, `json_`, `jsonb`, `\bFOR (NO KEY )?UPDATE`, `\bFOR (KEY )?SHARE`, `SKIP LOCKED`, `NOWAIT`,
	`LOCK TABLE`, `pg_advisory`, `\bLISTEN\b`, `\bNOTIFY\b`, `EXTENSION`, `\bIDENTITY\b`, `\bSEQUENCE\b`, `TRUNCATE`, `\bGENERATED\b`, `\bUNLOGGED`, `TRIGGER`, `pg_sleep`,
	`EXCLUDE USING`,
	`ANY\(`, `AUTOINCREMENT`, `SERIAL`, `\bNEXTVAL\(`, `RANDOM\(`, `INSERT OR\b`, `REPLACE INTO`, `\?`, `%[sdvq]`, `"`}

var isSQL = regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|ORDER BY|VALUES|SET|AND|CREATE) `)

func TestStatementsRunOnBothEngines(t *testing.T) {
	statements := sourceStatements(t)
	if len(statements) < 60 {
		t.Fatalf("found only %d pieces of SQL; is the search broken?", len(statements))
	}
	for _, m := range mustLoad(t) {
		for _, statement := range m.statements {
			if !strings.HasPrefix(strings.TrimSpace(statement), "--") {
				statements["migration "+strconv.FormatInt(m.version, 10)+": "+firstLine(statement)] = statement
			}
		}
	}
	for where, statement := range statements {
		for _, word := range forbidden {
			if regexp.MustCompile(`(?i)` + word).MatchString(statement) {
				t.Errorf("%s: %q in %s", where, word, statement)
			}
		}
	}
}

func TestForbiddenWordsAreFound(t *testing.T) {
	for _, bad := range []string{`SELECT a FROM b WHERE c LIKE $1`, `SELECT lower(a) FROM b`, `SELECT a->>'b' FROM c`, `SELECT a FROM b FOR UPDATE`,
		`SELECT a FROM b WHERE c = ANY($1)`, `SELECT pg_advisory_lock(1) FROM a`, `SELECT a FROM b FOR NO KEY UPDATE`, `SELECT a FROM b FOR SHARE SKIP LOCKED`,
		`CREATE TABLE a (id BIGINT GENERATED ALWAYS AS IDENTITY)`, `CREATE TABLE a (id BIGSERIAL)`, `CREATE EXTENSION a`, `CREATE SEQUENCE a`, `SELECT now() FROM b`} {
		found := false
		for _, word := range forbidden {
			found = found || regexp.MustCompile(`(?i)`+word).MatchString(bad)
		}
		if !found || !isSQL.MatchString(bad) {
			t.Errorf("%s passes", bad)
		}
	}
}

func mustLoad(t *testing.T) []migration {
	t.Helper()
	migrations, err := loadMigrations(migrationFiles, sqliteTypes)
	if err != nil {
		t.Fatal(err)
	}
	return migrations
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// sourceStatements gives every string in the package's source that is SQL, by its position.
func sourceStatements(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && isSQL.MatchString(text) {
					found[files.Position(literal.Pos()).String()] = text
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
