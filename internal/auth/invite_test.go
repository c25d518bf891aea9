package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func TestInvite(t *testing.T) {
	h := newHarness(t)
	_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "editor")
	h.must(err)
	u, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: " Ada@Example.com", Roles: []string{"editor", "editor"}})
	h.must(err)
	if u.Email != ada || !u.InvitePending || u.EmailVerified || len(u.Roles) != 1 || !u.Blocked() {
		t.Errorf("invitee %+v", u)
	}
	link := linkOf(t, h.message(auth.MailInvite, ada))
	if link.Path != "/acme/accept-invite" || link.Query().Get("uid") != string(u.ID) {
		t.Errorf("link %s", link)
	}
	first := h.secret(link.Query().Get("oobCode"))
	again, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: ada})
	h.must(err)
	if again.ID != u.ID || len(again.Roles) != 1 {
		t.Errorf("invited again as %+v", again)
	}
	second := h.code(auth.MailInvite, ada)
	accept := func(code string, id auth.UserID, pw string) error {
		return h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: code, User: id, NewPassword: pw})
	}
	h.secret(otherPW)
	h.want(accept(first, u.ID, otherPW), auth.CodeInvalidOOBCode)
	h.want(accept("", u.ID, otherPW), auth.CodeMissingOOBCode)
	h.want(accept(second, "", otherPW), auth.CodeMissingOOBCode)
	h.want(accept(second, u.ID, ""), auth.CodeMissingOOBCode)
	h.want(accept(second, "nobody", otherPW), auth.CodeInvalidOOBCode) // protected: who has an account is not told
	h.want(accept(second, u.ID, "short"), auth.CodeWeakPassword)
	h.must(accept(second, u.ID, otherPW))
	if got := h.user(u.ID); got.InvitePending || !got.EmailVerified || got.Blocked() || len(got.Roles) != 1 {
		t.Errorf("accepted as %+v", got)
	}
	in, err := h.signIn(ada, otherPW)
	h.must(err)
	h.wantAlive(in)
	h.want(accept(second, u.ID, goodPW), auth.CodeInvalidOOBCode)
}

// Who may invite, with each setting; nobody but an admin gives roles, and nobody takes the roles of a pending invite away (P10).
func TestInvitePermission(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	staff := h.signUp("staff@example.com")
	_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "staff")
	h.must(err)
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), staff.User.ID, auth.UserPatch{Roles: &[]string{"staff"}})
	h.must(err)
	invite := func(c auth.Caller, roles ...string) auth.Code {
		u, err := h.Invite(h.ctx, c, auth.InviteParams{Email: grace, Roles: roles})
		h.note(err)
		if err != nil && u.ID != "" {
			t.Error("a refusal gives the account")
		}
		return auth.CodeOf(err)
	}
	_, err = h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: grace, Roles: []string{"staff"}})
	h.must(err)
	const who, denied, admin = auth.CodeUnauthenticated, auth.CodePermissionDenied, auth.CodeAdminRequired
	for _, tt := range []struct {
		permission             string
		anyone, user, staffers auth.Code
	}{
		{"public", "", "", ""}, {"user", who, "", ""}, {"roles:staff", who, denied, ""}, {"admin", admin, admin, admin},
	} {
		h.set("invitePermission", tt.permission)
		got := [3]auth.Code{invite(h.anyone()), invite(h.as(up.IDToken)), invite(h.as(staff.IDToken))}
		if want := [3]auth.Code{tt.anyone, tt.user, tt.staffers}; got != want {
			t.Errorf("%s: %q, want %q", tt.permission, got, want)
		}
		if code := invite(h.asAdmin()); code != "" {
			t.Errorf("%s, admin: %q", tt.permission, code)
		}
	}
	h.set("invitePermission", "public", "selfSignUp", "false")
	if code := invite(h.anyone()); code != admin {
		t.Errorf("where sign-up is closed, anyone's invite: %q", code)
	}
	h.set("selfSignUp", "true")
	if code := invite(h.as(staff.IDToken), "staff"); code != admin {
		t.Errorf("a user gives roles: %q", code)
	}
	u, err := h.store.GetUserByEmail(h.ctx, h.id, grace)
	if err != nil || len(u.Roles) != 1 {
		t.Errorf("roles of the pending invite: %v, %v", u.Roles, err)
	}
	if code := invite(h.asAdmin(), "no such role"); code != auth.CodeInvalidArgument {
		t.Errorf("unknown role: %q", code)
	}
	h.wantDenied(auth.EventInvite, 8)
}

func TestInviteRace(t *testing.T) {
	h := newHarness(t, with("mailAddressBurst", "100"))
	h.store.once.Store(true)
	c := h.asAdmin()
	errs := make([]error, 30)
	each(len(errs), func(i int) { _, errs[i] = h.Invite(h.ctx, c, auth.InviteParams{Email: ada}) })
	for _, err := range errs {
		h.must(err)
	}
	if n, err := h.store.CountUsers(h.ctx, h.id); n != 1 || err != nil {
		t.Errorf("%d accounts, %v", n, err)
	}
}
