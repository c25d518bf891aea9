// Package pages serves the hosted pages behind the links of mails: confirm an address, accept an invite, set a new password, confirm a changed address and
// take the old one back. They work without script, and opening one changes nothing: only its form does (P8). Beside them are those that lead to a signed-in user:
// sign-in with its steps, sign-up, a forgotten password (flow.go); and those of the own account (account.go).
package pages
