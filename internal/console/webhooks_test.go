package console

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// scriptedHooks answer every call with a status, or fail where there is none.
type scriptedHooks struct{ status int }

func (s *scriptedHooks) Send(context.Context, auth.WebhookCall) (auth.WebhookAnswer, error) {
	if s.status == 0 {
		return auth.WebhookAnswer{}, errors.New("nobody answers")
	}
	return auth.WebhookAnswer{Status: s.status}, nil
}

func (s *scriptedHooks) Ask(context.Context, auth.WebhookCall) (auth.HookVerdict, error) {
	return auth.HookVerdict{Allow: true}, nil
}

var whsec = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)

func TestConsoleWebhooks(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const list = "/console/projects/acme/webhooks"
	r.get(list).wantPage(200, "There are no webhooks")
	r.get(list+"/new").wantPage(200, "user.created", "an account was made")
	a := r.post(list+"/new", "create", "url", "http://app.example.com/hook", "events", "user.created").wantPage(422, "not https")
	if strings.Count(a.Body.String(), " checked") != 1 || !strings.Contains(a.Body.String(), "http://app.example.com/hook") {
		t.Error("what was typed is lost")
	}
	r.post(list+"/new", "create", "url", "https://app.example.com/hook").wantPage(422, "At least one event")
	a = r.post(list+"/new", "create", "url", "https://app.example.com/hook", "events", "user.created", "events", "user.deleted").wantPage(200, "This is shown once")
	first := whsec.FindString(a.text())
	all, err := r.admin.Webhooks(t.Context(), acme)
	r.must(err)
	if first == "" || len(all) != 1 || strings.Join(all[0].Events, " ") != "user.created user.deleted" {
		t.Fatalf("secret %d characters, %+v", len(first), all)
	}
	page := list + "/" + string(all[0].ID)
	a = r.get(page).wantPage(200, "There are no deliveries.")
	if whsec.MatchString(a.Body.String()) {
		t.Error("the secret is shown again")
	}
	r.hooks.status = 204
	r.post(page, "test").wantPage(200, "The test went through", "status 204")
	r.hooks.status = 0
	r.post(page, "test").wantPage(200, "The test failed", "nobody answers")
	r.post(page, "rotate").wantPage(200, "This is shown once")
	r.get(page).wantPage(200, "The one before signs until")
	r.postNow(page, "save", "url", "https://app.example.com/hook", "events", "user.created").wantBack(page + "?notice=saved")
	r.get(list).wantPage(200, "Off")
	r.postNow(page, "save", "url", "https://other.example.com/hook", "events", "user.created", "enabled", "yes").wantPage(200, "This is shown once")

	_, err = r.admin.SignUp(t.Context(), auth.Caller{Project: acme.Project}, auth.SignUpParams{Email: "ann@example.com", Password: "copper lantern 97"})
	r.must(err)
	deliveries, err := r.admin.WebhookDeliveries(t.Context(), acme, auth.DeliveryFilter{Limit: 10})
	r.must(err)
	r.get(page).wantPage(200, "user.created Queued", string(deliveries[0].ID))
	r.get(page+"?state=dead").wantPage(200, "There are no deliveries in this state.")
	r.post(page, "retry", "delivery", string(deliveries[0].ID)).wantBack(page + "?notice=queued")
	r.post(page, "retry", "delivery", "msg_none").wantPage(404)
	r.post(page, "delete").wantBack(list + "?notice=deleted")
	r.get(page).wantPage(404)
}

func TestConsoleBlockingHook(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const list = "/console/projects/acme/webhooks"
	make := list + "/new?kind=blocking"
	send := func(fields ...string) *answer { // the form's token is that of the path
		t.Helper()
		return r.postTo(make, list+"/new", "create", fields...)
	}
	r.get(make).wantPage(200, "Add the blocking hook", "before_token", "Deadline")
	send("url", "https://app.example.com/gate", "events", "before_sign_up", "deadline", "soon", "onFailure", "deny").wantPage(422, "The deadline is a duration")
	send("url", "https://app.example.com/gate", "events", "before_sign_up", "deadline", "1m", "onFailure", "deny").wantPage(422, "The deadline is 100ms")
	send("url", "https://app.example.com/gate", "events", "before_sign_up", "deadline", "900ms", "onFailure", "allow").wantPage(200, "This is shown once")
	all, err := r.admin.Webhooks(t.Context(), acme)
	r.must(err)
	if w := all[0]; w.Kind != auth.WebhookBlocking || w.Deadline != 900*time.Millisecond || w.OnFailure != auth.HookFailureAllow {
		t.Errorf("%+v", w)
	}
	send("url", "https://app.example.com/gate", "events", "before_sign_up", "deadline", "1s", "onFailure", "deny").wantPage(409, "has a blocking hook already")
	page := list + "/" + string(all[0].ID)
	r.get(page).wantPage(200, "Blocking hook")
	r.post(page, "test").wantPage(200, "The test went through")
	if a := r.get(list).wantPage(200, "Blocking On"); strings.Contains(a.text(), "Add the blocking hook") {
		t.Error("a second one is offered")
	}
}
