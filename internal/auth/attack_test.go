package auth_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// from is anyone, at another address.
func (h *harness) from(addr string) auth.Caller {
	c := h.anyone()
	c.Addr = netip.MustParseAddr(addr)
	return c
}

// Whoever guesses at an account from one source does not lock its owner out at another (P29).
func TestGuesserDoesNotLockTheOwnerOut(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "3"))
	h.verified(ada)
	guess := auth.SignInParams{Email: ada, Password: otherPW}
	for range 3 {
		_, err := h.SignIn(h.ctx, h.from("198.51.100.1"), guess)
		h.want(err, auth.CodeInvalidCredentials)
	}
	for range 20 {
		_, err := h.SignIn(h.ctx, h.from("198.51.100.1"), guess)
		h.want(err, auth.CodeTooManyAttempts)
	}
	if _, err := h.SignIn(h.ctx, h.from("203.0.113.9"), auth.SignInParams{Email: ada, Password: goodPW}); err != nil {
		t.Errorf("the owner is locked out: %v", err)
	}
	refused := false // many sources together are bounded too
	for i := range 40 {
		_, err := h.SignIn(h.ctx, h.from(fmt.Sprintf("198.51.100.%d", 10+i)), guess)
		h.note(err)
		refused = refused || auth.CodeOf(err) == auth.CodeTooManyAttempts
	}
	if !refused {
		t.Error("40 sources may guess without end")
	}
}

// Nobody can use up the mails of an address so that its owner can neither sign up, be invited by an admin, nor take the address back (P11, P29).
func TestDrainedMailsKeepNobodyOut(t *testing.T) {
	h := newHarness(t, documented, with("mailAddressBurst", "2"))
	owner := h.verified(ada)
	h.must(h.ChangeEmail(h.ctx, h.as(owner.IDToken), mallory))
	wayBack := h.code(auth.MailEmailChanged, ada)
	for _, email := range []string{ada, grace, "new@example.com"} {
		limited := false
		for i := range 30 {
			err := h.SendPasswordReset(h.ctx, h.from(fmt.Sprintf("198.51.100.%d", 1+i)), email)
			h.note(err)
			limited = limited || auth.CodeOf(err) == auth.CodeTooManyAttempts
		}
		if !limited {
			t.Fatalf("the mails of %s are not limited at all", email)
		}
	}
	h.must(h.TakeBackEmail(h.ctx, h.from("203.0.113.9"), wayBack))
	if _, err := h.trySignUp(grace, goodPW); err != nil {
		t.Errorf("sign-up: %v", err)
	}
	if _, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: "new@example.com"}); err != nil {
		t.Errorf("an admin's invite: %v", err)
	}
}

// One source's wishes for mail leave another source its own.
func TestOneSourceLeavesMailsToOthers(t *testing.T) {
	h := newHarness(t, documented, with("mailAddressBurst", "2"))
	h.verified(ada)
	for i := range 6 {
		h.note(h.SendPasswordReset(h.ctx, h.from("198.51.100.1"), ada))
		if i == 5 {
			h.want(h.SendPasswordReset(h.ctx, h.from("198.51.100.1"), ada), auth.CodeTooManyAttempts)
		}
	}
	h.must(h.SendPasswordReset(h.ctx, h.from("203.0.113.9"), ada))
}

// Refusals of one anonymous source cannot fill the disk: beyond a burst, one a second is recorded (P54).
func TestRefusalsDoNotFillTheLog(t *testing.T) {
	h := newHarness(t, with("guessSourceBurst", "9999"))
	const tries = 1200
	for range tries {
		_, err := h.Refresh(h.ctx, h.anyone(), "no token")
		h.want(err, auth.CodeInvalidRefreshToken)
	}
	records, err := h.store.ListAudit(h.ctx, h.id, auth.AuditFilter{Event: auth.EventRefresh, Limit: 2 * tries})
	h.must(err)
	if len(records) < 900 || len(records) > 1000 {
		t.Errorf("%d refusals left %d records", tries, len(records))
	}
	h.clock.Advance(time.Second)
	_, err = h.Refresh(h.ctx, h.anyone(), "no token")
	h.want(err, auth.CodeInvalidRefreshToken)
	later, err := h.store.ListAudit(h.ctx, h.id, auth.AuditFilter{Event: auth.EventRefresh, Limit: 2 * tries})
	h.must(err)
	if len(later) != len(records)+1 {
		t.Errorf("a second later %d records, before %d", len(later), len(records))
	}
}

