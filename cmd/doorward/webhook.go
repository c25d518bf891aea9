package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

type webhookCmd struct {
	reachFlags
	projectFlag
	Add          webhookAddCmd        `cmd:"" help:"Add a webhook, or with --blocking the hook that is asked before sign-up and tokens."`
	List         webhookListCmd       `cmd:"" help:"List webhooks."`
	Show         webhookShowCmd       `cmd:"" help:"Show a webhook."`
	Set          webhookSetCmd        `cmd:"" help:"Change a webhook."`
	Delete       webhookDeleteCmd     `cmd:"" help:"Delete a webhook with all that waits for it."`
	RotateSecret webhookRotateCmd     `cmd:"" help:"Replace the secret of a webhook."`
	Test         webhookTestCmd       `cmd:"" help:"Call a webhook with a test event."`
	Deliveries   webhookDeliveriesCmd `cmd:"" help:"List what was and is to be delivered, newest first."`
	Retry        webhookRetryCmd      `cmd:"" help:"Send a dead or queued delivery now."`
}

// webhookArg names one webhook.
type webhookArg struct {
	ID string `arg:"" help:"Webhook."`
}

// webhookFlags are what can be set of a webhook.
type webhookFlags struct {
	Event     []string `help:"Event to tell: user.created, user.signed_in, user.updated, user.deleted, user.password_changed or user.email_verified; of a blocking hook before_sign_up or before_token. Those given replace all. May come more than once. Default: all." placeholder:"EVENT"`
	AllowHost []string `help:"Host that may be reached although it is private, or over plain http; those given replace all, and only an operator may. May come more than once." sep:"none" placeholder:"HOST"`
	Deadline  *string  `help:"Of a blocking hook: how long to wait for its answer, 100ms to 10s. Default: 3s." placeholder:"DURATION"`
	OnFailure *string  `help:"Of a blocking hook: deny or allow what it gives no valid answer to. Default: deny." placeholder:"deny|allow"`
}

func (f webhookFlags) change() adminapi.WebhookChange {
	change := adminapi.WebhookChange{Deadline: f.Deadline, OnFailure: f.OnFailure}
	if f.Event != nil {
		change.Events = &f.Event
	}
	if f.AllowHost != nil {
		change.AllowHosts = &f.AllowHost
	}
	return change
}

type webhookAddCmd struct {
	URL      string `arg:"" help:"URL, with https."`
	Blocking bool   `help:"Ask it before sign-up and before tokens, instead of telling it afterwards. A project has one at most."`
	webhookFlags
}

func (webhookAddCmd) Help() string {
	return `Prints the secret that requests are signed with. It is not shown again.

Examples:

    doorward webhook add https://shop.example.com/hooks/doorward --project shop
    doorward webhook add https://shop.example.com/hooks/gate --blocking --event before_sign_up --deadline 1s --project shop`
}

func (c webhookAddCmd) Run(a *app, group *webhookCmd) error {
	change := c.change()
	change.URL = &c.URL
	if c.Blocking {
		change.Kind = "blocking"
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		w, err := api.CreateWebhook(a.ctx, group.Project, change)
		if err != nil {
			return err
		}
		return a.printWebhook(w)
	})
}

func (a *app) printWebhook(w adminapi.Webhook) error {
	return a.print(w, func(out io.Writer) {
		pairs(out, "ID", w.ID, "Kind", w.Kind, "URL", w.URL, "Events", strings.Join(w.Events, " "), "Enabled", yesNo(w.Enabled), "Allowed hosts", strings.Join(w.AllowHosts, " "),
			"Deadline", w.Deadline, "On failure", w.OnFailure, "Created", timeText(w.CreatedAt), "Updated", timeText(w.UpdatedAt), "Secret", w.Secret)
		if w.Secret != "" {
			fmt.Fprintln(out, "\nThe secret is not shown again.")
		}
	})
}

type webhookListCmd struct{}

func (webhookListCmd) Help() string {
	return `Example:

    doorward webhook list --project shop`
}

func (webhookListCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListWebhooks(a.ctx, group.Project)
		if err != nil {
			return err
		}
		return printList(a, list.Webhooks, "ID KIND ENABLED URL EVENTS", func(w adminapi.Webhook) []string {
			return []string{w.ID, w.Kind, yesNo(w.Enabled), w.URL, strings.Join(w.Events, ",")}
		})
	})
}

type webhookShowCmd struct{ webhookArg }

func (webhookShowCmd) Help() string {
	return `Secrets are never shown.

Example:

    doorward webhook show ID --project shop`
}

func (c webhookShowCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		w, err := api.GetWebhook(a.ctx, group.Project, c.ID)
		if err != nil {
			return err
		}
		return a.printWebhook(w)
	})
}

