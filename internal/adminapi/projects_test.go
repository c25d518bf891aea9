package adminapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

func TestProjectLife(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	created := got(r.op.CreateProject(ctx, NewProject{ID: "shop", Settings: fast("selfSignUp", "false")}))(t)
	if created.ID != "shop" || created.DisplayName != "shop" || created.Preset != "hardened" || created.Overrides["selfSignUp"] != "false" || len(created.AdminToken) < 32 {
		t.Errorf("created %+v", created)
	}
	admin := r.client(created.AdminToken)

	changed := got(admin.UpdateProject(ctx, "shop", ProjectPatch{DisplayName: "Shop", Settings: map[string]string{"language": "de"}, Reset: []string{"selfSignUp"}}))(t)
	if _, still := changed.Overrides["selfSignUp"]; still || changed.DisplayName != "Shop" || changed.Overrides["language"] != "de" {
		t.Errorf("changed %+v", changed)
	}
	r.user("shop", "a@example.com")
	shown := got(admin.GetProject(ctx, "shop"))(t)
	if diff := cmp.Diff(ProjectDetails{changed, 1}, shown); diff != "" {
		t.Errorf("shown (-changed +shown):\n%s", diff)
	}

	fresh := got(admin.RotateAdminToken(ctx, "shop"))(t)
	_, err := admin.GetProject(ctx, "shop")
	wantError(t, err, 403, auth.CodeAdminRequired, "")
	got(r.client(fresh.AdminToken).GetProject(ctx, "shop"))(t)

	must(t, r.op.DeleteProject(ctx, "shop"))
	_, err = r.op.GetProject(ctx, "shop")
	wantError(t, err, 404, auth.CodeProjectNotFound, "")
	_, err = r.op.CreateProject(ctx, NewProject{ID: "shop"})
	wantError(t, err, 409, auth.CodeConflict, "")
}

func TestProjectRefusals(t *testing.T) {
	r := newRig(t)
	r.project("alpha")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     auth.Code
		field                    string
	}{
		{"bad id", "POST", "/projects", `{"id": "Not An Id"}`, 422, auth.CodeInvalidArgument, "project"},
		{"no id", "POST", "/projects", `{}`, 422, auth.CodeInvalidArgument, "project"},
		{"unknown preset", "POST", "/projects", `{"id": "beta", "preset": "soft"}`, 422, auth.CodeInvalidArgument, "preset"},
		{"short admin token", "POST", "/projects", `{"id": "beta", "adminToken": "short"}`, 422, auth.CodeInvalidArgument, "adminToken"},
		{"unknown setting", "POST", "/projects", `{"id": "beta", "settings": {"selfSignup": "true"}}`, 422, auth.CodeInvalidArgument, "selfSignup"},
		{"setting that is no text", "PATCH", "/projects/alpha", `{"settings": {"selfSignUp": false}}`, 422, auth.CodeInvalidArgument, "selfSignUp"},
		{"setting out of range", "PATCH", "/projects/alpha", `{"settings": {"passwordMinLength": "2"}}`, 422, auth.CodeInvalidArgument, "passwordMinLength"},
		{"wrong type", "PATCH", "/projects/alpha", `{"reset": "selfSignUp"}`, 422, auth.CodeInvalidArgument, "reset"},
		{"null", "PATCH", "/projects/alpha", `{"displayName": null}`, 422, auth.CodeInvalidArgument, "displayName"},
		{"no object", "PATCH", "/projects/alpha", `[]`, 422, auth.CodeInvalidArgument, ""},
		{"member twice", "PATCH", "/projects/alpha", `{"preset": "hardened", "preset": "documented"}`, 422, auth.CodeInvalidArgument, ""},
		{"unknown project", "GET", "/projects/nowhere", ``, 404, auth.CodeProjectNotFound, ""},
		{"unknown path", "GET", "/nothing", ``, 404, auth.CodeNotFound, ""},
		{"unknown method", "PUT", "/projects", `{}`, 405, CodeMethodNotAllowed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := r.raw(c.method, Base+c.path, bearer(r.op), c.body)
			checkError(t, status, body, c.status, c.code, c.field)
			if c.status == http.StatusMethodNotAllowed && header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("Allow is %q", header.Get("Allow"))
			}
		})
	}
	t.Run("not declared as JSON", func(t *testing.T) {
		status, _, body := r.raw("POST", Base+"/projects", bearer(r.op, "Content-Type", "text/plain"), `{"id": "beta"}`)
		checkError(t, status, body, 415, CodeUnsupportedMediaType, "")
	})
}

func TestProjectsArePaged(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"a", "b", "c"} {
		r.project(id)
	}
	for _, limit := range []int{1, 2, 3, 4} {
		var ids []string
		for after, pages := "", 0; ; pages++ {
			page := got(r.op.ListProjects(t.Context(), after, limit))(t)
			for _, p := range page.Projects {
				ids = append(ids, p.ID)
			}
			if after = page.Next; after == "" {
				break
			}
			if len(page.Projects) != limit || pages > 3 {
				t.Fatalf("limit %d: a page of %d has a next", limit, len(page.Projects))
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, ids); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestSettings(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop", "selfSignUp", "false", "smtp", "smtp://user:hunter2hunter2@mail.example.com:587")
	table := got(r.op.Settings(ctx))(t)
	if len(table.Settings) != len(auth.SettingTable()) {
		t.Errorf("%d settings, want %d", len(table.Settings), len(auth.SettingTable()))
	}
	list := got(admin.ProjectSettings(ctx, "shop"))(t)
	byKey := map[string]ProjectSetting{}
	for i, s := range list.Settings {
		byKey[s.Key] = s
		if s.Key != table.Settings[i].Key {
			t.Errorf("setting %d is %s here and %s in the table", i, s.Key, table.Settings[i].Key)
		}
	}
	for _, want := range []ProjectSetting{
		{Key: "selfSignUp", Default: "true", Value: "false", Source: SourceOverride, Set: true},
		{Key: "passwordProvider", Default: "true", Value: "true", Source: SourcePreset},
		{Key: "smtp", Source: SourceOverride, Secret: true, Set: true},
	} {
		have := byKey[want.Key]
		if have.Type == "" || have.Range == "" || have.Help == "" {
			t.Errorf("%s is not described: %+v", want.Key, have)
		}
		have.Type, have.Range, have.Help = "", "", ""
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Key, diff)
		}
	}
	got(admin.UpdateProject(ctx, "shop", ProjectPatch{Preset: "hardened", Reset: []string{"smtp"}}))(t)
	for _, s := range got(admin.ProjectSettings(ctx, "shop"))(t).Settings {
		if s.Key == "smtp" && (s.Set || s.Source != SourcePreset) {
			t.Errorf("smtp after its reset is %+v", s)
		}
		if s.Key == "emailEnumerationProtection" && (s.Value != "true" || s.Set) {
			t.Errorf("emailEnumerationProtection under the hardened preset is %+v", s)
		}
	}
}
