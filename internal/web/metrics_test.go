package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestMetrics(t *testing.T) {
	metrics := NewMetrics(fixedClock(20 * time.Millisecond))
	handler := Chain(testRouter(), metrics.Middleware("accounts"))
	for _, request := range []string{
		"GET /users", "GET /users", "GET /users/s3cret", "POST /users", "GET /s3cret?s3cret", "S3CRET /s3cret",
	} {
		method, target, _ := strings.Cut(request, " ")
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
	}
	metrics.Registerer().MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "other_part"}))
	_, text := ask(metrics.Handler(), "GET")
	for _, line := range []string{
		`doorward_http_requests_total{method="GET",route="/users",status="2xx",surface="accounts"} 2`,
		`doorward_http_requests_total{method="GET",route="/users/{uid}",status="2xx",surface="accounts"} 1`,
		`doorward_http_requests_total{method="POST",route="/users",status="4xx",surface="accounts"} 1`,
		`doorward_http_requests_total{method="GET",route="none",status="4xx",surface="accounts"} 1`,
		`doorward_http_requests_total{method="other",route="none",status="4xx",surface="accounts"} 1`,
		`doorward_http_request_duration_seconds_count{method="GET",route="/users",status="2xx",surface="accounts"} 2`,
		`doorward_http_request_duration_seconds_bucket{method="GET",route="/users",status="2xx",surface="accounts",le="0.01"} 0`,
		`doorward_http_request_duration_seconds_bucket{method="GET",route="/users",status="2xx",surface="accounts",le="0.025"} 2`,
		"other_part 0",
		"# TYPE go_goroutines gauge",
		"# TYPE process_open_fds gauge",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(strings.ToLower(text), "s3cret") {
		t.Error("the client's text is a label")
	}
}

func TestTracing(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	handler := Chain(NewRouter([]Route{{
		Method: "POST", Pattern: "/users/{uid}",
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			SetProject(r.Context(), "acme")
			var body map[string]any
			if err := DecodeJSON(r, &body, DecodeOptions{}); err != nil {
				return err
			}
			if r.Host != "s3cret.example" || r.URL.RawQuery != "code=s3cret" || r.PathValue("uid") != "s3cret" || body["a"] != "s3cret" {
				t.Errorf("the handler sees another request: %v", r)
			}
			return WriteJSON(w, 200, body)
		},
	}}, writeTestError), RequestIDs(strings.NewReader(strings.Repeat("x", 64))), Tracing(provider))

	r := jsonRequest(`{"a":"s3cret"}`)
	r.Method, r.Host, r.RemoteAddr = "POST", "s3cret.example", "203.0.113.77:1"
	r.URL.Path, r.URL.RawQuery = "/users/s3cret", "code=s3cret"
	r.Header.Set("User-Agent", "s3cret")
	r.Header.Set("X-Forwarded-For", "203.0.113.77")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("S3CRET", "/s3cret", nil))
	if err := provider.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}

	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("got %d spans", len(ended))
	}
	if diff := cmp.Diff([]string{"POST /users/{uid}", "other none"}, []string{ended[0].Name(), ended[1].Name()}); diff != "" {
		t.Errorf("names, -want +got:\n%s", diff)
	}
	if ended[0].Parent().IsValid() || len(ended[0].Links()) != 0 {
		t.Error("the client's trace context was taken")
	}
	attributes := map[attribute.Key]string{}
	for _, span := range ended {
		for _, kv := range span.Attributes() {
			if text := strings.ToLower(kv.Value.String()); strings.Contains(text, "s3cret") || strings.Contains(text, "203.0.113") {
				t.Errorf("the span tells %s=%s", kv.Key, text)
			}
		}
	}
	for _, kv := range ended[0].Attributes() {
		attributes[kv.Key] = kv.Value.String()
	}
	for key, want := range map[attribute.Key]string{
		"http.route": "/users/{uid}", "doorward.project": "acme", "http.response.status_code": "200",
		"http.request.method": "POST", "doorward.request_id": "F1W7-GY3R-F1W7", "http.request.body.size": "14",
	} {
		if attributes[key] != want {
			t.Errorf("%s: got %q, want %q", key, attributes[key], want)
		}
	}
}
