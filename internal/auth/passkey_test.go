package auth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

// enrollKey adds a passkey to the caller's factors.
func (h *harness) enrollKey(c auth.Caller) (*authtest.SecurityKey, auth.SecondFactorID) {
	h.t.Helper()
	key := authtest.NewSecurityKey(h.t, "https://auth.example.com")
	e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorPasskey})
	h.must(err)
	done, err := h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: e.ID, Credential: key.Create(e.PasskeyCreation)})
	h.must(err)
	h.noteCodes(done.RecoveryCodes)
	return key, e.ID
}

func (h *harness) startPasskey() auth.PasskeyStart {
	h.t.Helper()
	begun, err := h.BeginPasskeySignIn(h.ctx, h.anyone())
	h.must(err)
	h.secret(begun.SessionID)
	return begun
}

func (h *harness) passkeySignIn(session string, credential []byte) (auth.Tokens, error) {
	tokens, err := h.SignInWithPasskey(h.ctx, h.anyone(), session, credential)
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

func TestPasskeyAsSecondFactor(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	key, id := h.enrollKey(h.as(up.IDToken))
	key.Unverified = true // somebody being there is enough beside a password
	pending := h.pending(ada, goodPW)
	options, err := h.BeginSecondFactor(h.ctx, h.anyone(), pending, id)
	h.must(err)
	var o struct {
		AllowCredentials []any
		RPID             string
		Challenge        string // of 32 random bytes
	}
	if err := json.Unmarshal(options, &o); err != nil || len(o.AllowCredentials) != 1 || o.RPID != "auth.example.com" || len(o.Challenge) != 43 {
		t.Errorf("options %s, %v", options, err)
	}
	tokens, err := h.complete(pending, auth.SecondFactorProof{Factor: id, Credential: key.Get(options)})
	h.must(err)
	h.wantAlive(tokens)
	c := claims(t, tokens.IDToken)
	f := c["firebase"].(map[string]any)
	if amr := c["amr"].([]any); f["sign_in_second_factor"] != "passkey" || f["second_factor_identifier"] != string(id) || len(amr) != 3 || amr[1] != "pop" {
		t.Errorf("claims %v", c)
	}
	_, err = h.BeginSecondFactor(h.ctx, h.anyone(), h.pending(ada, goodPW), "nosuch")
	h.want(err, auth.CodeSecondFactorNotFound)
	_, err = h.BeginSecondFactor(h.ctx, h.anyone(), "nosuch", "")
	h.want(err, auth.CodeInvalidPendingCredential)
}

// A challenge is answered once, rightly or not, by whom and for what it was made.
func TestPasskeyChallengesAreBound(t *testing.T) {
	h := newHarness(t, documented)
	adas, id := h.enrollKey(h.as(h.verified(ada).IDToken))
	graces, _ := h.enrollKey(h.as(h.verified(grace).IDToken))
	begin := func() (string, []byte) {
		pending := h.pending(ada, goodPW)
		options, err := h.BeginSecondFactor(h.ctx, h.anyone(), pending, "")
		h.must(err)
		return pending, options
	}
	refuse := func(name, pending string, credential []byte) {
		t.Helper()
		_, err := h.complete(pending, auth.SecondFactorProof{Credential: credential})
		if auth.CodeOf(err) != auth.CodeInvalidPasskey {
			t.Errorf("%s: %v", name, err)
		}
	}
	pending, options := begin()
	refuse("another user's key", pending, graces.Get(options))
	refuse("the same challenge again", pending, adas.Get(options))
	pending, options = begin()
	other, _ := begin()
	refuse("another sign-in's challenge", other, adas.Get(options))
	first := h.startPasskey()
	refuse("the challenge of another purpose", pending, adas.Get(first.Options))
	pending, options = begin()
	h.clock.Advance(4 * time.Minute)
	newer, err := h.BeginSecondFactor(h.ctx, h.anyone(), pending, id)
	h.must(err)
	refuse("a challenge that a newer one replaced", pending, adas.Get(options))
	refuse("garbage", pending, []byte(`{"id":"x"}`))
	_ = newer
	pending, options = begin()
	answer := adas.Get(options)
	_, err = h.complete(pending, auth.SecondFactorProof{Credential: answer})
	h.must(err)
	refuse2, _ := begin()
	refuse("a replayed answer", refuse2, answer)

	up, err := h.signIn("nobody@example.com", goodPW)
	h.want(err, auth.CodeEmailNotFound)
	_ = up
}

func TestPasskeySignIn(t *testing.T) {
	for _, set := range []string{"optional", "required"} {
		t.Run(set, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.verified(ada)
			key, id := h.enrollKey(h.as(up.IDToken))
			h.set("secondFactor", set)
			begun := h.startPasskey()
			tokens, err := h.passkeySignIn(begun.SessionID, key.Get(begun.Options))
			h.must(err)
			if tokens.User.ID != up.User.ID || tokens.PendingCredential != "" {
				t.Errorf("got %+v", tokens)
			}
			h.wantAlive(tokens)
			c := claims(t, tokens.IDToken)
			f := c["firebase"].(map[string]any)
			if f["sign_in_provider"] != "passkey" || f["sign_in_second_factor"] != "passkey" || f["second_factor_identifier"] != string(id) {
				t.Errorf("claims %v", f)
			}
			if amr := c["amr"].([]any); len(amr) != 2 || amr[0] != "pop" || amr[1] != "mfa" {
				t.Errorf("amr %v", amr)
			}
			if h.user(up.User.ID).LastSignInAt != h.clock.Now().UTC().Truncate(time.Millisecond) {
				t.Error("the sign-in is not noted")
			}
			if records := h.audits(auth.EventSignIn); records[0].Detail["provider"] != "passkey" || records[0].User != up.User.ID {
				t.Errorf("audit %+v", records[0])
			}
		})
	}
}

