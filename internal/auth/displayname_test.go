package auth_test

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// TestDisplayNameDoesNotMislead: the name of a project becomes the name in the From of its mails.
func TestDisplayNameDoesNotMislead(t *testing.T) {
	h := newHarness(t)
	for _, name := range []string{
		"security@bank.example", "https://bank.example", "=?utf-8?q?Bank?=", "Acme \u202Eknab", "Acme\u2066", "Acme\u200F", "Acme\u061C", "Acme\u2028Bank", "Acme\u2029", "Acme\r\nBank", "\xff",
	} {
		_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", DisplayName: name})
		wantCode(t, err, auth.CodeInvalidArgument)
		_, err = h.admin.UpdateProject(h.ctx, h.asAdmin(), auth.ProjectChange{DisplayName: name})
		wantCode(t, err, auth.CodeInvalidArgument)
	}
	for _, name := range []string{"Acme & Söhne: Konto?", "متجر", "חנות", "店 =)", "a/b"} {
		if _, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), auth.ProjectChange{DisplayName: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
