package auth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// TestWebhookQueueIsBounded: a receiver that is away fills no disk. What can be asked for is lost first, and that is recorded once an hour.
func TestWebhookQueueIsBounded(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.WithWebhookCeiling(3)
	w := h.webhook(auth.WebhookChange{})
	n := 0
	rename := func() {
		t.Helper()
		n++
		_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Name: ptr(fmt.Sprint("Ada ", n))})
		h.must(err)
	}
	waiting := func(want int, lost int64) {
		t.Helper()
		list, err := h.store.ListWebhookDeliveries(h.ctx, h.id, auth.DeliveryFilter{State: auth.DeliveryQueued, Limit: 99})
		if h.must(err); len(list) != want || h.WebhookEventsLost() != lost {
			t.Errorf("%d wait and %d are lost, want %d and %d", len(list), h.WebhookEventsLost(), want, lost)
		}
	}
	for range 5 {
		rename()
	}
	waiting(3, 2)
	h.clock.Advance(2 * time.Second) // counted anew
	rename()
	waiting(3, 3)
	for i := range 5 {
		h.importUser(fmt.Sprintf("user%d@example.com", i)) // user.created, unverified
	}
	waiting(6, 5)
	if records := h.audits(auth.EventWebhookOverflow); len(records) != 1 || records[0].Actor != auth.ActorSystem || records[0].Detail["webhook"] != string(w.ID) {
		t.Errorf("records %+v", records)
	}
	h.clock.Advance(time.Hour)
	rename()
	if records := h.audits(auth.EventWebhookOverflow); len(records) != 2 {
		t.Errorf("%d records an hour later", len(records))
	}
	h.events() // the receiver is back
	h.clock.Advance(time.Second)
	rename()
	waiting(1, 6)
}
