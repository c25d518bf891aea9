package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// WebhookChange is what shall be so of a webhook; nil fields stay as they are. Kind counts only when one is made.
type WebhookChange struct {
	Kind       WebhookKind
	URL        *string
	Events     *[]string
	Enabled    *bool
	AllowHosts *[]string // only by operators (P17)
	Deadline   *time.Duration
	OnFailure  *HookFailure
}

// Bounds of webhooks, and the defaults of blocking ones.
const (
	maxWebhooks         = 20 // of a project
	maxWebhookURL       = 2048
	minHookDeadline     = 100 * time.Millisecond
	maxHookDeadline     = 10 * time.Second
	defaultHookDeadline = 3 * time.Second
	webhookTestTimeout  = 10 * time.Second
	secretOverlap       = 24 * time.Hour
	webhookSecretBytes  = 32 // the specification asks for 24 to 64
	webhookSecretPrefix = "whsec_"
)

// webhookSecrets are the secrets of one webhook; Previous signs until its PreviousUntil.
type webhookSecrets struct{ Current, Previous string }

// Webhooks lists the project's webhooks, without their secrets.
func (a *Admin) Webhooks(ctx context.Context, c Caller) ([]Webhook, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListWebhooks(ctx, c.Project.ID)
}

// Webhook gives one webhook. It fails with CodeNotFound.
func (a *Admin) Webhook(ctx context.Context, c Caller, id WebhookID) (Webhook, error) {
	if err := c.requireAdmin(); err != nil {
		return Webhook{}, err
	}
	w, err := a.store.GetWebhook(ctx, c.Project.ID, id)
	return w, notFound(err, noWebhook)
}

const noWebhook = "there is no such webhook"

// CreateWebhook makes a webhook and gives its secret, which is told this once. It fails with CodeInvalidArgument, CodeAdminRequired, and CodeConflict for a second
// blocking one.
func (a *Admin) CreateWebhook(ctx context.Context, c Caller, change WebhookChange) (Webhook, string, error) {
	if err := c.mayChangeWebhook(change); err != nil {
		return Webhook{}, "", err
	}
	id, err := a.newID()
	if err != nil {
		return Webhook{}, "", err
	}
	now := a.now()
	w := Webhook{Project: c.Project.ID, ID: WebhookID(id), Kind: change.Kind, Enabled: true, CreatedAt: now, UpdatedAt: now}
	if w.Kind == "" {
		w.Kind = WebhookEvents
	}
	if w.Kind == WebhookBlocking {
		w.Deadline, w.OnFailure = defaultHookDeadline, HookFailureDeny
	}
	for _, e := range WebhookEventsOf(w.Kind) {
		w.Events = append(w.Events, string(e))
	}
	if err := change.apply(&w); err != nil {
		return Webhook{}, "", err
	}
	secret, err := a.renewSecret(&w)
	if err != nil {
		return Webhook{}, "", err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := roomForWebhook(ctx, tx, w); err != nil {
			return err
		}
		if err := tx.CreateWebhook(ctx, w); err != nil {
			return err
		}
		return a.auditWebhook(ctx, tx, c, EventWebhookChanged, w)
	})
	if errors.Is(err, ErrConflict) {
		err = errSecondHook
	}
	if err != nil {
		return Webhook{}, "", err
	}
	return w, secret, nil
}

var errSecondHook = newError(CodeConflict, "the project has a blocking hook already")

func (c Caller) mayChangeWebhook(change WebhookChange) error {
	if change.AllowHosts != nil {
		return c.requireOperator()
	}
	return c.requireAdmin()
}

// mayMove refuses to let a project's admin turn what an operator's allowHosts opened towards another scheme, host or port: the operator's word was for what was
// there, and an entry may hold a whole host of the own network (P17). Without such an entry anybody may.
func (c Caller) mayMove(allowHosts, from, to []string) error {
	if len(allowHosts) == 0 || c.requireOperator() == nil {
		return nil
	}
	known := map[string]bool{}
	for _, u := range from {
		known[originOf(u)] = true
	}
	for _, u := range to {
		if !known[originOf(u)] {
			return newError(CodeAdminRequired, "allowHosts is set here; only an operator of the instance can change scheme, host or port of a URL")
		}
	}
	return nil
}

