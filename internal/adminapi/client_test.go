package adminapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestClientHasEveryOperation calls each method of the client, and sees the very operation succeed.
func TestClientHasEveryOperation(t *testing.T) {
	r := newRig(t)
	ctx, op, local := t.Context(), r.op, r.localClient()
	var uid, mailID, sessionID, oldKey, hookID, deliveryID string
	first := func(_ any, err error) error { return err }
	var called []string
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"getOpenAPI", func() error {
			served, err := op.OpenAPI(ctx)
			if !bytes.Equal(served, document) {
				t.Error("the document that is served is another one")
			}
			return err
		}},
		{"listSettings", func() error { return first(op.Settings(ctx)) }},
		{"createOperator", func() error { return first(op.CreateOperator(ctx, "ci")) }},
		{"listOperators", func() error { return first(op.ListOperators(ctx)) }},
		{"deleteOperator", func() error { return op.DeleteOperator(ctx, "ci") }},
		{"createProject", func() error {
			return first(op.CreateProject(ctx, NewProject{ID: "shop", Preset: "documented", Settings: fast()}))
		}},
		{"listProjects", func() error { return first(op.ListProjects(ctx, "", 0)) }},
		{"getProject", func() error { return first(op.GetProject(ctx, "shop")) }},
		{"updateProject", func() error { return first(op.UpdateProject(ctx, "shop", ProjectPatch{DisplayName: "Shop"})) }},
		{"rotateAdminToken", func() error { return first(op.RotateAdminToken(ctx, "shop")) }},
		{"listProjectSettings", func() error { return first(op.ProjectSettings(ctx, "shop")) }},
		{"createRole", func() error { return first(op.CreateRole(ctx, "shop", "the editor")) }},
		{"listRoles", func() error { return first(op.ListRoles(ctx, "shop")) }},
		{"createUser", func() error { uid = r.user("shop", "ada@example.com").UID; return nil }},
		{"getUser", func() error { return first(op.GetUser(ctx, "shop", uid)) }},
		{"updateUser", func() error { return first(op.UpdateUser(ctx, "shop", uid, UserPatch{Name: ptr("Ada")})) }},
		{"assignRole", func() error { return first(op.AssignRole(ctx, "shop", uid, "the editor")) }},
		{"searchUsers", func() error { return first(op.SearchUsers(ctx, "shop", UserSearch{Role: "the editor"})) }},
		{"unassignRole", func() error { return first(op.UnassignRole(ctx, "shop", uid, "the editor")) }},
		{"deleteRole", func() error { return op.DeleteRole(ctx, "shop", "the editor") }},
		{"inviteUser", func() error { return first(op.InviteUser(ctx, "shop", Invite{Email: "bob@example.com"})) }},
		{"sendPasswordReset", func() error { return op.SendPasswordReset(ctx, "shop", uid) }},
		{"sendVerification", func() error { return op.SendVerification(ctx, "shop", uid) }},
		{"bulkUsers", func() error { return first(op.BulkUsers(ctx, "shop", Bulk{Action: "enable", UIDs: []string{uid}})) }},
		{"listUserSessions", func() error {
			r.signIn("shop", "ada@example.com")
			return first(op.UserSessions(ctx, "shop", uid, "", 1))
		}},
		{"listSessions", func() error {
			page, err := op.ListSessions(ctx, "shop", "", 0)
			sessionID = page.Sessions[0].ID
			return err
		}},
		{"revokeSession", func() error { return op.RevokeSession(ctx, "shop", sessionID) }},
		{"listSecondFactors", func() error { return first(op.SecondFactors(ctx, "shop", uid)) }},
		{"resetSecondFactors", func() error { return first(op.ResetSecondFactors(ctx, "shop", uid)) }},
		{"revokeUserSessions", func() error { return first(op.RevokeUserSessions(ctx, "shop", uid)) }},
		{"disableUser", func() error { return first(op.DisableUser(ctx, "shop", uid)) }},
		{"enableUser", func() error { return first(op.EnableUser(ctx, "shop", uid)) }},
		{"exportUsers", func() error { return first(op.ExportUsers(ctx, "shop", "", 1, io.Discard)) }},
		{"importUsers", func() error { return first(op.ImportUsers(ctx, "shop", ImportOptions{DryRun: true}, lines("{}"))) }},
		{"deleteUser", func() error { return op.DeleteUser(ctx, "shop", uid) }},
		{"listKeys", func() error {
			page, err := op.ListKeys(ctx, "shop")
			oldKey = page.Keys[0].KID
			return err
		}},
		{"rotateKey", func() error { return first(op.RotateKey(ctx, "shop")) }},
		{"withdrawKey", func() error { return op.WithdrawKey(ctx, "shop", oldKey) }},
		{"putProvider", func() error {
			return first(op.PutProvider(ctx, "shop", "google.com", ProviderChange{ClientID: ptr("shop-1"), ClientSecret: ptr("hunter2hunter2")}))
		}},
		{"getProvider", func() error { return first(op.GetProvider(ctx, "shop", "google.com")) }},
		{"listProviders", func() error { return first(op.ListProviders(ctx, "shop")) }},
		{"checkProvider", func() error { return first(op.CheckProvider(ctx, "shop", "google.com")) }},
		{"deleteProvider", func() error { return op.DeleteProvider(ctx, "shop", "google.com") }},
		{"createWebhook", func() error {
			w, err := op.CreateWebhook(ctx, "shop", WebhookChange{URL: ptr("https://shop.example.com/hook")})
			hookID = w.ID
			return err
		}},
		{"listWebhooks", func() error { return first(op.ListWebhooks(ctx, "shop")) }},
		{"getWebhook", func() error { return first(op.GetWebhook(ctx, "shop", hookID)) }},
		{"updateWebhook", func() error { return first(op.UpdateWebhook(ctx, "shop", hookID, WebhookChange{Enabled: ptr(true)})) }},
		{"rotateWebhookSecret", func() error { return first(op.RotateWebhookSecret(ctx, "shop", hookID)) }},
		{"testWebhook", func() error { return first(op.TestWebhook(ctx, "shop", hookID)) }},
		{"listWebhookDeliveries", func() error {
			r.user("shop", "cleo@example.com")
			page, err := op.ListWebhookDeliveries(ctx, "shop", DeliveryFilter{Webhook: hookID, State: "queued"})
			deliveryID = page.Deliveries[0].ID
			return err
		}},
		{"retryWebhookDelivery", func() error { return op.RetryWebhookDelivery(ctx, "shop", deliveryID) }},
		{"deleteWebhook", func() error { return op.DeleteWebhook(ctx, "shop", hookID) }},
		{"listInstanceMail", func() error { return first(op.ListMail(ctx, "", MailFilter{})) }},
		{"listMail", func() error {
			page, err := op.ListMail(ctx, "shop", MailFilter{State: "queued"})
			mailID = page.Mails[0].ID
			return err
		}},
		{"readMail", func() error { return first(op.ReadMail(ctx, "shop", mailID)) }},
		{"retryMail", func() error { r.killMail(mailID); return op.RetryMail(ctx, "shop", mailID) }},
		{"deleteMail", func() error { return op.DeleteMail(ctx, "shop", mailID) }},
		{"putMailTemplate", func() error {
			return op.PutMailTemplate(ctx, "shop", "invite", "en", MailTemplateParts{Subject: "Come in"})
		}},
		{"listMailTemplates", func() error { return first(op.ListMailTemplates(ctx, "shop")) }},
		{"checkMail", func() error { return first(op.CheckMail(ctx, "shop")) }},
		{"previewMail", func() error { return first(op.PreviewMail(ctx, "shop", "invite", "en")) }},
		{"previewMailDraft", func() error {
			return first(op.PreviewMailDraft(ctx, "shop", "invite", "en", MailTemplateParts{Subject: "Come"}))
		}},
		{"sendTestMail", func() error { return first(op.SendTestMail(ctx, "shop", "invite", "en", "me@example.com")) }},
		{"presetDiff", func() error { return first(op.PresetDiff(ctx, "shop", "hardened", true)) }},
		{"applyPreset", func() error { return first(op.ApplyPreset(ctx, "shop", "documented", false)) }},
		{"deleteMailTemplate", func() error { return op.DeleteMailTemplate(ctx, "shop", "invite", "en") }},
		{"listInstanceAudit", func() error { return first(op.ListAudit(ctx, "", AuditFilter{Since: testStart})) }},
		{"listActivity", func() error { return first(op.Activity(ctx, "shop", "hour", testStart, testStart.Add(time.Hour))) }},
		{"listAudit", func() error { return first(op.ListAudit(ctx, "shop", AuditFilter{Outcome: "allowed"})) }},
		{"explainAnywhere", func() error { return first(op.Explain(ctx, "", r.refuse("shop"))) }},
		{"explain", func() error { return first(op.Explain(ctx, "shop", r.refuse("shop"))) }},
		{"createConsoleLink", func() error { return first(local.CreateConsoleLink(ctx)) }},
		{"inviteConsoleOperator", func() error { return first(op.InviteConsoleOperator(ctx, "eve@example.com")) }},
		{"listConsoleOperators", func() error { return first(op.ListConsoleOperators(ctx)) }},
		{"disableConsoleOperator", func() error { return first(op.DisableConsoleOperator(ctx, "eve@example.com")) }},
		{"enableConsoleOperator", func() error { return first(op.EnableConsoleOperator(ctx, "eve@example.com")) }},
		{"resetConsoleOperatorFactors", func() error { return first(op.ResetConsoleOperatorFactors(ctx, "eve@example.com")) }},
		{"deleteConsoleOperator", func() error { return op.DeleteConsoleOperator(ctx, "eve@example.com") }},
		{"stageMasterKey", func() error { return first(local.StageMasterKey(ctx)) }},
		{"rotateMasterKey", func() error { return first(local.RotateMasterKey(ctx)) }},
		{"pruneMasterKeys", func() error { return first(local.PruneMasterKeys(ctx)) }},
		{"deleteProject", func() error { return op.DeleteProject(ctx, "shop") }},
	} {
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.name != "listUserSessions" && r.last != c.name {
			t.Errorf("the call for %s was %s", c.name, r.last)
		}
		called = append(called, c.name)
	}
	var served []string
	for _, o := range Operations() {
		served = append(served, o.Name)
	}
	slices.Sort(called)
	slices.Sort(served)
	if diff := cmp.Diff(served, called); diff != "" {
		t.Errorf("operations without a call (-served +called):\n%s", diff)
	}
}

