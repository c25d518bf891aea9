package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/adminapi"
)

func TestWebhookVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer receiver.Close()
	var w, same adminapi.Webhook
	c.json(&w, "webhook", "add", receiver.URL+"/hook", "--allow-host", "127.0.0.1", "--event", "user.created,user.deleted")
	if !strings.HasPrefix(w.Secret, "whsec_") || len(w.Events) != 2 || w.AllowHosts[0] != "127.0.0.1" {
		t.Errorf("added %+v", w)
	}
	if out := c.ok("webhook", "add", "https://shop.example.com", "--blocking", "--deadline", "1s", "--on-failure", "allow"); !strings.Contains(out, "whsec_") || !strings.Contains(out, "not shown again") {
		t.Errorf("add prints\n%s", out)
	}
	if out := c.ok("webhook", "test", w.ID); !strings.Contains(out, "took the event") {
		t.Errorf("test prints\n%s", out)
	}
	c.json(&same, "webhook", "set", w.ID, "--url", receiver.URL+"/broken", "--disable")
	if same.Secret == "" || same.Secret == w.Secret || same.Enabled || len(same.Events) != 2 {
		t.Errorf("set %+v", same)
	}
	c.try("", "webhook", "test", w.ID).wantFailure(t, exitFailed, "418")
	c.ok("webhook", "set", w.ID, "--enable")
	c.json(&same, "webhook", "rotate-secret", w.ID)
	if same.Secret == "" {
		t.Error("no secret after a rotation")
	}
	c.ok("user", "create", "ada@example.com")
	var deliveries []adminapi.WebhookDelivery
	c.json(&deliveries, "webhook", "deliveries", "--state", "queued", "--webhook", w.ID)
	if len(deliveries) != 1 || deliveries[0].Event != "user.created" {
		t.Fatalf("deliveries %+v", deliveries)
	}
	c.ok("webhook", "retry", deliveries[0].ID)
	for _, verb := range []string{"list", "deliveries"} {
		if out := c.ok("webhook", verb); !strings.Contains(out, w.ID) || strings.Contains(out, "whsec_") {
			t.Errorf("%s prints\n%s", verb, out)
		}
	}
	if out := c.ok("webhook", "show", w.ID); !strings.Contains(out, receiver.URL) || strings.Contains(out, "whsec_") {
		t.Errorf("show prints\n%s", out)
	}
	c.ok("webhook", "set", w.ID, "--url", "https://shop.example.com", "--clear-allow-hosts")
	c.try("", "webhook", "set", w.ID).wantFailure(t, exitUsage, "nothing to change")
	c.try("", "webhook", "set", w.ID, "--clear-allow-hosts", "--allow-host", "a").wantFailure(t, exitUsage, "contradicts")
	c.try("", "webhook", "set", w.ID, "--url", "http://shop.example.com").wantFailure(t, exitFailed, "not https")
	c.try("", "webhook", "retry", "nothing").wantFailure(t, exitNotFound, "no such delivery")
	c.ok("webhook", "delete", w.ID, "--yes")
	c.try("", "webhook", "show", w.ID).wantFailure(t, exitNotFound, "no such webhook")
}
