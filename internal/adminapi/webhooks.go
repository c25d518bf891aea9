package adminapi

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// WebhookChange is what shall be so of a webhook; nil fields stay, and take their default when one is made.
type WebhookChange struct {
	Kind       string    `json:"kind,omitempty"` // events or blocking; counts only when one is made
	URL        *string   `json:"url,omitempty"`
	Events     *[]string `json:"events,omitempty"` // replaces all; names are those of auth.WebhookEventsOf its kind
	Enabled    *bool     `json:"enabled,omitempty"`
	AllowHosts *[]string `json:"allowHosts,omitempty"` // replaces all; by operators only
	Deadline   *string   `json:"deadline,omitempty"`   // of a blocking hook: a Go duration as 3s
	OnFailure  *string   `json:"onFailure,omitempty"`  // of a blocking hook: deny or allow
}

// webhookChangeBody is how WebhookChange arrives: null is a wrong type.
type webhookChangeBody struct {
	Kind       string                 `json:"kind"`
	URL        web.Optional[string]   `json:"url"`
	Events     web.Optional[[]string] `json:"events"`
	Enabled    web.Optional[bool]     `json:"enabled"`
	AllowHosts web.Optional[[]string] `json:"allowHosts"`
	Deadline   web.Optional[string]   `json:"deadline"`
	OnFailure  web.Optional[string]   `json:"onFailure"`
}

// Webhook is a URL that is told of events, or asked before them.
type Webhook struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // events or blocking
	URL        string    `json:"url"`
	Events     []string  `json:"events"`
	Enabled    bool      `json:"enabled"`
	AllowHosts []string  `json:"allowHosts"`
	Deadline   string    `json:"deadline,omitempty"`  // of a blocking hook
	OnFailure  string    `json:"onFailure,omitempty"` // of a blocking hook
	Secret     string    `json:"secret,omitempty"`    // only where one was just made: it is told this once
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
}

// WebhookList is the project's webhooks, the oldest first.
type WebhookList struct {
	Webhooks []Webhook `json:"webhooks"`
}

// WebhookTest is what came of calling a webhook with a test event.
type WebhookTest struct {
	OK      bool   `json:"ok"`
	ID      string `json:"id"`      // webhook-id of the request
	Status  int    `json:"status"`  // of the answer; 0 where none came, and for a blocking hook
	Problem string `json:"problem"` // in words; "" where nothing is wrong
}

// WebhookDelivery is one event on its way to one webhook, without its content.
type WebhookDelivery struct {
	ID            string    `json:"id"` // the request's webhook-id
	Webhook       string    `json:"webhook"`
	Event         string    `json:"event"`
	UID           string    `json:"uid"`
	State         string    `json:"state"` // queued, working, delivered or dead
	Attempts      int       `json:"attempts"`
	CreatedAt     time.Time `json:"createdAt"`
	NextAttemptAt time.Time `json:"nextAttemptAt,omitzero"`
	FinishedAt    time.Time `json:"finishedAt,omitzero"`
	LastStatus    int       `json:"lastStatus"` // 0 where no answer came
	LastError     string    `json:"lastError,omitempty"`
}

// WebhookDeliveryList is a page of deliveries, newest first.
type WebhookDeliveryList struct {
	Deliveries []WebhookDelivery `json:"deliveries"`
	Next       string            `json:"next,omitempty"`
}

var (
	deliveryParams = []string{"webhook", "state", "before", "limit"}
	deliveryStates = []auth.DeliveryState{"", auth.DeliveryQueued, auth.DeliveryWorking, auth.DeliveryDelivered, auth.DeliveryDead}
)

func (a *API) listWebhooks(q request) (WebhookList, error) {
	webhooks, err := a.admin.Webhooks(q.ctx, q.caller)
	if err != nil {
		return WebhookList{}, err
	}
	list := WebhookList{Webhooks: []Webhook{}}
	for _, w := range webhooks {
		list.Webhooks = append(list.Webhooks, webhookOf(w, ""))
	}
	return list, nil
}

