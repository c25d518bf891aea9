package e2e

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"
)

// sameAnswer checks that two answers differ in nothing a caller can see, but date and request id.
func sameAnswer(t *testing.T, known, unknown reply) {
	t.Helper()
	a, b := known.header.Clone(), unknown.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		a.Del(name)
		b.Del(name)
	}
	if known.status != unknown.status || !bytes.Equal(known.body, unknown.body) ||
		!maps.EqualFunc(a, b, func(x, y []string) bool { return slices.Equal(x, y) }) {
		t.Errorf("registered: %d %v %s\nunknown: %d %v %s", known.status, a, known.body, unknown.status, b, unknown.body)
	}
}

// TestEnumerationProtection: with the setting on, no answer tells whether an address is registered.
func TestEnumerationProtection(t *testing.T) {
	t.Parallel()
	p := plain(t, "emailEnumerationProtection=true")
	a := p.signUp(t)
	mails := p.mailbox(a.email)

	known := p.client().post(t, signin, M{"email": a.email, "password": "wrong-password"})
	known.wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
	unknown := p.client().post(t, signin, M{"email": newEmail(), "password": "wrong-password"})
	sameAnswer(t, known, unknown)

	for _, path := range []string{resetPath, verifyEmail} {
		known := p.client().post(t, path, M{"email": a.email})
		known.want204(t)
		sameAnswer(t, known, p.client().post(t, path, M{"email": newEmail()}))
	}
	known = p.client().post(t, providers, M{"email": a.email})
	known.wantData(t, M{"allProviders": L{}, "registered": false})
	sameAnswer(t, known, p.client().post(t, providers, M{"email": newEmail()}))

	mails.next(t, resetURL) // the mail carries the difference
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}

// TestEnumerationProtectionDisabledUser: a disabled user is not told apart by somebody without the password.
func TestEnumerationProtectionDisabledUser(t *testing.T) {
	t.Parallel()
	p := plain(t, "emailEnumerationProtection=true")
	a := p.signUp(t)
	p.patchUser(t, a.uid, M{"disabled": true})
	p.client().post(t, signin, M{"email": a.email, "password": "wrong-password"}).wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
}

// TestEnumerationTiming: sign-in takes the same time for a registered and an unknown address. Without a
// decoy hash the unknown one is faster by more than ten times; a factor of two leaves room for noise.
// Not parallel, so that no other test's load decides.
func TestEnumerationTiming(t *testing.T) {
	p := plain(t, "emailEnumerationProtection=true")
	const samples = 15
	measure := func(email func() string) time.Duration {
		var took []time.Duration
		for range samples {
			r, err := p.client().send(http.MethodPost, apiBase+signin, M{"email": email(), "password": "wrong-password"})
			if err != nil {
				t.Fatal(err)
			}
			r.wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
			took = append(took, r.took)
		}
		slices.Sort(took)
		return took[samples/2]
	}
	var accounts []string
	for range samples {
		accounts = append(accounts, p.signUp(t).email)
	}
	known := measure(func() string { e := accounts[0]; accounts = accounts[1:]; return e })
	unknown := measure(newEmail)
	if known > 2*unknown || unknown > 2*known {
		t.Errorf("median of a registered address %v, of an unknown one %v", known, unknown)
	}
}
