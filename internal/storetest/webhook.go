package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func testWebhooks(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	full := auth.Webhook{
		Project: one, ID: "w2", Kind: auth.WebhookBlocking, URL: "https://app.example/hook", Events: []string{"before_token"}, Enabled: true, AllowHosts: []string{"app.example"},
		Deadline: 1500 * time.Millisecond, OnFailure: auth.HookFailureDeny, SecretSealed: []byte("sealed"), PreviousUntil: after(9), CreatedAt: after(1), UpdatedAt: after(2),
	}
	plain := auth.Webhook{Project: one, ID: "w1", Kind: auth.WebhookEvents, URL: "https://app.example/events", CreatedAt: after(2), UpdatedAt: after(2)}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateWebhook(ctx, plain), tx.CreateWebhook(ctx, full), tx.CreateWebhook(ctx, auth.Webhook{Project: two, ID: "w2", Kind: auth.WebhookBlocking}))
	})
	wantEqual(t, "webhook", must[auth.Webhook](t)(s.GetWebhook(ctx, one, "w2")), full)
	wantEqual(t, "webhooks", must[[]auth.Webhook](t)(s.ListWebhooks(ctx, one)), []auth.Webhook{full, plain})
	for name, w := range map[string]auth.Webhook{"a taken id": {Project: one, ID: "w1"}, "a second blocking one": {Project: one, ID: "w3", Kind: auth.WebhookBlocking}} {
		wantError(t, "CreateWebhook of "+name, s.Update(ctx, func(tx auth.Tx) error { return tx.CreateWebhook(ctx, w) }), auth.ErrConflict)
	}
	changed := full
	changed.URL, changed.Events, changed.Enabled, changed.AllowHosts, changed.Deadline = "https://b.example", []string{"before_sign_up"}, false, nil, time.Second
	changed.OnFailure, changed.SecretSealed, changed.PreviousUntil, changed.UpdatedAt = auth.HookFailureAllow, []byte("other"), time.Time{}, after(3)
	update(t, s, func(tx auth.Tx) error { return tx.UpdateWebhook(ctx, changed) })
	wantEqual(t, "changed webhook", must[auth.Webhook](t)(s.GetWebhook(ctx, one, "w2")), changed)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteWebhook(ctx, one, "w2") })
	_, err := s.GetWebhook(ctx, one, "w2")
	wantError(t, "deleted webhook", err, auth.ErrNotFound)
	wantError(t, "DeleteWebhook of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteWebhook(ctx, one, "w2") }), auth.ErrNotFound)
	wantError(t, "UpdateWebhook of none", s.Update(ctx, func(tx auth.Tx) error { return tx.UpdateWebhook(ctx, changed) }), auth.ErrNotFound)
}

func deliveryIDs(list []auth.WebhookDelivery) []string {
	return ids(list, func(d auth.WebhookDelivery) auth.DeliveryID { return d.ID })
}

