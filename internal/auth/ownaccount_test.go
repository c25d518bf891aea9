package auth_test

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// TestWaysIn: what a user's page says of providers is what UnlinkProvider and LinkProvider then do.
func TestWaysIn(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	up := r.signUp(ada)
	ways := func() []auth.WayIn {
		t.Helper()
		ways, err := r.service.WaysIn(t.Context(), r.as(up.IDToken))
		wantCode(t, err, "")
		return ways
	}
	if got := ways(); len(got) != 1 || got[0].ProviderID != "google.com" || len(got[0].Identities) != 0 || !got[0].Usable {
		t.Errorf("before: %+v", got)
	}
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@gmail.example"}
	wantCode(t, r.link(up.IDToken, "ann"), "")
	if got := ways(); len(got) != 1 || len(got[0].Identities) != 1 || got[0].Identities[0].Email != "ann@gmail.example" || got[0].Last {
		t.Errorf("linked: %+v", got)
	}
	wantCode(t, r.service.UnlinkProvider(t.Context(), r.as(up.IDToken), auth.ProviderPassword), "")
	if got := ways(); !got[0].Last {
		t.Errorf("without a password: %+v", got)
	}
	wantCode(t, r.service.UnlinkProvider(t.Context(), r.as(up.IDToken), "google.com"), auth.CodeLastWayIn)
	off := false
	if _, err := r.admin.PutProvider(t.Context(), r.operator(), "google.com", auth.ProviderChange{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	if got := ways(); len(got) != 1 || got[0].Usable || !got[0].Last {
		t.Errorf("at a provider that is off: %+v", got)
	}
	_, err := r.service.WaysIn(t.Context(), r.anyone())
	wantCode(t, err, auth.CodeUnauthenticated)
}

// TestMayUpdateSelf goes by usersUpdatePermission.
func TestMayUpdateSelf(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	for permission, want := range map[string]bool{"author": true, "user": true, "public": true, "admin": false, "roles:staff": false} {
		h.set("usersUpdatePermission", permission)
		may, err := h.MayUpdateSelf(h.ctx, h.as(up.IDToken))
		h.must(err)
		if may != want {
			t.Errorf("%s: %v", permission, may)
		}
	}
	_, err := h.MayUpdateSelf(h.ctx, h.anyone())
	h.want(err, auth.CodeUnauthenticated)
}

// TestMayEnroll: it says beforehand what BeginEnrollment says then.
func TestMayEnroll(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	before := h.as(up.IDToken)
	h.must(h.MayEnroll(h.ctx, before))
	h.clock.Advance(before.Project.Settings.RecentSignIn + time.Second)
	h.want(h.MayEnroll(h.ctx, before), auth.CodeRecentSignInRequired)
	if h.SignedInLately(before) || h.SignedInLately(h.anyone()) {
		t.Error("an old sign-in counts as recent, or none")
	}
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	now := h.as(in.IDToken)
	if !h.SignedInLately(now) {
		t.Error("a new sign-in does not count as recent")
	}
	h.enrollApp(now)
	h.must(h.MayEnroll(h.ctx, h.as(in.IDToken))) // this session has proven it
	h.set("secondFactor", "off")
	h.want(h.MayEnroll(h.ctx, h.as(in.IDToken)), auth.CodeSecondFactorOff)
	h.want(h.MayEnroll(h.ctx, h.anyone()), auth.CodeSecondFactorOff)
}

// TestCloseAccount: a page deletes an account only after a recent sign-in, and where its name was typed.
func TestCloseAccount(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	c := h.as(up.IDToken)
	for _, typed := range []string{"", "delete", "eve@example.com"} {
		h.want(h.CloseAccount(h.ctx, c, typed), auth.CodeInvalidArgument)
	}
	h.clock.Advance(c.Project.Settings.RecentSignIn + time.Second)
	h.want(h.CloseAccount(h.ctx, c, ada), auth.CodeRecentSignInRequired)
	h.wantDenied(auth.EventUserDeleted, 1)
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.must(h.CloseAccount(h.ctx, h.as(in.IDToken), " "+ada))
	if _, err := h.signIn(ada, goodPW); err == nil {
		t.Error("the account is there still")
	}
	h.want(h.CloseAccount(h.ctx, h.anyone(), ada), auth.CodeUnauthenticated)

	other := h.signUp("bob@example.com")
	h.alter(other.User.ID, func(u *auth.User) { u.Email = "" })
	nameless := h.as(other.IDToken)
	h.want(h.CloseAccount(h.ctx, nameless, ""), auth.CodeInvalidArgument)
	h.must(h.CloseAccount(h.ctx, nameless, string(other.User.ID)))
}
