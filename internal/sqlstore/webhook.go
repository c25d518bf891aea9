package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const webhookColumns = `project, id, kind, url, events, enabled, allow_hosts, deadline, on_failure, secret_sealed, previous_until, created_at, updated_at`

// webhookRow is a webhook as it is scanned: its deadline is stored in milliseconds.
type webhookRow struct {
	auth.Webhook
	deadline int64
}

func webhookFields(w *webhookRow) []any {
	return []any{&w.Project, &w.ID, &w.Kind, &w.URL, &w.Events, &w.Enabled, &w.AllowHosts, &w.deadline, &w.OnFailure, &w.SecretSealed, &w.PreviousUntil,
		&w.CreatedAt, &w.UpdatedAt}
}

func (r webhookRow) webhook() auth.Webhook {
	r.Deadline = time.Duration(r.deadline) * time.Millisecond
	return r.Webhook
}

func (r reader) GetWebhook(ctx context.Context, p auth.ProjectID, id auth.WebhookID) (auth.Webhook, error) {
	row, err := get(ctx, r.q, webhookFields, `SELECT `+webhookColumns+` FROM webhooks WHERE project = $1 AND id = $2`, p, id)
	return row.webhook(), err
}

func (r reader) ListWebhooks(ctx context.Context, p auth.ProjectID) ([]auth.Webhook, error) {
	rows, err := cached(ctx, r.q, webhookFields, `SELECT `+webhookColumns+` FROM webhooks WHERE project = $1 ORDER BY created_at, id`, p)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	webhooks := make([]auth.Webhook, len(rows))
	for i, row := range rows {
		webhooks[i] = row.webhook()
	}
	return webhooks, nil
}

func (t *tx) CreateWebhook(ctx context.Context, w auth.Webhook) error {
	return create(ctx, t.q, `INSERT INTO webhooks (`+webhookColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		w.Project, w.ID, w.Kind, w.URL, w.Events, w.Enabled, w.AllowHosts, w.Deadline.Milliseconds(), w.OnFailure, w.SecretSealed, w.PreviousUntil, w.CreatedAt, w.UpdatedAt)
}

func (t *tx) UpdateWebhook(ctx context.Context, w auth.Webhook) error {
	return change(ctx, t.q, `UPDATE webhooks SET url = $3, events = $4, enabled = $5, allow_hosts = $6, deadline = $7, on_failure = $8, secret_sealed = $9,
		previous_until = $10, updated_at = $11 WHERE project = $1 AND id = $2`,
		w.Project, w.ID, w.URL, w.Events, w.Enabled, w.AllowHosts, w.Deadline.Milliseconds(), w.OnFailure, w.SecretSealed, w.PreviousUntil, w.UpdatedAt)
}

func (t *tx) DeleteWebhook(ctx context.Context, p auth.ProjectID, id auth.WebhookID) error {
	return change(ctx, t.q, `DELETE FROM webhooks WHERE project = $1 AND id = $2`, p, id)
}

const deliveryColumns = `project, id, webhook, event, user_id, state, payload, attempts, created_at, next_attempt_at, lease_until, lease_token, finished_at,
	last_status, last_error`

func deliveryFields(d *auth.WebhookDelivery) []any {
	return []any{&d.Project, &d.ID, &d.Webhook, &d.Event, &d.User, &d.State, &d.Payload, &d.Attempts, &d.CreatedAt, &d.NextAttemptAt, &d.LeaseUntil, &d.LeaseToken,
		&d.FinishedAt, &d.LastStatus, &d.LastError}
}

func (r reader) ListWebhookDeliveries(ctx context.Context, p auth.ProjectID, f auth.DeliveryFilter) ([]auth.WebhookDelivery, error) {
	b := &builder{}
	b.write(`SELECT `, deliveryColumns, ` FROM webhook_deliveries WHERE project = `, b.arg(p))
	if f.Webhook != "" {
		b.write(` AND webhook = `, b.arg(f.Webhook))
	}
	if f.State != "" {
		b.write(` AND state = `, b.arg(f.State))
	}
	if f.Before != "" {
		b.write(` AND id < `, b.arg(f.Before))
	}
	b.write(` ORDER BY id DESC LIMIT `, b.arg(max(0, f.Limit)))
	return list(ctx, r.q, deliveryFields, b.text.String(), b.args...)
}

func (r reader) CountWebhookDeliveries(ctx context.Context) (map[auth.DeliveryState]int, error) {
	type count struct {
		state auth.DeliveryState
		n     int
	}
	counts, err := list(ctx, r.q, func(c *count) []any { return []any{&c.state, &c.n} },
		`SELECT state, COUNT(*) FROM webhook_deliveries WHERE state <> 'delivered' GROUP BY state`)
	if err != nil {
		return nil, err
	}
	byState := map[auth.DeliveryState]int{}
	for _, c := range counts {
		byState[c.state] = c.n
	}
	return byState, nil
}

