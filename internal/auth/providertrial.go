package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// trialPrefix stands before the provider's id in the record of a trial's flow. No provider has such an id, so no sign-in finishes a trial, and no trial a sign-in.
const trialPrefix = "trial:"

// How many trials may be begun in a project.
const (
	trialBurst    = 20
	trialInterval = 10 * time.Second
)

// errImplicitTrial refuses what a server never sees the end of.
var errImplicitTrial = invalidArgument("implicit", "the provider answers in the URL's fragment, which only the app itself sees; turn that off to try it here")

// TrialAnswer is what a browser comes back with from the provider that is tried (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).
type TrialAnswer struct {
	State            string
	Code             string
	Issuer           string
	Error            string
	ErrorDescription string
}

// ProviderTrial is what came of signing in at a provider to see what comes of it.
type ProviderTrial struct {
	ProviderID string
	Identity   ExternalIdentity // as the provider told it
	Email      Email            // that counts here; "" where none does
	Verified   bool             // it counts as verified
	Decision   string           // what a sign-in would have done: sign_in, create, link, takeover, confirm, refuse or unproven, as decideJoin has them
	User       User             // whose account would have been met; zero where nobody's
	MustVerify bool             // a new user would have to prove the address by mail first
	Answers    []ProviderAnswer // what the provider said, without its secrets
}

// TrialCallback is where providers send browsers back to from a trial, a page of the console. It has to be registered at them (P12).
func (s *Service) TrialCallback(p ProjectID) string {
	return s.publicURL + "/console/projects/" + string(p) + "/provider-callback"
}

// BeginProviderTrial begins a sign-in at a provider, enabled or not, that ends in the console, and gives where the browser goes. browser is what only this operator's
// browser holds: the trial ends there alone (P14). Only for operators. It fails with CodeNotFound, CodeInvalidArgument, CodeTooManyAttempts,
// CodeInvalidProviderResponse and CodeUnavailable.
func (a *Admin) BeginProviderTrial(ctx context.Context, c Caller, id, browser string) (string, error) {
	if err := c.requireOperator(); err != nil {
		return "", err
	}
	provider, err := a.Provider(ctx, c, id)
	if err != nil {
		return "", err
	}
	if provider.Implicit {
		return "", errImplicitTrial
	}
	ctx = withTrail(ctx, c)
	var secrets [3]string // state, nonce, verifier
	for i := range secrets {
		if secrets[i], err = token.NewOpaque("", 32, a.rand); err != nil {
			return "", err
		}
	}
	state, nonce, verifier := secrets[0], secrets[1], secrets[2]
	callback := a.TrialCallback(c.Project.ID)
	flow, err := a.newFlow(c.Project, trialPrefix+provider.ID, callback, [4]string{trialSession(browser, state), state, nonce, verifier})
	if err != nil {
		return "", err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := takeLimit(ctx, tx, c.Project.ID, "provider-trial", a.now(), trialInterval, trialBurst); err != nil {
			return err
		}
		if err := tx.CreateSignInFlow(ctx, flow); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventProviderTrialAsk, OutcomeAllowed, "", "provider", provider.ID)
	})
	if err != nil {
		return "", a.limited(ctx, c, EventProviderTrialAsk, err)
	}
	target, err := a.providers.AuthorizationURL(ctx, provider, AuthorizationParams{RedirectURI: callback, State: state, Nonce: nonce, CodeVerifier: verifier})
	noteProvider(ctx, provider.ID, providerAuthorize, err)
	if err != nil {
		return "", a.providerDenied(ctx, c, EventProviderTried, plainly(err))
	}
	return target, nil
}

// trialSession is the session id of a trial's flow: both halves are needed to find it, and no app has ever seen it.
func trialSession(browser, state string) string {
	return "provider trial\x00" + browser + "\x00" + state
}

