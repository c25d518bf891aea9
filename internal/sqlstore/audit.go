package sqlstore

import (
	"context"
	"errors"

	"github.com/doorward/doorward/internal/auth"
)

const auditColumns = `project, id, occurred_at, event, outcome, actor, actor_id, user_id, addr, request_id, detail`

func auditFields(r *auth.AuditRecord) []any {
	return []any{&r.Project, &r.ID, &r.At, &r.Event, &r.Outcome, &r.Actor, &r.ActorID, &r.User, &r.Addr, &r.RequestID, &r.Detail}
}

// auditStretch is how many records one statement looks at. A search without an index goes through a log of any length in stretches: between them the connection
// is free for others.
const auditStretch = 5000

func (r reader) ListAudit(ctx context.Context, p auth.ProjectID, f auth.AuditFilter) (found []auth.AuditRecord, err error) {
	if f.User != "" || f.Request != "" || !filtered(f) { // an index leads to them
		return r.listAudit(ctx, p, f)
	}
	oldest := f.From
	for stretch := f; ; stretch.Before = stretch.From {
		if stretch.From, err = r.auditStretch(ctx, p, stretch.Before); err != nil {
			return nil, err
		}
		last := stretch.From <= oldest
		stretch.From = max(stretch.From, oldest)
		stretch.Limit = f.Limit - len(found)
		records, err := r.listAudit(ctx, p, stretch)
		if err != nil {
			return nil, err
		}
		if found = append(found, records...); last || len(found) >= f.Limit {
			return found, nil
		}
	}
}

func filtered(f auth.AuditFilter) bool {
	return f.Event != "" || f.Outcome != "" || f.Actor != "" || f.ActorID != "" || f.Addr.IsValid()
}

// auditStretch gives the id at which the stretch of records before an id begins; "" where that is the oldest.
func (r reader) auditStretch(ctx context.Context, p auth.ProjectID, before auth.AuditID) (auth.AuditID, error) {
	b := &builder{}
	b.write(`SELECT id FROM audit WHERE `, always)
	if p != "" {
		b.write(` AND project = `, b.arg(p))
	}
	if before != "" {
		b.write(` AND id < `, b.arg(before))
	}
	b.write(` ORDER BY id DESC LIMIT 1 OFFSET `, b.arg(auditStretch-1))
	from, err := get(ctx, r.q, value[auth.AuditID], b.text.String(), b.args...)
	if errors.Is(err, auth.ErrNotFound) {
		return "", nil
	}
	return from, err
}

func (r reader) listAudit(ctx context.Context, p auth.ProjectID, f auth.AuditFilter) ([]auth.AuditRecord, error) {
	b := &builder{}
	b.write(`SELECT `, auditColumns, ` FROM audit WHERE `, always)
	if p != "" {
		b.write(` AND project = `, b.arg(p))
	}
	if f.Event != "" {
		b.write(` AND event = `, b.arg(f.Event))
	}
	if f.User != "" {
		b.write(` AND user_id = `, b.arg(f.User), ` AND user_id <> ''`)
	}
	if f.Outcome != "" {
		b.write(` AND outcome = `, b.arg(f.Outcome))
	}
	if f.Actor != "" {
		b.write(` AND actor = `, b.arg(f.Actor))
	}
	if f.ActorID != "" {
		b.write(` AND actor_id = `, b.arg(f.ActorID))
	}
	if f.Addr.IsValid() {
		b.write(` AND addr = `, b.arg(f.Addr))
	}
	if f.Request != "" {
		b.write(` AND request_id = `, b.arg(f.Request), ` AND request_id <> ''`)
	}
	if f.From != "" {
		b.write(` AND id >= `, b.arg(f.From))
	}
	if !f.Since.IsZero() {
		b.write(` AND occurred_at >= `, b.arg(f.Since))
	}
	if !f.Until.IsZero() {
		b.write(` AND occurred_at < `, b.arg(f.Until))
	}
	if f.Before != "" {
		b.write(` AND id < `, b.arg(f.Before))
	}
	b.write(` ORDER BY id DESC LIMIT `, b.arg(max(0, f.Limit)))
	return list(ctx, r.q, auditFields, b.text.String(), b.args...)
}

func (t *tx) CreateAudit(ctx context.Context, r auth.AuditRecord) error {
	return create(ctx, t.q, `INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		r.Project, r.ID, r.At, r.Event, r.Outcome, r.Actor, r.ActorID, r.User, r.Addr, r.RequestID, r.Detail)
}
