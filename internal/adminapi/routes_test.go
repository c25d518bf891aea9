package adminapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// filled gives a route's path with ids that mean nothing, so that only authorization decides how far a call gets.
func filled(pattern, project string) string {
	for _, name := range pathParameters(pattern) {
		value := "nothing"
		if name == "project" {
			value = project
		}
		pattern = strings.ReplaceAll(pattern, "{"+name+"}", value)
	}
	return pattern
}

// TestWhoMayCall walks the route table with every kind of caller.
func TestWhoMayCall(t *testing.T) {
	r := newRig(t)
	foreign := r.project("foreign")
	for i, rt := range routes {
		t.Run(rt.Name, func(t *testing.T) {
			project := fmt.Sprintf("p%d", i)
			admin := r.project(project)
			call := func(h http.Header) (int, string) {
				h.Set("Content-Type", "application/json")
				status, _, body := r.raw(rt.Method, filled(rt.Pattern, project), h, "{}")
				return status, body
			}
			const passes = 0
			adminOnly := map[Access]int{AccessOpen: passes, AccessAdmin: passes, AccessOperator: 403, AccessLocal: 403}[rt.Access]
			operatorOnly := map[Access]int{AccessOpen: passes, AccessAdmin: passes, AccessOperator: passes, AccessLocal: 403}[rt.Access]
			headerOnly := map[Access]int{AccessOpen: passes, AccessAdmin: passes, AccessOperator: 401, AccessLocal: 401}[rt.Access]
			wrong := func(status int) int {
				if rt.Access == AccessOpen {
					return passes
				}
				return status
			}
			wrongHeader := max(headerOnly, wrong(403))
			if headerOnly == 401 {
				wrongHeader = 401
			}
			for _, c := range []struct {
				caller string
				header http.Header
				want   int
			}{
				{"nobody", http.Header{}, wrong(401)},
				{"empty bearer", http.Header{"Authorization": {"Bearer "}}, wrong(401)},
				{"bare token", http.Header{"Authorization": {admin.token}}, wrong(401)},
				{"other scheme", http.Header{"Authorization": {"Basic " + admin.token}}, wrong(401)},
				{"two tokens", http.Header{"Authorization": {"Bearer " + admin.token}, "Deskree-Admin": {admin.token}}, wrong(401)},
				{"two headers", http.Header{"Authorization": {"Bearer " + r.op.token, "Bearer " + r.op.token}}, wrong(401)},
				{"empty header", http.Header{"Deskree-Admin": {""}}, wrong(401)},
				{"wrong token", http.Header{"Authorization": {"Bearer " + admin.token + "x"}}, wrong(403)},
				{"wrong header", http.Header{"Deskree-Admin": {admin.token + "x"}}, wrongHeader},
				{"wrong operator token", http.Header{"Authorization": {"Bearer " + r.op.token + "x"}}, wrong(403)},
				{"operator token in the header", http.Header{"Deskree-Admin": {r.op.token}}, wrongHeader},
				{"foreign admin", http.Header{"Authorization": {"Bearer " + foreign.token}}, wrong(403)},
				{"foreign admin's header", http.Header{"Deskree-Admin": {foreign.token}}, wrongHeader},
				{"operator", http.Header{"Authorization": {"Bearer " + r.op.token}}, operatorOnly},
			} {
				if rt.Name == "deleteProject" && c.want == passes {
					continue // it would be gone for those after
				}
				checkPasses(t, c.caller, c.want)(call(c.header))
			}
			// Apart, because the first of them may end the token.
			checkPasses(t, "admin", adminOnly)(call(http.Header{"Authorization": {"bearer " + freshToken(r, project)}}))
			checkPasses(t, "admin's header", headerOnly)(call(http.Header{"Deskree-Admin": {freshToken(r, project)}}))
		})
	}
}

func freshToken(r *rig, project string) string {
	r.t.Helper()
	return got(r.op.RotateAdminToken(r.t.Context(), project))(r.t).AdminToken
}

