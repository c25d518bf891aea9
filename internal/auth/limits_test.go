package auth_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

func TestSourceGroupsAddresses(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	}
	for _, tt := range tests {
		a, b := auth.Source(netip.MustParseAddr(tt.a)), auth.Source(netip.MustParseAddr(tt.b))
		if (a == b) != tt.same {
			t.Errorf("%s and %s: %q and %q", tt.a, tt.b, a, b)
		}
	}
	if auth.Source(netip.Addr{}) == "" {
		t.Error("a missing address has no key")
	}
}

func TestTimeIDsSort(t *testing.T) {
	var times []time.Time
	for ms := int64(1); ms < 1<<52; ms *= 3 {
		times = append(times, time.UnixMilli(ms), time.UnixMilli(ms+1))
	}
	slices.SortFunc(times, time.Time.Compare)
	prefixes := make([]string, len(times))
	for i, at := range times {
		prefixes[i] = auth.TimePrefix(at)
	}
	if !slices.IsSorted(prefixes) {
		t.Errorf("not sorted: %v", prefixes)
	}
	if auth.TimePrefix(time.UnixMilli(-5)) != auth.TimePrefix(time.UnixMilli(0)) {
		t.Error("an instant before 1970 has no prefix")
	}
}

func TestCutBytes(t *testing.T) {
	err := quick.Check(func(s string, n uint8) bool {
		cut := auth.CutBytes(s, int(n))
		return len(cut) <= max(int(n), 0) && strings.HasPrefix(s, cut) && (!utf8.ValidString(s) || utf8.ValidString(cut))
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

// The budget of one account: so many tries in a row, then one more after each interval, and a success gives its try back (P29).
func TestSignInLimitOfAccount(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "3", "signInAccountInterval", "30s"))
	h.verified(ada)
	h.verified(grace)
	wrong := func(want auth.Code) {
		t.Helper()
		_, err := h.signIn(ada, otherPW)
		h.want(err, want)
	}
	for range 3 {
		wrong(auth.CodeInvalidCredentials)
	}
	_, err := h.signIn(strings.ToUpper(ada), goodPW) // however it is spelled, and the right password does not help
	h.want(err, auth.CodeTooManyAttempts)
	if after := auth.AsError(err).RetryAfter; after <= 0 || after > 30*time.Second {
		t.Errorf("retry after %s", after)
	}
	if _, err := h.signIn(grace, goodPW); err != nil {
		t.Errorf("another account is locked out too: %v", err)
	}
	h.clock.Advance(auth.AsError(err).RetryAfter)
	if _, err := h.signIn(ada, goodPW); err != nil {
		t.Errorf("after the wait that was told: %v", err)
	}
	for range 10 { // successes do not add up
		if _, err := h.signIn(ada, goodPW); err != nil {
			t.Fatalf("a success used the budget up: %v", err)
		}
	}
	h.clock.Advance(time.Hour)
	for range 3 {
		wrong(auth.CodeInvalidCredentials)
	}
	wrong(auth.CodeTooManyAttempts)
	h.wantDenied(auth.EventSignIn, 8)
}

// An address that has no account is counted as one that has.
func TestSignInLimitOfUnknownAddress(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "2"))
	h.verified(ada)
	for _, email := range []string{ada, "nobody@example.com"} {
		for i, want := range []auth.Code{auth.CodeInvalidCredentials, auth.CodeInvalidCredentials, auth.CodeTooManyAttempts} {
			if _, err := h.signIn(email, otherPW); auth.CodeOf(err) != want {
				t.Errorf("%s, try %d: %v, want %s", email, i, err, want)
			}
		}
	}
}

func TestSignInLimitOfSource(t *testing.T) {
	h := newHarness(t, with("signInSourceBurst", "4", "signInAccountBurst", "100"))
	h.verified(ada)
	from := func(addr string) auth.Caller {
		c := h.anyone()
		c.Addr = netip.MustParseAddr(addr)
		return c
	}
	guess := func(c auth.Caller, email string) auth.Code {
		_, err := h.SignIn(h.ctx, c, auth.SignInParams{Email: email, Password: otherPW})
		return auth.CodeOf(err)
	}
	for i, addr := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"} {
		if got := guess(from(addr), strings.Repeat("x", i+1)+"@example.com"); got != auth.CodeInvalidCredentials {
			t.Fatalf("try %d: %s", i, got)
		}
	}
	if got := guess(from("2001:db8::5"), ada); got != auth.CodeTooManyAttempts {
		t.Errorf("fifth try of a /64: %q", got)
	}
	if got := guess(from("2001:db8:0:1::5"), ada); got != auth.CodeInvalidCredentials {
		t.Errorf("another /64: %q", got)
	}
}

