package auth_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/token"
)

func (r *providerRig) link(idToken, who string) error {
	r.t.Helper()
	_, err := r.service.LinkProvider(r.t.Context(), r.as(idToken), r.flow(who))
	return err
}

func TestLinkingIsForSignedInUsers(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann"}
	for name, c := range map[string]auth.Caller{"anyone": r.anyone(), "an admin": r.projectAdmin(), "an operator": r.operator()} {
		_, err := r.service.LinkProvider(t.Context(), c, r.flow("ann"))
		if auth.CodeOf(err) != auth.CodeUnauthenticated {
			t.Errorf("linking as %s: %v", name, err)
		}
		if err := r.service.UnlinkProvider(t.Context(), c, "google.com"); auth.CodeOf(err) != auth.CodeUnauthenticated {
			t.Errorf("unlinking as %s: %v", name, err)
		}
	}
}

// TestLinkingKeepsWhatTheUserIs: neither the address nor its state is the provider's to say.
func TestLinkingKeepsWhatTheUserIs(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	up := r.signUp("ann@example.com")
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann", Email: "ann@example.com", EmailVerified: true, Name: "Ann", Picture: "https://pictures.example.com/ann.png"}
	wantCode(t, r.link(up.IDToken, "ann"), "")
	r.idp.users["second"] = auth.ExternalIdentity{Subject: "second", Email: "other@example.com", EmailVerified: true, Name: "Other"}
	wantCode(t, r.link(up.IDToken, "second"), "")
	u, err := r.store.GetUser(t.Context(), rigProject, up.User.ID)
	wantCode(t, err, "")
	if u.Email != "ann@example.com" || u.EmailVerified || u.Name != "Ann" || u.Picture != "https://pictures.example.com/ann.png" || u.PasswordHash == "" {
		t.Errorf("the user is %+v", u)
	}
	if got := r.subjects(u.ID); got != "ann second" {
		t.Errorf("identities %q", got)
	}
}

// TestLinkingOneIdentityTwice: of two users who link one identity at the same instant, one gets it.
func TestLinkingOneIdentityTwice(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann"}
	users := []auth.Tokens{r.signUp("ann@example.com"), r.signUp("bob@example.com")}
	callers, flows := []auth.Caller{r.as(users[0].IDToken), r.as(users[1].IDToken)}, []auth.ProviderSignInParams{r.flow("ann"), r.flow("ann")}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.service.LinkProvider(t.Context(), callers[i], flows[i]) })
	}
	wg.Wait()
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	wantCode(t, errs[0], "")
	wantCode(t, errs[1], auth.CodeIdentityInUse)
	if got := r.subjects(users[0].User.ID) + r.subjects(users[1].User.ID); got != "ann" {
		t.Errorf("identities %q", got)
	}
}

// TestUserEndsWhileTheProviderIsAsked: what happened to the user meanwhile counts.
func TestUserEndsWhileTheProviderIsAsked(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(r *providerRig, u auth.UserID) error
		want auth.Code
	}{
		"deleted": {func(r *providerRig, u auth.UserID) error { return r.admin.DeleteUser(r.t.Context(), r.operator(), u) }, auth.CodeTokenInvalid},
		"sessions ended": {func(r *providerRig, u auth.UserID) error {
			_, err := r.admin.RevokeUserSessions(r.t.Context(), r.operator(), u)
			return err
		}, auth.CodeTokenInvalid},
		"disabled": {func(r *providerRig, u auth.UserID) error {
			_, err := r.admin.UpdateUser(r.t.Context(), r.operator(), u, auth.UserPatch{Disabled: of(true)})
			return err
		}, auth.CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := newProviderRig(t)
			r.google()
			r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann"}
			up := r.signUp("ann@example.com")
			c, params := r.as(up.IDToken), r.flow("ann")
			r.idp.meanwhile = func() { wantCode(t, tt.end(r, up.User.ID), "") }
			_, err := r.service.LinkProvider(t.Context(), c, params)
			wantCode(t, err, tt.want)
			if got := r.subjects(up.User.ID); got != "" {
				t.Errorf("identities %q", got)
			}
		})
	}
	r := newProviderRig(t)
	up := r.signUp("ann@example.com")
	c := r.as(up.IDToken)
	wantCode(t, r.admin.DeleteUser(t.Context(), r.operator(), up.User.ID), "")
	wantCode(t, r.service.UnlinkProvider(t.Context(), c, "password"), auth.CodeTokenInvalid)
}

