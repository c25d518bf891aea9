package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

// Ask implements auth.WebhookClient. Of each project only so many questions are under way, and fewer of one source; one more fails at once, since waiting would hold up the
// sign-ins behind it. What anybody can bring about takes no room from those who have proven something (P51).
func (c *Client) Ask(ctx context.Context, call auth.WebhookCall) (auth.HookVerdict, error) {
	verdict, err := c.ask(ctx, call)
	switch {
	case err != nil:
		c.failed.Add(1)
	case verdict.Allow:
		c.agreed.Add(1)
	default:
		c.refused.Add(1)
	}
	return verdict, err
}

func (c *Client) ask(ctx context.Context, call auth.WebhookCall) (auth.HookVerdict, error) {
	leave, ok := c.enter(call)
	if !ok {
		return auth.HookVerdict{}, errors.New("too many questions to the blocking hook are under way")
	}
	defer leave()
	resp, err := c.post(ctx, call)
	if err != nil {
		return auth.HookVerdict{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return auth.HookVerdict{}, fmt.Errorf("the blocking hook answered with status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return auth.HookVerdict{}, explain(resp.Request.URL, err)
	}
	if len(body) > maxAnswerBytes {
		return auth.HookVerdict{}, fmt.Errorf("the answer of the blocking hook is over %d bytes", maxAnswerBytes)
	}
	return parseVerdict(body)
}

// room is what questions share: all that anybody can bring about in a project, those of them from one source, or all that come after a proof.
type room struct {
	project auth.ProjectID
	anybody bool
	source  string
}

// roomsOf gives the rooms that a question takes a place in, and how many places each has.
func roomsOf(call auth.WebhookCall) map[room]int {
	p := call.Webhook.Project
	switch {
	case !call.Anybody:
		return map[room]int{{project: p}: maxAsking}
	case call.Source == "":
		return map[room]int{{project: p, anybody: true}: maxAskingSignUp}
	}
	return map[room]int{{project: p, anybody: true}: maxAskingSignUp, {project: p, anybody: true, source: call.Source}: maxAskingSource}
}

func (c *Client) enter(call auth.WebhookCall) (leave func(), ok bool) {
	rooms := roomsOf(call)
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, places := range rooms {
		if c.asking[r] >= places {
			return nil, false
		}
	}
	for r := range rooms {
		c.asking[r]++
	}
	return func() { c.leave(rooms) }, true
}

func (c *Client) leave(rooms map[room]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range rooms {
		if c.asking[r]--; c.asking[r] == 0 {
			delete(c.asking, r)
		}
	}
}

// Questions tells how many questions to blocking hooks ended in which way, since the program began.
func (c *Client) Questions() (agreed, refused, failed int64) {
	return c.agreed.Load(), c.refused.Load(), c.failed.Load()
}

// maxReason is in characters.
const maxReason = 100

var errVerdict = errors.New(`the answer of the blocking hook is not {"allow": true}, or {"allow": false} with a "reason" of at most 100 printable characters`)

// parseVerdict reads the answer strictly (P31): what is not exactly a verdict is none. A reader that takes the last of two "allow" would let a mistake through.
func parseVerdict(body []byte) (auth.HookVerdict, error) {
	if !utf8.Valid(body) {
		return auth.HookVerdict{}, errVerdict
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return auth.HookVerdict{}, errVerdict
	}
	members := map[string]any{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return auth.HookVerdict{}, errVerdict
		}
		value, err := decoder.Token()
		text, _ := name.(string)
		if _, twice := members[text]; err != nil || twice || (text != "allow" && text != "reason") {
			return auth.HookVerdict{}, errVerdict
		}
		members[text] = value
	}
	if _, err := decoder.Token(); err != nil {
		return auth.HookVerdict{}, errVerdict
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return auth.HookVerdict{}, errVerdict
	}
	return verdictOf(members)
}

func verdictOf(members map[string]any) (auth.HookVerdict, error) {
	allow, isBool := members["allow"].(bool)
	reason, isText := members["reason"].(string)
	_, given := members["reason"]
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !isBool || given && (!isText || allow) || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unprintable) {
		return auth.HookVerdict{}, errVerdict
	}
	return auth.HookVerdict{Allow: allow, Reason: reason}, nil
}
