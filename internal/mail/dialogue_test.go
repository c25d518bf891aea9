package mail

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestDialogue: what is kept of an attempt tells what happened, and nothing that is secret.
func TestDialogue(t *testing.T) {
	const url = "smtp://ann:pa55word@localhost:2525"
	login := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00pa55word"))
	for _, c := range []struct {
		name, url string
		peer      *peer
		want      []string
	}{
		{"sent", url, &peer{ehlo: []string{"AUTH PLAIN"}}, []string{
			"2026-03-04 05:06:07.000 -- connected\n", " C: EHLO example.com\n", " S: 250 test\n", " C: AUTH […]\n", " S: 235 ok\n", " C: MAIL FROM:<a@example.com>",
			" C: RCPT TO:<bob@example.org>\n", " C: DATA\n", " S: 354 go on\n", " -- the server took the mail\n", " C: QUIT\n",
		}},
		{"login refused", url, &peer{ehlo: []string{"AUTH PLAIN"}, replies: map[string]string{"AUTH": "535 not " + login + " nor pa55word"}}, []string{" S: 535 not […]", "-- the SMTP server: "}},
		{"a challenge", url, &peer{ehlo: []string{"AUTH PLAIN"}, replies: map[string]string{"AUTH": "334 c2VjcmV0LWNoYWxsZW5nZS1vZi1zZXJ2ZXI="}}, []string{" C: AUTH […]\n"}},
		{"content refused", "smtp://localhost:2525", &peer{replies: map[string]string{".": "554 bad link " + testLink}}, []string{" -- the SMTP server: "}},
		{"recipient refused", "smtp://localhost:2525", &peer{replies: map[string]string{"RCPT": "550 no such user at 10.1.2.3"}}, []string{` 550 "no such user at […]"`}},
		{"a talkative server", "smtp://localhost:2525", &peer{replies: map[string]string{"EHLO": strings.Repeat("250-"+strings.Repeat("x ", 140)+"\r\n", 99) + "250 ok"}}, []string{" S: 250 x x"}},
	} {
		c.peer.start(t)
		ctx, said := withDialogue(t.Context())
		_ = c.peer.sender(t, c.url, nil).Send(ctx, "a@example.com", testMessage(), "1") // told by the dialogue
		for _, want := range c.want {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, said)
			}
		}
		for _, secret := range []string{"pa55word", login, "Zm9vYmFyYmF6cXV4MTIzNDU2", "c2VjcmV0", "ffnen", "127.0.0.1", "10.1.2.3"} {
			if strings.Contains(said.String(), secret) {
				t.Errorf("%s: %q in\n%s", c.name, secret, said)
			}
		}
		if len(said.String()) > maxDialogue || strings.ContainsRune(said.String(), '\r') {
			t.Errorf("%s: %d bytes", c.name, len(said.String()))
		}
	}
}
