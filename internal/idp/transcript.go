package idp

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

const (
	maxHeard       = 8                      // answers of one operation
	maxHeardBytes  = 64 << 10               // of each
	maxFailureWait = 500 * time.Millisecond // a provider that fails shall not take long about it
	maxAnswersText = 8 << 10                // of all, once they are fit to be kept
)

// transcript is what a provider answered in one operation, word by word. It never leaves this package but through answers.
type transcript struct {
	mu    sync.Mutex
	heard []heard
}

type heard struct {
	from      string
	status    int
	mediaType string
	body      []byte
}

// hear keeps an answer. Of the URL only host and path are kept: the query may hold tokens.
func (t *transcript) hear(req *http.Request, resp *http.Response, body []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.heard) < maxHeard {
		t.heard = append(t.heard, heard{
			from: req.Method + " " + req.URL.Host + req.URL.EscapedPath(), status: resp.StatusCode, mediaType: resp.Header.Get("Content-Type"), body: body[:min(len(body), maxHeardBytes)],
		})
	}
}

// hearFailure keeps the beginning of an answer that is not read otherwise.
func (t *transcript) hearFailure(req *http.Request, resp *http.Response) {
	if t == nil {
		return
	}
	giveUp := time.AfterFunc(maxFailureWait, func() { resp.Body.Close() })
	defer giveUp.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxHeardBytes)) // as much as came
	t.hear(req, resp, body)
}

// hearIDToken keeps an id token as its header and claims: they are not checked, which is why they are of interest.
func (t *transcript) hearIDToken(idToken string) {
	parts := strings.Split(idToken, ".")
	if t == nil || len(parts) != 3 || len(idToken) > maxIDTokenBytes {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, name := range []string{"header of the id token", "claims of the id token, as they came"} {
		if data, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
			t.heard = append(t.heard, heard{from: name, body: data})
		}
	}
}

// answers gives what was heard, without the secrets that are named and all others that can be told.
func (t *transcript) answers(secrets ...string) []auth.ProviderAnswer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &sanitizer{}
	s.learn(secrets...)
	for _, h := range t.heard { // a token that one answer gave may be repeated in another
		var value any
		if decodeJSON(h.body, &value) == nil {
			s.collect(value)
		}
	}
	var list []auth.ProviderAnswer
	left := maxAnswersText
	for _, h := range t.heard {
		if left == 0 { // cleaning costs more than it gives
			break
		}
		body := cut(s.body(h.mediaType, h.body), min(left, maxAnswersText/2)) // so that published keys leave room for what follows
		left -= len(body)
		list = append(list, auth.ProviderAnswer{From: oneLine(s.identifier(h.from)), Status: h.status, Type: oneLine(s.text(h.mediaType)), Body: body})
	}
	return list
}

// cut shortens text to at most n bytes, and not within a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
