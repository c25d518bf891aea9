package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// scriptedHooks is a WebhookClient that keeps what it is asked, and answers as a test says.
type scriptedHooks struct {
	mu     sync.Mutex
	calls  []auth.WebhookCall
	answer func(call auth.WebhookCall) (auth.HookVerdict, error) // nil agrees
}

func (s *scriptedHooks) Send(_ context.Context, call auth.WebhookCall) (auth.WebhookAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	return auth.WebhookAnswer{Status: 200}, nil
}

func (s *scriptedHooks) Ask(_ context.Context, call auth.WebhookCall) (auth.HookVerdict, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return auth.HookVerdict{Allow: true}, nil
	}
	return answer(call)
}

func (s *scriptedHooks) answers(verdict auth.HookVerdict, err error) {
	s.answersWith(func(auth.WebhookCall) (auth.HookVerdict, error) { return verdict, err })
}

func (s *scriptedHooks) answersWith(f func(auth.WebhookCall) (auth.HookVerdict, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// told is a payload as a receiver reads it.
type told struct {
	Type      string
	Timestamp time.Time
	Data      map[string]any
}

// asked gives what was asked since the last time, as "type email provider".
func (s *scriptedHooks) asked(t *testing.T) (list []told) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		list = append(list, parseTold(t, string(call.Body)))
	}
	s.calls = nil
	return list
}

func types(list []told) string {
	names := []string{}
	for _, q := range list {
		names = append(names, q.Type)
	}
	return strings.Join(names, " ")
}

func parseTold(t *testing.T, payload string) told {
	t.Helper()
	var p told
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		t.Fatalf("payload %q: %v", payload, err)
	}
	return p
}

// webhook adds one that wants all events of its kind.
func (h *harness) webhook(change auth.WebhookChange) auth.Webhook {
	h.t.Helper()
	if change.URL == nil {
		change.URL = ptr("https://app.example.com/hook?key=" + h.secret("the-receivers-own-key"))
	}
	w, secret, err := h.admin.CreateWebhook(h.ctx, h.asAdmin(), change)
	h.must(err)
	h.secret(secret)
	return w
}

// events gives what is queued for webhooks and was not seen yet, in order, as "event[changed]", and checks each payload.
func (h *harness) events() []string {
	h.t.Helper()
	list, err := h.store.ListWebhookDeliveries(h.ctx, h.id, auth.DeliveryFilter{State: auth.DeliveryQueued, Limit: 1000})
	h.must(err)
	names := []string{}
	for _, d := range slices.Backward(list) {
		p := parseTold(h.t, d.Payload)
		if p.Type != string(d.Event) || p.Data["uid"] != string(d.User) || p.Data["project"] != string(h.id) || !p.Timestamp.Equal(d.CreatedAt) || !strings.HasPrefix(string(d.ID), "msg_") {
			h.t.Errorf("delivery %+v", d)
		}
		name := p.Type
		if changed, ok := p.Data["changed"].([]any); ok {
			name += fmt.Sprint(changed)
		}
		names = append(names, name)
		for s := range h.secrets {
			if len(s) >= 6 && strings.Contains(d.Payload, s) {
				h.t.Errorf("a secret stands in the payload of %s", name)
			}
		}
		h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { // deliver it
			claimed, err := tx.ClaimWebhookDeliveries(h.ctx, h.id, d.Webhook, "test", h.clock.Now().Add(time.Hour), h.clock.Now().Add(2*time.Hour), 1000, true)
			for _, c := range claimed {
				c.State = auth.DeliveryDelivered
				err = errors.Join(err, tx.FinishWebhookDelivery(h.ctx, c))
			}
			return err
		}))
	}
	slices.Sort(names) // within one millisecond ids do not sort
	return names
}

func (h *harness) wantEvents(what string, want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), h.events()); diff != "" {
		h.t.Errorf("events of %s (-want +got):\n%s", what, diff)
	}
	h.clock.Advance(time.Minute)
}

