package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestAuthenticateUser(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	second := h.signUp(grace)
	good := claims(t, up.IDToken)
	sign := func(change func(map[string]any)) string {
		t.Helper()
		c := map[string]any{}
		for k, v := range good {
			if f, ok := v.(float64); ok {
				v = int64(f)
			}
			c[k] = v
		}
		change(c)
		signed, err := h.SignCustom(h.anyone(), c)
		h.must(err)
		return signed
	}
	parts := strings.Split(up.IDToken, ".")
	header := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	const missing, invalid, expired = auth.CodeUnauthenticated, auth.CodeTokenInvalid, auth.CodeTokenExpired
	tests := []struct {
		name, token string
		want        auth.Code
	}{
		{"good", up.IDToken, ""},
		{"signed again", sign(func(map[string]any) {}), ""},
		{"none", "", missing},
		{"no JWT", "abc", missing},
		{"refresh token", up.RefreshToken, missing},
		{"admin token", h.adminToken, missing},
		{"two parts", parts[0] + "." + parts[1], missing},
		{"no signature", parts[0] + "." + parts[1] + ".", invalid},
		{"other signature", parts[0] + "." + parts[1] + "." + strings.Split(second.IDToken, ".")[2], invalid},
		{"other payload", parts[0] + "." + strings.Split(second.IDToken, ".")[1] + "." + parts[2], invalid},
		{"alg none", header(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".", invalid},
		{"alg none with kid", header(`{"alg":"none","kid":"x","typ":"JWT"}`) + "." + parts[1] + ".", invalid},
		{"alg HS256", header(`{"alg":"HS256","kid":"x","typ":"JWT"}`) + "." + parts[1] + "." + parts[2], invalid},
		{"other issuer", sign(func(c map[string]any) { c["iss"] = "https://auth.example.com/other" }), invalid},
		{"issuer with slash", sign(func(c map[string]any) { c["iss"] = "https://auth.example.com/acme/" }), invalid},
		{"other audience", sign(func(c map[string]any) { c["aud"] = "other" }), invalid},
		{"audience list", sign(func(c map[string]any) { c["aud"] = []string{"acme", "other"} }), invalid},
		{"other user", sign(func(c map[string]any) { c["sub"] = string(second.User.ID) }), invalid},
		{"other session", sign(func(c map[string]any) { c["sid"] = claims(t, second.IDToken)["sid"] }), invalid},
		{"unknown session", sign(func(c map[string]any) { c["sid"] = "nothing" }), invalid},
		{"no session", sign(func(c map[string]any) { delete(c, "sid") }), invalid},
		{"no subject", sign(func(c map[string]any) { delete(c, "sub") }), invalid},
		{"no expiry", sign(func(c map[string]any) { delete(c, "exp") }), invalid},
		{"expired", sign(func(c map[string]any) { c["exp"] = start.Unix() - 1 }), expired},
		{"expired and of another project", sign(func(c map[string]any) { c["exp"], c["aud"] = start.Unix()-1, "other" }), invalid},
		{"from the future", sign(func(c map[string]any) { c["iat"] = start.Unix() + 3600 }), invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := h.AuthenticateUser(h.ctx, h.anyone(), tt.token)
			if auth.CodeOf(err) != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, ok := c.User(); ok != (tt.want == "") || (c.Actor() == auth.ActorUser) != ok || c.IsAdmin() {
				t.Errorf("caller %v is a user: %v", c.Actor(), ok)
			}
		})
	}
	h.clock.Advance(time.Hour - time.Second)
	if _, err := h.AuthenticateUser(h.ctx, h.anyone(), up.IDToken); err != nil {
		t.Errorf("a second before it expires: %v", err)
	}
	h.clock.Advance(time.Second)
	_, err := h.AuthenticateUser(h.ctx, h.anyone(), up.IDToken)
	h.want(err, expired)
}

