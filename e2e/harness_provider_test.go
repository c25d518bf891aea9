package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	linkPath   = "/auth/accounts/link/idp"
	unlinkPath = "/auth/accounts/unlink"

	invalidResponse = "INVALID_IDP_RESPONSE : "
	notAllowed      = "OPERATION_NOT_ALLOWED : "
	dexID           = "oidc.dex"
)

var operators struct {
	sync.Mutex
	tokens map[*server]string
}

// operator is a client of the admin API with an operator's token, made with the command line.
func (s *server) operator(t *testing.T) client {
	t.Helper()
	operators.Lock()
	defer operators.Unlock()
	if operators.tokens[s] == "" {
		created := parseJSON(t, "operator create", []byte(s.cli(t, "operator", "create", "e2e-"+strings.ToLower(randomText(6)), "--json")))
		if operators.tokens == nil {
			operators.tokens = map[*server]string{}
		}
		operators.tokens[s] = text(t, created, "token")
		remember("operator token", operators.tokens[s])
	}
	return s.bareHost().bearer(operators.tokens[s])
}

func (p project) providerPath(id string) string {
	return "/admin/v1/projects/" + p.id + "/providers/" + id
}

// putProvider configures a provider over the admin API, and returns it as answered.
func (p project) putProvider(t *testing.T, id string, change M) M {
	t.Helper()
	if secret, ok := change["clientSecret"].(string); ok && secret != "" {
		remember("client secret", secret)
	}
	r := p.srv.operator(t).do(t, http.MethodPut, p.providerPath(id), change)
	r.wantStatus(t, http.StatusOK)
	answer, _ := parseJSON(t, r.what, r.body).(M)
	return answer
}

// useDex configures Dex as a provider of the project.
func (p project) useDex(t *testing.T, id string, d *dex, more M) {
	t.Helper()
	change := M{"clientId": dexClientID, "clientSecret": d.secret, "endpoints": M{"issuer": d.issuer}, "allowHosts": L{"127.0.0.1"}}
	maps.Copy(change, more)
	p.putProvider(t, id, change)
}

// withDex is a new project with the shared Dex as oidc.dex.
func withDex(t *testing.T, settings ...string) (project, *dex) {
	t.Helper()
	p, d := newProject(t, settings...), sharedDex(t)
	p.useDex(t, dexID, d, nil)
	return p, d
}

// flow is a sign-in that an app has begun.
type flow struct {
	providerID, callback, sessionID, authURI string
}

func (p project) begin(t *testing.T, providerID string) flow {
	t.Helper()
	data := p.client().post(t, authURLPath, M{"providerId": providerID, "callBackUri": callback}).wantData(t,
		M{"kind": "identitytoolkit#CreateAuthUriResponse", "authUri": startsWith("http"), "providerId": providerID, "sessionId": isText})
	return newFlow(t, data)
}

func newFlow(t *testing.T, data any) flow {
	t.Helper()
	f := flow{providerID: text(t, data, "providerId"), callback: callback, sessionID: text(t, data, "sessionId"), authURI: text(t, data, "authUri")}
	remember("sessionId", f.sessionID)
	for _, name := range []string{"state", "nonce"} {
		if value := f.asked(t, name); value != "" {
			remember(name, value)
		}
	}
	return f
}

// asked returns a parameter of the authorization request.
func (f flow) asked(t *testing.T, name string) string {
	t.Helper()
	address, err := url.Parse(f.authURI)
	if err != nil {
		t.Fatalf("authUri: %v", err)
	}
	return address.Query().Get(name)
}

// askedWith is the authorization request with parameters changed; "" takes one away. So an attacker could send a browser.
func (f flow) askedWith(t *testing.T, pairs ...string) string {
	t.Helper()
	address, err := url.Parse(f.authURI)
	if err != nil {
		t.Fatalf("authUri: %v", err)
	}
	query := address.Query()
	for i := 0; i < len(pairs); i += 2 {
		if query.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			query.Del(pairs[i])
		}
	}
	address.RawQuery = query.Encode()
	return address.String()
}

