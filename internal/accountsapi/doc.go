// Package accountsapi is wire 1: the AUTH API and the users table, as their published clients speak them. It decodes, calls the domain once, and encodes.
package accountsapi
