package adminapi

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Is(e error) bool { return e == os.ErrDeadlineExceeded }

func TestSessions(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	ada, bob := r.user("shop", "ada@example.com"), r.user("shop", "bob@example.com")
	for _, email := range []string{"ada@example.com", "bob@example.com", "ada@example.com"} {
		r.clock.Advance(time.Minute)
		r.signIn("shop", email)
	}
	var order []string
	for after := ""; ; {
		page := got(admin.ListSessions(ctx, "shop", after, 1))(t)
		for _, s := range page.Sessions {
			order = append(order, s.UID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{ada.UID, bob.UID, ada.UID}, order); diff != "" {
		t.Errorf("sessions newest first (-want +got):\n%s", diff)
	}
	newest := got(admin.ListSessions(ctx, "shop", "", 0))(t).Sessions[0]
	if newest.ProviderID != "password" || !newest.CreatedAt.Equal(testStart.Add(3*time.Minute)) {
		t.Errorf("newest is %+v", newest)
	}
	must(t, admin.RevokeSession(ctx, "shop", newest.ID))
	wantError(t, admin.RevokeSession(ctx, "shop", newest.ID), 404, auth.CodeNotFound, "")
	if revoked := got(admin.RevokeUserSessions(ctx, "shop", ada.UID))(t); revoked.Revoked != 1 {
		t.Errorf("revoked %d", revoked.Revoked)
	}
	if left := got(admin.ListSessions(ctx, "shop", "", 0))(t); len(left.Sessions) != 1 || left.Sessions[0].UID != bob.UID {
		t.Errorf("left are %+v", left.Sessions)
	}
}

func TestKeys(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	first := got(admin.ListKeys(ctx, "shop"))(t).Keys[0]
	r.clock.Advance(time.Hour)
	second := got(admin.RotateKey(ctx, "shop"))(t)
	list := got(admin.ListKeys(ctx, "shop"))(t)
	if len(list.Keys) != 2 || list.Keys[0].KID != second.KID || !list.Keys[0].Signing || list.Keys[1].KID != first.KID || list.Keys[1].Signing || list.Keys[1].ExpiresAt.IsZero() {
		t.Errorf("keys %+v", list.Keys)
	}
	var jwk map[string]string
	must(t, json.Unmarshal(second.PublicJWK, &jwk))
	if jwk["kid"] != second.KID || jwk["alg"] != "ES256" || jwk["d"] != "" {
		t.Errorf("public JWK %s", second.PublicJWK)
	}
	wantError(t, admin.WithdrawKey(ctx, "shop", second.KID), 422, auth.CodeInvalidArgument, "kid")
	must(t, admin.WithdrawKey(ctx, "shop", first.KID))
	wantError(t, admin.WithdrawKey(ctx, "shop", first.KID), 404, auth.CodeNotFound, "")
}

func TestMail(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin, other := r.project("shop"), r.project("other")
	u := r.user("shop", "ada@example.com")
	must(t, admin.SendPasswordReset(ctx, "shop", u.UID))
	r.clock.Advance(time.Minute)
	invited := got(admin.InviteUser(ctx, "shop", Invite{Email: "bob@example.com"}))(t)
	if !invited.InvitePending {
		t.Errorf("invited %+v", invited)
	}
	got(other.InviteUser(ctx, "other", Invite{Email: "eve@example.com"}))(t)

	if all := got(r.op.ListMail(ctx, "", MailFilter{}))(t); len(all.Mails) != 3 {
		t.Errorf("the instance has %d mails", len(all.Mails))
	}
	first := got(admin.ListMail(ctx, "shop", MailFilter{Limit: 1}))(t)
	second := got(admin.ListMail(ctx, "shop", MailFilter{Limit: 1, Before: first.Next}))(t)
	if len(first.Mails) != 1 || first.Mails[0].Kind != "invite" || len(second.Mails) != 1 || second.Mails[0].Kind != "reset-password" || second.Next != "" {
		t.Fatalf("mails %+v, then %+v", first, second)
	}
	if sent := got(admin.ListMail(ctx, "shop", MailFilter{State: "sent"}))(t); len(sent.Mails) != 0 {
		t.Errorf("sent are %+v", sent.Mails)
	}

	read := got(admin.ReadMail(ctx, "shop", second.Mails[0].ID))(t)
	if diff := cmp.Diff(second.Mails[0].Mail, read.Mail); diff != "" || read.To != "ada@example.com" || read.Subject == "" || read.HTML == "" {
		t.Errorf("read %+v", read)
	}
	if listed := second.Mails[0]; listed.Subject != "" || listed.Text != "" || listed.HTML != "" || len(listed.Links) != 0 {
		t.Errorf("the list tells the content unasked: %+v", listed)
	}
	withContent := got(admin.ListMail(ctx, "shop", MailFilter{Content: true}))(t)
	if len(withContent.Mails) != 2 || cmp.Diff(withContent.Mails[1], read) != "" {
		t.Errorf("the list with content is %+v", withContent)
	}
	if len(read.Links) == 0 || !strings.Contains(read.Links[0], "oobCode=") || !strings.Contains(read.Text, read.Links[0]) {
		t.Errorf("links %v of %s", read.Links, read.Text)
	}
	_, err := other.ReadMail(ctx, "other", read.ID)
	wantError(t, err, 404, auth.CodeNotFound, "")

	wantError(t, admin.RetryMail(ctx, "shop", read.ID), 404, auth.CodeNotFound, "") // it is queued still
	r.killMail(read.ID)
	must(t, admin.RetryMail(ctx, "shop", read.ID))
	must(t, admin.DeleteMail(ctx, "shop", read.ID))
	wantError(t, admin.DeleteMail(ctx, "shop", read.ID), 404, auth.CodeNotFound, "")
	if reads := got(admin.ListAudit(ctx, "shop", AuditFilter{Event: "mail.read"}))(t); len(reads.Records) != 2 {
		t.Errorf("audit of reading has %+v", reads.Records)
	}
}

// killMail has a mail fail for good, as the worker would.
func (r *rig) killMail(id string) {
	r.t.Helper()
	must(r.t, r.store.Update(r.t.Context(), func(tx auth.Tx) error {
		now := r.clock.Now()
		claimed, err := tx.ClaimMail(r.t.Context(), "shop", "lease", now, now.Add(time.Minute), 100, true)
		if err != nil {
			return err
		}
		for _, m := range claimed {
			if string(m.ID) == id {
				m.State, m.FinishedAt, m.LastError = auth.MailDead, now, "550 no"
				return tx.FinishMail(r.t.Context(), m)
			}
		}
		return auth.ErrNotFound
	}))
}

func TestMailTemplates(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	must(t, admin.PutMailTemplate(ctx, "shop", "invite", "pt-BR", MailTemplateParts{Subject: "Bem-vindo a {{.ProjectName}}"}))
	r.clock.Advance(time.Minute)
	must(t, admin.PutMailTemplate(ctx, "shop", "invite", "pt-BR", MailTemplateParts{Subject: "Convite"}))
	want := MailTemplateList{[]MailTemplate{{Kind: "invite", Language: "pt-BR", Subject: "Convite", UpdatedAt: testStart.Add(time.Minute)}}}
	if diff := cmp.Diff(want, got(admin.ListMailTemplates(ctx, "shop"))(t)); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	wantError(t, admin.PutMailTemplate(ctx, "shop", "welcome", "en", MailTemplateParts{Subject: "x"}), 422, auth.CodeInvalidArgument, "kind")
	wantError(t, admin.PutMailTemplate(ctx, "shop", "invite", "not a tag", MailTemplateParts{Subject: "x"}), 422, auth.CodeInvalidArgument, "language")
	wantError(t, admin.PutMailTemplate(ctx, "shop", "invite", "en", MailTemplateParts{Subject: "{{.Password}}"}), 422, auth.CodeInvalidArgument, "template")
	must(t, admin.DeleteMailTemplate(ctx, "shop", "invite", "pt-BR"))
	wantError(t, admin.DeleteMailTemplate(ctx, "shop", "invite", "pt-BR"), 404, auth.CodeNotFound, "")
}

func TestAudit(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	r.clock.Advance(time.Minute)
	u := r.user("shop", "ada@example.com")
	r.clock.Advance(time.Hour)
	got(admin.DisableUser(ctx, "shop", u.UID))(t)

	events := func(project string, f AuditFilter) []string {
		list := []string{}
		for {
			page := got(r.op.ListAudit(ctx, project, f))(t)
			for _, record := range page.Records {
				list = append(list, record.Event)
			}
			if f.Before = page.Next; f.Before == "" {
				return list
			}
		}
	}
	for _, c := range []struct {
		name   string
		filter AuditFilter
		want   []string
	}{
		{"all", AuditFilter{}, []string{"user.disable", "user.create", "project.create"}},
		{"one a page", AuditFilter{Limit: 1}, []string{"user.disable", "user.create", "project.create"}},
		{"event", AuditFilter{Event: "user.create"}, []string{"user.create"}},
		{"user", AuditFilter{User: u.UID}, []string{"user.disable", "user.create"}},
		{"outcome", AuditFilter{Outcome: "denied"}, []string{}},
		{"since", AuditFilter{Since: testStart.Add(61 * time.Minute)}, []string{"user.disable"}},
		{"until", AuditFilter{Until: testStart.Add(61 * time.Minute)}, []string{"user.create", "project.create"}},
	} {
		if diff := cmp.Diff(c.want, events("shop", c.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if whole := events("", AuditFilter{Event: "operator.create"}); len(whole) != 1 {
		t.Errorf("the instance's own records: %v", whole)
	}
	newest := got(admin.ListAudit(ctx, "shop", AuditFilter{Limit: 1}))(t).Records[0]
	if newest.Actor != "admin" || newest.UID != u.UID || newest.Project != "shop" || newest.Outcome != "allowed" || len(newest.RequestID) != len("K7QM-4T9X-2WHD") {
		t.Errorf("newest %+v", newest)
	}
}

func TestOperators(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	created := got(r.op.CreateOperator(ctx, "ci"))(t)
	second := r.client(created.Token)
	list := got(second.ListOperators(ctx))(t)
	if diff := cmp.Diff(OperatorList{[]Operator{{"ci", testStart}, {"tester", testStart}}}, list); diff != "" {
		t.Errorf("operators (-want +got):\n%s", diff)
	}
	_, err := r.op.CreateOperator(ctx, "ci")
	wantError(t, err, 409, auth.CodeConflict, "")
	_, err = r.op.CreateOperator(ctx, "Not A Name")
	wantError(t, err, 422, auth.CodeInvalidArgument, "name")
	must(t, r.op.DeleteOperator(ctx, "ci"))
	wantError(t, r.op.DeleteOperator(ctx, "ci"), 404, auth.CodeNotFound, "")
	_, err = second.ListOperators(ctx)
	wantError(t, err, 403, auth.CodeAdminRequired, "")
}