// Fifty guesses at once use no more than the budget.
func TestSignInLimitIsAtomic(t *testing.T) {
	h := newHarness(t, crowd, with("signInAccountBurst", "5"))
	h.verified(ada)
	h.store.once.Store(true)
	codes := make([]auth.Code, 50)
	c := h.anyone()
	each(len(codes), func(i int) {
		_, err := h.SignIn(h.ctx, c, auth.SignInParams{Email: ada, Password: otherPW})
		codes[i] = auth.CodeOf(err)
	})
	checked := 0
	for _, code := range codes {
		switch code {
		case auth.CodeInvalidCredentials:
			checked++
		case auth.CodeTooManyAttempts:
		default:
			t.Errorf("code %q", code)
		}
	}
	if checked != 5 {
		t.Errorf("%d passwords were checked, want 5", checked)
	}
}

// The budget is kept in the database: a restart gives nobody a new one.
func TestSignInLimitSurvivesRestart(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "1"))
	h.verified(ada)
	_, err := h.signIn(ada, otherPW)
	h.want(err, auth.CodeInvalidCredentials)
	h.open(smallQueue())
	_, err = h.signIn(ada, goodPW)
	h.want(err, auth.CodeTooManyAttempts)
}

// Changing a password guesses the old one: it shares the budget of sign-in.
func TestPasswordChangeSharesTheLimit(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "2"))
	tokens := h.verified(ada)
	for range 2 {
		h.want(h.ChangePassword(h.ctx, h.as(tokens.IDToken), otherPW, goodPW+"!"), auth.CodeWrongPassword)
	}
	h.want(h.ChangePassword(h.ctx, h.as(tokens.IDToken), goodPW, otherPW), auth.CodeTooManyAttempts)
	_, err := h.signIn(ada, goodPW)
	h.want(err, auth.CodeTooManyAttempts)
}

// What needs the database cannot be asked for without end: mails to one address have a budget, however they are caused.
func TestMailLimitOfAddress(t *testing.T) {
	h := newHarness(t, documented, with("mailAddressBurst", "3", "mailAddressInterval", "1m"))
	h.signUp(ada) // the first
	h.must(h.SendVerification(h.ctx, h.anyone(), ada))
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.want(h.SendPasswordReset(h.ctx, h.anyone(), strings.ToUpper(ada)), auth.CodeTooManyAttempts)
	h.want(h.SendVerification(h.ctx, h.anyone(), ada), auth.CodeTooManyAttempts)
	if n := len(h.newMails(ada)); n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
	h.clock.Advance(time.Minute)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	h.want(h.SendPasswordReset(h.ctx, h.anyone(), ada), auth.CodeTooManyAttempts)
}

// A refused mail voids no code: what was sent before still works.
func TestMailLimitKeepsTheLastCode(t *testing.T) {
	h := newHarness(t, documented, with("mailAddressBurst", "2"))
	h.signUp(ada)
	h.newMails(ada)
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	code := h.code(auth.MailResetPassword, ada)
	h.want(h.SendPasswordReset(h.ctx, h.anyone(), ada), auth.CodeTooManyAttempts)
	h.must(h.ResetPassword(h.ctx, h.anyone(), code, h.secret(otherPW)))
}

// A password change that succeeds gives its try back.
func TestPasswordChangeRefundsItsTry(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "1", "signInAccountInterval", "24h"))
	tokens := h.verified(ada)
	passwords := []string{goodPW, otherPW, "a third phrase of words"}
	for i := range 2 {
		if err := h.ChangePassword(h.ctx, h.as(tokens.IDToken), h.secret(passwords[i]), h.secret(passwords[i+1])); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
		var err error
		tokens, err = h.signIn(ada, passwords[i+1])
		h.must(err)
	}
}