// TestTokensAreLookedAtAgain: that a token was good once lets nothing through that would be refused the first time.
func TestTokensAreLookedAtAgain(t *testing.T) {
	h := newHarness(t, documented)
	good := h.signUp(ada).IDToken
	for range 2 {
		_, err := h.AuthenticateUser(h.ctx, h.anyone(), good)
		h.must(err)
	}
	last := good[len(good)-1]
	for _, other := range []string{good[:len(good)-1] + string(last^1), good + "=", " " + good, strings.ToUpper(good)} {
		if _, err := h.AuthenticateUser(h.ctx, h.anyone(), other); err == nil {
			t.Errorf("%q is taken", other)
		}
	}
	keys, err := h.store.ListSigningKeys(h.ctx, h.id)
	h.must(err)
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.DeleteSigningKey(h.ctx, h.id, keys[0].ID) }))
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), good)
	h.want(err, auth.CodeTokenInvalid)
}

// A project that came from another server takes the id tokens that it got there.
func TestFormerIssuer(t *testing.T) {
	h := newHarness(t, documented)
	good := claims(t, h.signUp(ada).IDToken)
	good["iss"] = "https://old.example.com/acme"
	for k, v := range good {
		if f, ok := v.(float64); ok {
			good[k] = int64(f)
		}
	}
	old, err := h.SignCustom(h.anyone(), good)
	h.must(err)
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), old)
	h.want(err, auth.CodeTokenInvalid)
	h.set("formerIssuer", "https://old.example.com/acme")
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), old)
	h.must(err)
	h.set("formerIssuer", "https://old.example.com/shop")
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), old)
	h.want(err, auth.CodeTokenInvalid)
}

func TestAuthenticateAdmin(t *testing.T) {
	h := newHarness(t)
	for _, wrong := range []string{"", " ", h.adminToken[:len(h.adminToken)-1], h.adminToken + " ", strings.ToUpper(h.adminToken), "\x00", strings.Repeat("x", 1<<16)} {
		c, err := h.AuthenticateAdmin(h.ctx, h.anyone(), wrong)
		h.want(err, auth.CodeAdminRequired)
		if c.IsAdmin() {
			t.Error("is admin although refused")
		}
	}
	h.wantDenied(auth.EventAdminDenied, 7)
	c, err := h.AuthenticateAdmin(h.ctx, h.anyone(), h.adminToken)
	h.must(err)
	fresh, err := h.admin.RotateAdminToken(h.ctx, c)
	h.must(err)
	_, err = h.AuthenticateAdmin(h.ctx, h.anyone(), h.adminToken)
	h.want(err, auth.CodeAdminRequired)
	_, err = h.AuthenticateAdmin(h.ctx, h.anyone(), h.secret(fresh))
	h.must(err)
	if len(fresh) < 43 || fresh == h.adminToken {
		t.Error("weak or repeated admin token")
	}
}

func TestOperatorTokens(t *testing.T) {
	h := newHarness(t)
	plain, err := h.admin.CreateOperatorToken(h.ctx, h.operator(), "ci")
	h.must(err)
	h.secret(plain)
	_, err = h.admin.CreateOperatorToken(h.ctx, h.operator(), "ci")
	h.want(err, auth.CodeConflict)
	for _, name := range []string{"", "local", "UPPER", "-x", "a b", strings.Repeat("x", 41), "a\n"} {
		_, err = h.admin.CreateOperatorToken(h.ctx, h.operator(), name)
		h.want(err, auth.CodeInvalidArgument)
	}
	c, err := h.AuthenticateOperator(h.ctx, h.anyone(), plain)
	h.must(err)
	if c.Actor() != auth.ActorOperator || !c.IsAdmin() {
		t.Errorf("actor %s", c.Actor())
	}
	tokens, err := h.admin.OperatorTokens(h.ctx, c)
	if err != nil || len(tokens) != 1 || tokens[0].Hash != nil {
		t.Errorf("tokens %v, %v", tokens, err)
	}
	// A project's admin is no operator (P37).
	_, err = h.admin.CreateOperatorToken(h.ctx, h.asAdmin(), "more")
	h.want(err, auth.CodeAdminRequired)
	_, err = h.admin.OperatorTokens(h.ctx, h.asAdmin())
	h.want(err, auth.CodeAdminRequired)
	_, _, err = h.admin.CreateProject(h.ctx, h.asAdmin(), auth.NewProject{ID: "mine"})
	h.want(err, auth.CodeAdminRequired)
	h.want(h.admin.DeleteProject(h.ctx, h.asAdmin()), auth.CodeAdminRequired)
	_, err = h.admin.ListProjects(h.ctx, h.asAdmin(), "", 10)
	h.want(err, auth.CodeAdminRequired)
	_, _, err = h.admin.RotateMasterKey(h.ctx, h.asAdmin(), func(int) {})
	h.want(err, auth.CodeAdminRequired)
	_, err = h.AuthenticateOperator(h.ctx, h.anyone(), h.adminToken)
	h.want(err, auth.CodeAdminRequired)
	_, err = h.AuthenticateAdmin(h.ctx, h.anyone(), plain)
	h.want(err, auth.CodeAdminRequired)

	h.must(h.admin.DeleteOperatorToken(h.ctx, h.operator(), "ci"))
	_, err = h.AuthenticateOperator(h.ctx, h.anyone(), plain)
	h.want(err, auth.CodeAdminRequired)
	h.want(h.admin.DeleteOperatorToken(h.ctx, h.operator(), "ci"), auth.CodeNotFound)
}

