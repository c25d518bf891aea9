package auth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/token"
)

// trail collects how a decision comes about, for the record that a refusal leaves. It travels in the context, because what decides is spread over functions that take
// one already and often no Caller. Without a trail, notes are dropped.
type trail struct {
	from string // the caller's source, to tell it from other parts of a limit's key

	mu    sync.Mutex // a store may run a transaction in another goroutine
	steps []Step
	user  UserID // whom it turned out to be about
	heard func() []ProviderAnswer
}

type trailKey struct{}

// withTrail begins a trail, unless a use case around this one has begun it.
func withTrail(ctx context.Context, c Caller) context.Context {
	if trailOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, trailKey{}, &trail{from: source(c.Addr)})
}

func trailOf(ctx context.Context) *trail {
	t, _ := ctx.Value(trailKey{}).(*trail)
	return t
}

// note adds a step. facts alternate names and values; no value may be secret, nor text from outside that was not made safe. A step that a repeated transaction notes
// again, known by its name and first fact, replaces the former.
func note(ctx context.Context, name StepName, outcome StepOutcome, facts ...string) {
	t := trailOf(ctx)
	if t == nil {
		return
	}
	step := newStep(name, outcome, facts...)
	t.mu.Lock()
	defer t.mu.Unlock()
	again := func(s Step) bool { return s.Name == name && len(facts) > 1 && s.Facts[facts[0]] == facts[1] }
	if i := slices.IndexFunc(t.steps, again); i >= 0 {
		t.steps[i] = step
		return
	}
	if len(t.steps) < maxSteps {
		t.steps = append(t.steps, step)
	}
}

const maxSteps = 32

func newStep(name StepName, outcome StepOutcome, facts ...string) Step {
	step := Step{Name: name, Outcome: outcome, Facts: make(map[string]string, len(facts)/2)}
	for i := 0; i+1 < len(facts); i += 2 {
		step.Facts[facts[i]] = facts[i+1]
	}
	return step
}

// noteUser keeps whom the decision is about, so that its record goes when the user goes.
func noteUser(ctx context.Context, id UserID) {
	if t := trailOf(ctx); t != nil && id != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.user = id
	}
}

// hear keeps what a provider answered. It is made fit for the record only if there will be one.
func (t *trail) hear(answers func() []ProviderAnswer) {
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.heard = answers
	}
}

// settle turns what a provider answered into steps. It is called outside of transactions where that can be: it takes time.
func (t *trail) settle() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == nil {
		return
	}
	at := 1 + slices.IndexFunc(t.steps, func(s Step) bool { return s.Name == StepProvider && s.Facts["step"] == providerIdentify })
	for _, a := range t.heard() {
		facts := []string{"from", plainText(a.From, 512), "body", plainText(a.Body, maxAnswerFact)}
		if a.Status != 0 {
			facts = append(facts, "status", strconv.Itoa(a.Status), "type", plainText(a.Type, 128))
		}
		t.steps = slices.Insert(t.steps, at, newStep(StepProviderAnswer, OutcomeNoted, facts...))
		at++
	}
	t.heard = nil
}

// result gives the steps, within maxStepsBytes, and whom they are about.
func (t *trail) result() ([]Step, UserID) {
	if t == nil {
		return nil, ""
	}
	t.settle()
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := slices.Clone(t.steps)
	for size(steps) > maxStepsBytes {
		cutLongest(steps)
	}
	return steps, t.user
}

const maxAnswerFact = 8 << 10

// maxStepsBytes bounds the steps of a stored decision, as JSON (P54).
const maxStepsBytes = 15 << 10

func size(steps []Step) int {
	encoded, err := json.Marshal(steps)
	if err != nil { // strings always encode
		return 0
	}
	return len(encoded)
}

// cutLongest halves the longest fact, in a copy of its step.
func cutLongest(steps []Step) {
	longest, name := 0, ""
	for i, s := range steps {
		for n, value := range s.Facts {
			if name == "" || len(value) > len(steps[longest].Facts[name]) {
				longest, name = i, n
			}
		}
	}
	facts := make(map[string]string, len(steps[longest].Facts))
	for n, value := range steps[longest].Facts {
		facts[n] = value
	}
	facts[name] = cutBytes(facts[name], len(facts[name])/2)
	steps[longest].Facts = facts
}

