package adminapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// refuse has a sign-in refused, and gives its reference.
func (r *rig) refuse(project string) string {
	r.t.Helper()
	p, err := r.admin.Project(r.t.Context(), auth.ProjectID(project))
	if err != nil {
		r.t.Fatal(err)
	}
	r.refused++
	reference := fmt.Sprintf("K7QM-4T9X-%04d", r.refused)
	_, err = r.admin.SignIn(r.t.Context(), auth.Caller{Project: p, RequestID: reference}, auth.SignInParams{Email: "nobody@example.com", Password: "what nobody has"})
	if auth.CodeOf(err) == "" {
		r.t.Fatal("nobody could sign in")
	}
	return reference
}

func TestExplain(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	shop, other := r.project("shop"), r.project("other")
	reference := r.refuse("shop")

	for name, ask := range map[string]func() (DecisionList, error){
		"the project's admin":       func() (DecisionList, error) { return shop.Explain(ctx, "shop", reference) },
		"an operator":               func() (DecisionList, error) { return r.op.Explain(ctx, "shop", reference) },
		"an operator, anywhere":     func() (DecisionList, error) { return r.op.Explain(ctx, "", reference) },
		"as it was said":            func() (DecisionList, error) { return r.op.Explain(ctx, "", "k7qm4t9x oool") },
		"whoever has the directory": func() (DecisionList, error) { return r.localClient().Explain(ctx, "", reference) },
	} {
		list, err := ask()
		if err != nil || len(list.Decisions) != 1 {
			t.Errorf("%s: %+v, %v", name, list, err)
			continue
		}
		d := list.Decisions[0]
		if d.Reference != reference || d.Project != "shop" || d.Event != "user.sign_in" || d.Outcome != "denied" || d.Code != "email_not_found" || len(d.Steps) != 6 {
			t.Errorf("%s: %+v", name, d)
		}
	}
	read := got(shop.ListAudit(ctx, "shop", AuditFilter{Event: "decision.read"}))(t)
	if len(read.Records) != 5 || read.Records[0].Detail["reference"] != reference {
		t.Errorf("reading is audited as %+v", read.Records)
	}

	for name, c := range map[string]struct {
		ask    func() (DecisionList, error)
		status int
		code   auth.Code
		field  string
	}{
		"another project's admin":           {func() (DecisionList, error) { return other.Explain(ctx, "other", reference) }, 404, auth.CodeNotFound, ""},
		"another project's admin, at ours":  {func() (DecisionList, error) { return other.Explain(ctx, "shop", reference) }, 403, auth.CodeAdminRequired, ""},
		"an admin, anywhere":                {func() (DecisionList, error) { return shop.Explain(ctx, "", reference) }, 403, auth.CodeAdminRequired, ""},
		"an operator, at another project":   {func() (DecisionList, error) { return r.op.Explain(ctx, "other", reference) }, 404, auth.CodeNotFound, ""},
		"nobody":                            {func() (DecisionList, error) { return r.client("").Explain(ctx, "", reference) }, 401, auth.CodeUnauthenticated, ""},
		"a reference that names nothing":    {func() (DecisionList, error) { return r.op.Explain(ctx, "", "ZZZZ-ZZZZ-ZZZZ") }, 404, auth.CodeNotFound, ""},
		"a reference that is too short":     {func() (DecisionList, error) { return r.op.Explain(ctx, "", "K7QM") }, 422, auth.CodeInvalidArgument, "reference"},
		"a reference with a digit of none":  {func() (DecisionList, error) { return r.op.Explain(ctx, "", "K7QM-4T9X-000U") }, 422, auth.CodeInvalidArgument, "reference"},
		"a reference that is a great story": {func() (DecisionList, error) { return r.op.Explain(ctx, "", strings.Repeat("K", 1000)) }, 422, auth.CodeInvalidArgument, "reference"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.ask()
			wantError(t, err, c.status, c.code, c.field)
		})
	}
	if left := got(r.op.ListAudit(ctx, "other", AuditFilter{Event: "decision.read"}))(t); len(left.Records) != 0 {
		t.Errorf("another project's audit has %+v", left.Records)
	}
}