func TestPasskeySignInRefuses(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	key, _ := h.enrollKey(h.as(up.IDToken))
	refuse := func(name string, code auth.Code, session string, credential []byte) {
		t.Helper()
		before := len(h.audits(auth.EventSignIn))
		_, err := h.passkeySignIn(session, credential)
		if auth.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", name, err, code)
		}
		if code != auth.CodeInvalidArgument && len(h.audits(auth.EventSignIn)) != before+1 {
			t.Errorf("%s: not recorded", name)
		}
	}
	try := func(name string, change func(k *authtest.SecurityKey)) {
		t.Helper()
		k := key.Clone()
		k.Counter = 1000
		change(k)
		begun := h.startPasskey()
		refuse(name, auth.CodeInvalidPasskey, begun.SessionID, k.Get(begun.Options))
	}
	try("user not verified", func(k *authtest.SecurityKey) { k.Unverified = true })
	try("another origin", func(k *authtest.SecurityKey) { k.Origin = "https://evil.example.com" })
	try("a page under the domain that is not listed", func(k *authtest.SecurityKey) { k.Origin = "https://x.auth.example.com" })
	try("another relying party", func(k *authtest.SecurityKey) { k.RPID = "example.com" })
	try("a counter that stands", func(k *authtest.SecurityKey) { k.Counter, k.Still = key.Counter, true })
	try("a counter that goes back", func(k *authtest.SecurityKey) { k.Counter, k.Still = 0, true })

	stranger := authtest.NewSecurityKey(t, "https://auth.example.com")
	begun := h.startPasskey()
	refuse("an unknown key", auth.CodeInvalidPasskey, begun.SessionID, stranger.Get(begun.Options))
	begun = h.startPasskey()
	var forged map[string]any
	if err := json.Unmarshal(key.Get(begun.Options), &forged); err != nil {
		t.Fatal(err)
	}
	response := forged["response"].(map[string]any)
	response["signature"] = "MEUCIQ" + response["signature"].(string)[6:]
	response["authenticatorData"] = response["authenticatorData"].(string)[:48] + "B" + response["authenticatorData"].(string)[49:]
	answer, _ := json.Marshal(forged)
	refuse("a wrong signature", auth.CodeInvalidPasskey, begun.SessionID, answer)
	begun = h.startPasskey()
	answer = key.Get(begun.Options)
	refuse("another session", auth.CodeInvalidPasskey, h.startPasskey().SessionID, answer)
	refuse("no session", auth.CodeInvalidArgument, "", answer)
	refuse("no credential", auth.CodeInvalidArgument, begun.SessionID, nil)
	_, err := h.passkeySignIn(begun.SessionID, answer)
	h.must(err)
	refuse("again", auth.CodeInvalidPasskey, begun.SessionID, answer)
	begun = h.startPasskey()
	h.clock.Advance(5 * time.Minute)
	refuse("expired", auth.CodeInvalidPasskey, begun.SessionID, key.Get(begun.Options))

	_, _, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Settings: fast()})
	h.must(err)
	elsewhere, err := h.BeginPasskeySignIn(h.ctx, h.anyoneOf("other"))
	h.must(err)
	_, err = h.SignInWithPasskey(h.ctx, h.anyoneOf("other"), elsewhere.SessionID, key.Get(elsewhere.Options))
	h.want(err, auth.CodeInvalidPasskey)

	begun = h.startPasskey()
	h.update(up.User.ID, auth.UserPatch{Disabled: of(true)})
	refuse("disabled", auth.CodeUserDisabled, begun.SessionID, key.Get(begun.Options))
}

