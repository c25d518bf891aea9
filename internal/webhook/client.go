package webhook

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
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/publicnet"
)

// The caps of outbound requests (P17, P54).
const (
	sendTimeout     = 10 * time.Second
	connectTimeout  = 5 * time.Second
	idleTimeout     = time.Minute
	maxIdle         = 64
	maxIdlePerHost  = 8
	maxHeaderBytes  = 16 << 10
	maxAnswerBytes  = 4 << 10
	maxAsking       = 32 // questions under way to the hook of one project, of callers who have proven something
	maxAskingSignUp = 16 // and of sign-ups
	maxAskingSource = 4  // of these from one source
	maxRetryAfter   = 24 * time.Hour
	secondsInHeader = 32 // bits of a Retry-After
)

// Options are what tests and unusual installations change; zero values take the usual.
type Options struct {
	RootCAs     *x509.CertPool
	SendTimeout time.Duration // for delivering one event
}

// Client is an auth.WebhookClient, safe for concurrent use.
type Client struct {
	// Hosts that an operator allowed have connections of their own: a pooled one to a private address must never serve a webhook that may not go there.
	public, allowed http.RoundTripper
	now             func() time.Time
	sendTimeout     time.Duration

	mu     sync.Mutex
	asking map[room]int

	agreed, refused, failed atomic.Int64
}

// NewClient makes a client. now gives the time that is signed.
func NewClient(now func() time.Time, o Options) *Client {
	return &Client{
		public: newTransport(o.RootCAs, onlyPublic), allowed: newTransport(o.RootCAs, nil), now: now, sendTimeout: positiveOr(o.SendTimeout, sendTimeout),
		asking: map[room]int{},
	}
}

// newTransport uses no proxy: one would dial in our place, where the address cannot be checked.
func newTransport(rootCAs *x509.CertPool, control func(string, string, syscall.RawConn) error) *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: rootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

var errPrivateAddress = errors.New("not an address of the public internet")

// onlyPublic runs between name resolution and connect, on the very address that is dialled, so that no second answer of the DNS can slip past it.
func onlyPublic(network, address string, conn syscall.RawConn) error {
	if publicnet.Control(network, address, conn) != nil {
		return errPrivateAddress
	}
	return nil
}

// Send implements auth.WebhookClient.
func (c *Client) Send(ctx context.Context, call auth.WebhookCall) (auth.WebhookAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.sendTimeout)
	defer cancel()
	resp, err := c.post(ctx, call)
	if err != nil {
		return auth.WebhookAnswer{}, err
	}
	defer resp.Body.Close()
	// What is read of the body serves only the next use of the connection; a receiver that took the event has taken it, however its answer ends.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes)
	return auth.WebhookAnswer{Status: resp.StatusCode, RetryAfter: c.retryAfter(resp.Header)}, nil
}

// retryAfter reads both forms of the header (RFC 9110 section 10.2.3).
func (c *Client) retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, secondsInHeader); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(c.now())
	}
	return min(max(wait, 0), maxRetryAfter)
}

// post signs a call and sends it to its URL, and nowhere else: redirects are answers like others.
func (c *Client) post(ctx context.Context, call auth.WebhookCall) (*http.Response, error) {
	door, err := c.door(call.Webhook)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.Webhook.URL, bytes.NewReader(call.Body))
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	if err := c.sign(req.Header, call); err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Doorward")
	req.Header["Idempotency-Key"] = nil // not sent; lets the transport try again where a kept connection turns out to be closed
	resp, err := door.RoundTrip(req)
	if err != nil {
		return nil, explain(req.URL, err)
	}
	return resp, nil
}

// door checks the URL as it is stored: what was allowed when it was set may not be any more.
func (c *Client) door(w auth.Webhook) (http.RoundTripper, error) {
	u, err := url.Parse(w.URL)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("the URL is not valid")
	}
	switch allowed := w.AllowsHost(u); {
	case allowed && (u.Scheme == "https" || u.Scheme == "http"):
		return c.allowed, nil
	case u.Scheme == "https":
		return c.public, nil
	}
	return nil, fmt.Errorf("the URL at %s is not https, and no operator has allowed its host", u.Host)
}

// sign sets the headers of the specification. After a rotation both secrets sign, so that the receiver can change over in between.
func (c *Client) sign(h http.Header, call auth.WebhookCall) error {
	at := c.now()
	var signatures []string
	for _, secret := range call.Secrets {
		key, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return errors.New("the secret of the webhook is malformed")
		}
		signature, err := key.Sign(call.ID, at, call.Body)
		if err != nil {
			return errors.New("the request could not be signed")
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) == 0 {
		return errors.New("the webhook has no secret")
	}
	h.Set(standardwebhooks.HeaderWebhookID, call.ID)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// explain puts a failed request into words that help to mend it. The error's own text is left out, because bytes of the answer can be in it.
func explain(u *url.URL, err error) error {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, errPrivateAddress) || errors.As(err, &dns):
		// One sentence for both: told apart, they would map the names of this network to whoever chooses the URL (P17).
		return fmt.Errorf("%s could not be looked up, or has an address that is not public; if that is meant, an operator adds %s to the webhook's allowed hosts",
			u.Host, u.Hostname())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer in time", u.Host)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("the request to %s was given up", u.Host)
	case errors.As(err, &certificate):
		return fmt.Errorf("the TLS certificate of %s is not valid", u.Host)
	case errors.As(err, &notTLS):
		return fmt.Errorf("%s does not speak TLS", u.Host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing accepts connections at %s", u.Host)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s did not answer in time", u.Host)
	}
	return fmt.Errorf("the connection to %s failed", u.Host)
}

func positiveOr[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
