package adminapi

import "context"

// ListWebhooks lists a project's webhooks, the oldest first.
func (c *Client) ListWebhooks(ctx context.Context, project string) (WebhookList, error) {
	return fetch[WebhookList](ctx, c, "GET", nil, "projects", project, "webhooks")
}

// CreateWebhook makes a webhook; its secret is told this once.
func (c *Client) CreateWebhook(ctx context.Context, project string, change WebhookChange) (Webhook, error) {
	return fetch[Webhook](ctx, c, "POST", change, "projects", project, "webhooks")
}

// GetWebhook gives a webhook without its secret.
func (c *Client) GetWebhook(ctx context.Context, project, id string) (Webhook, error) {
	return fetch[Webhook](ctx, c, "GET", nil, "projects", project, "webhooks", id)
}

// UpdateWebhook changes a webhook. Another URL makes another secret, which is told this once.
func (c *Client) UpdateWebhook(ctx context.Context, project, id string, change WebhookChange) (Webhook, error) {
	return fetch[Webhook](ctx, c, "PATCH", change, "projects", project, "webhooks", id)
}

// DeleteWebhook removes a webhook with all that waits for it.
func (c *Client) DeleteWebhook(ctx context.Context, project, id string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "webhooks", id)
}

// RotateWebhookSecret makes another secret, told this once; the one before signs too for a day.
func (c *Client) RotateWebhookSecret(ctx context.Context, project, id string) (Webhook, error) {
	return fetch[Webhook](ctx, c, "POST", nil, "projects", project, "webhooks", id, "secret")
}

// TestWebhook calls a webhook with a test event.
func (c *Client) TestWebhook(ctx context.Context, project, id string) (WebhookTest, error) {
	return fetch[WebhookTest](ctx, c, "POST", nil, "projects", project, "webhooks", id, "test")
}

// DeliveryFilter restricts a list of deliveries. Empty fields do not.
type DeliveryFilter struct {
	Webhook string
	State   string // queued, working, delivered or dead
	Before  string // the Next of the page before
	Limit   int    // 0: 50; at most 1000
}

// ListWebhookDeliveries gives a page of a project's deliveries, newest first.
func (c *Client) ListWebhookDeliveries(ctx context.Context, project string, f DeliveryFilter) (WebhookDeliveryList, error) {
	query := params("webhook", f.Webhook, "state", f.State, "before", f.Before, "limit", limitParam(f.Limit))
	return fetchList[WebhookDeliveryList](ctx, c, query, "projects", project, "webhook-deliveries")
}

// RetryWebhookDelivery makes a dead delivery due again, or a queued one at once.
func (c *Client) RetryWebhookDelivery(ctx context.Context, project, id string) error {
	return c.do(ctx, "POST", nil, "projects", project, "webhook-deliveries", id, "retry")
}
