package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// ServerOptions are the deadlines and limits of a server (P33, P54). Zero fields take the defaults in brackets.
type ServerOptions struct {
	ReadHeaderTimeout time.Duration // [5s]
	ReadTimeout       time.Duration // header and body [15s]
	WriteTimeout      time.Duration // from the end of the header to the end of the answer [30s]
	IdleTimeout       time.Duration // between requests [60s]
	MaxHeaderBytes    int           // request line and header [32 KiB]
	Logger            *slog.Logger  // of what goes wrong outside of handlers [slog.Default]
}

// NewServer returns a server for Serve. What is ambiguous about where a request ends, net/http mostly refuses; for
// the rest see closeUnclearFraming.
func NewServer(handler http.Handler, opts ServerOptions) *http.Server {
	logger := opts.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &http.Server{
		Handler:           closeUnclearFraming(handler),
		ReadHeaderTimeout: orDefault(opts.ReadHeaderTimeout, 5*time.Second),
		ReadTimeout:       orDefault(opts.ReadTimeout, 15*time.Second),
		WriteTimeout:      orDefault(opts.WriteTimeout, 30*time.Second),
		IdleTimeout:       orDefault(opts.IdleTimeout, 60*time.Second),
		MaxHeaderBytes:    orDefault(opts.MaxHeaderBytes, 32<<10),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		ErrorLog:          log.New(errorLog{logger}, "", 0),
		// "OPTIONS *" goes to the router, and gets its 404, like any path we do not have.
		DisableGeneralOptionsHandler: true,
	}
}

// errorLog takes the lines of net/http. A failed handshake is worth none of the log by default: whoever scans the network causes one with each connection.
type errorLog struct{ logger *slog.Logger }

func (l errorLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, string(bytes.TrimRight(line, "\n")))
	return len(line), nil
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// closeUnclearFraming ends the connection after an HTTP/1 request that a proxy may have delimited otherwise. net/http
// lets Transfer-Encoding override Content-Length, ignores it in HTTP/1.0, and hides from handlers that both were
// there. RFC 9112 section 6.1 asks to close the connection then, so that no hidden second request follows. Handlers
// can tell no better than this, so every chunked request and every HTTP/1.0 request costs its connection.
func closeUnclearFraming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// LimitListener has at most n connections open at once; further ones wait in the kernel's queue (P54).
func LimitListener(ln net.Listener, n int) net.Listener {
	return netutil.LimitListener(ln, n)
}

// Serve serves ln, over TLS if srv has a TLSConfig with certificates, until ctx ends. Then it takes no more
// connections and finishes the requests that it has, for at most grace; it breaks off what is left and returns an
// error. A nil error means that every accepted request was answered.
func Serve(ctx context.Context, srv *http.Server, ln net.Listener, grace time.Duration) error {
	served := make(chan error, 1)
	go func() { served <- serve(srv, ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(graceful)
	if err != nil {
		err = errors.Join(fmt.Errorf("finish requests within %s: %w", grace, err), srv.Close())
	}
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve %s: %w", ln.Addr(), serveErr))
	}
	return err
}

func serve(srv *http.Server, ln net.Listener) error {
	if srv.TLSConfig != nil {
		return srv.ServeTLS(ln, "", "")
	}
	return srv.Serve(ln)
}
