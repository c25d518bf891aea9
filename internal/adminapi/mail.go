package adminapi

import (
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Mail is a mail of the outbox or mailbox, without its content.
type Mail struct {
	ID            string    `json:"id"`
	Project       string    `json:"project"`
	Kind          string    `json:"kind"`
	To            string    `json:"to"`
	State         string    `json:"state"` // queued, working, sent, kept or dead
	Attempts      int       `json:"attempts"`
	CreatedAt     time.Time `json:"createdAt"`
	NextAttemptAt time.Time `json:"nextAttemptAt,omitzero"`
	FinishedAt    time.Time `json:"finishedAt,omitzero"`
	LastError     string    `json:"lastError,omitempty"`
}

// MailList is a page of mails, newest first.
type MailList struct {
	Mails []MailMessage `json:"mails"` // without their content, unless that was asked for
	Next  string        `json:"next,omitempty"`
}

// MailMessage is a mail with its content, whose parts are "" once the mail was sent.
type MailMessage struct {
	Mail
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
	Links   []string `json:"links"`
	// Transcript is the SMTP dialogue of the last attempt, a line each; "" in lists, and before the first attempt.
	Transcript string `json:"transcript,omitempty"`
}

// MailTemplateParts are the parts of a project's own template; "" falls back to the built-in one.
type MailTemplateParts struct {
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
	HTML    string `json:"html,omitempty"`
}

// MailTemplate is a project's own version of a built-in template.
type MailTemplate struct {
	Kind      string    `json:"kind"`
	Language  string    `json:"language"` // BCP 47
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// MailTemplateList is the project's own templates.
type MailTemplateList struct {
	Templates []MailTemplate `json:"templates"`
}

var mailStates = []auth.MailState{"", auth.MailQueued, auth.MailWorking, auth.MailSent, auth.MailKept, auth.MailDead}

// listMail lists the mails of the project in the path, or where there is none of the whole instance.
func (a *API) listMail(q request) (MailList, error) {
	limit, err := q.limit()
	if err != nil {
		return MailList{}, err
	}
	state, err := oneOf(q, "state", mailStates)
	if err != nil {
		return MailList{}, err
	}
	withContent, err := q.flag("content")
	if err != nil {
		return MailList{}, err
	}
	mails, err := a.mails(q, withContent, state, limit+1)
	if err != nil {
		return MailList{}, err
	}
	list, next := page(mails, limit, a.messageOf, func(m MailMessage) string { return m.ID })
	return MailList{list, next}, nil
}

func (a *API) mails(q request, withContent bool, state auth.MailState, limit int) ([]auth.MailContent, error) {
	before := auth.MailID(q.param("before"))
	if withContent {
		return a.admin.ReadMailList(q.ctx, q.caller, state, before, limit)
	}
	mails, err := a.admin.ListMail(q.ctx, q.caller, state, before, limit)
	contents := make([]auth.MailContent, len(mails))
	for i, m := range mails {
		contents[i].OutboxMail = m
	}
	return contents, err
}

func (a *API) messageOf(m auth.MailContent) MailMessage {
	links := a.links(m.Message)
	if links == nil {
		links = []string{}
	}
	return MailMessage{mailOf(m.OutboxMail), m.Message.Subject, m.Message.Text, m.Message.HTML, links, m.Transcript}
}

func mailOf(m auth.OutboxMail) Mail {
	return Mail{string(m.ID), string(m.Project), string(m.Kind), string(m.To), string(m.State), m.Attempts, m.CreatedAt, m.NextAttemptAt, m.FinishedAt, m.LastError}
}

func (a *API) readMail(q request) (MailMessage, error) {
	m, msg, err := a.admin.ReadMail(q.ctx, q.caller, q.mail())
	if err != nil {
		return MailMessage{}, err
	}
	return a.messageOf(auth.MailContent{OutboxMail: m, Message: msg}), nil
}

func (a *API) retryMail(q request) error { return a.admin.RequeueMail(q.ctx, q.caller, q.mail()) }

func (a *API) deleteMail(q request) error { return a.admin.DeleteMail(q.ctx, q.caller, q.mail()) }

func (a *API) listMailTemplates(q request) (MailTemplateList, error) {
	templates, err := a.admin.MailTemplates(q.ctx, q.caller)
	if err != nil {
		return MailTemplateList{}, err
	}
	list := MailTemplateList{Templates: []MailTemplate{}}
	for _, t := range templates {
		list.Templates = append(list.Templates, MailTemplate{string(t.Kind), t.Language, t.Subject, t.Text, t.HTML, t.UpdatedAt})
	}
	return list, nil
}

func (a *API) putMailTemplate(q request, body MailTemplateParts) error {
	return a.admin.PutMailTemplate(q.ctx, q.caller, auth.MailTemplate{
		Kind: auth.MailKind(q.path("kind")), Language: q.path("language"), Subject: body.Subject, Text: body.Text, HTML: body.HTML,
	})
}

func (a *API) deleteMailTemplate(q request) error {
	return a.admin.DeleteMailTemplate(q.ctx, q.caller, auth.MailKind(q.path("kind")), q.path("language"))
}

// oneOf reads a query parameter that takes one of a few values; "" where it is absent, if that is among them.
func oneOf[T ~string](q request, name string, values []T) (T, error) {
	value := T(q.param(name))
	if !slices.Contains(values, value) {
		return "", badParam(name, "is unknown")
	}
	return value, nil
}