// A copy of the key is found out once its original was used after it; from then on the copy is refused.
func TestClonedPasskey(t *testing.T) {
	h := newHarness(t, documented)
	key, _ := h.enrollKey(h.as(h.verified(ada).IDToken))
	clone := key.Clone()
	for range 2 {
		begun := h.startPasskey()
		_, err := h.passkeySignIn(begun.SessionID, key.Get(begun.Options))
		h.must(err)
	}
	begun := h.startPasskey()
	_, err := h.passkeySignIn(begun.SessionID, clone.Get(begun.Options))
	h.want(err, auth.CodeInvalidPasskey)
}

// Many authenticators count nothing.
func TestPasskeyThatDoesNotCount(t *testing.T) {
	h := newHarness(t, documented)
	c := h.as(h.verified(ada).IDToken)
	key := authtest.NewSecurityKey(t, "https://auth.example.com")
	key.Still = true
	e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorPasskey})
	h.must(err)
	_, err = h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: e.ID, Credential: key.Create(e.PasskeyCreation)})
	h.must(err)
	for range 2 {
		begun := h.startPasskey()
		_, err := h.passkeySignIn(begun.SessionID, key.Get(begun.Options))
		h.must(err)
	}
}

func TestPasskeyEnrollmentRefuses(t *testing.T) {
	h := newHarness(t, documented)
	adas, graces := h.as(h.verified(ada).IDToken), h.as(h.verified(grace).IDToken)
	begin := func(c auth.Caller) auth.Enrollment {
		e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorPasskey})
		h.must(err)
		return e
	}
	refuse := func(name string, c auth.Caller, id auth.SecondFactorID, credential []byte) {
		t.Helper()
		_, err := h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: id, Credential: credential})
		if auth.CodeOf(err) != auth.CodeInvalidPasskey {
			t.Errorf("%s: %v", name, err)
		}
	}
	key := authtest.NewSecurityKey(t, "https://auth.example.com")
	evil := key.Clone()
	evil.Origin = "https://evil.example.com"
	e := begin(adas)
	refuse("another origin", adas, e.ID, evil.Create(e.PasskeyCreation))
	refuse("the same challenge again", adas, e.ID, key.Create(e.PasskeyCreation))
	e, other := begin(adas), begin(graces)
	refuse("another user's challenge", adas, e.ID, key.Create(other.PasskeyCreation))
	refuse("no JSON object", graces, other.ID, []byte(`"x"`))
	e = begin(adas)
	_, err := h.FinishEnrollment(h.ctx, adas, auth.EnrollmentProof{ID: e.ID, Credential: key.Create(e.PasskeyCreation)})
	h.must(err)
	e = begin(graces)
	refuse("a passkey that is somebody's", graces, e.ID, key.Create(e.PasskeyCreation))
	e = begin(graces)
	_, err = h.FinishEnrollment(h.ctx, graces, auth.EnrollmentProof{ID: e.ID, Code: "123456"})
	h.want(err, auth.CodeInvalidPasskey)
}