func roomForWebhook(ctx context.Context, tx Tx, w Webhook) error {
	all, err := tx.ListWebhooks(ctx, w.Project)
	switch {
	case err != nil:
		return err
	case len(all) >= maxWebhooks:
		return invalidArgument("webhook", fmt.Sprintf("a project has at most %d webhooks", maxWebhooks))
	case w.Kind == WebhookBlocking && slices.ContainsFunc(all, func(other Webhook) bool { return other.Kind == WebhookBlocking }):
		return errSecondHook
	}
	return nil
}

// UpdateWebhook changes a webhook. Another URL gets another secret at once, which is given and told this once: whoever was behind the old one must not be able to
// sign for it, nor a stranger get what was signed for the old (P18). Where AllowHosts is set only operators move it to another scheme, host or port. It fails with CodeNotFound, CodeInvalidArgument and CodeAdminRequired.
func (a *Admin) UpdateWebhook(ctx context.Context, c Caller, id WebhookID, change WebhookChange) (w Webhook, secret string, err error) {
	if err := c.mayChangeWebhook(change); err != nil {
		return Webhook{}, "", err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		secret = ""
		if w, err = tx.GetWebhook(ctx, c.Project.ID, id); err != nil {
			return err
		}
		before := w.URL
		if err := change.apply(&w); err != nil {
			return err
		}
		if err := c.mayMove(w.AllowHosts, []string{before}, []string{w.URL}); err != nil {
			return err
		}
		if w.URL != before {
			w.SecretSealed, w.PreviousUntil = nil, time.Time{}
			if secret, err = a.renewSecret(&w); err != nil {
				return err
			}
		}
		w.UpdatedAt = a.now()
		if err := tx.UpdateWebhook(ctx, w); err != nil {
			return err
		}
		return a.auditWebhook(ctx, tx, c, EventWebhookChanged, w)
	})
	if err != nil {
		return Webhook{}, "", notFound(err, noWebhook)
	}
	return w, secret, nil
}

// RotateWebhookSecret makes another secret and gives it, told this once. For a day the one before signs too.
func (a *Admin) RotateWebhookSecret(ctx context.Context, c Caller, id WebhookID) (w Webhook, secret string, err error) {
	if err := c.requireAdmin(); err != nil {
		return Webhook{}, "", err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		if w, err = tx.GetWebhook(ctx, c.Project.ID, id); err != nil {
			return err
		}
		if secret, err = a.renewSecret(&w); err != nil {
			return err
		}
		w.UpdatedAt = a.now()
		if err := tx.UpdateWebhook(ctx, w); err != nil {
			return err
		}
		return a.auditWebhook(ctx, tx, c, EventWebhookSecret, w)
	})
	if err != nil {
		return Webhook{}, "", notFound(err, noWebhook)
	}
	return w, secret, nil
}

// DeleteWebhook removes a webhook with all that waits for it. It fails with CodeNotFound.
func (a *Admin) DeleteWebhook(ctx context.Context, c Caller, id WebhookID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteWebhook(ctx, c.Project.ID, id); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventWebhookDeleted, OutcomeAllowed, "", "webhook", string(id))
	})
	return notFound(err, noWebhook)
}

func (a *Admin) auditWebhook(ctx context.Context, tx Tx, c Caller, event Event, w Webhook) error {
	return a.audit(ctx, tx, c, event, OutcomeAllowed, "", "webhook", string(w.ID), "kind", string(w.Kind), "host", w.host())
}

// host is the part of the URL that holds no secret; paths of receivers often do.
func (w Webhook) host() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// apply puts a change into a webhook, and checks what comes of it.
func (change WebhookChange) apply(w *Webhook) error {
	set(&w.URL, change.URL)
	set(&w.Events, change.Events)
	set(&w.Enabled, change.Enabled)
	set(&w.AllowHosts, change.AllowHosts)
	if w.Kind != WebhookBlocking && (change.Deadline != nil || change.OnFailure != nil) {
		return invalidArgument("kind", "only a blocking hook has a deadline and onFailure")
	}
	set(&w.Deadline, change.Deadline)
	set(&w.OnFailure, change.OnFailure)
	return checkWebhook(w)
}