// roundTrip is a RoundTripper of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestClientSendsWhatItMust(t *testing.T) {
	for _, c := range []struct{ base, token, wantURL, wantAuthorization string }{
		{"https://auth.example.com", "t", "https://auth.example.com/admin/v1/projects/a%2Fb%3F/users/..?after=x+y&limit=5", "Bearer t"},
		{"https://auth.example.com/", "", "https://auth.example.com/admin/v1/projects/a%2Fb%3F/users/..?after=x+y&limit=5", ""},
		{"https://example.com/au%2Fth/", "t", "https://example.com/au%2Fth/admin/v1/projects/a%2Fb%3F/users/..?after=x+y&limit=5", "Bearer t"},
	} {
		base, err := url.Parse(c.base)
		must(t, err)
		var sent *http.Request
		client := NewClient(base, c.token, roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
		}))
		must(t, client.decode(t.Context(), call{method: "GET", path: []string{"projects", "a/b?", "users", ".."}, query: params("after", "x y", "limit", "5", "state", "")}, &struct{}{}))
		if sent.URL.String() != c.wantURL || sent.Header.Get("Authorization") != c.wantAuthorization || sent.Header.Get("Content-Type") != "" {
			t.Errorf("%s: sent %s with %v", c.base, sent.URL, sent.Header)
		}
	}
}

