package auth_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// newConsole is a harness whose project is the console's.
func newConsole(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	h.must(h.admin.EnsureConsole(h.ctx, h.operator()))
	h.id = auth.ConsoleProject
	quick := fast()
	delete(quick, "signUpByMail")
	_, err := h.admin.UpdateProject(h.ctx, h.onConsole(h.operator()), auth.ProjectChange{Set: quick})
	h.must(err)
	return h
}

// onConsole gives a caller about the console's project.
func (h *harness) onConsole(c auth.Caller) auth.Caller {
	c.Project = h.anyoneOf(auth.ConsoleProject).Project
	return c
}

// setupCode asks for a set-up link and gives its code.
func (h *harness) setupCode() string {
	h.t.Helper()
	link, err := h.admin.SetupLink(h.ctx, h.operator())
	h.must(err)
	rest, ok := strings.CutPrefix(link, "https://auth.example.com/console/setup?code=")
	code, err := url.QueryUnescape(rest)
	if !ok || err != nil || len(code) < 40 {
		h.t.Fatalf("set-up link %s", link)
	}
	return h.secret(code)
}

func (h *harness) setUp(code, email, pw string) (auth.Tokens, error) {
	h.secret(pw)
	tokens, err := h.Setup(h.ctx, auth.Caller{Addr: clientAddr, RequestID: "request-1"}, auth.SetupParams{Code: code, Email: email, DisplayName: "Ada", Password: pw})
	h.note(err)
	h.secret(tokens.PendingCredential)
	return tokens, err
}

// newOperator sets an operator up, who then has an authenticator app, and gives the signed-in caller.
func (h *harness) newOperator(email string) (auth.Caller, app) {
	h.t.Helper()
	tokens, err := h.setUp(h.setupCode(), email, goodPW)
	h.must(err)
	return h.enrollOperator(tokens)
}

func (h *harness) enrollOperator(tokens auth.Tokens) (auth.Caller, app) {
	h.t.Helper()
	if tokens.PendingCredential == "" || !tokens.EnrollmentRequired || tokens.IDToken != "" {
		h.t.Fatalf("a sign-in without a second factor gave %+v", tokens)
	}
	e, err := h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: tokens.PendingCredential})
	h.must(err)
	a := h.newApp(e)
	done, err := h.FinishEnrollment(h.ctx, h.anyone(), auth.EnrollmentProof{ID: e.ID, Code: a.code(), PendingCredential: tokens.PendingCredential})
	h.must(err)
	h.noteCodes(done.RecoveryCodes)
	h.secret(done.Tokens.RefreshToken)
	return h.as(h.secret(done.Tokens.IDToken)), a
}

func (h *harness) console(signedIn auth.Caller) (auth.Caller, error) {
	c, err := h.AuthenticateConsole(h.ctx, auth.Caller{Addr: clientAddr, RequestID: "request-1"}, signedIn)
	h.note(err)
	return c, err
}