func (a *API) getWebhook(q request) (Webhook, error) {
	w, err := a.admin.Webhook(q.ctx, q.caller, q.webhook())
	return webhookOf(w, ""), err
}

func (a *API) createWebhook(q request, body webhookChangeBody) (Webhook, error) {
	change, err := body.change()
	if err != nil {
		return Webhook{}, err
	}
	w, secret, err := a.admin.CreateWebhook(q.ctx, q.caller, change)
	return webhookOf(w, secret), err
}

func (a *API) updateWebhook(q request, body webhookChangeBody) (Webhook, error) {
	change, err := body.change()
	if err != nil {
		return Webhook{}, err
	}
	w, secret, err := a.admin.UpdateWebhook(q.ctx, q.caller, q.webhook(), change)
	return webhookOf(w, secret), err
}

func (b webhookChangeBody) change() (auth.WebhookChange, error) {
	change := auth.WebhookChange{
		Kind: auth.WebhookKind(b.Kind), URL: given(b.URL), Events: given(b.Events), Enabled: given(b.Enabled), AllowHosts: given(b.AllowHosts),
	}
	if b.Deadline.Present {
		deadline, err := time.ParseDuration(b.Deadline.Value)
		if err != nil {
			return change, web.MalformedField("deadline", "a duration such as 3s or 500ms")
		}
		change.Deadline = &deadline
	}
	if b.OnFailure.Present {
		onFailure := auth.HookFailure(b.OnFailure.Value)
		change.OnFailure = &onFailure
	}
	return change, nil
}

func (a *API) deleteWebhook(q request) error {
	return a.admin.DeleteWebhook(q.ctx, q.caller, q.webhook())
}

func (a *API) rotateWebhookSecret(q request) (Webhook, error) {
	w, secret, err := a.admin.RotateWebhookSecret(q.ctx, q.caller, q.webhook())
	return webhookOf(w, secret), err
}

func (a *API) testWebhook(q request) (WebhookTest, error) {
	trial, err := a.admin.TestWebhook(q.ctx, q.caller, q.webhook())
	return WebhookTest{trial.Problem == "", trial.ID, trial.Status, trial.Problem}, err
}

func webhookOf(w auth.Webhook, secret string) Webhook {
	of := Webhook{
		ID: string(w.ID), Kind: string(w.Kind), URL: w.URL, Events: orEmpty(w.Events), Enabled: w.Enabled, AllowHosts: orEmpty(w.AllowHosts),
		OnFailure: string(w.OnFailure), Secret: secret, CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
	if w.Kind == auth.WebhookBlocking {
		of.Deadline = w.Deadline.String()
	}
	return of
}

func (a *API) listWebhookDeliveries(q request) (WebhookDeliveryList, error) {
	limit, err := q.limit()
	if err != nil {
		return WebhookDeliveryList{}, err
	}
	state, err := oneOf(q, "state", deliveryStates)
	if err != nil {
		return WebhookDeliveryList{}, err
	}
	deliveries, err := a.admin.WebhookDeliveries(q.ctx, q.caller, auth.DeliveryFilter{
		Webhook: auth.WebhookID(q.param("webhook")), State: state, Before: auth.DeliveryID(q.param("before")), Limit: limit + 1,
	})
	if err != nil {
		return WebhookDeliveryList{}, err
	}
	list, next := page(deliveries, limit, deliveryOf, func(d WebhookDelivery) string { return d.ID })
	return WebhookDeliveryList{list, next}, nil
}

func deliveryOf(d auth.WebhookDelivery) WebhookDelivery {
	return WebhookDelivery{string(d.ID), string(d.Webhook), string(d.Event), string(d.User), string(d.State), d.Attempts, d.CreatedAt, d.NextAttemptAt, d.FinishedAt,
		d.LastStatus, d.LastError}
}

func (a *API) retryWebhookDelivery(q request) error {
	return a.admin.RetryWebhookDelivery(q.ctx, q.caller, auth.DeliveryID(q.path("delivery")))
}

func (q request) webhook() auth.WebhookID { return auth.WebhookID(q.path("webhook")) }
