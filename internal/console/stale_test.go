package console

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// shown gives what the form of a page with the button do has hidden of how things were.
func (a *answer) shown(do string) url.Values {
	a.t.Helper()
	for _, form := range a.elements("form") {
		was, found := url.Values{}, false
		for n := range form.Descendants() {
			name, _ := attributeOf(n, "name")
			value, _ := attributeOf(n, "value")
			found = found || n.Type == html.ElementNode && n.Data == "button" && value == do
			if strings.HasPrefix(name, fieldWas) {
				was.Add(name, value)
			}
		}
		if found {
			return was
		}
	}
	a.t.Fatalf("%s has no form that does %s", a.path, do)
	return nil
}

// postOpened is post for the form of a page that was opened before.
func (r *rig) postOpened(opened *answer, do string, fields ...string) *answer {
	r.t.Helper()
	form := opened.shown(do)
	form.Set(fieldDo, do)
	form.Set(ui.FieldToken, ui.FormToken(r.session, opened.path))
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return r.send(opened.path, form)
}

// postNow is postOpened for a page that is opened for it.
func (r *rig) postNow(path, do string, fields ...string) *answer {
	r.t.Helper()
	return r.postOpened(r.get(path).wantPage(200), do, fields...)
}

const changedMeanwhile = "Somebody else changed"

// A form of roles changes those that were ticked or unticked on it, also after it was refused, or another form of the page was.
func TestRolesChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	ids := map[string]string{}
	for _, name := range []string{"author", "editor", "reader"} {
		role, err := r.admin.CreateRole(t.Context(), acme, name)
		r.must(err)
		ids[name] = string(role.ID)
	}
	id := r.users(acme, 1, "author")[0]
	path := "/console/projects/acme/users/" + string(id)
	want := func(names ...string) {
		t.Helper()
		u, err := r.admin.GetUser(t.Context(), acme, id)
		r.must(err)
		var roles []string
		for name, role := range ids {
			if u.HasRole(auth.RoleID(role)) {
				roles = append(roles, name)
			}
		}
		if slices.Sort(roles); !slices.Equal(roles, names) {
			t.Fatalf("roles %v, want %v", roles, names)
		}
	}
	patch := func(patch auth.UserPatch) {
		t.Helper()
		_, err := r.admin.UpdateUser(t.Context(), acme, id, patch)
		r.must(err)
	}
	opened := r.get(path).wantPage(200)
	patch(auth.UserPatch{AddRoles: []string{"editor"}, RemoveRoles: []string{"author"}})
	r.postOpened(opened, "roles", "roles", ids["author"], "roles", ids["reader"]).wantBack(path)
	want("editor", "reader")

	opened = r.get(path).wantPage(200)
	refused := r.postOpened(opened, "roles", "roles", ids["reader"], "roles", "none").wantPage(422)
	patch(auth.UserPatch{AddRoles: []string{"author"}})
	r.postOpened(refused, "roles", "roles", ids["reader"]).wantBack(path)
	want("author", "reader")

	refused = r.postNow(path, "claims", "customClaims", "{").wantPage(422)
	for _, name := range []string{"author", "editor", "reader"} {
		_, checked := attributeOf(refused.named("roles-"+ids[name]), "checked")
		if checked != (name != "editor") {
			t.Errorf("after claims were refused, %s is checked: %v", name, checked)
		}
	}
}

func TestClaimsChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	id := r.users(acme, 1)[0]
	path := "/console/projects/acme/users/" + string(id)
	opened := r.get(path).wantPage(200)
	claims := map[string]any{"plan": "gold & <b>", "level": 3.0}
	_, err := r.admin.UpdateUser(t.Context(), acme, id, auth.UserPatch{CustomClaims: &claims})
	r.must(err)
	refused := r.postOpened(opened, "claims", "customClaims", `{"plan":"tin"}`).wantPage(409, changedMeanwhile+" these claims", `{"plan":"tin"}`)
	if u, err := r.admin.GetUser(t.Context(), acme, id); err != nil || u.CustomClaims["plan"] != "gold & <b>" {
		t.Errorf("claims %v, %v", u.CustomClaims, err)
	}
	r.postOpened(refused, "claims", "customClaims", `{"plan":"tin"}`).wantBack(path)
	r.postOpened(opened, "claims", "customClaims", "{").wantPage(409) // what is wrong with it does not hide that
	r.postNow(path, "claims", "customClaims", "").wantBack(path)
}

func TestProviderChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const path = "/console/projects/acme/sign-in-methods/google.com"
	clientID := func() string {
		t.Helper()
		p, err := r.admin.Provider(t.Context(), acme, "google.com")
		r.must(err)
		return p.ClientID
	}
	before := r.get(path).wantPage(200)
	r.postNow(path, "save", "clientId", "first").wantBack(path)
	r.postOpened(before, "save", "clientId", "other").wantPage(409, changedMeanwhile+" this provider")
	opened := r.get(path).wantPage(200)
	r.clock.Advance(1e6)
	r.postNow(path, "save", "clientId", "second", "scopes", "groups").wantBack(path)
	refused := r.postOpened(opened, "save", "clientId", "other").wantPage(409, changedMeanwhile+" this provider")
	if got := clientID(); got != "second" {
		t.Errorf("client id %q", got)
	}
	r.postOpened(refused, "save", "clientId", "other").wantBack(path)
	if got := clientID(); got != "other" {
		t.Errorf("client id %q", got)
	}
	r.post(path, "delete").wantBack("/console/projects/acme/sign-in-methods")
	r.postOpened(opened, "save", "clientId", "again").wantPage(409)
}

func TestWebhookChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	address := "https://app.example.com/hook"
	w, _, err := r.admin.CreateWebhook(t.Context(), acme, auth.WebhookChange{Kind: auth.WebhookEvents, URL: &address, Events: &[]string{"user.created"}})
	r.must(err)
	path := "/console/projects/acme/webhooks/" + string(w.ID)
	opened := r.get(path).wantPage(200)
	r.clock.Advance(1e6)
	r.postNow(path, "save", "url", address, "events", "user.created").wantBack(path) // switched off
	refused := r.postOpened(opened, "save", "url", address, "events", "user.deleted", "enabled", "yes").wantPage(409, changedMeanwhile+" this webhook")
	if w, err := r.admin.Webhook(t.Context(), acme, w.ID); err != nil || w.Enabled || w.Events[0] != "user.created" {
		t.Errorf("%+v, %v", w, err)
	}
	r.postOpened(refused, "save", "url", address, "events", "user.deleted", "enabled", "yes").wantBack(path)
}

// A box that gives a setting back to the preset undoes no change that its page did not show.
func TestResetChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme", "idTokenTTL", "7m", "logo", "data:image/png;base64,iVBORw0KGgo=")
	const tokens, pages = "/console/projects/acme/settings/tokens", "/console/projects/acme/settings/pages"
	form := r.get(tokens).wantPage(200).form()
	_, err := r.admin.UpdateProject(t.Context(), acme, auth.ProjectChange{Set: map[string]string{"idTokenTTL": "5m"}})
	r.must(err)
	form.Set(fieldDo, "save")
	form.Set("reset-idTokenTTL", "true")
	form = r.send(tokens, form).wantPage(409, changedMeanwhile+" idTokenTTL").form()
	if got := r.on("acme").Project.Overrides["idTokenTTL"]; got != "5m" {
		t.Errorf("idTokenTTL %q", got)
	}
	form.Set(fieldDo, "save")
	r.send(tokens, form).wantBack(tokens + "?notice=saved")
	if got, own := r.on("acme").Project.Overrides["idTokenTTL"]; own {
		t.Errorf("idTokenTTL %q is still the project's", got)
	}
	r.save(pages, "reset-logo", "true").wantBack(pages + "?notice=saved")
}
