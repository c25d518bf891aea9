package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProjectVerbs: creation answers the admin token once; settings are listed, changed and refused.
func TestProjectVerbs(t *testing.T) {
	t.Parallel()
	s := suite.shared
	id := "t" + strings.ToLower(randomText(11))
	created := parseJSON(t, "project create", []byte(s.cli(t, "project", "create", id, "--json", "--preset", "documented"))).(M)
	if created["id"] != id || len(text(t, created, "adminToken")) < 32 {
		t.Errorf("project create printed %s", compact(created))
	}
	remember("admin token", text(t, created, "adminToken"))
	for name, args := range map[string][]string{
		"taken id":         {"project", "create", id, "--json"},
		"id not a label":   {"project", "create", "Not_A_Label!", "--json"},
		"unknown preset":   {"project", "create", id + "x", "--preset", "soft"},
		"unknown project":  {"project", "set", "nosuchproject", "selfSignUp=true"},
		"unknown setting":  {"project", "set", id, "nosuchsetting=1"},
		"not a boolean":    {"project", "set", id, "selfSignUp=perhaps"},
		"not a duration":   {"project", "set", id, "resetCodeTTL=soon"},
		"not an envelope":  {"project", "set", id, "errorEnvelope=round"},
		"no value":         {"project", "set", id, "selfSignUp"},
		"script as URL":    {"project", "set", id, "resetPasswordURL=javascript:alert(1)"},
		"odd permission":   {"project", "set", id, "usersListPermission=everybody"},
		"unknown role":     {"role", "assign", "nosuchrole", randomText(28), "--project", id},
		"unknown user":     {"user", "show", randomText(28), "--project", id},
		"unknown mail":     {"mail", "show", "999999999", "--json"},
		"keys of no one":   {"key", "list", "--project", "nosuchproject"},
		"missing argument": {"project", "set"},
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, s, args) })
	}
	if listed := s.cli(t, "project", "settings"); !strings.Contains(listed, "emailEnumerationProtection") || !strings.Contains(listed, "refreshTokenGrace") {
		t.Errorf("project settings printed:\n%s", listed)
	}
}

// TestUserVerbs: what the operator does to a user takes effect in the running server.
func TestUserVerbs(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	user := func(verb string, args ...string) string {
		t.Helper()
		return p.srv.cli(t, append(append([]string{"user", verb}, args...), "--project", p.id, "--json")...)
	}
	shown := jsonValues(t, user("show", a.uid))
	if len(shown) != 1 || shown[0]["uid"] != a.uid || shown[0]["email"] != a.email {
		t.Errorf("user show printed %s", compact(shown))
	}
	if listed := user("list"); !strings.Contains(listed, a.uid) || !strings.Contains(listed, a.email) {
		t.Errorf("user list printed:\n%s", listed)
	}
	for _, output := range []string{user("show", a.uid), user("list")} {
		if strings.Contains(output, "argon2") {
			t.Errorf("the output holds a password hash:\n%s", output)
		}
	}
	user("disable", a.uid)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "USER_DISABLED")
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
	user("enable", a.uid)
	p.signIn(t, a.email, a.password)
	p.wantDeadSession(t, a)
	user("delete", a.uid)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
}

// TestProviderVerbs: what the operator configures on the command line signs users in, and no output tells the secret.
func TestProviderVerbs(t *testing.T) {
	t.Parallel()
	p, d := newProject(t), sharedDex(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(d.secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verb := func(name string, args ...string) string {
		t.Helper()
		out := p.srv.cli(t, append(append([]string{"provider", name}, args...), "--project", p.id, "--json")...)
		if strings.Contains(out, d.secret) {
			t.Errorf("provider %s tells the secret", name)
		}
		return out
	}
	set := verb("set", dexID, "--client-id", dexClientID, "--client-secret-file", file, "--endpoint", "issuer="+d.issuer, "--allow-host", "127.0.0.1", "--scope", "groups")
	want := M{"id": dexID, "enabled": true, "clientId": dexClientID, "secretSet": true, "scopes": L{"groups"}, "parameters": M{}, "endpoints": M{"issuer": d.issuer},
		"allowHosts": L{"127.0.0.1"}, "implicit": false, "callbackHint": isText, "createdAt": isInstant, "updatedAt": isInstant}
	wantJSON(t, "provider set", []byte(set), want)
	wantJSON(t, "provider show", []byte(verb("show", dexID)), want)
	if listed := jsonValues(t, verb("list")); len(listed) != 1 {
		t.Errorf("provider list printed %d providers", len(listed))
	}
	verb("check", dexID)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)

	verb("set", dexID, "--disable")
	p.client().post(t, authURLPath, M{"providerId": dexID, "callBackUri": callback}).wantError(t, 400, providerMissing)
	verb("set", dexID, "--enable")
	p.signInAtDex(t, d, u, a.uid, false)
	for name, args := range map[string][]string{
		"unknown provider":     {"provider", "set", "example.com", "--client-id", "a"},
		"no secret again":      {"provider", "set", dexID, "--endpoint", "issuer=https://evil.example.test"},
		"file that is missing": {"provider", "set", dexID, "--client-secret-file", file + ".missing"},
		"show of no one":       {"provider", "show", "google.com"},
		"delete of no one":     {"provider", "delete", "google.com", "--yes"},
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, p.srv, append(args, "--project", p.id)) })
	}
	verb("delete", dexID, "--yes")
	p.client().post(t, authURLPath, M{"providerId": dexID, "callBackUri": callback}).wantError(t, 400, providerMissing)
}

// TestMailVerbs: the mailbox shows a mail with everything that was sent.
func TestMailVerbs(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	mail := p.mailbox(a.email).next(t, resetURL)
	if len(mail.to) != 1 || mail.to[0] != a.email || mail.subject == "" || !strings.Contains(mail.text, mail.link(resetURL)) ||
		!strings.Contains(mail.html, "<") {
		t.Errorf("mail show printed %+v", mail)
	}
	other := newProject(t)
	if listed := jsonValues(t, p.srv.cli(t, "mail", "list", "--json", "--project", other.id)); len(listed) != 0 {
		t.Errorf("the mailbox of another project holds %d mails", len(listed))
	}
}