func testWebhookDeliveries(t *testing.T, s auth.Store) {
	ctx := t.Context()
	update(t, s, func(tx auth.Tx) error { return fill(ctx, tx, one) })
	full := auth.WebhookDelivery{
		Project: one, ID: "msg_1", Webhook: "hook", Event: auth.WebhookUserCreated, User: anna, State: auth.DeliveryDead, Payload: `{"a":1}`, Attempts: 3, CreatedAt: now,
		NextAttemptAt: after(1), FinishedAt: after(2), LastStatus: 500, LastError: "the receiver answered with status 500",
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateWebhook(ctx, auth.Webhook{Project: one, ID: "other", Kind: auth.WebhookEvents, CreatedAt: now}),
			tx.CreateWebhookDelivery(ctx, full),
			tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: one, ID: "msg_2", Webhook: "other", User: anna, State: auth.DeliveryQueued, CreatedAt: after(-99)}),
			tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: one, ID: "msg_3", Webhook: "other", User: "else", State: auth.DeliveryDelivered, CreatedAt: after(-99)}))
	})
	list := func(f auth.DeliveryFilter) []string {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 9
		}
		return deliveryIDs(must[[]auth.WebhookDelivery](t)(s.ListWebhookDeliveries(ctx, one, f)))
	}
	all := must[[]auth.WebhookDelivery](t)(s.ListWebhookDeliveries(ctx, one, auth.DeliveryFilter{State: auth.DeliveryDead, Webhook: "hook", Limit: 1}))
	wantEqual(t, "delivery", all, []auth.WebhookDelivery{full})
	wantEqual(t, "all", list(auth.DeliveryFilter{}), []string{"msg_3", "msg_2", "msg_1", "leased", "event"})
	wantEqual(t, "page", list(auth.DeliveryFilter{Before: "msg_3", Limit: 2}), []string{"msg_2", "msg_1"})
	wantEqual(t, "of a webhook", list(auth.DeliveryFilter{Webhook: "other"}), []string{"msg_3", "msg_2"})
	wantEqual(t, "counts", must[map[auth.DeliveryState]int](t)(s.CountWebhookDeliveries(ctx)),
		map[auth.DeliveryState]int{auth.DeliveryDead: 2, auth.DeliveryQueued: 1, auth.DeliveryWorking: 1})
	wantError(t, "CreateWebhookDelivery of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateWebhookDelivery(ctx, full) }), auth.ErrConflict)

	for most, want := range map[int]int{0: 0, 1: 1, 9: 1} { // the leased one; "event" and msg_1 are dead
		wantEqual(t, "waiting", must[int](t)(s.CountWaitingDeliveries(ctx, one, "hook", most)), want)
	}
	wantEqual(t, "waiting for the other", must[int](t)(s.CountWaitingDeliveries(ctx, one, "other", 9)), 1)
	wantEqual(t, "waiting for none", must[int](t)(s.CountWaitingDeliveries(ctx, one, "nosuch", 9)), 0)

	requeue := func(id auth.DeliveryID) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.RequeueWebhookDelivery(ctx, one, id, after(9)) })
	}
	wantError(t, "requeue a dead one", requeue("event"), nil)
	wantError(t, "requeue a queued one", requeue("msg_2"), nil)
	for _, id := range []auth.DeliveryID{"msg_3", "leased", "nosuch"} {
		wantError(t, "requeue "+string(id), requeue(id), auth.ErrNotFound)
	}
	requeued := must[[]auth.WebhookDelivery](t)(s.ListWebhookDeliveries(ctx, one, auth.DeliveryFilter{Webhook: "hook", State: auth.DeliveryQueued, Limit: 9}))
	if len(requeued) != 1 || requeued[0].Attempts != 0 || !requeued[0].NextAttemptAt.Equal(after(9)) || requeued[0].Payload != "{}" {
		t.Errorf("requeued: %+v", requeued)
	}

	update(t, s, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) })
	wantEqual(t, "after the user is gone", list(auth.DeliveryFilter{}), []string{"msg_3", "msg_2", "leased", "event"})
	n := 0
	update(t, s, func(tx auth.Tx) (err error) {
		n, err = tx.Sweep(ctx, now, auth.Retention{Webhooks: 90 * time.Second, Codes: time.Hour, Sessions: time.Hour, Mail: time.Hour, Activity: 24 * time.Hour}, 100)
		return err
	})
	wantEqual(t, "after the sweep", list(auth.DeliveryFilter{}), nil) // those without a date are older still
	wantEqual(t, "swept", n, 4)
}

