package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// With protection an address with an account is answered exactly as one without, however often it is asked (P28).
func TestEnumerationProtection(t *testing.T) {
	asks := map[string]func(h *harness, email string) auth.Code{
		"sign-in": func(h *harness, email string) auth.Code {
			_, err := h.signIn(email, otherPW)
			return auth.CodeOf(err)
		},
		"password reset": func(h *harness, email string) auth.Code {
			return auth.CodeOf(h.SendPasswordReset(h.ctx, h.anyone(), email))
		},
		"verification": func(h *harness, email string) auth.Code {
			return auth.CodeOf(h.SendVerification(h.ctx, h.anyone(), email))
		},
		"providers": func(h *harness, email string) auth.Code {
			providers, registered, err := h.EmailProviders(h.ctx, h.anyone(), email)
			if registered || len(providers) > 0 || providers == nil {
				return "told"
			}
			return auth.CodeOf(err)
		},
		"email change": func(h *harness, email string) auth.Code {
			return auth.CodeOf(h.ChangeEmail(h.ctx, h.as(h.askers[email]), email)) // two askers, as each has a budget of mails of its own
		},
	}
	accounts := map[string]func(h *harness, u auth.Tokens){
		"unverified": func(*harness, auth.Tokens) {},
		"verified":   func(h *harness, u auth.Tokens) { h.alter(u.User.ID, func(u *auth.User) { u.EmailVerified = true }) },
		"disabled":   func(h *harness, u auth.Tokens) { h.alter(u.User.ID, func(u *auth.User) { u.Disabled = true }) },
		"invited":    func(h *harness, u auth.Tokens) { h.alter(u.User.ID, func(u *auth.User) { u.InvitePending = true }) },
		"passwordless": func(h *harness, u auth.Tokens) {
			h.alter(u.User.ID, func(u *auth.User) { u.PasswordHash = "" })
		},
	}
	for name, ask := range asks {
		for kind, prepare := range accounts {
			t.Run(name+"/"+kind, func(t *testing.T) {
				// The budget of mails is large enough for the sign-up's own mail and small enough to be spent here.
				h := newHarness(t, with("mailAddressBurst", "4", "mailAddressInterval", "24h", "signInAccountBurst", "4", "signInAccountInterval", "24h"))
				for _, email := range []string{"known@example.com", "unknown@example.com"} {
					h.askers[email] = h.signUp("asks-for-" + email).IDToken
				}
				known := h.importUser("known@example.com")
				prepare(h, auth.Tokens{User: known})
				for i := range 8 {
					unknown := ask(h, "unknown@example.com")
					if got := ask(h, "known@example.com"); got != unknown {
						t.Fatalf("ask %d: %q with an account, %q without", i, got, unknown)
					}
				}
			})
		}
	}
}

// Without protection the answers are the documented ones.
func TestDocumentedAnswersTell(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.identity(up.User.ID, "ada-at-google", ada, true)
	h.want(h.SendPasswordReset(h.ctx, h.anyone(), "nobody@example.com"), auth.CodeNoUserForEmail)
	h.want(h.SendVerification(h.ctx, h.anyone(), "nobody@example.com"), auth.CodeNoUserForID)
	h.must(h.SendVerification(h.ctx, h.anyone(), ada))
	h.newMails(ada)
	for email, want := range map[string]struct {
		providers int
		known     bool
	}{ada: {2, true}, "nobody@example.com": {0, false}} {
		providers, known, err := h.EmailProviders(h.ctx, h.anyone(), email)
		if err != nil || known != want.known || len(providers) != want.providers {
			t.Errorf("%s: %v, %v, %v", email, providers, known, err)
		}
	}
	for _, email := range []string{"", "x", "a@b@c.d"} {
		h.want(h.SendPasswordReset(h.ctx, h.anyone(), email), auth.CodeMissingEmail)
		h.want(h.SendVerification(h.ctx, h.anyone(), email), auth.CodeMissingEmail)
		_, _, err := h.EmailProviders(h.ctx, h.anyone(), email)
		h.want(err, auth.CodeMissingEmail)
		_, err = h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: email})
		h.want(err, auth.CodeMissingEmail)
	}
}
