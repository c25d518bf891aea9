package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is what a column holds; both engines keep each as one Go type.
type Kind byte

// The kinds, and the types that their values have in a [Row]; nil stands for NULL in each.
const (
	Text Kind = 't' // string
	Int  Kind = 'i' // int64
	Real Kind = 'r' // float64
	Blob Kind = 'b' // []byte
)

// Column is a column of a [Table].
type Column struct {
	Name string
	Kind Kind
}

// Table is a table of the schema whose rows are data: what a copy, a backup or an export of the database has to take along.
type Table struct {
	Name    string
	Columns []Column
	// Key are the places, in Columns, of the columns of the primary key, in its order. Rows are read in its order, which is the same on both engines:
	// bytes for text and blobs.
	Key []int
	// Project is the place of the column that says whose the row is; -1 in tables of the instance. In audit and limits it is '' for the instance's own rows.
	Project int
}

// Tables gives all tables of the schema, parents before their children. It is the schema that this program migrates to; [Store.CheckTables] tells whether a
// database has it.
func Tables() []Table { return slices.Clone(tables) }

// TableNamed gives a table by its name.
func TableNamed(name string) (Table, bool) {
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return tables[i], true
}

// notData are tables that belong to one database and go nowhere with its rows.
var notData = []string{"goose_db_version", "schema_state", "database_marks", "leases"}

// tables is the list. A migration that adds a table or a column adds it here; a test compares both with what the engines say.
var tables = []Table{
	table("projects", "id", "id",
		"id display_name preset overrides secrets_sealed:b admin_token_hash:b created_at:i updated_at:i version:i"),
	table("retired_projects", "id", "", "id retired_at:i"),
	table("users", "project id", "project",
		"project id email email_verified:i name picture locale password_hash password_updated_at:i disabled:i invite_pending:i verification_required:i roles"+
			" custom_claims attributes created_at:i updated_at:i last_sign_in_at:i author"),
	table("roles", "project id", "project", "project id name created_at:i"),
	table("user_roles", "project role_id user_id", "project", "project role_id user_id"),
	table("user_attributes", "project user_id name place", "project", "project user_id name place:i kind text_key text_value number_value:r"),
	table("identities", "project provider_id subject", "project", "project provider_id subject user_id email email_verified:i created_at:i last_sign_in_at:i"),
	table("sessions", "project id", "project",
		"project id user_id provider_id created_at:i last_used_at:i revoked_at:i addr user_agent second_factor second_factor_id"),
	table("refresh_tokens", "project hash", "project", "project hash:b session_id user_id created_at:i rotated_at:i successor_hash:b successor_salt:b"),
	table("browser_tokens", "project hash", "project", "project hash:b session_id created_at:i"),
	table("sign_in_codes", "project hash", "project",
		"project hash:b session_id redirect_uri code_challenge created_at:i expires_at:i consumed_at:i made_session"),
	table("oob_codes", "project hash", "project", "project hash:b user_id purpose email new_email created_at:i expires_at:i consumed_at:i undoes"+
		" short_id short_sealed:b short_tries:i"),
	table("signing_keys", "project id", "project", "project id algorithm public_jwk:b private_sealed:b created_at:i retired_at:i expires_at:i"),
	table("mail_templates", "project kind language", "project", "project kind language subject body_text body_html updated_at:i"),
	table("outbox", "project id", "project",
		"project id kind recipient state sealed:b attempts:i created_at:i next_attempt_at:i lease_until:i lease_token finished_at:i last_error due_at:i transcript"),
	table("identity_providers", "project id", "project",
		"project id enabled:i client_id secret_sealed:b scopes parameters endpoints allow_hosts implicit:i team_id key_id created_at:i updated_at:i"),
	table("sign_in_flows", "project id", "project",
		"project id session_hash:b state_hash:b nonce_hash:b verifier_sealed:b provider_id redirect_uri created_at:i expires_at:i consumed_at:i"),
	table("second_factors", "project id", "project",
		"project id user_id kind name secret_sealed:b credential_hash:b credential:b counter:i created_at:i confirmed_at:i last_used_at:i"),
	table("recovery_codes", "project user_id hash", "project", "project user_id hash:b created_at:i"),
	table("pending_sign_ins", "project hash", "project", "project hash:b user_id provider_id email password_updated_at:i tries:i created_at:i expires_at:i"),
	table("passkey_challenges", "project purpose hash", "project", "project purpose hash:b user_id state:b expires_at:i"),
	table("webhooks", "project id", "project",
		"project id kind url events enabled:i allow_hosts deadline:i on_failure secret_sealed:b previous_until:i created_at:i updated_at:i"),
	table("webhook_deliveries", "project id", "project",
		"project id webhook event user_id state payload attempts:i created_at:i next_attempt_at:i lease_until:i lease_token finished_at:i last_status:i last_error due_at:i"),
	table("decisions", "reference project id", "project", "reference project id occurred_at:i event outcome code user_id addr user_agent steps"),
	table("known_sources", "project user_id source", "project", "project user_id source seen_at:i"),
	table("audit", "project id", "project", "project id occurred_at:i event outcome actor actor_id user_id addr request_id detail"),
	table("activity", "project hour_at", "project", "project hour_at:i sign_ups:i sign_ins:i refreshes:i resets:i deletions:i refusals:i"),
	table("activity_marks", "project", "project", "project counted"),
	table("limits", "project limit_key", "project", "project limit_key arrival:i"),
	table("operator_tokens", "name", "", "name hash:b created_at:i"),
	table("tls_files", "path", "", "path sealed:b modified_at:i"),
	table("user_imports", "project id", "project",
		"project id state file_name line_count:i done_count:i refused_count:i report failure actor actor_id addr created_at:i started_at:i finished_at:i expires_at:i"),
	table("user_import_parts", "project id", "project", "project id import_id sealed:b"),
	table("setup_codes", "hash", "", "hash:b created_at:i expires_at:i"),
}

