package auth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func TestParseProjectID(t *testing.T) {
	for _, good := range []string{"a", "0", "acme", "a-b", "a--b", "x" + strings.Repeat("y", 39), "default"} {
		if id, err := auth.ParseProjectID(good); err != nil || string(id) != good {
			t.Errorf("%q: %v", good, err)
		}
	}
	bad := append([]string{"", "-a", "a-", "A", "a_b", "a.b", "a b", "\u00e4", "a\n", "\na", "a/b", "..", strings.Repeat("x", 41), strings.Repeat("x", 1<<16)}, auth.ReservedIDs...)
	for _, s := range bad {
		_, err := auth.ParseProjectID(s)
		if auth.CodeOf(err) != auth.CodeInvalidArgument || len(err.Error()) > 400 {
			t.Errorf("%.40q: %v", s, err)
		}
	}
}

func TestCreateProject(t *testing.T) {
	h := newHarness(t)
	p, token, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "new", Settings: fast()})
	h.must(err)
	h.secret(token)
	if p.Preset != auth.PresetHardened || p.DisplayName != "new" || p.Settings == nil || strings.Contains(string(p.AdminTokenHash), token) {
		t.Errorf("project %+v", p)
	}
	for name, np := range map[string]auth.NewProject{
		"taken": {ID: "new"}, "id": {ID: "Not OK"}, "preset": {ID: "x", Preset: "soft"}, "setting": {ID: "x", Settings: map[string]string{"nothing": "x"}},
		"value": {ID: "x", Settings: map[string]string{"idTokenTTL": "never"}}, "short token": {ID: "x", AdminToken: "short"}, "name": {ID: "x", DisplayName: "a\x00b"},
		"name that is not UTF-8": {ID: "x", DisplayName: "a\xffb"}, "long name": {ID: "x", DisplayName: strings.Repeat("x", 101)},
	} {
		want := auth.CodeInvalidArgument
		if name == "taken" {
			want = auth.CodeConflict
		}
		_, token, err := h.admin.CreateProject(h.ctx, h.operator(), np)
		if auth.CodeOf(err) != want || token != "" {
			t.Errorf("%s: %v, token given: %v", name, err, token != "")
		}
	}
}

// A deleted project is gone with all that hangs on it, and its id is never given again (P6).
func TestDeleteProject(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	c := h.anyone()
	h.must(h.admin.DeleteProject(h.ctx, h.LocalOperator(c)))
	_, err := h.Project(h.ctx, h.id)
	h.want(err, auth.CodeProjectNotFound)
	_, err = h.Refresh(h.ctx, c, up.RefreshToken)
	h.want(err, auth.CodeInvalidRefreshToken)
	_, err = h.AuthenticateUser(h.ctx, c, up.IDToken)
	h.want(err, auth.CodeTokenInvalid)
	_, err = h.SignUp(h.ctx, c, auth.SignUpParams{Email: grace, Password: goodPW})
	if err == nil {
		t.Error("signed up in a deleted project")
	}
	_, _, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: string(h.id)})
	h.want(err, auth.CodeConflict)
	h.want(h.admin.DeleteProject(h.ctx, h.LocalOperator(c)), auth.CodeNotFound)
	records, err := h.store.ListAudit(h.ctx, "", auth.AuditFilter{Event: auth.EventProjectDeleted, Limit: 10})
	if err != nil || len(records) != 1 || records[0].Detail["project"] != string(h.id) {
		t.Errorf("audit %+v, %v", records, err)
	}
	h.want(h.admin.DeleteProject(h.ctx, h.LocalOperator(auth.Caller{Project: &auth.Project{ID: auth.DefaultProject}})), auth.CodeInvalidArgument)
	if n, err := h.store.CountUsers(h.ctx, h.id); err != nil || n != 0 {
		t.Errorf("%d users are left, %v", n, err)
	}
}

