package e2e

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Rows 3 and 4 against Dex, a real OpenID Connect provider.

func TestDexSignIn(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)

	f := p.begin(t, dexID)
	if !strings.HasPrefix(f.authURI, d.issuer+"/auth?") || strings.Contains(f.authURI, f.sessionID) {
		t.Errorf("authUri is %s", f.authURI)
	}
	for name, want := range map[string]any{
		"response_type": "code", "client_id": dexClientID, "redirect_uri": callback, "code_challenge_method": "S256",
		"code_challenge": matches(`^[A-Za-z0-9_-]{43}$`), "state": matches(`^\S{22,}$`), "nonce": matches(`^\S{22,}$`), "scope": names("openid", "email", "profile"),
	} {
		for _, d := range diff(name, want, f.asked(t, name)) {
			t.Errorf("authUri: %s", d)
		}
	}
	back := d.visit(t, f.authURI, u)
	if back.Get("state") != f.asked(t, "state") {
		t.Error("Dex sent another state back")
	}
	a := p.finish(t, f.with("code", back.Get("code"), "state", back.Get("state")), u.external(d).signedIn(isUID, true))

	want := M{"iss": p.srv.publicURL + "/" + p.id, "aud": p.id, "sub": a.uid, "user_id": a.uid, "auth_time": isAny, "iat": isAny, "exp": isAny, "sid": optional(isText),
		"email": u.email, "email_verified": true, "name": u.name,
		"firebase": M{"identities": M{"email": L{u.email}, dexID: L{a.subject}}, "sign_in_provider": dexID}}
	wantClaims(t, a.idToken, want)
	if err := verify(a.idToken, p.keys(t)); err != nil {
		t.Error(err)
	}
	wantClaims(t, text(t, p.refresh(t, a.uid, a.refreshToken), "id_token"), want)
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantStatus(t, 200)
	if got := p.user(t, a.uid); got["email"] != u.email || got["name"] != u.name {
		t.Errorf("the user is %s", compact(got))
	}

	again := p.signInAtDex(t, d, u, a.uid, false)
	if again.subject != a.subject {
		t.Errorf("two subjects of one user: %s and %s", a.subject, again.subject)
	}
	p.ways(t, u.email, dexID)
	p.client().post(t, signin, M{"email": u.email, "password": dexPassword}).wantError(t, 400, "INVALID_PASSWORD")
	p.client().bearer(again.idToken).delete(t, accountPath).want204(t)
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, "USER_NOT_FOUND")
	p.signInAtDex(t, d, u, matcher{name: "another uid", ok: func(v any) bool { return v != a.uid && isUID.ok(v) }}, true)
}

func wantClaims(t *testing.T, token string, want M) {
	t.Helper()
	_, claims := jwtParts(t, token)
	for _, d := range diff("claims", want, claims) {
		t.Error(d)
	}
}

// TestDexUnverifiedEmail: an address that Dex does not vouch for is kept, unverified, and verified as at any sign-up.
func TestDexUnverifiedEmail(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, false)
	a := p.signInAtDex(t, d, u, isUID, true)
	_, claims := jwtParts(t, a.idToken)
	if claims["email_verified"] != false {
		t.Errorf("email_verified is %v", claims["email_verified"])
	}
	code, uid := p.mailbox(u.email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	f := p.begin(t, dexID)
	answer := u.external(d).signedIn(a.uid, false)
	answer["emailVerified"] = true // the account's own proof; what the provider says is in rawUserInfo
	p.finish(t, f.with("code", d.code(t, f.authURI, u)), answer)
}

