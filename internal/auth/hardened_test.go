package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func byMail(t *testing.T, pairs ...string) *harness {
	t.Helper()
	return newHarness(t, with(append([]string{"signUpByMail", "true"}, pairs...)...))
}

// Sign-up by mail answers the same for every address; what the address is mailed differs, and only that lets anybody in (P28, P2).
func TestSignUpByMail(t *testing.T) {
	h := byMail(t)
	held := h.importUser(grace)
	invitee, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: "invited@example.com"})
	h.must(err)
	firstInvite := h.code(auth.MailInvite, "invited@example.com")
	for _, email := range []string{ada, grace, "invited@example.com"} {
		got, err := h.trySignUp(email, otherPW)
		h.must(err)
		if !got.Mailed || got.User.ID != "" || !got.User.Blocked() || got.IDToken != "" || got.RefreshToken != "" || string(got.User.Email) != email {
			t.Errorf("%s: %+v", email, got)
		}
		_, err = h.signIn(email, otherPW)
		h.want(err, auth.CodeInvalidCredentials)
	}

	link := linkOf(t, h.message(auth.MailVerifyEmail, ada))
	id := auth.UserID(link.Query().Get("uid"))
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), id))
	_, err = h.signIn(ada, otherPW)
	h.must(err)

	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailAccountExists, grace), h.secret("a third phrase for grace")))
	if again, err := h.signIn(grace, "a third phrase for grace"); err != nil || again.User.ID != held.ID {
		t.Errorf("the holder of the address signs in as %s: %v", again.User.ID, err)
	}

	h.want(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: firstInvite, User: invitee.ID, NewPassword: goodPW}), auth.CodeInvalidOOBCode)
	h.must(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.code(auth.MailInvite, "invited@example.com"), User: invitee.ID, NewPassword: goodPW}))
}

// A squatter's password does not survive that the owner of the address signs up as well, and uses the mail (P2).
func TestSquatterLosesTheAccountToTheOwner(t *testing.T) {
	h := byMail(t)
	for _, pw := range []string{otherPW, goodPW} { // the squatter first
		_, err := h.trySignUp(ada, pw)
		h.must(err)
	}
	link := linkOf(t, h.message(auth.MailAccountExists, ada))
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), goodPW))
	_, err := h.signIn(ada, otherPW)
	h.want(err, auth.CodeInvalidCredentials)
	_, err = h.signIn(ada, goodPW)
	h.must(err)
}

// A mailbox that had too many mails is refused alike, with an account and without, and nothing is made.
func TestSignUpByMailLimits(t *testing.T) {
	h := byMail(t, "mailAddressBurst", "2", "mailAddressInterval", "24h")
	h.importUser(grace)
	for _, email := range []string{ada, grace} {
		var codes []auth.Code
		for range 4 {
			_, err := h.trySignUp(email, goodPW)
			codes = append(codes, auth.CodeOf(err))
		}
		if codes[0] != "" || codes[1] != "" || codes[2] != auth.CodeTooManyAttempts || codes[3] != auth.CodeTooManyAttempts {
			t.Errorf("%s: %q", email, codes)
		}
	}
}

// Answers that must not tell leave at full steps of time.
func TestAnswersLeaveEvenly(t *testing.T) {
	asks := map[string]func(h *harness){
		"sign-up":         func(h *harness) { _, _ = h.trySignUp(ada, goodPW) },
		"refused sign-in": func(h *harness) { _, _ = h.signIn(ada, otherPW) },
		"password reset":  func(h *harness) { h.note(h.SendPasswordReset(h.ctx, h.anyone(), ada)) },
		"verification":    func(h *harness) { h.note(h.SendVerification(h.ctx, h.anyone(), ada)) },
		"email providers": func(h *harness) { _, _, _ = h.EmailProviders(h.ctx, h.anyone(), ada) },
		"invite":          func(h *harness) { _, _ = h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: ada}) },
	}
	for name, ask := range asks {
		h := byMail(t)
		ask(h)
		if got := time.Duration(h.paused.Load()); got != auth.EvenStep { // the clock stands still, so a full step is left
			t.Errorf("%s waits for %v", name, got)
		}
		h = newHarness(t, documented)
		ask(h)
		if got := h.paused.Load(); got != 0 {
			t.Errorf("documented %s waits for %v", name, time.Duration(got))
		}
	}
}

// Whoever may invite but is no admin is not told who has an account.
func TestPublicInviteDoesNotTell(t *testing.T) {
	h := newHarness(t, with("invitePermission", "public"))
	h.importUser(grace)
	for _, email := range []string{ada, grace} {
		_, err := h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: email})
		h.must(err)
	}
	h.code(auth.MailInvite, ada)
	h.code(auth.MailAccountExists, grace)
	_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: grace})
	h.want(err, auth.CodeEmailInUse)
}

// A wish for a taken address looks to the one who asks as one for a free address does, in the own mailbox too.
func TestEmailChangeMailsDoNotTell(t *testing.T) {
	h := newHarness(t)
	asker := h.verified(ada)
	h.importUser(grace)
	h.newMails(ada)
	for _, email := range []string{grace, "free@example.com"} {
		h.must(h.ChangeEmail(h.ctx, h.as(asker.IDToken), email))
		mails := h.newMails(ada)
		if len(mails) != 1 || mails[0].Kind != auth.MailEmailChanged {
			t.Errorf("asking for %s, the own mailbox gets %+v", email, mails)
		}
	}
	h.code(auth.MailAccountExists, grace)
	h.code(auth.MailChangeEmail, "free@example.com")
}

// With emailProviders mail the answer is uniform and the address is told.
func TestEmailProvidersByMail(t *testing.T) {
	h := newHarness(t, with("emailProviders", "mail"))
	u := h.importUser(ada)
	h.identity(u.ID, "hers", ada, true)
	for _, email := range []string{ada, "nobody@example.com"} {
		providers, registered, err := h.EmailProviders(h.ctx, h.anyone(), email)
		if err != nil || registered || len(providers) != 0 {
			t.Errorf("%s: %v, %v, %v", email, providers, registered, err)
		}
	}
	msg := h.message(auth.MailSignInMethods, ada)
	if want := "password, Google"; !strings.Contains(msg.Text, want) {
		t.Errorf("the mail says %q", msg.Text)
	}
	if got := h.newMails("nobody@example.com"); len(got) != 0 {
		t.Errorf("a stranger is mailed: %+v", got)
	}
}

// What a provider tells without vouching for it decides nothing that could be seen: under protection it is as if no address had been told.
func TestUnvouchedAddressDoesNotTell(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.set("emailEnumerationProtection", "true")
	holder := r.signUp("held@example.com")
	r.idp.users["known"] = auth.ExternalIdentity{Subject: "1", Email: "held@example.com"}
	r.idp.users["unknown"] = auth.ExternalIdentity{Subject: "2", Email: "free@example.com"}
	for _, who := range []string{"known", "unknown"} {
		got, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow(who))
		if err != nil || got.NeedConfirmation || !got.IsNewUser || !got.User.Email.IsZero() || got.IDToken == "" || got.User.ID == holder.User.ID {
			t.Errorf("%s: %+v, %v", who, got, err)
		}
	}
}