// What follows are the notes of each kind of step: the whole vocabulary of decision records.

// limitWords are the parts of a limit's key that may be told; all others name accounts and addresses.
var limitWords = []string{"account", "source", "known", "unknown", "project", "all", "crowd", "mail", "address"}

// limitName is the kind of budget that a key belongs to, as "sign-in/account" or "sign-in/account from this source".
func (t *trail) limitName(key string) string {
	bySource := strings.HasSuffix(key, "/"+t.from)
	key = strings.TrimSuffix(key, "/"+t.from)
	parts := strings.Split(key, "/")
	name := parts[:1] // always one of ours
	if len(parts) > 1 && slices.Contains(limitWords, parts[1]) {
		name = parts[:2]
	}
	if bySource && !slices.Contains(name, "source") {
		return strings.Join(name, "/") + " from this source"
	}
	return strings.Join(name, "/")
}

func noteLimit(ctx context.Context, key string, interval time.Duration, burst int, wait time.Duration) {
	t := trailOf(ctx)
	if t == nil {
		return
	}
	outcome := OutcomePassed
	if wait > 0 {
		outcome = OutcomeRefused
	}
	note(ctx, StepLimiter, outcome, "budget", t.limitName(key), "source", t.from, "burst", strconv.Itoa(burst), "refill", interval.String(),
		"wait_seconds", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}

// noteLookup notes an account as it was found, or that there was none; both take as much to write (P28).
func noteLookup(ctx context.Context, u User, err error) {
	outcome := OutcomeFound
	if err != nil {
		outcome, u = OutcomeNotFound, User{}
	}
	noteUser(ctx, u.ID)
	note(ctx, StepLookup, outcome, "of", "account", "email_verified", yes(u.EmailVerified), "disabled", yes(u.Disabled), "invited", yes(u.InvitePending),
		"verification_required", yes(u.VerificationRequired), "has_password", yes(u.PasswordHash != ""))
}

// hashTimes measure how long a password waited for its turn, and how long it was worked on.
type hashTimes struct {
	now                 func() time.Time
	asked, began, ended time.Time
}

func (s *Service) hashTimes() *hashTimes { return &hashTimes{now: s.clock, asked: s.clock()} }

func (h *hashTimes) around(work func()) func() {
	return func() {
		h.began = h.now()
		work()
		h.ended = h.now()
	}
}

func noteHash(ctx context.Context, h *password.Encoded, stored, match, rehash bool, times *hashTimes) {
	outcome := OutcomeRefused
	if match {
		outcome = OutcomePassed
	}
	note(ctx, StepHash, outcome, "scheme", h.Describe(), "stored", yes(stored), "match", yes(match), "needs_rehash", yes(rehash),
		"wait_ms", milliseconds(times.began.Sub(times.asked)), "hash_ms", milliseconds(times.ended.Sub(times.began)))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(0, d.Milliseconds()), 10) }

// Why no session begins, or goes on.
const (
	reasonBlocked = "the account may not sign in"
	reasonChanged = "the account was changed while its password was checked"
)

func noteSessionRefused(ctx context.Context, reason string) {
	note(ctx, StepSession, OutcomeRefused, "reason", reason)
}

// noteSession notes the session that a token belongs to, with the project's limits.
func noteSession(ctx context.Context, set *Settings, session Session, err error, now time.Time) {
	if err != nil {
		note(ctx, StepSession, OutcomeNotFound, "of", "session")
		return
	}
	outcome := OutcomePassed
	if session.ended(set, now) {
		outcome = OutcomeRefused
	}
	note(ctx, StepSession, outcome, "of", "session", "provider", session.ProviderID, "age", lasting(now.Sub(session.CreatedAt)), "idle", lasting(now.Sub(session.LastUsedAt)),
		"age_limit", limitText(set.RefreshTokenAbsoluteTTL), "idle_limit", limitText(set.RefreshTokenIdleTTL), "revoked_at", instantText(session.RevokedAt))
}

