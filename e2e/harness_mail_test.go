package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// mailLimit is how long a mail may take from the answer that caused it to the mailbox.
const mailLimit = 20 * time.Second

// message is one mail of the server's own mailbox, as `doorward mail show --json` prints it.
type message struct {
	id                  string
	to                  []string
	subject, text, html string
	links               []string
}

// mailbox reads the mails to one address; each mail is handed out once.
type mailbox struct {
	project project
	address string
	seen    map[string]bool
}

func (p project) mailbox(address string) *mailbox {
	return &mailbox{project: p, address: address, seen: map[string]bool{}}
}

// next waits for a mail not handed out before with a link that starts with linkPrefix, and returns it.
func (m *mailbox) next(t *testing.T, linkPrefix string) message {
	t.Helper()
	var found message
	eventually(t, mailLimit, func() error {
		for _, mail := range m.unseen(t) {
			if linkPrefix == "" || mail.link(linkPrefix) != "" {
				m.seen[mail.id] = true
				found = mail
				return nil
			}
		}
		return fmt.Errorf("no new mail to %s with a link to %s", m.address, linkPrefix)
	})
	return found
}

// code waits for the next mail with such a link and returns the link's oobCode and uid.
func (m *mailbox) code(t *testing.T, linkPrefix string) (oobCode, uid string) {
	t.Helper()
	link := m.next(t, linkPrefix).link(linkPrefix)
	parsed, err := url.Parse(link)
	if err != nil {
		t.Fatalf("link %q: %v", link, err)
	}
	query := parsed.Query()
	if query.Get("oobCode") == "" {
		t.Fatalf("link %q has no oobCode", link)
	}
	remember("oobCode", query.Get("oobCode"))
	return query.Get("oobCode"), query.Get("uid")
}

// unseen returns the mails to the address that were not handed out, oldest first.
func (m *mailbox) unseen(t *testing.T) (mails []message) {
	t.Helper()
	srv := m.project.srv
	for _, entry := range jsonValues(t, srv.cli(t, "mail", "list", "--json", "--project", m.project.id)) {
		id := fmt.Sprint(entry["id"])
		if m.seen[id] || !slices.Contains(texts(entry["to"]), m.address) {
			continue
		}
		mails = append(mails, srv.showMail(t, id))
	}
	return mails
}

func (s *server) showMail(t *testing.T, id string) message {
	t.Helper()
	values := jsonValues(t, s.cli(t, "mail", "show", id, "--json"))
	if len(values) != 1 {
		t.Fatalf("mail show %s printed %d values", id, len(values))
	}
	shown := values[0]
	return message{id: id, to: texts(shown["to"]), subject: text(t, shown, "subject"),
		text: text(t, shown, "text"), html: text(t, shown, "html"), links: texts(shown["links"])}
}

// link returns the mail's link that starts with prefix, or "".
func (m message) link(prefix string) string {
	for _, link := range m.links {
		if strings.HasPrefix(link, prefix) {
			return link
		}
	}
	return ""
}

// jsonValues reads a listing: one JSON array of objects, or one object after the other.
func jsonValues(t *testing.T, listing string) (objects []M) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(listing)))
	decoder.UseNumber()
	for {
		var value any
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("not JSON: %v in %q", err, tail(listing, 600))
		}
		list, ok := value.(L)
		if !ok && value != nil {
			list = L{value}
		}
		for _, element := range list {
			object, ok := element.(M)
			if !ok {
				t.Fatalf("not an object: %s", compact(element))
			}
			objects = append(objects, object)
		}
	}
}

// texts reads a text, or an array of texts.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case L:
		for _, element := range v {
			list = append(list, fmt.Sprint(element))
		}
	}
	return list
}

var errNoNotice = errors.New("no mail that tells the old address of the new one and has a link")