// checkPasses checks for a refusal with the status want, or for want 0 that authorization let the call through.
func checkPasses(t *testing.T, caller string, want int) func(status int, body string) {
	return func(status int, body string) {
		t.Helper()
		refused := status == 401 || status == 403
		if (want == 0 && refused) || (want != 0 && status != want) {
			t.Errorf("%s: %d %s, want %d", caller, status, body, want)
		}
		if want == 401 && !strings.Contains(body, `"unauthenticated"`) {
			t.Errorf("%s: %s", caller, body)
		}
	}
}

func TestLocalCallersNeedNoToken(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	local := r.localClient()
	got(local.CreateProject(ctx, NewProject{ID: "shop", Settings: fast()}))(t)
	got(local.GetProject(ctx, "shop"))(t)
	_, err := local.GetProject(ctx, "nowhere")
	wantError(t, err, 404, auth.CodeProjectNotFound, "")

	old := got(local.RotateMasterKey(ctx))(t)
	fresh := got(local.RotateMasterKey(ctx))(t)
	pruned := got(local.PruneMasterKeys(ctx))(t)
	if fresh.KeyID == old.KeyID || len(pruned.Removed) != 2 {
		t.Errorf("rotated to %s, then to %s, then removed %v", old.KeyID, fresh.KeyID, pruned.Removed)
	}
	if again := got(local.PruneMasterKeys(ctx))(t); len(again.Removed) != 0 {
		t.Errorf("removed %v once more", again.Removed)
	}
	_, err = r.op.RotateMasterKey(ctx)
	wantError(t, err, 403, auth.CodePermissionDenied, "")

	audit := got(local.ListAudit(ctx, "", AuditFilter{Event: "master_key.rotate"}))(t)
	if len(audit.Records) != 2 || audit.Records[0].Actor != "operator" || audit.Records[0].ActorID != "local" {
		t.Errorf("audit has %+v", audit.Records)
	}
}

func TestDeniedCallersAreAudited(t *testing.T) {
	r := newRig(t)
	r.project("shop")
	_, err := r.client("dw_admin_wrong").GetProject(t.Context(), "shop")
	wantError(t, err, 403, auth.CodeAdminRequired, "")
	_, err = r.client("dw_operator_wrong").ListProjects(t.Context(), "", 0)
	wantError(t, err, 403, auth.CodeAdminRequired, "")
	denied := got(r.op.ListAudit(t.Context(), "", AuditFilter{Event: "admin.access", Outcome: "denied"}))(t)
	projects := map[string]bool{}
	for _, record := range denied.Records {
		projects[record.Project] = true
		if record.RequestID == "" || record.Actor != "anonymous" {
			t.Errorf("record %+v", record)
		}
	}
	if len(denied.Records) != 2 || !projects["shop"] || !projects[""] {
		t.Errorf("audit has %+v", denied.Records)
	}
}

func TestQueryIsStrict(t *testing.T) {
	r := newRig(t)
	r.project("shop")
	users := "/projects/shop/users"
	for _, c := range []struct{ name, path, field string }{
		{"unknown parameter", users + "?emial=a@example.com", ""},
		{"parameter of another operation", users + "?before=x", ""},
		{"any parameter where there is none", "/projects/shop?limit=1", ""},
		{"twice", users + "?limit=1&limit=2", "limit"},
		{"semicolon", users + "?limit=1;after=x", ""},
		{"bad escape", users + "?after=%zz", ""},
		{"NUL", users + "?after=a%00", "after"},
		{"no UTF-8", users + "?after=%ff", "after"},
		{"limit 0", users + "?limit=0", "limit"},
		{"limit over the top", users + "?limit=1001", "limit"},
		{"limit no number", users + "?limit=ten", "limit"},
		{"unknown state", users + "?state=asleep", "state"},
		{"unknown role", users + "?role=nobody", "role"},
		{"unknown mail state", "/mail?state=lost", "state"},
		{"unknown outcome", "/audit?outcome=maybe", "outcome"},
		{"no instant", "/audit?since=yesterday", "since"},
		{"a date", "/projects/shop/audit?until=2026-03-01", "until"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := r.raw("GET", Base+c.path, bearer(r.op), "")
			checkError(t, status, body, 422, auth.CodeInvalidArgument, c.field)
		})
	}
	status, _, body := r.raw("GET", Base+users+"?email=nobody", bearer(r.op), "")
	checkError(t, status, body, 422, auth.CodeInvalidEmail, "")
}
