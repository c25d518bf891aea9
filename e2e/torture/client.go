package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Call is one request.
type Call struct {
	Method  string
	Path    string // with its query
	Project string // sent as X-Project-Id; "" for the admin API
	Bearer  string
	Body    any // JSON; nil for none
}

// Answer is what came of a call.
type Answer struct {
	Phase  Phase // Done, Refused, Failed or Unknown
	Status int   // 0 where no answer came
	Detail string
	Body   []byte
	Took   time.Duration
}

// Caller makes calls: a process, or in tests what stands in for one.
type Caller interface {
	Do(ctx context.Context, c Call) Answer
}

// callLimit is how long an answer may take before it counts as none. It is generous: slow is no verdict.
const callLimit = 30 * time.Second

// httpCaller speaks to one process, from a source address of its own, so that limits per source do not mix.
type httpCaller struct {
	base string
	http *http.Client
}

func newCaller(base, source string) *httpCaller {
	dialer := &net.Dialer{Timeout: 2 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return &httpCaller{base: base, http: &http.Client{
		Timeout: callLimit,
		Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if errors.Is(err, syscall.EADDRNOTAVAIL) { // a system with one loopback address
				conn, err = new(net.Dialer).DialContext(ctx, network, address)
			}
			if err != nil {
				return nil, &notSent{err}
			}
			return conn, nil
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// notSent marks an error that came before anything was sent.
type notSent struct{ error }

func (c *httpCaller) Do(ctx context.Context, call Call) Answer {
	began := time.Now()
	answer := c.send(ctx, call)
	answer.Took = time.Since(began)
	return answer
}

func (c *httpCaller) send(ctx context.Context, call Call) Answer {
	req, err := c.request(ctx, call)
	if err != nil {
		return Answer{Phase: Failed, Detail: err.Error()}
	}
	resp, err := c.http.Do(req)
	var early *notSent
	switch {
	case errors.As(err, &early):
		return Answer{Phase: Failed, Detail: err.Error()}
	case err != nil:
		return Answer{Phase: Unknown, Detail: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{Phase: Unknown, Status: resp.StatusCode, Detail: "the answer broke off: " + err.Error()}
	}
	return judge(resp.StatusCode, body)
}

func (c *httpCaller) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		encoded, err := json.Marshal(call.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, c.base+call.Path, body)
	if err != nil {
		return nil, err
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.Project != "" {
		req.Header.Set("X-Project-Id", call.Project)
	}
	if call.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+call.Bearer)
	}
	return req, nil
}

// judge reads an answer as a client may: 503 says that nothing was done, unless it says that nobody knows (P50); what 500 means nobody knows either.
func judge(status int, body []byte) Answer {
	a := Answer{Status: status, Body: body}
	switch {
	case status >= 200 && status <= 299:
		a.Phase = Done
		return a
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		a.Phase = Failed
	case status >= 500:
		a.Phase = Unknown
	default:
		a.Phase = Refused
	}
	a.Detail = detailOf(body)
	if a.Phase == Failed && strings.Contains(a.Detail, "unknown") {
		a.Phase = Unknown
	}
	return a
}

// detailOf finds the words of an error in the envelope of either API.
func detailOf(body []byte) string {
	var e struct {
		Errors []struct{ Detail string }
		Error  struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Sprintf("no JSON: %.80q", body)
	}
	if len(e.Errors) > 0 {
		return e.Errors[0].Detail
	}
	return e.Error.Code + ": " + e.Error.Message
}

// told is what the AUTH API says of a user or a session, in any of its spellings.
type told struct {
	UID          string `json:"uid"`
	Email        string `json:"email"`
	UserID       string `json:"user_id"`
	ProjectID    string `json:"project_id"`
	IDToken      string `json:"idToken"`
	RefreshToken string `json:"refreshToken"`
}

func (a Answer) told() (t told, err error) {
	var body struct {
		Data *told `json:"data"`
	}
	body.Data = &t
	err = json.Unmarshal(a.Body, &body)
	return t, err
}

// adminUser is what the admin API says of a user.
type adminUser struct {
	UID           string `json:"uid"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified"`
	Disabled      bool   `json:"disabled"`
	InvitePending bool   `json:"invitePending"`
}
