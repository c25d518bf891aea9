package web

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracing gives every request a server span, named by method and route pattern. A span holds nothing that the client
// wrote: no path, query, header or address (P44). Trace context from outside is not taken, or strangers could choose
// what is sampled. Leave it out of the chain where tracing is off.
func Tracing(provider trace.TracerProvider) Middleware {
	return func(next http.Handler) http.Handler {
		spanned := otelhttp.NewHandler(withOriginal(next), "request",
			otelhttp.WithTracerProvider(provider),
			otelhttp.WithMeterProvider(noop.NewMeterProvider()), // Metrics counts already
			otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, r = withRecord(r)
			spanned.ServeHTTP(w, withoutClientText(r))
		})
	}
}

type originalKey struct{}

// withOriginal hands next the request that withoutClientText hid, within the span.
func withOriginal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, bare *http.Request) {
		ctx := bare.Context()
		defer nameSpan(trace.SpanFromContext(ctx), bare.Method, recordOf(ctx))
		original := ctx.Value(originalKey{}).(*http.Request).WithContext(ctx)
		original.Body = bare.Body // counts what is read
		next.ServeHTTP(w, original)
	})
}

// withoutClientText is what otelhttp gets to see, since it would record path, host, addresses and user agent.
func withoutClientText(r *http.Request) *http.Request {
	bare := r.WithContext(context.WithValue(r.Context(), originalKey{}, r))
	bare.URL = &url.URL{}
	bare.Host = ""
	bare.RemoteAddr = ""
	bare.Header = http.Header{}
	if methodLabel(r.Method) == "other" {
		bare.Method = "other"
	}
	return bare
}

func nameSpan(span trace.Span, method string, rec *record) {
	span.SetName(methodLabel(method) + " " + rec.routeLabel())
	span.SetAttributes(
		attribute.String("http.route", rec.routeLabel()),
		attribute.String("doorward.request_id", rec.id),
	)
	if rec.project != "" {
		span.SetAttributes(attribute.String("doorward.project", rec.project))
	}
}
