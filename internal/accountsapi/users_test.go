package accountsapi

import (
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

const usersPath = basePath + "/rest/collections/users"

func patchRequest(body io.Reader) (auth.UserPatch, error) {
	r := httptest.NewRequest("PATCH", "/", body)
	r.Header.Set("Content-Type", "application/json")
	return decodePatch(r, "u1")
}

func TestDecodePatch(t *testing.T) {
	yes, name, empty, address := true, "Ann", "", "a@example.com"
	none := map[string]any{}
	for body, want := range map[string]auth.UserPatch{
		`{}`:           {Attributes: none},
		`{"uid":"u1"}`: {Attributes: none},
		`{"uid":null,"name":null,"email":null,"emailVerified":null,"disabled":null,"roles":null}`: {Attributes: none},
		`{"name":"Ann"}`:         {Name: &name, Attributes: none},
		`{"name":"","email":""}`: {Name: &empty, Email: &empty, Attributes: none},
		`{"email":"a@example.com","emailVerified":true,"disabled":true,"roles":["editor"]}`: {
			Email: &address, EmailVerified: &yes, Disabled: &yes, Roles: &[]string{"editor"}, Attributes: none},
		`{"roles":[]}`: {Roles: &[]string{}, Attributes: none},
		`{"author":"x","createdAt":1,"updatedAt":[],"plan":"pro"}`: {Attributes: map[string]any{"plan": "pro"}},
		`{"a":1,"b":1.5,"c":null,"d":[true,{"e":"f"}],"Name":"x","Password":null}`: {Attributes: map[string]any{
			"a": int64(1), "b": 1.5, "c": nil, "d": []any{true, map[string]any{"e": "f"}}, "Name": "x", "Password": nil}},
		`{"locale":"de","picture":"p","passwords":1}`: {Attributes: map[string]any{"locale": "de", "picture": "p", "passwords": int64(1)}},
	} {
		got, err := patchRequest(strings.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", body, diff)
		}
	}
}

func TestDecodePatchRefuses(t *testing.T) {
	for body, detail := range map[string]string{
		``:                         "The request body is empty where a JSON object is expected",
		`null`:                     "The request body must be a JSON object",
		`{"uid":"u2"}`:             `The field "uid" cannot be changed`,
		`{"uid":""}`:               `The field "uid" cannot be changed`,
		`{"a":1,"password":"p"}`:   `The field "password" cannot be an attribute`,
		`{"PASSWORD":false}`:       `The field "PASSWORD" cannot be an attribute`,
		`{"pa\u017fsword":"p"}`:    "The field \"pa\u017fsword\" cannot be an attribute", // ſ is an s to whoever folds case
		`{"newPassword":"p"}`:      `The field "newPassword" cannot be an attribute`,
		`{"oldpassword":"p"}`:      `The field "oldpassword" cannot be an attribute`,
		`{"passwordHash":"h"}`:     `The field "passwordHash" cannot be an attribute`,
		`{"customClaims":{}}`:      `The field "customClaims" cannot be an attribute`,
		`{"Roles":["editor"]}`:     `The field "Roles" cannot be an attribute`,
		`{"EMAIL":"x"}`:            `The field "EMAIL" cannot be an attribute`,
		`{"emailverified":true}`:   `The field "emailverified" cannot be an attribute`,
		`{"Disabled":true}`:        `The field "Disabled" cannot be an attribute`,
		`{"UID":"u1"}`:             `The field "UID" cannot be an attribute`,
		`{"uid":1}`:                `The field "uid" must be a string`,
		`{"name":1}`:               `The field "name" must be a string`,
		`{"email":["a"]}`:          `The field "email" must be a string`,
		`{"emailVerified":"true"}`: `The field "emailVerified" must be a boolean`,
		`{"disabled":0}`:           `The field "disabled" must be a boolean`,
		`{"roles":"editor"}`:       `The field "roles" must be an array`,
		`{"roles":["editor",1]}`:   `The field "roles[1]" must be a string`,
		`{"a":1e999}`:              "The request body has a number that is out of range",
		`{"a":1,"\u0061":2}`:       "The request body has an object that names a member twice",
		`{"a":"` + strings.Repeat("x", 70000) + `"}`:                "The request body is over the limit of 65536 bytes",
		strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17): "The request body is nested deeper than 16 levels",
	} {
		_, err := patchRequest(strings.NewReader(body))
		wantMalformed(t, body[:min(len(body), 60)], err, detail)
	}
	r := httptest.NewRequest("PATCH", "/", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`{"a":1}`))))
	r.Header.Set("Content-Type", "application/json")
	if _, err := decodePatch(r, "u1"); err == nil {
		t.Error("a body that breaks off is taken")
	}
}

