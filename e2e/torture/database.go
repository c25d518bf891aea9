package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// Database reads what a server stored, beside the server.
type Database interface {
	Facts(ctx context.Context) (Facts, error)
}

// UserRow is a user as it is stored.
type UserRow struct {
	Project, ID, Email          string
	Disabled, Invited, Verified bool
}

// MailRow is a mail of the outbox.
type MailRow struct{ Project, ID, Kind, To, State string }

// UserKey names a user of a project.
type UserKey struct{ Project, User string }

// RecordKey names a kind of audit record of a user.
type RecordKey struct{ Project, User, Event string }

// Facts are what the database says.
type Facts struct {
	Users    []UserRow
	Living   map[UserKey]int // sessions that are not revoked
	Records  map[RecordKey]int
	Mails    []MailRow
	Strays   []string // rows that belong to two users or to none
	Problems []string // what the database itself finds wrong
}

// SQLiteFile is a database file, which a server may have open.
type SQLiteFile string

// Facts reads it, and has it checked.
func (f SQLiteFile) Facts(ctx context.Context) (Facts, error) {
	db, err := sql.Open("sqlite", "file:"+string(f)+"?_pragma=busy_timeout(10000)&_pragma=query_only(ON)")
	if err != nil {
		return Facts{}, err
	}
	defer db.Close()
	facts, err := readFacts(ctx, db)
	if err != nil {
		return facts, err
	}
	facts.Problems, err = sqliteProblems(ctx, db)
	return facts, err
}

func sqliteProblems(ctx context.Context, db *sql.DB) (problems []string, err error) {
	err = each(ctx, db, `PRAGMA integrity_check`, func(scan scanner) error {
		var verdict string
		if err := scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			problems = append(problems, "integrity_check: "+verdict)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, `PRAGMA foreign_key_check`, func(scan scanner) error {
		var table, parent string
		var row, key any
		err := scan(&table, &row, &parent, &key)
		problems = append(problems, fmt.Sprintf("foreign_key_check: row %v of %s has no row in %s", row, table, parent))
		return err
	})
	return problems, err
}

// PostgresURL is a database that servers use.
type PostgresURL string

// Facts reads it, and has it checked.
func (u PostgresURL) Facts(ctx context.Context) (Facts, error) {
	db, err := sql.Open("pgx", string(u))
	if err != nil {
		return Facts{}, err
	}
	defer db.Close()
	facts, err := readFacts(ctx, db)
	if err != nil {
		return facts, err
	}
	facts.Problems, err = postgresProblems(ctx, db)
	return facts, err
}

// The checks of the extension amcheck: every entry of a table against its page, and every row against every index.
const (
	checkHeaps = `SELECT c.relname || ': ' || v.msg FROM pg_class c CROSS JOIN LATERAL verify_heapam(c.oid::regclass) v
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`
	checkIndexes = `SELECT bt_index_check(i.indexrelid::regclass, true)::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
		WHERE a.amname = 'btree' AND c.relnamespace = 'public'::regnamespace`
)

func postgresProblems(ctx context.Context, db *sql.DB) (problems []string, err error) {
	if _, err := db.ExecContext(ctx, `CREATE EXTENSION IF NOT EXISTS amcheck`); err != nil {
		return nil, fmt.Errorf("amcheck: %w", err)
	}
	collect := func(scan scanner) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		if text != "" { // bt_index_check answers nothing, or fails
			problems = append(problems, "amcheck: "+text)
		}
		return nil
	}
	for _, check := range []string{checkHeaps, checkIndexes} {
		if err := each(ctx, db, check, collect); err != nil {
			problems = append(problems, "amcheck: "+err.Error())
		}
	}
	return problems, nil
}

// strays find rows that no foreign key forbids: a token whose user is not its session's, a user's row of another project.
var strays = []string{
	`SELECT 'refresh token of ' || t.project || '/' || t.user_id || ' in a session of ' || s.user_id
		FROM refresh_tokens t JOIN sessions s ON s.project = t.project AND s.id = t.session_id WHERE s.user_id <> t.user_id`,
	`SELECT 'refresh token of ' || t.project || '/' || t.user_id || ' without a session'
		FROM refresh_tokens t LEFT JOIN sessions s ON s.project = t.project AND s.id = t.session_id WHERE s.id IS NULL`,
	`SELECT 'session of ' || s.project || '/' || s.user_id || ' without a user'
		FROM sessions s LEFT JOIN users u ON u.project = s.project AND u.id = s.user_id WHERE u.id IS NULL`,
	`SELECT 'code of ' || c.project || '/' || c.user_id || ' without a user'
		FROM oob_codes c LEFT JOIN users u ON u.project = c.project AND u.id = c.user_id WHERE u.id IS NULL`,
}

func readFacts(ctx context.Context, db *sql.DB) (Facts, error) {
	facts := Facts{Living: map[UserKey]int{}, Records: map[RecordKey]int{}}
	err := errors.Join(
		each(ctx, db, `SELECT project, id, coalesce(email, ''), disabled, invite_pending, email_verified FROM users`, func(scan scanner) error {
			var u UserRow
			err := scan(&u.Project, &u.ID, &u.Email, &u.Disabled, &u.Invited, &u.Verified)
			facts.Users = append(facts.Users, u)
			return err
		}),
		each(ctx, db, `SELECT project, user_id, count(*) FROM sessions WHERE revoked_at = 0 GROUP BY project, user_id`, func(scan scanner) error {
			var key UserKey
			var n int
			err := scan(&key.Project, &key.User, &n)
			facts.Living[key] = n
			return err
		}),
		each(ctx, db, `SELECT project, user_id, event, count(*) FROM audit WHERE outcome = 'allowed' AND user_id <> '' GROUP BY project, user_id, event`, func(scan scanner) error {
			var key RecordKey
			var n int
			err := scan(&key.Project, &key.User, &key.Event, &n)
			facts.Records[key] = n
			return err
		}),
		each(ctx, db, `SELECT project, id, kind, recipient, state FROM outbox`, func(scan scanner) error {
			var m MailRow
			err := scan(&m.Project, &m.ID, &m.Kind, &m.To, &m.State)
			facts.Mails = append(facts.Mails, m)
			return err
		}),
	)
	for _, query := range strays {
		err = errors.Join(err, each(ctx, db, query, func(scan scanner) error {
			var text string
			err := scan(&text)
			facts.Strays = append(facts.Strays, text)
			return err
		}))
	}
	return facts, err
}

type scanner func(...any) error

func each(ctx context.Context, db *sql.DB, query string, visit func(scanner) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(query), err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", firstWords(query), err)
		}
	}
	return rows.Err()
}

func firstWords(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(6, len(words))], " ")
}
