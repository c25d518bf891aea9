package console

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// users makes n users of a project, the first one first, with roles.
func (r *rig) users(c auth.Caller, n int, roles ...string) []auth.UserID {
	r.t.Helper()
	ids := make([]auth.UserID, n)
	for i := range n {
		u, err := r.admin.CreateUser(r.t.Context(), c, auth.CreateUserParams{Email: fmt.Sprintf("user%d@example.com", i), UserPatch: auth.UserPatch{Roles: &roles}})
		r.must(err)
		ids[i] = u.ID
		r.clock.Advance(1e6)
	}
	return ids
}

func TestUsersList(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	r.get("/console/projects/acme/users").wantPage(200, "There are no users yet.")
	_, err := r.admin.CreateRole(t.Context(), acme, "editor")
	r.must(err)
	ids := r.users(acme, 51)
	r.users(r.project("other", "Other"), 1)
	_, err = r.admin.UpdateUser(t.Context(), acme, ids[3], auth.UserPatch{Disabled: new(true), EmailVerified: new(true), Roles: &[]string{"editor"}})
	r.must(err)

	first := r.get("/console/projects/acme/users").wantPage(200, "user50@example.com", "user1@example.com", "Next page")
	if strings.Contains(first.text(), "user0@example.com") {
		t.Error("the first page has all of them")
	}
	next := first.Body.String()
	next = next[:strings.Index(next, `" rel="next"`)]
	next = strings.ReplaceAll(next[strings.LastIndex(next, `"`)+1:], "&amp;", "&")
	r.get("/console/projects/acme/users"+next).wantPage(200, "user0@example.com", "First page")
	role := ""
	roles, err := r.admin.Roles(t.Context(), acme)
	r.must(err)
	role = string(roles[0].ID)
	for query, want := range map[string]bool{
		"email=user3@": true, "email=USER3@": true, "email=x": false, "state=disabled": true, "state=active": false, "role=" + role: true, "role=other": false,
		"provider=password": false, "verified=yes": true, "verified=no": false, "factor=yes": false, "factor=no": true, "since=2025-03-01&until=2025-03-01&email=user3": true,
		"until=2025-02-28": false, "since=2025-03-02": false,
	} {
		text := r.get("/console/projects/acme/users?" + query).wantPage(200).text()
		if strings.Contains(text, "user3@example.com") != want {
			t.Errorf("%s: found %v", query, !want)
		}
	}
	for _, query := range []string{"state=asleep", "since=yesterday", "after=x"} {
		r.get("/console/projects/acme/users?" + query).wantPage(422)
	}
	r.get("/console/projects/console/users").wantPage(404)
}

func TestBulkUsers(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	_, err := r.admin.CreateRole(t.Context(), acme, "editor")
	r.must(err)
	ids := r.users(acme, 3)
	const path = "/console/projects/acme/users"
	bulk := func(fields ...string) *answer { return r.post(path, "bulk", fields...) }
	disabled := func(id auth.UserID) bool {
		u, err := r.admin.GetUser(t.Context(), acme, id)
		r.must(err)
		return u.Disabled
	}
	bulk("action", "disable").wantPage(422, "Choose the users first.")
	bulk("action", "addRole", "uid", string(ids[0])).wantPage(422, "Choose the role.")
	bulk("action", "promote", "uid", string(ids[0])).wantPage(422, "is no action")
	bulk("action", "disable", "uid", string(ids[0]), "uid", string(ids[1])).wantBack(path)
	if !disabled(ids[0]) || !disabled(ids[1]) || disabled(ids[2]) {
		t.Error("not those are disabled that were chosen")
	}
	bulk("action", "enable", "uid", string(ids[0]), "uid", "nobody").wantPage(200, "Done for 1, and refused for 1.", "nobody", "there is no such user")
	bulk("action", "addRole", "role", "editor", "uid", string(ids[2])).wantBack(path)
	bulk("action", "delete", "uid", string(ids[0]), "uid", string(ids[2])).wantPage(200, "Delete 2 users?")
	if disabled(ids[0]) {
		t.Error("asking deletes")
	}
	r.post(path, "bulk-delete", "uid", string(ids[0]), "uid", string(ids[2])).wantBack(path)
	if _, err := r.admin.GetUser(t.Context(), acme, ids[0]); auth.CodeOf(err) != auth.CodeNoUserForID {
		t.Errorf("after deleting: %v", err)
	}
}

