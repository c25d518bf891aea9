package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// What becomes of sign-ins when a provider's settings change under them, or the provider is away (P16, P51).

func TestDexDisabledBetweenTheSteps(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)
	f := p.begin(t, dexID)
	body := f.with("code", d.code(t, f.authURI, u))
	p.putProvider(t, dexID, M{"enabled": false})
	p.client().post(t, idpPath, body).wantError(t, 400, providerMissing)
	p.client().post(t, authURLPath, M{"providerId": dexID, "callBackUri": callback}).wantError(t, 400, providerMissing)
	p.client().bearer(a.idToken).post(t, linkPath, body).wantError(t, 400, providerMissing)
	p.refresh(t, a.uid, a.refreshToken) // sessions go on
	p.putProvider(t, dexID, M{"enabled": true})
	p.signInAtDex(t, d, u, a.uid, false)
}

func TestDexDeletedBetweenTheSteps(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)
	f := p.begin(t, dexID)
	body := f.with("code", d.code(t, f.authURI, u))
	p.srv.operator(t).do(t, http.MethodDelete, p.providerPath(dexID), nil).wantStatus(t, http.StatusNoContent)
	p.client().post(t, idpPath, body).wantError(t, 400, providerMissing)
	p.srv.operator(t).do(t, http.MethodGet, p.providerPath(dexID), nil).wantStatus(t, http.StatusNotFound)
	p.srv.operator(t).do(t, http.MethodDelete, p.providerPath(dexID), nil).wantStatus(t, http.StatusNotFound)
	p.useDex(t, dexID, d, nil)
	p.signInAtDex(t, d, u, a.uid, false)
}

// TestDexOtherSecret: a client that Dex does not know signs nobody in, and check says why.
func TestDexOtherSecret(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	p.putProvider(t, dexID, M{"clientSecret": randomSecret("client secret")})
	f := p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantError(t, 400, startsWith(invalidResponse))
	p.wantCheck(t, dexID, names("client secret"))
	p.putProvider(t, dexID, M{"clientSecret": d.secret})
	p.wantCheck(t, dexID, "")
	p.signInAtDex(t, d, u, isUID, true)
}

// wantCheck checks what the admin API finds wrong with a provider; "" is nothing.
func (p project) wantCheck(t *testing.T, id string, problem any) {
	t.Helper()
	r := p.srv.operator(t).do(t, http.MethodPost, p.providerPath(id)+"/check", nil)
	r.wantStatus(t, http.StatusOK)
	wantJSON(t, r.what, r.body, M{"ok": problem == "", "problem": problem})
}

// TestDexKeysRotate: a key that Dex took into use later is fetched when it is met.
func TestDexKeysRotate(t *testing.T) {
	t.Parallel()
	d := ownDex(t, "5s") // Dex looks every 30 seconds
	p := newProject(t)
	p.useDex(t, dexID, d, nil)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)
	first := d.keyIDs(t)[0]
	eventually(t, 90*time.Second, func() error {
		if d.keyIDs(t)[0] == first {
			return fmt.Errorf("dex still signs with %s", first)
		}
		return nil
	})
	p.signInAtDex(t, d, u, a.uid, false)
}

// TestDexKilled: with Dex away a sign-in there fails at once and says when to try again; everything else works, and with Dex
// back, with new keys, so does the sign-in.
func TestDexKilled(t *testing.T) {
	t.Parallel()
	d := ownDex(t, "6h")
	p := newProject(t)
	p.useDex(t, dexID, d, nil)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)
	f := p.begin(t, dexID)
	code := d.code(t, f.authURI, u)
	d.kill()

	r := p.client().maybeShed().post(t, idpPath, f.with("code", code))
	r.wantStatus(t, http.StatusServiceUnavailable)
	if r.took > 5*time.Second {
		t.Errorf("%s: took %v", r.what, r.took)
	}
	mine := p.signUp(t)
	p.signIn(t, mine.email, mine.password)
	p.refresh(t, a.uid, a.refreshToken)
	p.wantCheck(t, dexID, names("nothing accepts connections"))

	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	p.signInAtDex(t, d, u, a.uid, false)
	p.wantCheck(t, dexID, "")
}

// TestDexNeverThere: without the issuer's metadata there is nowhere to send a browser; once it is there, there is.
func TestDexNeverThere(t *testing.T) {
	t.Parallel()
	d := ownDex(t, "6h")
	d.kill()
	p := newProject(t)
	p.useDex(t, dexID, d, nil)
	p.client().maybeShed().post(t, authURLPath, M{"providerId": dexID, "callBackUri": callback}).wantStatus(t, http.StatusServiceUnavailable)
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	var f flow
	eventually(t, 30*time.Second, func() error { // a failure is remembered for a while
		r := p.client().maybeShed().post(t, authURLPath, M{"providerId": dexID, "callBackUri": callback})
		if r.status != http.StatusOK {
			return fmt.Errorf("%s: %d", r.what, r.status)
		}
		body, _ := parseJSON(t, r.what, r.body).(M)
		f = newFlow(t, body["data"])
		return nil
	})
	u := newDexUser(t, true)
	p.finish(t, f.with("code", d.code(t, f.authURI, u)), u.external(d).signedIn(isUID, true))
}

// TestDexHangs: a provider that takes connections and answers nothing holds up nobody but those who asked it, and of those only
// so many wait.
func TestDexHangs(t *testing.T) {
	t.Parallel()
	d := ownDex(t, "6h")
	p := newProject(t)
	p.useDex(t, dexID, d, nil)
	mine := p.signUp(t)
	u := newDexUser(t, true)
	a := p.signInAtDex(t, d, u, isUID, true)
	flows := make([]flow, 24)
	for i := range flows {
		flows[i] = p.begin(t, dexID)
	}
	if err := d.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answers := make(chan reply, len(flows))
	for _, f := range flows {
		c := p.client()
		go func() {
			r, err := c.send(http.MethodPost, apiBase+idpPath, f.with("code", "some code"))
			if err != nil {
				t.Errorf("sign-in at a provider that hangs: %v", err)
			}
			answers <- r
		}()
	}
	shedAtOnce := 0
	for range len(flows) - 16 { // as many may wait at one provider
		if r := <-answers; r.took < 5*time.Second {
			shedAtOnce++
		}
	}
	if shedAtOnce == 0 {
		t.Error("all sign-ins wait for a provider that hangs")
	}
	for range 3 {
		p.signIn(t, mine.email, mine.password)
	}
	p.refresh(t, a.uid, a.refreshToken)
	if waiting := 16 - len(answers); waiting == 0 {
		t.Error("the sign-ins at the provider had ended before the others; the test shows nothing")
	}
	for range 16 {
		r := <-answers
		r.wantStatus(t, http.StatusServiceUnavailable)
		r.wantRetryAfter(t)
		if r.took > 20*time.Second {
			t.Errorf("%s: took %v", r.what, r.took)
		}
	}
	if err := d.process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.signInAtDex(t, d, u, a.uid, false)
}