// TestIdentityWithoutSubject: who has no name at the provider is nobody (P1).
func TestIdentityWithoutSubject(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Email: "ann@example.com", EmailVerified: true}
	_, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, auth.CodeInvalidProviderResponse)
	wantCode(t, r.link(r.signUp("bob@example.com").IDToken, "ann"), auth.CodeInvalidProviderResponse)
}

// TestChangingProvidersNeedsRecentSignIn: whoever finds a device signed in adds no way in of their own, and takes none away, where the project wants it so.
func TestChangingProvidersNeedsRecentSignIn(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann"}
	up := r.signUp("ann@example.com")
	sessions, err := r.store.ListSessions(t.Context(), rigProject, up.User.ID, "", 1)
	wantCode(t, err, "")
	since := func(age time.Duration) auth.Caller {
		session := sessions[0]
		session.CreatedAt = rigNow.Add(-age)
		return r.anyone().AsUser(up.User, session)
	}
	const fresh, old = 5 * time.Minute, 5*time.Minute + time.Second
	r.set("recentSignInForProviders", "true")
	flow := r.flow("ann")
	_, err = r.service.LinkProvider(t.Context(), since(old), flow)
	wantCode(t, err, auth.CodeRecentSignInRequired)
	_, err = r.service.LinkProvider(t.Context(), since(fresh), flow) // the refusal used nothing up
	wantCode(t, err, "")
	wantCode(t, r.service.UnlinkProvider(t.Context(), since(old), "google.com"), auth.CodeRecentSignInRequired)
	wantCode(t, r.service.UnlinkProvider(t.Context(), since(old), "password"), auth.CodeRecentSignInRequired)
	wantCode(t, r.service.UnlinkProvider(t.Context(), since(fresh), "google.com"), "")
	for _, event := range []auth.Event{auth.EventIdentityLinked, auth.EventIdentityUnlinked} {
		records, err := r.store.ListAudit(t.Context(), rigProject, auth.AuditFilter{Event: event, Outcome: auth.OutcomeDenied, Limit: 10})
		if err != nil || len(records) == 0 || records[0].Detail["code"] != string(auth.CodeRecentSignInRequired) {
			t.Errorf("audit of %s: %+v, %v", event, records, err)
		}
	}
	r.set("recentSignInForProviders", "false")
	_, err = r.service.LinkProvider(t.Context(), since(time.Hour), r.flow("ann"))
	wantCode(t, err, "")
}

// TestUnlinking: each way in can go but the last, whichever that is.
func TestUnlinking(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	for _, subject := range []string{"ann", "second"} {
		r.idp.users[subject] = auth.ExternalIdentity{Subject: subject}
	}
	up := r.signUp("ann@example.com")
	unlink := func(id string) error { return r.service.UnlinkProvider(t.Context(), r.as(up.IDToken), id) }
	wantCode(t, unlink(""), auth.CodeMissingProvider)
	wantCode(t, unlink("google.com"), auth.CodeNotFound)
	wantCode(t, unlink("password"), auth.CodeLastWayIn)
	wantCode(t, r.link(up.IDToken, "ann"), "")
	wantCode(t, r.link(up.IDToken, "second"), "")
	wantCode(t, unlink("google.com"), "") // both accounts there
	if got := r.subjects(up.User.ID); got != "" {
		t.Errorf("identities %q", got)
	}
	wantCode(t, r.link(up.IDToken, "ann"), "")
	wantCode(t, unlink("password"), "")
	wantCode(t, unlink("password"), auth.CodeNotFound)
	wantCode(t, unlink("google.com"), auth.CodeLastWayIn)
	if got := r.subjects(up.User.ID); got != "ann" {
		t.Errorf("identities %q", got)
	}
	for event, want := range map[auth.Event]map[auth.Outcome]int{
		auth.EventIdentityLinked: {auth.OutcomeAllowed: 3}, auth.EventIdentityUnlinked: {auth.OutcomeAllowed: 2, auth.OutcomeDenied: 2},
	} {
		for _, outcome := range []auth.Outcome{auth.OutcomeAllowed, auth.OutcomeDenied} {
			records, err := r.store.ListAudit(t.Context(), rigProject, auth.AuditFilter{Event: event, Outcome: outcome, Limit: 100})
			if err != nil || len(records) != want[outcome] {
				t.Errorf("%d records of %s %s, want %d, %v", len(records), event, outcome, want[outcome], err)
			}
		}
	}
}

