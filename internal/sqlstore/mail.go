package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const templateColumns = `project, kind, language, subject, body_text, body_html, updated_at`

func templateFields(t *auth.MailTemplate) []any {
	return []any{&t.Project, &t.Kind, &t.Language, &t.Subject, &t.Text, &t.HTML, &t.UpdatedAt}
}

func (r reader) ListMailTemplates(ctx context.Context, p auth.ProjectID) ([]auth.MailTemplate, error) {
	return list(ctx, r.q, templateFields, `SELECT `+templateColumns+` FROM mail_templates WHERE project = $1 ORDER BY kind, language`, p)
}

func (t *tx) PutMailTemplate(ctx context.Context, m auth.MailTemplate) error {
	_, err := t.q.exec(ctx, `INSERT INTO mail_templates (`+templateColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (project, kind, language) DO UPDATE SET subject = $4, body_text = $5, body_html = $6, updated_at = $7`,
		m.Project, m.Kind, m.Language, m.Subject, m.Text, m.HTML, m.UpdatedAt)
	return err
}

func (t *tx) DeleteMailTemplate(ctx context.Context, p auth.ProjectID, kind auth.MailKind, language string) error {
	return change(ctx, t.q, `DELETE FROM mail_templates WHERE project = $1 AND kind = $2 AND language = $3`, p, kind, language)
}

const mailColumns = `project, id, kind, recipient, state, sealed, attempts, created_at, next_attempt_at, lease_until, lease_token, finished_at, last_error`

func mailFields(m *auth.OutboxMail) []any {
	return []any{&m.Project, &m.ID, &m.Kind, &m.To, &m.State, &m.Sealed, &m.Attempts, &m.CreatedAt, &m.NextAttemptAt, &m.LeaseUntil, &m.LeaseToken,
		&m.FinishedAt, &m.LastError}
}

func (r reader) GetMail(ctx context.Context, p auth.ProjectID, id auth.MailID) (auth.OutboxMail, error) {
	fields := func(m *auth.OutboxMail) []any { return append(mailFields(m), &m.Transcript) }
	return get(ctx, r.q, fields, `SELECT `+mailColumns+`, transcript FROM outbox WHERE project = $1 AND id = $2`, p, id)
}

func (r reader) ListMail(ctx context.Context, p auth.ProjectID, state auth.MailState, before auth.MailID, limit int) ([]auth.OutboxMail, error) {
	b := &builder{}
	b.write(`SELECT `, mailColumns, ` FROM outbox WHERE `, always)
	if p != "" {
		b.write(` AND project = `, b.arg(p))
	}
	if state != "" {
		b.write(` AND state = `, b.arg(state))
	}
	if before != "" {
		b.write(` AND id < `, b.arg(before))
	}
	b.write(` ORDER BY id DESC LIMIT `, b.arg(max(0, limit)))
	return list(ctx, r.q, mailFields, b.text.String(), b.args...)
}

func (r reader) CountMail(ctx context.Context) (map[auth.MailState]int, error) {
	type count struct {
		state auth.MailState
		n     int
	}
	counts, err := list(ctx, r.q, func(c *count) []any { return []any{&c.state, &c.n} }, `SELECT state, COUNT(*) FROM outbox GROUP BY state`)
	if err != nil {
		return nil, err
	}
	byState := map[auth.MailState]int{}
	for _, c := range counts {
		byState[c.state] = c.n
	}
	return byState, nil
}

// OldestWaitingMail looks at waiting mails only: they are what the indexes on due_at hold.
func (r reader) OldestWaitingMail(ctx context.Context) (time.Time, error) {
	return get(ctx, r.q, value[time.Time], `SELECT COALESCE(MIN(created_at), 0) FROM outbox WHERE due_at IS NOT NULL`)
}

// dueAt gives when a worker may take the mail; nil for never.
func dueAt(m auth.OutboxMail) any {
	switch m.State {
	case auth.MailQueued:
		return m.NextAttemptAt
	case auth.MailWorking:
		return m.LeaseUntil
	}
	return nil
}

func (t *tx) CreateMail(ctx context.Context, m auth.OutboxMail) error {
	return create(ctx, t.q, `INSERT INTO outbox (`+mailColumns+`, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT DO NOTHING`, m.Project, m.ID, m.Kind, m.To, m.State, m.Sealed, m.Attempts, m.CreatedAt, m.NextAttemptAt, m.LeaseUntil, m.LeaseToken,
		m.FinishedAt, m.LastError, dueAt(m))
}

// DueMail looks into the index once for each project, however many mails wait.
func (r reader) DueMail(ctx context.Context, now time.Time) ([]auth.ProjectID, error) {
	return list(ctx, r.q, func(p *auth.ProjectID) []any { return []any{p} }, `SELECT p.id FROM projects p WHERE p.preset <> $2 AND EXISTS
		(SELECT 1 FROM outbox o WHERE o.project = p.id AND o.due_at IS NOT NULL AND o.due_at <= $1) ORDER BY p.id`, now, importing)
}

// unlessLeased leaves out what another worker has leased, in a statement whose $1 is the state of leased rows and whose $2 is the lease token.
func unlessLeased(takeOver bool) string {
	if takeOver {
		return ""
	}
	return ` AND (state <> $1 OR lease_token = $2)`
}

// ClaimMail gives the mails that wait longest, in the order of their ids.
func (t *tx) ClaimMail(ctx context.Context, p auth.ProjectID, leaseToken string, now, leaseUntil time.Time, limit int, takeOver bool) ([]auth.OutboxMail, error) {
	if ok, err := t.givesWorkOut(ctx); err != nil || !ok {
		return nil, err
	}
	claimed, err := list(ctx, t.q, mailFields, `UPDATE outbox SET state = $1, lease_token = $2, lease_until = $3, due_at = $3, attempts = attempts + 1
		WHERE project = $4 AND id IN (SELECT id FROM outbox WHERE project = $4 AND due_at IS NOT NULL AND due_at <= $5`+unlessLeased(takeOver)+`
		ORDER BY due_at LIMIT $6) RETURNING `+mailColumns, auth.MailWorking, leaseToken, leaseUntil, p, now, max(0, limit))
	slices.SortFunc(claimed, func(a, b auth.OutboxMail) int { return cmp.Compare(a.ID, b.ID) })
	return claimed, err
}

func (t *tx) FinishMail(ctx context.Context, m auth.OutboxMail) error {
	return change(ctx, t.q, `UPDATE outbox SET state = $4, next_attempt_at = $5, finished_at = $6, last_error = $7, sealed = $8, due_at = $9, transcript = $11,
		lease_token = '', lease_until = 0 WHERE project = $1 AND id = $2 AND lease_token = $3 AND state = $10`,
		m.Project, m.ID, m.LeaseToken, m.State, m.NextAttemptAt, m.FinishedAt, m.LastError, m.Sealed, dueAt(m), auth.MailWorking, m.Transcript)
}

func (t *tx) RequeueMail(ctx context.Context, p auth.ProjectID, id auth.MailID, now time.Time) error {
	return change(ctx, t.q, `UPDATE outbox SET state = $3, attempts = 0, next_attempt_at = $4, due_at = $4, finished_at = 0
		WHERE project = $1 AND id = $2 AND state IN ($5, $6)`, p, id, auth.MailQueued, now, auth.MailKept, auth.MailDead)
}

func (t *tx) DeleteMail(ctx context.Context, p auth.ProjectID, id auth.MailID) error {
	return change(ctx, t.q, `DELETE FROM outbox WHERE project = $1 AND id = $2`, p, id)
}
