package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// watchedStore is the domain's store. Its transactions tell webhooks what they write, so that no use case can forget to, and may end at a question to the project's
// blocking hook: it is asked outside of any transaction, and the callback, which may run twice anyway, begins anew.
type watchedStore struct {
	Store
	service *Service
}

// maxQuestions bounds what one change may ask: sign-up and token, and both once more where the account changed meanwhile.
const maxQuestions = 4

func (w *watchedStore) Update(ctx context.Context, f func(Tx) error) error {
	approved := map[hookQuestion]bool{}
	for {
		var ran *watchedTx
		err := w.Store.Update(ctx, func(tx Tx) error {
			watched := &watchedTx{Tx: tx, service: w.service, approved: approved, created: map[UserID]bool{}, places: map[DueWebhook]int{}}
			ran = watched
			return f(watched)
		})
		var open *openQuestion
		switch {
		case errors.As(err, &open) && len(approved) < maxQuestions:
			if _, err := w.service.ask(ctx, open.caller, open.question); err != nil {
				return err
			}
			approved[open.key] = true
			continue
		case err == nil:
			w.service.backlogs.add(ran.places, ran.lost)
			if ran.queued {
				w.service.webhookQueued()
			}
		}
		return err
	}
}

// watchedTx is one run of a callback.
type watchedTx struct {
	Tx
	service  *Service
	webhooks map[ProjectID][]Webhook // as read once in this transaction
	approved map[hookQuestion]bool   // by the blocking hook, in earlier runs
	created  map[UserID]bool         // in this run
	queued   bool                    // whether a delivery was
	places   map[DueWebhook]int      // that deliveries took
	lost     int64                   // events that found no place
}