// TestUsersTable reads, changes and lists a record as its owner and as admin.
func TestUsersTable(t *testing.T) {
	s := newTestServer(t, nil)
	role, err := s.admin.CreateRole(t.Context(), s.operator(s.project()), "editor")
	if err != nil {
		t.Fatal(err)
	}
	ann := s.signUp("ann@example.com")
	path, own := usersPath+"/"+ann.uid, bearerOf(ann.idToken)
	const created = "2026-03-01T12:00:00.000Z"
	record := map[string]any{"uid": ann.uid, "email": "ann@example.com", "name": "", "roles": []any{}, "createdAt": created, "updatedAt": created}
	s.do("GET", path, nil, own).wantData(record)

	s.clock.Advance(60e9)
	record["name"], record["plan"], record["updatedAt"] = "Ann", "pro", "2026-03-01T12:01:00.000Z"
	s.do("PATCH", path, map[string]any{"name": "Ann", "plan": "pro", "gone": nil}, own).wantData(record)
	whole := s.do("GET", path, nil, own).data()
	s.do("PATCH", path, whole, own).wantData(record) // a record sent back as it came changes nothing
	for _, as := range []requestOption{own, asAdmin()} {
		s.do("PATCH", path, map[string]any{"plan": "gold", "newPassword": "x"}, as).wantError(422, `The field "newPassword" cannot be an attribute`)
	}
	s.do("GET", path, nil, own).wantData(record)

	for _, protected := range []map[string]any{
		{"email": "other@example.com"}, {"emailVerified": true}, {"disabled": true}, {"roles": []string{"editor"}},
	} {
		s.do("PATCH", path, protected, own).wantError(403, "Admin token is missing or invalid")
	}
	s.do("PATCH", path, map[string]any{"roles": []string{"nobody"}}, asAdmin()).wantError(422, `there is no role "nobody" in this project`)
	record["roles"] = []any{string(role.ID)}
	delete(record, "plan")
	s.do("PATCH", path, map[string]any{"roles": []string{"editor"}, "plan": nil}, asAdmin()).wantData(record)

	s.signUp("bob@example.com")
	where := url.Values{"where": {condition("name", "=", "Ann")}, "limit": {"1"}}
	got := s.do("GET", usersPath+"?"+where.Encode(), nil, asAdmin()).object()
	delete(record, "uid")
	record["author"] = ann.uid
	want := map[string]any{
		"meta": map[string]any{"total": 1.0, "limit": 1.0, "page": 1.0, "includesCount": 0.0},
		"data": []any{map[string]any{"uid": ann.uid, "attributes": record}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list: (-want +got)\n%s", diff)
	}
	nothing := s.do("GET", usersPath+"?page=7", nil, asAdmin()).object()
	want = map[string]any{"meta": map[string]any{"total": 2.0, "limit": 50.0, "page": 7.0, "includesCount": 0.0}, "data": []any{}}
	if diff := cmp.Diff(want, nothing); diff != "" {
		t.Errorf("page 7: (-want +got)\n%s", diff)
	}
	s.do("GET", usersPath+"?limit=0", nil, asAdmin()).wantError(422, "The parameter limit must be a whole number from 1 to 1000")
}

// TestUsersTableWithoutTheRecord: only who may see the record of anybody learns that there is none.
func TestUsersTableWithoutTheRecord(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	path := usersPath + "/" + strings.Repeat("x", 28)
	for method, body := range map[string]any{"GET": nil, "PATCH": map[string]any{"name": "x"}, "DELETE": nil} {
		s.do(method, path, body, asAdmin()).wantError(404, "There is no user record corresponding to the provided identifier.")
		s.do(method, path, body, bearerOf(ann.idToken)).wantError(403, "Permission denied")
	}
	s.do("DELETE", usersPath+"/"+ann.uid, nil, bearerOf(ann.idToken)).wantNoContent()
	s.do("GET", usersPath+"/"+ann.uid, nil, bearerOf(ann.idToken)).wantError(403, "Auth token is invalid")
	s.post("/sign-in/email", map[string]any{"email": ann.email, "password": testPassword}).wantError(400, "EMAIL_NOT_FOUND")
}

// TestListedAuthorSeesItself: with usersListPermission author, a user's list is its own record.
func TestListedAuthorSeesItself(t *testing.T) {
	s := newTestServer(t, map[string]string{"usersListPermission": "author"})
	ann := s.signUp("ann@example.com")
	s.signUp("bob@example.com")
	list := s.do("GET", usersPath, nil, bearerOf(ann.idToken)).object()
	data, _ := list["data"].([]any)
	if len(data) != 1 || text(data[0].(map[string]any), "uid") != ann.uid {
		t.Errorf("got %v, want the record of %s alone", list, ann.uid)
	}
}
