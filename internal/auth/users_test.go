package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// Each method of the users table × permission × caller, in the store with real roles.
func TestUsersTablePermissions(t *testing.T) {
	h := newHarness(t, documented)
	owner, other := h.signUp(ada), h.signUp(grace)
	role, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "support")
	h.must(err)
	staff := h.signUp("staff@example.com")
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), staff.User.ID, auth.UserPatch{Roles: &[]string{"support"}})
	h.must(err)
	tokens := map[string]string{"owner": owner.IDToken, "other": other.IDToken, "staff": staff.IDToken, "anonymous": "", "admin": "admin"}
	const who, denied, admin = auth.CodeUnauthenticated, auth.CodePermissionDenied, auth.CodeAdminRequired
	allowed := map[string]map[string]auth.Code{
		"public":                   {"owner": "", "other": "", "staff": "", "anonymous": "", "admin": ""},
		"private":                  {"owner": "", "other": "", "staff": "", "anonymous": who, "admin": ""},
		"author":                   {"owner": "", "other": denied, "staff": denied, "anonymous": who, "admin": ""},
		"roles:support":            {"owner": denied, "other": denied, "staff": "", "anonymous": who, "admin": ""},
		"roles:" + string(role.ID): {"owner": denied, "other": denied, "staff": "", "anonymous": who, "admin": ""},
		"admin":                    {"owner": admin, "other": admin, "staff": admin, "anonymous": admin, "admin": ""},
	}
	for permission, answers := range allowed {
		h.set("usersGetPermission", permission, "usersUpdatePermission", permission, "usersListPermission", permission, "usersDeletePermission", permission)
		for name, token := range tokens {
			t.Run(permission+"/"+name, func(t *testing.T) {
				c := h.anyone()
				switch token {
				case "":
				case "admin":
					c = h.asAdmin()
				default:
					c = h.as(token)
				}
				_, err := h.GetUser(h.ctx, c, owner.User.ID)
				h.want(err, answers[name])
				_, err = h.UpdateUser(h.ctx, c, owner.User.ID, auth.UserPatch{Attributes: map[string]any{"by": name}})
				h.want(err, answers[name])
				users, total, err := h.QueryUsers(h.ctx, c, auth.UserQuery{Limit: 10})
				if permission == "author" && name != "anonymous" && name != "admin" {
					if err != nil || total != 1 || len(users) != 1 || string(users[0].ID) != h.subjectOf(token) {
						t.Errorf("a user who may see itself sees %d of %d users, %v", len(users), total, err)
					}
				} else {
					h.want(err, answers[name])
					if (err == nil) != (total == 3 && len(users) == 3) {
						t.Errorf("sees %d of %d, %v", len(users), total, err)
					}
				}
				if answers[name] != "" {
					h.want(h.DeleteUser(h.ctx, c, owner.User.ID), answers[name])
				}
			})
		}
	}
	// The author's page keeps to the author whatever is asked for.
	h.set("usersListPermission", "author")
	for _, q := range []auth.UserQuery{
		{Limit: 10, Only: owner.User.ID}, {Limit: 10, Only: ""}, {Limit: 10, Offset: 1},
		{Limit: 10, Where: []auth.Condition{{Attribute: "email", Operator: auth.OpEqual, Values: []any{ada}}}},
	} {
		users, _, err := h.QueryUsers(h.ctx, h.as(other.IDToken), q)
		h.must(err)
		for _, u := range users {
			if u.ID != other.User.ID {
				t.Errorf("sees %s", u.Email)
			}
		}
	}
	h.must(h.admin.DeleteRole(h.ctx, h.asAdmin(), "support"))
	h.set("usersGetPermission", "roles:support")
	_, err = h.GetUser(h.ctx, h.as(staff.IDToken), owner.User.ID)
	h.want(err, denied)
	_, err = h.admin.CreateRole(h.ctx, h.asAdmin(), "support")
	h.must(err)
	_, err = h.GetUser(h.ctx, h.as(staff.IDToken), owner.User.ID)
	h.want(err, denied) // a role of the same name is another role
}

func (h *harness) subjectOf(idToken string) string { return fmt.Sprint(claims(h.t, idToken)["sub"]) }

