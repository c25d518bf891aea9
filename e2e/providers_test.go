package e2e

import "testing"

func TestEmailProviders(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().post(t, providers, M{"email": a.email}).wantData(t, M{"allProviders": L{"password"}, "registered": true})
	p.client().post(t, providers, M{"email": newEmail()}).wantData(t, M{"allProviders": L{}, "registered": false})
	for name, body := range map[string]M{"nothing": {}, "empty": {"email": ""}} {
		t.Run(name, func(t *testing.T) { p.client().post(t, providers, body).wantError(t, 422, noEmail) })
	}
	p.client().post(t, providers, M{"email": 1}).wantError(t, 422, oneOf(names("email"), noEmail))
}
