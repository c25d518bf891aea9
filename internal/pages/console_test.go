package pages

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// An invited operator joins on the hosted pages of the console's project.
func TestConsoleInvite(t *testing.T) {
	s := newServer(t)
	operator := s.service.LocalOperator(auth.Caller{})
	_, link, err := s.admin.InviteOperator(t.Context(), operator, string(testEmail))
	if err != nil {
		t.Fatal(err)
	}
	form := s.get(t, strings.TrimPrefix(link, publicURL))
	if form.status != 200 {
		t.Errorf("the link of an invite gives %d", form.status)
	}
}
