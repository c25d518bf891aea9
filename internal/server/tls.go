package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/internal/accountsapi"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/certs"
	"github.com/doorward/doorward/internal/web"
)

// TLS says how the server speaks HTTPS itself. The zero value: it does not, and speaks plain HTTP.
type TLS struct {
	Files      []certs.Pair   // certificates from files, or
	ACME       *certs.Account // from a CA
	HTTPListen string         // HOST:PORT that answers plain HTTP with redirects; "": nothing does
}

// On tells whether the server speaks HTTPS.
func (t TLS) On() bool { return len(t.Files) > 0 || t.ACME != nil }

// newCertificates gives nil where TLS is off.
func (s *Server) newCertificates() (certs.Source, error) {
	switch t := s.config.TLS; {
	case len(t.Files) > 0:
		return certs.OpenFiles(t.Files, s.config.Log, s.config.Clock)
	case t.ACME != nil:
		return certs.NewManager(certs.Options{
			Account: *t.ACME, PublicHost: strings.ToLower(s.config.PublicURL.Hostname()), Domain: s.config.Domain, Vault: auth.NewCertificates(s.instance.Service),
			Log: s.config.Log, Clock: s.config.Clock,
		}), nil
	}
	return nil, nil
}

// listenHTTP opens the port of the redirects; nil where none is configured.
func (s *Server) listenHTTP() (net.Listener, error) {
	if s.certs == nil || s.config.TLS.HTTPListen == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", s.config.TLS.HTTPListen)
	if err != nil {
		return nil, fmt.Errorf("http-listen: %w", err)
	}
	return ln, nil
}

// bindCertificates tells the certificates' source where the server listens.
func (s *Server) bindCertificates(serving, redirects net.Listener) {
	var plain net.Addr
	if redirects != nil {
		plain = redirects.Addr()
	}
	s.certs.Bind(serving.Addr(), plain)
}

// maxRedirected bounds the connections to the port of the redirects, which come on top of all others: a flood there takes neither their places nor their descriptors (P27).
const maxRedirected = 128

// redirected is how many connections that port takes at a time: few where there are few of all.
func (s *Server) redirected() int { return min(maxRedirected, max(1, s.config.MaxConnections/8)) }

// serveRedirects serves the port of plain HTTP.
func (s *Server) serveRedirects(ctx context.Context, ln net.Listener) {
	h := web.Chain(s.surface("redirects", web.Handle(s.redirect, writeError)), web.RequestIDs(s.config.Rand), s.config.TrustedProxies.Middleware, web.Log(s.config.Log, s.config.Clock))
	err := web.Serve(ctx, web.NewServer(h, web.ServerOptions{Logger: s.config.Log}), s.limited(ln, s.redirected()), time.Second)
	if err != nil && ctx.Err() == nil {
		s.config.Log.Error("plain HTTP is not redirected any more", slog.Any("error", err))
	}
}

// redirect answers a CA's challenges, and sends browsers to HTTPS at a host that the configuration knows (P12). What apps and admins send is refused instead: it went over the
// wire in clear text already, and would go on to do so unnoticed.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request) error {
	base := s.secureBase(r.Host)
	if base == nil {
		return web.NotFound()
	}
	var refusal error
	s.certs.Challenges(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/admin/") {
			refusal = &web.Error{Status: http.StatusForbidden, Detail: "Use https"}
			return
		}
		target := *base
		target.Path, target.RawPath, target.RawQuery = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusPermanentRedirect)
	})).ServeHTTP(w, r)
	return refusal
}

// secureBase is where a host is served over HTTPS; nil for a host that is not ours.
func (s *Server) secureBase(host string) *url.URL {
	public := s.config.PublicURL
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if strings.EqualFold(name, public.Hostname()) {
		return &url.URL{Scheme: "https", Host: public.Host}
	}
	project, ok := accountsapi.Hosts{Domain: s.config.Domain}.Project(host)
	if !ok {
		return nil
	}
	if _, err := auth.ParseProjectID(project); err != nil {
		return nil
	}
	base := &url.URL{Scheme: "https", Host: project + "." + s.config.Domain}
	if port := public.Port(); port != "" {
		base.Host += ":" + port
	}
	return base
}

var (
	expiryDesc   = prometheus.NewDesc("doorward_certificate_expires_seconds", "Seconds until a TLS certificate expires, negative afterwards; 0 where there is none yet.", []string{"name"}, nil)
	lifetimeDesc = prometheus.NewDesc("doorward_certificate_lifetime_seconds", "Seconds for which a TLS certificate is valid in all; 0 where there is none yet.", []string{"name"}, nil)
	orderDesc    = prometheus.NewDesc("doorward_certificate_orders_total", "Orders of TLS certificates at the CA, by how they ended.", []string{"outcome"}, nil)
)

// certificateCollector tells of TLS certificates when it is asked.
type certificateCollector struct {
	source certs.Source
	clock  func() time.Time
}

func (certificateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- expiryDesc
	descs <- lifetimeDesc
	descs <- orderDesc
}

func (c certificateCollector) Collect(metrics chan<- prometheus.Metric) {
	now, seen := c.clock(), map[string]bool{}
	for _, e := range c.source.Expiries() {
		left := 0.0
		if !e.At.IsZero() {
			left = e.At.Sub(now).Seconds()
		}
		if !seen[e.Name] { // two files may hold certificates of one name
			metrics <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, left, e.Name)
			metrics <- prometheus.MustNewConstMetric(lifetimeDesc, prometheus.GaugeValue, e.Lifetime.Seconds(), e.Name)
		}
		seen[e.Name] = true
	}
	obtained, failed := c.source.Orders()
	metrics <- prometheus.MustNewConstMetric(orderDesc, prometheus.CounterValue, float64(obtained), "obtained")
	metrics <- prometheus.MustNewConstMetric(orderDesc, prometheus.CounterValue, float64(failed), "failed")
}
