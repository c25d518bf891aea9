package accountsapi

import "testing"

// The instance's own project is unknown to the AUTH API, however it is named.
func TestConsoleProjectIsUnknown(t *testing.T) {
	s := newTestServer(t, nil)
	if err := s.admin.EnsureConsole(t.Context(), s.operator(nil)); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]requestOption{
		"header":     {header("X-Project-Id", "console")},
		"host":       {host("console." + testDomain)},
		"local host": {host("console.api.localhost")},
	} {
		t.Log(name)
		s.post("/sign-in/email", map[string]any{"email": "a@example.com", "password": testPassword}, options...).wantError(404, "Project not found")
		s.do("GET", "/api/v1/auth/accounts/roles", nil, append(options, header("Deskree-Admin", "x"))...).wantError(404, "Project not found")
	}
	for _, document := range []string{"jwks.json", "openid-configuration"} {
		s.do("GET", "/console/.well-known/"+document, nil).wantError(404, "Project not found")
	}
}