func checkWebhook(w *Webhook) error {
	events := WebhookEventsOf(w.Kind)
	if events == nil {
		return invalidArgument("kind", "a webhook's kind is events or blocking")
	}
	if err := checkWebhookURL(*w); err != nil {
		return err
	}
	if len(w.Events) == 0 {
		return invalidArgument("events", "at least one event is needed; to switch a webhook off, disable it")
	}
	for _, e := range w.Events {
		if !slices.Contains(events, WebhookEvent(e)) {
			return invalidArgument("events", fmt.Sprintf("there is no event %q here; there are %s", clip(e, 60), joinEvents(events)))
		}
	}
	w.Events = slices.Compact(slices.Sorted(slices.Values(w.Events)))
	if len(w.AllowHosts) > 20 || slices.ContainsFunc(w.AllowHosts, func(h string) bool { return h == "" || len(h) > 260 || hasControl(h) || !isStorable(h) }) {
		return invalidArgument("allowHosts", "at most 20 hosts, each as host or host:port")
	}
	if w.Kind != WebhookBlocking {
		return nil
	}
	if w.Deadline < minHookDeadline || w.Deadline > maxHookDeadline {
		return invalidArgument("deadline", fmt.Sprintf("the deadline is %v to %v", minHookDeadline, maxHookDeadline))
	}
	if w.OnFailure != HookFailureDeny && w.OnFailure != HookFailureAllow {
		return invalidArgument("onFailure", "onFailure is deny or allow")
	}
	return nil
}

func joinEvents(events []WebhookEvent) string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = string(e)
	}
	return strings.Join(names, ", ")
}

func checkWebhookURL(w Webhook) error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" || len(w.URL) > maxWebhookURL || hasControl(w.URL) || !isStorable(w.URL) {
		return invalidArgument("url", "the URL is of the form https://host/path, without user and fragment")
	}
	if u.Scheme == "https" || (u.Scheme == "http" && w.AllowsHost(u)) {
		return nil
	}
	return invalidArgument("url", "the URL is not https; an operator must allow its host first")
}

// renewSecret gives a webhook another secret; the one that it has signs on for secretOverlap.
func (s *Service) renewSecret(w *Webhook) (string, error) {
	raw := make([]byte, webhookSecretBytes)
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", fmt.Errorf("webhook secret: %w", err)
	}
	secrets := webhookSecrets{Current: webhookSecretPrefix + base64.StdEncoding.EncodeToString(raw)}
	if len(w.SecretSealed) > 0 {
		old, err := s.webhookSecrets(*w)
		if err != nil {
			return "", err
		}
		secrets.Previous, w.PreviousUntil = old.Current, s.now().Add(secretOverlap)
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return "", err
	}
	w.SecretSealed, err = s.keyring.Seal(plain, SealedWebhook.AD(w.Project, string(w.ID)))
	return secrets.Current, err
}

func (s *Service) webhookSecrets(w Webhook) (webhookSecrets, error) {
	var secrets webhookSecrets
	plain, err := s.keyring.Open(w.SecretSealed, SealedWebhook.AD(w.Project, string(w.ID)))
	if err != nil {
		return secrets, fmt.Errorf("open secrets of webhook %s: %w", w.ID, err)
	}
	if err := json.Unmarshal(plain, &secrets); err != nil || secrets.Current == "" {
		return secrets, fmt.Errorf("secrets of webhook %s are malformed", w.ID)
	}
	return secrets, nil
}

// signable is a call without its body, with the secrets that count now.
func (s *Service) signable(w Webhook, id DeliveryID) (WebhookCall, error) {
	secrets, err := s.webhookSecrets(w)
	if err != nil {
		return WebhookCall{}, err
	}
	call := WebhookCall{Webhook: w, Secrets: []string{secrets.Current}, ID: string(id)}
	if secrets.Previous != "" && w.PreviousUntil.After(s.now()) {
		call.Secrets = append(call.Secrets, secrets.Previous)
	}
	return call, nil
}

// webhookCall is a call that no row of the outbox is about.
func (s *Service) webhookCall(w Webhook, event WebhookEvent, data map[string]any) (WebhookCall, error) {
	now := s.now()
	id, err := s.newDeliveryID(now)
	if err != nil {
		return WebhookCall{}, err
	}
	call, err := s.signable(w, id)
	if err != nil {
		return WebhookCall{}, err
	}
	call.Body, err = webhookPayload(event, now, data)
	return call, err
}

