// Package secret seals what must be readable again but never lie open in the
// database or its backups: provider and SMTP credentials, signing keys (P18).
//
// The master keys are in a file of their own, outside the database. The newest key
// seals, every key opens, and several processes may share the file while keys are
// added and removed.
package secret