// TestEventsOfUseCases: every change of an account tells what it is, once.
func TestEventsOfUseCases(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(grace)
	h.webhook(auth.WebhookChange{})
	h.wantEvents("what happened before")

	up = h.signUp(ada)
	h.wantEvents("a sign-up", "user.created", "user.signed_in")
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), up.User.ID))
	h.wantEvents("a verification", "user.email_verified", "user.updated[emailVerified]")
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.wantEvents("a sign-in", "user.signed_in")
	_, err = h.refresh(in.RefreshToken)
	h.must(err)
	h.wantEvents("a refresh")
	h.must(h.ChangePassword(h.ctx, h.as(in.IDToken), goodPW, h.secret(otherPW)))
	h.wantEvents("a password change", "user.password_changed")
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.wantEvents("the wish for a reset")
	h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), goodPW))
	h.wantEvents("a reset", "user.password_changed")
	in, err = h.signIn(ada, goodPW)
	h.must(err)
	h.wantEvents("a sign-in", "user.signed_in")
	_, err = h.UpdateUser(h.ctx, h.as(in.IDToken), up.User.ID, auth.UserPatch{Name: ptr("Ada"), Attributes: map[string]any{"plan": "the-plan-value", "gone": nil}})
	h.must(err)
	h.wantEvents("a patch", "user.updated[name attributes.plan]")
	_, err = h.UpdateUser(h.ctx, h.as(in.IDToken), up.User.ID, auth.UserPatch{Name: ptr("Ada")})
	h.must(err)
	h.wantEvents("a patch that changes nothing")
	const moved = "ada@example.net"
	h.must(h.ChangeEmail(h.ctx, h.as(in.IDToken), moved))
	h.wantEvents("an email change", "user.updated[email emailVerified]")
	h.must(h.TakeBackEmail(h.ctx, h.anyone(), h.code(auth.MailEmailChanged, ada)))
	h.wantEvents("taking it back", "user.email_verified", "user.password_changed", "user.updated[email emailVerified]")
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Disabled: ptr(true), Password: ptr(goodPW), CustomClaims: &map[string]any{"tier": "gold"}})
	h.must(err)
	h.wantEvents("an admin's patch", "user.password_changed", "user.updated[disabled customClaims]")
	h.must(h.DeleteUser(h.ctx, h.asAdmin(), up.User.ID))
	h.wantEvents("a deletion", "user.deleted")

	_, err = h.Invite(h.ctx, h.anyone(), auth.InviteParams{Email: ada})
	h.must(err)
	h.wantEvents("an invite", "user.created")
	invitee, err := h.store.GetUserByEmail(h.ctx, h.id, ada)
	h.must(err)
	h.must(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.code(auth.MailInvite, ada), User: invitee.ID, NewPassword: goodPW}))
	h.wantEvents("an accepted invite", "user.email_verified", "user.password_changed", "user.updated[emailVerified disabled]")
	in, err = h.signIn(ada, goodPW)
	h.must(err)
	h.wantEvents("a sign-in", "user.signed_in")
	h.must(h.DeleteAccount(h.ctx, h.as(in.IDToken)))
	h.wantEvents("the end of an account", "user.deleted")

	h.importUser(ada)
	h.wantEvents("an admin's account", "user.created")
	_, err = h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{Email: "one@example.com", EmailVerified: true}}, {User: auth.User{Email: ada}}}, false)
	h.must(err)
	h.wantEvents("an import", "user.created", "user.email_verified")
	_, err = h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{Email: "two@example.com"}}}, true)
	h.must(err)
	h.wantEvents("an import that is only tried")
}

// TestEventsOfProviders: accounts made, joined and taken over at a provider.
func TestEventsOfProviders(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	if _, _, err := r.admin.CreateWebhook(t.Context(), r.operator(), auth.WebhookChange{URL: of("https://app.example.com")}); err != nil {
		t.Fatal(err)
	}
	seen := map[auth.DeliveryID]bool{}
	events := func() (names []string) {
		t.Helper()
		list, err := r.store.ListWebhookDeliveries(t.Context(), rigProject, auth.DeliveryFilter{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if p := parseTold(t, d.Payload); !seen[d.ID] {
				seen[d.ID] = true
				name := p.Type
				for _, more := range []string{"changed", "provider"} {
					if p.Data[more] != nil {
						name += fmt.Sprint(" ", p.Data[more])
					}
				}
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com", EmailVerified: true, Name: "Ann"}
	in, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, "")
	if diff := cmp.Diff([]string{"user.created", "user.email_verified", "user.signed_in google.com"}, events()); diff != "" {
		t.Error(diff)
	}
	r.idp.users["ann2"] = auth.ExternalIdentity{Subject: "2", Email: "ann@example.com", EmailVerified: true}
	_, err = r.service.LinkProvider(t.Context(), r.as(in.IDToken), r.flow("ann2"))
	wantCode(t, err, "")
	if diff := cmp.Diff([]string{"user.updated [identities]"}, events()); diff != "" {
		t.Error(diff)
	}
	r.signUp("bob@example.com")
	events()
	r.idp.users["bob"] = auth.ExternalIdentity{Subject: "3", Email: "bob@example.com", EmailVerified: true}
	_, err = r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("bob"))
	wantCode(t, err, "")
	want := []string{"user.email_verified", "user.password_changed", "user.signed_in google.com", "user.updated [emailVerified]", "user.updated [identities]"}
	if diff := cmp.Diff(want, events()); diff != "" {
		t.Error(diff)
	}
}

// TestNoEventWithoutCommit: what is rolled back tells nobody, and wakes nobody.
func TestNoEventWithoutCommit(t *testing.T) {
	h := newHarness(t, documented)
	h.webhook(auth.WebhookChange{})
	heal := h.fail("CreateMail", errors.New("disk full"))
	_, err := h.trySignUp(ada, goodPW)
	h.want(err, auth.CodeInternal)
	heal()
	h.wantEvents("a change that failed")
	if n := h.woken.Load(); n != 0 {
		t.Errorf("the worker was woken %d times", n)
	}
	h.signUp(ada)
	if n := h.woken.Load(); n != 1 {
		t.Errorf("the worker was woken %d times, want 1", n)
	}
}

// TestWebhookGetsOnlyWhatItWants, while it is enabled, and only of its own project.
func TestWebhookGetsOnlyWhatItWants(t *testing.T) {
	h := newHarness(t, documented)
	w := h.webhook(auth.WebhookChange{Events: &[]string{"user.deleted", "user.deleted"}})
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Preset: auth.PresetDocumented, Settings: fast()})
	h.must(err)
	_, _, err = h.admin.CreateWebhook(h.ctx, h.anyoneOf("other").AsActor(auth.ActorAdmin), auth.WebhookChange{URL: ptr("https://other.example.com")})
	h.must(err)
	up := h.signUp(ada)
	h.must(h.DeleteUser(h.ctx, h.asAdmin(), up.User.ID))
	h.wantEvents("one event", "user.deleted")
	_, _, err = h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, auth.WebhookChange{Enabled: ptr(false)})
	h.must(err)
	up = h.signUp(ada)
	h.must(h.DeleteUser(h.ctx, h.asAdmin(), up.User.ID))
	h.wantEvents("none while it is off")
	foreign, err := h.store.ListWebhookDeliveries(h.ctx, "other", auth.DeliveryFilter{Limit: 9})
	if err != nil || len(foreign) != 0 {
		t.Errorf("another project's webhook is told %v, %v", foreign, err)
	}
}

