package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func testSessions(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addUsers(t, s, anna, bert)
	full := auth.Session{Project: one, ID: "s1", User: anna, ProviderID: "password", CreatedAt: now, LastUsedAt: after(1), Addr: netip.MustParseAddr("2001:db8::1"), UserAgent: "test", SecondFactor: auth.FactorTOTP, SecondFactorID: "f1"}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateSession(ctx, full),
			tx.CreateSession(ctx, auth.Session{Project: one, ID: "s2", User: anna, CreatedAt: now}),
			tx.CreateSession(ctx, auth.Session{Project: one, ID: "s3", User: anna, CreatedAt: after(5)}),
			tx.CreateSession(ctx, auth.Session{Project: one, ID: "s4", User: bert, CreatedAt: after(1)}))
	})
	wantEqual(t, "session", must[auth.Session](t)(s.GetSession(ctx, one, "s1")), full)
	user := must[auth.User](t)(s.GetUser(ctx, one, anna))
	wantEqual(t, "session and user", must[auth.SignedIn](t)(s.GetSignedIn(ctx, one, "s1")), auth.SignedIn{Session: full, User: user})
	_, err := s.GetSignedIn(ctx, one, "nosuch")
	wantError(t, "GetSignedIn", err, auth.ErrNotFound)
	wantError(t, "CreateSession of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateSession(ctx, full) }), auth.ErrConflict)
	wantError(t, "CreateSession of no user", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateSession(ctx, auth.Session{Project: one, ID: "s9", User: "nosuch"})
	}), auth.ErrNotFound)

	list := func(user auth.UserID, after auth.SessionID, limit int) []string {
		t.Helper()
		return ids(must[[]auth.Session](t)(s.ListSessions(ctx, one, user, after, limit)), func(s auth.Session) auth.SessionID { return s.ID })
	}
	wantEqual(t, "Anna's", list(anna, "", 9), []string{"s3", "s2", "s1"})
	wantEqual(t, "Anna's first page", list(anna, "", 2), []string{"s3", "s2"})
	wantEqual(t, "Anna's second page", list(anna, "s2", 2), []string{"s1"})
	wantEqual(t, "all", list("", "", 9), []string{"s3", "s4", "s2", "s1"})
	wantEqual(t, "all after s4", list("", "s4", 9), []string{"s2", "s1"})

	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.TouchSession(ctx, one, "s1", after(60)), tx.RevokeSession(ctx, one, "s2", after(61)))
	})
	wantEqual(t, "last use", must[auth.Session](t)(s.GetSession(ctx, one, "s1")).LastUsedAt, after(60))
	wantEqual(t, "revocation", must[auth.Session](t)(s.GetSession(ctx, one, "s2")).RevokedAt, after(61))
	wantEqual(t, "page after a revoked one", list(anna, "s2", 2), []string{"s1"})
	for _, dead := range []auth.SessionID{"s2", "nosuch"} {
		wantError(t, "RevokeSession", s.Update(ctx, func(tx auth.Tx) error { return tx.RevokeSession(ctx, one, dead, now) }), auth.ErrNotFound)
		wantError(t, "TouchSession", s.Update(ctx, func(tx auth.Tx) error { return tx.TouchSession(ctx, one, dead, now) }), auth.ErrNotFound)
	}

	update(t, s, func(tx auth.Tx) error { return tx.StrengthenSession(ctx, one, "s3", auth.FactorPasskey, "f2") })
	strong := must[auth.Session](t)(s.GetSession(ctx, one, "s3"))
	wantEqual(t, "second factor", string(strong.SecondFactor)+" "+string(strong.SecondFactorID), "passkey f2")
	wantError(t, "StrengthenSession of a revoked one", s.Update(ctx, func(tx auth.Tx) error {
		return tx.StrengthenSession(ctx, one, "s2", auth.FactorPasskey, "f2")
	}), auth.ErrNotFound)

	revoke := func(keep auth.SessionID) (n int) {
		update(t, s, func(tx auth.Tx) (err error) {
			n, err = tx.RevokeUserSessions(ctx, one, anna, keep, after(70))
			return err
		})
		return n
	}
	wantEqual(t, "revoked but one", revoke("s1"), 1)
	wantEqual(t, "kept", list("", "", 9), []string{"s4", "s1"})
	wantEqual(t, "revoked", revoke(""), 1)
	wantEqual(t, "left", list("", "", 9), []string{"s4"})
}

