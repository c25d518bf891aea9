package e2e

import (
	"testing"
)

// profile is what GET /{uid} answers for a user without custom attributes.
func profile(a account) M {
	return M{"uid": a.uid, "email": a.email, "name": optional(oneOf("", nil)), "roles": L{}, "createdAt": isInstant,
		"updatedAt": isInstant, "author": optional(isAny), "emailVerified": optional(oneOf(true, false)), "disabled": optional(oneOf(false))}
}

func TestUserGet(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantData(t, profile(a))
	p.asAdmin().get(t, users+"/"+a.uid).wantData(t, profile(a))
	p.asAdmin().get(t, users+"/"+randomText(28)).wantError(t, 404, isText)
	p.asAdmin().get(t, users+"/'%20OR%201=1--").wantError(t, 404, isText)
}

func TestUserPatch(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	me := p.client().bearer(a.idToken)
	first := M{"name": "Ada", "plan": "pro", "age": 36, "tags": L{"x", "y"}, "address": M{"city": "London"}, "newsletter": true, "note": "<b>ü</b>\n"}
	me.patch(t, users+"/"+a.uid, first).wantStatus(t, 200)
	want := profile(a)
	for name, value := range first {
		want[name] = value
	}
	want["age"] = 36
	me.get(t, users+"/"+a.uid).wantData(t, want)

	me.patch(t, users+"/"+a.uid, M{"plan": "free"}).wantStatus(t, 200) // merges: the others stay
	want["plan"] = "free"
	me.get(t, users+"/"+a.uid).wantData(t, want)
	me.patch(t, users+"/"+a.uid, M{}).wantStatus(t, 200)
	me.get(t, users+"/"+a.uid).wantData(t, want)
}

// TestUserPatchProtected: roles, email, disabled, emailVerified and uid change only by admin.
// Whether the attempt is refused or the attribute ignored is open; that nothing changes is not.
func TestUserPatchProtected(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	for name, value := range map[string]any{"roles": L{"admin"}, "email": newEmail(), "disabled": true,
		"emailVerified": true, "uid": randomText(28), "createdAt": "2000-01-01T00:00:00Z", "author": randomText(28)} {
		t.Run(name, func(t *testing.T) {
			before := p.user(t, a.uid)
			r := p.client().bearer(a.idToken).patch(t, users+"/"+a.uid, M{name: value})
			if r.status >= 500 {
				t.Errorf("%s: %d", r.what, r.status)
			}
			after := p.user(t, a.uid)
			delete(before, "updatedAt")
			delete(after, "updatedAt")
			for _, d := range diff("user", before, after) {
				t.Errorf("after PATCH of %s by the user itself: %s", name, d)
			}
			p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
		})
	}
}

func TestUserPatchByAdmin(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a, other := p.signUp(t), p.signUp(t)
	p.srv.cli(t, "role", "create", "editor", "--project", p.id, "--json")
	p.patchUser(t, a.uid, M{"roles": L{"editor"}})
	p.wantOnlyRole(t, a.uid)
	p.patchUser(t, a.uid, M{"emailVerified": true})
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, true))
	email := newEmail()
	p.patchUser(t, a.uid, M{"email": email})
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	p.signIn(t, email, a.password)
	p.asAdmin().patch(t, users+"/"+a.uid, M{"email": other.email}).wantError(t, 422, emailInUse)
	p.asAdmin().patch(t, users+"/"+randomText(28), M{"name": "nobody"}).wantError(t, 404, isText)
	for _, wrong := range []M{{"disabled": "yes"}, {"email": 1}, {"roles": "editor"}, {"emailVerified": 1}} {
		if r := p.asAdmin().patch(t, users+"/"+a.uid, wrong); r.status != 422 {
			t.Errorf("%s with %s: want 422, got %d %s", r.what, compact(wrong), r.status, r.body)
		}
	}
}

func TestUserDelete(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a, b := p.signUp(t), p.signUp(t)
	p.client().bearer(a.idToken).delete(t, users+"/"+a.uid).wantDeleted(t)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
	p.asAdmin().delete(t, users+"/"+b.uid).wantDeleted(t)
	p.client().post(t, signin, b.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	p.asAdmin().delete(t, users+"/"+b.uid).wantError(t, 404, isText)
}

// TestUserPermissions sets each method's permission to each value and asks as each kind of caller.
func TestUserPermissions(t *testing.T) {
	t.Parallel()
	const ok, no, who = 200, 403, 401
	for permission, want := range map[string]struct{ anonymous, self, other, member, admin int }{
		"public":       {ok, ok, ok, ok, ok},
		"private":      {who, ok, ok, ok, ok},
		"author":       {who, ok, no, no, ok},
		"roles:member": {who, no, no, ok, ok},
		"admin":        {no, no, no, no, ok},
	} {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, "usersListPermission="+permission, "usersGetPermission="+permission,
				"usersUpdatePermission="+permission, "usersDeletePermission="+permission)
			self, other, member := p.signUp(t), p.signUp(t), p.signUp(t)
			p.srv.cli(t, "role", "create", "member", "--project", p.id, "--json")
			p.srv.cli(t, "role", "assign", "member", member.uid, "--project", p.id)
			member = p.signIn(t, member.email, member.password)
			callers := []struct {
				name   string
				client client
				want   int
			}{
				{"anonymous", p.client(), want.anonymous},
				{"self", p.client().bearer(self.idToken), want.self},
				{"other", p.client().bearer(other.idToken), want.other},
				{"member", p.client().bearer(member.idToken), want.member},
				{"admin", p.asAdmin(), want.admin},
			}
			for _, c := range callers {
				target := users + "/" + self.uid
				for _, r := range []reply{c.client.get(t, target), c.client.patch(t, target, M{"seen": c.name})} {
					if r.status != c.want {
						t.Errorf("%s as %s: want %d, got %d %s", r.what, c.name, c.want, r.status, r.body)
					}
				}
				if permission == "author" { // of a list nobody is the author
					continue
				}
				if r := c.client.get(t, users); r.status != c.want {
					t.Errorf("%s as %s: want %d, got %d %s", r.what, c.name, c.want, r.status, r.body)
				}
			}
			for _, c := range callers {
				victim := p.signUp(t)
				expect := c.want
				if permission == "author" && c.name == "self" {
					expect = no // the caller is not this victim
				}
				if r := c.client.delete(t, users+"/"+victim.uid); !fits(expect, r.status) {
					t.Errorf("%s as %s: want %d, got %d %s", r.what, c.name, expect, r.status, r.body)
				}
			}
		})
	}
}
