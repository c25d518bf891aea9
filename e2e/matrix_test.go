package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// route is one operation of the AUTH API or of the users table, with a body that gets past
// authorization and no further, so that the answer tells who may call it.
type route struct {
	method, path string
	body         any
}

// routes lists every operation of the contract; uid is whose user the users table is asked for.
func routes(uid string) []route {
	empty := M{}
	return []route{
		{http.MethodPost, signup, empty},
		{http.MethodPost, signin, empty},
		{http.MethodPost, authURLPath, empty},
		{http.MethodPost, idpPath, empty},
		{http.MethodPost, linkPath, empty},
		{http.MethodPost, unlinkPath, empty},
		{http.MethodPost, inviteePath, empty},
		{http.MethodPost, verifyInvite, empty},
		{http.MethodPost, resetPath, empty},
		{http.MethodPost, verifyReset, empty},
		{http.MethodPost, verifyEmail, empty},
		{http.MethodPost, providers, empty},
		{http.MethodPost, refreshPath, empty},
		{http.MethodPost, updateEmail, empty},
		{http.MethodPost, updatePass, M{"oldPassword": "wrong-password", "newPassword": "another-password"}},
		{http.MethodDelete, accountPath, nil},
		{http.MethodGet, sessionsPath, nil},
		{http.MethodDelete, sessionsPath, nil},
		{http.MethodDelete, sessionsPath + "/nosuch", nil},
		{http.MethodGet, rolesPath, nil},
		{http.MethodPost, enrollStart, empty},
		{http.MethodPost, enrollFinish, empty},
		{http.MethodGet, factorsPath, nil},
		{http.MethodDelete, factorsPath + "/nosuchfactor", M{"code": "000000"}},
		{http.MethodPost, recoveryPath, empty},
		{http.MethodPost, secondStart, empty},
		{http.MethodPost, secondFinish, empty},
		{http.MethodPost, passkeyStart, empty},
		{http.MethodPost, passkeyPath, empty},
		{http.MethodPost, codePath, empty},
		{http.MethodGet, users, nil},
		{http.MethodGet, users + "/" + uid, nil},
		{http.MethodPatch, users + "/" + uid, M{"seen": true}},
		{http.MethodDelete, users + "/" + uid, nil},
	}
}

