package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

const leakedPW = "leaked long ago but long"

// leakedList lists leakedPW, or fails.
type leakedList struct{ err error }

func (l *leakedList) Contains(password string) (bool, error) { return password == leakedPW, l.err }

func leaks(l *leakedList) option { return func(s *setup) { s.breached = l } }

// passwordSetters are all ways by which a password comes into an account; each call is about a new one.
func (h *harness) passwordSetters() map[string]func(email, pw string) error {
	return map[string]func(email, pw string) error{
		"sign-up": func(email, pw string) error {
			_, err := h.trySignUp(email, pw)
			return err
		},
		"change": func(email, pw string) error {
			up := h.verified(email)
			return h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, pw)
		},
		"reset": func(email, pw string) error {
			h.verified(email)
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), email))
			return h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, email), pw)
		},
		"invite": func(email, pw string) error {
			u, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: email})
			h.must(err)
			return h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.code(auth.MailInvite, email), User: u.ID, NewPassword: pw})
		},
		"admin creates": func(email, pw string) error {
			_, err := h.admin.CreateUser(h.ctx, h.asAdmin(), auth.CreateUserParams{Email: email, Password: pw})
			return err
		},
		"admin sets": func(email, pw string) error {
			up := h.verified(email)
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Password: &pw})
			return err
		},
	}
}

func TestLeakedPasswordsAreRefused(t *testing.T) {
	h := newHarness(t, leaks(&leakedList{}))
	h.secret(leakedPW)
	h.secret(otherPW)
	for name, set := range h.passwordSetters() {
		local := strings.ReplaceAll(name, " ", "-")
		err := set(local+"@example.com", leakedPW)
		if h.want(err, auth.CodeWeakPassword); err == nil || auth.AsError(err).Message != "Password is known from a data leak" {
			t.Errorf("%s: error %v", name, err)
		}
		if err := set(local+"2@example.com", otherPW); err != nil {
			t.Errorf("%s: another password is refused: %v", name, err)
		}
	}
}

// Where nobody knows, the answer is no (P46), and the account stays as it is.
func TestUnreadableListRefuses(t *testing.T) {
	list := &leakedList{}
	h := newHarness(t, leaks(list))
	up := h.verified(ada)
	list.err = errors.New("the disk is gone")
	err := h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, otherPW)
	h.want(err, auth.CodeUnavailable)
	if e := auth.AsError(err); e.RetryAfter == 0 || strings.Contains(e.Message, "disk") {
		t.Errorf("answer %+v", e)
	}
	_, err = h.trySignUp(grace, otherPW)
	h.want(err, auth.CodeUnavailable)
	_, err = h.signIn(ada, goodPW) // needs no list
	h.must(err)
}

func TestLeakedPasswordsWhereNotRefused(t *testing.T) {
	list := &leakedList{err: errors.New("nobody should ask")}
	for name, options := range map[string][]option{
		"documented": {documented, leaks(list)}, "off": {with("passwordRefuseBreached", "false"), leaks(list)}, "no list": nil,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, options...)
			_, err := h.trySignUp(ada, leakedPW)
			h.must(err)
		})
	}
}

// A leaked password is refused alike at a known and an unknown address (P28).
func TestLeakedPasswordDoesNotTell(t *testing.T) {
	h := newHarness(t, leaks(&leakedList{}))
	h.verified(ada)
	var messages []string
	for _, email := range []string{ada, "nobody@example.com"} {
		_, err := h.trySignUp(email, leakedPW)
		h.want(err, auth.CodeWeakPassword)
		messages = append(messages, err.Error())
	}
	if messages[0] != messages[1] {
		t.Errorf("answers %q", messages)
	}
}

// What an attacker who knows the account tries first is refused wherever a password is set: the project, the address, the user's name.
func TestContextWordsOnEveryPath(t *testing.T) {
	h := newHarness(t)
	for name, set := range h.passwordSetters() {
		for i, pw := range []string{"acme2026!", "tamarind99", ""} {
			local := fmt.Sprintf("marguerite%s%d", strings.ReplaceAll(name, " ", ""), i)
			if pw == "" {
				pw = strings.ToUpper(local)
			}
			err := set(local+"@tamarind.example", pw)
			if h.note(err); auth.CodeOf(err) != auth.CodeWeakPassword {
				t.Errorf("%s: %q gives %v", name, pw, err)
			}
		}
	}
}

func TestOwnNameIsNoPassword(t *testing.T) {
	h := newHarness(t)
	const own = "Lovelace1815"
	name := "Augusta Lovelace"
	rename := func(id auth.UserID) {
		_, err := h.UpdateUser(h.ctx, h.asAdmin(), id, auth.UserPatch{Name: &name})
		h.must(err)
	}
	up := h.verified(ada)
	rename(up.User.ID)
	h.want(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, own), auth.CodeWeakPassword)
	pw := own
	_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{Password: &pw})
	h.want(err, auth.CodeWeakPassword)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.want(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), own), auth.CodeWeakPassword)
	_, err = h.admin.CreateUser(h.ctx, h.asAdmin(), auth.CreateUserParams{Email: "a@example.org", Password: own, UserPatch: auth.UserPatch{Name: &name}})
	h.want(err, auth.CodeWeakPassword)
	invited, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: grace})
	h.must(err)
	rename(invited.ID)
	h.want(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.code(auth.MailInvite, grace), User: invited.ID, NewPassword: own}), auth.CodeWeakPassword)
	_, err = h.admin.CreateUser(h.ctx, h.asAdmin(), auth.CreateUserParams{Email: "b@example.org", Password: own}) // whose name is another
	h.must(err)
}
