package auth_test

import (
	"net/url"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
)

// Who reads an operator's mailbox gets no further than a new password: no mail of the console takes a second factor away.
func TestMailboxOfOperator(t *testing.T) {
	h := newConsole(t)
	signedIn, _ := h.newOperator(ada) // nobody has proven that they read this mailbox
	told := h.message(auth.MailSecondFactorChanged, ada)
	if links := mail.Links(told); len(links) != 0 {
		t.Errorf("the mail about the second factor has the links %v", links)
	}
	h.want(h.TakeBack(h.ctx, h.anyone(), h.secret("a code that nobody made")), auth.CodeInvalidOOBCode)

	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	if links := mail.Links(h.message(auth.MailPasswordChanged, ada)); len(links) != 0 {
		t.Errorf("the mail about the password has the links %v", links)
	}
	if n := h.factors(userOf(signedIn).ID); n != 1 {
		t.Errorf("%d second factors after a reset", n)
	}
	tokens, err := h.signIn(ada, otherPW)
	h.must(err)
	if tokens.IDToken != "" || tokens.PendingCredential == "" || tokens.EnrollmentRequired {
		t.Errorf("signed in with the password alone: %+v", tokens)
	}
	h.secret(tokens.PendingCredential)
	h.checkSecrets()
}

// What anybody asks for at the console's forgotten password leaves an invite that was handed on as it is.
func TestInviteOfOperatorStays(t *testing.T) {
	h := newConsole(t)
	first, _ := h.newOperator(ada)
	c, err := h.console(first)
	h.must(err)
	invited, link, err := h.admin.InviteOperator(h.ctx, c, grace)
	h.must(err)
	parsed, err := url.Parse(link)
	h.must(err)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), grace))
	h.must(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.secret(parsed.Query().Get("oobCode")), User: invited.ID, NewPassword: h.secret(otherPW)}))
}