// Where a server ends, or has no time, between the deletion of a project and that of its rows, nobody finds it, and the sweep finishes.
func TestDeletedProjectIsSwept(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	ended, cancel := context.WithCancel(h.ctx)
	wrap := func(tx auth.Tx) auth.Tx { return endingTx{tx, cancel} }
	h.store.once.Store(true)
	h.store.tx.Store(&wrap)
	h.must(h.admin.DeleteProject(ended, h.LocalOperator(h.anyone())))
	h.store.tx.Store(nil)
	if n, err := h.store.CountUsers(h.ctx, h.id); err != nil || n != 1 {
		t.Fatalf("%d users are left, %v; the test wants them to be", n, err)
	}
	_, err := h.Project(h.ctx, h.id)
	h.want(err, auth.CodeProjectNotFound)
	if projects, err := h.admin.ListProjects(h.ctx, h.operator(), "", 9); err != nil || len(projects) != 0 {
		t.Errorf("%d projects are listed, %v", len(projects), err)
	}
	if n, err := h.admin.CleanUpImports(h.ctx); err != nil || n != 1 {
		t.Errorf("%d projects are cleaned up, %v", n, err)
	}
	if n, err := h.store.CountUsers(h.ctx, h.id); err != nil || n != 0 {
		t.Errorf("%d users are left, %v", n, err)
	}
	_, _, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: string(h.id)})
	h.want(err, auth.CodeConflict)
}

// endingTx ends a server right after a change.
type endingTx struct {
	auth.Tx
	end func()
}

func (tx endingTx) CreateAudit(ctx context.Context, r auth.AuditRecord) error {
	err := tx.Tx.CreateAudit(ctx, r)
	tx.end()
	return err
}

// Changes of different settings at once are all kept.
func TestSettingsAreNotLost(t *testing.T) {
	h := newHarness(t)
	h.store.once.Store(true)
	c := h.asAdmin()
	keys := []string{"resetCodeTTL", "verifyCodeTTL", "inviteCodeTTL", "idTokenTTL", "recentSignIn"}
	errs := make([]error, len(keys))
	each(len(keys), func(i int) {
		_, errs[i] = h.admin.UpdateProject(h.ctx, c, auth.ProjectChange{Set: map[string]string{keys[i]: "7m"}})
	})
	p := h.anyone().Project
	for i, key := range keys {
		if errs[i] != nil || p.Overrides[key] != "7m" {
			t.Errorf("%s is %q, %v", key, p.Overrides[key], errs[i])
		}
	}
}

func TestRoles(t *testing.T) {
	h := newHarness(t, documented)
	for _, bad := range []string{"", " x", "x ", "a,b", "a;b", "a\nb", "a/b", strings.Repeat("x", 65), "\xff", "a\x00"} {
		_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), bad)
		h.want(err, auth.CodeInvalidArgument)
	}
	for _, good := range []string{"admin", "Content editor", "r\u00e9dacteur", "a.b_c-d:e"} {
		role, err := h.admin.CreateRole(h.ctx, h.asAdmin(), good)
		h.must(err)
		if !uidPattern.MatchString(string(role.ID)) {
			t.Errorf("role id %q", role.ID)
		}
	}
	_, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "admin")
	h.want(err, auth.CodeConflict)
	up := h.signUp(ada)
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Roles: &[]string{"admin", "Content editor"}})
	h.must(err)
	if h.as(up.IDToken).IsAdmin() { // a role is only a name
		t.Error("a role named admin makes an admin")
	}
	h.must(h.admin.DeleteRole(h.ctx, h.asAdmin(), "admin"))
	h.want(h.admin.DeleteRole(h.ctx, h.asAdmin(), "admin"), auth.CodeNotFound)
	if n := len(h.user(up.User.ID).Roles); n != 1 {
		t.Errorf("%d roles, want 1", n)
	}
	roles, err := h.Roles(h.ctx, h.asAdmin())
	if err != nil || len(roles) != 3 {
		t.Errorf("roles %v, %v", roles, err)
	}
}

func TestCodesAreDistinct(t *testing.T) {
	seen := map[auth.Code]bool{}
	for _, code := range auth.Codes() {
		if code == "" || seen[code] {
			t.Errorf("code %q is empty or there twice", code)
		}
		seen[code] = true
	}
	for err, want := range map[error]auth.Code{
		fmt.Errorf("x: %w", auth.ErrStoreBusy): auth.CodeUnavailable, fmt.Errorf("x: %w", auth.ErrOutcomeUnknown): auth.CodeOutcomeUnknown,
		auth.ErrNotFound: auth.CodeInternal, auth.ErrConflict: auth.CodeInternal, errStore: auth.CodeInternal,
	} {
		if got := auth.CodeOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if auth.CodeOf(nil) != "" {
		t.Error("no error has a code")
	}
}