func (r reader) CountWaitingDeliveries(ctx context.Context, p auth.ProjectID, w auth.WebhookID, most int) (int, error) {
	n, err := get(ctx, r.q, func(n *int) []any { return []any{n} }, `SELECT COUNT(*) FROM
		(SELECT 1 FROM webhook_deliveries WHERE project = $1 AND webhook = $2 AND due_at IS NOT NULL LIMIT $3) waiting`, p, w, max(0, most))
	return n, err
}

// DueWebhooks looks into the index once for each webhook, however many deliveries wait.
func (r reader) DueWebhooks(ctx context.Context, now time.Time) ([]auth.DueWebhook, error) {
	return list(ctx, r.q, func(d *auth.DueWebhook) []any { return []any{&d.Project, &d.Webhook} }, `SELECT w.project, w.id FROM webhooks w WHERE w.enabled = 1 AND EXISTS
		(SELECT 1 FROM webhook_deliveries d WHERE d.project = w.project AND d.webhook = w.id AND d.due_at IS NOT NULL AND d.due_at <= $1)
		AND EXISTS (SELECT 1 FROM projects p WHERE p.id = w.project AND p.preset <> $2) ORDER BY w.project, w.id`, now, importing)
}

// deliveryDueAt gives when a worker may take the delivery; nil for never.
func deliveryDueAt(d auth.WebhookDelivery) any {
	switch d.State {
	case auth.DeliveryQueued:
		return d.NextAttemptAt
	case auth.DeliveryWorking:
		return d.LeaseUntil
	}
	return nil
}

func (t *tx) CreateWebhookDelivery(ctx context.Context, d auth.WebhookDelivery) error {
	return create(ctx, t.q, `INSERT INTO webhook_deliveries (`+deliveryColumns+`, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`,
		d.Project, d.ID, d.Webhook, d.Event, d.User, d.State, d.Payload, d.Attempts, d.CreatedAt, d.NextAttemptAt, d.LeaseUntil, d.LeaseToken, d.FinishedAt,
		d.LastStatus, d.LastError, deliveryDueAt(d))
}

// ClaimWebhookDeliveries gives the deliveries that wait longest, in the order of their ids.
func (t *tx) ClaimWebhookDeliveries(ctx context.Context, p auth.ProjectID, w auth.WebhookID, leaseToken string, now, leaseUntil time.Time, limit int, takeOver bool) ([]auth.WebhookDelivery, error) {
	if ok, err := t.givesWorkOut(ctx); err != nil || !ok {
		return nil, err
	}
	claimed, err := list(ctx, t.q, deliveryFields, `UPDATE webhook_deliveries SET state = $1, lease_token = $2, lease_until = $3, due_at = $3, attempts = attempts + 1
		WHERE project = $4 AND id IN (SELECT id FROM webhook_deliveries WHERE project = $4 AND webhook = $5 AND due_at IS NOT NULL AND due_at <= $6`+unlessLeased(takeOver)+`
		ORDER BY due_at, id LIMIT $7) RETURNING `+deliveryColumns, auth.DeliveryWorking, leaseToken, leaseUntil, p, w, now, max(0, limit))
	slices.SortFunc(claimed, func(a, b auth.WebhookDelivery) int { return cmp.Compare(a.ID, b.ID) })
	return claimed, err
}

func (t *tx) FinishWebhookDelivery(ctx context.Context, d auth.WebhookDelivery) error {
	return change(ctx, t.q, `UPDATE webhook_deliveries SET state = $4, next_attempt_at = $5, finished_at = $6, last_status = $7, last_error = $8, payload = $9, due_at = $10,
		lease_token = '', lease_until = 0 WHERE project = $1 AND id = $2 AND lease_token = $3 AND state = $11`,
		d.Project, d.ID, d.LeaseToken, d.State, d.NextAttemptAt, d.FinishedAt, d.LastStatus, d.LastError, d.Payload, deliveryDueAt(d), auth.DeliveryWorking)
}

func (t *tx) RequeueWebhookDelivery(ctx context.Context, p auth.ProjectID, id auth.DeliveryID, now time.Time) error {
	return change(ctx, t.q, `UPDATE webhook_deliveries SET state = $3, attempts = 0, next_attempt_at = $4, due_at = $4, finished_at = 0
		WHERE project = $1 AND id = $2 AND state IN ($3, $5)`, p, id, auth.DeliveryQueued, now, auth.DeliveryDead)
}
