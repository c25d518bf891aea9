package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var rotating = with("refreshTokenRotation", "true", "refreshTokenGrace", "30s")

func TestRefreshWithoutRotation(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	for range 5 {
		h.clock.Advance(time.Hour)
		again, err := h.refresh(up.RefreshToken)
		h.must(err)
		if again.RefreshToken != up.RefreshToken {
			t.Fatal("the refresh token changed")
		}
		old, fresh := claims(t, up.IDToken), claims(t, again.IDToken)
		if fresh["auth_time"] != old["auth_time"] || fresh["iat"] == old["iat"] || fresh["sub"] != old["sub"] || fresh["sid"] != old["sid"] {
			t.Errorf("claims %v after %v", fresh, old)
		}
	}
}

func TestRefreshRefusals(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	tests := []struct {
		name, token string
		want        auth.Code
	}{
		{"none", "", auth.CodeMissingRefreshToken},
		{"short", "x", auth.CodeInvalidRefreshToken},
		{"unknown", strings.Repeat("x", 60), auth.CodeInvalidRefreshToken},
		{"unknown of the right length", strings.Repeat("x", len(up.RefreshToken)), auth.CodeInvalidRefreshToken},
		{"cut", up.RefreshToken[:len(up.RefreshToken)-1], auth.CodeInvalidRefreshToken},
		{"with more", up.RefreshToken + "A", auth.CodeInvalidRefreshToken},
		{"with space", " " + up.RefreshToken, auth.CodeInvalidRefreshToken},
		{"id token", up.IDToken, auth.CodeInvalidRefreshToken},
		{"admin token", h.adminToken, auth.CodeInvalidRefreshToken},
		{"code", h.code(auth.MailVerifyEmail, ada), auth.CodeInvalidRefreshToken},
		{"not UTF-8", strings.Repeat("\xff", 80), auth.CodeInvalidRefreshToken},
		{"NUL", strings.Repeat("\x00", 80), auth.CodeInvalidRefreshToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.refresh(tt.token)
			if auth.CodeOf(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	h.wantAlive(up)
}

// Which refreshes work at which time since the sign-in, in each mode.
func TestRefreshLimits(t *testing.T) {
	tests := []struct {
		name     string
		options  []option
		at       []time.Duration // of each refresh, since the sign-in
		lastWant auth.Code
	}{
		{"at the idle limit", []option{documented, with("refreshTokenIdleTTL", "1h")}, []time.Duration{time.Hour}, ""},
		{"after the idle limit", []option{documented, with("refreshTokenIdleTTL", "1h")}, []time.Duration{time.Hour + time.Millisecond}, auth.CodeExpiredRefreshToken},
		{"use moves the idle limit", []option{documented, with("refreshTokenIdleTTL", "1h")}, []time.Duration{50 * time.Minute, 100 * time.Minute, 150 * time.Minute}, ""},
		{"use does not revive", []option{documented, with("refreshTokenIdleTTL", "1h")}, []time.Duration{50 * time.Minute, 3 * time.Hour}, auth.CodeExpiredRefreshToken},
		{"short idle limit, used often", []option{documented, with("refreshTokenIdleTTL", "30s")}, []time.Duration{20 * time.Second, 40 * time.Second, 60 * time.Second}, ""},
		{"idle limit of a minute", []option{documented, with("refreshTokenIdleTTL", "1m")}, []time.Duration{59 * time.Second, 61 * time.Second, 90 * time.Second}, ""},
		{"at the absolute limit", []option{documented, with("refreshTokenAbsoluteTTL", "1h")}, []time.Duration{30 * time.Minute, time.Hour}, ""},
		{"after the absolute limit", []option{documented, with("refreshTokenAbsoluteTTL", "1h")}, []time.Duration{30 * time.Minute, time.Hour + time.Second}, auth.CodeExpiredRefreshToken},
		{"no limits", []option{documented, with("refreshTokenAbsoluteTTL", "0", "refreshTokenIdleTTL", "0")}, []time.Duration{20 * 365 * 24 * time.Hour}, ""},
		{"rotating, idle", []option{rotating, with("refreshTokenIdleTTL", "1h")}, []time.Duration{50 * time.Minute, 100 * time.Minute, 161 * time.Minute}, auth.CodeExpiredRefreshToken},
		{"rotating, absolute", []option{rotating, with("refreshTokenAbsoluteTTL", "1h")}, []time.Duration{50 * time.Minute, 61 * time.Minute}, auth.CodeExpiredRefreshToken},
		{"rotating, short idle limit", []option{rotating, with("refreshTokenIdleTTL", "30s")}, []time.Duration{20 * time.Second, 40 * time.Second, 60 * time.Second}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.options...)
			token := h.signUp(ada).RefreshToken
			since := time.Duration(0)
			for i, at := range tt.at {
				h.clock.Advance(at - since)
				since = at
				next, err := h.refresh(token)
				want := auth.Code("")
				if i == len(tt.at)-1 {
					want = tt.lastWant
				}
				if auth.CodeOf(err) != want {
					t.Fatalf("refresh at %s: %v, want %q", at, err, want)
				}
				token = next.RefreshToken
			}
			if tt.lastWant == "" {
				return
			}
			h.clock.Advance(-since) // a clock that is put back brings nothing of a rotated family back, and the audit says why it ended
			h.wantDenied(auth.EventRefresh, 1)
		})
	}
}

func TestRotation(t *testing.T) {
	h := newHarness(t, rotating)
	t0 := h.signUp(ada).RefreshToken
	one, err := h.refresh(t0)
	h.must(err)
	t1 := one.RefreshToken
	if t1 == t0 {
		t.Fatal("not rotated")
	}
	h.clock.Advance(30 * time.Second)
	again, err := h.refresh(t0)
	h.must(err)
	if again.RefreshToken != t1 {
		t.Error("a repeated refresh within the grace window gets another successor")
	}
	two, err := h.refresh(t1)
	h.must(err)
	h.wantAlive(auth.Tokens{IDToken: two.IDToken, RefreshToken: two.RefreshToken})
	if n := len(h.audits(auth.EventTokenReuse)); n != 0 {
		t.Errorf("%d reuses are recorded", n)
	}
}

func TestReuseEndsTheSession(t *testing.T) {
	tests := map[string]func(h *harness, tokens []string) string{
		"after the grace window": func(h *harness, tokens []string) string {
			h.clock.Advance(30*time.Second + time.Millisecond)
			return tokens[1]
		},
		"an older ancestor, at once":    func(_ *harness, tokens []string) string { return tokens[0] },
		"an older ancestor, much later": func(h *harness, tokens []string) string { h.clock.Advance(time.Hour); return tokens[0] },
	}
	for name, reuse := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, rotating)
			up := h.verified(ada)
			elsewhere, err := h.signIn(ada, goodPW)
			h.must(err)
			tokens := []string{up.RefreshToken}
			for range 2 {
				next, err := h.refresh(tokens[len(tokens)-1])
				h.must(err)
				tokens = append(tokens, next.RefreshToken)
			}
			_, err = h.refresh(reuse(h, tokens))
			h.want(err, auth.CodeInvalidRefreshToken)
			for i, token := range tokens {
				if _, err := h.refresh(token); err == nil {
					t.Errorf("token %d of the family lives on", i)
				}
			}
			if _, err := h.AuthenticateUser(h.ctx, h.anyone(), up.IDToken); err == nil {
				t.Error("the id token of the family lives on")
			}
			records := h.audits(auth.EventTokenReuse)
			if len(records) == 0 || records[0].Outcome != auth.OutcomeDenied || records[0].User != up.User.ID {
				t.Errorf("audit %+v", records)
			}
			if _, err := h.refresh(elsewhere.RefreshToken); err != nil {
				t.Errorf("another session of the user ended too: %v", err)
			}
		})
	}
}

