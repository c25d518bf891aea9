package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
)

// registerMetrics adds what the parts behind the surfaces count.
func (i *Instance) registerMetrics(r prometheus.Registerer) {
	stat := func(read func(password.Stats) float64) func() float64 {
		return func() float64 { return read(i.hashing.Stats()) }
	}
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "doorward_hashing_running", Help: "Passwords being hashed."},
			stat(func(s password.Stats) float64 { return float64(s.Running) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "doorward_hashing_waiting", Help: "Requests that wait for a password to be hashed."},
			stat(func(s password.Stats) float64 { return float64(s.Waiting) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "doorward_hashing_shed_total", Help: "Requests refused because the hashing queue was full."},
			stat(func(s password.Stats) float64 { return float64(s.Shed) })),
		mailCollector{i},
		webhookCollector{i},
		databaseCollector{i}, i.measured.changes, i.measured.seconds,
	)
}

var mailDesc = prometheus.NewDesc("doorward_mails", "Mails in the outbox and mailbox by state.", []string{"state"}, nil)

// mailCollector counts mails when it is asked.
type mailCollector struct{ instance *Instance }

func (mailCollector) Describe(descs chan<- *prometheus.Desc) { descs <- mailDesc }

func (c mailCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := c.instance.Admin.MailCounts(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(mailDesc, err)
		return
	}
	for _, state := range []auth.MailState{auth.MailQueued, auth.MailWorking, auth.MailSent, auth.MailKept, auth.MailDead} {
		metrics <- prometheus.MustNewConstMetric(mailDesc, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}

var (
	deliveryDesc = prometheus.NewDesc("doorward_webhook_deliveries", "Webhook deliveries in the outbox by state.", []string{"state"}, nil)
	attemptDesc  = prometheus.NewDesc("doorward_webhook_attempts_total", "Attempts to deliver to webhooks, by how they ended.", []string{"outcome"}, nil)
	lostDesc     = prometheus.NewDesc("doorward_webhook_events_lost_total", "Events that were not queued because too many waited for their webhook.", nil, nil)
	questionDesc = prometheus.NewDesc("doorward_blocking_hook_questions_total", "Questions to blocking hooks, by how they ended.", []string{"outcome"}, nil)
)

// webhookCollector counts deliveries when it is asked.
type webhookCollector struct{ instance *Instance }

func (webhookCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- deliveryDesc
	descs <- attemptDesc
	descs <- questionDesc
	descs <- lostDesc
}

func (c webhookCollector) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(c.instance.Service.WebhookEventsLost()))
	delivered, failed := c.instance.courier.Attempts()
	agreed, refused, unanswered := c.instance.webhooks.Questions()
	for _, count := range []struct {
		desc    *prometheus.Desc
		outcome string
		n       int64
	}{
		{attemptDesc, "delivered", delivered}, {attemptDesc, "failed", failed},
		{questionDesc, "allowed", agreed}, {questionDesc, "denied", refused}, {questionDesc, "failed", unanswered},
	} {
		metrics <- prometheus.MustNewConstMetric(count.desc, prometheus.CounterValue, float64(count.n), count.outcome)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := c.instance.Admin.WebhookDeliveryCounts(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(deliveryDesc, err)
		return
	}
	for _, state := range []auth.DeliveryState{auth.DeliveryQueued, auth.DeliveryWorking, auth.DeliveryDead} {
		metrics <- prometheus.MustNewConstMetric(deliveryDesc, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}
