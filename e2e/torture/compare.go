package main

import (
	"fmt"
	"slices"
	"time"
)

// Evidence is what an account's ledger is compared with.
type Evidence struct {
	Facts   Facts
	Arrived map[string][]Delivery // by the id of the mail
	Faults  []time.Time           // when a process was killed, or a mail dropped: only around these may a mail arrive twice
	Drained bool                  // the outbox had its time: what was not sent is lost
}

// Compare finds what the database and the mailbox contradict of the model. Accounts that are broken or pending are left out.
func Compare(m *Model, e Evidence) (found []Finding) {
	c := comparison{evidence: e, owner: map[UserKey]*Account{}, rows: map[[2]string][]UserRow{}, mails: map[[2]string]map[string]int{}}
	for _, a := range m.Accounts() {
		if a.UID != "" {
			c.owner[UserKey{a.Project, a.UID}] = a
		}
	}
	c.known = m
	c.users()
	c.outbox()
	for _, a := range m.Accounts() {
		if !a.Broken && a.Pending == nil {
			c.account(a)
		}
	}
	for _, stray := range e.Facts.Strays {
		c.add(Finding{Mixed, "", "", stray})
	}
	for _, problem := range e.Facts.Problems {
		c.add(Finding{Corrupt, "", "", problem})
	}
	return c.found
}

type comparison struct {
	evidence Evidence
	known    *Model
	owner    map[UserKey]*Account
	rows     map[[2]string][]UserRow      // by project and address
	mails    map[[2]string]map[string]int // by project and address, by kind
	found    []Finding
}

func (c *comparison) add(f Finding) { c.found = append(c.found, f) }

func (c *comparison) of(a *Account, v Verdict, format string, args ...any) {
	c.add(Finding{v, a.Project, a.Email, fmt.Sprintf(format, args...)})
}

// users sorts the rows by address, and finds those that nobody knows.
func (c *comparison) users() {
	addresses := map[[2]string]bool{}
	for _, a := range c.known.Accounts() {
		addresses[[2]string{a.Project, a.Email}] = true
	}
	for _, u := range c.evidence.Facts.Users {
		key := [2]string{u.Project, u.Email}
		c.rows[key] = append(c.rows[key], u)
		if !addresses[key] {
			c.add(Finding{Phantom, "", "", fmt.Sprintf("the user %s (%s) in %s, whom nobody made", u.ID, u.Email, u.Project)})
		}
	}
}

// outbox counts the mails by address and kind, and looks at each for itself.
func (c *comparison) outbox() {
	rows := map[string]MailRow{}
	for _, m := range c.evidence.Facts.Mails {
		rows[m.ID] = m
		key := [2]string{m.Project, m.To}
		if c.mails[key] == nil {
			c.mails[key] = map[string]int{}
		}
		c.mails[key][m.Kind]++
		c.mail(m, c.evidence.Arrived[m.ID])
	}
	for id, copies := range c.evidence.Arrived {
		if _, ok := rows[id]; !ok {
			c.add(Finding{Phantom, copies[0].Project, copies[0].To, fmt.Sprintf("a mail (%s) arrived whose change is not in the database: %s", copies[0].Kind, id)})
		}
	}
}

func (c *comparison) mail(m MailRow, copies []Delivery) {
	found := func(v Verdict, format string, args ...any) {
		c.add(Finding{v, m.Project, m.To, fmt.Sprintf("the mail %s (%s) "+format, append([]any{m.ID, m.Kind}, args...)...)})
	}
	waiting := m.State == "queued" || m.State == "working"
	switch {
	case m.State == "dead":
		found(Lost, "was given up")
	case m.State == "sent" && len(copies) == 0:
		found(Lost, "is recorded as sent, and never arrived")
	case waiting && c.evidence.Drained:
		found(Lost, "is still %s", m.State)
	}
	for i, d := range copies {
		if d.To != m.To || d.Project != "" && d.Project != m.Project {
			found(Mixed, "went to %s with a link of %q", d.To, d.Project)
		}
		if i > 0 && !copies[i-1].Unacknowledged && !c.faultAfter(copies[i-1].At) {
			found(Doubled, "arrived twice, at %v and %v, and no process was killed soon after the first", copies[i-1].At, d.At)
		}
	}
}

// recordTime is within what the arrival of a mail is recorded, at the latest.
const recordTime = 15 * time.Second

// faultAfter tells whether a fault may have come between the arrival and its record. A second copy comes later, when the mail's lease is over.
func (c *comparison) faultAfter(arrival time.Time) bool {
	from, to := arrival.Add(-time.Second), arrival.Add(recordTime)
	return slices.ContainsFunc(c.evidence.Faults, func(at time.Time) bool { return at.After(from) && at.Before(to) })
}

func (c *comparison) account(a *Account) {
	rows := c.rows[[2]string{a.Project, a.Email}]
	there := a.Life == Active || a.Life == Invited
	switch {
	case there && len(rows) == 0:
		c.of(a, Lost, "the user is not in the database")
	case len(rows) > 1:
		c.of(a, Doubled, "%d rows have the address", len(rows))
	case !there && len(rows) == 1 && a.Life == Deleted:
		c.of(a, Revived, "the user was deleted, and is in the database as %s", rows[0].ID)
	case !there && len(rows) == 1:
		c.of(a, Phantom, "the user was never made, and is in the database as %s", rows[0].ID)
	case there:
		c.row(a, rows[0])
	}
	c.counts(a)
}

func (c *comparison) row(a *Account, u UserRow) {
	if u.ID != a.UID {
		verdict := Doubled
		if c.owner[UserKey{a.Project, u.ID}] != nil {
			verdict = Mixed
		}
		c.of(a, verdict, "the address belongs to the user %s, not %s", u.ID, a.UID)
		return
	}
	if u.Disabled != a.Disabled || u.Invited != (a.Life == Invited) || u.Verified != a.Verified {
		c.of(a, Lost, "disabled %v, invited %v, verified %v in the database; %v, %v, %v as acknowledged", u.Disabled, u.Invited, u.Verified, a.Disabled, a.Life == Invited, a.Verified)
	}
	held := len(a.Living())
	switch n := c.evidence.Facts.Living[UserKey{a.Project, a.UID}]; {
	case n < held:
		c.of(a, Lost, "%d living sessions in the database, %d are held", n, held)
	case n > held+a.Spare:
		c.of(a, Revived, "%d living sessions in the database, at most %d can be", n, held+a.Spare)
	}
}

// counts compares how many mails and audit records there are with how many changes there were: each change makes one, in its own transaction.
func (c *comparison) counts(a *Account) {
	mails := c.mails[[2]string{a.Project, a.Email}]
	for _, kind := range []string{"verify-email", "reset-password", "password-changed", "invite"} {
		c.count(a, "mails "+kind, mails[kind], a.Mails[kind])
	}
	if a.UID == "" {
		return
	}
	for _, event := range []string{
		"user.sign_up", "password.change", "password.reset_request", "password.reset", "user.invite", "user.invite_accept", "user.disable", "user.enable", "user.delete",
	} {
		c.count(a, "records "+event, c.evidence.Facts.Records[RecordKey{a.Project, a.UID, event}], a.Records[event])
	}
}

func (c *comparison) count(a *Account, what string, n int, want Span) {
	switch {
	case n < want.Least:
		c.of(a, Lost, "%d %s, of at least %d", n, what, want.Least)
	case n > want.Most && want.Most > 0:
		c.of(a, Doubled, "%d %s, of at most %d", n, what, want.Most)
	case n > want.Most:
		c.of(a, Phantom, "%d %s of no change", n, what)
	}
}
