package auth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// WebhookID names a webhook: random, not secret.
type WebhookID string

// WebhookKind is what a webhook is for.
type WebhookKind string

// The kinds. Of the blocking one a project has at most one.
const (
	WebhookEvents   WebhookKind = "events"   // is told what happened, afterwards
	WebhookBlocking WebhookKind = "blocking" // is asked before something happens
)

// WebhookEvent is what a webhook is told, or asked at.
type WebhookEvent string

// The events, and the points at which a blocking hook is asked.
const (
	WebhookUserCreated     WebhookEvent = "user.created"
	WebhookUserSignedIn    WebhookEvent = "user.signed_in"
	WebhookUserUpdated     WebhookEvent = "user.updated"
	WebhookUserDeleted     WebhookEvent = "user.deleted"
	WebhookPasswordChanged WebhookEvent = "user.password_changed"
	WebhookEmailVerified   WebhookEvent = "user.email_verified"
	WebhookTest            WebhookEvent = "webhook.test" // goes to whoever is tested

	HookBeforeSignUp WebhookEvent = "before_sign_up"
	HookBeforeToken  WebhookEvent = "before_token"
)

// WebhookEventsOf lists what a webhook of the kind can be told or asked.
func WebhookEventsOf(k WebhookKind) []WebhookEvent {
	switch k {
	case WebhookEvents:
		return []WebhookEvent{WebhookUserCreated, WebhookUserSignedIn, WebhookUserUpdated, WebhookUserDeleted, WebhookPasswordChanged, WebhookEmailVerified}
	case WebhookBlocking:
		return []WebhookEvent{HookBeforeSignUp, HookBeforeToken}
	}
	return nil
}

// HookFailure is what counts when a blocking hook gives no valid answer in time.
type HookFailure string

// The ways. To deny is the default (P46).
const (
	HookFailureDeny  HookFailure = "deny"
	HookFailureAllow HookFailure = "allow"
)

// Webhook is a URL of a project that is told of events, or asked before they happen. Its secrets are made here, told once, and sealed (P18).
type Webhook struct {
	Project       ProjectID
	ID            WebhookID
	Kind          WebhookKind
	URL           string
	Events        []string // of WebhookEventsOf its kind
	Enabled       bool
	AllowHosts    []string      // hosts that may be reached although they are private, or over plain http; set by operators only (P17)
	Deadline      time.Duration // of WebhookBlocking: for the whole answer
	OnFailure     HookFailure   // of WebhookBlocking
	SecretSealed  []byte        // sealed JSON of webhookSecrets
	PreviousUntil time.Time     // until then the secret before the last rotation signs too; zero where there is none
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// wants tells whether the webhook is to be told, or asked at, the event.
func (w Webhook) wants(e WebhookEvent) bool { return w.Enabled && slices.Contains(w.Events, string(e)) }

// AllowsHost tells whether an operator allowed the URL's host, as "host" or as "host:port".
func (w Webhook) AllowsHost(u *url.URL) bool {
	return slices.ContainsFunc(w.AllowHosts, func(entry string) bool {
		return strings.EqualFold(entry, u.Hostname()) || strings.EqualFold(entry, u.Host)
	})
}

// originOf is where a URL's requests go: scheme, host and port in one form; the URL itself where it has none (RFC 6454 section 4).
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// DeliveryID names one event on its way to one webhook; it is the receiver's webhook-id, the same at each try. Ids sort by time.
type DeliveryID string

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states. Deliveries of a webhook that is not enabled wait.
const (
	DeliveryQueued    DeliveryState = "queued"    // due at NextAttemptAt
	DeliveryWorking   DeliveryState = "working"   // leased by a worker until LeaseUntil
	DeliveryDelivered DeliveryState = "delivered" // the receiver took it; its payload is gone from the store
	DeliveryDead      DeliveryState = "dead"      // tried too often; can be retried by hand
)

// WebhookDelivery is a row of the outbox of events: what a committed change has to tell one webhook (P43).
type WebhookDelivery struct {
	Project       ProjectID
	ID            DeliveryID
	Webhook       WebhookID
	Event         WebhookEvent
	User          UserID
	State         DeliveryState
	Payload       string // JSON, byte for byte as it is sent; "" once delivered
	Attempts      int
	CreatedAt     time.Time
	NextAttemptAt time.Time
	LeaseUntil    time.Time
	LeaseToken    string // who works on it; a result counts only with the right one
	FinishedAt    time.Time
	LastStatus    int    // HTTP status of the last answer; 0 where none came
	LastError     string // for the operator; nothing of the answer's content
}

// DeliveryFilter selects deliveries, newest first. Empty fields do not restrict.
type DeliveryFilter struct {
	Webhook WebhookID
	State   DeliveryState
	Before  DeliveryID // keyset: only ids smaller than this
	Limit   int
}

// DueWebhook names an enabled webhook that has a delivery due.
type DueWebhook struct {
	Project ProjectID
	Webhook WebhookID
}

// WebhookCall is one request to a webhook, ready to be signed.
type WebhookCall struct {
	Webhook Webhook
	Secrets []string // each signs; the newest first
	ID      string   // the request's webhook-id
	Body    []byte   // JSON

	// Anybody is set of a question that anybody can bring about, by signing up; other questions come after a proof. Source is then who did.
	Anybody bool
	Source  string // a network address or prefix; "" where it is unknown
}

// WebhookAnswer is what a receiver made of an event.
type WebhookAnswer struct {
	Status     int
	RetryAfter time.Duration // as the receiver asks for; 0 where it does not
}

// HookVerdict is a blocking hook's valid answer. Reason is "", or up to 100 printable characters, fit for the caller.
type HookVerdict struct {
	Allow  bool
	Reason string
}

// WebhookClient calls webhooks. Its errors are fit for a project's admin, and quote nothing of the answer.
type WebhookClient interface {
	// Send delivers an event. It fails where no answer came; every status is an answer.
	Send(ctx context.Context, call WebhookCall) (WebhookAnswer, error)
	// Ask waits for a verdict until ctx ends. Everything but a valid one is an error, and so is having no room to ask now.
	Ask(ctx context.Context, call WebhookCall) (HookVerdict, error)
}

// noWebhooks stands where no client was handed in.
type noWebhooks struct{}

var errNoWebhookClient = errors.New("this process calls no webhooks")

func (noWebhooks) Send(context.Context, WebhookCall) (WebhookAnswer, error) {
	return WebhookAnswer{}, errNoWebhookClient
}

func (noWebhooks) Ask(context.Context, WebhookCall) (HookVerdict, error) {
	return HookVerdict{}, errNoWebhookClient
}
