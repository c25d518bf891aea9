package web

import (
	"context"
	"net/http"
	"net/netip"
)

// record is what the plumbing learns about one request. It travels in the context as a pointer, so that an inner
// handler can tell an outer one what to log. Only the goroutine that serves the request touches it.
type record struct {
	id        string
	client    netip.Addr
	scheme    string
	route     string
	operation string
	project   string
	err       error
}

type recordKey struct{}

// withRecord returns the request's record, and the request that carries it.
func withRecord(r *http.Request) (*record, *http.Request) {
	if rec := recordOf(r.Context()); rec != nil {
		return rec, r
	}
	rec := &record{}
	return rec, r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
}

// recordOf returns nil where no middleware of this package has seen the request.
func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// SetProject names the project of the request in its log line and span.
func SetProject(ctx context.Context, projectID string) {
	if rec := recordOf(ctx); rec != nil {
		rec.project = projectID
	}
}

// SetError puts the cause of an error answer into the request's log line. An ErrorWriter calls it with what an
// operator needs; the text must hold no secret (P44).
func SetError(ctx context.Context, err error) {
	if rec := recordOf(ctx); rec != nil {
		rec.err = err
	}
}

// RequestID returns the id that RequestIDs gave the request, or "".
func RequestID(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil {
		return rec.id
	}
	return ""
}

// ClientAddr returns the address that Proxies.Middleware found; the zero Addr if it is not known.
func ClientAddr(ctx context.Context) netip.Addr {
	if rec := recordOf(ctx); rec != nil {
		return rec.client
	}
	return netip.Addr{}
}

// Scheme returns "http" or "https" as the client used it, as Proxies.Middleware found it; "" if not known.
func Scheme(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil {
		return rec.scheme
	}
	return ""
}

// RoutePattern returns the pattern that Router matched, or "" if none did.
func RoutePattern(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil {
		return rec.route
	}
	return ""
}

// routeLabel is the pattern for logs, metrics and spans: never the path, which is the client's text.
func (rec *record) routeLabel() string {
	if rec.route == "" {
		return "none"
	}
	return rec.route
}

// methodLabel bounds the methods that logs, metrics and spans can hold, since a client may invent any.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
