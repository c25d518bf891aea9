// Bench measures a release binary against what the machine can do. It starts the binary on an empty database, SQLite and then PostgreSQL, loads it over the
// loopback interface from this process, and shows what it did as a ratio to a limit that was taken right before: password hashes and signatures a second over
// all cores, or requests a second that a bare net/http handler answers with the same bytes. scripts/bench runs it; docs/performance.md has its tables.
package main
