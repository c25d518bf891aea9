package console

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestSigningKeys(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme", "signingAlgorithm", "ES256")
	const page = "/console/projects/acme/keys"
	r.clock.Advance(72 * time.Hour)
	r.session = r.signIn()
	first, err := r.admin.SigningKeys(t.Context(), acme)
	r.must(err)
	old := string(first[0].ID)
	r.get(page).wantPage(200, old, "signs", "ES256", "3 days", "90 days")
	r.post(page+"/"+old, "withdraw", "typed", old).wantPage(422, "rotate first")
	r.post(page, "rotate").wantBack(page + "?notice=rotated")
	r.get(page+"?notice=rotated").wantPage(200, "published", old, "A new key signs")
	r.get(page+"/"+old).wantPage(200, "is dead at once")
	r.post(page+"/"+old, "withdraw", "typed", old[1:]).wantPage(422, "nothing was done")
	r.post(page+"/"+old, "withdraw", "typed", old).wantBack(page + "?notice=withdrawn")
	r.get(page+"/"+old).wantPage(404, "There is no such key.")
	keys, err := r.admin.SigningKeys(t.Context(), acme)
	if err != nil || len(keys) != 1 || string(keys[0].ID) == old {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestAdminToken(t *testing.T) {
	r := newRig(t)
	_, former, err := r.admin.CreateProject(t.Context(), r.operator(), auth.NewProject{ID: "acme"})
	r.must(err)
	const page = "/console/projects/acme/admin-token"
	r.get(page).wantPage(200, "stops working at once")
	authenticate := func(adminToken string) error {
		_, err := r.admin.AuthenticateAdmin(t.Context(), auth.Caller{Project: r.on("acme").Project}, adminToken)
		return err
	}
	r.must(authenticate(former))
	shown := r.post(page, "rotate").wantPage(200, "shown once").content("secret")
	r.must(authenticate(shown))
	if authenticate(former) == nil {
		t.Error("the former token still works")
	}
	r.post("/console/projects/console/admin-token", "rotate").wantPage(422, "has no admin token")
}

func TestOperatorTokens(t *testing.T) {
	r := newRig(t)
	const page = "/console/instance"
	r.get(page).wantPage(200, "There are none.")
	r.post(page, "create", "name", "Monitoring!").wantPage(422, "name has 1 to 40")
	shown := r.post(page, "create", "name", "monitoring").wantPage(200, "shown once", "monitoring").content("secret")
	if _, err := r.admin.AuthenticateOperator(t.Context(), auth.Caller{}, shown); err != nil {
		t.Errorf("the token that is shown: %v", err)
	}
	r.post(page, "create", "name", "monitoring").wantPage(409, "of this name already")
	r.get(page).wantPage(200, "monitoring")
	r.get(page + "/tokens/nobody").wantPage(404)
	r.get(page+"/tokens/monitoring").wantPage(200, "stops working at once")
	r.post(page+"/tokens/monitoring", "delete").wantBack(page + "?notice=deleted")
	r.get(page).wantPage(200, "There are none.")
	if _, err := r.admin.AuthenticateOperator(t.Context(), auth.Caller{}, shown); err == nil {
		t.Error("the deleted token still works")
	}
	r.post(page+"/tokens/monitoring", "delete").wantPage(404)
}

func TestRoles(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const page = "/console/projects/acme/roles"
	r.get(page).wantPage(200, "There are no roles.")
	if a := r.post(page, "create", "name", "<editor>").wantPage(422); a.attribute("name", "value") != "<editor>" || a.attribute("name", "aria-invalid") != "true" {
		t.Error("the name is lost, or not told to be wrong")
	}
	r.post(page, "create", "name", "editor").wantBack(page + "?notice=created")
	r.post(page, "create", "name", "editor").wantPage(409)
	r.get(page).wantPage(200, "editor")
	roles, err := r.admin.Roles(t.Context(), acme)
	r.must(err)
	one := page + "/" + string(roles[0].ID)
	r.get(one).wantPage(200, "Delete the role editor")
	r.post(one, "delete").wantBack(page + "?notice=deleted")
	r.get(one).wantPage(404)
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 seconds", 90 * time.Second: "90 seconds", 2 * time.Minute: "2 minutes", 47 * time.Hour: "47 hours", 48 * time.Hour: "2 days", 90 * 24 * time.Hour: "90 days"} {
		if got := duration(d); got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
}