// A passkey also proves a signed-in user who takes another factor away.
func TestRemovingWithAPasskey(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	key, id := h.enrollKey(h.as(up.IDToken))
	h.set("secondFactor", "off")
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.set("secondFactor", "optional")
	c := h.as(in.IDToken)
	begun := h.startPasskey()
	h.want(h.RemoveSecondFactor(h.ctx, c, id, auth.SecondFactorProof{SessionID: "nosuch", Credential: key.Get(begun.Options)}), auth.CodeInvalidPasskey)
	h.must(h.RemoveSecondFactor(h.ctx, c, id, auth.SecondFactorProof{SessionID: begun.SessionID, Credential: key.Get(begun.Options)}))
	if h.factors(up.User.ID) != 0 {
		t.Error("the passkey stays")
	}
}

func TestRelyingParty(t *testing.T) {
	h := newHarness(t, documented)
	h.set("passkeyRPID", "example.com", "passkeyOrigins", "https://app.example.com, android:apk-key-hash:abc-_123")
	c := h.as(h.verified(ada).IDToken)
	for origin, want := range map[string]auth.Code{
		"https://app.example.com": "", "android:apk-key-hash:abc-_123": "", "https://auth.example.com": auth.CodeInvalidPasskey, "android:apk-key-hash:other": auth.CodeInvalidPasskey,
	} {
		key := authtest.NewSecurityKey(t, origin)
		e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorPasskey})
		h.must(err)
		done, err := h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: e.ID, Credential: key.Create(e.PasskeyCreation)})
		if auth.CodeOf(err) != want {
			t.Errorf("%s: %v, want %q", origin, err, want)
		}
		h.noteCodes(done.RecoveryCodes)
		c = h.refreshed(c)
	}
	for _, bad := range [][]string{
		{"passkeyRPID", "com"}, {"passkeyRPID", "https://example.com"}, {"passkeyRPID", "example.com:443"}, {"passkeyRPID", "192.0.2.1"}, {"passkeyRPID", "Example.com"},
		{"passkeyRPID", "other.example"}, {"passkeyRPID", "pp.example.com"}, {"passkeyOrigins", "https://app.example.org"}, {"passkeyOrigins", "http://app.example.com"},
		{"passkeyOrigins", "https://app.example.com/path"}, {"passkeyOrigins", "*"}, {"passkeyOrigins", "android:apk-key-hash:"}, {"passkeyOrigins", "https://*.example.com"}, {"passkeyOrigins", "android:apk-key-hash:abc"},
		{"passkeyRPID", "example.org", "passkeyOrigins", "https://badexample.org"}, {"secondFactor", "maybe"},
	} {
		change := auth.ProjectChange{Set: map[string]string{}}
		for i := 0; i < len(bad); i += 2 {
			change.Set[bad[i]] = bad[i+1]
		}
		if _, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), change); auth.CodeOf(err) != auth.CodeInvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
	h.set("passkeyRPID", "localhost", "passkeyOrigins", "http://localhost:5173")
}

// refreshed is the caller with its session as it now stands.
func (h *harness) refreshed(c auth.Caller) auth.Caller {
	h.t.Helper()
	u, _ := c.User()
	sessions, err := h.store.ListSessions(h.ctx, h.id, u.ID, "", 1)
	h.must(err)
	return h.anyone().AsUser(u, sessions[0])
}