func testWebhookLeases(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	due := func(p auth.ProjectID, id auth.DeliveryID, w auth.WebhookID, at time.Time) auth.WebhookDelivery {
		return auth.WebhookDelivery{Project: p, ID: id, Webhook: w, State: auth.DeliveryQueued, NextAttemptAt: at, Payload: "{}"}
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateWebhook(ctx, auth.Webhook{Project: one, ID: "a", Enabled: true}),
			tx.CreateWebhook(ctx, auth.Webhook{Project: one, ID: "b", Enabled: true}),
			tx.CreateWebhook(ctx, auth.Webhook{Project: one, ID: "off"}),
			tx.CreateWebhook(ctx, auth.Webhook{Project: two, ID: "a", Enabled: true}),
			tx.CreateWebhookDelivery(ctx, due(one, "m1", "a", now)),
			tx.CreateWebhookDelivery(ctx, due(one, "m2", "a", after(-1))),
			tx.CreateWebhookDelivery(ctx, due(one, "m3", "a", after(1))),
			tx.CreateWebhookDelivery(ctx, due(one, "m4", "b", after(1))),
			tx.CreateWebhookDelivery(ctx, due(one, "m5", "off", now)),
			tx.CreateWebhookDelivery(ctx, due(two, "m1", "a", now)))
	})
	wantEqual(t, "due", must[[]auth.DueWebhook](t)(s.DueWebhooks(ctx, now)), []auth.DueWebhook{{Project: one, Webhook: "a"}, {Project: two, Webhook: "a"}})
	claim := func(token string, at, until time.Time, limit int) (list []auth.WebhookDelivery) {
		t.Helper()
		update(t, s, func(tx auth.Tx) (err error) {
			list, err = tx.ClaimWebhookDeliveries(ctx, one, "a", token, at, until, limit, true)
			return err
		})
		return list
	}
	want := due(one, "m2", "a", after(-1))
	want.State, want.Attempts, want.LeaseToken, want.LeaseUntil = auth.DeliveryWorking, 1, "worker1", after(60)
	wantEqual(t, "first claim", claim("worker1", now, after(60), 1), []auth.WebhookDelivery{want})
	wantEqual(t, "second claim", deliveryIDs(claim("worker2", now, after(60), 9)), []string{"m1"})
	wantEqual(t, "nothing due", deliveryIDs(claim("worker3", now, after(60), 9)), nil)

	finish := func(d auth.WebhookDelivery) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.FinishWebhookDelivery(ctx, d) })
	}
	done := auth.WebhookDelivery{Project: one, ID: "m2", Webhook: "a", State: auth.DeliveryDelivered, LeaseToken: "worker2", FinishedAt: after(2), LastStatus: 204}
	wantError(t, "finish with a wrong token", finish(done), auth.ErrNotFound)
	done.LeaseToken = ""
	wantError(t, "finish without a token", finish(done), auth.ErrNotFound)
	done.LeaseToken = "worker1"
	wantError(t, "finish", finish(done), nil)
	wantError(t, "finish again", finish(done), auth.ErrNotFound)
	done.LeaseToken, done.Attempts = "", 1
	wantEqual(t, "delivered", must[[]auth.WebhookDelivery](t)(s.ListWebhookDeliveries(ctx, one, auth.DeliveryFilter{State: auth.DeliveryDelivered, Limit: 9})), []auth.WebhookDelivery{done})

	wantEqual(t, "due after the lease", must[[]auth.DueWebhook](t)(s.DueWebhooks(ctx, after(60)))[:2], []auth.DueWebhook{{Project: one, Webhook: "a"}, {Project: one, Webhook: "b"}})
	var queue, own []auth.WebhookDelivery
	update(t, s, func(tx auth.Tx) (err error) { // not taken over: what waits in the queue, and nothing that another has leased
		queue, err = tx.ClaimWebhookDeliveries(ctx, one, "a", "worker5", after(60), after(60), 9, false)
		return err
	})
	wantEqual(t, "without a take-over", deliveryIDs(queue), []string{"m3"})
	update(t, s, func(tx auth.Tx) (err error) {
		own, err = tx.ClaimWebhookDeliveries(ctx, one, "a", "worker2", after(60), after(60), 9, false)
		return err
	})
	wantEqual(t, "its own once more", deliveryIDs(own), []string{"m1"})
	again := claim("worker4", after(60), after(120), 9)
	wantEqual(t, "after the lease", deliveryIDs(again), []string{"m1", "m3"})
	retry := again[0]
	retry.State, retry.NextAttemptAt, retry.LastError = auth.DeliveryQueued, after(300), "timeout"
	wantError(t, "finish for a retry", finish(retry), nil)
	wantEqual(t, "not due yet", deliveryIDs(claim("worker5", after(299), after(999), 9)), []string{"m3"})
	wantEqual(t, "due again", deliveryIDs(claim("worker5", after(300), after(999), 9)), []string{"m1"})
}
