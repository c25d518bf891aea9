package webhook

import "github.com/doorward/doorward/internal/auth"

// hand is what a worker has under way. Only the worker's own loop uses it.
type hand struct {
	size      int
	byProject map[auth.ProjectID]int
	byWebhook map[auth.DueWebhook]int
	ids       map[deliveryKey]bool
}

// deliveryKey tells deliveries apart across projects.
type deliveryKey struct {
	project auth.ProjectID
	id      auth.DeliveryID
}

func newHand() *hand {
	return &hand{byProject: map[auth.ProjectID]int{}, byWebhook: map[auth.DueWebhook]int{}, ids: map[deliveryKey]bool{}}
}

func dueOf(d auth.WebhookDelivery) auth.DueWebhook {
	return auth.DueWebhook{Project: d.Project, Webhook: d.Webhook}
}

// share is how many deliveries of one webhook there is room for.
type share struct {
	of auth.DueWebhook
	n  int
}

// share divides the room that is left among the webhooks that have something due.
func (h *hand) share(due []auth.DueWebhook) []share {
	free := maxInHand - h.size
	ofProject := map[auth.ProjectID]int{}
	var shares []share
	for _, d := range due {
		n := min(free, maxPerProject-h.byProject[d.Project]-ofProject[d.Project], maxPerWebhook-h.byWebhook[d])
		if n <= 0 {
			continue
		}
		free -= n
		ofProject[d.Project] += n
		shares = append(shares, share{d, n})
	}
	return shares
}

// take puts a delivery into the hand; false where it is there already.
func (h *hand) take(d auth.WebhookDelivery) bool {
	key := deliveryKey{d.Project, d.ID}
	if h.ids[key] {
		return false
	}
	h.ids[key] = true
	h.size++
	h.byProject[d.Project]++
	h.byWebhook[dueOf(d)]++
	return true
}

func (h *hand) leave(d auth.WebhookDelivery) {
	delete(h.ids, deliveryKey{d.Project, d.ID})
	h.size--
	if h.byProject[d.Project]--; h.byProject[d.Project] == 0 {
		delete(h.byProject, d.Project)
	}
	if h.byWebhook[dueOf(d)]--; h.byWebhook[dueOf(d)] == 0 {
		delete(h.byWebhook, dueOf(d))
	}
}
