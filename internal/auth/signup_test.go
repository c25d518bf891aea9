package auth_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

var uidPattern = regexp.MustCompile(`^[A-Za-z0-9]{28}$`)

func TestSignUp(t *testing.T) {
	h := newHarness(t, documented)
	c := h.anyone()
	c.Languages = []string{"de", "en"}
	tokens, err := h.SignUp(h.ctx, c, auth.SignUpParams{Email: "  Ada@Example.COM ", Password: h.secret(goodPW)})
	h.must(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	u := h.user(tokens.User.ID)
	if !uidPattern.MatchString(string(u.ID)) || u.Author != u.ID {
		t.Errorf("uid %q, author %q", u.ID, u.Author)
	}
	if u.Email != ada || u.EmailVerified || u.Blocked() || u.Locale != "de" || len(u.Roles) != 0 {
		t.Errorf("account %+v", u)
	}
	if !strings.HasPrefix(u.PasswordHash, "$argon2id$") || strings.Contains(u.PasswordHash, goodPW) {
		t.Errorf("password kept as %q", u.PasswordHash)
	}
	if tokens.IDToken == "" || len(tokens.RefreshToken) < 43 || tokens.ExpiresIn != time.Hour {
		t.Errorf("tokens: %d bytes of refresh token, expires in %s", len(tokens.RefreshToken), tokens.ExpiresIn)
	}
	h.wantAlive(tokens)
	if n := h.queued.Load(); n != 1 {
		t.Errorf("the mail worker was woken %d times, want 1", n)
	}
	msg := h.message(auth.MailVerifyEmail, ada)
	if got := linkOf(t, msg); got.Host != "auth.example.com" || got.Path != "/acme/verify-email" || got.Query().Get("uid") != string(u.ID) {
		t.Errorf("link %s", got)
	}
	records := h.audits(auth.EventSignUp)
	if len(records) != 1 || records[0].Outcome != auth.OutcomeAllowed || records[0].User != u.ID || records[0].Addr != clientAddr {
		t.Errorf("audit %+v", records)
	}
}

func TestSignUpRefusals(t *testing.T) {
	long := strings.Repeat("p", 257)
	tests := []struct {
		name            string
		options         []option
		email, password string
		want            auth.Code
	}{
		{"no email", nil, "", goodPW, auth.CodeInvalidEmail},
		{"not an email", nil, "ada", goodPW, auth.CodeInvalidEmail},
		{"no password", nil, ada, "", auth.CodeMissingPassword},
		{"short", nil, ada, "12345", auth.CodeWeakPassword},
		{"shorter than hardened", []option{}, ada, "x7$kQ2!", auth.CodeWeakPassword},
		{"common", []option{}, ada, "password123", auth.CodeWeakPassword},
		{"of the email", []option{}, ada, "ada@example.com", auth.CodeWeakPassword},
		{"too long", nil, ada, long, auth.CodeWeakPassword},
		{"absurdly long", nil, ada, strings.Repeat("p", 1<<20), auth.CodeWeakPassword},
		{"NUL", nil, ada, "abc\x00defgh", auth.CodeWeakPassword},
		{"not UTF-8", nil, ada, "abcdef\xff\xfe", auth.CodeWeakPassword},
		{"in use", nil, "Taken@example.com", goodPW, auth.CodeEmailInUse},
		{"closed", []option{documented, with("selfSignUp", "false")}, ada, goodPW, auth.CodeSignUpOff},
		{"provider off", []option{documented, with("passwordProvider", "false")}, ada, goodPW, auth.CodePasswordProviderOff},
		{"provider off comes first", []option{documented, with("passwordProvider", "false")}, "", "", auth.CodePasswordProviderOff},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := tt.options
			if options == nil {
				options = []option{documented}
			}
			h := newHarness(t, options...)
			if tt.want == auth.CodeEmailInUse {
				h.signUp("taken@example.com")
			}
			before, err := h.store.CountUsers(h.ctx, h.id)
			h.must(err)
			tokens, err := h.trySignUp(tt.email, tt.password)
			h.want(err, tt.want)
			if diff := cmp.Diff(auth.Tokens{}, tokens); diff != "" {
				t.Errorf("a refusal gives something:\n%s", diff)
			}
			after, err := h.store.CountUsers(h.ctx, h.id)
			h.must(err)
			if after != before || len(h.newMails(ada)) != 0 {
				t.Error("a refusal left something behind")
			}
		})
	}
}

