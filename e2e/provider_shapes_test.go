package e2e

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

// Facebook, GitHub and Google, as far as their documentation tells what they answer. No test calls them.

const picture = "https://pictures.example.test/ann.png"

func facebookPerson(f *fakeProvider, email string) person {
	id := digits(16)
	user := M{"id": id, "name": "Ann Example", "first_name": "Ann", "last_name": "Example", "picture": M{"data": M{"url": picture, "width": 50}}}
	if email != "" {
		user["email"] = email
	}
	return person{user: user, debug: M{"app_id": f.clientID, "type": "USER", "is_valid": true, "expires_at": time.Now().Unix() + 3600, "user_id": id, "scopes": L{"email"}}}
}

func facebookExternal(who person) external {
	email, _ := who.user["email"].(string)
	return external{providerID: "facebook.com", email: email, name: "Ann Example", first: "Ann", last: "Example", picture: picture, raw: M{"id": who.user["id"], "name": "Ann Example"}}
}

// finishWithCode takes who through a whole sign-in with a code.
func (f *fakeProvider) finishWithCode(t *testing.T, p project, providerID string, who person, want M) reply {
	t.Helper()
	begun := p.begin(t, providerID)
	r := p.client().post(t, idpPath, begun.with("code", f.code(t, begun, who, "")))
	r.wantData(t, want)
	return r
}

func uidOf(t *testing.T, r reply) string {
	t.Helper()
	body, _ := parseJSON(t, r.what, r.body).(M)
	return text(t, body["data"], "localId")
}

// TestFacebook: Facebook does not say whether an address is verified, so none is.
func TestFacebook(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.useFacebook(t, p)
	who := facebookPerson(f, newEmail())
	uid := uidOf(t, f.finishWithCode(t, p, "facebook.com", who, facebookExternal(who).signedIn(isUID, true)))
	f.finishWithCode(t, p, "facebook.com", who, facebookExternal(who).signedIn(uid, false))
	p.ways(t, who.user["email"].(string), "facebook.com")
	p.mailbox(who.user["email"].(string)).next(t, verifyURL)

	owner := p.signUpAs(t, newEmail(), true)
	squatter := facebookPerson(f, owner.email)
	f.finishWithCode(t, p, "facebook.com", squatter, facebookExternal(squatter).told("", false, true))
	p.ways(t, owner.email, "password")

	for range 2 { // two without an address do not get into each other's way
		hidden := facebookPerson(f, "")
		f.finishWithCode(t, p, "facebook.com", hidden, facebookExternal(hidden).signedIn(isUID, true))
	}
	p.wantCheck(t, "facebook.com", "")
	p.putProvider(t, "facebook.com", M{"clientSecret": randomSecret("client secret")})
	p.wantCheck(t, "facebook.com", names("client secret"))
}

// TestFacebookToken: an access token that was handed in counts if Facebook says that it was given to this app, for this user (P15).
func TestFacebookToken(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.useFacebook(t, p)
	who := facebookPerson(f, newEmail())
	begun := p.begin(t, "facebook.com")
	body := begun.with("token", f.accessToken(who))
	p.client().post(t, idpPath, body).wantData(t, facebookExternal(who).signedIn(isUID, true))
	p.client().post(t, idpPath, body).wantError(t, 400, startsWith(invalidResponse))

	for name, change := range map[string]func(who *person){
		"unknown":             func(who *person) { who.debug = nil },
		"of another app":      func(who *person) { who.debug["app_id"] = "9876543210" },
		"of no app":           func(who *person) { delete(who.debug, "app_id") },
		"not valid":           func(who *person) { who.debug["is_valid"] = false },
		"validity as text":    func(who *person) { who.debug["is_valid"] = "true" },
		"of a page":           func(who *person) { who.debug["type"] = "PAGE" },
		"expired":             func(who *person) { who.debug["expires_at"] = time.Now().Unix() - 1 },
		"no expiry":           func(who *person) { delete(who.debug, "expires_at") },
		"for another user":    func(who *person) { who.debug["user_id"] = digits(16) },
		"for no user":         func(who *person) { delete(who.debug, "user_id") },
		"user without id":     func(who *person) { delete(who.user, "id") },
		"user with odd id":    func(who *person) { who.user["id"] = M{"a": 1} },
		"user with blank id":  func(who *person) { who.user["id"] = " "; who.debug["user_id"] = " " },
		"app's id as a float": func(who *person) { who.debug["app_id"] = 1234567890.0 },
	} {
		t.Run(name, func(t *testing.T) {
			who := facebookPerson(f, newEmail())
			change(&who)
			begun := p.begin(t, "facebook.com")
			p.client().post(t, idpPath, begun.with("token", f.accessToken(who))).wantError(t, 400, startsWith(invalidResponse))
			p.ways(t, who.user["email"].(string))
		})
	}
}

