package auth

import (
	"context"
	"fmt"
	"time"
)

// The audited events.
const (
	EventSignUp            Event = "user.sign_up"
	EventSignIn            Event = "user.sign_in"
	EventRefresh           Event = "session.refresh"
	EventSessionRevoked    Event = "session.revoke"
	EventTokenReuse        Event = "session.token_reuse"
	EventInvite            Event = "user.invite"
	EventInviteAccepted    Event = "user.invite_accept"
	EventResetRequested    Event = "password.reset_request"
	EventPasswordReset     Event = "password.reset"
	EventPasswordChanged   Event = "password.change"
	EventVerifyRequested   Event = "email.verify_request"
	EventEmailVerified     Event = "email.verify"
	EventEmailChangeAsked  Event = "email.change_request"
	EventEmailChanged      Event = "email.change"
	EventEmailTakenBack    Event = "email.take_back"
	EventTakenBack         Event = "credentials.take_back"
	EventUserRead          Event = "user.read"
	EventUserCreated       Event = "user.create"
	EventUserUpdated       Event = "user.update"
	EventUserDisabled      Event = "user.disable"
	EventUserEnabled       Event = "user.enable"
	EventUserDeleted       Event = "user.delete"
	EventUsersImported     Event = "user.import"
	EventUsersExported     Event = "user.export"
	EventImportReceived    Event = "user.import_receive"
	EventImportStarted     Event = "user.import_start"
	EventImportStopped     Event = "user.import_stop"
	EventRoleCreated       Event = "role.create"
	EventRoleDeleted       Event = "role.delete"
	EventProjectCreated    Event = "project.create"
	EventProjectDeleted    Event = "project.delete"
	EventProjectExported   Event = "project.export"
	EventProjectImported   Event = "project.import"
	EventSettingsChanged   Event = "project.settings"
	EventAdminTokenRotated Event = "project.admin_token"
	EventAdminDenied       Event = "admin.access"
	EventProviderChanged   Event = "provider.change"
	EventProviderDeleted   Event = "provider.delete"
	EventProviderTrialAsk  Event = "provider.trial_begin"
	EventProviderTried     Event = "provider.trial"
	EventIdentityLinked    Event = "identity.link"
	EventIdentityUnlinked  Event = "identity.unlink"
	EventKeyRotated        Event = "key.rotate"
	EventKeyWithdrawn      Event = "key.withdraw"
	EventMasterKeyStaged   Event = "master_key.stage"
	EventMasterKeyRotated  Event = "master_key.rotate"
	EventMailRead          Event = "mail.read"
	EventMailRequeued      Event = "mail.requeue"
	EventMailDeleted       Event = "mail.delete"
	EventMailChecked       Event = "mail.check" // refused ones
	EventMailTested        Event = "mail.test"
	EventTemplateChanged   Event = "mail.template"
	EventOperatorCreated   Event = "operator.create"
	EventOperatorDeleted   Event = "operator.delete"
	EventOperatorSetUp     Event = "operator.set_up"
	EventSetupLink         Event = "operator.setup_link"
	EventDecisionRead      Event = "decision.read"
	EventWebhookChanged    Event = "webhook.change"
	EventWebhookSecret     Event = "webhook.secret"
	EventWebhookDeleted    Event = "webhook.delete"
	EventWebhookTested     Event = "webhook.test"
	EventWebhookGone       Event = "webhook.gone"
	EventWebhookRequeued   Event = "webhook.requeue"
	EventWebhookOverflow   Event = "webhook.overflow" // events are lost because too many wait; once an hour
	EventHookFailed        Event = "webhook.failure"  // of a blocking hook whose failure allows

	EventSignInCodeGranted   Event = "sign_in_code.grant" // to an app
	EventSignInCodeExchanged Event = "sign_in_code.exchange"
	EventSignInCodeReused    Event = "sign_in_code.reuse" // ended the session that it made

	EventSecondFactorAsked    Event = "second_factor.ask" // a sign-in waits for it
	EventSecondFactorEnrolled Event = "second_factor.enroll"
	EventSecondFactorRemoved  Event = "second_factor.remove"
	EventRecoveryCodesRenewed Event = "second_factor.recovery_codes"
	EventSecondFactorsReset   Event = "second_factor.reset" // by an admin
)

// audit writes one record in the caller's transaction (P45). detail alternates keys and values; no value may be secret or unchecked text.
func (s *Service) audit(ctx context.Context, tx Tx, c Caller, event Event, outcome Outcome, user UserID, detail ...string) error {
	now := s.now()
	id, err := s.newTimeID(now)
	if err != nil {
		return err
	}
	r := AuditRecord{
		ID: AuditID(id), At: now, Event: event, Outcome: outcome, Actor: c.Actor(), ActorID: c.actorID(), User: user, Addr: c.Addr, RequestID: c.RequestID,
	}
	r.Project = c.projectID()
	if len(detail) > 0 {
		r.Detail = make(map[string]string, len(detail)/2)
		for i := 0; i+1 < len(detail); i += 2 {
			r.Detail[detail[i]] = detail[i+1]
		}
	}
	if err := tx.CreateAudit(ctx, r); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return s.recordDecision(ctx, tx, c, r)
}

// deny records a refusal in a transaction of its own and gives the refusal back. Where the record cannot be written, that is the error: nothing is
// decided unrecorded (P45, P46).
func (s *Service) deny(ctx context.Context, c Caller, event Event, user UserID, refusal *Error) error {
	trailOf(ctx).settle()
	err := s.store.Update(ctx, func(tx Tx) error {
		if enough, err := s.enoughDenials(ctx, tx, c); err != nil || enough {
			return err
		}
		return s.audit(ctx, tx, c, event, OutcomeDenied, recordable(user), "code", string(refusal.Code))
	})
	if err != nil {
		return err
	}
	return refusal
}

// enoughDenials tells whether an anonymous source, or a user, has filled its share of the log: beyond a burst, one refusal a second is recorded, so that nobody can fill the
// disk with them (P54).
func (s *Service) enoughDenials(ctx context.Context, tx Tx, c Caller) (bool, error) {
	who := source(c.Addr)
	switch c.Actor() {
	case ActorAnonymous:
	case ActorUser:
		who = c.actorID()
	default:
		return false, nil
	}
	wait, err := tx.TakeLimit(ctx, c.projectID(), "denials/"+who, s.now(), time.Second, denialBurst)
	return wait > 0, err
}

const denialBurst = 1000

// recordable is the uid that a record names; text from outside that can be nobody's is left out.
func recordable(id UserID) UserID {
	if len(id) > maxUserID || !isStorable(string(id)) {
		return ""
	}
	return id
}

// takeLimit counts one use of the key, in tx, and gives CodeTooManyAttempts where the budget is spent.
func takeLimit(ctx context.Context, tx Limits, p ProjectID, key string, now time.Time, interval time.Duration, burst int) error {
	wait, err := tx.TakeLimit(ctx, p, key, now, interval, burst)
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	noteLimit(ctx, key, interval, burst, wait)
	if wait > 0 {
		return &Error{Code: CodeTooManyAttempts, Message: "too many attempts; try again later", RetryAfter: wait}
	}
	return nil
}
