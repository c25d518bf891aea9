package e2e

import (
	"bytes"
	"maps"
	"math"
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

// TestHardenedSignUp: an address that has an account and one that has none are answered alike, and the first sign-in after that too. The mails
// differ, and each is the way into the right account.
func TestHardenedSignUp(t *testing.T) {
	t.Parallel()
	p := suite.shared.newProject(t, "hardened", mailURLs...)
	ask := func(email, password string) reply {
		t.Helper()
		r := p.client().post(t, signup, M{"email": email, "password": password})
		r.wantData(t, M{"email": email, "emailVerified": false, "disabled": true, "mailSent": true})
		return r
	}
	email, password, other := newEmail(), newPassword(), newPassword()
	ask(email, password)
	p.client().post(t, signin, M{"email": email, "password": password}).wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
	mails := p.mailbox(email)
	code, uid := mails.code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	p.signIn(t, email, password)

	first := ask(email, other)
	fresh := newEmail()
	second := ask(fresh, other)
	first.body = bytes.ReplaceAll(first.body, []byte(email), []byte("EMAIL"))
	second.body = bytes.ReplaceAll(second.body, []byte(fresh), []byte("EMAIL"))
	first.header.Del("Content-Length")
	second.header.Del("Content-Length")
	sameAnswer(t, first, second)
	for _, address := range []string{email, fresh} {
		p.client().post(t, signin, M{"email": address, "password": other}).wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
	}
	reset, _ := mails.code(t, resetURL)
	p.client().post(t, verifyReset, M{"oobCode": reset, "newPassword": other}).want204(t)
	p.signIn(t, email, other)
	p.mailbox(fresh).code(t, verifyURL)
}

// TestEnumerationTiming compares how long the answers for registered and for unknown addresses take, in the hardened preset, as two samples
// of real requests sent in turn. The rank test of Mann and Whitney tells whether one kind tends to be slower: it takes no shape of the distributions for granted.
// A server that answers each kind in its own time, if only by a fifth of a millisecond, is far beyond the bound. Not parallel, so that no other test's load decides.
func TestEnumerationTiming(t *testing.T) {
	p := suite.shared.newProject(t, "hardened", append([]string{"signInAccountBurst=10000", "mailAddressBurst=10000", "emailProviders=mail"}, mailURLs...)...)
	var accounts []account
	for range 5 {
		a := account{email: newEmail(), password: newPassword()}
		p.createUser(t, a)
		accounts = append(accounts, a)
	}
	for name, ask := range map[string]func(c client, email string) (reply, error){
		"sign-in": func(c client, email string) (reply, error) {
			return c.send(http.MethodPost, apiBase+signin, M{"email": email, "password": "wrong-password"})
		},
		"sign-up": func(c client, email string) (reply, error) {
			return c.send(http.MethodPost, apiBase+signup, M{"email": email, "password": "a good long password"})
		},
		"reset": func(c client, email string) (reply, error) {
			return c.send(http.MethodPost, apiBase+resetPath, M{"email": email})
		},
		"verification": func(c client, email string) (reply, error) {
			return c.send(http.MethodPost, apiBase+verifyEmail, M{"email": email})
		},
		"providers": func(c client, email string) (reply, error) {
			return c.send(http.MethodPost, apiBase+providers, M{"email": email})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := p.client()
			const samples = 40
			var known, unknown []time.Duration
			for i := range samples {
				for _, kind := range []struct {
					took  *[]time.Duration
					email string
				}{{&known, accounts[i%len(accounts)].email}, {&unknown, newEmail()}} {
					r, err := ask(c, kind.email)
					if err != nil {
						t.Fatal(err)
					}
					if r.status >= 429 {
						t.Fatalf("%d %s", r.status, r.body)
					}
					*kind.took = append(*kind.took, r.took)
				}
			}
			if z := rankZ(known, unknown); math.Abs(z) > 4.5 { // by chance once in 100,000 runs
				slices.Sort(known)
				slices.Sort(unknown)
				t.Errorf("z = %.1f: median of registered addresses %v, of unknown ones %v", z, known[samples/2], unknown[samples/2])
			}
		})
	}
}

// rankZ is the Mann-Whitney U statistic of two samples, as standard deviations from what equal distributions give.
func rankZ(a, b []time.Duration) float64 {
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}