// noteRefreshToken notes a presented refresh token, as far as its row tells.
func noteRefreshToken(ctx context.Context, row RefreshToken, err error, now time.Time) {
	if err != nil {
		note(ctx, StepToken, OutcomeNotFound, "of", "refresh token")
		return
	}
	noteUser(ctx, row.User)
	note(ctx, StepToken, OutcomeFound, "of", "refresh token", "age", lasting(now.Sub(row.CreatedAt)), "rotated_at", instantText(row.RotatedAt))
}

// noteReuse notes the use of a refresh token that has a successor already.
func noteReuse(ctx context.Context, row, successor RefreshToken, err error, grace time.Duration, now time.Time) {
	note(ctx, StepToken, OutcomeRefused, "of", "rotated refresh token", "rotated_at", instantText(row.RotatedAt), "since", lasting(now.Sub(row.RotatedAt)), "grace", grace.String(),
		"successor_used", yes(err == nil && !successor.RotatedAt.IsZero()))
}

// noteVerification notes which check an id token failed; the errors of package token hold nothing of it.
func noteVerification(ctx context.Context, err error, now time.Time) {
	var expired *token.ExpiredError
	switch {
	case err == nil:
		note(ctx, StepToken, OutcomePassed, "of", "id token")
	case errors.As(err, &expired):
		noteUser(ctx, UserID(expired.Subject))
		note(ctx, StepToken, OutcomeRefused, "of", "id token", "reason", err.Error(), "expired_at", instantText(expired.ExpiredAt), "expired_since", lasting(now.Sub(expired.ExpiredAt)))
	default:
		note(ctx, StepToken, OutcomeRefused, "of", "id token", "reason", err.Error())
	}
}

// noteCode notes a one-time code as it was found.
func noteCode(ctx context.Context, code OOBCode, err error, purpose OOBPurpose, user UserID, now time.Time) {
	if trailOf(ctx) == nil {
		return
	}
	if err != nil {
		note(ctx, StepCode, OutcomeNotFound, "purpose", string(purpose))
		return
	}
	noteUser(ctx, code.User)
	outcome, state := OutcomeRefused, ""
	switch {
	case code.Purpose != purpose:
		state = "of another purpose"
	case !code.ConsumedAt.IsZero():
		state = "used"
	case user != "" && code.User != user:
		state = "of another user"
	case !code.ExpiresAt.After(now):
		state = "expired"
	default:
		outcome, state = OutcomePassed, "good"
	}
	note(ctx, StepCode, outcome, "purpose", string(purpose), "state", state, "age", lasting(now.Sub(code.CreatedAt)), "expires_at", instantText(code.ExpiresAt),
		"used_at", instantText(code.ConsumedAt))
}

// noteBrowserToken notes a presented browser token, as far as its row tells.
func noteBrowserToken(ctx context.Context, row BrowserToken, err error, now time.Time) {
	if err != nil {
		note(ctx, StepToken, OutcomeNotFound, "of", "browser token")
		return
	}
	note(ctx, StepToken, OutcomeFound, "of", "browser token", "age", lasting(now.Sub(row.CreatedAt)))
}

// noteSignInCode notes how an app's exchange fits the code that was granted.
func noteSignInCode(ctx context.Context, code SignInCode, err error, otherCallback, otherVerifier bool, now time.Time) {
	if err != nil {
		note(ctx, StepCode, OutcomeNotFound, "of", "sign-in code")
		return
	}
	outcome := OutcomePassed
	if otherCallback || otherVerifier || !code.ConsumedAt.IsZero() || !code.ExpiresAt.After(now) {
		outcome = OutcomeRefused
	}
	note(ctx, StepCode, outcome, "of", "sign-in code", "age", lasting(now.Sub(code.CreatedAt)), "expires_at", instantText(code.ExpiresAt), "used_at", instantText(code.ConsumedAt),
		"callback_matches", yes(!otherCallback), "verifier_matches", yes(!otherVerifier))
}

