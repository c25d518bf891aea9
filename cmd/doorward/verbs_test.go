package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

// firstLink gives the first link of the newest mail to an address.
func (c *cliTest) firstLink(to string) string {
	c.t.Helper()
	var mails []adminapi.Mail
	c.json(&mails, "mail", "list")
	for _, m := range mails {
		if m.To != to {
			continue
		}
		var shown adminapi.MailMessage
		c.json(&shown, "mail", "show", m.ID)
		if shown.ID != m.ID || shown.Subject == "" || shown.Text == "" || shown.HTML == "" || len(shown.Links) == 0 {
			c.t.Fatalf("mail show printed %+v", shown)
		}
		var opened struct{ Link string }
		c.json(&opened, "mail", "open", m.ID, "--project", m.Project)
		if opened.Link != shown.Links[0] {
			c.t.Errorf("mail open printed %q, mail show %q", opened.Link, shown.Links[0])
		}
		return opened.Link
	}
	c.t.Fatalf("no mail to %s among %v", to, mails)
	return ""
}

func TestProjectVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var created adminapi.CreatedProject
	c.json(&created, "project", "create", "shop", "--preset", "documented", "--display-name", "The Shop")
	if created.ID != "shop" || created.Preset != "documented" || created.DisplayName != "The Shop" || !strings.HasPrefix(created.AdminToken, "dw_admin_") {
		t.Errorf("created %+v", created)
	}
	c.try("", "project", "create", "shop").wantFailure(t, exitFailed, "ids are never used again")
	c.try("", "project", "create", "No Good").wantFailure(t, exitFailed, "a project id has")

	var list []adminapi.Project
	c.json(&list, "project", "list")
	if len(list) != 2 || list[0].ID != "default" || list[1].ID != "shop" {
		t.Errorf("list is %+v", list)
	}
	r := c.try("", "project", "list", "--limit", "1", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) != 1 || !strings.Contains(r.stderr, "--after default") {
		t.Errorf("one of two: %v %q", list, r.stderr)
	}
	c.json(&list, "project", "list", "--after", "default")
	if len(list) != 1 || list[0].ID != "shop" {
		t.Errorf("after default: %+v", list)
	}

	var p adminapi.Project
	secret := writeFile(t, "smtp", "smtps://u:hunter2@mail.example.com\n")
	c.json(&p, "project", "set", "shop", "idTokenTTL=15m", "corsOrigins=https://a.example.com,https://b.example.com", "smtp=@"+secret)
	if p.Overrides["idTokenTTL"] != "15m" || p.Overrides["corsOrigins"] != "https://a.example.com,https://b.example.com" || len(p.Overrides) != 2 {
		t.Errorf("overrides are %v", p.Overrides)
	}
	c.json(&p, "project", "set", "shop", "--reset", "idTokenTTL", "--preset", "hardened")
	if _, still := p.Overrides["idTokenTTL"]; still || p.Preset != "hardened" {
		t.Errorf("after the reset: %+v", p)
	}
	settings := c.ok("project", "settings", "shop")
	for _, want := range []string{"corsOrigins ", "override", "(set)"} {
		if !strings.Contains(settings, want) {
			t.Errorf("no %q in\n%s", want, settings)
		}
	}
	if strings.Contains(settings, "hunter2") {
		t.Error("settings show a secret")
	}
	if all := c.ok("project", "settings"); !strings.Contains(all, "\nidTokenTTL\n") || !strings.Contains(all, "Default: 6 (documented), 8 (hardened)") {
		t.Errorf("the settings are explained as\n%s", all)
	}
	for _, test := range []struct{ arg, want string }{
		{"idTokenTTL", "a setting is KEY=VALUE"}, {"smtp=@/nonexistent", "/nonexistent"},
	} {
		c.try("", "project", "set", "shop", test.arg).wantFailure(t, exitUsage, test.want)
	}
	c.try("", "project", "set", "shop").wantFailure(t, exitUsage, "nothing to change")
	c.try("", "project", "set", "shop", "idTokenTTL=soon").wantFailure(t, exitFailed, "idTokenTTL")

	token := strings.TrimSpace(c.ok("project", "rotate-admin-token", "shop"))
	if !strings.HasPrefix(token, "dw_admin_") || token == created.AdminToken {
		t.Errorf("new admin token is %q", token)
	}
	if show := c.ok("project", "show", "shop"); !strings.Contains(show, "Name     The Shop") || !strings.Contains(show, "Users    0") {
		t.Errorf("show prints\n%s", show)
	}
	c.try("", "project", "delete", "shop").wantFailure(t, exitUsage, "needs --yes")
	c.ok("project", "delete", "shop", "--yes")
	c.try("", "project", "show", "shop").wantFailure(t, exitNotFound, "no such project")
	c.try("", "project", "delete", "default", "--yes").wantFailure(t, exitFailed, "cannot be deleted")
}

