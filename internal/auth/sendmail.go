package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// queueMail renders a mail and puts it into the outbox, in the transaction of the change that it announces (P43). to is a stored address (P4).
func (s *Service) queueMail(ctx context.Context, tx Tx, c Caller, kind MailKind, to Email, u User, data MailData) error {
	if err := s.takeMailLimit(ctx, tx, c, to); err != nil {
		return err
	}
	return s.queueUnlimited(ctx, tx, c, kind, to, u, data)
}

// queueUnlimited is queueMail for what must not depend on how many mails others have asked for.
func (s *Service) queueUnlimited(ctx context.Context, tx Tx, c Caller, kind MailKind, to Email, u User, data MailData) error {
	p := c.Project
	data.ProjectName, data.UserName, data.Email = p.DisplayName, u.Name, string(u.Email)
	msg, err := s.render(ctx, tx, c, kind, u, data)
	if err != nil {
		return fmt.Errorf("render mail %s: %w", kind, err)
	}
	msg.To = to
	_, err = s.queueMessage(ctx, tx, p, kind, msg)
	return err
}

// render falls back to the built-in templates where the project's own fail: a mail in the wrong words is better than none.
func (s *Service) render(ctx context.Context, tx Tx, c Caller, kind MailKind, u User, data MailData) (Message, error) {
	overrides, err := tx.ListMailTemplates(ctx, c.Project.ID)
	if err != nil {
		return Message{}, err
	}
	languages := make([]string, 0, 2+len(c.Languages))
	if u.Locale != "" {
		languages = append(languages, u.Locale)
	}
	languages = append(languages, c.Project.Settings.Language)
	msg, err := s.mail.Render(kind, languages, overrides, data)
	if err != nil && len(overrides) > 0 {
		s.log.Warn("mail template failed; the built-in one is used", slog.String("project", string(c.Project.ID)), slog.String("kind", string(kind)), slog.Any("error", err))
		msg, err = s.mail.Render(kind, languages, nil, data)
	}
	return msg, err
}

// sealedMessage is the stored form of a Message, before it is sealed.
type sealedMessage struct{ To, Subject, Text, HTML string }

func (s *Service) sealMail(p ProjectID, id MailID, m Message) ([]byte, error) {
	plain, err := json.Marshal(sealedMessage{string(m.To), m.Subject, m.Text, m.HTML})
	if err != nil {
		return nil, err
	}
	return s.keyring.Seal(plain, SealedMail.AD(p, string(id)))
}

// OpenMail gives the message of an outbox row that still holds one; ErrNotFound where it is sent. For the mail worker and for operators who were checked.
func (s *Service) OpenMail(m OutboxMail) (Message, error) {
	if len(m.Sealed) == 0 {
		return Message{}, ErrNotFound
	}
	plain, err := s.keyring.Open(m.Sealed, SealedMail.AD(m.Project, string(m.ID)))
	if err != nil {
		return Message{}, fmt.Errorf("open mail %s: %w", m.ID, err)
	}
	var msg sealedMessage
	if err := json.Unmarshal(plain, &msg); err != nil {
		return Message{}, fmt.Errorf("open mail %s: stored message is malformed", m.ID)
	}
	return Message{To: Email(msg.To), Subject: msg.Subject, Text: msg.Text, HTML: msg.HTML}, nil
}

// sendVerification queues the mail that proves the address. Without a page that it could lead to it sends nothing, unless the account depends on it.
func (s *Service) sendVerification(ctx context.Context, tx Tx, c Caller, u User, needed bool) error {
	p := c.Project
	if !needed && p.Settings.VerifyEmailURL == "" && !p.Settings.HostedPages {
		return nil
	}
	code := OOBCode{Project: p.ID, User: u.ID, Purpose: PurposeVerifyEmail, Email: u.Email}
	data, err := s.mailedCode(ctx, tx, p, code, p.Settings.VerifyEmailURL, PageVerifyEmail, p.Settings.VerifyCodeTTL)
	if err != nil {
		return err
	}
	return s.queueMail(ctx, tx, c, MailVerifyEmail, u.Email, u, data)
}

// takeBackTTL is how long the old address can undo an email change.
const takeBackTTL = 30 * 24 * time.Hour