// TestDexWrongParts: a flow is finished only with every part of its own (P14).
func TestDexWrongParts(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	p.useDex(t, "oidc.twin", d, nil)
	elsewhere := newProject(t)
	elsewhere.useDex(t, dexID, d, nil)
	invalid := startsWith(invalidResponse)
	for name, c := range map[string]struct {
		at     project
		status int
		detail any
		change func(f flow, code string) M
	}{
		"unknown session":     {p, 400, invalid, func(f flow, code string) M { f.sessionID = randomText(43); return f.with("code", code) }},
		"session cut short":   {p, 400, invalid, func(f flow, code string) M { f.sessionID = f.sessionID[1:]; return f.with("code", code) }},
		"the state instead":   {p, 400, invalid, func(f flow, code string) M { f.sessionID = f.asked(t, "state"); return f.with("code", code) }},
		"another session":     {p, 400, invalid, func(f flow, code string) M { return p.begin(t, dexID).with("code", code) }},
		"another provider":    {p, 400, invalid, func(f flow, code string) M { f.providerID = "oidc.twin"; return f.with("code", code) }},
		"unknown provider":    {p, 400, providerMissing, func(f flow, code string) M { f.providerID = "oidc.nobody"; return f.with("code", code) }},
		"another callback":    {p, 400, invalid, func(f flow, code string) M { f.callback = otherCallback; return f.with("code", code) }},
		"callback's spelling": {p, 400, invalid, func(f flow, code string) M { f.callback += "/"; return f.with("code", code) }},
		"forbidden callback": {p, 400, startsWith(notAllowed), func(f flow, code string) M {
			f.callback = "https://evil.example.test/callback"
			return f.with("code", code)
		}},
		"another state":   {p, 400, invalid, func(f flow, code string) M { return f.with("code", code, "state", p.begin(t, dexID).asked(t, "state")) }},
		"another project": {elsewhere, 400, invalid, func(f flow, code string) M { return f.with("code", code) }},
		"no code of Dex":  {p, 400, invalid, func(f flow, code string) M { return f.with("code", randomText(25)) }},
		"no session":      {p, 422, isText, func(f flow, code string) M { f.sessionID = ""; return f.with("code", code) }},
		"no callback":     {p, 422, isText, func(f flow, code string) M { f.callback = ""; return f.with("code", code) }},
		"no code":         {p, 422, isText, func(f flow, code string) M { return f.with("code", "") }},
	} {
		t.Run(name, func(t *testing.T) {
			u := newDexUser(t, true)
			f := p.begin(t, dexID)
			c.at.client().post(t, idpPath, c.change(f, d.code(t, f.authURI, u))).wantError(t, c.status, c.detail)
			c.at.ways(t, u.email)
		})
	}
}

// TestDexBrowserTampered: what comes of an authorization request that was not ours proves nothing (RFC 9700 section 4.5).
// TestDexMixUp: an app that hands on "iss" keeps the answer of one provider from another (RFC 9207). The wrong answer uses nothing up: the right one still signs in.
func TestDexMixUp(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	f := p.begin(t, dexID)
	code := d.code(t, f.authURI, u)
	signedIn := p.signUpAs(t, newDexUser(t, true).email, true)
	for _, iss := range []string{"https://accounts.google.com", d.issuer + "/", strings.ToUpper(d.issuer)} {
		p.client().post(t, idpPath, f.with("code", code, "iss", iss)).wantError(t, 400, invalidResponse+"The answer names another issuer than the provider's")
		p.client().bearer(signedIn.idToken).post(t, linkPath, f.with("code", code, "iss", iss)).wantError(t, 400, startsWith(invalidResponse))
	}
	p.ways(t, u.email)
	p.finish(t, f.with("code", code, "iss", d.issuer, "state", f.asked(t, "state")), u.external(d).signedIn(isUID, true))
}

