package console

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

func mailboxPages() []page {
	return []page{
		{
			path: "/projects/{project}/mail", room: roomMail, entry: true, show: (*visit).mailbox,
			notices: map[string]string{"deleted": "The mail was deleted.", "queued": "The mail was queued, and is sent again at once."},
		},
		{
			path: "/projects/{project}/mail/messages/{mail}", room: roomMail, show: (*visit).mail, policy: ui.Policy{Frames: true},
			forms: map[string]func(*visit) error{"retry": (*visit).retryMail, "delete": (*visit).deleteMail},
		},
		{path: "/projects/{project}/mail/messages/{mail}/html", room: roomMail, show: (*visit).mailFrame},
	}
}

// onPage is how many rows one page of a list has.
const onPage = 50

// filterChoice is one of the ways to narrow a list down.
type filterChoice struct {
	Value, Label string
	Current      bool
}

func choices(current string, values ...string) []filterChoice {
	list := []filterChoice{{"", "All", current == ""}}
	for _, value := range values {
		list = append(list, filterChoice{value, sentenceCase(value), value == current})
	}
	return list
}

var mailStates = []auth.MailState{auth.MailQueued, auth.MailWorking, auth.MailSent, auth.MailKept, auth.MailDead}

// mailList is what the list of mails shows.
type mailList struct {
	Mails   []auth.OutboxMail
	Choices []filterChoice
	State   string
	Next    auth.MailID // that the next page begins before; "" where there is none
	First   bool
}

// mailbox lists the outbox, which is the mailbox of those who have no SMTP server.
func (v *visit) mailbox() error {
	state := auth.MailState(v.query("state"))
	if !slices.Contains(mailStates, state) {
		state = ""
	}
	before := auth.MailID(v.query("before"))
	mails, err := v.Admin.ListMail(v.r.Context(), v.caller, state, before, onPage+1)
	if err != nil {
		return err
	}
	list := mailList{Mails: mails, State: string(state), First: before == ""}
	if len(mails) > onPage {
		list.Mails, list.Next = mails[:onPage], mails[onPage-1].ID
	}
	list.Choices = choices(string(state), texts(mailStates)...)
	return v.render("mailbox", "Mail", list)
}

// mailPage is what the page of one mail shows.
type mailPage struct {
	auth.OutboxMail
	Message  auth.Message
	Links    []string
	CanRetry bool
}

func (v *visit) mail() error {
	m, message, err := v.Admin.ReadMail(v.r.Context(), v.caller, auth.MailID(v.r.PathValue("mail")))
	if err != nil {
		return err
	}
	shown := mailPage{OutboxMail: m, Message: message, CanRetry: m.State == auth.MailKept || m.State == auth.MailDead}
	if v.Links != nil {
		shown.Links = v.Links(message)
	}
	title := message.Subject
	if title == "" {
		title = "Mail to " + string(m.To)
	}
	return v.render("mail", title, shown)
}

// mailFrame shows the HTML of a mail as its reader sees it, but for what it would load.
func (v *visit) mailFrame() error {
	_, message, err := v.Admin.ReadMail(v.r.Context(), v.caller, auth.MailID(v.r.PathValue("mail")))
	if err != nil {
		return err
	}
	if message.HTML == "" {
		return web.NotFound()
	}
	v.writeFrame(200, []byte(message.HTML))
	return nil
}

func (v *visit) retryMail() error {
	if err := v.Admin.RequeueMail(v.r.Context(), v.caller, auth.MailID(v.r.PathValue("mail"))); err != nil {
		return err
	}
	return v.back(v.projectPath("mail"), "queued")
}

func (v *visit) deleteMail() error {
	if err := v.Admin.DeleteMail(v.r.Context(), v.caller, auth.MailID(v.r.PathValue("mail"))); err != nil {
		return err
	}
	return v.back(v.projectPath("mail"), "deleted")
}

// texts gives names as plain text.
func texts[T ~string](names []T) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return list
}

// sentenceCase begins a word with a capital.
func sentenceCase(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
