// Package sqlstore is [auth.Store] on database/sql, for SQLite and PostgreSQL.
//
// Both engines run the same statements with $n parameters on the same schema. Instants are BIGINT unix milliseconds, the zero
// time is 0. Maps are JSON text and read back as empty maps, never nil. Text is compared byte by byte. Text with a NUL or invalid UTF-8 is refused on
// both engines, because PostgreSQL cannot keep it.
//
// On SQLite one goroutine commits: it puts all waiting changes into one transaction (see writer.go). On PostgreSQL each change is a serializable
// transaction that runs again when it lost a race (see postgres.go); postgresconn.go says how connections are made, and what each is told first. The schema is
// brought forward under a lock (see schemalock.go).
package sqlstore