func TestClientUnderstandsRefusals(t *testing.T) {
	var status int
	var header http.Header
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	must(t, err)
	client := NewClient(base, "secret-token", nil)
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   Error
	}{
		{"ours", 422, nil, `{"error":{"code":"invalid_argument","message":"no","field":"id"}}`, Error{422, "invalid_argument", "no", "id", 0}},
		{"wait", 503, http.Header{"Retry-After": {"2"}}, `{"error":{"code":"unavailable","message":"busy"}}`, Error{503, "unavailable", "busy", "", 2 * time.Second}},
		{"a proxy's", 502, nil, `<html>`, Error{502, "", "the server answered 502 Bad Gateway, which is not an answer of the admin API", "", 0}},
		{"a redirect is not followed", 302, http.Header{"Location": {"https://elsewhere.example.com"}}, ``, Error{302, "", "the server answered 302 Found, which is not an answer of the admin API", "", 0}},
	} {
		status, header, body = c.status, c.header, c.body
		_, err := client.GetProject(t.Context(), "shop")
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, *refused); diff != "" || refused.Error() != c.want.Message {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	status, header, body = 200, nil, `<html>`
	if _, err := client.GetProject(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "not what the admin API gives") || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("a page: %v", err)
	}
	server.Close()
	if _, err := client.GetProject(t.Context(), "shop"); err == nil || errors.As(err, new(*Error)) {
		t.Errorf("no server: %v", err)
	}
}

