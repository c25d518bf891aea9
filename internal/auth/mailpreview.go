package auth

import (
	"context"
	"fmt"
	"time"
)

// How many test mails a project's admins may send: enough to look at every kind in every language, too few to write to strangers (P29).
const (
	testMailBurst    = 30
	testMailInterval = time.Minute
)

// testMark begins the subject of a test mail, so that nobody takes it for a real one.
const testMark = "[Test] "

// PreviewMail renders a mail with sample data as users of the language would get it: with the project's templates, or with draft instead of the one of this kind and
// language; a draft without any part is the built-in template. It fails with CodeInvalidArgument, whose message says what is wrong with the template.
func (a *Admin) PreviewMail(ctx context.Context, c Caller, kind MailKind, lang string, draft *MailTemplate) (Message, error) {
	if err := c.requireAdmin(); err != nil {
		return Message{}, err
	}
	return a.previewMail(ctx, a.store, c, kind, lang, draft)
}

func (a *Admin) previewMail(ctx context.Context, r Reader, c Caller, kind MailKind, lang string, draft *MailTemplate) (Message, error) {
	if err := checkTemplateName(kind, lang); err != nil {
		return Message{}, err
	}
	stored, err := r.ListMailTemplates(ctx, c.Project.ID)
	if err != nil {
		return Message{}, err
	}
	var overrides []MailTemplate
	for _, t := range stored {
		if draft == nil || t.Kind != kind || t.Language != lang {
			overrides = append(overrides, t)
		}
	}
	if draft != nil && (draft.Subject != "" || draft.Text != "" || draft.HTML != "") {
		own := *draft
		own.Project, own.Kind, own.Language = c.Project.ID, kind, lang
		if err := a.mail.Check(own); err != nil {
			return Message{}, invalidArgument("template", err.Error())
		}
		overrides = append(overrides, own)
	}
	data := a.sampleMail(c.Project, kind)
	msg, err := a.mail.Render(kind, []string{lang, c.Project.Settings.Language}, overrides, data)
	if err != nil {
		return Message{}, invalidArgument("template", err.Error())
	}
	msg.To = Email(data.Email)
	return msg, nil
}

// sampleMail is what a mail of the kind could say. Its link leads to the server and does nothing.
func (a *Admin) sampleMail(p *Project, kind MailKind) MailData {
	d := MailData{ProjectName: p.DisplayName, UserName: "Ada Lovelace", Email: "ada@example.com", Link: a.publicURL, ExpiresIn: takeBackTTL}
	switch kind {
	case MailVerifyEmail, MailChangeEmail:
		d.ExpiresIn = p.Settings.VerifyCodeTTL
	case MailInvite:
		d.ExpiresIn = p.Settings.InviteCodeTTL
	case MailResetPassword:
		d.ExpiresIn = p.Settings.ResetCodeTTL
	case MailSignInMethods:
		d.Methods = ProviderPassword + ", google.com"
	case MailIdentityLinked, MailIdentityUnlinked:
		d.Methods = "google.com"
	case MailSecondFactorChanged:
		d.Link, d.ExpiresIn = "", 0
	}
	if kind == MailChangeEmail || kind == MailEmailChanged {
		d.NewEmail = "ada.lovelace@example.org"
	}
	return d
}

// SendTestMail queues a mail with sample data to an address, with a subject that says so, and gives its id. It fails with CodeInvalidEmail, CodeInvalidArgument and
// CodeTooManyAttempts.
func (a *Admin) SendTestMail(ctx context.Context, c Caller, kind MailKind, lang, to string) (MailID, error) {
	if err := c.requireAdmin(); err != nil {
		return "", err
	}
	address, err := ParseEmail(to)
	if err != nil {
		return "", err
	}
	var id MailID
	err = a.commitMail(ctx, func(tx Tx) error {
		if err := takeLimit(ctx, tx, c.Project.ID, "test-mail", a.now(), testMailInterval, testMailBurst); err != nil {
			return err
		}
		msg, err := a.previewMail(ctx, tx, c, kind, lang, nil)
		if err != nil {
			return err
		}
		msg.To, msg.Subject = address, testMark+msg.Subject
		if id, err = a.queueMessage(ctx, tx, c.Project, kind, msg); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventMailTested, OutcomeAllowed, "", "mail", string(id), "kind", string(kind), "language", lang)
	})
	return id, a.limited(ctx, c, EventMailTested, err)
}

// queueMessage puts a rendered mail into the outbox.
func (s *Service) queueMessage(ctx context.Context, tx Tx, p *Project, kind MailKind, msg Message) (MailID, error) {
	now := s.now()
	text, err := s.newTimeID(now)
	if err != nil {
		return "", err
	}
	id := MailID(text)
	sealed, err := s.sealMail(p.ID, id, msg)
	if err != nil {
		return "", err
	}
	row := OutboxMail{Project: p.ID, ID: id, Kind: kind, To: msg.To, State: MailQueued, Sealed: sealed, CreatedAt: now, NextAttemptAt: now}
	if err := tx.CreateMail(ctx, row); err != nil {
		return "", fmt.Errorf("queue mail: %w", err)
	}
	return id, nil
}
