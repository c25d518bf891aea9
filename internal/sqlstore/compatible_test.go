package sqlstore

import (
	"regexp"
	"strings"
	"testing"
)

// stillRuns are the forms of statements that leave every older program running: it neither reads nor writes what they add, and what it writes still has its place.
var stillRuns = []*regexp.Regexp{
	regexp.MustCompile(`^CREATE TABLE `),
	regexp.MustCompile(`^CREATE INDEX `),
	regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ \S+ NOT NULL DEFAULT `),
	regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ [^ ]+$`),
}

var (
	uniqueIndex = regexp.MustCompile(`^CREATE UNIQUE INDEX (\w+) ON (\w+)`)
	dropIndex   = regexp.MustCompile(`^DROP INDEX (\w+)$`)
	newTable    = regexp.MustCompile(`^CREATE TABLE (\w+)`)
	comments    = regexp.MustCompile(`(?m)^\s*--.*$`)
)

// breaking gives the statements of a migration that may stop an older program. unique are the unique indexes so far.
func breaking(m migration, unique map[string]bool) (found []string) {
	made := map[string]bool{} // tables of this migration: nobody older writes to them
	for _, statement := range m.statements {
		statement = strings.TrimSuffix(strings.TrimSpace(comments.ReplaceAllString(statement, "")), ";")
		if table := newTable.FindStringSubmatch(statement); table != nil {
			made[table[1]] = true
		}
		ok := statement == ""
		for _, form := range stillRuns {
			ok = ok || form.MatchString(statement)
		}
		if index := uniqueIndex.FindStringSubmatch(statement); index != nil {
			unique[index[1]] = true
			ok = made[index[2]]
		}
		if index := dropIndex.FindStringSubmatch(statement); index != nil {
			ok = !unique[index[1]] // ON CONFLICT may name what a unique one covers
		}
		if !ok {
			found = append(found, firstLine(statement))
		}
	}
	return found
}

// TestMigrationsKeepOlderProgramsRunning: release N-1 runs on schema N. A migration that takes something away from older programs has to say, in a line
// "-- runs-from: NUMBER", which newest migration a program must know to run on its schema.
func TestMigrationsKeepOlderProgramsRunning(t *testing.T) {
	unique := map[string]bool{}
	runsFrom := int64(firstDeclared)
	for _, m := range mustLoad(t) {
		found := breaking(m, unique)
		if m.version <= firstDeclared {
			continue
		}
		if len(found) > 0 && m.runsFrom <= runsFrom {
			t.Errorf("migration %d may stop programs that run on schema %d, and does not say so with a higher runs-from: %q", m.version, runsFrom, found)
		}
		if m.runsFrom > m.version {
			t.Errorf("migration %d runs from %d, which its own program is older than", m.version, m.runsFrom)
		}
		runsFrom = max(runsFrom, m.runsFrom)
	}
}

func TestBreakingIsFound(t *testing.T) {
	for statement, breaks := range map[string]bool{
		"CREATE TABLE a (\n\tid TEXT NOT NULL PRIMARY KEY\n) STRICT": false,
		"CREATE INDEX a_by_b ON a (b)":                               false,
		"-- why\nCREATE INDEX a_by_b ON a (b)":                       false,
		"ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT ''":        false,
		"ALTER TABLE a ADD COLUMN b TEXT":                            false,
		"DROP INDEX plain":                                           false,
		"DROP INDEX sole":                                            true,
		"CREATE UNIQUE INDEX a_by_c ON a (c)":                        true,
		"ALTER TABLE a ADD COLUMN b TEXT NOT NULL":                   true,
		"ALTER TABLE a ADD COLUMN b TEXT CHECK (b <> '')":            true,
		"ALTER TABLE a DROP COLUMN b":                                true,
		"ALTER TABLE a RENAME TO b":                                  true,
		"ALTER TABLE a ALTER COLUMN b SET NOT NULL":                  true,
		"DROP TABLE a":                                               true,
		"UPDATE a SET b = 'c'":                                       true,
		"DELETE FROM a":                                              true,
	} {
		if got := len(breaking(migration{statements: []string{statement}}, map[string]bool{"sole": true})) > 0; got != breaks {
			t.Errorf("%q breaks: %v, want %v", statement, got, breaks)
		}
	}
}

var definition = regexp.MustCompile(`\b(CREATE|ALTER|DROP) (UNIQUE |TEMP )?(TABLE|INDEX|VIEW|TRIGGER|TYPE)\b`)

// TestSchemaIsMadeByMigrations: no other statement defines anything, but the table that migrations need themselves.
func TestSchemaIsMadeByMigrations(t *testing.T) {
	for where, statement := range sourceStatements(t) {
		if definition.MatchString(statement) && statement != schemaStateTable {
			t.Errorf("%s: %s", where, firstLine(statement))
		}
	}
	if !definition.MatchString(schemaStateTable) {
		t.Error("a definition is not found")
	}
}
