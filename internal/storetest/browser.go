package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func testBrowserTokens(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	token := auth.BrowserToken{Project: one, Hash: []byte("b1"), Session: "s1", CreatedAt: now}
	make := func(b auth.BrowserToken) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.CreateBrowserToken(ctx, b) })
	}
	wantError(t, "CreateBrowserToken", make(token), nil)
	wantEqual(t, "token", must[auth.BrowserToken](t)(s.GetBrowserToken(ctx, one, token.Hash)), token)
	for _, hash := range [][]byte{[]byte("nosuch"), nil} {
		_, err := s.GetBrowserToken(ctx, one, hash)
		wantError(t, "GetBrowserToken", err, auth.ErrNotFound)
	}
	wantError(t, "CreateBrowserToken of a taken hash", make(token), auth.ErrConflict)
	wantError(t, "CreateBrowserToken of no session", make(auth.BrowserToken{Project: one, Hash: []byte("b2"), Session: "nosuch"}), auth.ErrNotFound)
}

func signInCode() auth.SignInCode {
	return auth.SignInCode{
		Project: one, Hash: []byte("c1"), Session: "s1", RedirectURI: "https://app.example/in", CodeChallenge: "challenge", CreatedAt: now, ExpiresAt: after(60),
	}
}

func testSignInCodes(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	code := signInCode()
	make := func(c auth.SignInCode) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.CreateSignInCode(ctx, c) })
	}
	wantError(t, "CreateSignInCode", make(code), nil)
	wantEqual(t, "code", must[auth.SignInCode](t)(s.GetSignInCode(ctx, one, code.Hash)), code)
	wantError(t, "CreateSignInCode of a taken hash", make(code), auth.ErrConflict)
	homeless := code
	homeless.Hash, homeless.Session = []byte("c2"), "nosuch"
	wantError(t, "CreateSignInCode of no session", make(homeless), auth.ErrNotFound)

	consume := func(hash string, at time.Time) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.ConsumeSignInCode(ctx, one, []byte(hash), "s2", at) })
	}
	wantError(t, "consume an unknown one", consume("nosuch", now), auth.ErrNotFound)
	wantError(t, "consume an expired one", consume("c1", after(60)), auth.ErrNotFound)
	wantError(t, "consume", consume("c1", after(59)), nil)
	wantError(t, "consume again", consume("c1", after(59)), auth.ErrNotFound)
	code.ConsumedAt, code.MadeSession = after(59), "s2"
	wantEqual(t, "used code", must[auth.SignInCode](t)(s.GetSignInCode(ctx, one, code.Hash)), code)
}

// Of all who exchange one code at once, one gets a session.
func testRaceForSignInCode(t *testing.T, s auth.Store) {
	addSession(t, s)
	update(t, s, func(tx auth.Tx) error { return tx.CreateSignInCode(t.Context(), signInCode()) })
	won := race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, i int) error {
		return tx.ConsumeSignInCode(ctx, one, []byte("c1"), auth.SessionID(fmt.Sprint("made ", i)), now)
	})
	wantEqual(t, "winners", won, 1)
}