// with is the body that finishes the flow.
func (f flow) with(pairs ...string) M {
	body := M{"sessionId": f.sessionID, "providerId": f.providerID, "callBackUri": f.callback}
	for i := 0; i < len(pairs); i += 2 {
		body[pairs[i]] = pairs[i+1]
	}
	return body
}

// external is what a provider is wanted to tell of somebody.
type external struct {
	providerID, email, name, first, last, picture string
	verified                                      bool
	raw                                           M // members of rawUserInfo, among others
}

func (u dexUser) external(d *dex) external {
	return external{providerID: dexID, email: u.email, name: u.name, verified: u.verified,
		raw: M{"iss": d.issuer, "sub": isText, "email": u.email, "email_verified": u.verified, "name": u.name}}
}

// told is the part of row 4's answer that comes from the provider; it is the whole of it where there are no tokens.
func (e external) told(uid, isNew any, confirm bool) M {
	return M{"providerId": e.providerID, "localId": uid, "email": e.email, "emailVerified": e.verified, "rawUserInfo": isUserInfo(e.raw),
		"firstName": e.first, "lastName": e.last, "fullName": e.name, "displayName": e.name, "photoUrl": e.picture,
		"isNewUser": isNew, "needConfirmation": confirm}
}

// signedIn is row 4's answer with tokens.
func (e external) signedIn(uid, isNew any) M {
	answer := e.told(uid, isNew, false)
	answer["idToken"], answer["refreshToken"], answer["expiresIn"] = isJWT, isRefreshToken, "3600"
	return answer
}

// isUserInfo accepts JSON text of an object with these members, and without what speaks of the sign-in.
func isUserInfo(want M) matcher {
	return isString(fmt.Sprintf("JSON text with %s", membersOf(want)), func(s string) bool {
		var object M
		if json.Unmarshal([]byte(s), &object) != nil {
			return false
		}
		for name, value := range want {
			if len(diff("", value, object[name])) > 0 {
				return false
			}
		}
		for _, name := range []string{"nonce", "at_hash", "c_hash", "access_token", "id_token"} {
			if _, there := object[name]; there {
				return false
			}
		}
		return true
	})
}

func membersOf(object M) (list []string) {
	for name, value := range object {
		list = append(list, fmt.Sprintf("%s=%v", name, value))
	}
	return list
}

// federated is an account after a sign-in at a provider.
type federated struct {
	account
	subject string
}

// finish posts the completion, wants it to succeed as given, and keeps the tokens.
func (p project) finish(t *testing.T, body M, want M) federated {
	t.Helper()
	data := p.client().post(t, idpPath, body).wantData(t, want)
	a := federated{account: account{uid: text(t, data, "localId"), email: text(t, data, "email"), idToken: text(t, data, "idToken"), refreshToken: text(t, data, "refreshToken")}}
	remember("ID token", a.idToken)
	remember("refresh token", a.refreshToken)
	var info struct{ Sub string }
	decodeInto(t, "rawUserInfo", []byte(text(t, data, "rawUserInfo")), &info)
	a.subject = info.Sub
	return a
}

// signInAtDex is the whole way of a user through Dex.
func (p project) signInAtDex(t *testing.T, d *dex, u dexUser, uid, isNew any) federated {
	t.Helper()
	return p.signInAtDexAs(t, d, u, u.external(d).signedIn(uid, isNew))
}

func (p project) signInAtDexAs(t *testing.T, d *dex, u dexUser, want M) federated {
	t.Helper()
	f := p.begin(t, dexID)
	return p.finish(t, f.with("code", d.code(t, f.authURI, u)), want)
}

// signUpAs makes a password account with an address that is not proven, and verified where asked.
func (p project) signUpAs(t *testing.T, email string, verified bool) account {
	t.Helper()
	a := account{email: email, password: newPassword()}
	a = a.fill(t, p.client().post(t, signup, a.credentials()))
	if !verified {
		return a
	}
	code, uid := p.mailbox(email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	return p.signIn(t, a.email, a.password)
}

// ways checks how somebody can sign in.
func (p project) ways(t *testing.T, email string, want ...any) {
	t.Helper()
	list := L{}
	list = append(list, want...)
	p.client().post(t, providers, M{"email": email}).wantData(t, M{"allProviders": list, "registered": len(want) > 0})
}
