package auth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// from is anyone at another address.
func (h *harness) tryFrom(addr, email, pw string) error {
	h.secret(pw)
	tokens, err := h.SignIn(h.ctx, h.from(addr), auth.SignInParams{Email: email, Password: pw})
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return err
}

// Guesses from many addresses slow everybody who is new down, and nobody who signed in from where they are before (P29).
func TestManyGuessersLeaveTheOwnerIn(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "2", "signInAccountInterval", "1h"))
	h.verified(ada)
	if _, err := h.signIn(ada, goodPW); err != nil { // from now on the usual address is known
		t.Fatal(err)
	}
	refused := false
	for i := range 12 {
		if auth.CodeOf(h.tryFrom(fmt.Sprintf("198.51.100.%d", i), ada, otherPW)) == auth.CodeTooManyAttempts {
			refused = true
		}
	}
	if !refused {
		t.Error("twelve addresses had a guess each and none was slowed down")
	}
	h.want(h.tryFrom("203.0.113.9", ada, goodPW), auth.CodeTooManyAttempts)
	if _, err := h.signIn(ada, goodPW); err != nil {
		t.Errorf("the owner is shut out at home: %v", err)
	}
	// The allowance is one: guesses from there are slowed as well.
	h.note(h.tryFrom(clientAddr.String(), ada, otherPW))
	h.note(h.tryFrom(clientAddr.String(), ada, otherPW))
	h.want(h.tryFrom(clientAddr.String(), ada, otherPW), auth.CodeTooManyAttempts)
}

// A known source is one of the account, not of the project, and it is forgotten with the account.
func TestKnownSourceIsOfOneAccount(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "2", "signInAccountInterval", "24h"))
	h.importUser(ada)
	h.importUser(grace)
	const office = "203.0.113.1"
	h.must(h.tryFrom(office, ada, goodPW))
	drain := func(email string) {
		for i := range 12 {
			h.note(h.tryFrom(fmt.Sprintf("198.51.100.%d", i), email, otherPW))
		}
	}
	drain(ada)
	drain(grace)
	h.want(h.tryFrom(office, grace, goodPW), auth.CodeTooManyAttempts)
	h.must(h.tryFrom(office, ada, goodPW))
	u, err := h.store.GetUserByEmail(h.ctx, h.id, ada)
	h.must(err)
	h.must(h.DeleteUser(h.ctx, h.asAdmin(), u.ID))
	h.importUser(ada)
	h.want(h.tryFrom(office, ada, goodPW), auth.CodeTooManyAttempts)
}

// A source whose own budget is spent is refused whether or not it is known to the account, or that would tell who uses it (P28).
func TestKnownSourceDoesNotTell(t *testing.T) {
	h := newHarness(t, with("signInSourceBurst", "4", "signInSourceInterval", "24h"))
	h.importUser(ada)
	h.must(h.tryFrom("203.0.113.1", ada, goodPW))
	for i := range 5 {
		h.note(h.tryFrom("203.0.113.1", fmt.Sprintf("u%d@example.com", i), otherPW))
	}
	for _, email := range []string{ada, "nobody@example.com"} {
		h.want(h.tryFrom("203.0.113.1", email, otherPW), auth.CodeTooManyAttempts)
	}
}

// The project has a budget of failures that no number of sources and accounts gets around.
func TestSignInLimitOfProject(t *testing.T) {
	h := newHarness(t, with("signInProjectBurst", "4", "signInProjectInterval", "1h"))
	for i := range 4 {
		h.want(h.tryFrom(fmt.Sprintf("198.51.100.%d", i), fmt.Sprintf("u%d@example.com", i), otherPW), auth.CodeInvalidCredentials)
	}
	h.want(h.tryFrom("203.0.113.1", "another@example.com", otherPW), auth.CodeTooManyAttempts)
	h.clock.Advance(time.Hour)
	h.want(h.tryFrom("203.0.113.1", "another@example.com", otherPW), auth.CodeInvalidCredentials)
}

// One source may try so many sign-ups, whether they work or not.
func TestSignUpLimitOfSource(t *testing.T) {
	h := newHarness(t, documented, with("signUpSourceBurst", "3", "signUpSourceInterval", "1h"))
	h.signUp(ada)
	_, err := h.trySignUp(ada, goodPW)
	h.want(err, auth.CodeEmailInUse)
	h.signUp(grace)
	_, err = h.trySignUp("third@example.com", goodPW)
	h.want(err, auth.CodeTooManyAttempts)
	if auth.AsError(err).RetryAfter <= 0 {
		t.Error("no time to wait is told")
	}
	h.wantDenied(auth.EventSignUp, 2)
	_, err = h.SignUp(h.ctx, h.from("198.51.100.7"), auth.SignUpParams{Email: "third@example.com", Password: goodPW})
	h.must(err)
}

// One source may have so many mails sent, to however many mailboxes, and so may all of a project.
func TestMailLimitsOfSourceAndProject(t *testing.T) {
	for name, settings := range map[string][]string{
		"source":  {"mailSourceBurst", "5", "mailSourceInterval", "1h"},
		"project": {"mailProjectBurst", "5", "mailProjectInterval", "1h"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, with(settings...))
			for i := range 5 {
				h.must(h.SendPasswordReset(h.ctx, h.anyone(), fmt.Sprintf("u%d@example.com", i)))
			}
			h.want(h.SendPasswordReset(h.ctx, h.anyone(), "u9@example.com"), auth.CodeTooManyAttempts)
			h.want(h.SendVerification(h.ctx, h.anyone(), "u9@example.com"), auth.CodeTooManyAttempts)
			elsewhere := h.SendPasswordReset(h.ctx, h.from("198.51.100.7"), "u9@example.com")
			if got := auth.CodeOf(elsewhere); (got == auth.CodeTooManyAttempts) != (name == "project") {
				t.Errorf("from another source: %v", elsewhere)
			}
			if _, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: "u9@example.com"}); err != nil {
				t.Errorf("an admin is limited: %v", err)
			}
		})
	}
}