// DeliveryCall gives the request that a delivery stands for. For the worker. It fails with ErrNotFound where the webhook is gone.
func (s *Service) DeliveryCall(ctx context.Context, d WebhookDelivery) (WebhookCall, error) {
	w, err := s.store.GetWebhook(ctx, d.Project, d.Webhook)
	if err != nil {
		return WebhookCall{}, err
	}
	call, err := s.signable(w, d.ID)
	call.Body = []byte(d.Payload)
	return call, err
}

// WebhookGone disables a webhook whose receiver says that it is gone for good (410). For the worker.
func (s *Service) WebhookGone(ctx context.Context, d WebhookDelivery) error {
	p, err := s.store.GetProject(ctx, d.Project)
	if err != nil {
		return err
	}
	system := Caller{actor: ActorSystem, Project: &p}
	return s.store.Update(ctx, func(tx Tx) error {
		w, err := tx.GetWebhook(ctx, d.Project, d.Webhook)
		if err != nil || !w.Enabled {
			return err
		}
		w.Enabled, w.UpdatedAt = false, s.now()
		if err := tx.UpdateWebhook(ctx, w); err != nil {
			return err
		}
		return s.audit(ctx, tx, system, EventWebhookGone, OutcomeAllowed, "", "webhook", string(w.ID), "host", w.host())
	})
}

// WebhookTrial is what came of calling a webhook with a test event.
type WebhookTrial struct {
	ID      string // webhook-id of the request
	Status  int    // of the answer; 0 where none came, and for blocking hooks
	Problem string // in words; "" where nothing is wrong
}

// TestWebhook calls a webhook once with webhook.test, enabled or not, and waits for the answer. A blocking hook must give a valid verdict. It fails with CodeNotFound.
func (a *Admin) TestWebhook(ctx context.Context, c Caller, id WebhookID) (WebhookTrial, error) {
	w, err := a.Webhook(ctx, c, id)
	if err != nil {
		return WebhookTrial{}, err
	}
	call, err := a.webhookCall(w, WebhookTest, map[string]any{"project": string(w.Project)})
	if err != nil {
		return WebhookTrial{}, err
	}
	err = a.store.Update(ctx, func(tx Tx) error { return a.auditWebhook(ctx, tx, c, EventWebhookTested, w) })
	if err != nil {
		return WebhookTrial{}, err
	}
	timeout := webhookTestTimeout
	if w.Kind == WebhookBlocking {
		timeout = w.Deadline
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	trial := WebhookTrial{ID: call.ID}
	if w.Kind == WebhookBlocking {
		_, err = a.webhooks.Ask(ctx, call)
	} else {
		var answer WebhookAnswer
		answer, err = a.webhooks.Send(ctx, call)
		if trial.Status = answer.Status; err == nil && (answer.Status < 200 || answer.Status > 299) {
			err = fmt.Errorf("the receiver answered with status %d", answer.Status)
		}
	}
	if err != nil {
		trial.Problem = err.Error()
	}
	return trial, nil
}

// WebhookDeliveries lists the project's deliveries, newest first.
func (a *Admin) WebhookDeliveries(ctx context.Context, c Caller, f DeliveryFilter) ([]WebhookDelivery, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListWebhookDeliveries(ctx, c.Project.ID, f)
}

// RetryWebhookDelivery makes a dead delivery due again, or a queued one at once, with no attempts counted. It fails with CodeNotFound.
func (a *Admin) RetryWebhookDelivery(ctx context.Context, c Caller, id DeliveryID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.RequeueWebhookDelivery(ctx, c.Project.ID, id, a.now()); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventWebhookRequeued, OutcomeAllowed, "", "delivery", string(id))
	})
	return notFound(err, "there is no such delivery that can be sent again")
}

// WebhookDeliveryCounts counts the instance's deliveries by state, but those that are delivered, for metrics.
func (a *Admin) WebhookDeliveryCounts(ctx context.Context) (map[DeliveryState]int, error) {
	return a.store.CountWebhookDeliveries(ctx)
}