// What only an admin changes, a user cannot, not even of itself and not with other changes around it.
func TestProtectedFields(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "boss")
	h.must(err)
	before := h.user(up.User.ID)
	protected := map[string]auth.UserPatch{
		"roles":          {Roles: &[]string{"boss"}},
		"email":          {Email: ptr(grace)},
		"no email":       {Email: ptr("")},
		"email verified": {EmailVerified: ptr(true)},
		"disabled":       {Disabled: ptr(true)},
		"claims":         {CustomClaims: &map[string]any{"plan": "gold"}},
		"password":       {Password: ptr(h.secret(otherPW))},
		"with harmless":  {Name: ptr("Ada"), Attributes: map[string]any{"x": 1}, EmailVerified: ptr(true)},
	}
	for name, patch := range protected {
		_, err := h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, patch)
		if auth.CodeOf(err) != auth.CodeAdminRequired {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, h.user(up.User.ID)); diff != "" {
		t.Errorf("a refused patch changed the account:\n%s", diff)
	}
	h.wantDenied(auth.EventUserUpdated, len(protected))
	same := auth.UserPatch{
		Email: ptr(strings.ToUpper(ada)), EmailVerified: ptr(false), Disabled: ptr(false), Roles: &[]string{}, CustomClaims: &map[string]any{}, Name: ptr("Ada"),
	}
	if _, err := h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, same); err != nil {
		t.Errorf("values that are so already: %v", err)
	}
	for name, patch := range protected {
		if _, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, patch); err != nil {
			t.Errorf("%s by an admin: %v", name, err)
		}
	}
}

func TestUserPatchBounds(t *testing.T) {
	many := map[string]any{}
	for i := range 101 {
		many[fmt.Sprint("a", i)] = i
	}
	tests := map[string]struct {
		patch auth.UserPatch
		want  auth.Code
	}{
		"merge":              {auth.UserPatch{Attributes: map[string]any{"a": 1, "b": []any{"x"}, "c": map[string]any{"d": nil}}}, ""},
		"remove":             {auth.UserPatch{Attributes: map[string]any{"gone": nil}}, ""},
		"name too long":      {auth.UserPatch{Name: ptr(strings.Repeat("n", 2049))}, auth.CodeInvalidArgument},
		"name not UTF-8":     {auth.UserPatch{Name: ptr("\xff")}, auth.CodeInvalidArgument},
		"name with NUL":      {auth.UserPatch{Name: ptr("a\x00b")}, auth.CodeInvalidArgument},
		"attribute unnamed":  {auth.UserPatch{Attributes: map[string]any{"": 1}}, auth.CodeInvalidArgument},
		"attribute long":     {auth.UserPatch{Attributes: map[string]any{strings.Repeat("a", 65): 1}}, auth.CodeInvalidArgument},
		"attributes many":    {auth.UserPatch{Attributes: many}, auth.CodeInvalidArgument},
		"attributes large":   {auth.UserPatch{Attributes: map[string]any{"a": strings.Repeat("x", 33<<10)}}, auth.CodeInvalidArgument},
		"attribute with NUL": {auth.UserPatch{Attributes: map[string]any{"a": "x\x00y"}}, auth.CodeInvalidArgument},
		"name of one, NUL":   {auth.UserPatch{Attributes: map[string]any{"a\x00": 1}}, auth.CodeInvalidArgument},
		"unknown role":       {auth.UserPatch{Roles: &[]string{"nobody"}}, auth.CodeInvalidArgument},
		"weak password":      {auth.UserPatch{Password: ptr("12345")}, auth.CodeWeakPassword},
		"empty password":     {auth.UserPatch{Password: ptr("")}, auth.CodeMissingPassword},
		"bad email":          {auth.UserPatch{Email: ptr("x")}, auth.CodeInvalidEmail},
		"email in use":       {auth.UserPatch{Email: ptr(grace)}, auth.CodeEmailInUse},
		"claims too large":   {auth.UserPatch{CustomClaims: &map[string]any{"a": strings.Repeat("x", 1000)}}, auth.CodeInvalidArgument},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			h.signUp(grace)
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Attributes: map[string]any{"gone": 1, "kept": 2}})
			h.must(err)
			before := h.user(up.User.ID)
			_, err = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, tt.patch)
			h.want(err, tt.want)
			after := h.user(up.User.ID)
			if tt.want != "" && !cmp.Equal(before, after) {
				t.Error("a refused patch changed the account")
			}
			if after.Attributes["kept"] != 2.0 {
				t.Error("an attribute that the patch does not name changed")
			}
			if _, there := after.Attributes["gone"]; there == (name == "remove") {
				t.Errorf("attributes %v", after.Attributes)
			}
		})
	}
}

