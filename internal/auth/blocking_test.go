package auth_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var (
	errHookAway = errors.New("app.example.com did not answer in time")
	refuse      = auth.HookVerdict{Reason: "not on the list"}
)

// hook gives the project a blocking hook at the points; without points, at all.
func (h *harness) hook(points ...string) auth.Webhook {
	h.t.Helper()
	change := auth.WebhookChange{Kind: auth.WebhookBlocking}
	if len(points) > 0 {
		change.Events = &points
	}
	return h.webhook(change)
}

// TestHookIsAskedOnce at each point, outside of any transaction, with what it needs to decide and no more.
func TestHookIsAskedOnce(t *testing.T) {
	h := newHarness(t, documented)
	h.hook()
	h.hooks.answersWith(func(call auth.WebhookCall) (auth.HookVerdict, error) {
		// A change of its own goes through meanwhile: nothing holds the store's writer.
		h.must(h.store.Store.Update(h.ctx, func(auth.Tx) error { return nil }))
		return auth.HookVerdict{Allow: true}, nil
	})
	up := h.signUp(ada)
	asked := h.hooks.asked(t)
	if types(asked) != "before_sign_up before_token" {
		t.Fatalf("asked %v", asked)
	}
	data := asked[0].Data
	if data["email"] != ada || data["uid"] != nil || data["provider"] != "password" || data["address"] != clientAddr.String() || data["userAgent"] != "tests/1.0" || data["project"] != "acme" ||
		data["emailVerified"] != false || len(data) != 6 {
		t.Errorf("asked %v", data)
	}
	if asked[1].Data["uid"] != string(up.User.ID) {
		t.Errorf("asked about %v, and the user is %s", asked[1].Data["uid"], up.User.ID)
	}
	h.wantAlive(up)
	if got := types(h.hooks.asked(t)); got != "before_token" { // of the refresh
		t.Errorf("asked %s", got)
	}
	_, err := h.signIn(ada, goodPW)
	h.must(err)
	if got := types(h.hooks.asked(t)); got != "before_token" {
		t.Errorf("asked %s", got)
	}
}

// TestHookIsNotAskedBeforeTheSecret: whoever does not know the secret cannot make the server ask.
func TestHookIsNotAskedBeforeTheSecret(t *testing.T) {
	h := newHarness(t, documented, with("refreshTokenRotation", "true", "refreshTokenGrace", "10s"))
	up := h.signUp(ada)
	h.hook()
	_, err := h.signIn(ada, otherPW)
	h.want(err, auth.CodeWrongPassword)
	_, err = h.signIn(grace, otherPW)
	h.want(err, auth.CodeEmailNotFound)
	_, err = h.refresh("nothing")
	h.want(err, auth.CodeInvalidRefreshToken)
	h.alter(up.User.ID, facts["disabled"])
	_, err = h.signIn(ada, goodPW)
	h.want(err, auth.CodeUserDisabled)
	_, err = h.refresh(up.RefreshToken)
	h.want(err, auth.CodeUserDisabled)
	h.alter(up.User.ID, func(u *auth.User) { u.Disabled = false })
	if asked := h.hooks.asked(t); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}

	// The reuse of a token ends its session, whatever the hook would say.
	_, err = h.refresh(up.RefreshToken)
	h.must(err)
	h.hooks.answers(auth.HookVerdict{}, errHookAway)
	h.hooks.asked(t)
	h.clock.Advance(time.Minute)
	_, err = h.refresh(up.RefreshToken)
	h.want(err, auth.CodeInvalidRefreshToken)
	if asked := h.hooks.asked(t); len(asked) != 0 || len(h.audits(auth.EventTokenReuse)) != 1 {
		t.Errorf("asked %v, %d records of a reuse", asked, len(h.audits(auth.EventTokenReuse)))
	}
}