func TestNewUser(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	_, err := r.admin.CreateRole(t.Context(), acme, "editor")
	r.must(err)
	const path = "/console/projects/acme/new-user"
	r.get(path).wantPage(200, "New user", "editor")
	r.post(path, "create", "email", "nobody").wantPage(422)
	r.post(path, "create", "email", "grace@example.com", "password", "short").wantPage(422)
	at := r.post(path, "create", "email", "grace@example.com", "password", "copper lantern 97", "name", "Grace", "emailVerified", "on", "roles", "editor").
		wantBack("/console/projects/acme/users/").Header().Get("Location")
	r.get(at).wantPage(200, "The user is made.", "grace@example.com", "address verified")
	r.post(path, "create", "email", "grace@example.com").wantPage(409)
	r.post(path, "invite", "inviteEmail", "grace@example.com").wantPage(409)
	at = r.post(path, "invite", "inviteEmail", "alan@example.com", "inviteRoles", "editor").wantBack("/console/projects/acme/users/").Header().Get("Location")
	r.get(at).wantPage(200, "The user is invited", "invited")
}

func TestUserPage(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	_, err := r.admin.CreateRole(t.Context(), acme, "editor")
	r.must(err)
	tokens, err := r.admin.SignUp(t.Context(), auth.Caller{Project: acme.Project, UserAgent: "Firefox"}, auth.SignUpParams{Email: "grace@example.com", Password: "copper lantern 97"})
	r.must(err)
	id := tokens.User.ID
	path := "/console/projects/acme/users/" + string(id)
	user := func() auth.User {
		t.Helper()
		u, err := r.admin.GetUser(t.Context(), acme, id)
		r.must(err)
		return u
	}
	r.get(path).wantPage(200, "grace@example.com", "Firefox", "User: sign up", "Sign out everywhere")
	r.get("/console/projects/acme/users/nobody").wantPage(404)

	r.post(path, "profile", "email", "hopper@example.com", "emailVerified", "on", "name", "Grace", "locale", "en").wantBack(path)
	if u := user(); u.Email != "hopper@example.com" || !u.EmailVerified || u.Name != "Grace" {
		t.Errorf("%+v", u)
	}
	// The box was about the address before; who changes it says anew that it is proven.
	r.post(path, "profile", "email", "mallory@example.com", "was-email", "hopper@example.com", "emailVerified", "on", "was-emailVerified", "true", "name", "Grace", "was-name", "Grace", "locale", "en", "was-locale", "en").wantBack(path)
	if u := user(); u.Email != "mallory@example.com" || u.EmailVerified {
		t.Errorf("a changed address: %+v", u)
	}
	// An old page undoes nothing but what was changed on it.
	r.post(path, "profile", "email", "hopper@example.com", "was-email", "hopper@example.com", "emailVerified", "on", "was-emailVerified", "true", "name", "Ada", "was-name", "Grace").wantBack(path)
	if u := user(); u.Email != "mallory@example.com" || u.EmailVerified || u.Name != "Ada" {
		t.Errorf("by an old page: %+v", u)
	}
	r.post(path, "profile", "email", "hopper@example.com", "was-email", "mallory@example.com", "emailVerified", "on", "was-emailVerified", "false").wantBack(path)
	r.post(path, "profile", "email", "nobody").wantPage(422)
	r.postNow(path, "roles", "roles", "editor").wantBack(path)
	// A form that is refused leaves the boxes of the others as they are, and its own as they were sent.
	if a := r.post(path, "delete", "confirm", "not the address"); !regexp.MustCompile(`name="roles" value="[^"]+" checked`).MatchString(a.Body.String()) {
		t.Error("a refused deletion clears the box of a role")
	}
	if a := r.post(path, "profile", "email", "nobody", "emailVerified", "on"); !regexp.MustCompile(`name="emailVerified" checked`).MatchString(a.Body.String()) {
		t.Error("a refused form forgets its box")
	}
	if u := user(); len(u.Roles) != 1 {
		t.Errorf("roles %v", u.Roles)
	}
	r.postNow(path, "roles").wantBack(path)
	if u := user(); len(u.Roles) != 0 {
		t.Errorf("roles %v", u.Roles)
	}
	for wrong, why := range map[string]string{"{\n\"a\": }": "line 2", "[]": "JSON object", `{"a":1,"a":2}`: "twice", `{"sub":"x"}`: "reserved", "{": "line 1"} {
		a := r.postNow(path, "claims", "customClaims", wrong).wantPage(422, why)
		if !strings.Contains(a.Body.String(), `aria-invalid="true" aria-describedby="problem"`) {
			t.Errorf("%s: the field is not marked", wrong)
		}
	}
	r.postNow(path, "claims", "customClaims", `{"plan":"gold","level":3}`).wantBack(path)
	if u := user(); u.CustomClaims["plan"] != "gold" {
		t.Errorf("claims %v", u.CustomClaims)
	}
	r.get(path).wantPage(200, `"plan": "gold"`)
	r.postNow(path, "claims", "customClaims", "").wantBack(path)
	if u := user(); len(u.CustomClaims) != 0 {
		t.Errorf("claims %v", u.CustomClaims)
	}
	r.post(path, "disable").wantBack(path)
	r.get(path).wantPage(200, "disabled", "The user is signed in nowhere.")
	r.post(path, "enable").wantBack(path)
	r.post(path, "reset").wantBack(path)
	r.post(path, "verify").wantPage(422, "verified already")
	_, err = r.admin.SignIn(t.Context(), auth.Caller{Project: acme.Project}, auth.SignInParams{Email: "hopper@example.com", Password: "copper lantern 97"})
	r.must(err)
	sessions, err := r.admin.Sessions(t.Context(), acme, id, "", 9)
	r.must(err)
	r.post(path, "end-session", "session", string(sessions[0].ID)).wantBack(path)
	r.post(path, "end-session", "session", string(sessions[0].ID)).wantPage(404)
	r.post(path, "end-sessions").wantBack(path)
	r.post(path, "reset-factors").wantBack(path)
	r.post(path, "delete", "confirm", "grace@example.com").wantPage(422, "not the user's address")
	r.post(path, "delete", "confirm", "hopper@example.com").wantBack("/console/projects/acme/users?notice=deleted")
	r.get(path).wantPage(404)
}