// Codes, refresh tokens, admin tokens and questions about addresses: wrong ones are counted per source, and right ones are not used up by that.
func TestGuessesAreCounted(t *testing.T) {
	guesses := map[string]func(h *harness, c auth.Caller) error{
		"reset code": func(h *harness, c auth.Caller) error { return h.ResetPassword(h.ctx, c, "no code", goodPW) },
		"verification code": func(h *harness, c auth.Caller) error {
			return h.VerifyEmail(h.ctx, c, "no code", "nobody")
		},
		"invite": func(h *harness, c auth.Caller) error {
			return h.AcceptInvite(h.ctx, c, auth.AcceptInviteParams{Code: "no code", User: "nobody", NewPassword: goodPW})
		},
		"typed code": func(h *harness, c auth.Caller) error {
			return h.VerifyEmailTyped(h.ctx, c, auth.TypedCode{Email: ada, Code: "K7QM-4T9X"})
		},
		"email change":   func(h *harness, c auth.Caller) error { return h.ConfirmEmailChange(h.ctx, c, "no code") },
		"way back":       func(h *harness, c auth.Caller) error { return h.TakeBackEmail(h.ctx, c, "no code") },
		"other way back": func(h *harness, c auth.Caller) error { return h.TakeBack(h.ctx, c, "no code") },
		"refresh token":  func(h *harness, c auth.Caller) error { _, err := h.Refresh(h.ctx, c, "no token"); return err },
		"admin token":    func(h *harness, c auth.Caller) error { _, err := h.AuthenticateAdmin(h.ctx, c, "no token"); return err },
		"operator token": func(h *harness, c auth.Caller) error {
			_, err := h.AuthenticateOperator(h.ctx, c, "no token")
			return err
		},
		"email providers": func(h *harness, c auth.Caller) error { _, _, err := h.EmailProviders(h.ctx, c, ada); return err },
	}
	for name, guess := range guesses {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, with("guessSourceBurst", "3", "guessSourceInterval", "1h"))
			for i := range 3 {
				if err := guess(h, h.anyone()); auth.CodeOf(err) == auth.CodeTooManyAttempts {
					t.Fatalf("guess %d of 3: %v", i, err)
				}
			}
			err := guess(h, h.anyone())
			h.want(err, auth.CodeTooManyAttempts)
			if auth.AsError(err).RetryAfter <= 0 {
				t.Error("no time to wait is told")
			}
			if err := guess(h, h.from("198.51.100.7")); auth.CodeOf(err) == auth.CodeTooManyAttempts {
				t.Errorf("another source pays for it: %v", err)
			}
			if _, err := h.AuthenticateAdmin(h.ctx, h.anyone(), h.adminToken); err != nil {
				t.Errorf("the right admin token is shut out: %v", err)
			}
		})
	}
}

// What is right gives its use back.
func TestRightCodesAreNotCounted(t *testing.T) {
	h := newHarness(t, with("guessSourceBurst", "1", "guessSourceInterval", "24h"))
	h.verified(ada)
	for range 3 {
		h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
		h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), goodPW))
	}
	h.want(h.ResetPassword(h.ctx, h.anyone(), "no code", goodPW), auth.CodeInvalidOOBCode)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code := h.code(auth.MailResetPassword, ada)
	h.want(h.ResetPassword(h.ctx, h.anyone(), code, goodPW), auth.CodeTooManyAttempts) // counted before it is looked at
	h.must(h.ResetPassword(h.ctx, h.from("198.51.100.7"), code, goodPW))
}

// Strangers who use up a mailbox' mails do not keep its owner from asking where the owner signed in before.
func TestDrainedMailsLeaveTheOwnerTheirs(t *testing.T) {
	h := newHarness(t, with("mailAddressBurst", "2", "mailAddressInterval", "24h"))
	h.importUser(ada)
	h.must(h.tryFrom("203.0.113.1", ada, goodPW))
	for i := range 12 {
		h.note(h.SendPasswordReset(h.ctx, h.from(fmt.Sprintf("198.51.100.%d", i)), ada))
	}
	h.want(h.SendPasswordReset(h.ctx, h.from("203.0.113.9"), ada), auth.CodeTooManyAttempts)
	h.must(h.SendPasswordReset(h.ctx, h.from("203.0.113.1"), ada))
}

// Invites and changes of address ask who has an account, as the lookup of providers does, and are counted as that.
func TestQuestionsAboutAddressesAreCounted(t *testing.T) {
	h := newHarness(t, documented, with("guessSourceBurst", "3", "guessSourceInterval", "24h"))
	h.importUser(grace)
	for range 3 {
		_, err := h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: grace})
		h.want(err, auth.CodeEmailInUse)
	}
	_, err := h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: grace})
	h.want(err, auth.CodeTooManyAttempts)
	up := h.signUp(ada)
	h.want(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace), auth.CodeTooManyAttempts)
	_, err = h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: grace})
	h.want(err, auth.CodeEmailInUse)
}

// A project's admin makes so many keys in a row; an operator is not limited.
func TestKeyRotationsAreCounted(t *testing.T) {
	h := newHarness(t)
	for range 10 {
		_, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
		h.must(err)
	}
	_, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
	h.want(err, auth.CodeTooManyAttempts)
	_, err = h.admin.RotateSigningKey(h.ctx, h.anyone().AsActor(auth.ActorOperator))
	h.must(err)
}
