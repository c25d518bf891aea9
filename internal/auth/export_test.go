package auth

import "context"

var ctxBackground = context.Background()

// What the tests in package auth_test need to see from inside.
var (
	Source        = source
	TimePrefix    = timePrefix
	CutBytes      = cutBytes
	ReservedIDs   = reservedProjectIDs
	SettingsByKey = settingsByKey
)

// EvenStep is the step that answers leave at.
const EvenStep = evenStep

// LimitName tells what a decision calls the budget of a key, for a caller from the source.
func LimitName(from, key string) string { return (&trail{from: from}).limitName(key) }

// NotedSteps gives what is left of noted steps once they are bounded.
func NotedSteps(f func(note func(name StepName, outcome StepOutcome, facts ...string))) []Step {
	ctx := withTrail(ctxBackground, Caller{})
	f(func(name StepName, outcome StepOutcome, facts ...string) { note(ctx, name, outcome, facts...) })
	steps, _ := trailOf(ctx).result()
	return steps
}

// Check exposes the decision of a permission.
func (p Permission) Check(c Caller, owner UserID, roles func() ([]Role, error)) error {
	return p.check(c, owner, roles)
}

// AsUser makes a caller that is signed in, without a token.
func (c Caller) AsUser(u User, s Session) Caller {
	c.actor, c.user, c.session = ActorUser, &u, &s
	return c
}

// AsActor makes a caller of a kind that is no user.
func (c Caller) AsActor(k ActorKind) Caller {
	c.actor = k
	return c
}

// SignCustom signs any claims with the project's current key.
func (s *Service) SignCustom(c Caller, claims map[string]any) (string, error) {
	key, err := s.signer(ctxBackground, c.Project.ID)
	if err != nil {
		return "", err
	}
	return key.Sign(claims)
}

// ClaimsOf gives the claims that a user's id token would have.
func (s *Service) ClaimsOf(c Caller, u User, session Session, identities []Identity) map[string]any {
	return s.claims(c.Project, u, session, identities)
}

// WithWebhookCeiling bounds what waits for one webhook.
func (s *Service) WithWebhookCeiling(n int) { s.backlogs.ceiling = n }

// WithoutWebhooks makes a service that has no client for webhooks.
func (s *Service) WithoutWebhooks() { s.webhooks = noWebhooks{} }