// upload sends a file to the page of imports.
func (r *rig) upload(project, format, file string, fields ...string) *answer {
	r.t.Helper()
	path := "/console/projects/" + project + "/imports"
	body := &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for i, fields := 0, append([]string{ui.FieldToken, ui.FormToken(r.session, path), fieldDo, "upload", "format", format}, fields...); i < len(fields); i += 2 {
		r.must(form.WriteField(fields[i], fields[i+1]))
	}
	part, err := form.CreateFormFile("file", "users.txt")
	r.must(err)
	_, _ = io.WriteString(part, file)
	r.must(form.Close())
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return r.do(req)
}

func TestImport(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	const path = "/console/projects/acme/imports"
	work := func() { t.Helper(); r.must(r.admin.WorkImports(t.Context())) }
	r.get(path).wantPage(200, "Upload and check")
	r.upload("acme", "csv", "uid,phone\n").wantPage(422, `The column "phone" is not known`)
	r.upload("acme", "csv", "uid,email\n").wantPage(422, "The file has no users.")
	r.upload("acme", "xml", "<users>").wantPage(422, "Choose what the file is.")
	r.upload("acme", "firebase", "{}", "hashConfig", "nonsense").wantPage(422, "This is neither what Firebase's console shows")
	r.upload("acme", "doorward", strings.Repeat(strings.Repeat("x", 1<<19)+"\n", 41)).wantPage(422, "The file is too large")
	if a := r.post(path, "upload"); a.Code != 415 {
		t.Errorf("a form without a file: status %d", a.Code)
	}

	at := r.upload("acme", "csv", "email,passwordHash\na@example.com,$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\nb@example.com,\nnobody,\n").wantBack(path + "/").Header().Get("Location")
	r.get(at).wantPage(200, "Checking the file", "0 of 3 checked")
	r.post(at, "start").wantPage(409)
	work()
	r.get(at).wantPage(200, "Ready to import", "2 users would be made", "1 cannot come in", "the email address is not valid", "Passwords by bcrypt")
	r.get(path).wantPage(200, "users.txt", "checked")
	r.post(at, "start").wantBack(at)
	r.get(at).wantPage(200, "Importing users", "0 of 3 imported")
	r.upload("acme", "csv", "email\nc@example.com\n").wantPage(409, "is running")
	work()
	r.get(at).wantPage(200, "Import done", "2 users were made", "1 could not come in")
	r.get("/console/projects/acme/users").wantPage(200, "a@example.com", "b@example.com")

	at = r.upload("acme", "doorward", `{"email":"c@example.com"}`).wantBack(path + "/").Header().Get("Location")
	r.post(at, "stop").wantBack(at)
	r.get(at).wantPage(200, "Import stopped")
	r.get(path + "/nothing").wantPage(404)
	other := r.project("other", "Other")
	r.get(strings.Replace(at, "acme", string(other.Project.ID), 1)).wantPage(404)

	export := r.post("/console/projects/acme/export", "export")
	if lines := strings.Count(export.Body.String(), "\n"); export.Code != 200 || lines != 2 || !strings.Contains(export.Body.String(), "$2b$04$") {
		t.Errorf("export: %d\n%s", export.Code, export.Body)
	}
	if got := export.Header().Get("Content-Disposition"); got != `attachment; filename="users-acme.jsonl"` {
		t.Errorf("export as %s", got)
	}
}

