package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/language"
)

// ListMail lists the outbox and mailbox, newest first: of the caller's project, or for operators without one of the whole instance.
func (a *Admin) ListMail(ctx context.Context, c Caller, state MailState, before MailID, limit int) ([]OutboxMail, error) {
	p, err := c.scope()
	if err != nil {
		return nil, err
	}
	return a.store.ListMail(ctx, p, state, before, limit)
}

// MailContent is a mail with its message, whose parts are "" once it was sent.
type MailContent struct {
	OutboxMail
	Message Message
}

// ReadMailList is ListMail with the messages. It is written down as ReadMail is.
func (a *Admin) ReadMailList(ctx context.Context, c Caller, state MailState, before MailID, limit int) ([]MailContent, error) {
	mails, err := a.ListMail(ctx, c, state, before, limit)
	if err != nil {
		return nil, err
	}
	contents := make([]MailContent, len(mails))
	for i, m := range mails {
		contents[i].OutboxMail = m
		if contents[i].Message, err = a.OpenMail(m); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventMailRead, OutcomeAllowed, "", "mails", fmt.Sprint(len(mails)))
	})
	if err != nil {
		return nil, err
	}
	return contents, nil
}

// ReadMail gives a mail with its message, which is gone once it was sent. Mails hold one-time codes, so reading one is written down. It fails with CodeNotFound.
func (a *Admin) ReadMail(ctx context.Context, c Caller, id MailID) (OutboxMail, Message, error) {
	if err := c.requireAdmin(); err != nil {
		return OutboxMail{}, Message{}, err
	}
	m, err := a.store.GetMail(ctx, c.Project.ID, id)
	if err != nil {
		return OutboxMail{}, Message{}, notFound(err, "there is no such mail")
	}
	msg, err := a.OpenMail(m)
	if errors.Is(err, ErrNotFound) {
		return m, Message{To: m.To}, nil
	}
	if err != nil {
		return OutboxMail{}, Message{}, err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventMailRead, OutcomeAllowed, "", "mail", string(id))
	})
	if err != nil {
		return OutboxMail{}, Message{}, err
	}
	return m, msg, nil
}

// RequeueMail sends a kept or dead mail (again). It fails with CodeNotFound.
func (a *Admin) RequeueMail(ctx context.Context, c Caller, id MailID) error {
	return a.changeMail(ctx, c, EventMailRequeued, id, func(tx Tx) error { return tx.RequeueMail(ctx, c.Project.ID, id, a.now()) })
}

// DeleteMail removes a mail from the outbox. It fails with CodeNotFound.
func (a *Admin) DeleteMail(ctx context.Context, c Caller, id MailID) error {
	return a.changeMail(ctx, c, EventMailDeleted, id, func(tx Tx) error { return tx.DeleteMail(ctx, c.Project.ID, id) })
}

func (a *Admin) changeMail(ctx context.Context, c Caller, event Event, id MailID, change func(Tx) error) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.commitMail(ctx, func(tx Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, event, OutcomeAllowed, "", "mail", string(id))
	})
	return notFound(err, "there is no such mail that this can be done with")
}

// MailTemplates lists the project's own templates.
func (a *Admin) MailTemplates(ctx context.Context, c Caller) ([]MailTemplate, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListMailTemplates(ctx, c.Project.ID)
}

// PutMailTemplate creates or replaces one of the project's templates, once it has rendered with sample data. It fails with CodeInvalidArgument.
func (a *Admin) PutMailTemplate(ctx context.Context, c Caller, t MailTemplate) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	if err := checkTemplateName(t.Kind, t.Language); err != nil {
		return err
	}
	if err := a.mail.Check(t); err != nil {
		return invalidArgument("template", err.Error())
	}
	t.Project, t.UpdatedAt = c.Project.ID, a.now()
	return a.store.Update(ctx, func(tx Tx) error {
		if err := tx.PutMailTemplate(ctx, t); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventTemplateChanged, OutcomeAllowed, "", "kind", string(t.Kind), "language", t.Language)
	})
}

// DeleteMailTemplate goes back to the built-in template. It fails with CodeNotFound.
func (a *Admin) DeleteMailTemplate(ctx context.Context, c Caller, kind MailKind, lang string) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteMailTemplate(ctx, c.Project.ID, kind, lang); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventTemplateChanged, OutcomeAllowed, "", "kind", string(kind), "language", lang, "deleted", "true")
	})
	return notFound(err, "there is no such template of the project's own")
}

func checkTemplateName(kind MailKind, lang string) error {
	known := make([]string, 0, len(MailKinds()))
	for _, k := range MailKinds() {
		if k == kind {
			if _, err := language.Parse(lang); err != nil {
				return invalidArgument("language", "the language is a BCP 47 tag such as en or pt-BR")
			}
			return nil
		}
		known = append(known, string(k))
	}
	return invalidArgument("kind", fmt.Sprintf("a template's kind is one of %s", strings.Join(known, ", ")))
}

func isRoleName(s string) bool {
	if s == "" || len(s) > 64 || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" ._-:", r)
	})
}