// table reads a line of the list: names, with their kind behind a colon where it is not text.
func table(name, key, project, columns string) Table {
	t := Table{Name: name}
	for field := range strings.FieldsSeq(columns) {
		column, kind, other := strings.Cut(field, ":")
		c := Column{column, Text}
		if other {
			c.Kind = Kind(kind[0])
		}
		t.Columns = append(t.Columns, c)
	}
	for column := range strings.FieldsSeq(key) {
		t.Key = append(t.Key, t.Place(column))
	}
	t.Project = t.Place(project)
	return t
}

// Place gives the place of a column in the table's rows; -1 where there is none of that name.
func (t Table) Place(column string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
}

// ErrTables means that the database has other tables or columns than this program knows, so that it cannot tell what all the data is.
var ErrTables = errors.New("the database has tables that this program does not know")

// Live columns as both engines tell of them; position counts the columns of the primary key from 1, and is 0 for the others.
const (
	sqliteColumns = `SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'
		ORDER BY m.name, c.cid`
	postgresColumns = `SELECT c.table_name, c.column_name, c.data_type, COALESCE(k.ordinal_position, 0)
		FROM information_schema.columns c
		JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
		LEFT JOIN information_schema.table_constraints p ON p.table_schema = c.table_schema AND p.table_name = c.table_name AND p.constraint_type = 'PRIMARY KEY'
		LEFT JOIN information_schema.key_column_usage k ON k.constraint_schema = p.constraint_schema AND k.constraint_name = p.constraint_name
			AND k.table_name = p.table_name AND k.column_name = c.column_name
		WHERE c.table_schema = current_schema()
		ORDER BY c.table_name, c.ordinal_position`
)

type liveColumn struct {
	table, name, kind string
	position          int64
}

func liveColumnFields(c *liveColumn) []any { return []any{&c.table, &c.name, &c.kind, &c.position} }

// liveKinds are the engines' names of the kinds.
var liveKinds = map[string]Kind{
	"TEXT": Text, "INTEGER": Int, "REAL": Real, "BLOB": Blob,
	"text": Text, "bigint": Int, "double precision": Real, "bytea": Blob,
}

// CheckTables compares the database's own schema with [Tables]. It fails with [ErrTables] and the first difference.
func (s *Store) CheckTables(ctx context.Context) error { return checkTables(ctx, s.reader.q) }

func checkTables(ctx context.Context, q *querier) error {
	columns, err := list(ctx, q, liveColumnFields, q.engine.columns)
	if err != nil {
		return err
	}
	live := map[string][]liveColumn{}
	for _, c := range columns {
		if !slices.Contains(notData, c.table) {
			live[c.table] = append(live[c.table], c)
		}
	}
	for _, t := range tables {
		if err := t.compare(live[t.Name]); err != nil {
			return fmt.Errorf("%w: %w", ErrTables, err)
		}
		delete(live, t.Name)
	}
	for name := range live {
		return fmt.Errorf("%w: table %s", ErrTables, name)
	}
	return nil
}

func (t Table) compare(live []liveColumn) error {
	keys := 0
	for _, c := range live {
		place := t.Place(c.name)
		if place < 0 || t.Columns[place].Kind != liveKinds[c.kind] {
			return fmt.Errorf("column %s.%s of type %s", t.Name, c.name, c.kind)
		}
		if slices.Index(t.Key, place) != int(c.position)-1 {
			return fmt.Errorf("the key of %s", t.Name)
		}
		keys += min(1, int(c.position))
	}
	if len(live) != len(t.Columns) || keys != len(t.Key) {
		return fmt.Errorf("%s has %d columns and not %d", t.Name, len(live), len(t.Columns))
	}
	return nil
}
