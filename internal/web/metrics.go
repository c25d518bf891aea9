package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts and times requests. Its labels come from the route table, never from a request, so that a client can
// neither fill the memory with series nor put data there (P44, P54).
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	now      func() time.Time
}

// NewMetrics returns metrics on a registry of their own, with those of Go and the process.
func NewMetrics(now func() time.Time) *Metrics {
	labels := []string{"surface", "route", "method", "status"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_http_requests_total",
			Help: "Answered HTTP requests by surface, route pattern, method and status class.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "doorward_http_request_duration_seconds",
			Help:    "Time from the request's header to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, labels),
		now: now,
	}
	m.registry.MustRegister(m.requests, m.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Registerer takes the metrics of other parts of the program.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Handler answers in Prometheus' text format, without those that cannot be had now: what a database that is away cannot count must not hide the rest.
// It belongs on a listener of its own (P38).
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Middleware counts the requests of one surface, as "accounts". Requests that no route matched have the route "none",
// invented methods are "other", and the status is its class, as "4xx".
func (m *Metrics) Middleware(surface string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec, r := withRecord(r)
			answer := noteResponse(w)
			start := m.now()
			defer func() { // deferred, so that a broken connection counts too
				class := strconv.Itoa(outcome(r, rec, answer)/100) + "xx"
				labels := []string{surface, rec.routeLabel(), methodLabel(r.Method), class}
				m.requests.WithLabelValues(labels...).Inc()
				m.duration.WithLabelValues(labels...).Observe(m.now().Sub(start).Seconds())
			}()
			next.ServeHTTP(answer, r)
		})
	}
}