// addSession gives Anna a session.
func addSession(t *testing.T, s auth.Store) {
	t.Helper()
	addProjects(t, s, one, two)
	addUsers(t, s, anna, bert)
	update(t, s, func(tx auth.Tx) error {
		return tx.CreateSession(t.Context(), auth.Session{Project: one, ID: "s1", User: anna, CreatedAt: now})
	})
}

func testRefreshTokens(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	token := auth.RefreshToken{Project: one, Hash: []byte("h1"), Session: "s1", User: anna, CreatedAt: now}
	update(t, s, func(tx auth.Tx) error { return tx.CreateRefreshToken(ctx, token) })
	wantEqual(t, "token", must[auth.RefreshToken](t)(s.GetRefreshToken(ctx, one, token.Hash)), token)
	in := must[auth.SignedIn](t)(s.GetSignedIn(ctx, one, token.Session))
	wantEqual(t, "token, session and user", must[auth.Refreshable](t)(s.GetRefreshable(ctx, one, token.Hash)), auth.Refreshable{Token: token, SignedIn: in})
	_, err := s.GetRefreshable(ctx, one, []byte("nosuch"))
	wantError(t, "GetRefreshable", err, auth.ErrNotFound)
	_, err = s.GetRefreshToken(ctx, one, []byte("nosuch"))
	wantError(t, "GetRefreshToken", err, auth.ErrNotFound)
	_, err = s.GetRefreshToken(ctx, one, nil)
	wantError(t, "GetRefreshToken of no hash", err, auth.ErrNotFound)
	wantError(t, "CreateRefreshToken of a taken hash", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateRefreshToken(ctx, token) }), auth.ErrConflict)
	wantError(t, "CreateRefreshToken of no session", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateRefreshToken(ctx, auth.RefreshToken{Project: one, Hash: []byte("h9"), Session: "nosuch", User: anna})
	}), auth.ErrNotFound)

	rotate := func(tx auth.Tx) error {
		return tx.RotateRefreshToken(ctx, one, token.Hash, []byte("h2"), []byte("salt"), after(1))
	}
	update(t, s, rotate)
	token.RotatedAt, token.SuccessorHash, token.SuccessorSalt = after(1), []byte("h2"), []byte("salt")
	wantEqual(t, "rotated token", must[auth.RefreshToken](t)(s.GetRefreshToken(ctx, one, token.Hash)), token)
	wantError(t, "RotateRefreshToken again", s.Update(ctx, rotate), auth.ErrNotFound)
}

