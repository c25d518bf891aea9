package console

import (
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

func webhooksPages() []page {
	rules := ui.FormRules{Repeated: []string{"events"}}
	return []page{
		{
			path: "/projects/{project}/webhooks", room: roomWebhooks, entry: true, show: (*visit).webhooks,
			notices: map[string]string{"deleted": "The webhook was deleted, with all that waited for it."},
		},
		{
			path: "/projects/{project}/webhooks/new", room: roomWebhooks, show: (*visit).newWebhook, rules: rules, scripts: []string{"copy.js"},
			forms: map[string]func(*visit) error{"create": (*visit).createWebhook},
		},
		{
			path: "/projects/{project}/webhooks/{webhook}", room: roomWebhooks, show: func(v *visit) error { return v.webhook(nil) }, rules: rules, scripts: []string{"copy.js"},
			forms: map[string]func(*visit) error{
				"save": (*visit).saveWebhook, "rotate": (*visit).rotateWebhook, "test": (*visit).testWebhook, "retry": (*visit).retryDelivery, "delete": (*visit).deleteWebhook,
			},
			notices: map[string]string{"saved": "The webhook was saved.", "queued": "The event is sent again at once."},
		},
	}
}

// eventMeanings says when each event is told, or each question asked.
var eventMeanings = map[auth.WebhookEvent]string{
	auth.WebhookUserCreated: "an account was made", auth.WebhookUserSignedIn: "a session began", auth.WebhookUserUpdated: "something of an account changed",
	auth.WebhookUserDeleted: "an account was deleted", auth.WebhookPasswordChanged: "a password was set, changed or removed", auth.WebhookEmailVerified: "an address was proven",
	auth.HookBeforeSignUp: "asked before an end user's account is made", auth.HookBeforeToken: "asked before each session and each refresh",
}

type webhookList struct {
	Webhooks    []auth.Webhook
	HasBlocking bool
}

func (v *visit) webhooks() error {
	all, err := v.Admin.Webhooks(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	blocking := slices.ContainsFunc(all, func(w auth.Webhook) bool { return w.Kind == auth.WebhookBlocking })
	return v.render("webhooks", "Webhooks", webhookList{all, blocking})
}

// webhookForm is what the form of a webhook shows.
type webhookForm struct {
	Webhook  auth.Webhook
	Blocking bool
	Events   []webhookEvent
	Hosts    string
	Deadline string
	Was      string // its version
}

type webhookEvent struct {
	Name, Meaning string
	Chosen        bool
}

func (v *visit) webhookForm(w auth.Webhook) webhookForm {
	form := webhookForm{Webhook: w, Blocking: w.Kind == auth.WebhookBlocking, Hosts: strings.Join(w.AllowHosts, "\n"), Deadline: w.Deadline.String(), Was: versionOf(w.UpdatedAt)}
	chosen := w.Events
	if v.problem != nil && v.fields.Has("url") {
		chosen = v.fields["events"]
	}
	for _, e := range auth.WebhookEventsOf(w.Kind) {
		form.Events = append(form.Events, webhookEvent{string(e), eventMeanings[e], slices.Contains(chosen, string(e))})
	}
	return form
}

// newKind is which kind of webhook the page makes.
func (v *visit) newKind() auth.WebhookKind {
	if auth.WebhookKind(v.query("kind")) == auth.WebhookBlocking {
		return auth.WebhookBlocking
	}
	return auth.WebhookEvents
}

func (v *visit) newWebhook() error {
	kind := v.newKind()
	w := auth.Webhook{Kind: kind, Deadline: 3 * time.Second, OnFailure: auth.HookFailureDeny}
	for _, e := range auth.WebhookEventsOf(kind) {
		w.Events = append(w.Events, string(e))
	}
	title := "Add a webhook"
	if kind == auth.WebhookBlocking {
		title = "Add the blocking hook"
	}
	return v.render("webhook_new", title, v.webhookForm(w))
}

// webhookChange reads the form.
func (v *visit) webhookChange(kind auth.WebhookKind) (auth.WebhookChange, error) {
	address, events, hosts := v.field("url"), v.fields["events"], strings.Fields(v.field("allowHosts"))
	if events == nil {
		events = []string{}
	}
	change := auth.WebhookChange{Kind: kind, URL: &address, Events: &events, AllowHosts: &hosts}
	if kind != auth.WebhookBlocking {
		return change, nil
	}
	deadline, err := time.ParseDuration(v.field("deadline"))
	if err != nil {
		return change, &auth.Error{Code: auth.CodeInvalidArgument, Field: "deadline", Message: "the deadline is a duration as 3s or 500ms"}
	}
	onFailure := auth.HookFailure(v.field("onFailure"))
	change.Deadline, change.OnFailure = &deadline, &onFailure
	return change, nil
}

func (v *visit) createWebhook() error {
	change, err := v.webhookChange(v.newKind())
	if err != nil {
		return err
	}
	w, secret, err := v.Admin.CreateWebhook(v.r.Context(), v.caller, change)
	if err != nil {
		return err
	}
	return v.webhookSecret(w, secret, "The webhook is there.")
}

// webhookSecret shows a secret that was just made.
func (v *visit) webhookSecret(w auth.Webhook, secret, done string) error {
	return v.render("secret", "Webhook", shownSecret{
		Done: done, Label: "Secret", Secret: secret, Hint: "Your server verifies with it that a request is from here, by any library of the Standard Webhooks specification. Nobody can read it again, only make a new one.",
		Next: v.projectPath("webhooks", string(w.ID)), Onward: "Go to the webhook",
	})
}

// webhookPage is what the page of one webhook shows.
type webhookPage struct {
	webhookForm
	Trial      *auth.WebhookTrial
	Deliveries []auth.WebhookDelivery
	Choices    []filterChoice
	State      string
	Next       auth.DeliveryID
	First      bool
}

var deliveryStates = []auth.DeliveryState{auth.DeliveryQueued, auth.DeliveryWorking, auth.DeliveryDelivered, auth.DeliveryDead}

func (v *visit) webhook(trial *auth.WebhookTrial) error {
	w, err := v.Admin.Webhook(v.r.Context(), v.caller, v.webhookID())
	if err != nil {
		return err
	}
	shown := webhookPage{webhookForm: v.webhookForm(w), Trial: trial}
	state := auth.DeliveryState(v.query("state"))
	if !slices.Contains(deliveryStates, state) {
		state = ""
	}
	before := auth.DeliveryID(v.query("before"))
	shown.State, shown.First, shown.Choices = string(state), before == "", choices(string(state), texts(deliveryStates)...)
	filter := auth.DeliveryFilter{Webhook: w.ID, State: state, Before: before, Limit: onPage + 1}
	if shown.Deliveries, err = v.Admin.WebhookDeliveries(v.r.Context(), v.caller, filter); err != nil {
		return err
	}
	if len(shown.Deliveries) > onPage {
		shown.Deliveries, shown.Next = shown.Deliveries[:onPage], shown.Deliveries[onPage-1].ID
	}
	title := "Webhook"
	if shown.Blocking {
		title = "Blocking hook"
	}
	return v.render("webhook", title, shown)
}

func (v *visit) webhookID() auth.WebhookID { return auth.WebhookID(v.r.PathValue("webhook")) }

func (v *visit) saveWebhook() error {
	w, err := v.Admin.Webhook(v.r.Context(), v.caller, v.webhookID())
	if err != nil {
		return err
	}
	if err := v.wantStill("webhook", versionOf(w.UpdatedAt), "this webhook"); err != nil {
		return err
	}
	change, err := v.webhookChange(w.Kind)
	if err != nil {
		return err
	}
	enabled := v.fields.Has("enabled")
	change.Enabled = &enabled
	w, secret, err := v.Admin.UpdateWebhook(v.r.Context(), v.caller, w.ID, change)
	if err != nil {
		return err
	}
	if secret != "" {
		return v.webhookSecret(w, secret, "The webhook was saved. At its new URL it has a new secret.")
	}
	return v.back(v.webhookPath(), "saved")
}

func (v *visit) webhookPath() string { return v.projectPath("webhooks", string(v.webhookID())) }

func (v *visit) rotateWebhook() error {
	w, secret, err := v.Admin.RotateWebhookSecret(v.r.Context(), v.caller, v.webhookID())
	if err != nil {
		return err
	}
	return v.webhookSecret(w, secret, "The webhook has a new secret. For a day the one before signs, too.")
}

// testWebhook calls the webhook, and shows what it answered.
func (v *visit) testWebhook() error {
	trial, err := v.Admin.TestWebhook(v.r.Context(), v.caller, v.webhookID())
	if err != nil {
		return err
	}
	return v.webhook(&trial)
}

func (v *visit) retryDelivery() error {
	if err := v.Admin.RetryWebhookDelivery(v.r.Context(), v.caller, auth.DeliveryID(v.field("delivery"))); err != nil {
		return err
	}
	return v.back(v.webhookPath(), "queued")
}

func (v *visit) deleteWebhook() error {
	if err := v.Admin.DeleteWebhook(v.r.Context(), v.caller, v.webhookID()); err != nil {
		return err
	}
	return v.back(v.projectPath("webhooks"), "deleted")
}