// Nothing that is for admins works for anybody else.
func TestAdminMethodsNeedAdmin(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	id := up.User.ID
	calls := map[string]func(c auth.Caller) error{
		"search": func(c auth.Caller) error { _, err := h.admin.SearchUsers(h.ctx, c, auth.UserSearch{}); return err },
		"create user": func(c auth.Caller) error {
			_, err := h.admin.CreateUser(h.ctx, c, auth.CreateUserParams{Email: grace})
			return err
		},
		"identities":      func(c auth.Caller) error { _, err := h.admin.UserIdentities(h.ctx, c, id); return err },
		"sessions":        func(c auth.Caller) error { _, err := h.admin.Sessions(h.ctx, c, id, "", 1); return err },
		"revoke session":  func(c auth.Caller) error { return h.admin.RevokeSession(h.ctx, c, "x") },
		"revoke sessions": func(c auth.Caller) error { _, err := h.admin.RevokeUserSessions(h.ctx, c, id); return err },
		"create role":     func(c auth.Caller) error { _, err := h.admin.CreateRole(h.ctx, c, "r"); return err },
		"delete role":     func(c auth.Caller) error { return h.admin.DeleteRole(h.ctx, c, "r") },
		"roles":           func(c auth.Caller) error { _, err := h.Roles(h.ctx, c); return err },
		"audit":           func(c auth.Caller) error { _, err := h.admin.Audit(h.ctx, c, auth.AuditFilter{}); return err },
		"import":          func(c auth.Caller) error { _, err := h.admin.ImportUsers(h.ctx, c, nil, true); return err },
		"export":          func(c auth.Caller) error { _, err := h.admin.ExportUsers(h.ctx, c, "", 1); return err },
		"send reset":      func(c auth.Caller) error { return h.admin.SendReset(h.ctx, c, id) },
		"stats":           func(c auth.Caller) error { _, err := h.admin.ProjectStats(h.ctx, c); return err },
		"settings":        func(c auth.Caller) error { _, err := h.admin.UpdateProject(h.ctx, c, auth.ProjectChange{}); return err },
		"secrets":         func(c auth.Caller) error { _, err := h.admin.SecretsSet(c); return err },
		"admin token":     func(c auth.Caller) error { _, err := h.admin.RotateAdminToken(h.ctx, c); return err },
		"keys":            func(c auth.Caller) error { _, err := h.admin.SigningKeys(h.ctx, c); return err },
		"rotate key":      func(c auth.Caller) error { _, err := h.admin.RotateSigningKey(h.ctx, c); return err },
		"withdraw key":    func(c auth.Caller) error { return h.admin.WithdrawSigningKey(h.ctx, c, "x") },
		"list mail":       func(c auth.Caller) error { _, err := h.admin.ListMail(h.ctx, c, "", "", 1); return err },
		"read mail":       func(c auth.Caller) error { _, _, err := h.admin.ReadMail(h.ctx, c, "x"); return err },
		"requeue mail":    func(c auth.Caller) error { return h.admin.RequeueMail(h.ctx, c, "x") },
		"delete mail":     func(c auth.Caller) error { return h.admin.DeleteMail(h.ctx, c, "x") },
		"templates":       func(c auth.Caller) error { _, err := h.admin.MailTemplates(h.ctx, c); return err },
		"put template":    func(c auth.Caller) error { return h.admin.PutMailTemplate(h.ctx, c, auth.MailTemplate{}) },
		"delete template": func(c auth.Caller) error { return h.admin.DeleteMailTemplate(h.ctx, c, auth.MailInvite, "en") },
		"create project": func(c auth.Caller) error {
			_, _, err := h.admin.CreateProject(h.ctx, c, auth.NewProject{ID: "x"})
			return err
		},
		"delete project":    func(c auth.Caller) error { return h.admin.DeleteProject(h.ctx, c) },
		"list projects":     func(c auth.Caller) error { _, err := h.admin.ListProjects(h.ctx, c, "", 1); return err },
		"operator token":    func(c auth.Caller) error { _, err := h.admin.CreateOperatorToken(h.ctx, c, "x"); return err },
		"delete operator":   func(c auth.Caller) error { return h.admin.DeleteOperatorToken(h.ctx, c, "x") },
		"operator tokens":   func(c auth.Caller) error { _, err := h.admin.OperatorTokens(h.ctx, c); return err },
		"ensure console":    func(c auth.Caller) error { return h.admin.EnsureConsole(h.ctx, c) },
		"operators":         func(c auth.Caller) error { _, err := h.admin.Operators(h.ctx, c); return err },
		"invite operator":   func(c auth.Caller) error { _, _, err := h.admin.InviteOperator(h.ctx, c, grace); return err },
		"disable operator":  func(c auth.Caller) error { _, err := h.admin.DisableOperator(h.ctx, c, grace); return err },
		"enable operator":   func(c auth.Caller) error { _, err := h.admin.EnableOperator(h.ctx, c, grace); return err },
		"remove operator":   func(c auth.Caller) error { return h.admin.DeleteOperator(h.ctx, c, grace) },
		"operator factors":  func(c auth.Caller) error { _, err := h.admin.ResetOperatorFactors(h.ctx, c, grace); return err },
		"stage master key":  func(c auth.Caller) error { _, err := h.admin.StageMasterKey(h.ctx, c); return err },
		"rotate master key": func(c auth.Caller) error { _, _, err := h.admin.RotateMasterKey(h.ctx, c, func(int) {}); return err },
		"prune master keys": func(c auth.Caller) error { _, err := h.admin.PruneMasterKeys(h.ctx, c); return err },
		"instance audit": func(c auth.Caller) error {
			c.Project = nil
			_, err := h.admin.Audit(h.ctx, c, auth.AuditFilter{})
			return err
		},
		"instance mail": func(c auth.Caller) error {
			c.Project = nil
			_, err := h.admin.ListMail(h.ctx, c, "", "", 1)
			return err
		},
		"roles in invite": func(c auth.Caller) error {
			_, err := h.Invite(h.ctx, c, auth.InviteParams{Email: grace, Roles: []string{"boss"}})
			return err
		},
	}
	for name, call := range calls {
		for kind, c := range map[string]auth.Caller{"anonymous": h.anyone(), "user": h.as(up.IDToken), "system": h.anyone().AsActor(auth.ActorSystem)} {
			if err := call(c); auth.CodeOf(err) != auth.CodeAdminRequired {
				t.Errorf("%s by %s: %v", name, kind, err)
			}
		}
	}
	for _, name := range []string{"instance audit", "instance mail"} { // of the whole instance, not for a project's admin
		h.want(calls[name](h.asAdmin()), auth.CodeAdminRequired)
	}
}