// FinishProviderTrial asks the provider who signed in, and tells what a sign-in would have made of it. It makes no account, no session and no identity. Where the provider
// was asked in vain, the answers are there beside the error. It fails with CodeNotFound, CodeMissingFlowPart, CodeInvalidProviderResponse and CodeUnavailable.
func (a *Admin) FinishProviderTrial(ctx context.Context, c Caller, browser string, answer TrialAnswer) (ProviderTrial, error) {
	if err := c.requireOperator(); err != nil {
		return ProviderTrial{}, err
	}
	ctx = withTrail(ctx, c)
	trial, err := a.finishTrial(ctx, c, browser, answer)
	if err != nil {
		return trial, a.providerDenied(ctx, c, EventProviderTried, plainly(err))
	}
	return trial, a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventProviderTried, OutcomeAllowed, trial.User.ID, "provider", trial.ProviderID, "decision", trial.Decision)
	})
}

func (a *Admin) finishTrial(ctx context.Context, c Caller, browser string, answer TrialAnswer) (trial ProviderTrial, err error) {
	if answer.State == "" || (answer.Code == "" && answer.Error == "") {
		return trial, newError(CodeMissingFlowPart, "a part of the provider's answer is missing")
	}
	flow, provider, err := a.useTrialFlow(ctx, c, browser, answer)
	if err != nil {
		return trial, err
	}
	trial.ProviderID = provider.ID
	if answer.Error != "" {
		return trial, newError(CodeInvalidProviderResponse, "the provider answers with the error "+plainText(strings.TrimSpace(answer.Error+" "+answer.ErrorDescription), 500))
	}
	trial.Identity, err = a.askProvider(ctx, provider, flow, ProviderSignInParams{Code: answer.Code}, func(answers func() []ProviderAnswer) {
		trial.Answers = answers()
		trailOf(ctx).hear(func() []ProviderAnswer { return trial.Answers })
	})
	if err != nil {
		return trial, err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		j, err := a.judge(ctx, tx, c, provider.ID, trial.Identity)
		if err != nil {
			return err
		}
		trial.User, trial.Decision = j.user, string(j.decision)
		if trial.Email, err = ParseEmail(j.external.Email); err != nil {
			trial.Email = ""
		}
		trial.Verified = j.external.EmailVerified && !trial.Email.IsZero()
		trial.MustVerify = j.decision == joinCreate && c.Project.Settings.VerifyEmailEnforced && !trial.Verified
		return errOnlyTried
	})
	if !errors.Is(err, errOnlyTried) {
		return trial, fmt.Errorf("trial of a provider: %w", err)
	}
	return trial, nil
}

// errOnlyTried has a transaction leave nothing behind.
var errOnlyTried = errors.New("only tried")

// useTrialFlow finds the trial that this browser began with the state, compares all parts, and uses it up.
func (a *Admin) useTrialFlow(ctx context.Context, c Caller, browser string, answer TrialAnswer) (SignInFlow, IdentityProvider, error) {
	session := trialSession(browser, answer.State)
	flow, err := a.store.GetSignInFlow(ctx, c.Project.ID, token.Hash(session))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return SignInFlow{}, IdentityProvider{}, fmt.Errorf("flow: %w", err)
	}
	id, isTrial := strings.CutPrefix(flow.ProviderID, trialPrefix)
	if !isTrial {
		return SignInFlow{}, IdentityProvider{}, errFlowUnknown
	}
	provider, err := a.Provider(ctx, c, id) // as it is now (P16)
	if err != nil {
		return SignInFlow{}, IdentityProvider{}, err
	}
	flow, err = a.useFlow(ctx, c, provider, ProviderSignInParams{
		SessionID: session, ProviderID: flow.ProviderID, RedirectURI: a.TrialCallback(c.Project.ID), State: answer.State, Issuer: answer.Issuer,
	})
	return flow, provider, err
}

// plainly gives a provider's failure in the words of the log, which operators can do something about; they quote nobody.
func plainly(err error) error {
	if e := AsError(err); e.cause != nil && (e.Code == CodeInvalidProviderResponse || e.Code == CodeUnavailable) {
		return &Error{Code: e.Code, Message: e.cause.Error(), RetryAfter: e.RetryAfter, cause: e.cause}
	}
	return err
}