// Of changes made at once none is lost.
func TestUpdatesAreNotLost(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.store.once.Store(true)
	c := h.asAdmin()
	errs := make([]error, 50)
	each(50, func(i int) {
		_, errs[i] = h.UpdateUser(h.ctx, c, up.User.ID, auth.UserPatch{Attributes: map[string]any{fmt.Sprint("a", i): i}})
	})
	for _, err := range errs {
		h.must(err)
	}
	if n := len(h.user(up.User.ID).Attributes); n != 50 {
		t.Errorf("%d attributes, want 50", n)
	}
}

// A role that is given while a user patches itself stays given.
func TestRolesAreNotLost(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "boss")
	h.must(err)
	c := h.as(up.IDToken)
	h.meanwhile(func() {
		_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Roles: &[]string{"boss"}})
		h.must(err)
	})
	_, err = h.UpdateUser(h.ctx, c, up.User.ID, auth.UserPatch{Name: ptr("Ada")})
	h.must(err)
	if u := h.user(up.User.ID); len(u.Roles) != 1 || u.Name != "Ada" {
		t.Errorf("roles %v, name %q", u.Roles, u.Name)
	}
}

func TestUnknownUsers(t *testing.T) {
	h := newHarness(t, documented)
	for _, id := range []auth.UserID{"", "nobody", "\x00", "\xff", auth.UserID(strings.Repeat("x", 10000))} {
		_, err := h.GetUser(h.ctx, h.asAdmin(), id)
		h.want(err, auth.CodeNoUserForID)
		_, err = h.UpdateUser(h.ctx, h.asAdmin(), id, auth.UserPatch{Name: ptr("x")})
		h.want(err, auth.CodeNoUserForID)
		h.want(h.DeleteUser(h.ctx, h.asAdmin(), id), auth.CodeNoUserForID)
	}
}

// A deleted account leaves nothing, and its address is free (P6).
func TestDeleteAccount(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.identity(up.User.ID, "ada-at-google", ada, true)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code := h.code(auth.MailResetPassword, ada)
	c := h.as(up.IDToken)
	h.must(h.DeleteAccount(h.ctx, c))
	h.wantEnded(up)
	_, err := h.refresh(up.RefreshToken)
	h.want(err, auth.CodeRefreshTokenUserGone)
	h.want(h.ResetPassword(h.ctx, h.anyone(), code, otherPW), auth.CodeInvalidOOBCode)
	if got := h.subjects(up.User.ID); len(got) != 0 {
		t.Errorf("identities %v", got)
	}
	again := h.signUp(ada)
	if again.User.ID == up.User.ID {
		t.Error("a uid is used again")
	}
	h.want(h.DeleteAccount(h.ctx, h.anyone()), auth.CodeUnauthenticated)
	h.want(h.DeleteAccount(h.ctx, h.asAdmin()), auth.CodeUnauthenticated)
}