func gitHubPerson(f *fakeProvider, emails any) person {
	var id any
	_ = json.Unmarshal([]byte("1"+digits(8)), &id) // a number, as GitHub has them
	return person{emails: emails, user: M{"login": "ann", "id": id, "name": "Ann Example", "avatar_url": picture, "email": nil},
		debug: M{"app": M{"client_id": f.clientID, "name": "app"}, "user": M{"login": "ann", "id": id}}}
}

func gitHubExternal(who person, email string, verified bool) external {
	return external{providerID: "github.com", email: email, verified: verified, name: "Ann Example", picture: picture, raw: M{"id": who.user["id"], "login": "ann"}}
}

func address(email string, primary, verified any) M {
	return M{"email": email, "primary": primary, "verified": verified, "visibility": nil}
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.useGitHub(t, p)
	p.wantCheck(t, "github.com", "")

	t.Run("verified", func(t *testing.T) {
		email := newEmail()
		who := gitHubPerson(f, L{address(newEmail(), false, true), address(email, true, true)})
		uid := uidOf(t, f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, email, true).signedIn(isUID, true)))
		// The subject is the key, not the address (P1): another address changes nothing of the account.
		who.emails = L{address(newEmail(), true, true)}
		f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, email, true).signedIn(uid, false))
		// Nor does another subject inherit the login name.
		heir := gitHubPerson(f, nil)
		f.finishWithCode(t, p, "github.com", heir, gitHubExternal(heir, "", false).signedIn(matcher{name: "another uid", ok: func(v any) bool { return v != uid && isUID.ok(v) }}, true))
	})
	t.Run("verified joins", func(t *testing.T) {
		owner := p.signUpAs(t, newEmail(), true)
		who := gitHubPerson(f, L{address(owner.email, true, true)})
		f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, owner.email, true).signedIn(owner.uid, false))
		p.ways(t, owner.email, "password", "github.com")
	})
	for name, verified := range map[string]any{"not verified": false, "text": "true", "number": 1, "null": nil} {
		t.Run("unverified: "+name, func(t *testing.T) {
			owner := p.signUpAs(t, newEmail(), true)
			who := gitHubPerson(f, L{address(owner.email, true, verified)})
			f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, owner.email, false).told("", false, true))
			p.ways(t, owner.email, "password")
		})
	}
	t.Run("profile's address", func(t *testing.T) { // which anybody can make public without GitHub's word
		owner := p.signUpAs(t, newEmail(), true)
		who := gitHubPerson(f, L{})
		who.user["email"] = owner.email
		f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, owner.email, false).told("", false, true))
	})
	t.Run("other spelling joins", func(t *testing.T) { // one canonical form (P4)
		owner := p.signUpAs(t, newEmail(), true)
		spelled := "U" + owner.email[1:]
		who := gitHubPerson(f, L{address(spelled, true, true)})
		f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, owner.email, true).signedIn(owner.uid, false))
	})
	for name, emails := range map[string]any{"no access": nil, "no address": L{}, "no primary one": L{address(newEmail(), false, true)},
		"an odd one": L{address("not an address", true, true)}, "null": L{M{"primary": true, "verified": true, "email": nil}}} {
		t.Run("no email: "+name, func(t *testing.T) {
			who := gitHubPerson(f, emails)
			uid := uidOf(t, f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, "", false).signedIn(isUID, true)))
			f.finishWithCode(t, p, "github.com", who, gitHubExternal(who, "", false).signedIn(uid, false))
		})
	}
	for name, id := range map[string]any{"none": nil, "text": "12345", "zero": 0, "negative": -5, "fraction": 1.5, "object": M{}} {
		t.Run("id: "+name, func(t *testing.T) {
			who := gitHubPerson(f, L{})
			who.user["id"] = id
			begun := p.begin(t, "github.com")
			p.client().post(t, idpPath, begun.with("code", f.code(t, begun, who, ""))).wantError(t, 400, startsWith(invalidResponse))
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		other := newProject(t)
		f.useGitHub(t, other)
		other.putProvider(t, "github.com", M{"clientSecret": randomSecret("client secret")})
		other.wantCheck(t, "github.com", names("client secret"))
	})
	t.Run("refused code", func(t *testing.T) { // GitHub says so with status 200, and the fake quotes the secret
		begun := p.begin(t, "github.com")
		p.client().post(t, idpPath, begun.with("code", randomSecret("provider code"))).wantError(t, 400, invalidResponse+"the token endpoint refused the code: bad_verification_code")
	})
}