// The console's project is none that anybody but operators gets to see, and nothing is done with it that would make somebody an operator or lock all of them out.
func TestConsoleProjectIsHidden(t *testing.T) {
	h := newConsole(t)
	h.must(h.admin.EnsureConsole(h.ctx, h.operator()))
	if _, err := h.Project(h.ctx, auth.ConsoleProject); auth.CodeOf(err) != auth.CodeProjectNotFound {
		t.Errorf("found as any project: %v", err)
	}
	h.want(auth.NewCertificates(h.Service).HasProject(h.ctx, auth.ConsoleProject), auth.CodeProjectNotFound)
	h.want(auth.NewCertificates(h.Service).TakeOrder(h.ctx, auth.ConsoleProject), auth.CodeProjectNotFound)
	if _, _, _, err := h.MailSettings(h.ctx, auth.ConsoleProject); err != nil {
		t.Errorf("its mails: %v", err)
	}
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "zoo"})
	h.must(err)
	for limit, want := range map[int][]auth.ProjectID{1: {"acme"}, 2: {"acme", "zoo"}, 9: {"acme", "zoo"}} {
		projects, err := h.admin.ListProjects(h.ctx, h.operator(), "", limit)
		h.must(err)
		var got []auth.ProjectID
		for _, p := range projects {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("list of %d: %v, want %v", limit, got, want)
		}
	}
	probes, err := h.admin.SignProbes(h.ctx, h.operator())
	h.must(err)
	if len(probes) != 2 {
		t.Errorf("%d probes, want those of the two projects that publish keys", len(probes))
	}

	operator := h.onConsole(h.operator())
	user := h.importConsoleUser(grace)
	for name, call := range map[string]func(auth.Caller) error{
		"delete project": func(c auth.Caller) error { return h.admin.DeleteProject(h.ctx, c) },
		"admin token":    func(c auth.Caller) error { return second(h.admin.RotateAdminToken(h.ctx, c)) },
		"export": func(c auth.Caller) error {
			return h.admin.ExportProject(h.ctx, c, func(auth.Capsule) error { t.Error("something left"); return nil }, nil)
		},
		"import": func(c auth.Caller) error {
			return second(h.admin.ImportProject(h.ctx, c, auth.Capsule{Project: auth.ConsoleProject}, nil))
		},
		"create project": func(c auth.Caller) error {
			_, _, err := h.admin.CreateProject(h.ctx, c, auth.NewProject{ID: "console"})
			return err
		},
		"create user": func(c auth.Caller) error {
			return second(h.admin.CreateUser(h.ctx, c, auth.CreateUserParams{Email: ada, Password: goodPW}))
		},
		"import users": func(c auth.Caller) error { return second(h.admin.ImportUsers(h.ctx, c, nil, false)) },
		"export users": func(c auth.Caller) error { return second(h.admin.ExportUsers(h.ctx, c, "", 9)) },
		"invite":       func(c auth.Caller) error { return second(h.Invite(h.ctx, c, auth.InviteParams{Email: ada})) },
		"update user": func(c auth.Caller) error {
			return second(h.UpdateUser(h.ctx, c, user.ID, auth.UserPatch{Disabled: ptr(true)}))
		},
		"delete user": func(c auth.Caller) error { return h.DeleteUser(h.ctx, c, user.ID) },
		"provider": func(c auth.Caller) error {
			return second(h.admin.PutProvider(h.ctx, c, "google.com", auth.ProviderChange{}))
		},
		"preset": func(c auth.Caller) error {
			return second(h.admin.UpdateProject(h.ctx, c, auth.ProjectChange{Preset: auth.PresetDocumented}))
		},
		"sign-up": func(c auth.Caller) error {
			return second(h.admin.UpdateProject(h.ctx, c, auth.ProjectChange{Set: map[string]string{"selfSignUp": "true"}}))
		},
		"second factor": func(c auth.Caller) error {
			return second(h.admin.UpdateProject(h.ctx, c, auth.ProjectChange{Reset: []string{"secondFactor"}}))
		},
	} {
		if err := call(operator); auth.CodeOf(err) != auth.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if u := h.user(user.ID); u.Disabled {
		t.Error("the operator was disabled by way of the users of any project")
	}
	if _, err := h.admin.SearchUsers(h.ctx, h.anyone().AsActor(auth.ActorAdmin), auth.UserSearch{Limit: 1}); auth.CodeOf(err) != auth.CodeAdminRequired {
		t.Errorf("an admin of the project: %v", err)
	}
	if _, err := h.AuthenticateAdmin(h.ctx, h.anyone(), "any token"); auth.CodeOf(err) != auth.CodeAdminRequired {
		t.Errorf("an admin token: %v", err)
	}
	if _, err := h.trySignUp(ada, goodPW); auth.CodeOf(err) != auth.CodeSignUpOff {
		t.Errorf("sign-up: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// importConsoleUser puts an operator there, behind the domain's back.
func (h *harness) importConsoleUser(email auth.Email) auth.User {
	h.t.Helper()
	u := auth.User{Project: auth.ConsoleProject, ID: auth.UserID("planted" + strings.Repeat("x", 21)), Email: email, EmailVerified: true, CreatedAt: h.clock.Now(), UpdatedAt: h.clock.Now()}
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.CreateUser(h.ctx, u) }))
	return u
}

