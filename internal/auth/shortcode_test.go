package auth_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/token"
)

// typedFlow is one purpose of codes that can be typed.
type typedFlow struct {
	name    string
	kind    auth.MailKind
	email   string // where the mail goes
	page    string
	ttl     time.Duration
	prepare func(h *harness)
	send    func(h *harness)
	use     func(h *harness, c auth.Caller, typed auth.TypedCode) error
	event   auth.Event
	link    func(h *harness, code string, u auth.UserID) error
	done    func(h *harness) bool
}

const invitee = "invitee@example.com"

var typedFlows = []typedFlow{
	{
		name: "verify email", kind: auth.MailVerifyEmail, email: ada, page: auth.PageVerifyEmail, ttl: 24 * time.Hour, event: auth.EventEmailVerified,
		prepare: func(h *harness) { h.importUser(ada) },
		send:    func(h *harness) { h.must(h.SendVerification(h.ctx, h.anyone(), ada)) },
		use: func(h *harness, c auth.Caller, typed auth.TypedCode) error {
			return h.VerifyEmailTyped(h.ctx, c, typed)
		},
		link: func(h *harness, code string, u auth.UserID) error { return h.VerifyEmail(h.ctx, h.anyone(), code, u) },
		done: func(h *harness) bool { return h.byEmail(ada).EmailVerified },
	},
	{
		name: "accept invite", kind: auth.MailInvite, email: invitee, page: auth.PageInvite, ttl: 7 * 24 * time.Hour, event: auth.EventInviteAccepted,
		prepare: func(*harness) {},
		send: func(h *harness) {
			_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: invitee})
			h.must(err)
		},
		use: func(h *harness, c auth.Caller, typed auth.TypedCode) error {
			return h.AcceptInviteTyped(h.ctx, c, typed, h.secret(otherPW))
		},
		link: func(h *harness, code string, u auth.UserID) error {
			return h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: code, User: u, NewPassword: h.secret(otherPW)})
		},
		done: func(h *harness) bool { return !h.byEmail(invitee).InvitePending },
	},
	{
		name: "reset password", kind: auth.MailResetPassword, email: ada, page: auth.PageResetPassword, ttl: time.Hour, event: auth.EventPasswordReset,
		prepare: func(h *harness) { h.importUser(ada) },
		send:    func(h *harness) { h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada)) },
		use: func(h *harness, c auth.Caller, typed auth.TypedCode) error {
			return h.ResetPasswordTyped(h.ctx, c, typed, h.secret(otherPW))
		},
		link: func(h *harness, code string, _ auth.UserID) error {
			return h.ResetPassword(h.ctx, h.anyone(), code, h.secret(otherPW))
		},
		done: func(h *harness) bool { _, err := h.signIn(ada, otherPW); return err == nil },
	},
	{
		name: "change email", kind: auth.MailChangeEmail, email: "new-" + ada, page: auth.PageChangeEmail, ttl: 24 * time.Hour, event: auth.EventEmailChanged,
		prepare: func(h *harness) { h.askers[ada] = h.verified(ada).IDToken },
		send:    func(h *harness) { h.must(h.ChangeEmail(h.ctx, h.as(h.askers[ada]), "new-"+ada)) },
		use: func(h *harness, c auth.Caller, typed auth.TypedCode) error {
			return h.ConfirmEmailChangeTyped(h.ctx, c, typed)
		},
		link: func(h *harness, code string, _ auth.UserID) error {
			return h.ConfirmEmailChange(h.ctx, h.anyone(), code)
		},
		done: func(h *harness) bool {
			_, err := h.store.GetUserByEmail(h.ctx, h.id, "new-"+ada)
			return err == nil
		},
	},
}

func (h *harness) byEmail(email auth.Email) auth.User {
	h.t.Helper()
	u, err := h.store.GetUserByEmail(h.ctx, h.id, email)
	h.must(err)
	return u
}

var shownCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`)

// issued sends the flow's mail and gives what it carries.
func (h *harness) issued(f typedFlow) (typed auth.TypedCode, link string, u auth.UserID) {
	h.t.Helper()
	f.send(h)
	msg := h.message(f.kind, f.email)
	short := shownCode.FindString(msg.Text)
	if short == "" || !strings.Contains(msg.HTML, short) || !strings.Contains(msg.Text, "\nhttps://auth.example.com/acme/"+f.page+"\n") || strings.Contains(msg.Subject, short) {
		h.t.Fatalf("the mail %q tells no code, or not where it is typed:\n%s\n%s", msg.Subject, msg.Text, msg.HTML)
	}
	query := linkOf(h.t, msg).Query()
	h.secret(short)
	h.secret(strings.ReplaceAll(short, "-", ""))
	return auth.TypedCode{Email: f.email, Code: short}, h.secret(query.Get("oobCode")), auth.UserID(query.Get("uid"))
}

func prepared(t *testing.T, f typedFlow, options ...option) *harness {
	h := newHarness(t, append([]option{documented, with("emailChange", "verified", "recentSignIn", "24h")}, options...)...)
	f.prepare(h)
	h.newMails(f.email)
	return h
}

// wrong gives another code of the same form.
func wrong(typed auth.TypedCode) auth.TypedCode {
	last := "0"
	if strings.HasSuffix(typed.Code, last) {
		last = "2"
	}
	typed.Code = typed.Code[:len(typed.Code)-1] + last
	return typed
}

// A typed code does once what its link does, for its own purpose, address and project, and is used up, voided and expires together with the link (P7).
func TestTypedCodes(t *testing.T) {
	for _, f := range typedFlows {
		t.Run(f.name, func(t *testing.T) {
			t.Run("once, and the link with it", func(t *testing.T) {
				h := prepared(t, f)
				typed, link, u := h.issued(f)
				h.must(f.use(h, h.anyone(), typed))
				if !f.done(h) {
					t.Error("nothing was done")
				}
				h.want(f.use(h, h.anyone(), typed), auth.CodeInvalidOOBCode)
				h.want(f.link(h, link, u), auth.CodeInvalidOOBCode)
				h.wantDenied(f.event, 2)
			})
			t.Run("not after the link", func(t *testing.T) {
				h := prepared(t, f)
				typed, link, u := h.issued(f)
				h.must(f.link(h, link, u))
				h.want(f.use(h, h.anyone(), typed), auth.CodeInvalidOOBCode)
			})
			t.Run("other purposes, addresses, projects", func(t *testing.T) {
				h := prepared(t, f)
				typed, _, _ := h.issued(f)
				for _, other := range typedFlows {
					if other.name != f.name {
						h.want(other.use(h, h.anyone(), typed), auth.CodeInvalidOOBCode)
					}
				}
				h.want(f.use(h, h.anyone(), auth.TypedCode{Email: grace, Code: typed.Code}), auth.CodeInvalidOOBCode)
				_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Settings: fast()})
				h.must(err)
				h.want(f.use(h, h.anyoneOf("other"), typed), auth.CodeInvalidOOBCode)
				h.must(f.use(h, h.anyone(), typed))
			})
			t.Run("a newer one voids it", func(t *testing.T) {
				h := prepared(t, f)
				first, _, _ := h.issued(f)
				second, _, _ := h.issued(f)
				h.want(f.use(h, h.anyone(), first), auth.CodeInvalidOOBCode)
				h.must(f.use(h, h.anyone(), second))
			})
			t.Run("expiry", func(t *testing.T) {
				h := prepared(t, f)
				typed, _, _ := h.issued(f)
				h.clock.Advance(f.ttl)
				h.want(f.use(h, h.anyone(), typed), auth.CodeInvalidOOBCode)
				h.clock.Advance(-time.Millisecond)
				h.must(f.use(h, h.anyone(), typed))
			})
			t.Run("five tries, and then the link", func(t *testing.T) {
				h := prepared(t, f)
				typed, link, u := h.issued(f)
				for range 5 {
					h.want(f.use(h, h.anyone(), wrong(typed)), auth.CodeInvalidOOBCode)
				}
				h.want(f.use(h, h.anyone(), typed), auth.CodeInvalidOOBCode)
				h.must(f.link(h, link, u))
			})
			t.Run("race", func(t *testing.T) {
				h := prepared(t, f, crowd)
				typed, _, _ := h.issued(f)
				h.store.once.Store(true)
				errs := make([]error, 5)
				each(len(errs), func(i int) { errs[i] = f.use(h, h.anyone(), typed) })
				used := 0
				for _, err := range errs {
					if err == nil {
						used++
					} else {
						h.want(err, auth.CodeInvalidOOBCode)
					}
				}
				if used != 1 {
					t.Errorf("used %d times, want 1", used)
				}
			})
		})
	}
}

// What people make of a code when they copy it counts; what cannot be one is no try.
func TestTypedCodeSpellings(t *testing.T) {
	f := typedFlows[0]
	h := prepared(t, f, with("mailAddressBurst", "100"))
	spellings := map[string]func(code string) string{
		"no hyphen":     func(code string) string { return strings.ReplaceAll(code, "-", "") },
		"lower case":    strings.ToLower,
		"spaces":        func(code string) string { return " " + strings.Join(strings.Split(code, ""), " ") + "\n" },
		"another dash":  func(code string) string { return strings.ReplaceAll(code, "-", " – ") },
		"bidi controls": func(code string) string { return "\u202a" + code + "\u202c" },
		"look-alikes":   strings.NewReplacer("0", "o", "1", "l").Replace,
		"others":        strings.NewReplacer("0", "O", "1", "i").Replace,
		"full width":    func(code string) string { return strings.Map(func(r rune) rune { return r - '!' + '！' }, code) },
	}
	for name, spell := range spellings {
		typed, _, _ := h.issued(f)
		for _, bad := range []string{"", "-", typed.Code[:8], typed.Code + "0", strings.Repeat("0", 200), "UUUU-UUUU", "K7QM\x004T9X", typed.Code + "\xff"} {
			h.want(f.use(h, h.anyone(), auth.TypedCode{Email: ada, Code: bad}), auth.CodeInvalidOOBCode)
		}
		if err := f.use(h, h.anyone(), auth.TypedCode{Email: " Ada@Example.com ", Code: spell(typed.Code)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.alter(h.byEmail(ada).ID, func(u *auth.User) { u.EmailVerified = false })
	}
	h.want(f.use(h, h.anyone(), auth.TypedCode{Email: "ada", Code: "K7QM-4T9X"}), auth.CodeInvalidEmail)
}

// An address without a code, or without an account, is answered as one that has both, however often it is asked (P28), and tries from everywhere add up (P29).
func TestTypedCodesTellNothing(t *testing.T) {
	for _, f := range typedFlows {
		t.Run(f.name, func(t *testing.T) {
			h := prepared(t, f, with("signInAccountBurst", "3", "signInAccountInterval", "24h", "emailEnumerationProtection", "true"))
			typed, _, _ := h.issued(f)
			for i := range 20 {
				c := h.from("198.51.100." + string(rune('0'+i/4)))
				h.paused.Store(0)
				known := auth.CodeOf(f.use(h, c, wrong(typed)))
				waited := h.paused.Load()
				unknown := auth.CodeOf(f.use(h, c, auth.TypedCode{Email: "nobody@example.com", Code: typed.Code}))
				if known != unknown || known == "" || waited == 0 {
					t.Fatalf("try %d: %q with a code, %q without; waited %d", i, known, unknown, waited)
				}
				if want := map[bool]auth.Code{true: auth.CodeTooManyAttempts, false: auth.CodeInvalidOOBCode}[i%4 == 3]; known != want {
					t.Fatalf("try %d: %q, want %q", i, known, want)
				}
			}
			h.want(f.use(h, h.from("198.51.100.99"), typed), auth.CodeTooManyAttempts) // all sources together
		})
	}
}

// A right code takes no try and no budget, whatever comes of it.
func TestRightTypedCodesAreNotCounted(t *testing.T) {
	h := newHarness(t, with("signInAccountBurst", "1", "signInAccountInterval", "24h", "guessSourceBurst", "1", "guessSourceInterval", "24h"))
	h.importUser(ada)
	f := typedFlows[2]
	typed, _, _ := h.issued(f)
	for range 6 {
		h.want(h.ResetPasswordTyped(h.ctx, h.anyone(), typed, "password"), auth.CodeWeakPassword)
	}
	h.want(h.ResetPasswordTyped(h.ctx, h.anyone(), typed, ""), auth.CodeMissingPassword)
	h.must(f.use(h, h.anyone(), typed))
	h.set("passwordProvider", "false")
	for _, f := range typedFlows[1:3] {
		h.want(f.use(h, h.anyone(), typed), auth.CodePasswordProviderOff)
	}
}

// A code opens after the master key was replaced, and is not in the database in clear.
func TestTypedCodesAtRest(t *testing.T) {
	f := typedFlows[2]
	h := prepared(t, f)
	typed, link, _ := h.issued(f)
	_, _, err := h.admin.RotateMasterKey(h.ctx, h.operator(), func(int) {})
	h.must(err)
	_, err = h.admin.PruneMasterKeys(h.ctx, h.operator())
	h.must(err)
	code, err := h.store.GetOOBCode(h.ctx, h.id, token.Hash(link))
	h.must(err)
	if plain := strings.ReplaceAll(typed.Code, "-", ""); len(code.ShortSealed) == 0 || strings.Contains(string(code.ShortSealed)+code.ShortID, plain) {
		t.Errorf("the code is stored as %q, %q", code.ShortID, code.ShortSealed)
	}
	h.must(f.use(h, h.anyone(), typed))
}

// Two accounts may wish for one address; the mail that came last has the code that counts, and both links work.
func TestTypedCodesOfTwoWishes(t *testing.T) {
	f := typedFlows[3]
	h := prepared(t, f)
	first, link, _ := h.issued(f)
	other := h.verified(grace)
	h.askers[ada] = other.IDToken
	second, _, _ := h.issued(f)
	h.want(f.use(h, h.anyone(), first), auth.CodeInvalidOOBCode)
	h.must(f.use(h, h.anyone(), second))
	if got := h.byEmail("new-" + ada).ID; got != other.User.ID {
		t.Errorf("%s has the address", got)
	}
	h.want(f.link(h, link, ""), auth.CodeEmailInUse)
}

// A mail that leads to a page of the project's own has a code all the same, unless the hosted pages are off; ways back have none.
func TestMailsWithoutShortCodes(t *testing.T) {
	own := []string{"verifyEmailURL", "https://app.example.com/v", "resetPasswordURL", "https://app.example.com/r", "inviteURL", "https://app.example.com/i"}
	for hosted, want := range map[string]bool{"true": true, "false": false} {
		h := newHarness(t, documented, with(own...), with("hostedPages", hosted))
		up := h.signUp(ada)
		h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
		_, err := h.Invite(h.ctx, h.asAdmin(), auth.InviteParams{Email: invitee})
		h.must(err)
		for _, m := range append(h.newMails(ada), h.newMails(invitee)...) {
			msg, err := h.OpenMail(m)
			h.must(err)
			if shownCode.MatchString(msg.Text) != want || strings.Contains(msg.Text, "https://auth.example.com") != want {
				t.Errorf("hosted pages %s, %s:\n%s", hosted, m.Kind, msg.Text)
			}
		}
		h.must(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, h.secret(otherPW)))
		if msg := h.message(auth.MailPasswordChanged, ada); shownCode.MatchString(msg.Text) {
			t.Errorf("a way back with a code:\n%s", msg.Text)
		}
	}
}

// The refusal of a typed code says what it was compared with, and never the code.
func TestTypedCodesAreExplained(t *testing.T) {
	f := typedFlows[0]
	h := prepared(t, f)
	typed, _, u := h.issued(f)
	h.want(f.use(h, h.anyone(), wrong(typed)), auth.CodeInvalidOOBCode)
	h.want(f.use(h, h.anyone(), auth.TypedCode{Email: grace, Code: typed.Code}), auth.CodeInvalidOOBCode)
	var told []string
	for _, r := range h.audits(f.event) {
		told = append(told, string(r.User))
	}
	slices.Sort(told) // of one instant, they come in any order
	if !slices.Equal(told, []string{"", string(u)}) {
		t.Errorf("the refusals are about %q, want none and %q", told, u)
	}
}
