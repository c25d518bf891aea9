package accountsapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// permissionOf names the setting that decides about each route of accessSetting.
var permissionOf = map[string]string{
	"invite": "invitePermission", "listUsers": "usersListPermission", "getUser": "usersGetPermission", "updateUser": "usersUpdatePermission", "deleteUser": "usersDeletePermission",
}

func (s *testServer) call(rt route, uid string, options ...requestOption) reply {
	s.t.Helper()
	var body any
	if rt.method == http.MethodPost || rt.method == http.MethodPatch {
		body = "{}"
	}
	return s.do(rt.method, basePath+strings.ReplaceAll(rt.path, "{uid}", uid), body, options...)
}

// passed tells that access was granted, whatever the operation then said to an empty body.
func passed(r reply) bool { return r.status < 500 && r.status != 401 && r.status != 403 }

func TestRoutesAreWellFormed(t *testing.T) {
	seen, named := map[string]bool{}, map[string]bool{}
	for _, rt := range routes {
		if key := rt.method + " " + rt.path; seen[key] || named[rt.name] || rt.handler == nil {
			t.Errorf("route %s %s: twice, or without a handler", rt.name, key)
		}
		seen[rt.method+" "+rt.path], named[rt.name] = true, true
		_, bySetting := permissionOf[rt.name]
		switch rt.access {
		case accessOpen, accessUser, accessEnroll, accessAdmin, accessSetting:
		default:
			t.Errorf("route %s: access %q", rt.name, rt.access)
		}
		if bySetting != (rt.access == accessSetting) {
			t.Errorf("route %s: access %q, but the test knows a setting for it: %v", rt.name, rt.access, bySetting)
		}
	}
}

// TestAnonymousAccess walks the table with no credentials, and with ones that are no credentials.
func TestAnonymousAccess(t *testing.T) {
	s := newTestServer(t, map[string]string{"invitePermission": "user", "usersListPermission": "private"})
	uid := s.signUp("ann@example.com").uid
	const missing, noAdmin = "Auth token is missing or is not a token", "Admin token is missing or invalid"
	for _, rt := range routes {
		switch anonymous := s.call(rt, uid); rt.access {
		case accessOpen:
			if !passed(anonymous) {
				t.Errorf("%s: anonymous gets %d %s", rt.name, anonymous.status, anonymous.body)
			}
			if r := s.call(rt, uid, bearerOf("garbage"), header("Deskree-Admin", "wrong")); r.status != anonymous.status || r.body != anonymous.body && rt.name != "startPasskeySignIn" { // which is random
				t.Errorf("%s: credentials change the answer of an open route: %d %s", rt.name, r.status, r.body)
			}
		case accessUser, accessEnroll, accessSetting:
			anonymous.wantError(401, missing)
			s.call(rt, uid, bearerOf("garbage")).wantError(401, missing)
			s.call(rt, uid, header("Authorization", "")).wantError(401, missing)
		case accessAdmin:
			anonymous.wantError(403, noAdmin)
			s.call(rt, uid, bearerOf("garbage")).wantError(403, noAdmin)
		}
		if rt.access == accessAdmin || rt.access == accessSetting {
			s.call(rt, uid, header("Deskree-Admin", "wrong")).wantError(403, noAdmin)
			s.call(rt, uid, header("Deskree-Admin", "")).wantError(403, noAdmin)
			s.call(rt, uid, asAdmin(), asAdmin()).wantError(403, noAdmin)
		}
		if rt.access == accessUser || rt.access == accessEnroll {
			s.call(rt, uid, asAdmin()).wantError(401, missing)
		}
	}
}

// TestSettingAccess walks each route that a setting decides about, with each value of that setting and each kind of caller.
func TestSettingAccess(t *testing.T) {
	s := newTestServer(t, map[string]string{"hostedPages": "false"}) // many sign-ups of one address; its mails have a limit
	if _, err := s.admin.CreateRole(t.Context(), s.operator(s.project()), "editor"); err != nil {
		t.Fatal(err)
	}
	stranger, editor := s.signUp("stranger@example.com"), s.signUp("editor@example.com")
	s.do("PATCH", basePath+"/rest/collections/users/"+editor.uid, map[string]any{"roles": []string{"editor"}}, asAdmin()).data()
	const ok = 0
	want := map[string]struct{ anonymous, stranger, editor, author int }{
		"public":       {ok, ok, ok, ok},
		"private":      {401, ok, ok, ok},
		"author":       {401, 403, 403, ok},
		"roles:editor": {401, 403, ok, 403},
		"admin":        {403, 403, 403, 403},
	}
	for _, rt := range routes {
		if rt.access != accessSetting {
			continue
		}
		for value, w := range want {
			if rt.name == "invite" && value == "author" {
				continue // means nothing for an invite, and is refused as its value
			}
			s.set(permissionOf[rt.name], value)
			if rt.name == "listUsers" && value == "author" {
				w.stranger, w.editor = ok, ok // everybody, but sees only the own record
			}
			check := func(who string, want int, options ...requestOption) {
				t.Helper()
				owner := s.signUp("owner@example.com")
				if who == "author" {
					options = append(options, bearerOf(owner.idToken))
				}
				r := s.call(rt, owner.uid, options...)
				if (want == ok) != passed(r) || want != ok && r.status != want {
					t.Errorf("%s with %s=%s as %s: got %d %s, want %d", rt.name, permissionOf[rt.name], value, who, r.status, r.body, want)
				}
				s.removeUser(owner.uid)
			}
			check("anonymous", w.anonymous)
			check("stranger", w.stranger, bearerOf(stranger.idToken))
			check("editor", w.editor, bearerOf(editor.idToken))
			check("author", w.author)
			check("admin", ok, asAdmin())
			check("admin with a token", ok, asAdmin(), bearerOf(stranger.idToken))
		}
		s.set(permissionOf[rt.name], "admin")
	}
}

// removeUser makes room for the next owner; the operation itself may have done so.
func (s *testServer) removeUser(uid string) {
	s.t.Helper()
	if err := s.admin.DeleteUser(s.t.Context(), s.operator(s.project()), auth.UserID(uid)); err != nil && auth.CodeOf(err) != auth.CodeNoUserForID {
		s.t.Fatal(err)
	}
}

// TestForeignCredentials: what one project gave counts for nothing in another.
func TestForeignCredentials(t *testing.T) {
	s := newTestServer(t, map[string]string{"invitePermission": "user", "usersListPermission": "private"})
	s.createProject("shop", nil)
	if _, err := s.admin.RotateAdminToken(t.Context(), s.operator(s.project())); err != nil {
		t.Fatal(err)
	}
	foreign := s.post("/signup", map[string]any{"email": "ann@example.com", "password": testPassword}, header("X-Project-Id", "shop")).data()
	uid := s.signUp("ann@example.com").uid
	for _, rt := range routes {
		switch rt.access {
		case accessUser, accessEnroll, accessSetting:
			s.call(rt, uid, bearerOf(text(foreign, "idToken"))).wantError(403, "Auth token is invalid")
		case accessAdmin:
			s.call(rt, uid, asAdmin()).wantError(403, "Admin token is missing or invalid")
		}
	}
	s.post("/token/refresh", map[string]any{"refresh_token": text(foreign, "refreshToken")}).wantError(400, "INVALID_REFRESH_TOKEN")
}