// TestRouteTableIsTheDocument: the table above and the OpenAPI document have the same operations.
func TestRouteTableIsTheDocument(t *testing.T) {
	t.Parallel()
	if err := loadDocuments(); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, operation := range documents.auth.operations() {
		documented[operation] = true
	}
	matched := map[string]bool{}
	for _, r := range routes("uid") {
		req, err := http.NewRequest(r.method, "http://127.0.0.1"+apiBase+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := documents.auth.router.FindRoute(req)
		if err != nil || found == nil {
			t.Errorf("the document lacks %s %s", r.method, r.path)
			continue
		}
		matched[r.method+" "+found.Path] = true
	}
	for operation := range documented {
		if !matched[operation] && !isDescription(operation) {
			t.Errorf("the document has %s, which the route table of this suite lacks", operation)
		}
	}
}

// isDescription: documents about the API and the keys, which anybody may read, are no rows of the matrix.
func isDescription(operation string) bool {
	return strings.HasSuffix(operation, "/openapi.json") || strings.Contains(operation, "/.well-known/")
}

// actor is one column of the matrix: who calls. It is made anew when a cell has ended it.
type actor struct {
	name string
	make func(t *testing.T) (client, account)
}

// statuses of one row of the matrix, in the order of the actors. 200 stands for any success,
// and refused for 401 or 403: an admin token of another project where a user is asked for.
type statuses struct{ anonymous, self, other, foreign, expired, revoked, disabled, admin, foreignAdmin int }

const refused = 4013

// publicOrRefused: the contract does not say whether an operation that may want a user, and today does not,
// ignores a credential that is no good or refuses it. Either is safe.
const publicOrRefused = 4223

// invite is the row of the invite, whose permission is a setting; here it is public.
func invite() statuses {
	s := everyone(publicOrRefused)
	s.anonymous, s.self, s.other, s.admin = 422, 422, 422, 422
	return s
}

// everyone is the row of a public operation: authorization is not looked at.
func everyone(status int) statuses {
	return statuses{status, status, status, status, status, status, status, status, status}
}

// signedIn is the row of an operation on the caller's own account.
func signedIn(status int) statuses {
	return statuses{anonymous: 401, self: status, other: status, foreign: 403, expired: 403, revoked: 403, disabled: 403,
		admin: 401, foreignAdmin: refused}
}

// adminOnly is the row of an operation that wants the admin token.
func adminOnly() statuses {
	s := everyone(403)
	s.admin = 200
	return s
}

// authorOnly is the row of an operation with the users table's default permission.
func authorOnly() statuses {
	return statuses{anonymous: 401, self: 200, other: 403, foreign: 403, expired: 403, revoked: 403, disabled: 403,
		admin: 200, foreignAdmin: refused}
}

// expected is the whole matrix, keyed by the operation with {uid} for the user asked for.
var expected = map[string]statuses{
	"POST " + signup:         everyone(422),
	"POST " + signin:         everyone(422),
	"POST " + authURLPath:    everyone(422),
	"POST " + idpPath:        everyone(422),
	"POST " + linkPath:       signedIn(422),
	"POST " + unlinkPath:     signedIn(422),
	"POST " + inviteePath:    invite(),
	"POST " + verifyInvite:   everyone(422),
	"POST " + resetPath:      everyone(422),
	"POST " + verifyReset:    everyone(422),
	"POST " + verifyEmail:    everyone(422),
	"POST " + providers:      everyone(422),
	"POST " + refreshPath:    everyone(400),
	"POST " + updateEmail:    signedIn(422),
	"POST " + updatePass:     signedIn(400),
	"DELETE " + accountPath:  signedIn(200),
	"GET " + sessionsPath:    signedIn(200),
	"DELETE " + sessionsPath: signedIn(200),
	"GET " + rolesPath:       adminOnly(),
	"POST " + enrollStart:    signedIn(422),
	"POST " + enrollFinish:   signedIn(422),
	"GET " + factorsPath:     signedIn(200),
	"POST " + recoveryPath:   signedIn(403), // the session has no second factor
	"POST " + secondStart:    everyone(400),
	"POST " + secondFinish:   everyone(422),
	"POST " + passkeyStart:   everyone(200),
	"POST " + passkeyPath:    everyone(422),
	"POST " + codePath:       everyone(422),
	"GET " + users:           adminOnly(),

	"DELETE " + sessionsPath + "/nosuch":      signedIn(404),
	"DELETE " + factorsPath + "/nosuchfactor": signedIn(400),
	"GET " + users + "/{uid}":                 authorOnly(),
	"PATCH " + users + "/{uid}":               authorOnly(),
	"DELETE " + users + "/{uid}":              authorOnly(),
}

func (s statuses) of(name string) int {
	return map[string]int{"anonymous": s.anonymous, "self": s.self, "other": s.other, "foreign": s.foreign, "expired": s.expired,
		"revoked": s.revoked, "disabled": s.disabled, "admin": s.admin, "foreign admin": s.foreignAdmin}[name]
}

// actors makes the nine callers. The account an actor returns is the target of the cell when it is its own.
func actors(t *testing.T, p, foreign project, expired account) []actor {
	t.Helper()
	user := func(prepare func(t *testing.T, a account), of project) func(t *testing.T) (client, account) {
		return func(t *testing.T) (client, account) {
			a := of.signUp(t)
			if prepare != nil {
				prepare(t, a)
			}
			return p.client().bearer(a.idToken), a
		}
	}
	revoke := func(t *testing.T, a account) {
		p.client().bearer(a.idToken).post(t, updatePass, M{"oldPassword": a.password, "newPassword": newPassword()}).want204(t)
	}
	disable := func(t *testing.T, a account) { p.patchUser(t, a.uid, M{"disabled": true}) }
	nobody := func(c client) func(t *testing.T) (client, account) {
		return func(t *testing.T) (client, account) { return c.fresh(), p.signUp(t) }
	}
	return []actor{
		{"anonymous", nobody(p.client())},
		{"self", user(nil, p)},
		{"other", user(nil, p)},
		{"foreign", user(nil, foreign)},
		{"expired", func(*testing.T) (client, account) { return p.client().bearer(expired.idToken), expired }},
		{"revoked", user(revoke, p)},
		{"disabled", user(disable, p)},
		{"admin", nobody(p.asAdmin())},
		{"foreign admin", nobody(p.client().admin(foreign.adminToken))},
	}
}

// expiredAccount signs up while tokens live for two seconds, waits until its token has expired, and
// gives the project its usual lifetime back.
func expiredAccount(t *testing.T, p *project) account {
	t.Helper()
	p.set(t, "idTokenTTL=2s")
	a := account{email: newEmail(), password: newPassword()}
	a = a.fill(t, p.client().post(t, signup, a.credentials()))
	waitPast(2)
	p.set(t, "idTokenTTL=1h")
	eventually(t, 60*time.Second, func() error {
		_, claims := jwtParts(t, p.signUp(t).idToken)
		if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
			return fmt.Errorf("tokens still live for %v s", life)
		}
		return nil
	})
	return a
}

// TestMatrix asks for every operation as every caller.
func TestMatrix(t *testing.T) {
	t.Parallel()
	p, foreign := newProject(t), newProject(t)
	expired := expiredAccount(t, &p)
	for _, actor := range actors(t, p, foreign, expired) {
		t.Run(actor.name, func(t *testing.T) {
			c, target := actor.call(t, p)
			for i, template := range routes("{uid}") {
				operation := template.method + " " + template.path
				row, ok := expected[operation]
				if !ok {
					t.Fatalf("the matrix lacks %s", operation)
				}
				before := p.user(t, target.uid)
				r := routes(target.uid)[i]
				answer := c.do(t, r.method, apiBase+r.path, r.body)
				if want := row.of(actor.name); !fits(want, answer.status) {
					t.Errorf("%s as %s: want %d, got %d %s", operation, actor.name, want, answer.status, tail(string(answer.body), 200))
				}
				if answer.status < 300 && r.method != http.MethodGet {
					c, target = actor.call(t, p) // the cell has changed or deleted somebody
					continue
				}
				for _, d := range diff("the user asked for", before, p.user(t, target.uid)) {
					t.Errorf("%s as %s, refused: %s", operation, actor.name, d)
				}
			}
		})
	}
}

// call makes the actor, and the user it asks for: itself, or for those who have no business there somebody else.
func (a actor) call(t *testing.T, p project) (client, account) {
	t.Helper()
	c, own := a.make(t)
	if a.name == "other" || a.name == "foreign" {
		return c, p.signUp(t)
	}
	return c, own
}

func fits(want, got int) bool {
	switch want {
	case 200:
		return got == 200 || got == 204
	case refused:
		return got == 401 || got == 403
	case publicOrRefused:
		return got == 422 || got == 403
	}
	return want == got
}
