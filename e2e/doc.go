// Package e2e tests Doorward from outside: it builds the real binary, starts it on a loopback
// port with a temporary data directory, and speaks to it over HTTP, SMTP and its command line only.
// The package has no code of its own but tests; README.md says how to run them.
package e2e
