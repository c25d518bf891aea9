package web

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Log writes one line per request to logger, when it has been answered. A line has the route's pattern, never the
// path, query, headers or bodies (P44). Answers of 500 and above, and panics, are errors; the rest is info. A request
// that failed because its client had gone has the status 499.
func Log(logger *slog.Logger, now func() time.Time) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec, r := withRecord(r)
			answer := noteResponse(w)
			start := now()
			// Deferred, so that a broken connection (http.ErrAbortHandler) leaves its line too.
			defer func() {
				logRequest(logger, r, rec, answer, now().Sub(start))
			}()
			next.ServeHTTP(answer, r)
		})
	}
}

func logRequest(logger *slog.Logger, r *http.Request, rec *record, answer *response, took time.Duration) {
	status := outcome(r, rec, answer)
	attrs := append(make([]slog.Attr, 0, 12),
		slog.String("request_id", rec.id),
		slog.String("method", methodLabel(r.Method)),
		slog.String("route", rec.routeLabel()),
		slog.Int("status", status),
		slog.Int64("bytes", answer.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	)
	if rec.client.IsValid() {
		attrs = append(attrs, slog.String("client", rec.client.String()))
	}
	if rec.operation != "" {
		attrs = append(attrs, slog.String("operation", rec.operation))
	}
	if rec.project != "" {
		attrs = append(attrs, slog.String("project", rec.project))
	}
	if rec.err != nil {
		attrs = append(attrs, slog.String("error", rec.err.Error()))
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	var panicked *PanicError
	if errors.As(rec.err, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
		level = slog.LevelError
	}
	logger.LogAttrs(r.Context(), level, "request", attrs...)
}
