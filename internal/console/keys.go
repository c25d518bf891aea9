package console

import (
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func keysPages() []page {
	return []page{
		{path: "/projects/{project}/keys", room: roomKeys, entry: true, show: (*visit).keys, forms: map[string]func(*visit) error{"rotate": (*visit).rotateKey}, notices: map[string]string{
			"rotated": "A new key signs from now on. The one before stays published until the last token that it signed has expired.", "withdrawn": "The key is withdrawn: what it signed counts no more.",
		}},
		{path: "/projects/{project}/keys/{kid}", room: roomKeys, show: (*visit).confirmWithdrawal, forms: map[string]func(*visit) error{"withdraw": (*visit).withdrawKey}},
		{path: "/projects/{project}/admin-token", room: roomKeys, show: (*visit).confirmAdminToken, forms: map[string]func(*visit) error{"rotate": (*visit).rotateAdminToken}},
		{path: "/instance", room: roomInstance, entry: true, show: (*visit).instance, forms: map[string]func(*visit) error{"create": (*visit).createToken}, notices: map[string]string{
			"deleted": "The token is deleted, and no longer works.",
		}},
		{path: "/instance/tokens/{name}", room: roomInstance, show: (*visit).confirmTokenDeletion, forms: map[string]func(*visit) error{"delete": (*visit).deleteToken}},
	}
}

// signingKey is a key as the list shows it.
type signingKey struct {
	auth.SigningKey
	Signs     bool
	Published bool // beside the one that signs
	Age       time.Duration
}

// keys lists the project's signing keys, the newest first.
func (v *visit) keys() error {
	found, err := v.Admin.SigningKeys(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	now, set := v.Admin.Now(), v.caller.Project.Settings
	shown := struct {
		Keys      []signingKey
		Algorithm string
		Rotation  time.Duration // 0: only by hand
		AuthAPI   bool          // the project has an admin token
	}{Algorithm: set.SigningAlgorithm, Rotation: set.SigningKeyRotation, AuthAPI: v.caller.Project.ID != auth.ConsoleProject}
	for _, k := range found {
		signs := k.RetiredAt.IsZero()
		shown.Keys = append(shown.Keys, signingKey{SigningKey: k, Signs: signs, Published: !signs && k.ExpiresAt.After(now), Age: now.Sub(k.CreatedAt)})
	}
	return v.render("keys", "Keys and tokens", shown)
}

func (v *visit) rotateKey() error {
	if _, err := v.Admin.RotateSigningKey(v.r.Context(), v.caller); err != nil {
		return err
	}
	return v.back(v.projectPath("keys"), "rotated")
}

// thisKey finds the key that the page is about.
func (v *visit) thisKey() (auth.SigningKey, error) {
	found, err := v.Admin.SigningKeys(v.r.Context(), v.caller)
	if err != nil {
		return auth.SigningKey{}, err
	}
	i := slices.IndexFunc(found, func(k auth.SigningKey) bool { return string(k.ID) == v.r.PathValue("kid") })
	if i < 0 {
		return auth.SigningKey{}, &auth.Error{Code: auth.CodeNotFound, Message: "there is no such key"}
	}
	return found[i], nil
}

func (v *visit) confirmWithdrawal() error {
	key, err := v.thisKey()
	if err != nil {
		return err
	}
	warnings := []string{
		"Every id token that this key signed is dead at once: who holds one has to refresh it, or sign in again.",
		"That is right where the key may be in other hands. Otherwise leave it: it goes by itself once its tokens have expired.",
	}
	if key.RetiredAt.IsZero() {
		warnings = append(warnings, "This key signs, and cannot be withdrawn before another one does: rotate first.")
	}
	return v.render("confirm", "Withdraw a signing key", confirmation{
		Warnings: warnings, Type: string(key.ID), Label: "Type the key's id to confirm: " + string(key.ID), Button: "Withdraw this key", Do: "withdraw", Back: v.projectPath("keys"),
	})
}

func (v *visit) withdrawKey() error {
	key, err := v.thisKey()
	if err != nil {
		return err
	}
	if err := v.wantTyped(string(key.ID)); err != nil {
		return err
	}
	if err := v.Admin.WithdrawSigningKey(v.r.Context(), v.caller, key.ID); err != nil {
		return err
	}
	return v.back(v.projectPath("keys"), "withdrawn")
}

func (v *visit) confirmAdminToken() error {
	return v.render("confirm", "New admin token", confirmation{
		Warnings: []string{"The project's admin token stops working at once, and whatever uses it is refused until it has the new one.", "The new one is shown once, after the button."},
		Button:   "Make a new admin token", Do: "rotate", Back: v.projectPath("keys"),
	})
}

func (v *visit) rotateAdminToken() error {
	adminToken, err := v.Admin.RotateAdminToken(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	return v.render("secret", "New admin token", shownSecret{
		Done: "The former admin token does not work any more.", Label: "Admin token", Secret: adminToken,
		Hint: "Put it where your servers and scripts keep their secrets: nobody can read it again, only make a new one.", Next: v.projectPath("keys"), Onward: "Back to keys and tokens",
	})
}

// instance lists the tokens that programs manage the instance with.
func (v *visit) instance() error {
	tokens, err := v.Admin.OperatorTokens(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	return v.render("instance", "Instance", tokens)
}

func (v *visit) createToken() error {
	name := v.field("name")
	operatorToken, err := v.Admin.CreateOperatorToken(v.r.Context(), v.caller, name)
	if err != nil {
		return err
	}
	return v.render("secret", "Operator token "+name, shownSecret{
		Done: "The token works from now on.", Label: "Operator token", Secret: operatorToken,
		Hint: "It may do everything on this instance, in every project. Put it where your scripts keep their secrets: nobody can read it again, only delete it.", Next: v.path("instance"), Onward: "Back to the instance",
	})
}

func (v *visit) confirmTokenDeletion() error {
	name := v.r.PathValue("name")
	tokens, err := v.Admin.OperatorTokens(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(tokens, func(t auth.OperatorToken) bool { return t.Name == name }) {
		return &auth.Error{Code: auth.CodeNotFound, Message: "there is no operator token of this name"}
	}
	return v.render("confirm", "Delete the operator token "+name, confirmation{
		Warnings: []string{"It stops working at once, and whatever uses it is refused."}, Button: "Delete this token", Do: "delete", Back: v.path("instance"),
	})
}

func (v *visit) deleteToken() error {
	if err := v.Admin.DeleteOperatorToken(v.r.Context(), v.caller, v.r.PathValue("name")); err != nil {
		return err
	}
	return v.back(v.path("instance"), "deleted")
}
