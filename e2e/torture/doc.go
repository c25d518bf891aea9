// Command torture shows that nothing acknowledged is lost. It runs a seeded load against real server processes, writes what it was told to a ledger before and after
// each call, strikes with faults meanwhile, and then compares: it signs in, refreshes, and reads the database and the mails. It knows Doorward only from outside: HTTP, SMTP,
// the command line, signals, and the tables that it reads.
//
//	go run ./torture -seed 7                       all scenarios, long form
//	go run ./torture -scenario sqlite-kill -rounds 20
//
// A scenario is one kind of fault; see [Scenario]. What they share is in [Arena].
package main
