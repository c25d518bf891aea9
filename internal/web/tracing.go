package web

import (
	"io"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Tracing gives every request a server span, named by method and route pattern (OpenTelemetry's semantic conventions for HTTP spans). A span holds nothing that the
// client wrote: no path, query, header or address (P44). Trace context from outside is not taken, or strangers could choose what is sampled. Leave it out of the chain
// where tracing is off.
func Tracing(provider trace.TracerProvider) Middleware {
	tracer := provider.Tracer("github.com/doorward/doorward")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec, r := withRecord(r)
			answer := noteResponse(w)
			ctx, span := tracer.Start(r.Context(), "request", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
			r = r.WithContext(ctx)
			body := &countedBody{ReadCloser: r.Body}
			if r.Body != nil {
				r.Body = body
			}
			defer func() { // deferred, so that a broken connection leaves its span too
				describe(span, r, rec, answer, body.read)
				span.End()
			}()
			next.ServeHTTP(answer, r)
		})
	}
}

func describe(span trace.Span, r *http.Request, rec *record, answer *response, read int64) {
	status := outcome(r, rec, answer)
	span.SetName(methodLabel(r.Method) + " " + rec.routeLabel())
	span.SetAttributes(
		attribute.String("http.request.method", methodLabel(r.Method)),
		attribute.String("http.route", rec.routeLabel()),
		attribute.Int("http.response.status_code", status),
		attribute.Int64("http.request.body.size", read),
		attribute.Int64("http.response.body.size", answer.bytes),
		attribute.String("doorward.request_id", rec.id),
	)
	if rec.project != "" {
		span.SetAttributes(attribute.String("doorward.project", rec.project))
	}
	if status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}

// countedBody counts what is read of a body.
type countedBody struct {
	io.ReadCloser
	read int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}
