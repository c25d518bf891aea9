package auth_test

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestSignIn(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.clock.Advance(time.Minute)
	in, err := h.signIn(" ADA@example.com", goodPW)
	h.must(err)
	if in.User.ID != up.User.ID || in.RefreshToken == up.RefreshToken || in.IDToken == "" {
		t.Errorf("signed in as %s, want %s", in.User.ID, up.User.ID)
	}
	if got := h.user(up.User.ID).LastSignInAt; !got.Equal(h.clock.Now().Truncate(time.Millisecond)) {
		t.Errorf("last sign-in at %s", got)
	}
	h.wantAlive(up) // a new session ends no other
	h.wantAlive(in)
}

func TestSignInRefusals(t *testing.T) {
	type try struct{ email, password string }
	accounts := map[string]func(*auth.User){
		"ok@example.com": nil, "disabled@example.com": func(u *auth.User) { u.Disabled = true },
		"passwordless@example.com": func(u *auth.User) { u.PasswordHash = "" },
	}
	tests := []struct {
		name                 string
		try                  try
		documented, hardened auth.Code
	}{
		{"wrong password", try{"ok@example.com", otherPW}, auth.CodeWrongPassword, auth.CodeInvalidCredentials},
		{"no account", try{"nobody@example.com", goodPW}, auth.CodeEmailNotFound, auth.CodeInvalidCredentials},
		{"disabled", try{"disabled@example.com", goodPW}, auth.CodeUserDisabled, auth.CodeUserDisabled},
		{"disabled, wrong password", try{"disabled@example.com", otherPW}, auth.CodeWrongPassword, auth.CodeInvalidCredentials},
		{"no password set", try{"passwordless@example.com", goodPW}, auth.CodeWrongPassword, auth.CodeInvalidCredentials},
		{"invalid email", try{"nobody", goodPW}, auth.CodeInvalidEmail, auth.CodeInvalidEmail},
		{"empty password", try{"ok@example.com", ""}, auth.CodeMissingPassword, auth.CodeMissingPassword},
		{"password with NUL appended", try{"ok@example.com", goodPW + "\x00"}, auth.CodeWrongPassword, auth.CodeInvalidCredentials},
		{"the hash as password", try{"ok@example.com", "(hash)"}, auth.CodeWrongPassword, auth.CodeInvalidCredentials},
	}
	for _, preset := range []string{"documented", "hardened"} {
		options := []option{}
		if preset == "documented" {
			options = append(options, documented)
		}
		h := newHarness(t, options...)
		hash := ""
		for email, change := range accounts {
			up := h.signUp(email)
			if change != nil {
				h.alter(up.User.ID, change)
			} else {
				hash = h.user(up.User.ID).PasswordHash
			}
		}
		for _, tt := range tests {
			t.Run(preset+"/"+tt.name, func(t *testing.T) {
				want := tt.documented
				if preset == "hardened" {
					want = tt.hardened
				}
				if tt.try.password == "(hash)" {
					tt.try.password = hash
				}
				tokens, err := h.signIn(tt.try.email, tt.try.password)
				if auth.CodeOf(err) != want {
					t.Errorf("%v, want %s", err, want)
				}
				if tokens.IDToken != "" || tokens.RefreshToken != "" || tokens.User.ID != "" {
					t.Error("a refusal gives something")
				}
			})
		}
		h.set("passwordProvider", "false")
		_, err := h.signIn("ok@example.com", goodPW)
		h.want(err, auth.CodePasswordProviderOff)
	}
}

// A change of the account between the check of the password and the session decides (P20).
func TestSignInSeesChangesMeanwhile(t *testing.T) {
	tests := map[string]struct {
		change func(h *harness, u auth.User)
		want   auth.Code
	}{
		"disabled": {func(h *harness, u auth.User) { h.alter(u.ID, func(u *auth.User) { u.Disabled = true }) }, auth.CodeUserDisabled},
		"password changed": {func(h *harness, u auth.User) {
			h.alter(u.ID, func(u *auth.User) { u.PasswordHash = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e" })
		}, auth.CodeWrongPassword},
		"email changed": {func(h *harness, u auth.User) { h.alter(u.ID, func(u *auth.User) { u.Email = grace }) }, auth.CodeWrongPassword},
		"deleted": {func(h *harness, u auth.User) {
			h.must(h.store.Store.Update(h.ctx, func(tx auth.Tx) error { return tx.DeleteUser(h.ctx, h.id, u.ID) }))
		}, auth.CodeWrongPassword},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up := h.signUp(ada)
			first := true
			wrap := func(tx auth.Tx) auth.Tx { return tx }
			h.store.tx.Store(&wrap)
			// The first change of a sign-in counts the try, the second begins the session: the account changes in between.
			h.meanwhile(func() {
				if first {
					first = false
					h.meanwhile(func() { tt.change(h, up.User) })
				}
			})
			_, err := h.signIn(ada, goodPW)
			h.want(err, tt.want)
		})
	}
}

func TestSignInUpgradesTheHash(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	old := h.user(up.User.ID)
	h.set("passwordHashTime", "2")
	_, err := h.signIn(ada, otherPW)
	h.want(err, auth.CodeWrongPassword)
	if h.user(up.User.ID).PasswordHash != old.PasswordHash {
		t.Error("a wrong password changed the hash")
	}
	_, err = h.signIn(ada, goodPW)
	h.must(err)
	upgraded := h.user(up.User.ID)
	if upgraded.PasswordHash == old.PasswordHash || !upgraded.PasswordUpdatedAt.Equal(old.PasswordUpdatedAt) {
		t.Errorf("hash %q, updated at %s", upgraded.PasswordHash, upgraded.PasswordUpdatedAt)
	}
	h.wantAlive(up) // an upgrade is no change of the password
	_, err = h.signIn(ada, goodPW)
	h.must(err)
	if h.user(up.User.ID).PasswordHash != upgraded.PasswordHash {
		t.Error("the hash is made again at each sign-in")
	}
}

// Where the queue is full, the answer comes at once and nothing is counted (P27).
func TestSignInSheds(t *testing.T) {
	h := newHarness(t, documented, with("signInAccountBurst", "1"))
	h.signUp(ada)
	release := make(chan struct{})
	queue := smallQueue()
	h.open(queue)
	for range 2 {
		go func() { _ = queue.Do(h.ctx, "other", func() { <-release }) }()
	}
	for queue.Stats().Running < 2 {
		time.Sleep(time.Millisecond)
	}
	for range 6 {
		go func() { _ = queue.Do(h.ctx, string(h.id), func() {}) }()
	}
	for queue.Stats().Waiting < 6 {
		time.Sleep(time.Millisecond)
	}
	for range 5 {
		_, err := h.signIn(ada, goodPW)
		h.want(err, auth.CodeUnavailable)
		if auth.AsError(err).RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
	}
	close(release)
	for queue.Stats().Running > 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := h.signIn(ada, goodPW); err != nil {
		t.Errorf("the tries that were shed were counted: %v", err)
	}
}