// noteShortCode notes what a typed code was compared with.
func noteShortCode(ctx context.Context, code OOBCode, err error, right bool, purpose OOBPurpose, now time.Time) {
	if err != nil {
		note(ctx, StepCode, OutcomeNotFound, "of", "typed code", "purpose", string(purpose))
		return
	}
	noteUser(ctx, code.User)
	outcome, state := OutcomeRefused, "wrong"
	if right {
		outcome, state = OutcomePassed, "good"
	}
	note(ctx, StepCode, outcome, "of", "typed code", "purpose", string(purpose), "state", state, "age", lasting(now.Sub(code.CreatedAt)), "expires_at", instantText(code.ExpiresAt),
		"tries", strconv.Itoa(code.ShortTries))
}

// noteFlow notes how what came back fits the sign-in that was begun (P14).
func noteFlow(ctx context.Context, flow SignInFlow, err error, params ProviderSignInParams, wrong flowMisfit, now time.Time) {
	if err != nil {
		note(ctx, StepFlow, OutcomeNotFound, "of", "sign-in flow")
		return
	}
	open := flow.ConsumedAt.IsZero() && flow.ExpiresAt.After(now)
	outcome := OutcomePassed
	if wrong != (flowMisfit{}) || !open {
		outcome = OutcomeRefused
	}
	note(ctx, StepFlow, outcome, "of", "sign-in flow", "age", lasting(now.Sub(flow.CreatedAt)), "expires_at", instantText(flow.ExpiresAt), "used_at", instantText(flow.ConsumedAt),
		"provider_matches", yes(!wrong.provider), "callback_matches", yes(!wrong.callback), "state_given", yes(params.State != ""), "state_matches", yes(params.State != "" && !wrong.state),
		"issuer_given", yes(params.Issuer != ""), "issuer_matches", yes(params.Issuer != "" && !wrong.issuer))
}

// What a provider is asked for.
const (
	providerAuthorize = "authorize"
	providerSettings  = "settings"
	providerIdentify  = "identify"
)

// noteProvider notes what a provider was asked for, and why that failed. The text is the error's for the log, which never quotes anybody.
func noteProvider(ctx context.Context, provider, step string, err error) {
	if err == nil {
		note(ctx, StepProvider, OutcomePassed, "provider", provider, "step", step)
		return
	}
	e := AsError(err)
	reason := e.Message
	if e.cause != nil && e.Code != CodeInternal {
		reason = e.cause.Error()
	}
	note(ctx, StepProvider, OutcomeRefused, "provider", provider, "step", step, "reason", plainText(reason, 1024))
}

// noteJoin notes the decision of joining, and all that it depended on.
func noteJoin(ctx context.Context, f joinFacts, decision joinDecision, u User) {
	var err error
	if !f.accountExists {
		err = ErrNotFound
	}
	noteLookup(ctx, u, err)
	outcome := OutcomePassed
	if decision == joinConfirm || decision == joinRefuse || decision == joinUnproven {
		outcome = OutcomeRefused
	}
	note(ctx, StepJoin, outcome, "of", "identity", "decision", string(decision), "identity_known", yes(f.identityKnown), "identity_has_email", yes(f.identityEmail),
		"identity_verified", yes(f.identityVerified), "account_exists", yes(f.accountExists), "account_verified", yes(f.accountVerified),
		"account_invited", yes(f.accountIsInvitee), "account_disabled", yes(f.accountIsDisabled), "sign_up_open", yes(f.signUpOpen), "address_needed", yes(f.addressNeeded))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func lasting(d time.Duration) string { return d.Truncate(time.Second).String() }

func limitText(d time.Duration) string {
	if d <= 0 {
		return "none"
	}
	return d.String()
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// noteSecondFactor notes what kind of second factor was shown and whether it was right, never the proof itself.
func noteSecondFactor(ctx context.Context, u User, proof SecondFactorProof, proven provenFactor, err error) {
	noteUser(ctx, u.ID)
	shown := "code"
	switch {
	case proof.RecoveryCode != "":
		shown = "recovery code"
	case len(proof.Credential) > 0:
		shown = "passkey"
	}
	outcome, reason := OutcomePassed, "" // a recovery code and a replay are found out at the use
	if err != nil {
		outcome, reason = OutcomeRefused, string(CodeOf(err))
	}
	note(ctx, StepSecondFactor, outcome, "of", "second factor", "shown", shown, "enrolled", string(proven.kind), "reason", reason)
}
