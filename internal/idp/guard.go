package idp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/publicnet"
)

// The caps of outbound requests (P17, P54).
const (
	maxAnswerBytes    = 1 << 20
	maxHeaderBytes    = 64 << 10
	maxPerProvider    = 16  // requests under way to one provider of one project
	maxUnderWay       = 256 // requests under way in all
	maxRetryAfter     = 5 * time.Minute
	minRetryAfter     = time.Second
	maxIdleConns      = 32
	maxIdlePerHost    = 4
	idleConnTimeout   = time.Minute
	defaultUserAgent  = "Doorward"
	tooManyRetryAfter = time.Second
)

// guard is the one way out of this package. It is made for one operation: allow and key are those of the provider that the operation is for.
//
// It answers with a whole body of at most maxAnswerBytes and a 2xx or 4xx status, or with a *ResponseError or *UnavailableError.
type guard struct {
	doors *doors
	allow []string
	key   string
	heard *transcript // nil keeps nothing
}

// doors is what all guards share. Hosts that an operator allowed have connections of their own: a pooled one to a private address must never serve a provider
// that may not go there.
type doors struct {
	public  http.RoundTripper
	allowed http.RoundTripper

	mu       sync.Mutex
	underWay map[string]int
	total    int
}

func newDoors(rootCAs *x509.CertPool, connectTimeout time.Duration) *doors {
	return &doors{
		public:   newTransport(rootCAs, connectTimeout, onlyPublic),
		allowed:  newTransport(rootCAs, connectTimeout, nil),
		underWay: map[string]int{},
	}
}

// newTransport uses no proxy: one would dial in our place, where the address cannot be checked.
func newTransport(rootCAs *x509.CertPool, connectTimeout time.Duration, control func(string, string, syscall.RawConn) error) *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: rootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// onlyPublic runs between name resolution and connect, on the very address that is dialled, so that no second answer of the DNS can slip past it.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || !publicnet.Contains(target.Addr()) {
		return errPrivateAddress
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	door, err := g.door(req.URL)
	if err != nil {
		return nil, err
	}
	release, err := g.doors.enter(g.key)
	if err != nil {
		return nil, err
	}
	defer release()

	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", defaultUserAgent)
	resp, err := door.RoundTrip(req)
	if err != nil {
		return nil, explain(req.URL, err)
	}
	defer resp.Body.Close()
	if err := checkStatus(req.URL, resp); err != nil {
		g.heard.hearFailure(req, resp)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, explain(req.URL, err)
	}
	if len(body) > maxAnswerBytes {
		return nil, refuse("the answer of %s is over %d bytes", req.URL.Host, maxAnswerBytes)
	}
	g.heard.hear(req, resp, body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (g *guard) door(u *url.URL) (http.RoundTripper, error) {
	if err := checkURL(u, g.allow); err != nil {
		return nil, err
	}
	if isAllowed(u, g.allow) {
		return g.doors.allowed, nil
	}
	return g.doors.public, nil
}

// checkURL says whether a URL is one that we, or the browser on our word, may go to.
func checkURL(u *url.URL, allow []string) error {
	switch {
	case u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return refuse("a URL of the provider is not of the form https://host/path")
	case u.Scheme == "https" || u.Scheme == "http" && isAllowed(u, allow):
		return nil
	}
	return refuse("the URL at %s is not https; if that is meant, an operator adds %s to the provider's allowed hosts", u.Host, u.Hostname())
}

// isAllowed tells whether an operator allowed the URL's host, as "host" or as "host:port".
func isAllowed(u *url.URL, allow []string) bool {
	return slices.ContainsFunc(allow, func(entry string) bool {
		return strings.EqualFold(entry, u.Hostname()) || strings.EqualFold(entry, u.Host)
	})
}

// enter takes a place among the requests under way. Where there is none it says so at once: a provider that hangs must not gather waiting sign-ins (P51).
func (d *doors) enter(key string) (release func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underWay[key] >= maxPerProvider || d.total >= maxUnderWay {
		return nil, &UnavailableError{RetryAfter: tooManyRetryAfter, reason: errBusy.Error(), cause: errBusy}
	}
	d.underWay[key]++
	d.total++
	return func() { d.leave(key) }, nil
}

func (d *doors) leave(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total--
	if d.underWay[key]--; d.underWay[key] == 0 {
		delete(d.underWay, key)
	}
}

func checkStatus(u *url.URL, resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusForbidden && isRateLimit(resp.Header):
		away := unavailable(errStatus, "%s answered with status %d", u.Host, status)
		away.RetryAfter = retryAfter(resp.Header)
		return away
	case status >= 300 && status < 400:
		refused := refuse("%s answered with a redirect, which is not followed; the settings need the final address", u.Host)
		refused.cause = errRedirect
		return refused
	}
	return nil
}

// isRateLimit knows GitHub's way of saying 429.
func isRateLimit(h http.Header) bool {
	return h.Get("Retry-After") != "" || h.Get("X-Ratelimit-Remaining") == "0"
}

// retryAfter reads the seconds form of the header (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return defaultRetryAfter
	}
	return min(max(time.Duration(seconds)*time.Second, minRetryAfter), maxRetryAfter)
}

// explain puts a failed request into words that help to mend it. The error's own text is left out, because bytes of the answer can be in it.
func explain(u *url.URL, err error) error {
	var dns *net.DNSError
	if errors.Is(err, errPrivateAddress) || errors.As(err, &dns) && !errors.Is(err, context.Canceled) {
		// One error for both: told apart, they would map the names of this network to whoever chooses the URL (P17).
		return unavailable(errUnknownHost, "%s could not be looked up, or has an address that is not public; check how it is spelled, and the name server that this "+
			"machine asks; if a private address is meant, an operator adds %s to the provider's allowed hosts", u.Host, u.Hostname())
	}
	return unavailable(err, "%s", networkTrouble(u, err))
}

func networkTrouble(u *url.URL, err error) string {
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Sprintf("the request to %s was given up", u.Host)
	case errors.As(err, &certificate):
		return certificateTrouble(u, certificate)
	case errors.As(err, &notTLS):
		return fmt.Sprintf("%s does not speak TLS; is it a plain http server?", u.Host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing accepts connections at %s", u.Host)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer in time", u.Host)
	}
	return fmt.Sprintf("the connection to %s failed", u.Host)
}

func certificateTrouble(u *url.URL, err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the TLS certificate of %s is for another name", u.Host)
	case errors.As(err, &authority):
		return fmt.Sprintf("the TLS certificate of %s is signed by an authority that this machine does not trust", u.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the TLS certificate of %s has expired or is not valid yet; check this machine's clock too", u.Host)
	}
	return fmt.Sprintf("the TLS certificate of %s is not valid", u.Host)
}
