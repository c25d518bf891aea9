package idp

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// heardOf identifies by in, and gives what the provider answered, as one text.
func heardOf(t *testing.T, f *fake, in auth.CompletionParams) (told string, err error) {
	t.Helper()
	c, _ := newClient()
	calls := 0
	in.Heard = func(answers func() []auth.ProviderAnswer) {
		calls++
		for _, a := range answers() {
			told += a.From + " " + http.StatusText(a.Status) + " " + a.Type + " " + a.Body + "\n"
		}
	}
	_, err = c.Identify(t.Context(), f.settings("oidc.acme"), secrets, in)
	if calls != 1 {
		t.Errorf("heard %d times", calls)
	}
	for _, secret := range []string{clientSecret, goodCode, verifier, accessToken, goodNonce, "eyJ"} {
		if strings.Contains(told, secret) {
			t.Errorf("a secret is told: %s", told)
		}
	}
	return told, err
}

func wantTold(t *testing.T, told string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(told, word) {
			t.Errorf("no %q in\n%s", word, told)
		}
	}
}

// TestAnswersAreHandedUp: whatever becomes of a sign-in, the domain can have what the provider said.
func TestAnswersAreHandedUp(t *testing.T) {
	f := newFake(t)
	told, err := heardOf(t, f, byCode())
	if err != nil {
		t.Fatal(err)
	}
	wantTold(t, told, "/token OK application/json", `"access_token":"[removed, 24 characters]"`, `"token_type":"Bearer"`, "claims of the id token", `"email":"ann@example.com"`, `"kid":"rsa-1"`)

	f.giveTokens(rsaKey.sign(f.claims(map[string]any{"aud": "another", "nonce": "of another sign-in"}), nil))
	told, err = heardOf(t, f, byCode())
	wantRefusal(t, err, "not signed by the provider for this application")
	wantTold(t, told, `"aud":"another"`, `"nonce":"[removed, 18 characters]"`)

	f.answer("/token", http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "no " + goodCode + " for " + clientSecret + " and " + verifier})
	told, err = heardOf(t, f, byCode())
	wantRefusal(t, err, "invalid_grant")
	wantTold(t, told, "Bad Request", `"error":"invalid_grant"`, "no [removed, 22 characters] for [removed, 20 characters] and [removed, 44 characters]")

	told, err = heardOf(t, newFake(t), byToken(rsaKey.sign(goodClaims("https://evil.example.com", nil), nil)))
	wantRefusal(t, err, "another issuer")
	wantTold(t, told, `"iss":"https://evil.example.com"`)
}

// TestFailuresAreHeard: also a provider that fails says something, but may not take long about it.
func TestFailuresAreHeard(t *testing.T) {
	f := newFake(t)
	f.handle("/token", respond(http.StatusInternalServerError, "<h1>Maintenance until noon</h1>", "Content-Type", "text/html"))
	told, err := heardOf(t, f, byCode())
	wantUnavailable(t, err, defaultRetryAfter)
	wantTold(t, told, "Internal Server Error text/html <h1>Maintenance until noon</h1>")

	f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the end of the client is seen
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "in a moment")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	began := time.Now()
	told, err = heardOf(t, f, byCode())
	wantUnavailable(t, err, defaultRetryAfter)
	wantTold(t, told, "Service Unavailable", "in a moment")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