type webhookSetCmd struct {
	webhookArg
	URL *string `name:"url" help:"URL, with https. Another one gets another secret, which is printed." placeholder:"URL"`
	webhookFlags
	ClearAllowHosts bool `help:"Allow no host any more."`
	Enable          bool `help:"Go on: what was queued is delivered." xor:"enabled"`
	Disable         bool `help:"Pause: what is queued waits, nothing more is queued, and a blocking hook is not asked." xor:"enabled"`
}

func (webhookSetCmd) Help() string {
	return `What is not named stays.

Examples:

    doorward webhook set ID --event user.created --event user.deleted --project shop
    doorward webhook set ID --disable --project shop`
}

func (c webhookSetCmd) Run(a *app, group *webhookCmd) error {
	change := c.change()
	change.URL = c.URL
	if c.Enable || c.Disable {
		change.Enabled = &c.Enable
	}
	if c.ClearAllowHosts {
		if change.AllowHosts != nil {
			return usageError("--clear-allow-hosts contradicts --allow-host")
		}
		change.AllowHosts = &[]string{}
	}
	if change == (adminapi.WebhookChange{}) {
		return usageError("there is nothing to change; see doorward webhook set --help")
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		w, err := api.UpdateWebhook(a.ctx, group.Project, c.ID, change)
		if err != nil {
			return err
		}
		return a.printWebhook(w)
	})
}

type webhookDeleteCmd struct {
	webhookArg
	yesFlag
}

func (webhookDeleteCmd) Help() string {
	return `Example:

    doorward webhook delete ID --project shop --yes`
}

func (c webhookDeleteCmd) Run(a *app, group *webhookCmd) error {
	if err := a.confirm(c.Yes, "Delete webhook "+c.ID+" of project "+group.Project+", with all that waits for it?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteWebhook(a.ctx, group.Project, c.ID); err != nil {
			return err
		}
		return a.printDone("deleted", c.ID)
	})
}

type webhookRotateCmd struct{ webhookArg }

func (webhookRotateCmd) Help() string {
	return `Prints the new secret, which is not shown again. For a day requests carry the signatures of both.

Example:

    doorward webhook rotate-secret ID --project shop`
}

func (c webhookRotateCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		w, err := api.RotateWebhookSecret(a.ctx, group.Project, c.ID)
		if err != nil {
			return err
		}
		return a.printWebhook(w)
	})
}

type webhookTestCmd struct{ webhookArg }

func (webhookTestCmd) Help() string {
	return `Calls it once with the event webhook.test. Where something is wrong, the exit code is 1.

Example:

    doorward webhook test ID --project shop`
}

func (c webhookTestCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		test, err := api.TestWebhook(a.ctx, group.Project, c.ID)
		if err != nil {
			return err
		}
		if test.OK || a.json {
			err = a.print(test, func(w io.Writer) { fmt.Fprintln(w, "the receiver took the event") })
		}
		if !test.OK {
			return errors.New(test.Problem)
		}
		return err
	})
}

type webhookDeliveriesCmd struct {
	pageFlags
	Webhook string `help:"Only those to this webhook." placeholder:"ID"`
	State   string `help:"Only those in this state: queued, working, delivered or dead." placeholder:"STATE"`
}

func (webhookDeliveriesCmd) Help() string {
	return `Deliveries are kept for 14 days, without their content.

Example:

    doorward webhook deliveries --state dead --project shop`
}

func (c webhookDeliveriesCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		deliveries, err := collect(a, c.pageFlags, func(after string, limit int) ([]adminapi.WebhookDelivery, string, error) {
			page, err := api.ListWebhookDeliveries(a.ctx, group.Project, adminapi.DeliveryFilter{Webhook: c.Webhook, State: c.State, Before: after, Limit: limit})
			return page.Deliveries, page.Next, err
		})
		if err != nil {
			return err
		}
		return printList(a, deliveries, "ID WEBHOOK EVENT UID STATE ATTEMPTS CREATED STATUS ERROR", func(d adminapi.WebhookDelivery) []string {
			status := ""
			if d.LastStatus != 0 {
				status = fmt.Sprint(d.LastStatus)
			}
			return []string{d.ID, d.Webhook, d.Event, d.UID, d.State, fmt.Sprint(d.Attempts), timeText(d.CreatedAt), status, d.LastError}
		})
	})
}

type webhookRetryCmd struct {
	ID string `arg:"" help:"Delivery."`
}

func (webhookRetryCmd) Help() string {
	return `Example:

    doorward webhook retry ID --project shop`
}

func (c webhookRetryCmd) Run(a *app, group *webhookCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.RetryWebhookDelivery(a.ctx, group.Project, c.ID); err != nil {
			return err
		}
		return a.printDone("queued", c.ID)
	})
}
