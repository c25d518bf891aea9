package e2e

import "testing"

// Rows 3 and 4: what can be seen without an identity provider. No provider is configured here; dex_test.go has one.

const providerMissing = "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."

func TestAuthURLRefusals(t *testing.T) {
	t.Parallel()
	c := plain(t).client()
	const need = "Please provide providerId and callBackUri"
	for name, k := range map[string]struct {
		body   M
		status int
		detail any
	}{
		"nothing":             {M{}, 422, need},
		"no callBackUri":      {M{"providerId": "google.com"}, 422, need},
		"no providerId":       {M{"callBackUri": "http://localhost"}, 422, need},
		"empty providerId":    {M{"providerId": "", "callBackUri": "http://localhost"}, 422, need},
		"number":              {M{"providerId": 1, "callBackUri": "http://localhost"}, 422, oneOf(names("providerId"), need)},
		"google.com":          {M{"providerId": "google.com", "callBackUri": "http://localhost"}, 400, providerMissing},
		"facebook.com":        {M{"providerId": "facebook.com", "callBackUri": "http://localhost"}, 400, providerMissing},
		"github.com":          {M{"providerId": "github.com", "callBackUri": "http://localhost"}, 400, providerMissing},
		"unknown OIDC issuer": {M{"providerId": "oidc.nobody", "callBackUri": "http://localhost"}, 400, providerMissing},
		"unknown provider":    {M{"providerId": "nobody", "callBackUri": "http://localhost"}, 400, providerMissing},
	} {
		t.Run(name, func(t *testing.T) { c.post(t, authURLPath, k.body).wantError(t, k.status, k.detail) })
	}
}

func TestIDPSignInRefusals(t *testing.T) {
	t.Parallel()
	c := plain(t).client()
	const need = "Please provide sessionId, providerId, callBackUri, and either token or code"
	full := func(without ...string) M {
		body := M{"sessionId": "none", "providerId": "google.com", "callBackUri": "http://localhost", "code": "none", "token": "none"}
		for _, name := range without {
			delete(body, name)
		}
		return body
	}
	for name, k := range map[string]struct {
		body   M
		status int
		detail any
	}{
		"nothing":                 {M{}, 422, need},
		"no sessionId":            {full("sessionId"), 422, need},
		"no providerId":           {full("providerId"), 422, need},
		"no callBackUri":          {full("callBackUri"), 422, need},
		"neither code nor token":  {full("code", "token"), 422, need},
		"code, provider missing":  {full("token"), 400, startsWith("OPERATION_NOT_ALLOWED : ")},
		"token, provider missing": {full("code"), 400, startsWith("OPERATION_NOT_ALLOWED : ")},
	} {
		t.Run(name, func(t *testing.T) { c.post(t, idpPath, k.body).wantError(t, k.status, k.detail) })
	}
}
