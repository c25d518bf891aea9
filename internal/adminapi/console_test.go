package adminapi

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// Operators reach the console's project by its name; to everybody else it is not there.
func TestConsoleProject(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	got(r.op.ListConsoleOperators(ctx))(t) // which makes the project
	if list := got(r.op.ListProjects(ctx, "", 0))(t); len(list.Projects) != 1 || list.Projects[0].ID != "shop" {
		t.Errorf("listed: %+v", list.Projects)
	}
	if p := got(r.op.GetProject(ctx, "console"))(t); p.ID != "console" || p.Overrides["selfSignUp"] != "false" || p.Overrides["secondFactor"] != "required" {
		t.Errorf("the console's project: %+v", p)
	}
	got(r.op.UpdateProject(ctx, "console", ProjectPatch{DisplayName: "Ops"}))(t)
	_, err := r.op.UpdateProject(ctx, "console", ProjectPatch{Settings: map[string]string{"selfSignUp": "true"}})
	wantError(t, err, 422, auth.CodeInvalidArgument, "selfSignUp")
	_, err = r.op.RotateAdminToken(ctx, "console")
	wantError(t, err, 422, auth.CodeInvalidArgument, "project")
	wantError(t, r.op.DeleteProject(ctx, "console"), 422, auth.CodeInvalidArgument, "project")
	for name, c := range map[string]*Client{"a project's admin": admin, "nobody": r.client("dw_admin_wrong")} {
		_, err := c.GetProject(ctx, "console")
		t.Log(name)
		wantError(t, err, 404, auth.CodeProjectNotFound, "")
	}
}

func TestConsoleOperators(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	invited := got(r.op.InviteConsoleOperator(ctx, "Ada@Example.com"))(t)
	list := got(r.op.ListConsoleOperators(ctx))(t).Operators
	if len(list) != 1 || list[0] != invited.Operator || list[0].Email != "ada@example.com" || !list[0].InvitePending || invited.Link == "" {
		t.Errorf("invited %+v, listed %+v", invited, list)
	}
	if o := got(r.op.DisableConsoleOperator(ctx, invited.Operator.UID))(t); !o.Disabled {
		t.Errorf("disabled: %+v", o)
	}
	if o := got(r.op.EnableConsoleOperator(ctx, "ada@example.com"))(t); o.Disabled {
		t.Errorf("enabled: %+v", o)
	}
	must(t, r.op.DeleteConsoleOperator(ctx, invited.Operator.UID))
	_, err := r.op.DisableConsoleOperator(ctx, invited.Operator.UID)
	wantError(t, err, 404, auth.CodeNotFound, "")
	_, err = r.op.InviteConsoleOperator(ctx, "nobody")
	wantError(t, err, 422, auth.CodeMissingEmail, "")
	_, err = r.op.CreateConsoleLink(ctx)
	wantError(t, err, 403, auth.CodePermissionDenied, "")
}