// Passwords are used byte for byte (P26).
func TestPasswordsAreBytes(t *testing.T) {
	h := newHarness(t, documented)
	composed, decomposed := "caf\u00e9 au lait", "cafe\u0301 au lait"
	spaced := "  leading and trailing  "
	for email, pw := range map[string]string{"a@example.com": composed, "b@example.com": spaced, "c@example.com": strings.Repeat("\U0001f511", 128)} {
		_, err := h.trySignUp(email, pw)
		h.must(err)
		if _, err := h.signIn(email, pw); err != nil {
			t.Errorf("%q: %v", pw, err)
		}
		for _, other := range []string{decomposed, strings.TrimSpace(spaced), strings.ToUpper(pw), pw + " ", pw[:len(pw)-1], strings.Repeat("\U0001f511", 127)} {
			if other == pw {
				continue
			}
			if _, err := h.signIn(email, other); auth.CodeOf(err) != auth.CodeWrongPassword {
				t.Errorf("%q counts as %q: %v", other, pw, err)
			}
		}
		h.clock.Advance(time.Hour)
	}
}

func TestSignUpWithVerificationEnforced(t *testing.T) {
	h := newHarness(t, documented, with("verifyEmailEnforced", "true", "hostedPages", "false")) // the account depends on the mail: it is sent whatever pages there are
	tokens := h.signUp(ada)
	if tokens.IDToken != "" || tokens.RefreshToken != "" || !tokens.User.Blocked() || tokens.User.Disabled {
		t.Errorf("tokens %+v", tokens)
	}
	if sessions, err := h.store.ListSessions(h.ctx, h.id, tokens.User.ID, "", 10); err != nil || len(sessions) != 0 {
		t.Errorf("sessions %v, %v", sessions, err)
	}
	_, err := h.signIn(ada, goodPW)
	h.want(err, auth.CodeUserDisabled)
	code := h.code(auth.MailVerifyEmail, ada)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), code, tokens.User.ID))
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	if claims(t, in.IDToken)["email_verified"] != true {
		t.Error("the id token does not say that the email is verified")
	}
}

// Turning enforcement on later blocks nobody who came in before, and turning it off frees nobody who waits.
func TestEnforcementIsDecidedAtSignUp(t *testing.T) {
	h := newHarness(t, documented)
	before := h.signUp(ada)
	h.set("verifyEmailEnforced", "true")
	h.wantAlive(before)
	h.signUp(grace)
	h.set("verifyEmailEnforced", "false")
	_, err := h.signIn(grace, goodPW)
	h.want(err, auth.CodeUserDisabled)
}

func TestVerificationMailAtSignUp(t *testing.T) {
	tests := []struct {
		name    string
		options []option
		want    string // beginning of the link; "" for no mail
	}{
		{"hosted page", []option{documented}, "https://auth.example.com/acme/verify-email?oobCode="},
		{"own page", []option{documented, with("verifyEmailURL", "https://app.example.com/v")}, "https://app.example.com/v?oobCode="},
		{"own page with query", []option{documented, with("verifyEmailURL", "https://app.example.com/v?lang=de")}, "https://app.example.com/v?lang=de&oobCode="},
		{"own page, hosted off", []option{documented, with("verifyEmailURL", "https://app.example.com/v", "hostedPages", "false")}, "https://app.example.com/v?oobCode="},
		{"no page", []option{documented, with("hostedPages", "false")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.options...)
			tokens := h.signUp(ada)
			mails := h.newMails(ada)
			if tt.want == "" {
				if len(mails) != 0 {
					t.Errorf("%d mails", len(mails))
				}
				return
			}
			if len(mails) != 1 {
				t.Fatalf("%d mails, want 1", len(mails))
			}
			msg, err := h.OpenMail(mails[0])
			h.must(err)
			link := linkOf(t, msg)
			if !strings.HasPrefix(link.String(), tt.want) || link.Query().Get("uid") != string(tokens.User.ID) {
				t.Errorf("link %s", link)
			}
			h.must(h.VerifyEmail(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), tokens.User.ID))
		})
	}
}