// A file does not even get read where its form is forged.
func TestForgedUpload(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	good := r.session
	req := func(session string) *answer {
		r.session = session
		defer func() { r.session = good }()
		return r.upload("acme", "csv", "email\na@example.com\n")
	}
	req("").wantBack("/console/sign-in")
	body := "--x\r\nContent-Disposition: form-data; name=\"do\"\r\n\r\nupload\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nemail\na@example.com\r\n--x--\r\n"
	forged := httptest.NewRequest(http.MethodPost, "/console/projects/acme/imports", strings.NewReader(body))
	forged.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.do(forged).wantPage(403, "This form is out of date")
}

func TestOperators(t *testing.T) {
	r := newRig(t)
	r.get("/console/operators").wantPage(200, operatorEmail, "you")
	r.post("/console/operators", "invite", "email", "nobody").wantPage(422)
	a := r.post("/console/operators", "invite", "email", "grace@example.com").wantPage(200, "grace@example.com is invited", "https://auth.example.com/console/accept-invite?")
	if a.Header().Get("Location") != "" {
		t.Error("the link is in an address")
	}
	r.post("/console/operators", "invite", "email", operatorEmail).wantPage(409)
	operators, err := r.admin.Operators(t.Context(), r.operator())
	r.must(err)
	ada, grace := "/console/operators/"+string(operators[0].ID), "/console/operators/"+string(operators[1].ID)
	r.get(grace).wantPage(200, "grace@example.com", "invited")
	r.post(grace, "invite", "email", "grace@example.com").wantPage(200, "accept-invite?")
	r.post(grace, "disable").wantBack(grace)
	r.get(grace).wantPage(200, "disabled")
	r.post(grace, "enable").wantBack(grace)
	r.post(grace, "reset-factors").wantBack(grace)
	r.post(grace, "remove", "confirm", operatorEmail).wantPage(422)
	r.post(grace, "remove", "confirm", "grace@example.com").wantBack("/console/operators?notice=removed")
	r.get(grace).wantPage(404)
	r.post(ada, "disable").wantPage(409, "the last operator")
	r.post(ada, "remove", "confirm", operatorEmail).wantPage(409, "the last operator")
	r.get(ada).wantPage(200, operatorEmail)
}