func TestDexBrowserTampered(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	for name, c := range map[string]struct {
		status int
		pairs  []string
	}{
		"without PKCE":       {400, []string{"code_challenge", "", "code_challenge_method", ""}},
		"other challenge":    {400, []string{"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}},
		"plain challenge":    {400, []string{"code_challenge_method", "plain"}},
		"without nonce":      {400, []string{"nonce", ""}},
		"other nonce":        {400, []string{"nonce", "another-nonce-0123456789"}},
		"other redirect URI": {400, []string{"redirect_uri", otherCallback}},
		"other client":       {503, []string{"client_id", dexOtherClientID}}, // of which Dex makes a 500
	} {
		t.Run(name, func(t *testing.T) {
			u := newDexUser(t, true)
			f := p.begin(t, dexID)
			r := p.client().maybeShed().post(t, idpPath, f.with("code", d.code(t, f.askedWith(t, c.pairs...), u)))
			r.wantStatus(t, c.status)
			if c.status == 400 {
				r.wantError(t, 400, startsWith(invalidResponse))
			}
			p.ways(t, u.email)
		})
	}
}

// TestDexTellsLittle: who lets the app see no address and no name gets an account without.
func TestDexTellsLittle(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	nobody := external{providerID: dexID, raw: M{"iss": d.issuer, "sub": isText}}
	f := p.begin(t, dexID)
	a := p.finish(t, f.with("code", d.code(t, f.askedWith(t, "scope", "openid"), u)), nobody.signedIn(isUID, true))
	wantClaims(t, a.idToken, M{"iss": isText, "aud": p.id, "sub": a.uid, "user_id": a.uid, "auth_time": isAny, "iat": isAny, "exp": isAny, "sid": optional(isText),
		"firebase": M{"identities": M{dexID: L{a.subject}}, "sign_in_provider": dexID}})
	p.refresh(t, a.uid, a.refreshToken)
	other := p.begin(t, dexID)
	p.finish(t, other.with("code", d.code(t, other.askedWith(t, "scope", "openid"), newDexUser(t, true))),
		nobody.signedIn(matcher{name: "another uid", ok: func(v any) bool { return v != a.uid && isUID.ok(v) }}, true))
	p.signInAtDexAs(t, d, u, external{providerID: dexID, name: u.name, raw: M{"email": u.email}}.signedIn(a.uid, false))
}

// TestDexOnce: a flow works once, whatever it is tried again with.
func TestDexOnce(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	f := p.begin(t, dexID)
	code := d.code(t, f.authURI, u)
	p.finish(t, f.with("code", code), u.external(d).signedIn(isUID, true))
	p.client().post(t, idpPath, f.with("code", code)).wantError(t, 400, startsWith(invalidResponse))
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantError(t, 400, startsWith(invalidResponse))
	p.client().post(t, idpPath, f.with("token", d.idToken(t, dexClientID, f.asked(t, "nonce"), u))).wantError(t, 400, startsWith(invalidResponse))
	p.client().post(t, idpPath, p.begin(t, dexID).with("code", code)).wantError(t, 400, startsWith(invalidResponse))
}

// TestDexOnceAtTheSameInstant: of many completions of one flow one wins.
func TestDexOnceAtTheSameInstant(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	for range 3 {
		u := newDexUser(t, true)
		f := p.begin(t, dexID)
		body := f.with("code", d.code(t, f.authURI, u))
		won := 0
		for _, r := range together(t, p, body, body, body, body, body, body) {
			if r.status == http.StatusOK {
				won++
				continue
			}
			r.wantError(t, 400, startsWith(invalidResponse))
		}
		if won != 1 {
			t.Errorf("%d completions of one flow won", won)
		}
	}
}

// TestDexFirstSignInsAtTheSameInstant: somebody new who comes twice at once gets one account.
func TestDexFirstSignInsAtTheSameInstant(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	for range 3 {
		u := newDexUser(t, true)
		var bodies []any
		for range 4 {
			f := p.begin(t, dexID)
			bodies = append(bodies, f.with("code", d.code(t, f.authURI, u)))
		}
		uids, created := map[string]bool{}, 0
		for _, r := range together(t, p, bodies...) {
			data := r.wantData(t, u.external(d).signedIn(isUID, oneOf(true, false)))
			uids[text(t, data, "localId")] = true
			if data.(M)["isNewUser"] == true {
				created++
			}
		}
		if len(uids) != 1 || created != 1 {
			t.Errorf("%d accounts, %d times new", len(uids), created)
		}
	}
}

// together posts completions at the same instant.
func together(t *testing.T, p project, bodies ...any) []reply {
	t.Helper()
	replies, errs := make([]reply, len(bodies)), make([]error, len(bodies))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, body := range bodies {
		c := p.client()
		wg.Go(func() {
			<-start
			replies[i], errs[i] = c.send(http.MethodPost, apiBase+idpPath, body)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		checkOpenAPI(t, p.srv, http.MethodPost, apiBase+idpPath, http.Header{}, bodyBytes(bodies[i]), replies[i])
	}
	return replies
}

// TestDexFlowExpires: the shortest time that the setting takes is 10 seconds.
func TestDexFlowExpires(t *testing.T) {
	t.Parallel()
	p, d := withDex(t, "signInFlowTTL=10s")
	u := newDexUser(t, true)
	late := p.begin(t, dexID)
	code := d.code(t, late.authURI, u)
	p.signInAtDex(t, d, u, isUID, true) // in time
	waitPast(10)
	p.client().post(t, idpPath, late.with("code", code)).wantError(t, 400, startsWith(invalidResponse))
	late = p.begin(t, dexID)
	token := d.idToken(t, dexClientID, late.asked(t, "nonce"), u)
	waitPast(10)
	p.client().post(t, idpPath, late.with("token", token)).wantError(t, 400, startsWith(invalidResponse))
}

// TestDexCallbacks: a flow begins only for a callback on the project's list (P13).
func TestDexCallbacks(t *testing.T) {
	t.Parallel()
	p, _ := withDex(t)
	listed, _ := withDex(t, "callbackURLs=https://app.example.test/callback,com.example.app:/callback,https://*.example.org/in")
	refusedBy := func(p project, target string) {
		t.Helper()
		p.client().post(t, authURLPath, M{"providerId": dexID, "callBackUri": target}).wantError(t, 400, startsWith(notAllowed))
	}
	takenBy := func(p project, target string) {
		t.Helper()
		data := p.client().post(t, authURLPath, M{"providerId": dexID, "callBackUri": target}).wantData(t,
			M{"kind": isText, "authUri": isText, "providerId": dexID, "sessionId": isText})
		if got := newFlow(t, data).asked(t, "redirect_uri"); got != target {
			t.Errorf("redirect_uri is %q, asked for %q", got, target)
		}
	}
	for _, target := range []string{"http://localhost", "http://localhost:1/x?y=z", "http://127.0.0.1:9/", "https://localhost:8443/", "http://[::1]:3000/"} {
		takenBy(p, target)
		refusedBy(listed, target)
	}
	for _, target := range []string{"https://app.example.test/callback", "com.example.app:/callback", "https://a.example.org/in"} {
		takenBy(listed, target)
		refusedBy(p, target)
	}
	for _, target := range []string{
		"https://evil.example.test/", "http://localhost.evil.example.test/", "http://localhost@evil.example.test/", "http://evil.example.test#localhost",
		"http://localhost:3000@evil.example.test/", `http://localhost\@evil.example.test/`, "//localhost/", "localhost:3000", "javascript:alert(1)",
		"data:text/html,localhost", "file:///etc/passwd", "http://localhost/#fragment", "http://localhost\n.evil.example.test/", " http://localhost/", "http:///callback",
		"http://LOCALHOST/", "https://app.example.test/callback/", "https://app.example.test/callback?x=1", "https://app.example.test:444/callback",
		"http://app.example.test/callback", "https://APP.example.test/callback", "https://app.example.test./callback", "https://a.b.example.org/in",
		"https://example.org/in", "https://evil.test/.example.org/in", "https://evil.test?.example.org/in", "com.example.app:/other", "com.example.apps:/callback",
	} {
		refusedBy(p, target)
		refusedBy(listed, target)
	}
}

// TestDexHandedInToken: an ID token counts that is Dex's, for this app, and of this flow (P15).
func TestDexHandedInToken(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	begin := func(t *testing.T) (flow, string) { f := p.begin(t, dexID); return f, f.asked(t, "nonce") }

	t.Run("token wins over code", func(t *testing.T) {
		u := newDexUser(t, true)
		f, nonce := begin(t)
		a := p.finish(t, f.with("token", d.idToken(t, dexClientID, nonce, u), "code", "no code at all"), u.external(d).signedIn(isUID, true))
		f, nonce = begin(t)
		body := f.with("token", d.idToken(t, dexClientID, nonce, u))
		body["code"] = nil // as the published client sends it
		p.finish(t, body, u.external(d).signedIn(a.uid, false))
		p.client().post(t, idpPath, body).wantError(t, 400, startsWith(invalidResponse))
	})
	for name, forge := range map[string]func(t *testing.T, nonce string, u dexUser) string{
		"without nonce":     func(t *testing.T, _ string, u dexUser) string { return d.idToken(t, dexClientID, "", u) },
		"another nonce":     func(t *testing.T, _ string, u dexUser) string { return d.idToken(t, dexClientID, "another-nonce", u) },
		"the nonce, longer": func(t *testing.T, nonce string, u dexUser) string { return d.idToken(t, dexClientID, nonce+"x", u) },
		"for another app":   func(t *testing.T, nonce string, u dexUser) string { return d.idToken(t, dexOtherClientID, nonce, u) },
		"of another flow": func(t *testing.T, _ string, u dexUser) string {
			_, nonce := begin(t)
			return d.idToken(t, dexClientID, nonce, u)
		},
		"our own token": func(t *testing.T, _ string, _ dexUser) string { return p.signUp(t).idToken },
		"unsigned": func(t *testing.T, nonce string, u dexUser) string {
			header, claims := jwtParts(t, d.idToken(t, dexClientID, nonce, u))
			header["alg"] = "none"
			return encodeJWT(header, claims, nil)
		},
		"signature left out": func(t *testing.T, nonce string, u dexUser) string {
			token := d.idToken(t, dexClientID, nonce, u)
			return token[:strings.LastIndex(token, ".")+1]
		},
		"claims changed": func(t *testing.T, nonce string, u dexUser) string {
			token := d.idToken(t, dexClientID, nonce, u)
			header, claims := jwtParts(t, token)
			claims["email"] = newDexUser(t, true).email
			changed := encodeJWT(header, claims, nil)
			return changed + token[strings.LastIndex(token, ".")+1:]
		},
		"signed with the client secret": func(t *testing.T, nonce string, u dexUser) string {
			header, claims := jwtParts(t, d.idToken(t, dexClientID, nonce, u))
			header["alg"] = "HS256"
			return encodeJWT(header, claims, func(signed string) []byte {
				mac := hmac.New(sha256.New, []byte(d.secret))
				mac.Write([]byte(signed))
				return mac.Sum(nil)
			})
		},
		"signed with another key": func(t *testing.T, nonce string, u dexUser) string {
			header, claims := jwtParts(t, d.idToken(t, dexClientID, nonce, u))
			return encodeJWT(header, claims, signRS256(t, newRSAKey(t)))
		},
		"no token": func(*testing.T, string, dexUser) string { return "no token" },
	} {
		t.Run(name, func(t *testing.T) {
			u := newDexUser(t, true)
			f, nonce := begin(t)
			token := forge(t, nonce, u)
			p.client().post(t, idpPath, f.with("token", token)).wantError(t, 400, startsWith(invalidResponse))
			p.ways(t, u.email)
		})
	}
}

func newRSAKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signRS256(t *testing.T, key *rsa.PrivateKey) func(string) []byte {
	return func(signed string) []byte {
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

// TestDexImplicit: asking for a token in the fragment is an opt-in of the provider's settings, for old front ends.
func TestDexImplicit(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	p.useDex(t, dexID, d, M{"implicit": true})
	u := newDexUser(t, true)
	f := p.begin(t, dexID)
	if got := f.asked(t, "response_type"); got != "id_token" {
		t.Errorf("response_type is %q", got)
	}
	back := d.visit(t, f.authURI, u)
	if back.Get("code") != "" || back.Get("state") != f.asked(t, "state") {
		t.Errorf("Dex sent back code %q and state %q", back.Get("code"), back.Get("state"))
	}
	p.finish(t, f.with("token", back.Get("id_token"), "state", back.Get("state")), u.external(d).signedIn(isUID, true))
}
