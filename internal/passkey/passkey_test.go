package passkey_test

import (
	"encoding/json"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/passkey"
)

var (
	rp        = auth.RelyingParty{ID: "example.com", Name: "Example", Origins: []string{"https://app.example.com"}}
	ann       = auth.PasskeyOwner{Handle: []byte("a handle of 32 bytes, or as many"), Name: "ann@example.com", DisplayName: "Ann"}
	challenge = []byte("a challenge of thirty-two bytes.")
)

// Register, then sign in with and without naming the passkey; the counter goes along.
func TestCeremonies(t *testing.T) {
	c, key := passkey.Client{}, authtest.NewSecurityKey(t, "https://app.example.com")
	begun, err := c.BeginRegistration(rp, ann, challenge)
	if err != nil {
		t.Fatal(err)
	}
	var options struct {
		Attestation            string
		AuthenticatorSelection struct{ ResidentKey, UserVerification string }
	}
	_ = json.Unmarshal(begun.Options, &options)
	if options.Attestation != "none" || options.AuthenticatorSelection.ResidentKey != "preferred" || options.AuthenticatorSelection.UserVerification != "preferred" {
		t.Errorf("options %s", begun.Options)
	}
	registered, err := c.FinishRegistration(rp, ann, begun.State, key.Create(begun.Options))
	if err != nil || registered.SignCount != 1 || len(registered.ID) != 32 {
		t.Fatalf("registered %+v, %v", registered, err)
	}
	owner := ann
	owner.Passkeys = []auth.Passkey{registered}
	for count, asked := range []auth.PasskeyOwner{owner, {}} {
		begun, err := c.BeginSignIn(rp, asked, challenge)
		if err != nil {
			t.Fatal(err)
		}
		answer := key.Get(begun.Options)
		id, err := c.CredentialID(answer)
		if err != nil || string(id) != string(registered.ID) {
			t.Errorf("credential %x, %v", id, err)
		}
		used, err := c.FinishSignIn(rp, owner, begun.State, answer)
		if err != nil || used.SignCount != uint32(count+2) {
			t.Errorf("used %+v, %v", used, err)
		}
		owner.Passkeys = []auth.Passkey{used}
		_, err = c.FinishSignIn(rp, owner, begun.State, answer) // the counter stands still
		wantRefused(t, err)
	}
	again, err := c.BeginRegistration(rp, owner, challenge)
	var excluding struct{ ExcludeCredentials []any }
	if _ = json.Unmarshal(again.Options, &excluding); err != nil || len(excluding.ExcludeCredentials) != 1 {
		t.Errorf("a second registration may take the same key: %s, %v", again.Options, err)
	}
}

// What comes from outside is refused; what is broken of ours is a failure.
func TestRefusalsAndFailures(t *testing.T) {
	c := passkey.Client{}
	begun, err := c.BeginRegistration(rp, ann, challenge)
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range []string{"", "null", "{}", "[]", `{"id":"x","rawId":"x","type":"public-key","response":{}}`, "\xff"} {
		_, err := c.FinishRegistration(rp, ann, begun.State, []byte(garbage))
		wantRefused(t, err)
		_, err = c.FinishSignIn(rp, ann, begun.State, []byte(garbage))
		wantRefused(t, err)
		_, err = c.CredentialID([]byte(garbage))
		wantRefused(t, err)
	}
	key := authtest.NewSecurityKey(t, "https://app.example.com")
	_, err = c.FinishRegistration(rp, ann, []byte("broken"), key.Create(begun.Options))
	wantFailure(t, err)
	broken := ann
	broken.Passkeys = []auth.Passkey{{Record: []byte("broken")}}
	_, err = c.BeginSignIn(rp, broken, challenge)
	wantFailure(t, err)
	_, err = c.BeginSignIn(auth.RelyingParty{ID: "192.0.2.1", Name: "x", Origins: []string{"https://192.0.2.1"}}, ann, challenge)
	wantFailure(t, err)
}

func wantRefused(t *testing.T, err error) {
	t.Helper()
	if auth.CodeOf(err) != auth.CodeInvalidPasskey {
		t.Errorf("got %v, want a refusal", err)
	}
}

func wantFailure(t *testing.T, err error) {
	t.Helper()
	if auth.CodeOf(err) != auth.CodeInternal {
		t.Errorf("got %v, want a failure", err)
	}
}