// TestWebhookSecrets: rotation signs with both for a day; another URL drops what was, and so does nothing else.
func TestWebhookSecrets(t *testing.T) {
	h := newHarness(t, documented)
	w := h.webhook(auth.WebhookChange{})
	secrets := func() []string {
		t.Helper()
		call, err := h.DeliveryCall(h.ctx, auth.WebhookDelivery{Project: h.id, Webhook: w.ID, ID: "msg_1", Payload: "{}"})
		h.must(err)
		if call.ID != "msg_1" || string(call.Body) != "{}" {
			t.Errorf("call %+v", call)
		}
		return call.Secrets
	}
	first := secrets()
	_, second, err := h.admin.RotateWebhookSecret(h.ctx, h.asAdmin(), w.ID)
	h.must(err)
	h.secret(second)
	if got := secrets(); !slices.Equal(got, []string{second, first[0]}) {
		t.Errorf("%d secrets after the rotation", len(got))
	}
	h.clock.Advance(24 * time.Hour)
	if got := secrets(); !slices.Equal(got, []string{second}) {
		t.Errorf("%d secrets a day later", len(got))
	}
	_, _, err = h.admin.RotateWebhookSecret(h.ctx, h.asAdmin(), w.ID)
	h.must(err)
	_, third, err := h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, auth.WebhookChange{URL: ptr("https://elsewhere.example.com")})
	h.must(err)
	if got := secrets(); third == "" || !slices.Equal(got, []string{third}) {
		t.Errorf("%d secrets for another URL", len(got))
	}
	_, none, err := h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, auth.WebhookChange{Events: &[]string{"user.deleted"}})
	if h.must(err); none != "" || !slices.Equal(secrets(), []string{third}) {
		t.Error("another change made another secret")
	}
	moved := w
	moved.ID, moved.SecretSealed = "elsewhere", w.SecretSealed
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.CreateWebhook(h.ctx, moved) }))
	if _, err := h.DeliveryCall(h.ctx, auth.WebhookDelivery{Project: h.id, Webhook: "elsewhere"}); err == nil {
		t.Error("a sealed secret opens in another place")
	}
}

// TestDroppedIdentitiesAreTold: what was planted and goes with the proof of the address is news to a receiver.
func TestDroppedIdentitiesAreTold(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.webhook(auth.WebhookChange{})
	h.identity(up.User.ID, "mallory-at-google", mallory, true)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), up.User.ID))
	h.wantEvents("a verification that drops", "user.email_verified", "user.updated[emailVerified]", "user.updated[identities]")
}

func TestWebhookGone(t *testing.T) {
	h := newHarness(t, documented)
	w := h.webhook(auth.WebhookChange{})
	for range 2 {
		h.must(h.WebhookGone(h.ctx, auth.WebhookDelivery{Project: h.id, Webhook: w.ID}))
	}
	got, err := h.admin.Webhook(h.ctx, h.asAdmin(), w.ID)
	if records := h.audits(auth.EventWebhookGone); err != nil || got.Enabled || len(records) != 1 || records[0].Actor != auth.ActorSystem {
		t.Errorf("enabled %v, records %+v, %v", got.Enabled, records, err)
	}
}

