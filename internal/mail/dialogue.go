package mail

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	gomaillog "github.com/wneessen/go-mail/log"

	"github.com/doorward/doorward/internal/auth"
)

// maxDialogue is in bytes.
const maxDialogue = 8 << 10

// dialogue is what was said in one attempt to send a mail, a line each with its time: C: for this client, S: for the server, and -- for what was neither. It holds no
// content of the mail, no login, and no code of the mail that a server repeats (P44). One goroutine at a time uses it.
type dialogue struct {
	text  strings.Builder
	full  bool
	now   func() time.Time
	scrub func(string) string
	login bool // whether the last command was part of a login
}

type dialogueKey struct{}

// withDialogue makes Send write into a dialogue.
func withDialogue(ctx context.Context) (context.Context, *dialogue) {
	d := &dialogue{}
	return context.WithValue(ctx, dialogueKey{}, d), d
}

// dialogueOf gives the dialogue that the caller wants to have, or one that nobody reads.
func (s *SMTP) dialogueOf(ctx context.Context, m auth.Message) *dialogue {
	d, ok := ctx.Value(dialogueKey{}).(*dialogue)
	if !ok {
		d = &dialogue{}
	}
	d.now, d.scrub = s.now, func(text string) string { return withoutPrivate(s.scrub(text, m)) }
	return d
}

// String gives the lines.
func (d *dialogue) String() string { return d.text.String() }

func (d *dialogue) note(text string) { d.write("--", text) }

func (d *dialogue) write(who, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = fmt.Sprintf("%s %s %s\n", d.now().UTC().Format("2006-01-02 15:04:05.000"), who, d.scrub(line))
		if d.full = d.full || d.text.Len()+len(line) > maxDialogue-utf8.UTFMax; d.full {
			return
		}
		d.text.WriteString(line)
	}
}

// Debugf hears what the library sends and gets. Of a login it passes on that there was one.
func (d *dialogue) Debugf(l gomaillog.Log) {
	text := fmt.Sprintf(l.Format, l.Messages...)
	if l.Direction == gomaillog.DirClientToServer {
		if d.login = strings.Contains(text, "auth data redacted"); d.login {
			text = "AUTH […]"
		}
		d.write("C:", text)
		return
	}
	if d.login {
		text = longWord.ReplaceAllString(text, "[…]") // challenges, and whatever else goes back and forth
	}
	d.write("S:", text)
}

// Infof is not used by the library's SMTP client.
func (d *dialogue) Infof(gomaillog.Log) {}

// Warnf is not used by the library's SMTP client.
func (d *dialogue) Warnf(gomaillog.Log) {}

// Errorf is not used by the library's SMTP client.
func (d *dialogue) Errorf(gomaillog.Log) {}