// What would open the console holds whatever its row says.
func TestConsoleSettingsAreFixed(t *testing.T) {
	h := newConsole(t)
	p := *h.anyone().Project
	p.Overrides = map[string]string{"selfSignUp": "true", "secondFactor": "off", "refreshTokenIdleTTL": "2h"}
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return tx.UpdateProject(h.ctx, p) }))
	set := h.anyone().Project.Settings
	if set.SelfSignUp || set.SecondFactor != auth.SecondFactorRequired || !set.InvitePermission.AtLeastAdmin() || !set.EnumerationSafe {
		t.Errorf("settings %+v", set)
	}
	if set.RefreshTokenIdleTTL != 2*time.Hour {
		t.Errorf("idle time %v, want the one that was set", set.RefreshTokenIdleTTL)
	}
	_, err := h.admin.UpdateProject(h.ctx, h.onConsole(h.operator()), auth.ProjectChange{Preset: auth.PresetHardened, Set: map[string]string{"selfSignUp": "false", "mailFrom": "ops@example.com"}})
	h.want(err, "")
}

func TestEnsureConsoleAtOnce(t *testing.T) {
	h := newHarness(t)
	h.store.once.Store(true)
	each(4, func(int) {
		if err := h.admin.EnsureConsole(h.ctx, h.operator()); err != nil {
			t.Errorf("ensure: %v", err)
		}
	})
	h.id = auth.ConsoleProject
	if n := len(h.audits(auth.EventProjectCreated)); n != 1 {
		t.Errorf("it was created %d times", n)
	}
}

func TestSetup(t *testing.T) {
	h := newConsole(t)
	first, err := h.admin.FirstSetupLink(h.ctx, h.operator())
	h.must(err)
	h.secret(first[strings.Index(first, "=")+1:])
	voided := h.setupCode()
	code := h.setupCode()
	caller := auth.Caller{Addr: clientAddr, RequestID: "request-1"}

	for name, refused := range map[string]struct {
		code, email, pw string
		want            auth.Code
	}{
		"no code":        {"", ada, goodPW, auth.CodeMissingOOBCode},
		"wrong code":     {h.secret("a code that nobody made"), ada, goodPW, auth.CodeInvalidOOBCode},
		"voided code":    {voided, ada, goodPW, auth.CodeInvalidOOBCode},
		"bad address":    {code, "nobody", goodPW, auth.CodeInvalidEmail},
		"weak password":  {code, ada, "qwertyuiop", auth.CodeWeakPassword},
		"empty password": {code, ada, "", auth.CodeMissingPassword},
	} {
		if _, err := h.setUp(refused.code, refused.email, refused.pw); auth.CodeOf(err) != refused.want {
			t.Errorf("%s: %v, want %s", name, err, refused.want)
		}
	}
	h.wantDenied(auth.EventOperatorSetUp, 2)
	h.want(h.CheckSetup(h.ctx, caller, voided), auth.CodeInvalidOOBCode)
	h.want(h.CheckSetup(h.ctx, caller, code), "")
	h.want(h.CheckSetup(h.ctx, caller, code), "") // it opens nothing

	tokens, err := h.setUp(code, "Ada@Example.com", goodPW)
	h.must(err)
	if u := h.user(tokens.User.ID); u.Email != ada || !u.EmailVerified || u.Name != "Ada" || u.Blocked() {
		t.Errorf("account %+v", u)
	}
	if _, err := h.setUp(code, grace, goodPW); auth.CodeOf(err) != auth.CodeInvalidOOBCode {
		t.Errorf("a used code: %v", err)
	}
	if link, err := h.admin.FirstSetupLink(h.ctx, h.operator()); err != nil || link != "" {
		t.Errorf("a first link while there is an operator: %q %v", link, err)
	}
	allowed := slices.DeleteFunc(h.audits(auth.EventOperatorSetUp), func(r auth.AuditRecord) bool { return r.Outcome != auth.OutcomeAllowed })
	if len(allowed) != 1 || allowed[0].User != tokens.User.ID || allowed[0].Project != auth.ConsoleProject {
		t.Errorf("records %+v", allowed)
	}
	late := h.setupCode()
	h.clock.Advance(auth.SetupTTL)
	if _, err := h.setUp(late, grace, goodPW); auth.CodeOf(err) != auth.CodeExpiredOOBCode {
		t.Errorf("an expired code: %v", err)
	}
	operator, err := h.admin.CreateOperatorToken(h.ctx, h.operator(), "ci")
	h.must(err)
	byToken, err := h.AuthenticateOperator(h.ctx, caller, h.secret(operator))
	h.must(err)
	_, err = h.admin.SetupLink(h.ctx, byToken)
	h.want(err, auth.CodePermissionDenied)
	_, err = h.admin.FirstSetupLink(h.ctx, h.anyone())
	h.want(err, auth.CodePermissionDenied)
	h.checkSecrets()
}

