package adminapi

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

func ptr[T any](v T) *T { return &v }

func TestUserLife(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	got(admin.CreateRole(ctx, "shop", "editor"))(t)
	created := got(admin.CreateUser(ctx, "shop", NewUser{
		Email: "Ada@Example.com", Password: "correct horse battery", EmailVerified: true, Name: "Ada", Locale: "de", Roles: []string{"editor"},
		CustomClaims: map[string]any{"plan": "gold"}, Attributes: map[string]any{"age": 36.0, "note": "<b>"},
	}))(t)
	want := User{
		UID: created.UID, Email: "ada@example.com", EmailVerified: true, Name: "Ada", Locale: "de", HasPassword: true, PasswordUpdatedAt: testStart,
		Roles: []string{"editor"}, CustomClaims: map[string]any{"plan": "gold"}, Attributes: map[string]any{"age": 36.0, "note": "<b>"},
		CreatedAt: testStart, UpdatedAt: testStart,
	}
	if diff := cmp.Diff(want, created); diff != "" || len(created.UID) != 28 {
		t.Errorf("created (-want +got):\n%s", diff)
	}

	r.clock.Advance(time.Hour)
	r.signIn("shop", "ada@example.com")
	changed := got(admin.UpdateUser(ctx, "shop", created.UID, UserPatch{
		Name: ptr(""), Roles: ptr([]string{}), CustomClaims: ptr(map[string]any{}), Attributes: map[string]any{"age": nil, "city": "London"},
	}))(t)
	want.Name, want.Roles, want.CustomClaims, want.Attributes = "", []string{}, nil, map[string]any{"note": "<b>", "city": "London"}
	want.UpdatedAt, want.LastSignInAt = changed.UpdatedAt, testStart.Add(time.Hour)
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(UserDetails{changed, []Identity{}}, got(admin.GetUser(ctx, "shop", created.UID))(t)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}

	if sessions := got(admin.UserSessions(ctx, "shop", created.UID, "", 0))(t); len(sessions.Sessions) != 1 || sessions.Sessions[0].UID != created.UID {
		t.Errorf("sessions before disabling: %+v", sessions)
	}
	if disabled := got(admin.DisableUser(ctx, "shop", created.UID))(t); !disabled.Disabled {
		t.Error("not disabled")
	}
	if sessions := got(admin.UserSessions(ctx, "shop", created.UID, "", 0))(t); len(sessions.Sessions) != 0 {
		t.Errorf("sessions after disabling: %+v", sessions)
	}
	if enabled := got(admin.EnableUser(ctx, "shop", created.UID))(t); enabled.Disabled {
		t.Error("not enabled")
	}
	moved := got(admin.UpdateUser(ctx, "shop", created.UID, UserPatch{Email: ptr("ada@example.org"), Password: ptr("another long password")}))(t)
	if moved.Email != "ada@example.org" || moved.EmailVerified {
		t.Errorf("moved %+v", moved)
	}

	must(t, admin.DeleteUser(ctx, "shop", created.UID))
	_, err := admin.GetUser(ctx, "shop", created.UID)
	wantError(t, err, 404, auth.CodeNoUserForID, "")
	wantError(t, admin.DeleteUser(ctx, "shop", created.UID), 404, auth.CodeNoUserForID, "")
}

func TestUserRefusals(t *testing.T) {
	r := newRig(t)
	r.project("shop")
	taken := r.user("shop", "taken@example.com")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     auth.Code
		field                    string
	}{
		{"no email", "POST", "", `{}`, 422, auth.CodeInvalidEmail, ""},
		{"no address", "POST", "", `{"email": "nobody"}`, 422, auth.CodeInvalidEmail, ""},
		{"taken", "POST", "", `{"email": "TAKEN@example.com"}`, 409, auth.CodeEmailInUse, ""},
		{"weak password", "POST", "", `{"email": "b@example.com", "password": "12345"}`, 422, auth.CodeWeakPassword, ""},
		{"unknown role", "POST", "", `{"email": "b@example.com", "roles": ["king"]}`, 422, auth.CodeInvalidArgument, "roles"},
		{"reserved claim", "POST", "", `{"email": "b@example.com", "customClaims": {"sub": "x"}}`, 422, auth.CodeInvalidArgument, "customClaims"},
		{"null changes nothing, so it is refused", "PATCH", "/" + taken.UID, `{"email": null}`, 422, auth.CodeInvalidArgument, "email"},
		{"roles that are no list", "PATCH", "/" + taken.UID, `{"roles": "editor"}`, 422, auth.CodeInvalidArgument, "roles"},
		{"attributes that are no object", "PATCH", "/" + taken.UID, `{"attributes": []}`, 422, auth.CodeInvalidArgument, "attributes"},
		{"unknown user", "PATCH", "/nobody", `{"name": "x"}`, 404, auth.CodeNoUserForID, ""},
		{"disable nobody", "POST", "/nobody/disable", ``, 404, auth.CodeNoUserForID, ""},
		{"sessions of nobody", "DELETE", "/nobody/sessions", ``, 404, auth.CodeNotFound, ""},
		{"reset for nobody", "POST", "/nobody/send-password-reset", ``, 404, auth.CodeNoUserForID, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := r.raw(c.method, Base+"/projects/shop/users"+c.path, bearer(r.op), c.body)
			checkError(t, status, body, c.status, c.code, c.field)
		})
	}
	if after := got(r.op.GetUser(t.Context(), "shop", taken.UID))(t); after.Email != "taken@example.com" {
		t.Errorf("a refused change left %+v", after)
	}
}