func TestUserBulk(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var ada adminapi.User
	c.json(&ada, "user", "create", "ada@example.com")
	c.ok("user", "create", "grace@example.com", "--email-verified")
	c.ok("role", "create", "editor")
	c.try("", "user", "bulk", "disable").wantFailure(t, exitUsage, "name the users")
	c.try("", "user", "bulk", "promote", ada.UID).wantFailure(t, exitUsage, "promote")
	c.try("", "user", "bulk", "add-role", ada.UID).wantFailure(t, exitFailed, "role")
	if out := c.okWith("\n grace@example.com \n", "user", "bulk", "add-role", ada.UID, "--from", "-", "--role", "editor"); !strings.Contains(out, "2 done, 0 refused") {
		t.Errorf("it said\n%s", out)
	}
	c.try("", "user", "bulk", "disable", ada.UID, "nobody").wantFailure(t, exitFailed, "1 users were refused")
	for want, filter := range map[string][]string{
		"ada": {"--state", "disabled"}, "grace": {"--email-verified=true"}, "ada,grace": {"--second-factor=false"}, "": {"--provider", "password"}, "grace,ada": {"--created-since", "2020-01-01T00:00:00Z"},
	} {
		var found []adminapi.User
		c.json(&found, append([]string{"user", "list"}, filter...)...)
		names := 0
		for _, u := range found {
			if name, _, _ := strings.Cut(u.Email, "@"); strings.Contains(want, name) {
				names++
			}
		}
		if wanted := len(strings.FieldsFunc(want, func(r rune) bool { return r == ',' })); len(found) != wanted || names != wanted {
			t.Errorf("%v found %+v", filter, found)
		}
	}
	c.ok("user", "send-verification", ada.UID)
	c.try("", "user", "send-verification", "grace@example.com").wantFailure(t, exitFailed, "verified already")
	c.try("", "user", "bulk", "delete", ada.UID).wantFailure(t, exitUsage, "--yes")
	c.ok("user", "bulk", "delete", ada.UID, "grace@example.com", "--yes")
	var left []adminapi.User
	if c.json(&left, "user", "list"); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestUserLife(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("role", "create", "editor")
	var u adminapi.User
	if err := json.Unmarshal([]byte(c.okWith("a long passphrase\n", "user", "create", "ada@example.com", "--password-file", "-", "--name", "Ada",
		"--role", "editor", "--email-verified", "--claims", `{"plan":"pro"}`, "--attributes", `{"city":"London"}`, "--json")), &u); err != nil {
		t.Fatal(err)
	}
	if u.Email != "ada@example.com" || !u.HasPassword || !u.EmailVerified || u.Name != "Ada" || len(u.Roles) != 1 || u.CustomClaims["plan"] != "pro" || u.Attributes["city"] != "London" {
		t.Errorf("created %+v", u)
	}
	c.try("", "user", "create", "ada@example.com").wantFailure(t, exitFailed, "in use")
	c.try("", "user", "create", "bob@example.com", "--claims", "[]").wantFailure(t, exitUsage, "--claims takes a JSON object")
	c.try("", "user", "create", "bob@example.com", "--password-file", "-").wantFailure(t, exitUsage, "password file is empty")

	s := c.serve(t)
	defer s.stop(t)
	signIn := func() int {
		status, _ := s.post(t, "/auth/accounts/sign-in/email", `{"email":"ada@example.com","password":"a long passphrase"}`)
		return status
	}
	if status := signIn(); status != 200 {
		t.Fatalf("sign-in: %d", status)
	}
	var sessions []adminapi.Session
	c.json(&sessions, "session", "list", "--user", "ada@example.com")
	if len(sessions) != 1 || sessions[0].UID != u.UID {
		t.Fatalf("sessions are %+v", sessions)
	}
	c.ok("session", "revoke", sessions[0].ID)
	signIn()
	signIn()
	if out := c.ok("session", "revoke", "--user", u.UID); out != "2 sessions revoked\n" {
		t.Errorf("revoke says %q", out)
	}
	signIn()
	if out := c.ok("session", "revoke", "--all"); out != "1 sessions revoked\n" {
		t.Errorf("revoke says %q", out)
	}
	c.try("", "session", "revoke", "--all", "--user", u.UID).wantFailure(t, exitUsage, "give one of")

	c.json(&u, "user", "disable", "ada@example.com")
	if status := signIn(); !u.Disabled || status != 400 {
		t.Errorf("disabled: %v, sign-in %d", u.Disabled, status)
	}
	var users []adminapi.User
	c.json(&users, "user", "list", "--state", "disabled")
	if len(users) != 1 || users[0].UID != u.UID {
		t.Errorf("disabled users are %+v", users)
	}
	c.json(&u, "user", "enable", u.UID)
	if status := signIn(); u.Disabled || status != 200 {
		t.Errorf("enabled: %v, sign-in %d", u.Disabled, status)
	}
	c.json(&u, "user", "update", u.UID, "--name", "Ada Lovelace", "--email-verified=false", "--attributes", `{"city":null,"year":1815}`)
	if u.Name != "Ada Lovelace" || u.EmailVerified || u.Attributes["city"] != nil || u.Attributes["year"] != 1815.0 || u.CustomClaims["plan"] != "pro" {
		t.Errorf("updated %+v", u)
	}
	c.json(&u, "role", "unassign", "editor", "ada@example.com")
	if len(u.Roles) != 0 {
		t.Errorf("roles are %v", u.Roles)
	}
	c.json(&u, "role", "assign", "editor", u.UID)
	if show := c.ok("user", "show", u.UID); !strings.Contains(show, "Roles         editor\n") {
		t.Errorf("show prints\n%s", show)
	}
	c.ok("user", "send-reset", "ada@example.com")
	if link := c.firstLink("ada@example.com"); !strings.Contains(link, "/default/reset-password?oobCode=") {
		t.Errorf("the link is %s", link)
	}

	c.try("", "user", "delete", u.UID).wantFailure(t, exitUsage, "needs --yes")
	var deleted map[string]string
	c.json(&deleted, "user", "delete", u.UID)
	if deleted["deleted"] != u.UID {
		t.Errorf("delete prints %v", deleted)
	}
	c.try("", "user", "show", u.UID).wantFailure(t, exitNotFound, "no such user")
	c.try("", "user", "show", "ada@example.com").wantFailure(t, exitNotFound, "no user with this email address")
	c.try("", "user", "list", "--project", "nowhere").wantFailure(t, exitNotFound, "no such project")
	c.json(&users, "user", "list")
	if users == nil || len(users) != 0 {
		t.Errorf("users are %#v, want an empty array", users)
	}
}

func TestKeyVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var before, after []adminapi.Key
	c.json(&before, "key", "list")
	var fresh adminapi.Key
	c.json(&fresh, "key", "rotate")
	c.json(&after, "key", "list")
	if len(before) != 1 || len(after) != 2 || after[0].KID != fresh.KID || !after[0].Signing || after[1].Signing {
		t.Fatalf("keys are %+v, then %+v", before, after)
	}
	c.try("", "key", "withdraw", fresh.KID, "--yes").wantFailure(t, exitFailed, "rotate first")
	c.ok("key", "withdraw", before[0].KID, "--yes")
	c.json(&after, "key", "list")
	if len(after) != 1 {
		t.Errorf("keys are %+v", after)
	}
}

func TestMasterKeyVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	read := func() string {
		text, err := os.ReadFile(filepath.Join(c.data, "master.key"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	keys := func() int { return strings.Count(read(), "\nv1 ") }
	var rotated adminapi.RotatedMasterKey
	c.json(&rotated, "master-key", "rotate")
	if keys() != 2 || !strings.Contains(read(), "v1 "+rotated.KeyID+" ") {
		t.Errorf("%d keys; the new one is %s", keys(), rotated.KeyID)
	}
	var pruned adminapi.PrunedMasterKeys
	c.json(&pruned, "master-key", "prune")
	if keys() != 1 || len(pruned.Removed) != 1 {
		t.Errorf("%d keys, removed %v", keys(), pruned.Removed)
	}
	c.ok("key", "rotate") // what is sealed can still be opened and sealed
}

func TestMasterKeyMissing(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	path := filepath.Join(c.data, "master.key")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	c.try("", "project", "list").wantFailure(t, exitFailed, "put "+path+" back")
	if _, err := os.Stat(path); err == nil {
		t.Error("a new master key was made")
	}
}

func TestMailVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("project", "create", "shop")
	c.ok("user", "invite", "ada@example.com", "--project", "shop")
	c.ok("user", "invite", "bob@example.com")
	s := c.serve(t) // its worker keeps them, as there is no SMTP server
	var all, shop []adminapi.Mail
	for deadline := time.Now().Add(time.Minute); len(all) < 2 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c.json(&all, "mail", "list", "--state", "kept")
	}
	s.stop(t)
	c.json(&shop, "mail", "list", "--project", "shop")
	if len(all) != 2 || len(shop) != 1 || shop[0].To != "ada@example.com" || shop[0].Kind != "invite" {
		t.Fatalf("mails are %+v and %+v", all, shop)
	}
	if link := c.firstLink("bob@example.com"); !strings.Contains(link, "oobCode=") {
		t.Errorf("the link is %s", link)
	}
	if out := c.ok("mail", "show", shop[0].ID); !strings.Contains(out, "To       ada@example.com") || !strings.Contains(out, "oobCode=") {
		t.Errorf("show prints\n%s", out)
	}
	c.ok("mail", "retry", shop[0].ID)
	c.json(&shop, "mail", "list", "--project", "shop", "--state", "queued")
	if len(shop) != 1 {
		t.Errorf("after retry: %+v", shop)
	}
	c.ok("mail", "delete", shop[0].ID, "--yes")
	for _, args := range [][]string{{"mail", "show", shop[0].ID}, {"mail", "show", "nonsense"}, {"mail", "retry", shop[0].ID, "--project", "shop"}} {
		c.try("", args...).wantFailure(t, exitNotFound, "there is no such mail")
	}
	c.try("", "mail", "list", "--state", "lost").wantFailure(t, exitFailed, "state")
}

func TestMailTemplateVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	subject := writeFile(t, "subject", "Come in, {{.ProjectName}} waits\n")
	c.ok("mail", "template", "set", "invite", "en", "--subject-file", subject)
	var list []adminapi.MailTemplate
	c.json(&list, "mail", "template", "list")
	if len(list) != 1 || list[0].Subject != "Come in, {{.ProjectName}} waits" {
		t.Fatalf("templates are %+v", list)
	}
	c.ok("user", "invite", "ada@example.com")
	if mails := c.ok("mail", "show", c.newestMail(), "--json"); !strings.Contains(mails, "Come in, default waits") {
		t.Errorf("the mail is %s", mails)
	}
	c.try("", "mail", "template", "set", "invite", "en").wantFailure(t, exitUsage, "at least one of")
	broken := writeFile(t, "broken", "{{.Password}}")
	c.try("", "mail", "template", "set", "invite", "en", "--text-file", broken).wantFailure(t, exitFailed, "Password")
	c.ok("mail", "template", "delete", "invite", "en", "--yes")
	c.try("", "mail", "template", "delete", "invite", "en", "--yes").wantFailure(t, exitNotFound, "no such template")
}

func (c *cliTest) newestMail() string {
	c.t.Helper()
	var mails []adminapi.Mail
	c.json(&mails, "mail", "list")
	if len(mails) == 0 {
		c.t.Fatal("there is no mail")
	}
	return mails[0].ID
}

