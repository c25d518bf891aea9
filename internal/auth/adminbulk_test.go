package auth_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// bulk gives the code of each user's refusal, "" where it was done.
func (h *harness) bulk(action auth.BulkAction, role string, users ...auth.UserID) map[auth.UserID]auth.Code {
	h.t.Helper()
	results, err := h.admin.BulkUsers(h.ctx, h.asAdmin(), auth.BulkParams{Action: action, Users: users, Role: role})
	h.must(err)
	codes := map[auth.UserID]auth.Code{}
	for _, r := range results {
		if _, again := codes[r.User]; again {
			h.t.Errorf("%s: %s is there twice", action, r.User)
		}
		codes[r.User] = ""
		if r.Refused != nil {
			codes[r.User] = r.Refused.Code
		}
	}
	return codes
}

// Each user's result is its own, and each change leaves the trace that it leaves when it is made alone.
func TestBulkUsers(t *testing.T) {
	h := newHarness(t, documented)
	in := h.signUp(ada)
	adas := h.userOf(h.as(in.IDToken))
	var others []auth.UserID
	for i := range 20 {
		others = append(others, h.importUser(fmt.Sprintf("user%d@example.com", i)).ID)
	}
	everyone := append([]auth.UserID{adas, "nobody", adas}, others...)
	want := func(action auth.BulkAction, got map[auth.UserID]auth.Code, event auth.Event, refused ...auth.UserID) {
		t.Helper()
		if len(got) != 22 || len(h.audits(event)) != 22-len(refused) {
			t.Errorf("%s: %d results and %d records of %s", action, len(got), len(h.audits(event)), event)
		}
		for id, code := range got {
			if (code != "") != slices.Contains(refused, id) {
				t.Errorf("%s: %s has %q", action, id, code)
			}
		}
	}
	if _, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "editor"); err != nil {
		t.Fatal(err)
	}
	want(auth.BulkAddRole, h.bulk(auth.BulkAddRole, "editor", everyone...), auth.EventUserUpdated, "nobody")
	if len(h.user(others[19]).Roles) != 1 {
		t.Error("the last one has no role")
	}
	want(auth.BulkDisable, h.bulk(auth.BulkDisable, "", everyone...), auth.EventUserDisabled, "nobody")
	h.wantEnded(in)
	want(auth.BulkEnable, h.bulk(auth.BulkEnable, "", everyone...), auth.EventUserEnabled, "nobody")
	h.wantEnded(in)
	again, err := h.signIn(ada, goodPW)
	h.must(err)
	want(auth.BulkEndSessions, h.bulk(auth.BulkEndSessions, "", everyone...), auth.EventSessionRevoked, "nobody")
	h.wantEnded(again)
	h.bulk(auth.BulkRemoveRole, "editor", others...)
	if len(h.user(others[19]).Roles)+len(h.user(adas).Roles) != 1 {
		t.Error("the roles are not those that were asked for")
	}
	want(auth.BulkSendReset, h.bulk(auth.BulkSendReset, "", everyone...), auth.EventResetRequested, "nobody")
	h.message(auth.MailResetPassword, ada)
	h.update(others[0], auth.UserPatch{EmailVerified: ptr(true)})
	sent := len(h.audits(auth.EventVerifyRequested))
	if got := h.bulk(auth.BulkSendVerification, "", adas, others[0]); got[adas] != "" || got[others[0]] != auth.CodeInvalidArgument {
		t.Errorf("verification: %v", got)
	}
	if n := len(h.audits(auth.EventVerifyRequested)); n != sent+1 {
		t.Errorf("%d records of verification mails", n-sent)
	}
	want(auth.BulkDelete, h.bulk(auth.BulkDelete, "", everyone...), auth.EventUserDeleted, "nobody")
}

// What is wrong with the whole is refused before anything is done.
func TestBulkRefused(t *testing.T) {
	h := newHarness(t, documented)
	in := h.signUp(ada)
	id := h.userOf(h.as(in.IDToken))
	try := func(c auth.Caller, params auth.BulkParams) error {
		_, err := h.admin.BulkUsers(h.ctx, c, params)
		return err
	}
	one := []auth.UserID{id}
	h.must(h.admin.EnsureConsole(h.ctx, h.operator()))
	h.want(try(h.as(in.IDToken), auth.BulkParams{Action: auth.BulkDelete, Users: one}), auth.CodeAdminRequired)
	h.want(try(h.onConsole(h.operator()), auth.BulkParams{Action: auth.BulkDelete, Users: one}), auth.CodeInvalidArgument)
	for name, params := range map[string]auth.BulkParams{
		"nobody":         {Action: auth.BulkDelete},
		"too many":       {Action: auth.BulkDelete, Users: slices.Concat(one, numbered(auth.MaxBulk))},
		"no such action": {Action: "promote", Users: one},
		"no role":        {Action: auth.BulkAddRole, Users: one},
		"no such role":   {Action: auth.BulkAddRole, Users: one, Role: "editor"},
		"a role for it":  {Action: auth.BulkDelete, Users: one, Role: "editor"},
	} {
		if err := try(h.asAdmin(), params); auth.CodeOf(err) != auth.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.wantAlive(in)
}

func numbered(n int) []auth.UserID {
	ids := make([]auth.UserID, n)
	for i := range ids {
		ids[i] = auth.UserID(fmt.Sprint(i))
	}
	return ids
}