// hookUses are the ways past the hook: each does one thing that is asked about.
var hookUses = map[string]struct {
	point string
	event auth.Event
	do    func(h *harness) error
	undo  func(h *harness) // what must hold where it was refused
}{
	"sign-up":             {"before_sign_up", auth.EventSignUp, func(h *harness) error { _, err := h.trySignUp(grace, goodPW); return err }, noAccount},
	"tokens of a sign-up": {"before_token", auth.EventSignIn, func(h *harness) error { _, err := h.trySignUp(grace, goodPW); return err }, noAccount},
	"sign-in": {"before_token", auth.EventSignIn, func(h *harness) error { _, err := h.signIn(ada, goodPW); return err }, func(h *harness) {
		if sessions, err := h.admin.Sessions(h.ctx, h.asAdmin(), "", "", 9); err != nil || len(sessions) != 1 {
			h.t.Errorf("%d sessions, %v", len(sessions), err)
		}
	}},
	"refresh": {"before_token", auth.EventRefresh, func(h *harness) error { _, err := h.refresh(h.token); return err }, func(h *harness) {
		h.hooks.answers(auth.HookVerdict{Allow: true}, nil)
		_, err := h.refresh(h.token) // it was not used up
		h.want(err, "")
	}},
	"invite": {"before_sign_up", auth.EventSignUp, func(h *harness) error {
		_, err := h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: grace})
		return err
	}, noAccount},
	"reset of a claimed address": {"before_sign_up", auth.EventSignUp, func(h *harness) error {
		moved, err := h.signIn(ada, goodPW)
		h.must(err)
		h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), moved.User.ID))
		moved, err = h.signIn(ada, goodPW)
		h.must(err)
		h.must(h.ChangeEmail(h.ctx, h.as(moved.IDToken), grace))
		h.must(h.SendPasswordReset(h.ctx, h.anyone(), grace))
		return h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, grace), h.secret(otherPW))
	}, func(h *harness) {
		if u, err := h.store.GetUserByEmail(h.ctx, h.id, grace); err != nil || u.EmailVerified {
			h.t.Errorf("user %+v, %v", u, err)
		}
	}},
}

func noAccount(h *harness) {
	if _, err := h.store.GetUserByEmail(h.ctx, h.id, grace); !errors.Is(err, auth.ErrNotFound) {
		h.t.Errorf("the account is there: %v", err)
	}
	if mails := h.newMails(grace); len(mails) != 0 {
		h.t.Errorf("%d mails", len(mails))
	}
}

func TestHookDecides(t *testing.T) {
	for name, use := range hookUses {
		for answer, c := range map[string]struct {
			verdict   auth.HookVerdict
			err       error
			onFailure auth.HookFailure
			want      auth.Code
		}{
			"agrees":                 {auth.HookVerdict{Allow: true}, nil, auth.HookFailureDeny, ""},
			"refuses":                {refuse, nil, auth.HookFailureAllow, auth.CodeBlockedByHook},
			"fails":                  {auth.HookVerdict{Allow: true}, errHookAway, auth.HookFailureDeny, auth.CodeUnavailable},
			"fails and that is fine": {auth.HookVerdict{}, errHookAway, auth.HookFailureAllow, ""},
		} {
			t.Run(name+"/"+answer, func(t *testing.T) {
				h := newHarness(t, documented)
				h.token = h.signUp(ada).RefreshToken
				w := h.hook(use.point)
				_, _, err := h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, auth.WebhookChange{OnFailure: &c.onFailure})
				h.must(err)
				h.hooks.answers(c.verdict, c.err)
				err = use.do(h)
				h.want(err, c.want)
				if asked := h.hooks.asked(t); len(asked) != 1 || asked[0].Type != use.point {
					t.Errorf("asked %v", asked)
				}
				if c.want != "" {
					h.wantDenied(use.event, 1)
					use.undo(h)
				}
				if c.want == auth.CodeBlockedByHook && auth.AsError(err).Message != refuse.Reason {
					t.Errorf("the reason is lost: %v", err)
				}
				if failed := h.audits(auth.EventHookFailed); (c.want == "" && c.err != nil) != (len(failed) == 1) {
					t.Errorf("records of a failure that allows: %+v", failed)
				}
				if c.err != nil && !strings.Contains(h.log.String(), errHookAway.Error()) {
					t.Error("the log does not say why the hook failed")
				}
			})
		}
	}
}