func TestUsersAreFoundAndPaged(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	role := got(admin.CreateRole(ctx, "shop", "editor"))(t)
	uids := map[string]string{}
	for _, name := range []string{"ada", "adele", "bob", "cleo", "dora"} {
		uids[name] = r.user("shop", name+"@example.com").UID
	}
	got(admin.AssignRole(ctx, "shop", uids["bob"], "editor"))(t)
	got(admin.AssignRole(ctx, "shop", uids["cleo"], role.UID))(t)
	got(admin.DisableUser(ctx, "shop", uids["cleo"]))(t)
	got(admin.InviteUser(ctx, "shop", Invite{Email: "eve@example.com", Roles: []string{"editor"}}))(t)

	for _, c := range []struct {
		name   string
		search UserSearch
		want   []string
	}{
		{"all", UserSearch{}, []string{"ada", "adele", "bob", "cleo", "dora", "eve"}},
		{"email", UserSearch{Email: "ADA@example.com"}, []string{"ada"}},
		{"no such email", UserSearch{Email: "ad@example.com"}, nil},
		{"prefix", UserSearch{EmailPrefix: "Ad"}, []string{"ada", "adele"}},
		{"role by name", UserSearch{Role: "editor"}, []string{"bob", "cleo", "eve"}},
		{"role by uid", UserSearch{Role: role.UID}, []string{"bob", "cleo", "eve"}},
		{"disabled", UserSearch{State: "disabled"}, []string{"cleo"}},
		{"invited", UserSearch{State: "invited"}, []string{"eve"}},
		{"role and state", UserSearch{Role: "editor", State: "active"}, []string{"bob"}},
	} {
		for _, limit := range []int{0, 1, 2} {
			search, found, pages := c.search, map[string]bool{}, 0
			for search.Limit = limit; ; pages++ {
				page := got(admin.SearchUsers(ctx, "shop", search))(t)
				for _, u := range page.Users {
					if found[u.Email] || u.UID <= search.After {
						t.Errorf("%s, limit %d: %s comes twice or out of order", c.name, limit, u.Email)
					}
					found[u.Email] = true
				}
				if search.After = page.Next; search.After == "" || pages > len(c.want) {
					break
				}
			}
			want := map[string]bool{}
			for _, name := range c.want {
				want[name+"@example.com"] = true
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("%s, limit %d (-want +got):\n%s", c.name, limit, diff)
			}
		}
	}
}

func TestRoles(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	u := r.user("shop", "ada@example.com")
	editor := got(admin.CreateRole(ctx, "shop", "editor"))(t)
	owner := got(admin.CreateRole(ctx, "shop", "shop owner"))(t)
	if diff := cmp.Diff(RoleList{[]Role{editor, owner}}, got(admin.ListRoles(ctx, "shop"))(t)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		name   string
		change func() (User, error)
		want   []string
	}{
		{"by name", func() (User, error) { return admin.AssignRole(ctx, "shop", u.UID, "shop owner") }, []string{"shop owner"}},
		{"by uid", func() (User, error) { return admin.AssignRole(ctx, "shop", u.UID, editor.UID) }, []string{"editor", "shop owner"}},
		{"again", func() (User, error) { return admin.AssignRole(ctx, "shop", u.UID, "editor") }, []string{"editor", "shop owner"}},
		{"take by name", func() (User, error) { return admin.UnassignRole(ctx, "shop", u.UID, "shop owner") }, []string{"editor"}},
		{"take what is not held", func() (User, error) { return admin.UnassignRole(ctx, "shop", u.UID, owner.UID) }, []string{"editor"}},
	} {
		if diff := cmp.Diff(c.want, got(c.change())(t).Roles); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	_, err := admin.AssignRole(ctx, "shop", u.UID, "king")
	wantError(t, err, 404, auth.CodeNotFound, "")
	_, err = admin.CreateRole(ctx, "shop", "editor")
	wantError(t, err, 409, auth.CodeConflict, "")
	must(t, admin.DeleteRole(ctx, "shop", "editor"))
	wantError(t, admin.DeleteRole(ctx, "shop", "editor"), 404, auth.CodeNotFound, "")
	if after := got(admin.GetUser(ctx, "shop", u.UID))(t); len(after.Roles) != 0 {
		t.Errorf("roles after the role is gone: %v", after.Roles)
	}
}

// TestRolesAssignedAtOnce: no assignment is lost to another one.
func TestRolesAssignedAtOnce(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.project("shop")
	u := r.user("shop", "ada@example.com")
	api := NewClient(r.op.base, r.op.token, InProcess(r.handler)) // the rig's own checks are for one goroutine
	const n = 8
	for i := range n {
		got(r.op.CreateRole(ctx, "shop", fmt.Sprint("role", i)))(t)
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { _, errs[i] = api.AssignRole(ctx, "shop", u.UID, fmt.Sprint("role", i)) })
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
	if after := got(r.op.GetUser(ctx, "shop", u.UID))(t); len(after.Roles) != n {
		t.Errorf("%d of %d roles are left: %v", len(after.Roles), n, after.Roles)
	}
}