// A caller whose account went between the check of its token and the change gets an answer, not a failure of the server.
func TestCallerDeletedMeanwhile(t *testing.T) {
	for name, do := range map[string]func(h *harness, c auth.Caller) error{
		"delete":          func(h *harness, c auth.Caller) error { return h.DeleteAccount(h.ctx, c) },
		"change password": func(h *harness, c auth.Caller) error { return h.ChangePassword(h.ctx, c, goodPW, otherPW) },
		"change email":    func(h *harness, c auth.Caller) error { return h.ChangeEmail(h.ctx, c, grace) },
		"ask for another email": func(h *harness, c auth.Caller) error {
			h.set("emailChange", "verified")
			c.Project = h.anyone().Project
			return h.ChangeEmail(h.ctx, c, grace)
		},
		"patch": func(h *harness, c auth.Caller) error {
			_, err := h.UpdateUser(h.ctx, c, h.userOf(c), auth.UserPatch{Name: ptr("x")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.verified(ada)
			c := h.as(up.IDToken)
			h.must(h.DeleteUser(h.ctx, h.asAdmin(), up.User.ID))
			err := do(h, c)
			if code := auth.CodeOf(err); err == nil || code == auth.CodeInternal {
				t.Errorf("%v", err)
			}
		})
	}
}

func (h *harness) userOf(c auth.Caller) auth.UserID {
	u, _ := c.User()
	return u.ID
}

func TestChangePassword(t *testing.T) {
	h := newHarness(t)
	up := h.verified(ada)
	c := h.as(up.IDToken)
	for _, tt := range []struct {
		old, new string
		want     auth.Code
	}{
		{"", otherPW, auth.CodeMissingPassword}, {goodPW, "", auth.CodeMissingPassword}, {otherPW, otherPW, auth.CodeWrongPassword},
		{goodPW, "short", auth.CodeWeakPassword}, {goodPW, "password123", auth.CodeWeakPassword}, {goodPW, ada, auth.CodeWeakPassword},
	} {
		h.secret(tt.old)
		h.want(h.ChangePassword(h.ctx, c, tt.old, tt.new), tt.want)
	}
	h.wantAlive(up)
	h.must(h.ChangePassword(h.ctx, c, goodPW, h.secret(otherPW)))
	_, err := h.signIn(ada, goodPW)
	h.want(err, auth.CodeInvalidCredentials)
	_, err = h.signIn(ada, otherPW)
	h.must(err)
	h.want(h.ChangePassword(h.ctx, c, otherPW, goodPW), auth.CodeWrongPassword) // with what is known of a caller from before
}

// An attribute's array and a user's values are bounded by number, for each is a row that the one writer writes.
func TestIndexedValuesAreBounded(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	elements := func(n int) []any { return make([]any, n) }
	for name, tt := range map[string]struct {
		attributes map[string]any
		want       auth.Code
	}{
		"an array of 500":     {map[string]any{"a": elements(500)}, ""},
		"an array of 501":     {map[string]any{"b": elements(501)}, auth.CodeInvalidArgument},
		"1000 values":         {map[string]any{"a": elements(500), "c": elements(498)}, ""},
		"1001 values":         {map[string]any{"a": elements(500), "c": elements(499)}, auth.CodeInvalidArgument},
		"1001 values, stored": {map[string]any{"a": elements(500), "c": elements(498), "d": 1}, auth.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{Attributes: map[string]any{"a": nil, "c": nil, "d": nil}})
			h.must(err)
			_, err = h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{Attributes: tt.attributes})
			h.want(err, tt.want)
			if stored := h.user(up.User.ID).Attributes; tt.want != "" && len(stored) != 0 {
				t.Errorf("a refused patch left %d attributes", len(stored))
			}
		})
	}
}

// Users change a record a thousand times in a row and then ten times a second; an admin as often as it likes, and one caller takes nothing from another.
func TestChangesAreLimited(t *testing.T) {
	h := newHarness(t, documented)
	up, other := h.signUp(ada), h.signUp(grace)
	h.set("usersUpdatePermission", "private")
	patch := func(c auth.Caller, want auth.Code) {
		t.Helper()
		_, err := h.UpdateUser(h.ctx, c, up.User.ID, auth.UserPatch{Attributes: map[string]any{"n": 1}})
		h.want(err, want)
	}
	own := h.as(up.IDToken)
	for range 1000 {
		patch(own, "")
	}
	patch(own, auth.CodeTooManyAttempts)
	patch(h.as(other.IDToken), "")
	for range 1010 {
		patch(h.asAdmin(), "")
	}
	h.clock.Advance(100 * time.Millisecond)
	patch(own, "")
	patch(own, auth.CodeTooManyAttempts)
}

// A page that would take more than 8 MiB is refused; fewer records of it are not.
func TestPageIsBounded(t *testing.T) {
	h := newHarness(t, documented)
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error {
		for i := range 300 {
			u := auth.User{Project: h.id, ID: auth.UserID(fmt.Sprintf("u%03d", i)), Attributes: map[string]any{"text": strings.Repeat("x", 30<<10)}}
			if err := tx.CreateUser(h.ctx, u); err != nil {
				return err
			}
		}
		return nil
	}))
	_, _, err := h.QueryUsers(h.ctx, h.asAdmin(), auth.UserQuery{Limit: 1000})
	h.want(err, auth.CodeInvalidArgument)
	users, total, err := h.QueryUsers(h.ctx, h.asAdmin(), auth.UserQuery{Limit: 200})
	h.must(err)
	if len(users) != 200 || total != 300 {
		t.Errorf("%d of %d users", len(users), total)
	}
}
