package server

import (
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
)

// fate is what becomes of the rows of a table when a backup is restored that may not be the last word: what was ended after it must not live again (P21).
type fate int

const (
	keep   fate = iota + 1
	forget      // nobody can know which of them were ended since, so all are
	unsend      // what waits may have been sent since: it is kept as dead, to be read and sent by hand
)

// fates has every table of the schema; a test holds that.
var fates = map[string]fate{
	"projects": keep, "retired_projects": keep, "users": keep, "roles": keep, "user_roles": keep, "user_attributes": keep, "identities": keep,
	"mail_templates": keep, "identity_providers": keep, "webhooks": keep, "second_factors": keep, "recovery_codes": keep, "known_sources": keep,
	"decisions": keep, "audit": keep, "limits": keep, "operator_tokens": keep, "tls_files": keep,
	"activity": keep, "activity_marks": keep,

	"sessions": forget, "refresh_tokens": forget, "oob_codes": forget, "sign_in_flows": forget, "pending_sign_ins": forget, "passkey_challenges": forget,
	"browser_tokens": forget, "sign_in_codes": forget, "setup_codes": forget,
	"user_imports": forget, "user_import_parts": forget, // who was deleted since would come in again
	"signing_keys": forget, // one that was withdrawn since would verify again

	"outbox": unsend, "webhook_deliveries": unsend,
}

const unsentReason = "restored from a backup: it may have been sent after that was taken"

// decide gives the row as it is to be restored; false where it is not.
func decide(t sqlstore.Table, row sqlstore.Row, sourceStopped bool) (sqlstore.Row, bool) {
	if sourceStopped {
		return row, true
	}
	switch fates[t.Name] {
	case keep:
		return row, true
	case unsend:
		return unsent(t, row), true
	}
	return nil, false
}

func unsent(t sqlstore.Table, row sqlstore.Row) sqlstore.Row {
	state, _ := row[t.Place("state")].(string)
	// Both outboxes have the same words.
	if state != string(auth.MailQueued) && state != string(auth.MailWorking) {
		return row
	}
	for column, value := range map[string]any{"state": string(auth.MailDead), "last_error": unsentReason, "due_at": nil, "lease_until": int64(0), "lease_token": ""} {
		row[t.Place(column)] = value
	}
	if created, ok := row[t.Place("created_at")].(int64); ok {
		row[t.Place("finished_at")] = created // dead ones have an end
	}
	return row
}