// A project's URL may have a query that ends oddly; the code still arrives.
func TestLinkSurvivesOddQueries(t *testing.T) {
	for _, u := range []string{"https://app.example.com/v?", "https://app.example.com/v?a=1&", "https://app.example.com?x", "https://app.example.com/v?oobCode=planted"} {
		h := newHarness(t, documented)
		p, err := h.admin.UpdateProject(h.ctx, h.asAdmin(), auth.ProjectChange{Set: map[string]string{"verifyEmailURL": u}})
		if err != nil {
			continue // refused: as good
		}
		if p.Settings.VerifyEmailURL != u {
			t.Errorf("%q is kept as %q", u, p.Settings.VerifyEmailURL)
		}
		tokens := h.signUp(ada)
		link := linkOf(t, h.message(auth.MailVerifyEmail, ada))
		codes := link.Query()["oobCode"]
		if err := h.VerifyEmail(h.ctx, h.anyone(), h.secret(codes[len(codes)-1]), tokens.User.ID); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// Of fifty sign-ups of one address at once, one makes the account (P4).
func TestSignUpRace(t *testing.T) {
	h := newHarness(t, documented, crowd)
	h.store.once.Store(true)
	h.secret(goodPW)
	c := h.anyone()
	results := make([]error, 50)
	each(len(results), func(i int) {
		email := ada
		if i%2 == 1 {
			email = "ADA@Example.com"
		}
		_, results[i] = h.SignUp(h.ctx, c, auth.SignUpParams{Email: email, Password: goodPW})
	})
	made := 0
	for _, err := range results {
		if err == nil {
			made++
		} else {
			h.want(err, auth.CodeEmailInUse)
		}
	}
	n, err := h.store.CountUsers(h.ctx, h.id)
	if made != 1 || n != 1 || err != nil {
		t.Errorf("%d sign-ups succeeded, %d accounts, %v", made, n, err)
	}
	if mails := h.newMails(ada); len(mails) != 1 {
		t.Errorf("%d mails, want 1", len(mails))
	}
}

// What the client says of itself is only text: whatever bytes its headers hold, nothing fails over them (P33).
func TestOddClientHeaders(t *testing.T) {
	tests := map[string]func(*auth.Caller){
		"user agent that is not UTF-8": func(c *auth.Caller) { c.UserAgent = "curl/\xff\xfe" },
		"user agent with NUL":          func(c *auth.Caller) { c.UserAgent = "curl/\x008" },
		"long user agent":              func(c *auth.Caller) { c.UserAgent = strings.Repeat("\u00fc", 5000) },
		"language that is not UTF-8":   func(c *auth.Caller) { c.Languages = []string{"\xff"} },
		"language that is none":        func(c *auth.Caller) { c.Languages = []string{"klingon\r\nX: y"} },
		"long language":                func(c *auth.Caller) { c.Languages = []string{strings.Repeat("x", 5000)} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			c := h.anyone()
			change(&c)
			tokens, err := h.SignUp(h.ctx, c, auth.SignUpParams{Email: ada, Password: h.secret(goodPW)})
			if err != nil {
				t.Fatalf("sign-up: %v", err)
			}
			h.wantAlive(tokens)
			if u := h.user(tokens.User.ID); len(u.Locale) > 64 {
				t.Errorf("a locale of %d bytes is kept", len(u.Locale))
			}
			sessions, err := h.store.ListSessions(h.ctx, h.id, tokens.User.ID, "", 1)
			if err != nil || len(sessions) != 1 || len(sessions[0].UserAgent) > 256 {
				t.Errorf("sessions %v, %v", sessions, err)
			}
		})
	}
}

// An account of one project is nothing in another.
func TestProjectsAreApart(t *testing.T) {
	h := newHarness(t, documented)
	other, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Preset: auth.PresetDocumented, Settings: fast()})
	h.must(err)
	here := h.signUp(ada)
	c := h.anyoneOf(other.ID)
	there, err := h.SignUp(h.ctx, c, auth.SignUpParams{Email: ada, Password: h.secret(otherPW)})
	if err != nil {
		t.Fatalf("the same address in another project: %v", err)
	}
	if there.User.ID == here.User.ID {
		t.Error("one uid in two projects")
	}
	_, err = h.SignIn(h.ctx, c, auth.SignInParams{Email: ada, Password: goodPW})
	h.want(err, auth.CodeWrongPassword)
	_, err = h.AuthenticateUser(h.ctx, c, here.IDToken)
	h.want(err, auth.CodeTokenInvalid)
	_, err = h.Refresh(h.ctx, c, here.RefreshToken)
	h.want(err, auth.CodeInvalidRefreshToken)
	_, err = h.AuthenticateAdmin(h.ctx, c, h.adminToken)
	h.want(err, auth.CodeAdminRequired)
	code := h.code(auth.MailVerifyEmail, ada)
	h.want(h.VerifyEmail(h.ctx, c, code, there.User.ID), auth.CodeInvalidOOBCode)
	h.want(h.VerifyEmail(h.ctx, c, code, here.User.ID), auth.CodeNoUserForID)
	h.want(h.ResetPassword(h.ctx, c, code, otherPW), auth.CodeInvalidOOBCode)
	h.must(h.VerifyEmail(h.ctx, h.anyone(), code, here.User.ID))
}
