package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The longest values that are taken over, in bytes. A longer one is left out, or, as a subject, refused.
const (
	maxSubjectBytes = 255 // OpenID Connect Core section 2
	maxEmailBytes   = 320
	maxNameBytes    = 512
	maxPictureBytes = 2048
)

// answer is what a provider said to one request.
type answer struct {
	host   string
	status int
	body   []byte
}

func (c *call) newRequest(ctx context.Context, method, address string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, refuse("a URL in the settings of %s cannot be parsed", c.settings.ID)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// do sends a request. Its errors hold nothing of the URL's query.
func (c *call) do(req *http.Request) (answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, failure(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // the guard holds all of it already
	if err != nil {
		return answer{}, failure(err)
	}
	c.saidDate, _ = http.ParseTime(resp.Header.Get("Date"))
	return answer{req.URL.Host, resp.StatusCode, body}, nil
}

// getJSON gets a JSON object, with a bearer token (RFC 6750 section 2.1) if there is one.
func (c *call) getJSON(ctx context.Context, address, bearer string) (map[string]any, error) {
	a, err := c.get(ctx, address, bearer)
	if err != nil {
		return nil, err
	}
	return a.object()
}

func (c *call) get(ctx context.Context, address, bearer string) (answer, error) {
	req, err := c.newRequest(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return c.do(req)
}

// object gives the JSON object that a 200 answer is. Numbers are json.Number.
func (a answer) object() (map[string]any, error) {
	var object map[string]any
	if err := a.decode(&object); err != nil {
		return nil, err
	}
	return object, nil
}

func (a answer) decode(into any) error {
	if a.status != http.StatusOK {
		e := refuse("%s answered with status %d", a.host, a.status)
		e.status = a.status
		return e
	}
	if err := decodeJSON(a.body, into); err != nil {
		return refuse("the answer of %s is not the JSON it should be", a.host)
	}
	return nil
}

var errNotJSON = errors.New("not one JSON value in UTF-8")

// decodeJSON decodes exactly one value, which must not be null. Its error quotes nothing of the data.
func decodeJSON(data []byte, into any) error {
	if !utf8.Valid(data) || bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return errNotJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(into) != nil || decoder.Decode(&struct{}{}) != io.EOF {
		return errNotJSON
	}
	return nil
}

// text gives a string value that can be kept: at most limit bytes and no control characters. Anything else counts as not told.
func text(value any, limit int) string {
	s, _ := value.(string)
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return s
}

// pictureURL gives a value that is an http or https URL.
func pictureURL(value any) string {
	s := text(value, maxPictureBytes)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return s
}

// subject gives the provider's stable name of the user (P1).
func subject(value any) (string, error) {
	s := text(value, maxSubjectBytes)
	if strings.TrimSpace(s) == "" {
		return "", refuse("the provider named no usable subject")
	}
	return s, nil
}

// instant reads seconds since the Unix epoch (NumericDate of RFC 7519 section 2).
func instant(value any) (time.Time, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > maxInstant {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// maxInstant is the last second of the year 9999.
const maxInstant = 253402300799