// TestOverTheNetwork: a server and a client of its own find each other as those in one process do.
func TestOverTheNetwork(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.handler)
	defer server.Close()
	base, err := url.Parse(server.URL)
	must(t, err)
	client := NewClient(base, r.op.token, nil)
	got(client.CreateProject(t.Context(), NewProject{ID: "shop", Settings: fast()}))(t)
	got(client.CreateRole(t.Context(), "shop", "shop owner"))(t)
	must(t, client.DeleteRole(t.Context(), "shop", "shop owner"))
	report := got(client.ImportUsers(t.Context(), "shop", ImportOptions{}, lines(`{"uid": "a"}`, `{"uid": "b"}`)))(t)
	var out bytes.Buffer
	next := got(client.ExportUsers(t.Context(), "shop", "", 1, &out))(t)
	if report.Created != 2 || next != "a" || !strings.HasPrefix(out.String(), `{"uid":"a",`) {
		t.Errorf("imported %+v, exported %q and next %q", report, out.String(), next)
	}
}

func TestInProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := http.Client{Transport: InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("X-Uri", r.RequestURI)
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "too late")
			io.Copy(w, r.Body)
		case "/abort":
			io.WriteString(w, "half of")
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("hunter2")
		}
	}))}
	send := func(path string, body io.Reader) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, "POST", "http://localhost"+path, body)
		must(t, err)
		return client.Do(req)
	}
	resp, err := send("/echo?a=b", strings.NewReader("text"))
	must(t, err)
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusTeapot || string(text) != "text" || resp.ContentLength != 4 || resp.Header.Get("X-Uri") != "/echo?a=b" || resp.Header.Get("X-Late") != "" {
		t.Errorf("%s %q with %v", resp.Status, text, resp.Header)
	}
	if resp, err = send("/nothing", nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("nothing: %v, %v", resp, err)
	}
	for _, path := range []string{"/abort", "/panic"} {
		if _, err := send(path, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", path, err)
		}
	}
	cancel()
	if _, err := (InProcess(http.NotFoundHandler())).RoundTrip(httptest.NewRequest("GET", "/", nil).WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that is cancelled already: %v", err)
	}
}