// TestWebhooksAreBounded: a project has only so many.
func TestWebhooksAreBounded(t *testing.T) {
	h := newHarness(t, documented)
	for range 20 {
		h.webhook(auth.WebhookChange{})
	}
	_, _, err := h.admin.CreateWebhook(h.ctx, h.asAdmin(), auth.WebhookChange{URL: ptr("https://app.example.com")})
	h.want(err, auth.CodeInvalidArgument)
}

// TestWebhookPermissions: nobody but an admin, and for hosts nobody but an operator.
func TestWebhookPermissions(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	w := h.webhook(auth.WebhookChange{})
	calls := map[string]func(c auth.Caller) error{
		"list":   func(c auth.Caller) error { _, err := h.admin.Webhooks(h.ctx, c); return err },
		"get":    func(c auth.Caller) error { _, err := h.admin.Webhook(h.ctx, c, w.ID); return err },
		"rotate": func(c auth.Caller) error { _, _, err := h.admin.RotateWebhookSecret(h.ctx, c, w.ID); return err },
		"test":   func(c auth.Caller) error { _, err := h.admin.TestWebhook(h.ctx, c, w.ID); return err },
		"deliveries": func(c auth.Caller) error {
			_, err := h.admin.WebhookDeliveries(h.ctx, c, auth.DeliveryFilter{})
			return err
		},
		"retry":  func(c auth.Caller) error { return h.admin.RetryWebhookDelivery(h.ctx, c, "msg_1") },
		"delete": func(c auth.Caller) error { return h.admin.DeleteWebhook(h.ctx, c, w.ID) },
		"create": func(c auth.Caller) error {
			_, _, err := h.admin.CreateWebhook(h.ctx, c, auth.WebhookChange{URL: ptr("https://a.example")})
			return err
		},
		"update": func(c auth.Caller) error {
			_, _, err := h.admin.UpdateWebhook(h.ctx, c, w.ID, auth.WebhookChange{Enabled: ptr(false)})
			return err
		},
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		for _, c := range []auth.Caller{h.anyone(), h.as(up.IDToken)} {
			h.want(calls[name](c), auth.CodeAdminRequired)
		}
	}
	hosts := auth.WebhookChange{URL: ptr("http://10.0.0.1"), AllowHosts: &[]string{"10.0.0.1"}}
	_, _, err := h.admin.UpdateWebhook(h.ctx, h.asAdmin(), w.ID, hosts)
	h.want(err, auth.CodeAdminRequired)
	_, _, err = h.admin.UpdateWebhook(h.ctx, h.anyone().AsActor(auth.ActorOperator), w.ID, hosts)
	h.want(err, "")
}

// TestAllowedHostIsNotTurned: an operator's word for a host is for the scheme and port that it was given at.
func TestAllowedHostIsNotTurned(t *testing.T) {
	h := newHarness(t, documented)
	w := h.webhook(auth.WebhookChange{})
	operator := h.anyone().AsActor(auth.ActorOperator)
	move := func(c auth.Caller, to string) error {
		_, _, err := h.admin.UpdateWebhook(h.ctx, c, w.ID, auth.WebhookChange{URL: &to})
		return err
	}
	h.must(move(h.asAdmin(), "https://hook.internal/a")) // nothing is allowed yet
	_, _, err := h.admin.UpdateWebhook(h.ctx, operator, w.ID, auth.WebhookChange{AllowHosts: &[]string{"hook.internal"}})
	h.must(err)
	for to, code := range map[string]auth.Code{
		"https://hook.internal/b": "", "https://HOOK.internal:443/c": "", "http://hook.internal/a": auth.CodeAdminRequired, "https://hook.internal:6379/": auth.CodeAdminRequired,
		"http://hook.internal:443/": auth.CodeAdminRequired, "https://other.example.com/": auth.CodeAdminRequired,
	} {
		if err := move(h.asAdmin(), to); auth.CodeOf(err) != code {
			t.Errorf("%s by an admin: %v", to, err)
		}
	}
	if got, err := h.admin.Webhook(h.ctx, h.asAdmin(), w.ID); err != nil || !strings.HasPrefix(strings.ToLower(got.URL), "https://hook.internal") {
		t.Errorf("URL %s, %v", got.URL, err)
	}
	h.must(move(operator, "http://hook.internal:8080/"))
	_, _, err = h.admin.UpdateWebhook(h.ctx, operator, w.ID, auth.WebhookChange{AllowHosts: &[]string{}, URL: ptr("https://hook.example.com")})
	h.must(err)
	h.must(move(h.asAdmin(), "https://elsewhere.example.com"))
}
