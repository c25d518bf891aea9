package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/doorward/doorward/internal/certs"
	"github.com/doorward/doorward/internal/web"
)

// Server serves an instance over HTTP. Make one with [New].
type Server struct {
	instance *Instance
	config   Config
	metrics  *web.Metrics
	tracer   *sdktrace.TracerProvider // nil where traces are off
	handler  http.Handler
	ready    http.Handler

	connections atomic.Int64 // open
	moved       atomic.Bool  // the database; see lookForMove
	failures    *prometheus.CounterVec
	certs       certs.Source // nil: plain HTTP
	backups     *schedule    // nil where none are made by schedule
}

// New makes the server over an open instance. Run serves; the caller closes the instance afterwards.
func New(ctx context.Context, i *Instance) (*Server, error) {
	if err := i.verifyBreached(ctx); err != nil {
		return nil, err
	}
	s := &Server{instance: i, config: i.config, metrics: web.NewMetrics(i.config.Clock)}
	s.fitConnections()
	i.registerMetrics(s.metrics.Registerer())
	s.registerMetrics(s.metrics.Registerer())
	var err error
	if s.backups, err = newSchedule(i); err != nil {
		return nil, err
	}
	if s.backups != nil {
		s.metrics.Registerer().MustRegister(s.backups)
	}
	if s.config.OTLPEndpoint != "" {
		if s.tracer, err = newTracer(ctx, s.config.OTLPEndpoint, s.config.Log); err != nil {
			return nil, err
		}
	}
	if s.certs, err = s.newCertificates(); err != nil {
		return nil, err
	}
	if s.certs != nil {
		s.metrics.Registerer().MustRegister(certificateCollector{s.certs, i.config.Clock})
	}
	s.ready = web.Readyz(readyTimeout, web.Check{Name: "database", Run: i.ready})
	if err := s.lookForMove(ctx); err != nil {
		return nil, err
	}
	s.handler = s.newHandler()
	return s, nil
}

// Handler is everything that the server serves, but metrics.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves ln until ctx ends. Then it takes nothing new, finishes what it accepted within the configured grace, and returns nil. An error means that
// serving failed, or that the grace was too short.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	metrics, err := s.listenMetrics()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	redirects, err := s.listenHTTP()
	if err != nil {
		return errors.Join(err, ln.Close(), closeListener(metrics))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() {
		if err := s.instance.mailer.Run(ctx); err != nil {
			s.config.Log.Error("mail worker failed", slog.Any("error", err))
		}
	})
	background.Go(func() {
		if err := s.instance.courier.Run(ctx); err != nil {
			s.config.Log.Error("webhook worker failed", slog.Any("error", err))
		}
	})
	background.Go(func() { s.repeat(ctx, workSweep, sweepEvery, s.sweep) })
	background.Go(func() { s.repeat(ctx, workKeys, keysDueEvery, s.rotateKeys) })
	background.Go(func() { s.repeat(ctx, workMove, moveLookEvery, s.lookForMove) })
	background.Go(func() { s.repeat(ctx, workImport, importEvery, s.importUsers) })
	background.Go(func() { s.repeat(ctx, workMemory, releaseEvery, s.releaseMemory) })
	if s.backups != nil {
		background.Go(func() { s.repeat(ctx, workBackup, backupLook, s.backups.run) })
	}
	if metrics != nil {
		background.Go(func() { s.serveMetrics(ctx, metrics) })
	}
	ln = countListener{ln, &s.connections}
	srv := web.NewServer(s.handler, web.ServerOptions{Logger: s.config.Log})
	if s.certs != nil {
		s.bindCertificates(ln, redirects)
		srv.TLSConfig = s.certs.TLSConfig()
		background.Go(func() { s.certs.Run(ctx) })
	}
	if redirects != nil {
		background.Go(func() { s.serveRedirects(ctx, redirects) })
	}
	err = web.Serve(ctx, srv, s.limited(ln, s.config.MaxConnections), s.config.ShutdownGrace)
	stop()
	if !endsWithin(&background, backgroundWait) {
		s.config.Log.Error("background work does not end, as where the disk hangs; the server ends without it")
	}
	s.flushTraces(ctx)
	return err
}

// backgroundWait is for work that is done but for its change of the store; the workers' own grace has passed by then.
const backgroundWait = 15 * time.Second

// endsWithin tells whether work ended in time.
func endsWithin(work *sync.WaitGroup, limit time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		work.Wait()
		close(ended)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// limited bounds the connections of a listener to n, and those of one direct peer to its share of them.
func (s *Server) limited(ln net.Listener, n int) net.Listener {
	return web.PeerLimitListener(web.LimitListener(ln, n), max(1, n/peerShare), s.config.TrustedProxies)
}

func closeListener(ln net.Listener) error {
	if ln == nil {
		return nil
	}
	return ln.Close()
}

func (s *Server) listenMetrics() (net.Listener, error) {
	if s.config.MetricsListen == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", s.config.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return ln, nil
}

// maxScrapers bounds the connections to the metrics.
const maxScrapers = 16

// peerShare is the part of all connections, one in so many, that one direct peer may hold.
const peerShare = 4

// serveMetrics serves metrics, and health a second time: no flood of connections to the public listener reaches it here (P27).
func (s *Server) serveMetrics(ctx context.Context, ln net.Listener) {
	route := func(path string, h http.Handler) web.Route {
		return web.Route{Method: http.MethodGet, Pattern: path, Name: path[1:], Handler: func(w http.ResponseWriter, r *http.Request) error {
			h.ServeHTTP(w, r)
			return nil
		}}
	}
	router := web.NewRouter([]web.Route{route("/metrics", s.metrics.Handler()), route("/healthz", web.Healthz()), route("/readyz", s.ready)}, writeError)
	err := web.Serve(ctx, web.NewServer(router, web.ServerOptions{Logger: s.config.Log}), web.LimitListener(ln, maxScrapers), time.Second)
	if err != nil && ctx.Err() == nil {
		s.config.Log.Error("metrics are not served any more", slog.Any("error", err))
	}
}

func (s *Server) flushTraces(ctx context.Context) {
	if s.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := s.tracer.Shutdown(ctx); err != nil {
		s.config.Log.Warn("the last traces were not sent", slog.Any("error", err))
	}
}