// TestUnlinkingTwoWaysAtOnce: of a user's two ways in, one stays, also where both are taken at the same instant.
func TestUnlinkingTwoWaysAtOnce(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann"}
	up := r.signUp("ann@example.com")
	wantCode(t, r.link(up.IDToken, "ann"), "")
	c, ids := r.as(up.IDToken), []string{"password", "google.com"}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = r.service.UnlinkProvider(t.Context(), c, id) })
	}
	wg.Wait()
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	wantCode(t, errs[0], "")
	wantCode(t, errs[1], auth.CodeLastWayIn)
}

// TestFlowIsStoredAsHashes: of a sign-in under way the database holds nothing that could finish it (P7, P14).
func TestFlowIsStoredAsHashes(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	params := r.flow("ann")
	flow, err := r.store.GetSignInFlow(t.Context(), rigProject, token.Hash(params.SessionID))
	wantCode(t, err, "")
	begun := r.idp.begun
	for name, pair := range map[string][2][]byte{
		"session id": {flow.SessionHash, token.Hash(params.SessionID)}, "state": {flow.StateHash, token.Hash(begun.State)}, "nonce": {flow.NonceHash, token.Hash(begun.Nonce)},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("the %s is not stored as its hash", name)
		}
	}
	if bytes.Contains(flow.VerifierSealed, []byte(begun.CodeVerifier)) || len(begun.CodeVerifier) < 43 || begun.RedirectURI != rigCallback {
		t.Errorf("the provider was asked with %+v", begun)
	}
	if flow.ProviderID != "google.com" || flow.RedirectURI != rigCallback || !flow.ExpiresAt.Equal(rigNow.Add(10*time.Minute)) || !flow.ConsumedAt.IsZero() {
		t.Errorf("flow %+v", flow)
	}
}

// TestTakeoverDropsEverythingPlanted: with the password go other identities, sessions, codes and an email change under way (P2).
func TestTakeoverDropsEverythingPlanted(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	planted := r.signUp("ann@example.com")
	r.idp.users["mallory"] = auth.ExternalIdentity{Subject: "mallory", Email: "ann@example.com"}
	wantCode(t, r.link(planted.IDToken, "mallory"), "")
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "ann", Email: "Ann@Example.com", EmailVerified: true}
	owner, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, "")
	if owner.User.ID != planted.User.ID || !owner.User.EmailVerified || owner.IsNewUser || owner.NeedConfirmation || owner.RefreshToken == "" {
		t.Errorf("owner %+v", owner)
	}
	if u, err := r.store.GetUser(t.Context(), rigProject, planted.User.ID); err != nil || u.PasswordHash != "" || !u.PasswordUpdatedAt.IsZero() || !u.EmailVerified {
		t.Errorf("stored %+v, %v", u, err)
	}
	if got := r.subjects(planted.User.ID); got != "ann" {
		t.Errorf("identities %q", got)
	}
	sessions, err := r.store.ListSessions(t.Context(), rigProject, planted.User.ID, "", 10)
	if err != nil || len(sessions) != 1 || sessions[0].ProviderID != "google.com" {
		t.Errorf("sessions %+v, %v", sessions, err)
	}
	_, err = r.service.AuthenticateUser(t.Context(), r.anyone(), planted.IDToken)
	wantCode(t, err, auth.CodeTokenInvalid)
	_, err = r.service.Refresh(t.Context(), r.anyone(), planted.RefreshToken)
	wantCode(t, err, auth.CodeExpiredRefreshToken)
	mallory, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("mallory"))
	if wantCode(t, err, ""); !mallory.NeedConfirmation || mallory.IDToken != "" || mallory.RefreshToken != "" {
		t.Errorf("mallory gets %+v", mallory)
	}
}