func TestAuditVerb(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("project", "create", "shop")
	c.ok("role", "create", "editor", "--project", "shop")
	var all, shop []adminapi.AuditRecord
	c.json(&all, "audit", "list")
	c.json(&shop, "audit", "list", "--project", "shop", "--since", "2020-01-01T00:00:00Z", "--outcome", "allowed")
	// all has the first start, too: two projects and a set-up link.
	if len(shop) != 2 || len(all) != 5 || shop[0].Actor != "operator" || !shop[0].At.After(shop[1].At.AddDate(0, 0, -1)) {
		t.Errorf("records are %+v and %+v", all, shop)
	}
	if out := c.ok("audit", "list", "--project", "shop", "--event", shop[1].Event); !strings.Contains(out, shop[1].Event) || strings.Contains(out, shop[0].Event) {
		t.Errorf("the list is\n%s", out)
	}
}

// TestServerInsteadOfData: every command works on a running server too, with the rights of its token.
func TestServerInsteadOfData(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var operator adminapi.CreatedOperator
	c.json(&operator, "operator", "create", "deploy")
	var shop adminapi.CreatedProject
	c.json(&shop, "project", "create", "shop")
	s := c.serve(t)
	defer s.stop(t)
	remote := func(env []string, args ...string) result {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), args, env, strings.NewReader(""), &stdout, &stderr)
		return result{code, stdout.String(), stderr.String()}
	}
	asOperator := []string{"DOORWARD_SERVER=" + s.url, "DOORWARD_TOKEN=" + operator.Token}
	asShop := []string{"DOORWARD_SERVER=" + s.url, "DOORWARD_TOKEN_FILE=" + writeFile(t, "token", shop.AdminToken+"\n")}

	if r := remote(asOperator, "project", "list"); r.code != exitDone || !strings.Contains(r.stdout, "shop") {
		t.Errorf("as operator: %+v", r)
	}
	if r := remote(asShop, "role", "create", "editor", "--project", "shop"); r.code != exitDone {
		t.Errorf("as shop: %+v", r)
	}
	if r := remote(nil, "role", "list", "--project", "shop", "--server", s.url+"/", "--admin-token", shop.AdminToken); r.code != exitDone || !strings.Contains(r.stdout, "editor") {
		t.Errorf("with flags: %+v", r)
	}
	remote(asShop, "user", "list").wantFailure(t, exitFailed, "admin token")
	remote(asShop, "project", "list").wantFailure(t, exitFailed, "operator")
	remote([]string{"DOORWARD_SERVER=" + s.url}, "project", "list").wantFailure(t, exitUsage, "DOORWARD_TOKEN")
	remote(nil, "project", "list", "--server", "localhost:8080", "--admin-token", "x").wantFailure(t, exitUsage, "not a URL")
	remote(nil, "project", "list", "--server", s.url, "--data", c.data).wantFailure(t, exitUsage, "give one")
	remote(nil, "project", "list", "--admin-token", "x").wantFailure(t, exitUsage, "--admin-token is for --server")
	remote(asOperator, "project", "show", "nowhere").wantFailure(t, exitNotFound, "no such project")
	c.ok("operator", "delete", "deploy", "--yes")
	remote(asOperator, "project", "list").wantFailure(t, exitFailed, "")
}

func TestOperatorVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("operator", "create", "deploy")
	c.try("", "operator", "create", "deploy").wantFailure(t, exitFailed, "already")
	var list []adminapi.Operator
	c.json(&list, "operator", "list")
	if len(list) != 1 || list[0].Name != "deploy" {
		t.Errorf("operators are %+v", list)
	}
	c.ok("operator", "delete", "deploy", "--yes")
	c.try("", "operator", "delete", "deploy", "--yes").wantFailure(t, exitNotFound, "no operator token")
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown command", []string{"projekt"}, exitUsage, "see doorward --help"},
		{"unknown verb", []string{"project", "make"}, exitUsage, "see doorward project --help"},
		{"unknown flag", []string{"project", "list", "--limt", "3"}, exitUsage, `--limit`},
		{"argument missing", []string{"project", "create"}, exitUsage, `<id>`},
		{"no data", []string{"project", "list", "--data", nowhere}, exitUsage, "there is no Doorward data here"},
		{"bad limit", []string{"project", "list", "--data", nowhere, "--limit", "x"}, exitUsage, "--limit"},
		{"bad shell", []string{"completion", "tcsh"}, exitUsage, "bash"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), test.args, nil, strings.NewReader(""), &stdout, &stderr)
			result{code, stdout.String(), stderr.String()}.wantFailure(t, test.code, test.want)
			if stdout.Len() > 0 {
				t.Errorf("stdout is %q", stdout.String())
			}
			stderr.Reset()
			run(context.Background(), append(test.args, "--json"), nil, strings.NewReader(""), io.Discard, &stderr)
			var document errorDocument
			if err := json.Unmarshal(stderr.Bytes(), &document); err != nil || document.Error.Code != "usage" || document.Error.Message == "" {
				t.Errorf("with --json: %v in %q", err, stderr.String())
			}
		})
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("a mistyped --data made a directory")
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	if out := c.ok("migrate"); !strings.HasPrefix(out, "The database has the schema of doorward ") {
		t.Errorf("migrate prints %q", out)
	}
	if s := c.serve(t); !s.greeting.FirstStart {
		t.Error("migrate made the default project, whose token nobody saw")
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		if got := saysYes(strings.NewReader(answer)); got != want {
			t.Errorf("%q counts as %v", answer, got)
		}
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"Ada": "Ada", "A\x1b[31mda\r\n": "A[31mda", "a\u202eb": "ab", "日本": "日本"} {
		if got := plain(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// On PostgreSQL the data directory holds the master key alone; a command that does not know of the database says how to name it.
func TestDataOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: t.TempDir()}
	if err := os.WriteFile(filepath.Join(c.data, "master.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.try("", "user", "list").wantFailure(t, exitUsage, "DOORWARD_DATABASE_FILE")
}

func TestConsoleVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var created adminapi.ConsoleLink
	c.json(&created, "console", "link")
	if !strings.Contains(created.Link, "/console/setup?code=") {
		t.Errorf("link is %q", created.Link)
	}
	var invited adminapi.InvitedConsoleOperator
	c.json(&invited, "console", "invite", "Ada@example.com")
	if invited.Operator.Email != "ada@example.com" || !strings.Contains(invited.Link, "/console/accept-invite?") {
		t.Errorf("invited %+v", invited)
	}
	if out := c.ok("console", "operators"); !strings.Contains(out, "ada@example.com") || !strings.Contains(out, "invited") {
		t.Errorf("operators are\n%s", out)
	}
	c.ok("console", "disable", "ada@example.com")
	var list []adminapi.ConsoleOperator
	c.json(&list, "console", "operators")
	if len(list) != 1 || !list[0].Disabled || list[0].UID != invited.Operator.UID {
		t.Errorf("operators are %+v", list)
	}
	if out := c.ok("console", "enable", list[0].UID); !strings.Contains(out, "invited") {
		t.Errorf("enabled:\n%s", out)
	}
	if out := c.ok("console", "reset-factors", "ada@example.com", "--yes"); !strings.Contains(out, "0 second factors removed") {
		t.Errorf("reset:\n%s", out)
	}
	c.ok("console", "remove", "ada@example.com", "--yes")
	c.try("", "console", "remove", "ada@example.com", "--yes").wantFailure(t, exitNotFound, "no such operator")
	if out := c.ok("project", "list"); strings.Contains(out, "console") {
		t.Errorf("the console's project is listed:\n%s", out)
	}
	c.try("", "project", "delete", "console", "--yes").wantFailure(t, exitFailed, "the instance's own")
	c.ok("project", "set", "console", "mailFrom=ops@example.com")
	c.try("", "project", "set", "console", "selfSignUp=true").wantFailure(t, exitFailed, "cannot be changed")
}
