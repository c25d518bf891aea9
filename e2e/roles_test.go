package e2e

import "testing"

func TestRoles(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.asAdmin().get(t, rolesPath).wantData(t, L{})
	p.srv.cli(t, "role", "create", "editor", "--project", p.id, "--json")
	p.srv.cli(t, "role", "create", "owner", "--project", p.id, "--json")
	data := p.asAdmin().get(t, rolesPath).wantData(t, L{M{"uid": isText, "name": oneOf("editor", "owner")},
		M{"uid": isText, "name": oneOf("editor", "owner")}}).(L)
	if len(data) == 2 && (data[0].(M)["uid"] == data[1].(M)["uid"] || data[0].(M)["name"] == data[1].(M)["name"]) {
		t.Errorf("two roles share a uid or a name: %s", compact(data))
	}
}

func TestRolesNeedAdmin(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().get(t, rolesPath).wantError(t, 403, isText)
	p.client().admin("wrong").get(t, rolesPath).wantError(t, 403, isText)
	p.client().admin("").get(t, rolesPath).wantError(t, 403, isText)
	p.client().admin(p.adminToken+"x").get(t, rolesPath).wantError(t, 403, isText)
	p.client().bearer(a.idToken).get(t, rolesPath).wantError(t, 403, isText)
	p.client().bearer(p.adminToken).get(t, rolesPath).wantError(t, 403, isText) // token kinds are not interchangeable (P23)
	p.client().admin(a.idToken).get(t, rolesPath).wantError(t, 403, isText)
	plain(t, "errorEnvelope=nested").client().admin(p.adminToken).get(t, rolesPath).wantError(t, 403, isText)
}

// TestRoleReachesTheUsersTable: a role assigned by the operator is among the user's roles.
func TestRoleReachesTheUsersTable(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	p.srv.cli(t, "role", "create", "editor", "--project", p.id, "--json")
	p.srv.cli(t, "role", "assign", "editor", a.uid, "--project", p.id)
	p.wantOnlyRole(t, a.uid)
	mine := p.client().bearer(p.signIn(t, a.email, a.password).idToken).get(t, users+"/"+a.uid)
	mine.wantStatus(t, 200)
}

// wantOnlyRole checks that the user has the project's only role. The contract does not say whether the users
// table names roles by name or by the uid of GET roles; either can be told from the other by that list.
func (p project) wantOnlyRole(t *testing.T, uid string) {
	t.Helper()
	role := p.asAdmin().get(t, rolesPath).wantData(t, L{M{"uid": isText, "name": isText}}).(L)[0].(M)
	for _, d := range diff("roles", L{oneOf(role["uid"], role["name"])}, p.user(t, uid)["roles"]) {
		t.Error(d)
	}
}
