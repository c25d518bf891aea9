// Package web is the HTTP plumbing that every surface shares: handlers that return errors, strict JSON, exact
// routes, request ids, client addresses, the request log, CORS, metrics, traces, health and the server itself.
// It knows no domain type.
//
// Middlewares that fill the request's record come first, the router last:
//
//	handler := web.Chain(router,
//		web.RequestIDs(random),       // X-Request-Id, and the record that the others write to
//		proxies.Middleware,           // client address and scheme
//		web.Log(logger, now),         // one line per request
//		metrics.Middleware("accounts"),
//		web.Tracing(provider),        // only where tracing is on
//		web.SecureHeaders,
//		web.CORS(policyOf, web.DefaultCORSOptions()),
//	)
package web

import "net/http"

// Middleware wraps a handler with one more duty.
type Middleware func(http.Handler) http.Handler

// Chain wraps h so that the first middleware sees the request first.
func Chain(h http.Handler, middlewares ...Middleware) http.Handler {
	for i := len(middlewares) - 1; i >= 0; i-- {
		h = middlewares[i](h)
	}
	return h
}