func TestSetupOnce(t *testing.T) {
	h := newConsole(t)
	h.store.once.Store(true)
	code := h.setupCode()
	won := make([]bool, 4)
	each(len(won), func(i int) {
		_, err := h.setUp(code, string(rune('a'+i))+"@example.com", goodPW)
		won[i] = err == nil
	})
	operators, err := h.admin.Operators(h.ctx, h.operator())
	h.must(err)
	if n := len(operators); n != 1 || len(slices.DeleteFunc(won, func(w bool) bool { return !w })) != 1 {
		t.Errorf("one code made %d operators", n)
	}
}

// A locked-out operator comes back by a set-up link, and what was there of the account is gone.
func TestSetupRescues(t *testing.T) {
	h := newConsole(t)
	signedIn, _ := h.newOperator(ada)
	user, _ := signedIn.User()
	h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
	reset := h.code(auth.MailResetPassword, ada)
	_, err := h.admin.DisableOperator(h.ctx, h.operator(), ada) // the last one: only who holds the data directory can
	h.must(err)

	tokens, err := h.setUp(h.setupCode(), ada, otherPW)
	h.must(err)
	if tokens.User.ID != user.ID {
		t.Errorf("another account: %s and not %s", tokens.User.ID, user.ID)
	}
	if living, err := h.store.ListSessions(h.ctx, h.id, user.ID, "", 9); err != nil || len(living) != 0 {
		t.Errorf("%d sessions live on, %v", len(living), err)
	}
	h.want(h.ResetPassword(h.ctx, h.anyone(), reset, goodPW), auth.CodeInvalidOOBCode)
	if _, err := h.signIn(ada, goodPW); auth.CodeOf(err) != auth.CodeInvalidCredentials {
		t.Errorf("the old password: %v", err)
	}
	again, _ := h.enrollOperator(tokens)
	_, err = h.console(again)
	h.want(err, "")
}

