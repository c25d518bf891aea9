package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client calls the admin API. It is safe for concurrent use. Every method fails with *Error where the server refused, and with another error where there was no
// answer to understand.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient calls the server at base, such as https://auth.example.com, with an operator token or a project's admin token; "" sends none, for a handler with
// Options.Local. rt nil is http.DefaultTransport; InProcess gives one that needs no server.
func NewClient(base *url.URL, token string, rt http.RoundTripper) *Client {
	return &Client{base: base, token: token, http: &http.Client{
		Transport: rt,
		// The token goes where it was meant to go and nowhere else (P23).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Error is a refusal by the server.
type Error struct {
	Status     int
	Code       string // as ErrorDetail has it; "" where the answer is not the admin API's
	Message    string
	Field      string
	RetryAfter time.Duration // 0 where the server named none
}

func (e *Error) Error() string { return e.Message }

// The most that is read of an answer.
const (
	maxAnswerBytes = 128 << 20
	maxErrorBytes  = 64 << 10
)

// call is one request of a client.
type call struct {
	method      string
	path        []string // segments below Base, not escaped
	query       url.Values
	contentType string
	body        io.Reader
}

// fetch sends body as JSON, unless it is nil, and gives the decoded answer.
func fetch[Out any](ctx context.Context, c *Client, method string, body any, path ...string) (Out, error) {
	var out Out
	of, err := withJSON(call{method: method, path: path}, body)
	if err != nil {
		return out, err
	}
	err = c.decode(ctx, of, &out)
	return out, err
}

// fetchList gives one page of a list.
func fetchList[Out any](ctx context.Context, c *Client, query url.Values, path ...string) (Out, error) {
	var out Out
	err := c.decode(ctx, call{method: http.MethodGet, path: path, query: query}, &out)
	return out, err
}

// do sends body as JSON, unless it is nil, where the answer has none.
func (c *Client) do(ctx context.Context, method string, body any, path ...string) error {
	of, err := withJSON(call{method: method, path: path}, body)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, of)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func withJSON(of call, body any) (call, error) {
	if body == nil {
		return of, nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return of, fmt.Errorf("encode request: %w", err)
	}
	of.contentType, of.body = "application/json", bytes.NewReader(encoded)
	return of, nil
}

// decode sends a call and decodes its answer into out, a pointer.
func (c *Client) decode(ctx context.Context, of call, out any) error {
	resp, err := c.send(ctx, of)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what the admin API gives: %w", of.method, resp.Request.URL.Path, err)
	}
	return nil
}

// send gives the answer where it is a success; the caller closes its body.
func (c *Client) send(ctx context.Context, of call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, of.method, c.url(of), of.body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Accept", "application/json, "+ndjson)
	if of.contentType != "" {
		req.Header.Set("Content-Type", of.contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, errorOf(resp)
}

func (c *Client) url(of call) string {
	escaped := make([]string, len(of.path))
	for i, segment := range of.path {
		escaped[i] = url.PathEscape(segment)
	}
	u := *c.base
	prefix := strings.TrimSuffix(u.Path, "/") + Base + "/"
	u.Path = prefix + strings.Join(of.path, "/")
	u.RawPath = strings.TrimSuffix(c.base.EscapedPath(), "/") + Base + "/" + strings.Join(escaped, "/")
	u.RawQuery = of.query.Encode()
	return u.String()
}

func errorOf(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	var body ErrorAnswer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxErrorBytes)).Decode(&body); err == nil {
		e.Code, e.Message, e.Field = body.Error.Code, body.Error.Message, body.Error.Field
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the server answered %d %s, which is not an answer of the admin API", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return e
}

// params makes a query of pairs of name and value, without those that have no value.
func params(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

func limitParam(limit int) string {
	if limit == 0 {
		return ""
	}
	return strconv.Itoa(limit)
}

func instantParam(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func boolParam(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}