func testOOBCodes(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	code := auth.OOBCode{Project: one, Hash: []byte("c1"), User: anna, Purpose: auth.PurposeChangeEmail, Email: "a@example.com", NewEmail: "b@example.com", CreatedAt: now, ExpiresAt: after(60)}
	update(t, s, func(tx auth.Tx) error { return tx.CreateOOBCode(ctx, code) })
	wantEqual(t, "code", must[auth.OOBCode](t)(s.GetOOBCode(ctx, one, code.Hash)), code)
	wantError(t, "CreateOOBCode of a taken hash", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateOOBCode(ctx, code) }), auth.ErrConflict)

	consume := func(hash string, purpose auth.OOBPurpose, at time.Time) (c auth.OOBCode, err error) {
		err = s.Update(ctx, func(tx auth.Tx) error {
			c, err = tx.ConsumeOOBCode(ctx, one, []byte(hash), purpose, at)
			return err
		})
		return c, err
	}
	for _, test := range []struct {
		name, hash string
		purpose    auth.OOBPurpose
		at         time.Time
	}{
		{"unknown", "nosuch", auth.PurposeChangeEmail, now},
		{"of another purpose", "c1", auth.PurposeResetPassword, now},
		{"expired", "c1", auth.PurposeChangeEmail, after(60)},
	} {
		_, err := consume(test.hash, test.purpose, test.at)
		wantError(t, test.name, err, auth.ErrNotFound)
	}
	got, err := consume("c1", auth.PurposeChangeEmail, after(59))
	wantError(t, "ConsumeOOBCode", err, nil)
	code.ConsumedAt = after(59)
	wantEqual(t, "consumed code", got, code)
	_, err = consume("c1", auth.PurposeChangeEmail, after(59))
	wantError(t, "used", err, auth.ErrNotFound)
	wantEqual(t, "stored code", must[auth.OOBCode](t)(s.GetOOBCode(ctx, one, code.Hash)), code)

	add := func(hash string, user auth.UserID, purpose auth.OOBPurpose) {
		t.Helper()
		update(t, s, func(tx auth.Tx) error {
			return tx.CreateOOBCode(ctx, auth.OOBCode{Project: one, Hash: []byte(hash), User: user, Purpose: purpose, ExpiresAt: after(60)})
		})
	}
	left := func() (found string) {
		for _, hash := range []string{"c1", "r", "v", "i", "other"} {
			if _, err := s.GetOOBCode(ctx, one, []byte(hash)); err == nil {
				found += hash + " "
			}
		}
		return found
	}
	add("r", anna, auth.PurposeResetPassword)
	add("v", anna, auth.PurposeVerifyEmail)
	add("i", anna, auth.PurposeInvite)
	add("other", bert, auth.PurposeVerifyEmail)
	update(t, s, func(tx auth.Tx) error {
		return tx.VoidOOBCodes(ctx, one, anna, auth.PurposeVerifyEmail, auth.PurposeInvite)
	})
	wantEqual(t, "left after two purposes", left(), "c1 r other ")
	update(t, s, func(tx auth.Tx) error { return tx.VoidOOBCodes(ctx, one, anna) })
	wantEqual(t, "left after all", left(), "other ")
	update(t, s, func(tx auth.Tx) error { return tx.VoidOOBCodes(ctx, one, anna) }) // nothing to do is no error
}

func testKnownSources(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateUser(ctx, auth.User{Project: one, ID: anna, Email: "anna@example.com"}), tx.CreateUser(ctx, auth.User{Project: one, ID: bert, Email: "bert@example.com"}))
	})
	known := func(email auth.Email, source string) bool {
		t.Helper()
		return must[bool](t)(s.IsKnownSource(ctx, one, email, source))
	}
	add := func(user auth.UserID, source string, at time.Time) {
		t.Helper()
		update(t, s, func(tx auth.Tx) error { return tx.AddKnownSource(ctx, one, user, source, at) })
	}
	add(anna, "first", now)
	add(anna, "first", after(1))
	wantEqual(t, "hers", known("anna@example.com", "first"), true)
	wantEqual(t, "another's", known("bert@example.com", "first"), false)
	wantEqual(t, "another source", known("anna@example.com", "second"), false)
	wantEqual(t, "nobody's", known("nobody@example.com", "first"), false)
	for i := range auth.MaxKnownSources {
		add(bert, fmt.Sprint("at ", i), after(i))
	}
	wantEqual(t, "as many as are kept", known("bert@example.com", "at 0"), true)
	add(bert, "one more", after(auth.MaxKnownSources))
	wantEqual(t, "the oldest", known("bert@example.com", "at 0"), false)
	wantEqual(t, "the next", known("bert@example.com", "at 1"), true)
	wantEqual(t, "the newest", known("bert@example.com", "one more"), true)
	wantEqual(t, "hers are kept", known("anna@example.com", "first"), true)
	var swept int
	update(t, s, func(tx auth.Tx) (err error) {
		swept, err = tx.Sweep(ctx, after(12), auth.Retention{Sources: 10 * time.Second}, 100)
		return err
	})
	wantEqual(t, "swept", swept, 2) // at 1 second: hers and one of his
	wantEqual(t, "too old", known("anna@example.com", "first"), false)
	add(anna, "first", after(20))
	update(t, s, func(tx auth.Tx) error { return tx.DeleteKnownSources(ctx, one, anna) })
	wantEqual(t, "forgotten", known("anna@example.com", "first"), false)
	wantEqual(t, "his are kept", known("bert@example.com", "one more"), true)
	wantError(t, "AddKnownSource of no user", s.Update(ctx, func(tx auth.Tx) error { return tx.AddKnownSource(ctx, one, "nosuch", "x", now) }), auth.ErrNotFound)
}
