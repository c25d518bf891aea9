package adminapi

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

// MailPreview is a mail with sample data.
type MailPreview struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// MailTest says where a mail with sample data shall go.
type MailTest struct {
	To string `json:"to"`
}

// QueuedMail is a mail that was put into the outbox.
type QueuedMail struct {
	ID string `json:"id"`
}

func (a *API) previewMail(q request) (MailPreview, error) {
	return mailPreviewOf(a.admin.PreviewMail(q.ctx, q.caller, auth.MailKind(q.path("kind")), q.path("language"), nil))
}

func (a *API) previewMailDraft(q request, body MailTemplateParts) (MailPreview, error) {
	draft := auth.MailTemplate{Subject: body.Subject, Text: body.Text, HTML: body.HTML}
	return mailPreviewOf(a.admin.PreviewMail(q.ctx, q.caller, auth.MailKind(q.path("kind")), q.path("language"), &draft))
}

func mailPreviewOf(m auth.Message, err error) (MailPreview, error) {
	return MailPreview{m.Subject, m.Text, m.HTML}, err
}

func (a *API) sendTestMail(q request, body MailTest) (QueuedMail, error) {
	id, err := a.admin.SendTestMail(q.ctx, q.caller, auth.MailKind(q.path("kind")), q.path("language"), body.To)
	return QueuedMail{string(id)}, err
}

// PreviewMail renders a mail with sample data as users of the language would get it.
func (c *Client) PreviewMail(ctx context.Context, project, kind, language string) (MailPreview, error) {
	return fetch[MailPreview](ctx, c, "GET", nil, "projects", project, "mail-templates", kind, language, "preview")
}

// PreviewMailDraft is PreviewMail with a template that is not saved; one without parts shows the built-in one.
func (c *Client) PreviewMailDraft(ctx context.Context, project, kind, language string, draft MailTemplateParts) (MailPreview, error) {
	return fetch[MailPreview](ctx, c, "POST", draft, "projects", project, "mail-templates", kind, language, "preview")
}

// SendTestMail queues a mail with sample data to an address.
func (c *Client) SendTestMail(ctx context.Context, project, kind, language, to string) (QueuedMail, error) {
	return fetch[QueuedMail](ctx, c, "POST", MailTest{to}, "projects", project, "mail-templates", kind, language, "test")
}
