package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// hookQuestion is what a project's blocking hook is asked. It is comparable: an approval holds for exactly what was asked.
type hookQuestion struct {
	point         WebhookEvent
	event         Event // of the audit record of a refusal
	user          UserID
	email         Email
	emailVerified bool
	provider      string
	anybody       bool // can bring it about, by signing up
}

// openQuestion ends a run of a transaction: the hook must be asked first. watchedStore handles it.
type openQuestion struct {
	caller   Caller
	question hookQuestion
	key      hookQuestion // of the approval
}

func (*openQuestion) Error() string { return "the blocking hook was not asked" }

func signUpQuestion(email Email, verified bool, provider string) hookQuestion {
	return hookQuestion{point: HookBeforeSignUp, event: EventSignUp, email: email, emailVerified: verified, provider: provider, anybody: true}
}

func tokenQuestion(event Event, u User, provider string) hookQuestion {
	return hookQuestion{point: HookBeforeToken, event: event, user: u.ID, email: u.Email, emailVerified: u.EmailVerified, provider: provider}
}

// approve lets a transaction go on where the project's blocking hook agreed, or there is none at this point. Otherwise it gives the error that the callback must
// end with; the hook is then asked, and the callback runs again.
func (s *Service) approve(ctx context.Context, tx Tx, c Caller, q hookQuestion) error {
	t, ok := tx.(*watchedTx)
	if !ok {
		return errNotWatched
	}
	hooks, err := t.webhooksOf(ctx, c.Project.ID)
	if err != nil {
		return err
	}
	if _, found := blockingHook(hooks, q.point); !found {
		return nil
	}
	key := q
	if t.created[q.user] { // each run may give the new account another uid
		q.anybody, key.anybody, key.user = true, true, ""
	}
	if t.approved[key] {
		return nil
	}
	return &openQuestion{c, q, key}
}

// approveNewcomer asks about the first token of an account that tx made, though a second factor is due before: where it is refused there shall be no account.
func (s *Service) approveNewcomer(ctx context.Context, tx Tx, c Caller, q hookQuestion) error {
	if t, ok := tx.(*watchedTx); ok && !t.created[q.user] {
		return nil
	}
	return s.approve(ctx, tx, c, q)
}

func blockingHook(hooks []Webhook, point WebhookEvent) (Webhook, bool) {
	for _, w := range hooks {
		if w.Kind == WebhookBlocking && w.wants(point) {
			return w, true
		}
	}
	return Webhook{}, false
}

// ask asks the project's blocking hook, where it has one at this point, and waits no longer than its deadline. It must not run in a transaction. It fails with
// CodeBlockedByHook, and where the hook gives no valid answer with CodeUnavailable, unless the hook's onFailure allows. It tells whether anybody was asked: then
// time has passed.
func (s *Service) ask(ctx context.Context, c Caller, q hookQuestion) (asked bool, err error) {
	hooks, err := s.store.ListWebhooks(ctx, c.Project.ID)
	if err != nil {
		return false, fmt.Errorf("webhooks: %w", err)
	}
	w, found := blockingHook(hooks, q.point)
	if !found {
		return false, nil
	}
	call, err := s.hookCall(w, c, q)
	if err != nil {
		return true, err
	}
	waiting, cancel := context.WithTimeout(ctx, w.Deadline)
	defer cancel()
	verdict, err := s.webhooks.Ask(waiting, call)
	switch {
	case err != nil:
		return true, s.hookFailed(ctx, c, w, q, err)
	case !verdict.Allow:
		return true, s.deny(ctx, c, q.event, q.user, newError(CodeBlockedByHook, cmp.Or(verdict.Reason, "The request was refused")))
	}
	return true, nil
}

func (s *Service) hookCall(w Webhook, c Caller, q hookQuestion) (WebhookCall, error) {
	data := map[string]any{
		"project": string(w.Project), "email": string(q.email), "emailVerified": q.emailVerified, "provider": q.provider, "userAgent": plainText(c.UserAgent, 256),
	}
	if c.Addr.IsValid() {
		data["address"] = c.Addr.String()
	}
	if q.user != "" {
		data["uid"] = string(q.user)
	}
	call, err := s.webhookCall(w, q.point, data)
	if call.Anybody = q.anybody; q.anybody && c.Addr.IsValid() {
		call.Source = source(c.Addr)
	}
	return call, err
}

// hookFailed decides as the hook's owner chose for this case, and writes that down.
func (s *Service) hookFailed(ctx context.Context, c Caller, w Webhook, q hookQuestion, cause error) error {
	s.log.Warn("blocking hook failed", slog.String("project", string(w.Project)), slog.String("point", string(q.point)), slog.String("onFailure", string(w.OnFailure)), slog.Any("error", cause))
	if w.OnFailure != HookFailureAllow {
		refusal := &Error{Code: CodeUnavailable, Message: "the project's blocking hook gives no answer", RetryAfter: hookRetryAfter, cause: cause}
		return s.deny(ctx, c, q.event, q.user, refusal)
	}
	return s.store.Update(ctx, func(tx Tx) error {
		return s.audit(ctx, tx, c, EventHookFailed, OutcomeAllowed, q.user, "point", string(q.point), "webhook", string(w.ID))
	})
}

const hookRetryAfter = 5 * time.Second