// webhooksOf is one cheap read where the transaction is about users.
func (t *watchedTx) webhooksOf(ctx context.Context, p ProjectID) ([]Webhook, error) {
	if hooks, known := t.webhooks[p]; known {
		return hooks, nil
	}
	hooks, err := t.ListWebhooks(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	if t.webhooks == nil {
		t.webhooks = map[ProjectID][]Webhook{}
	}
	t.webhooks[p] = hooks
	return hooks, nil
}

// told tells whether a webhook of the project wants one of the events; without events, any.
func (t *watchedTx) told(ctx context.Context, p ProjectID, events ...WebhookEvent) (bool, error) {
	hooks, err := t.webhooksOf(ctx, p)
	if len(events) == 0 {
		events = WebhookEventsOf(WebhookEvents)
	}
	return slices.ContainsFunc(hooks, func(w Webhook) bool { return slices.ContainsFunc(events, w.wants) }), err
}

func (t *watchedTx) CreateUser(ctx context.Context, u User) error {
	if err := t.Tx.CreateUser(ctx, u); err != nil {
		return err
	}
	t.created[u.ID] = true
	if err := t.announce(ctx, WebhookUserCreated, u); err != nil || !u.EmailVerified {
		return err
	}
	return t.announce(ctx, WebhookEmailVerified, u)
}

func (t *watchedTx) UpdateUser(ctx context.Context, u User) error {
	told, err := t.told(ctx, u.Project)
	if err != nil {
		return err
	}
	if !told {
		return t.Tx.UpdateUser(ctx, u)
	}
	before, err := t.GetUser(ctx, u.Project, u.ID)
	if err != nil {
		return err
	}
	if err := t.Tx.UpdateUser(ctx, u); err != nil {
		return err
	}
	if changed := changedFields(before, u); len(changed) > 0 {
		if err := t.announce(ctx, WebhookUserUpdated, u, "changed", changed); err != nil {
			return err
		}
	}
	// A hash that is only upgraded at a sign-in keeps its date.
	if before.PasswordHash != u.PasswordHash && !before.PasswordUpdatedAt.Equal(u.PasswordUpdatedAt) {
		if err := t.announce(ctx, WebhookPasswordChanged, u); err != nil {
			return err
		}
	}
	if u.EmailVerified && (!before.EmailVerified || before.Email != u.Email) {
		return t.announce(ctx, WebhookEmailVerified, u)
	}
	return nil
}

func (t *watchedTx) DeleteUser(ctx context.Context, p ProjectID, id UserID) error {
	told, err := t.told(ctx, p, WebhookUserDeleted)
	if err != nil {
		return err
	}
	if !told {
		return t.Tx.DeleteUser(ctx, p, id)
	}
	u, err := t.GetUser(ctx, p, id)
	if err != nil {
		return err
	}
	if err := t.Tx.DeleteUser(ctx, p, id); err != nil {
		return err
	}
	return t.announce(ctx, WebhookUserDeleted, u)
}

// CreateSession is a sign-in: no session begins otherwise.
func (t *watchedTx) CreateSession(ctx context.Context, session Session) error {
	if err := t.Tx.CreateSession(ctx, session); err != nil {
		return err
	}
	if told, err := t.told(ctx, session.Project, WebhookUserSignedIn); err != nil || !told {
		return err
	}
	u, err := t.GetUser(ctx, session.Project, session.User)
	if err != nil {
		return err
	}
	return t.announce(ctx, WebhookUserSignedIn, u, "provider", session.ProviderID)
}

func (t *watchedTx) CreateWebhookDelivery(ctx context.Context, d WebhookDelivery) error {
	t.queued = true
	return t.Tx.CreateWebhookDelivery(ctx, d)
}

func (t *watchedTx) RequeueWebhookDelivery(ctx context.Context, p ProjectID, id DeliveryID, now time.Time) error {
	t.queued = true
	return t.Tx.RequeueWebhookDelivery(ctx, p, id, now)
}

// announce queues an event about a user for each webhook that wants it. more alternates keys and values of its data.
func (t *watchedTx) announce(ctx context.Context, event WebhookEvent, u User, more ...any) error {
	hooks, err := t.webhooksOf(ctx, u.Project)
	if err != nil {
		return err
	}
	for _, w := range hooks {
		if !w.wants(event) {
			continue
		}
		if place, err := t.placeFor(ctx, w, event); err != nil || !place {
			if err != nil {
				return err
			}
			continue
		}
		d, err := t.service.newDelivery(w, event, u, more...)
		if err != nil {
			return err
		}
		if err := t.CreateWebhookDelivery(ctx, d); err != nil {
			return fmt.Errorf("queue event: %w", err)
		}
	}
	return nil
}

// announceIdentities tells that a user's identities changed, which are no part of the user's own record.
func (s *Service) announceIdentities(ctx context.Context, tx Tx, u User) error {
	t, ok := tx.(*watchedTx)
	if !ok {
		return errNotWatched
	}
	return t.announce(ctx, WebhookUserUpdated, u, "changed", []string{"identities"})
}

var errNotWatched = errors.New("the transaction is not the domain's own")

// newDelivery holds what is told of a user: no secret, and of custom attributes and claims not even a value.
func (s *Service) newDelivery(w Webhook, event WebhookEvent, u User, more ...any) (WebhookDelivery, error) {
	now := s.now()
	id, err := s.newDeliveryID(now)
	if err != nil {
		return WebhookDelivery{}, err
	}
	data := map[string]any{
		"project": string(u.Project), "uid": string(u.ID), "email": string(u.Email), "emailVerified": u.EmailVerified, "disabled": u.Blocked(),
	}
	for i := 0; i+1 < len(more); i += 2 {
		data[fmt.Sprint(more[i])] = more[i+1]
	}
	payload, err := webhookPayload(event, now, data)
	if err != nil {
		return WebhookDelivery{}, err
	}
	return WebhookDelivery{
		Project: w.Project, ID: id, Webhook: w.ID, Event: event, User: u.ID, State: DeliveryQueued, Payload: string(payload), CreatedAt: now, NextAttemptAt: now,
	}, nil
}

func (s *Service) newDeliveryID(now time.Time) (DeliveryID, error) {
	id, err := s.newTimeID(now)
	return DeliveryID("msg_" + id), err
}

func webhookPayload(event WebhookEvent, now time.Time, data map[string]any) ([]byte, error) {
	payload, err := json.Marshal(map[string]any{"type": string(event), "timestamp": now.Format(time.RFC3339Nano), "data": data})
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", event, err)
	}
	return payload, nil
}

// changedFields names what a receiver may know of that differs. The password has an event of its own.
func changedFields(before, after User) []string {
	fields := []struct {
		name string
		same bool
	}{
		{"email", before.Email == after.Email},
		{"emailVerified", before.EmailVerified == after.EmailVerified},
		{"disabled", before.Blocked() == after.Blocked()},
		{"name", before.Name == after.Name},
		{"picture", before.Picture == after.Picture},
		{"locale", before.Locale == after.Locale},
		{"roles", slices.Equal(before.Roles, after.Roles)},
		{"customClaims", sameJSON(before.CustomClaims, after.CustomClaims)},
	}
	var changed []string
	for _, f := range fields {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	names := maps.Clone(before.Attributes)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, after.Attributes)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := before.Attributes[name]
		fresh, has := after.Attributes[name]
		if had != has || !reflect.DeepEqual(old, fresh) {
			changed = append(changed, "attributes."+name)
		}
	}
	return changed
}
