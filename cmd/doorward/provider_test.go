package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/adminapi"
)

func TestProviderVerbs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("project", "set", "default", "callbackURLs=https://shop.example.com/cb,loopback")
	secret := writeFile(t, "secret", "hunter2hunter2\n")
	var p adminapi.Provider
	c.json(&p, "provider", "set", "google.com", "--client-id", "shop-1", "--client-secret-file", secret, "--scope", "a,b", "--scope", "c",
		"--parameter", "prompt=consent", "--parameter", "hd=x;y=z")
	want := adminapi.Provider{
		ID: "google.com", Enabled: true, ClientID: "shop-1", SecretSet: true, Scopes: []string{"a,b", "c"}, Parameters: map[string]string{"prompt": "consent", "hd": "x;y=z"},
		Endpoints: map[string]string{}, AllowHosts: []string{}, CallbackHint: p.CallbackHint, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
	if diff := cmp.Diff(want, p); diff != "" || !strings.HasPrefix(p.CallbackHint, "https://shop.example.com/cb\n") {
		t.Errorf("hint %q (-want +got)\n%s", p.CallbackHint, diff)
	}

	c.json(&p, "provider", "set", "google.com", "--disable", "--implicit", "--team-id", "T", "--key-id", "K", "--clear", "scopes", "--clear", "parameters")
	if p.Enabled || !p.Implicit || p.TeamID != "T" || p.KeyID != "K" || len(p.Scopes)+len(p.Parameters) != 0 || !p.SecretSet || p.ClientID != "shop-1" {
		t.Errorf("changed %+v", p)
	}
	c.json(&p, "provider", "set", "google.com", "--enable", "--implicit=false", "--clear", "client-secret", "--clear", "private-key")
	if !p.Enabled || p.Implicit || p.SecretSet {
		t.Errorf("changed %+v", p)
	}
	if out := c.okWith("hunter2hunter2", "provider", "set", "oidc.acme", "--client-id", "shop-2", "--endpoint", "issuer=http://id.internal:8080/?a=b", "--allow-host", "id.internal",
		"--client-secret-file", "-"); !strings.Contains(out, "issuer=http://id.internal:8080/?a=b") || !strings.Contains(out, "\n    https://shop.example.com/cb\n    each URL of this machine") ||
		strings.Contains(out, "hunter2") {
		t.Errorf("set prints\n%s", out)
	}
	c.try("", "provider", "set", "oidc.acme", "--endpoint", "issuer=https://evil.example.net").wantFailure(t, exitFailed, "enter the secret again")
	c.okWith("new secret", "provider", "set", "oidc.acme", "--endpoint", "issuer=https://id.acme.example", "--clear", "allow-hosts", "--client-secret-file", "-")

	var list []adminapi.Provider
	c.json(&list, "provider", "list")
	if len(list) != 2 || list[0].ID != "google.com" || list[1].ID != "oidc.acme" || list[1].Endpoints["issuer"] != "https://id.acme.example" || len(list[1].AllowHosts) != 0 {
		t.Errorf("list is %+v", list)
	}
	if show := c.ok("provider", "show", "oidc.acme"); !strings.Contains(show, "Endpoints  issuer=https://id.acme.example") || strings.Contains(show, "secret") {
		t.Errorf("show prints\n%s", show)
	}
	c.try("", "provider", "delete", "google.com").wantFailure(t, exitUsage, "needs --yes")
	c.ok("provider", "delete", "google.com", "--yes")
	for _, verb := range []string{"show", "check"} {
		c.try("", "provider", verb, "google.com").wantFailure(t, exitNotFound, "not configured")
	}
	c.try("", "provider", "delete", "google.com", "--yes").wantFailure(t, exitNotFound, "not configured")
}

func TestProviderCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("provider", "set", "google.com", "--client-id", "shop-1", "--parameter", "state=mine") // found without asking anybody
	c.try("", "provider", "check", "google.com").wantFailure(t, exitFailed, "state")
	r := c.try("", "provider", "check", "google.com", "--json")
	if r.code != exitFailed || !strings.Contains(r.stdout, `"ok": false`) || !strings.Contains(r.stdout, "state") {
		t.Errorf("exit code %d, %s", r.code, r.stdout)
	}
}

func TestProviderUsage(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	empty := writeFile(t, "empty", "\n")
	for _, test := range []struct {
		args string
		want string
	}{
		{"", "nothing to change"},
		{"--client-secret-file /nonexistent", "/nonexistent"},
		{"--client-secret-file " + empty, "the file is empty"},
		{"--client-secret-file - --private-key-file -", "not both"},
		{"--enable --disable", "can't be used together"},
		{"--clear everything", "--clear takes"},
		{"--clear scopes --scope a", "contradicts"},
		{"--clear scopes --clear scopes", "contradicts"},
		{"--parameter prompt", "prompt"},
		{"--client-secret hunter2", "unknown flag"},
	} {
		c.try("", append([]string{"provider", "set", "google.com"}, strings.Fields(test.args)...)...).wantFailure(t, exitUsage, test.want)
	}
}