// Who signed in to the console with a second factor is an operator in the audit log, and no user.
func TestAuthenticateConsole(t *testing.T) {
	h := newConsole(t)
	signedIn, app := h.newOperator(ada)
	user, _ := signedIn.User()
	c, err := h.console(signedIn)
	h.must(err)
	if c.Actor() != auth.ActorOperator || c.OperatorName() != ada || !c.IsAdmin() {
		t.Errorf("caller %+v", c)
	}
	if _, is := c.User(); is {
		t.Error("the operator is a user, too")
	}
	h.want(h.DeleteAccount(h.ctx, c), auth.CodeUnauthenticated)
	_, err = h.admin.SetupLink(h.ctx, c)
	h.want(err, auth.CodePermissionDenied)
	_, _, err = h.admin.CreateProject(h.ctx, c, auth.NewProject{ID: "shop"})
	h.must(err)
	records, err := h.store.ListAudit(h.ctx, "shop", auth.AuditFilter{Event: auth.EventProjectCreated, Limit: 9})
	h.must(err)
	if len(records) != 1 || records[0].Actor != auth.ActorOperator || records[0].ActorID != string(user.ID) {
		t.Errorf("records %+v", records)
	}

	t.Run("by passkey", func(t *testing.T) {
		key, _ := h.enrollKey(h.as(h.signInOperator(app)))
		start, err := h.BeginPasskeySignIn(h.ctx, h.anyone())
		h.must(err)
		tokens, err := h.SignInWithPasskey(h.ctx, h.anyone(), start.SessionID, key.Get(start.Options))
		h.must(err)
		_, err = h.console(h.as(h.secret(tokens.IDToken)))
		h.want(err, "")
	})

	stored, err := h.store.GetUser(h.ctx, auth.ConsoleProject, user.ID)
	h.must(err)
	live := auth.Session{Project: auth.ConsoleProject, ID: "s", User: user.ID, CreatedAt: h.clock.Now(), LastUsedAt: h.clock.Now(), SecondFactor: auth.FactorTOTP}
	for name, shown := range map[string]func() auth.Caller{
		"nobody":      func() auth.Caller { return h.anyone() },
		"an operator": func() auth.Caller { return c },
		"a user of another project": func() auth.Caller {
			u, s := stored, live
			u.Project, s.Project = "acme", "acme"
			return h.anyoneOf("acme").AsUser(u, s)
		},
		"a session of another project": func() auth.Caller { s := live; s.Project = "acme"; return h.anyone().AsUser(stored, s) },
		"a call about another project": func() auth.Caller { return h.anyoneOf("acme").AsUser(stored, live) },
		"without a second factor":      func() auth.Caller { s := live; s.SecondFactor = ""; return h.anyone().AsUser(stored, s) },
		"disabled":                     func() auth.Caller { u := stored; u.Disabled = true; return h.anyone().AsUser(u, live) },
		"idle": func() auth.Caller {
			s := live
			s.LastUsedAt = h.clock.Now().Add(-2 * time.Hour)
			return h.anyone().AsUser(stored, s)
		},
		"another's session": func() auth.Caller { s := live; s.User = "else"; return h.anyone().AsUser(stored, s) },
	} {
		got, err := h.console(shown())
		if code := auth.CodeOf(err); code != auth.CodeAdminRequired && code != auth.CodeUnauthenticated || got.Actor() != auth.ActorAnonymous {
			t.Errorf("%s: %v, as %s", name, err, got.Actor())
		}
	}
	if got, err := h.console(h.anyone().AsUser(stored, live)); err != nil || got.Actor() != auth.ActorOperator {
		t.Errorf("the control: %v", err)
	}
	h.checkSecrets()
}

func (h *harness) signInOperator(a app) string {
	h.t.Helper()
	tokens, err := h.complete(h.pending(ada, goodPW), auth.SecondFactorProof{Code: a.code()})
	h.must(err)
	return tokens.IDToken
}

func TestOperatorsByInvite(t *testing.T) {
	h := newConsole(t)
	signedIn, _ := h.newOperator(ada)
	c, err := h.console(signedIn)
	h.must(err)
	invited, link, err := h.admin.InviteOperator(h.ctx, c, "Grace@Example.org")
	h.must(err)
	if mailed := linkOf(t, h.message(auth.MailInvite, grace)).String(); mailed != link {
		t.Errorf("mailed %s, told %s", mailed, link)
	}
	again, link2, err := h.admin.InviteOperator(h.ctx, c, grace)
	h.must(err)
	if again.ID != invited.ID || link2 == link {
		t.Errorf("a second invite: %s of %s", link2, again.ID)
	}
	if mailed := linkOf(t, h.message(auth.MailInvite, grace)).String(); mailed != link2 || !strings.HasPrefix(link2, "https://auth.example.com/console/accept-invite?") {
		t.Errorf("mailed %s, told %s", mailed, link2)
	}
	parsed, err := url.Parse(link2)
	h.must(err)
	h.must(h.AcceptInvite(h.ctx, h.anyone(), auth.AcceptInviteParams{Code: h.secret(parsed.Query().Get("oobCode")), User: invited.ID, NewPassword: h.secret(otherPW)}))
	tokens, err := h.signIn(grace, otherPW)
	h.must(err)
	second, _ := h.enrollOperator(tokens)
	_, err = h.console(second)
	h.want(err, "")

	_, _, err = h.admin.InviteOperator(h.ctx, c, grace)
	h.want(err, auth.CodeEmailInUse)
	_, _, err = h.admin.InviteOperator(h.ctx, c, "no address")
	h.want(err, auth.CodeMissingEmail)
	operators, err := h.admin.Operators(h.ctx, c)
	h.must(err)
	if len(operators) != 2 || operators[0].Email != ada || operators[1].Email != grace || operators[0].SecondFactors != 1 {
		t.Errorf("operators %+v", operators)
	}
	h.checkSecrets()
}

