package auth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

func TestIDTokenClaims(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.identity(up.User.ID, "118", "ada@gmail.example", true)
	_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{
		Name: ptr("Ada L."), Picture: ptr("https://img.example/a.png"), CustomClaims: &map[string]any{"plan": "gold", "level": 3.0}, EmailVerified: ptr(true),
	})
	h.must(err)
	h.clock.Advance(time.Minute)
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	got := claims(t, in.IDToken)
	now := float64(h.clock.Now().Unix())
	if sid, _ := got["sid"].(string); sid == "" {
		t.Error("no sid")
	}
	delete(got, "sid")
	want := map[string]any{
		"iss": "https://auth.example.com/acme", "aud": "acme", "sub": string(up.User.ID), "user_id": string(up.User.ID), "auth_time": now, "iat": now, "exp": now + 3600,
		"email": ada, "email_verified": true, "name": "Ada L.", "picture": "https://img.example/a.png", "plan": "gold", "level": 3.0,
		"firebase": map[string]any{"identities": map[string]any{"email": []any{ada}, "google.com": []any{"118"}}, "sign_in_provider": "password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

// No custom claim may say what only the server says (P24), however it is spelled and whichever way it comes in.
func TestReservedClaims(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	for _, name := range []string{
		"", "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "user_id", "uid", "email", "email_verified", "name", "picture", "firebase", "sid", "nonce", "azp",
		"acr", "amr", "at_hash", "c_hash", "cnf", "act", "phone_number", "SUB", "Email_Verified", "FireBase",
	} {
		custom := map[string]any{name: "planted"}
		_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{CustomClaims: &custom})
		h.want(err, auth.CodeInvalidArgument)
		_, err = h.admin.CreateUser(h.ctx, h.asAdmin(), auth.CreateUserParams{Email: grace, UserPatch: auth.UserPatch{CustomClaims: &custom}})
		h.want(err, auth.CodeInvalidArgument)
		report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{Email: grace, CustomClaims: custom}}}, false)
		h.must(err)
		if len(report.Failed) != 1 {
			t.Errorf("claim %q was imported", name)
		}
	}
}

// Even claims that stand in the store, put there by other hands, shadow nothing.
func TestStoredClaimsShadowNothing(t *testing.T) {
	h := newHarness(t, documented)
	planted := map[string]any{}
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "user_id", "email", "email_verified", "firebase", "sid", "name", "picture"}
	for _, name := range names {
		planted[name] = "planted"
	}
	for kind, u := range map[string]auth.User{
		"full": {Project: h.id, ID: "u", Email: ada, Name: "Ada", Picture: "https://img.example/a.png", CustomClaims: planted},
		"bare": {Project: h.id, ID: "u", CustomClaims: planted},
	} {
		got := h.ClaimsOf(h.anyone(), u, auth.Session{ID: "s", ProviderID: "password"}, nil)
		for _, name := range names {
			if got[name] == "planted" {
				t.Errorf("%s account: the claim %s is planted", kind, name)
			}
		}
	}
}

// Whatever a profile may hold, its owner can still sign in: the token must not grow over what is accepted (P33).
func TestLargestProfileStillSignsIn(t *testing.T) {
	h := newHarness(t, documented, with("signingAlgorithm", "RS256", "rsaKeyBits", "3072"))
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + "com" // of 251 bytes
	for i, char := range []string{"n", "<", "\x01", "\u3042", "\u2028"} {
		t.Run(fmt.Sprintf("%q", char), func(t *testing.T) {
			email := fmt.Sprint(i) + long[1:]
			up := h.signUp(email)
			largest := func(most int, patch func(text string) auth.UserPatch) {
				for n := most; n > 0; n -= 10 {
					_, err := h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, patch(strings.Repeat(char, n)))
					if err == nil {
						return
					}
					h.want(err, auth.CodeInvalidArgument)
				}
				t.Error("nothing is accepted")
			}
			largest(1000, func(s string) auth.UserPatch { return auth.UserPatch{CustomClaims: &map[string]any{"c": s}} })
			largest(2100, func(s string) auth.UserPatch { return auth.UserPatch{Name: &s} })
			largest(2100, func(s string) auth.UserPatch { return auth.UserPatch{Picture: &s} })
			in, err := h.signIn(email, goodPW)
			if err != nil {
				t.Fatalf("locked out by its own profile: %v", err)
			}
			h.as(in.IDToken)
		})
	}
}

func TestBlockedTokensHaveNoClaims(t *testing.T) {
	h := newHarness(t, documented, with("verifyEmailEnforced", "true"))
	up := h.signUp(ada)
	if b, err := json.Marshal(up); err != nil || strings.Contains(string(b), "eyJ") {
		t.Errorf("tokens in %s, %v", b, err)
	}
}