func TestGitHubToken(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.useGitHub(t, p)
	who := gitHubPerson(f, L{})
	begun := p.begin(t, "github.com")
	p.client().post(t, idpPath, begun.with("token", f.accessToken(who))).wantData(t, gitHubExternal(who, "", false).signedIn(isUID, true))
	for name, change := range map[string]func(who *person){
		"unknown":          func(who *person) { who.debug = nil },
		"of another app":   func(who *person) { who.debug["app"] = M{"client_id": "another"} },
		"of no app":        func(who *person) { delete(who.debug, "app") },
		"for another user": func(who *person) { who.debug["user"] = M{"id": 1} },
		"for no user":      func(who *person) { delete(who.debug, "user") },
	} {
		t.Run(name, func(t *testing.T) {
			who := gitHubPerson(f, L{})
			change(&who)
			begun := p.begin(t, "github.com")
			p.client().post(t, idpPath, begun.with("token", f.accessToken(who))).wantError(t, 400, startsWith(invalidResponse))
		})
	}
}

// TestGoogleToken holds ID tokens against all that OpenID Connect Core section 3.1.3.7 asks for, and P15.
func TestGoogleToken(t *testing.T) {
	t.Parallel()
	p, f := newProject(t), newFakeProvider(t)
	f.use(t, p, "google.com", M{"issuer": ""})
	now := time.Now().Unix()
	said := func(email string, verified any) M {
		return M{"email": email, "email_verified": verified, "name": "Ann Example", "given_name": "Ann", "family_name": "Example", "picture": picture}
	}
	ann := func(email string, verified bool) external {
		return external{providerID: "google.com", email: email, verified: verified, name: "Ann Example", first: "Ann", last: "Example", picture: picture, raw: M{"iss": f.URL, "email": email}}
	}
	for name, k := range map[string]struct {
		verified any
		want     bool
		more     M
	}{
		"as documented":      {true, true, nil},
		"audience in a list": {true, true, M{"aud": L{f.clientID}}},
		"two audiences":      {true, true, M{"aud": L{"another", f.clientID}}},
		"clock a bit ahead":  {true, true, M{"iat": now + 20}},
		"verified as text":   {"true", false, nil},
		"verified as number": {1, false, nil},
		"not verified":       {false, false, nil},
		"verified missing":   {nil, false, nil},
	} {
		t.Run("accepted: "+name, func(t *testing.T) {
			email := newEmail()
			begun := p.begin(t, "google.com")
			claims := f.claims(t, begun, said(email, k.verified))
			for member, value := range k.more {
				claims[member] = value
			}
			p.client().post(t, idpPath, begun.with("token", f.sign(t, claims))).wantData(t, ann(email, k.want).signedIn(isUID, true))
		})
	}
	for name, more := range map[string]M{
		"another issuer":        {"iss": "https://evil.example.test"},
		"Google's own issuer":   {"iss": "https://accounts.google.com"}, // it is not the configured one
		"no issuer":             {"iss": nil},
		"issuer with a slash":   {"iss": f.URL + "/"},
		"another audience":      {"aud": "another"},
		"no audience":           {"aud": nil},
		"audiences without us":  {"aud": L{"another", "one"}},
		"audience in an object": {"aud": M{f.clientID: true}},
		"given to another":      {"azp": "another"},
		"given to a list":       {"azp": L{f.clientID}},
		"expired":               {"exp": now - 1},
		"no expiry":             {"exp": nil},
		"expiry as text":        {"exp": "9999999999"},
		"issued in the future":  {"iat": now + 7200, "exp": now + 9000},
		"not yet valid":         {"nbf": now + 7200},
		"no subject":            {"sub": nil},
		"empty subject":         {"sub": ""},
		"number as subject":     {"sub": 12345},
		"object as subject":     {"sub": M{"id": "1"}},
		"no nonce":              {"nonce": nil},
		"list as nonce":         {"nonce": L{"x"}},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			email := newEmail()
			begun := p.begin(t, "google.com")
			claims := f.claims(t, begun, said(email, true))
			for member, value := range more {
				if claims[member] = value; value == nil {
					delete(claims, member)
				}
			}
			p.client().post(t, idpPath, begun.with("token", f.sign(t, claims))).wantError(t, 400, startsWith(invalidResponse))
			p.ways(t, email)
		})
	}
	attacker := newRSAKey(t)
	for name, header := range map[string]M{
		"another algorithm": {"alg": "RS512", "kid": fakeKeyID},
		"no algorithm":      {"kid": fakeKeyID},
		"unknown key":       {"alg": "RS256", "kid": "unknown"},
		"key in the header": {"alg": "RS256", "kid": "own", "jwk": publicJWK(&attacker.PublicKey, "own")},
		"key set by URL":    {"alg": "RS256", "kid": fakeKeyID, "jku": "https://evil.example.test/keys"},
		"an extension":      {"alg": "RS256", "kid": fakeKeyID, "crit": L{"b64"}, "b64": false},
		"symmetric":         {"alg": "HS256", "kid": "shared"},
		"the provider's":    {"alg": "RS256", "kid": fakeKeyID},
	} {
		t.Run("signed by another: "+name, func(t *testing.T) {
			begun := p.begin(t, "google.com")
			token := encodeJWT(header, f.claims(t, begun, said(newEmail(), true)), signRS256(t, attacker))
			p.client().post(t, idpPath, begun.with("token", token)).wantError(t, 400, startsWith(invalidResponse))
		})
	}
	for name, token := range map[string]string{"word": "abc", "dots": "..", "JSON": `{"sub":"1"}`, "not JSON inside": base64.RawURLEncoding.EncodeToString([]byte("a")) + ".e30.e30"} {
		t.Run("does not parse: "+name, func(t *testing.T) {
			begun := p.begin(t, "google.com")
			p.client().post(t, idpPath, begun.with("token", token)).wantError(t, 400, invalidResponse+"Unable to parse Google id_token: "+token)
		})
	}
	t.Run("takeover needs the strict word", func(t *testing.T) {
		squatter := p.signUp(t) // never verified
		begun := p.begin(t, "google.com")
		p.client().post(t, idpPath, begun.with("token", f.sign(t, f.claims(t, begun, said(squatter.email, "true"))))).wantData(t,
			ann(squatter.email, false).told("", false, true))
		p.signIn(t, squatter.email, squatter.password)
		begun = p.begin(t, "google.com")
		p.client().post(t, idpPath, begun.with("token", f.sign(t, f.claims(t, begun, said(squatter.email, true))))).wantData(t,
			ann(squatter.email, true).signedIn(squatter.uid, false))
		p.wantDeadSession(t, squatter)
	})
}