// TestHookDoesNotTellWhoIsThere: an address with an account is asked about as one without (P28).
func TestHookDoesNotTellWhoIsThere(t *testing.T) {
	h := newHarness(t, with("emailEnumerationProtection", "true", "selfSignUp", "true", "invitePermission", "public"))
	h.importUser(ada)
	h.hook("before_sign_up")
	h.hooks.answers(refuse, nil)
	for _, email := range []string{ada, grace} {
		_, err := h.trySignUp(email, goodPW)
		h.want(err, auth.CodeBlockedByHook)
		_, err = h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: email})
		h.want(err, auth.CodeBlockedByHook)
	}
	if got := types(h.hooks.asked(t)); got != "before_sign_up before_sign_up before_sign_up before_sign_up" {
		t.Errorf("asked %s", got)
	}
}

// TestAdminsAreNotAsked: what an admin makes is made, and a hook that is off is not asked.
func TestAdminsAreNotAsked(t *testing.T) {
	h := newHarness(t, documented)
	w := h.hook()
	h.hooks.answers(refuse, nil)
	h.importUser(ada)
	_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: grace})
	h.must(err)
	_, err = h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{Email: "x@example.com"}}}, false)
	h.must(err)
	_, _, err = h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, auth.WebhookChange{Enabled: ptr(false)})
	h.must(err)
	_, err = h.signIn(ada, goodPW)
	h.must(err)
	if asked := h.hooks.asked(t); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// TestWhatChangesWhileTheHookThinks counts: the account is looked at again (P20).
func TestWhatChangesWhileTheHookThinks(t *testing.T) {
	for name, try := range map[string]func(h *harness, up auth.Tokens) error{
		"sign-in": func(h *harness, _ auth.Tokens) error { _, err := h.signIn(ada, goodPW); return err },
		"refresh": func(h *harness, up auth.Tokens) error { _, err := h.refresh(up.RefreshToken); return err },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			h.hook()
			h.hooks.answersWith(func(auth.WebhookCall) (auth.HookVerdict, error) {
				h.alter(up.User.ID, facts["disabled"])
				return auth.HookVerdict{Allow: true}, nil
			})
			h.want(try(h, up), auth.CodeUserDisabled)
		})
	}
	t.Run("refresh of somebody who is deleted", func(t *testing.T) {
		h := newHarness(t, documented)
		up := h.signUp(ada)
		h.hook()
		h.hooks.answersWith(func(auth.WebhookCall) (auth.HookVerdict, error) {
			h.must(h.DeleteAccount(h.ctx, h.as(up.IDToken)))
			return auth.HookVerdict{Allow: true}, nil
		})
		_, err := h.refresh(up.RefreshToken)
		h.want(err, auth.CodeRefreshTokenUserGone)
	})
	t.Run("an approval is for what was asked", func(t *testing.T) {
		h := newHarness(t, documented)
		up := h.signUp(ada)
		h.hook("before_token")
		h.hooks.answersWith(func(auth.WebhookCall) (auth.HookVerdict, error) {
			h.alter(up.User.ID, func(u *auth.User) { u.EmailVerified = true })
			return auth.HookVerdict{Allow: true}, nil
		})
		_, err := h.signIn(ada, goodPW)
		h.must(err)
		if asked := h.hooks.asked(t); len(asked) != 2 || asked[0].Data["emailVerified"] != false || asked[1].Data["emailVerified"] != true {
			t.Errorf("asked %v", asked)
		}
	})
}

// TestHookAtProviders: a new account is asked about with the uid that it gets; an old one only for its tokens.
func TestHookAtProviders(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	if _, _, err := r.admin.CreateWebhook(t.Context(), r.operator(), auth.WebhookChange{Kind: auth.WebhookBlocking, URL: of("https://app.example.com")}); err != nil {
		t.Fatal(err)
	}
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com", EmailVerified: true}
	r.idp.users["nobody"] = auth.ExternalIdentity{Subject: "2"}
	for _, who := range []string{"ann", "nobody"} {
		r.hooks.answers(refuse, nil)
		_, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow(who))
		wantCode(t, err, auth.CodeBlockedByHook)
		if asked := r.hooks.asked(t); types(asked) != "before_sign_up" || asked[0].Data["provider"] != "google.com" || asked[0].Data["emailVerified"] != (who == "ann") {
			t.Errorf("asked %v", asked)
		}
		r.hooks.answers(auth.HookVerdict{Allow: true}, nil)
		in, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow(who))
		wantCode(t, err, "")
		if asked := r.hooks.asked(t); types(asked) != "before_sign_up before_token" || asked[1].Data["uid"] != string(in.User.ID) {
			t.Errorf("asked %v for %s", asked, in.User.ID)
		}
		_, err = r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow(who))
		wantCode(t, err, "")
		if asked := r.hooks.asked(t); types(asked) != "before_token" {
			t.Errorf("asked %v", asked)
		}
		if who == "ann" {
			r.idp.users["more"] = auth.ExternalIdentity{Subject: "3"}
			r.hooks.answers(refuse, nil)
			_, err = r.service.LinkProvider(t.Context(), r.as(in.IDToken), r.flow("more"))
			wantCode(t, err, auth.CodeBlockedByHook)
			if r.hooks.asked(t); slices.Contains(strings.Fields(r.subjects(in.User.ID)), "3") {
				t.Error("the identity was linked all the same")
			}
		}
	}
}