// Text from outside that can be no uid is not kept, however it gets there.
func TestRecordsNameNoEndlessUser(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	for _, id := range []string{strings.Repeat("x", 28000), "bad\x00", "\xff"} {
		h.want(h.DeleteUser(h.ctx, h.as(up.IDToken), auth.UserID(id)), auth.CodePermissionDenied)
		h.want(h.DeleteUser(h.ctx, h.anyone(), auth.UserID(id)), auth.CodeUnauthenticated)
	}
	records := h.audits(auth.EventUserDeleted)
	if len(records) != 3 {
		t.Errorf("%d records of the signed-in user's three refusals, and none of who showed nothing", len(records))
	}
	for _, r := range records {
		if r.User != "" {
			t.Errorf("a record names %d bytes as its user", len(r.User))
		}
	}
}

// A refused deletion does not make a user look deleted.
func TestRefusedDeletionLeavesNoGravestone(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	stranger := strings.Repeat("Q", 28)
	h.want(h.DeleteUser(h.ctx, h.as(up.IDToken), auth.UserID(stranger)), auth.CodePermissionDenied)
	_, err := h.Refresh(h.ctx, h.anyone(), stranger+strings.Repeat("s", 43))
	h.want(err, auth.CodeInvalidRefreshToken)
}

// A user's wish for roles is refused alike, whether the role exists or not; its own roles again are no wish.
func TestRoleNamesCannotBeProbed(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	role, err := h.admin.CreateRole(h.ctx, h.asAdmin(), "treasurer")
	h.must(err)
	for _, names := range [][]string{{"treasurer"}, {string(role.ID)}, {"no such role"}} {
		_, err := h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{Roles: &names})
		h.want(err, auth.CodeAdminRequired)
		_, err = h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{AddRoles: names})
		h.want(err, auth.CodeAdminRequired)
	}
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{AddRoles: []string{"treasurer"}})
	h.must(err)
	same := []string{string(role.ID)}
	_, err = h.UpdateUser(h.ctx, h.as(up.IDToken), up.User.ID, auth.UserPatch{Roles: &same})
	h.must(err)
}

// A weak password is refused alike at a known and an unknown address (P28).
func TestWeakSignUpDoesNotTell(t *testing.T) {
	h := newHarness(t)
	h.verified(ada)
	for _, email := range []string{ada, "nobody@example.com"} {
		_, err := h.trySignUp(email, "short")
		h.want(err, auth.CodeWeakPassword)
	}
}

// A weak new password costs none of the tries to prove the old one.
func TestWeakNewPasswordCostsNoTry(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "3"))
	up := h.verified(ada)
	for range 10 {
		h.want(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, "short"), auth.CodeWeakPassword)
	}
	h.must(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, h.secret(otherPW)))
}

// Who proves an address by a provider that another's account was moved to gets an account of its own, as at a reset (P2).
func TestProviderProofOfAMovedAddress(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	moved := r.signUp("mallory@evil.example")
	verified := true
	_, err := r.service.UpdateUser(t.Context(), r.projectAdmin(), moved.User.ID, auth.UserPatch{EmailVerified: &verified})
	wantCode(t, err, "")
	wantCode(t, r.service.ChangeEmail(t.Context(), r.as(moved.IDToken), "dora@example.com"), "")
	r.idp.users["dora"] = auth.ExternalIdentity{Subject: "dora", Email: "dora@example.com", EmailVerified: true}
	got, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("dora"))
	wantCode(t, err, "")
	if !got.IsNewUser || got.User.ID == moved.User.ID {
		t.Errorf("Dora is in the account %s, new: %v", got.User.ID, got.IsNewUser)
	}
	u, err := r.store.GetUser(t.Context(), rigProject, moved.User.ID)
	wantCode(t, err, "")
	if u.Email != "mallory@evil.example" || r.subjects(u.ID) != "" {
		t.Errorf("Mallory's account is at %q with %q", u.Email, r.subjects(u.ID))
	}
}