// Fifty refreshes of one token at once get one successor (P21).
func TestRotationRace(t *testing.T) {
	h := newHarness(t, rotating)
	up := h.signUp(ada)
	h.store.once.Store(true)
	c := h.anyone()
	got := make([]string, 50)
	errs := make([]error, 50)
	each(50, func(i int) {
		tokens, err := h.Refresh(h.ctx, c, up.RefreshToken)
		got[i], errs[i] = h.secret(tokens.RefreshToken), err
	})
	for i := range got {
		if errs[i] != nil || got[i] != got[0] || got[i] == up.RefreshToken {
			t.Errorf("refresh %d: %v, same successor: %v", i, errs[i], got[i] == got[0])
		}
	}
	if _, err := h.refresh(got[0]); err != nil {
		t.Errorf("the successor: %v", err)
	}
}

// Turning rotation on or off ends no session by itself.
func TestRotationSettingChanges(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	h.set("refreshTokenRotation", "true")
	one, err := h.refresh(up.RefreshToken)
	h.must(err)
	h.set("refreshTokenRotation", "false")
	two, err := h.refresh(one.RefreshToken)
	h.must(err)
	if two.RefreshToken != one.RefreshToken {
		t.Error("rotated although that is off")
	}
	h.clock.Advance(time.Hour)
	_, err = h.refresh(up.RefreshToken)
	h.want(err, auth.CodeInvalidRefreshToken)
	h.wantEnded(one)
}