// TestNoClientNoWayPast: where this process cannot ask, the hook counts as failing.
func TestNoClientNoWayPast(t *testing.T) {
	h := newHarness(t, documented)
	h.hook()
	h.hooks.answersWith(func(auth.WebhookCall) (auth.HookVerdict, error) { panic("not this one") })
	h.WithoutWebhooks()
	_, err := h.trySignUp(ada, goodPW)
	h.want(err, auth.CodeUnavailable)
	if auth.AsError(err).RetryAfter == 0 {
		t.Error("nobody is told when to try again")
	}
}

// TestHookDecidesBeforeTheSecondFactor: a sign-up that is refused its token makes no account, though it would have to enroll a second factor first. Sign-ups are
// told from what needs a proof.
func TestHookDecidesBeforeTheSecondFactor(t *testing.T) {
	h := newHarness(t, documented, with("secondFactor", "required"))
	h.hook()
	h.hooks.answersWith(func(call auth.WebhookCall) (auth.HookVerdict, error) {
		if !call.Anybody || call.Source != clientAddr.String() {
			t.Errorf("a question of a sign-up: %v, %q", call.Anybody, call.Source)
		}
		return auth.HookVerdict{Allow: !strings.Contains(string(call.Body), "before_token"), Reason: ""}, nil
	})
	_, err := h.trySignUp(grace, goodPW)
	h.want(err, auth.CodeBlockedByHook)
	noAccount(h)
	h.hooks.answers(auth.HookVerdict{Allow: true}, nil)
	up, err := h.trySignUp(grace, goodPW)
	if h.must(err); !up.EnrollmentRequired {
		t.Errorf("%+v", up)
	}
	h.hooks.asked(t)
	h.hooks.answersWith(func(call auth.WebhookCall) (auth.HookVerdict, error) {
		t.Error("asked before the second factor")
		return auth.HookVerdict{}, errHookAway
	})
	_, err = h.signIn(grace, goodPW)
	h.must(err)
}

// TestQuestionsAfterAProofAreTold from those that anybody can bring about.
func TestQuestionsAfterAProofAreTold(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.hook()
	h.hooks.answersWith(func(call auth.WebhookCall) (auth.HookVerdict, error) {
		if call.Anybody || call.Source != "" {
			t.Errorf("%s: %v, %q", call.Body, call.Anybody, call.Source)
		}
		return auth.HookVerdict{Allow: true}, nil
	})
	_, err := h.signIn(ada, goodPW)
	h.must(err)
	_, err = h.refresh(up.RefreshToken)
	h.must(err)
	if got := types(h.hooks.asked(t)); got != "before_token before_token" {
		t.Errorf("asked %s", got)
	}
}

// A right password is no failure, whatever the hook makes of the sign-in.
func TestHookThatFailsDrainsNoBudget(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "2", "signInAccountInterval", "24h"))
	h.importUser(ada)
	h.hook()
	h.hooks.answers(auth.HookVerdict{}, errHookAway)
	for range 4 {
		_, err := h.signIn(ada, goodPW)
		h.want(err, auth.CodeUnavailable)
	}
	h.hooks.answers(auth.HookVerdict{Allow: true}, nil)
	_, err := h.signIn(ada, goodPW)
	h.must(err)
}
