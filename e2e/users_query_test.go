package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// listing is the decoded answer of GET users.
type listing struct {
	Meta struct {
		Total, Limit, Page, IncludesCount *float64
	}
	Data []struct {
		UID        string
		Attributes M
	}
}

// query asks for the list as admin, with pairs of a parameter's name and value.
func (p project) query(t *testing.T, pairs ...string) listing {
	t.Helper()
	r := p.asAdmin().get(t, users+queryString(pairs))
	r.wantStatus(t, 200)
	var l listing
	decodeInto(t, r.what, r.body, &l)
	return l
}

func queryString(pairs []string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// names returns the users' names in the list's order.
func (l listing) names() string {
	var list []string
	for _, user := range l.Data {
		name, _ := user.Attributes["name"].(string)
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// people makes a project with four users whose attributes the queries below tell apart.
func people(t *testing.T) (project, map[string]account) {
	t.Helper()
	p := newProject(t)
	byName := map[string]account{}
	for _, attributes := range []M{
		{"name": "ada", "age": 36, "plan": "pro", "tags": L{"math", "code"}, "active": true},
		{"name": "bob", "age": 9, "plan": "free", "tags": L{"code"}, "active": false},
		{"name": "cyd", "age": 100, "plan": "free", "tags": L{}, "active": true},
		{"name": "dee", "age": 36, "plan": "trial", "tags": L{"art"}, "active": false},
	} {
		a := p.signUp(t)
		p.patchUser(t, a.uid, attributes)
		byName[attributes["name"].(string)] = a
	}
	return p, byName
}

func TestUsersList(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	r := p.asAdmin().get(t, users)
	r.wantStatus(t, 200)
	wantJSON(t, r.what, r.body, M{"meta": M{"total": 0, "limit": 50, "page": 1, "includesCount": 0}, "data": L{}})

	a := p.signUp(t)
	p.patchUser(t, a.uid, M{"name": "Ada", "plan": "pro"})
	r = p.asAdmin().get(t, users)
	r.wantStatus(t, 200)
	wantJSON(t, r.what, r.body, M{"meta": M{"total": 1, "limit": 50, "page": 1, "includesCount": 0},
		"data": L{M{"uid": a.uid, "attributes": M{"author": isAny, "createdAt": isInstant, "updatedAt": isInstant,
			"email": a.email, "name": "Ada", "roles": L{}, "plan": "pro",
			"emailVerified": optional(oneOf(false)), "disabled": optional(oneOf(false))}}}})
}

func TestUsersWhere(t *testing.T) {
	t.Parallel()
	p, byName := people(t)
	where := func(attribute, operator string, value any) string {
		return string(mustMarshal(L{M{"attribute": attribute, "operator": operator, "value": value}}))
	}
	for _, c := range []struct{ where, want string }{
		{where("name", "=", "bob"), "bob"},
		{where("name", "==", "bob"), "bob"},
		{where("name", "=", "nobody"), ""},
		{where("name", "=", "BOB"), ""},
		{where("email", "=", byName["cyd"].email), "cyd"},
		{where("plan", "!=", "free"), "ada dee"},
		{where("age", "<", 36), "bob"},
		{where("age", "<=", 36), "ada bob dee"},
		{where("age", ">", 36), "cyd"},
		{where("age", ">=", 36), "ada cyd dee"},
		{where("age", "=", 36), "ada dee"},
		{where("active", "=", true), "ada cyd"},
		{where("plan", "in", L{"pro", "trial"}), "ada dee"},
		{where("plan", "not in", L{"pro", "trial"}), "bob cyd"},
		{where("plan", "not-in", L{"pro", "trial"}), "bob cyd"},
		{where("tags", "array-contains", "code"), "ada bob"},
		{where("tags", "array-contains-any", L{"art", "math"}), "ada dee"},
		{where("missing", "=", "x"), ""},
		{string(mustMarshal(M{"attribute": "name", "operator": "=", "value": "dee"})), "dee"}, // one object alone
		{string(mustMarshal(L{M{"attribute": "age", "operator": "=", "value": 36},
			M{"attribute": "plan", "operator": "=", "value": "pro"}})), "ada"}, // joined by and
		{`[]`, "ada bob cyd dee"},
		{where("name", "=", "' OR '1'='1"), ""},
	} {
		l := p.query(t, "where", c.where, "sorted[param]", "name", "sorted[how]", "asc")
		if got := l.names(); got != c.want {
			t.Errorf("where %s: want %q, got %q", c.where, c.want, got)
		}
		if l.Meta.Total == nil || int(*l.Meta.Total) != len(strings.Fields(c.want)) {
			t.Errorf("where %s: meta %s", c.where, compact(l.Meta))
		}
	}
}

func TestUsersWhereRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	refusal := func(where string) string {
		t.Helper()
		r := p.asAdmin().get(t, users+queryString([]string{"where", where}))
		if r.status != 422 {
			t.Errorf("where %s: want 422, got %d %s", tail(where, 80), r.status, tail(string(r.body), 200))
		}
		return r.detail(t)
	}
	for _, where := range []string{
		`{`, `x`, `"a"`, `1`, `[1]`, `[{}]`, `[[]]`, `null x`,
		`[{"attribute":"name","operator":1,"value":"x"}]`,
		`[{"attribute":1,"operator":"=","value":"x"}]`,
		`[{"operator":"=","value":"x"}]`,
		`[{"attribute":"name","value":"x"}]`,
		`[{"attribute":"plan","operator":"in","value":"x"}]`,
		`[{"attribute":"uid","operator":"=","value":"x"}]`, // uid is no attribute here
		`[{"attribute":"name","operator":"=","value":"x"}] trail`,
		`[{"attribute":"a\u0000","operator":"=","value":"x"}]`,
		strings.Repeat("[", 5000),
	} {
		refusal(where)
	}
	for _, operator := range []string{"like", "===", "IN", "; DROP TABLE users", "contains"} {
		where := string(mustMarshal(L{M{"attribute": "name", "operator": operator, "value": "x"}}))
		if detail := refusal(where); !strings.Contains(detail, operator) && !strings.Contains(detail, "operator") {
			t.Errorf("where %s: the detail %q does not say which", where, detail)
		}
	}
}

func TestUsersSort(t *testing.T) {
	t.Parallel()
	p, _ := people(t)
	for _, c := range []struct{ param, how, want string }{
		{"name", "asc", "ada bob cyd dee"},
		{"name", "desc", "dee cyd bob ada"},
		{"createdAt", "asc", "ada bob cyd dee"},
		{"createdAt", "desc", "dee cyd bob ada"},
	} {
		if got := p.query(t, "sorted[param]", c.param, "sorted[how]", c.how).names(); got != c.want {
			t.Errorf("sorted by %s %s: want %q, got %q", c.param, c.how, c.want, got)
		}
	}
	if got := p.query(t, "sorted[param]", "age", "sorted[how]", "asc").names(); !strings.HasPrefix(got, "bob ") || !strings.HasSuffix(got, " cyd") {
		t.Errorf("numbers are not sorted as numbers: %q", got)
	}
	p.asAdmin().get(t, users+queryString([]string{"sorted[param]", "name", "sorted[how]", "sideways"})).wantError(t, 422, isText)
}

func TestUsersPages(t *testing.T) {
	t.Parallel()
	p, _ := people(t)
	for _, c := range []struct {
		page int
		want string
	}{{1, "ada bob cyd"}, {2, "dee"}, {3, ""}} {
		l := p.query(t, "limit", "3", "page", fmt.Sprint(c.page), "sorted[param]", "name", "sorted[how]", "asc")
		if got := l.names(); got != c.want {
			t.Errorf("page %d: want %q, got %q", c.page, c.want, got)
		}
		if *l.Meta.Total != 4 || *l.Meta.Limit != 3 || *l.Meta.Page != float64(c.page) {
			t.Errorf("page %d: meta %s", c.page, compact(l.Meta))
		}
	}
	if l := p.query(t, "limit", "1000"); *l.Meta.Limit != 1000 || len(l.Data) != 4 {
		t.Errorf("limit 1000: meta %s, %d users", compact(l.Meta), len(l.Data))
	}
	// What is out of range is refused or put in range, and never believed.
	for _, pairs := range [][]string{{"limit", "0"}, {"limit", "-1"}, {"limit", "x"}, {"limit", "1.5"}, {"limit", "1001"}, {"page", "0"},
		{"page", "-1"}, {"page", "x"}, {"limit", "99999999999999999999"}, {"page", "99999999999999999999"}} {
		r := p.asAdmin().get(t, users+queryString(pairs))
		if r.status != 200 {
			r.wantError(t, 422, isText)
			continue
		}
		var l listing
		decodeInto(t, r.what, r.body, &l)
		if *l.Meta.Limit < 1 || *l.Meta.Limit > 1000 || *l.Meta.Page < 1 {
			t.Errorf("%s: meta %s", r.what, compact(l.Meta))
		}
	}
}