// Operators can be shut out at once, but never all of them, unless by who holds the data directory.
func TestOperatorsAreNeverAllGone(t *testing.T) {
	h := newConsole(t)
	first, _ := h.newOperator(ada)
	c, err := h.console(first)
	h.must(err)
	_, _, err = h.admin.InviteOperator(h.ctx, c, "pending@example.com")
	h.must(err)
	_, err = h.admin.DisableOperator(h.ctx, c, ada)
	h.want(err, auth.CodeConflict)
	h.want(h.admin.DeleteOperator(h.ctx, c, ada), auth.CodeConflict)
	h.want(h.DeleteAccount(h.ctx, first), auth.CodeConflict)

	next, _ := h.newOperator(grace)
	other := userOf(next)
	disabled, err := h.admin.DisableOperator(h.ctx, c, string(other.ID))
	h.must(err)
	if !disabled.Disabled || disabled.SecondFactors != 1 {
		t.Errorf("disabled %+v", disabled)
	}
	if got := h.audits(auth.EventUserDisabled); len(got) != 1 || got[0].ActorID != string(userOf(first).ID) || got[0].User != other.ID {
		t.Errorf("records %+v", got)
	}
	sessions, err := h.store.ListSessions(h.ctx, auth.ConsoleProject, other.ID, "", 9)
	h.must(err)
	if len(sessions) != 0 {
		t.Error("sessions outlive the disabling")
	}
	h.want(h.DeleteAccount(h.ctx, first), auth.CodeConflict) // the other one cannot sign in
	h.must(h.admin.DeleteOperator(h.ctx, c, "pending@example.com"))
	_, err = h.admin.EnableOperator(h.ctx, c, grace)
	h.must(err)
	n, err := h.admin.ResetOperatorFactors(h.ctx, c, grace)
	if err != nil || n != 1 {
		t.Errorf("factors reset: %d %v", n, err)
	}
	h.must(h.admin.DeleteOperator(h.ctx, c, ada))
	h.must(h.admin.DeleteOperator(h.ctx, h.operator(), grace))

	for name, call := range map[string]func(who string) error{
		"disable": func(who string) error { return second(h.admin.DisableOperator(h.ctx, h.operator(), who)) },
		"enable":  func(who string) error { return second(h.admin.EnableOperator(h.ctx, h.operator(), who)) },
		"delete":  func(who string) error { return h.admin.DeleteOperator(h.ctx, h.operator(), who) },
		"factors": func(who string) error { return second(h.admin.ResetOperatorFactors(h.ctx, h.operator(), who)) },
	} {
		for _, who := range []string{"nobody@example.com", "nobody", ""} {
			if err := call(who); auth.CodeOf(err) != auth.CodeNotFound {
				t.Errorf("%s of %q: %v", name, who, err)
			}
		}
	}
}

// Two operators who shut each other out at the same moment: one stays.
func TestOperatorsDisableEachOther(t *testing.T) {
	h := newConsole(t)
	h.newOperator(ada)
	h.newOperator(grace)
	h.store.once.Store(true)
	token, err := h.admin.CreateOperatorToken(h.ctx, h.operator(), "ci")
	h.must(err)
	c, err := h.AuthenticateOperator(h.ctx, auth.Caller{Addr: clientAddr}, h.secret(token))
	h.must(err)
	each(2, func(i int) { _, err := h.admin.DisableOperator(h.ctx, c, []string{ada, grace}[i]); h.note(err) })
	operators, err := h.admin.Operators(h.ctx, c)
	h.must(err)
	if operators[0].Disabled == operators[1].Disabled {
		t.Errorf("disabled: %v and %v", operators[0].Disabled, operators[1].Disabled)
	}
}

func userOf(c auth.Caller) auth.User { u, _ := c.User(); return u }
