package console

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func TestProjectsList(t *testing.T) {
	r := newRig(t)
	for i := range projectsOnPage + 2 {
		r.project(fmt.Sprintf("shop-%02d", i), fmt.Sprintf("Shop %d", i))
	}
	r.project("acme", "Acme")
	r.project("shoq", "Shoq")
	first := r.get("/console/projects").wantPage(200, "Acme", "Shop 0", "Next page")
	if text := first.text(); strings.Contains(text, "Shop 50") || strings.Contains(text, "Doorward console") {
		t.Error("the first page has too much")
	}
	for search, want := range map[string][]string{"acme": {"Acme"}, " ACM ": {"Acme"}, "shop-01": {"Shop 1"}, "shop-5": {"Shop 50", "Shop 51"}, "shop-": {"Shop 0", "Next page"}, "s": {"Shop 0"}} {
		a := r.get("/console/projects?search="+url.QueryEscape(search)).wantPage(200, want...)
		if search != " ACM " && search != "acme" && strings.Contains(a.text(), "Acme") || strings.Contains(search, "shop") && strings.Contains(a.text(), "Shoq") {
			t.Errorf("%q finds others too", search)
		}
	}
	for _, search := range []string{"nobody", "ac%", "acme-", "å", "\x01"} {
		r.get("/console/projects?search="+url.QueryEscape(search)).wantPage(200, "No project's id begins with")
	}
	next := mustParse(t, r.get("/console/projects?search=shop-").link("Next page"))
	if next.Query().Get("search") != "shop-" || next.Query().Get("after") != "shop-49" {
		t.Errorf("the next page is %s", next)
	}
	r.get(next.RequestURI()).wantPage(200, "Shop 50", "Shop 51", "First page")
}

func TestNewProject(t *testing.T) {
	r := newRig(t)
	r.get("/console/new-project").wantPage(200, "hardened", "documented", "For a new app.")
	for field, form := range map[string][]string{
		"project":     {"project", "Acme!", "displayName", "Acme", "preset", "hardened"},
		"displayName": {"project", "acme", "displayName", "a@b", "preset", "hardened"},
		"preset":      {"project", "acme", "displayName", "Acme <x>", "preset", "soft"},
	} {
		a := r.post("/console/new-project", "create", form...).wantPage(422)
		if a.attribute(field, "aria-invalid") != "true" && field != "preset" {
			t.Errorf("%s is not told to be wrong", field)
		}
		if a.attribute("displayName", "value") != form[3] {
			t.Errorf("%s: the name is lost", field)
		}
	}
	r.get("/console/projects").wantPage(200, "There are no projects.")
	made := r.post("/console/new-project", "create", "project", "acme", "displayName", "Acme", "preset", "documented").wantPage(200, "shown once", "dw_admin_")
	if made.Header().Get("Cache-Control") != "no-store" {
		t.Error("caches may keep the token")
	}
	adminToken := made.content("secret")
	project := r.on("acme")
	if _, err := r.admin.AuthenticateAdmin(t.Context(), auth.Caller{Project: project.Project}, adminToken); err != nil {
		t.Errorf("the token that is shown: %v", err)
	}
	if project.Project.Preset != auth.PresetDocumented {
		t.Errorf("preset %s", project.Project.Preset)
	}
	if strings.Contains(r.get("/console/projects/acme/keys").Body.String(), adminToken) {
		t.Error("the token is shown again")
	}
	r.post("/console/new-project", "create", "project", "acme", "preset", "hardened").wantPage(409, "is in use")
}

func TestDeleteProject(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	const page = "/console/projects/acme/delete"
	r.get(page).wantPage(200, "Delete Acme", "for ever")
	r.post(page, "delete", "typed", "acm").wantPage(422, "nothing was done")
	r.get("/console/projects/acme").wantPage(200)
	r.post(page, "delete", "typed", "acme").wantBack("/console/projects?notice=deleted")
	r.get("/console/projects?notice=deleted").wantPage(200, "The project is deleted", "There are no projects.")
	r.get("/console/projects/acme").wantPage(404)
	r.post("/console/projects/console/delete", "delete", "typed", "console").wantPage(422, "the instance's own")
}
