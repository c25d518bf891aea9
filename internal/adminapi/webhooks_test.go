package adminapi

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func TestWebhooks(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	shop, other := r.project("shop"), r.project("other")

	made := got(shop.CreateWebhook(ctx, "shop", WebhookChange{URL: ptr("https://shop.example.com/hook")}))(t)
	if !strings.HasPrefix(made.Secret, "whsec_") || made.Kind != "events" || len(made.Events) != 6 || !made.Enabled || made.Deadline != "" || made.OnFailure != "" {
		t.Errorf("made %+v", made)
	}
	blocking := got(shop.CreateWebhook(ctx, "shop", WebhookChange{Kind: "blocking", URL: ptr("https://shop.example.com/ask"), Deadline: ptr("500ms")}))(t)
	if blocking.Deadline != "500ms" || blocking.OnFailure != "deny" || len(blocking.Events) != 2 {
		t.Errorf("made %+v", blocking)
	}
	_, err := shop.CreateWebhook(ctx, "shop", WebhookChange{Kind: "blocking", URL: ptr("https://shop.example.com/ask")})
	wantError(t, err, 409, auth.CodeConflict, "")

	list := got(shop.ListWebhooks(ctx, "shop"))(t)
	if len(list.Webhooks) != 2 || list.Webhooks[0].Secret != "" || got(shop.GetWebhook(ctx, "shop", made.ID))(t).Secret != "" {
		t.Errorf("the secret is told twice: %+v", list)
	}
	if same := got(shop.UpdateWebhook(ctx, "shop", made.ID, WebhookChange{Enabled: ptr(false)}))(t); same.Secret != "" || same.Enabled {
		t.Errorf("changed %+v", same)
	}
	moved := got(shop.UpdateWebhook(ctx, "shop", made.ID, WebhookChange{URL: ptr("https://elsewhere.example.com")}))(t)
	rotated := got(shop.RotateWebhookSecret(ctx, "shop", made.ID))(t)
	if moved.Secret == "" || moved.Secret == made.Secret || rotated.Secret == "" || rotated.Secret == moved.Secret {
		t.Error("another URL, or a rotation, made no other secret")
	}

	for _, c := range []struct {
		change WebhookChange
		field  string
	}{
		{WebhookChange{}, "url"},
		{WebhookChange{URL: ptr("http://shop.example.com")}, "url"},
		{WebhookChange{URL: ptr("https://user:pw@shop.example.com")}, "url"},
		{WebhookChange{URL: ptr("https://a.example"), Kind: "other"}, "kind"},
		{WebhookChange{URL: ptr("https://a.example"), Events: &[]string{"before_token"}}, "events"},
		{WebhookChange{URL: ptr("https://a.example"), Events: &[]string{}}, "events"},
		{WebhookChange{URL: ptr("https://a.example"), Deadline: ptr("1s")}, "kind"},
		{WebhookChange{URL: ptr("https://a.example"), Deadline: ptr("soon")}, "deadline"},
	} {
		_, err := shop.CreateWebhook(ctx, "shop", c.change)
		wantError(t, err, 422, auth.CodeInvalidArgument, c.field)
	}
	for _, deadline := range []string{"99ms", "11s", "-1s"} {
		_, err := shop.UpdateWebhook(ctx, "shop", blocking.ID, WebhookChange{Deadline: &deadline})
		wantError(t, err, 422, auth.CodeInvalidArgument, "deadline")
	}
	_, err = shop.UpdateWebhook(ctx, "shop", blocking.ID, WebhookChange{OnFailure: ptr("shrug")})
	wantError(t, err, 422, auth.CodeInvalidArgument, "onFailure")

	// Only an operator lets requests into private networks (P17).
	private := WebhookChange{URL: ptr("http://localhost:9"), AllowHosts: &[]string{"localhost"}}
	_, err = shop.CreateWebhook(ctx, "shop", private)
	wantError(t, err, 403, auth.CodeAdminRequired, "")
	_, err = shop.UpdateWebhook(ctx, "shop", made.ID, private)
	wantError(t, err, 403, auth.CodeAdminRequired, "")
	got(r.op.CreateWebhook(ctx, "shop", private))(t)

	// Another project's admin finds nothing of it.
	_, err = other.GetWebhook(ctx, "other", made.ID)
	wantError(t, err, 404, auth.CodeNotFound, "")
	wantError(t, other.DeleteWebhook(ctx, "other", made.ID), 404, auth.CodeNotFound, "")
	_, err = other.TestWebhook(ctx, "other", made.ID)
	wantError(t, err, 404, auth.CodeNotFound, "")
	must(t, shop.DeleteWebhook(ctx, "shop", made.ID))
	wantError(t, shop.DeleteWebhook(ctx, "shop", made.ID), 404, auth.CodeNotFound, "")
}

func TestWebhookDeliveries(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	shop, other := r.project("shop"), r.project("other")
	w := got(shop.CreateWebhook(ctx, "shop", WebhookChange{URL: ptr("https://shop.example.com/hook"), Events: &[]string{"user.created", "user.deleted"}}))(t)
	uid := r.user("shop", "ada@example.com").UID
	r.user("other", "ada@example.com")
	must(t, shop.DeleteUser(ctx, "shop", uid))
	page := got(shop.ListWebhookDeliveries(ctx, "shop", DeliveryFilter{Limit: 1}))(t)
	rest := got(shop.ListWebhookDeliveries(ctx, "shop", DeliveryFilter{Limit: 5, Before: page.Next}))(t)
	if len(page.Deliveries) != 1 || len(rest.Deliveries) != 1 || rest.Next != "" || page.Next != page.Deliveries[0].ID {
		t.Fatalf("pages %+v and %+v", page, rest)
	}
	events := map[string]bool{}
	for _, d := range append(page.Deliveries, rest.Deliveries...) {
		events[d.Event] = d.Webhook == w.ID && d.UID == uid && d.State == "queued"
	}
	if !events["user.created"] || !events["user.deleted"] {
		t.Errorf("deliveries %+v and %+v", page, rest)
	}
	must(t, shop.RetryWebhookDelivery(ctx, "shop", page.Next))
	wantError(t, other.RetryWebhookDelivery(ctx, "other", page.Next), 404, auth.CodeNotFound, "")
	if list := got(other.ListWebhookDeliveries(ctx, "other", DeliveryFilter{}))(t); len(list.Deliveries) != 0 {
		t.Errorf("another project has %+v", list)
	}
	_, err := shop.ListWebhookDeliveries(ctx, "shop", DeliveryFilter{State: "lost"})
	wantError(t, err, 422, auth.CodeInvalidArgument, "state")
}