// What happened to the session while the refresh ran is an answer, not a failure of the server.
func TestRefreshWhileTheSessionEnds(t *testing.T) {
	for _, mode := range []string{"true", "false"} {
		for name, end := range map[string]func(*harness, auth.Tokens) error{
			"revoked": func(h *harness, up auth.Tokens) error {
				return h.store.Store.Update(h.ctx, func(tx auth.Tx) error {
					_, err := tx.RevokeUserSessions(h.ctx, h.id, up.User.ID, "", h.clock.Now())
					return err
				})
			},
			"deleted": func(h *harness, up auth.Tokens) error {
				return h.store.Store.Update(h.ctx, func(tx auth.Tx) error { return tx.DeleteUser(h.ctx, h.id, up.User.ID) })
			},
		} {
			t.Run(name+"/rotation "+mode, func(t *testing.T) {
				h := newHarness(t, documented, with("refreshTokenRotation", mode))
				up := h.signUp(ada)
				h.clock.Advance(time.Hour)
				h.meanwhile(func() { h.must(end(h, up)) })
				_, err := h.refresh(up.RefreshToken)
				switch auth.CodeOf(err) {
				case auth.CodeExpiredRefreshToken, auth.CodeInvalidRefreshToken, auth.CodeRefreshTokenUserGone:
				default:
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// What ends sessions, and which (P22). Enabling again revives nothing.
func TestWhatEndsSessions(t *testing.T) {
	tests := []struct {
		name    string
		options []option
		do      func(h *harness, own auth.Tokens)
		keepOwn bool
	}{
		{"password change", nil, func(h *harness, own auth.Tokens) {
			h.must(h.ChangePassword(h.ctx, h.as(own.IDToken), goodPW, h.secret(otherPW)))
		}, false},
		{"password reset", nil, func(h *harness, own auth.Tokens) {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
		}, false},
		{"disabled and enabled again", nil, func(h *harness, own auth.Tokens) {
			for _, v := range []bool{true, false} {
				_, err := h.UpdateUser(h.ctx, h.asAdmin(), own.User.ID, auth.UserPatch{Disabled: ptr(v)})
				h.must(err)
			}
		}, false},
		{"password set by an admin", nil, func(h *harness, own auth.Tokens) {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), own.User.ID, auth.UserPatch{Password: ptr(h.secret(otherPW))})
			h.must(err)
		}, false},
		{"email set by an admin", nil, func(h *harness, own auth.Tokens) {
			_, err := h.UpdateUser(h.ctx, h.asAdmin(), own.User.ID, auth.UserPatch{Email: ptr(grace)})
			h.must(err)
		}, false},
		{"immediate email change", nil, func(h *harness, own auth.Tokens) {
			h.must(h.ChangeEmail(h.ctx, h.as(own.IDToken), grace))
		}, true},
		{"verified email change", []option{documented, with("emailChange", "verified")}, func(h *harness, own auth.Tokens) {
			h.must(h.ChangeEmail(h.ctx, h.as(own.IDToken), grace))
			h.must(h.ConfirmEmailChange(h.ctx, h.anyone(), h.code(auth.MailChangeEmail, grace)))
		}, false},
		{"revoked by an admin", nil, func(h *harness, own auth.Tokens) {
			n, err := h.admin.RevokeUserSessions(h.ctx, h.asAdmin(), own.User.ID)
			h.must(err)
			if n != 2 {
				h.t.Errorf("%d sessions revoked, want 2", n)
			}
		}, false},
		{"account deleted by its user", nil, func(h *harness, own auth.Tokens) {
			h.must(h.DeleteAccount(h.ctx, h.as(own.IDToken)))
		}, false},
		{"account deleted by an admin", nil, func(h *harness, own auth.Tokens) {
			h.must(h.DeleteUser(h.ctx, h.asAdmin(), own.User.ID))
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := append([]option{documented}, tt.options...)
			h := newHarness(t, options...)
			own := h.verified(ada)
			other, err := h.signIn(ada, goodPW)
			h.must(err)
			bystander := h.signUp("bystander@example.com")
			tt.do(h, own)
			h.wantEnded(other)
			if tt.keepOwn {
				h.wantAlive(own)
			} else {
				h.wantEnded(own)
			}
			h.wantAlive(bystander)
		})
	}
}

func TestAdminRevokesOneSession(t *testing.T) {
	h := newHarness(t, documented)
	one := h.signUp(ada)
	two, err := h.signIn(ada, goodPW)
	h.must(err)
	id := auth.SessionID(claims(t, one.IDToken)["sid"].(string))
	h.must(h.admin.RevokeSession(h.ctx, h.asAdmin(), id))
	h.wantEnded(one)
	h.wantAlive(two)
	h.want(h.admin.RevokeSession(h.ctx, h.asAdmin(), id), auth.CodeNotFound)
	h.want(h.admin.RevokeSession(h.ctx, h.as(two.IDToken), id), auth.CodeAdminRequired)
	_, err = h.admin.RevokeUserSessions(h.ctx, h.asAdmin(), "nobody")
	h.want(err, auth.CodeNotFound)
}

// Sweeping removes only what is over: a code that is used or expired never works again, a revoked session never lives.
func TestSweepRevivesNothing(t *testing.T) {
	h := newHarness(t, rotating)
	up := h.verified(ada)
	living, err := h.signIn(ada, goodPW)
	h.must(err)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code := h.code(auth.MailResetPassword, ada)
	h.must(h.admin.RevokeSession(h.ctx, h.asAdmin(), auth.SessionID(claims(t, up.IDToken)["sid"].(string))))
	for range 4 {
		h.clock.Advance(20 * 24 * time.Hour)
		if _, err := h.admin.Sweep(h.ctx); err != nil {
			t.Fatal(err)
		}
		h.wantEnded(up)
		if err := h.ResetPassword(h.ctx, h.anyone(), code, otherPW); err == nil {
			t.Fatal("an expired code works again")
		}
		if living, err = h.refresh(living.RefreshToken); err != nil {
			t.Fatalf("a living session was swept: %v", err)
		}
	}
}
