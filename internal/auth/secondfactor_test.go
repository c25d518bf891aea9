package auth_test

import (
	"encoding/base32"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/totp"
)

// app is an authenticator app that was shown a secret.
type app struct {
	h      *harness
	id     auth.SecondFactorID
	secret []byte
}

// code is what the app shows now; each reading is of a later step, as if a user waited for it.
func (a app) code() string {
	a.h.clock.Advance(30 * time.Second)
	return a.now()
}

func (a app) now() string { return totp.Code(a.secret, totp.Step(a.h.clock.Now())) }

func (h *harness) newApp(e auth.Enrollment) app {
	h.t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(h.secret(e.TOTPSecret))
	h.must(err)
	return app{h, e.ID, secret}
}

// enrollApp adds an app to the caller's factors.
func (h *harness) enrollApp(c auth.Caller) (app, auth.Enrolled) {
	h.t.Helper()
	e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorTOTP, Name: "phone"})
	h.must(err)
	a := h.newApp(e)
	done, err := h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: e.ID, Code: a.code()})
	h.must(err)
	h.noteCodes(done.RecoveryCodes)
	return a, done
}

func (h *harness) noteCodes(codes []string) {
	for _, code := range codes {
		h.secret(code)
	}
}

// withApp signs up, proves the address, and adds an app.
func (h *harness) withApp(email string) (auth.Tokens, app, []string) {
	h.t.Helper()
	tokens := h.verified(email)
	a, done := h.enrollApp(h.as(tokens.IDToken))
	return tokens, a, done.RecoveryCodes
}

// pending signs in up to the second factor.
func (h *harness) pending(email, pw string) string {
	h.t.Helper()
	tokens, err := h.signIn(email, pw)
	h.must(err)
	if tokens.IDToken != "" || tokens.RefreshToken != "" || tokens.PendingCredential == "" {
		h.t.Fatalf("got tokens without a second factor: %+v", tokens)
	}
	return h.secret(tokens.PendingCredential)
}

func (h *harness) complete(pending string, proof auth.SecondFactorProof) (auth.Tokens, error) {
	tokens, err := h.CompleteSignIn(h.ctx, h.anyone(), pending, proof)
	h.note(err)
	h.secret(tokens.IDToken)
	h.secret(tokens.RefreshToken)
	return tokens, err
}

func code(c string) auth.SecondFactorProof { return auth.SecondFactorProof{Code: c} }

func (h *harness) factors(id auth.UserID) int {
	h.t.Helper()
	factors, err := h.store.ListSecondFactors(h.ctx, h.id, id)
	h.must(err)
	left, err := h.store.CountRecoveryCodes(h.ctx, h.id, id)
	h.must(err)
	if len(factors) == 0 && left > 0 {
		h.t.Errorf("%d recovery codes outlive the factors", left)
	}
	return len(factors)
}

func TestSecondFactorSignIn(t *testing.T) {
	h := newHarness(t, documented)
	up, a, codes := h.withApp(ada)
	if len(codes) != 10 || len(codes[0]) != 34 || codes[0] == codes[1] {
		t.Errorf("recovery codes %v", codes)
	}
	if msg := h.message(auth.MailSecondFactorChanged, ada); !strings.Contains(msg.Text, "/acme/take-back?oobCode=") || !strings.Contains(msg.Text, "second factor") {
		t.Errorf("the mail says %q", msg.Text)
	}
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	pending := h.secret(in.PendingCredential)
	if in.IDToken != "" || in.RefreshToken != "" || in.EnrollmentRequired || len(in.SecondFactors) != 1 || in.SecondFactors[0].Name != "phone" || in.SecondFactors[0].ID != a.id {
		t.Errorf("first step: %+v", in)
	}
	tokens, err := h.complete(pending, code(a.code()))
	h.must(err)
	got := claims(t, tokens.IDToken)
	firebase := got["firebase"].(map[string]any)
	if firebase["sign_in_second_factor"] != "totp" || firebase["second_factor_identifier"] != string(a.id) || firebase["sign_in_provider"] != "password" {
		t.Errorf("claims %v", firebase)
	}
	if amr, _ := got["amr"].([]any); len(amr) != 3 || amr[0] != "pwd" || amr[1] != "otp" || amr[2] != "mfa" {
		t.Errorf("amr %v", got["amr"])
	}
	h.wantAlive(tokens)
	h.wantAlive(up) // the session that enrolled it
	again, err := h.refresh(up.RefreshToken)
	h.must(err)
	if f := claims(t, again.IDToken)["firebase"].(map[string]any); f["sign_in_second_factor"] != "totp" {
		t.Errorf("the session that enrolled a factor has not proven it: %v", f)
	}
	_, err = h.complete(pending, code(a.code()))
	h.want(err, auth.CodeInvalidPendingCredential)
	asked, signedIn := h.audits(auth.EventSecondFactorAsked), h.audits(auth.EventSignIn)
	if len(asked) != 1 || len(signedIn) == 0 {
		t.Errorf("audit: %d asked, %+v", len(asked), signedIn)
	}
	enrolled := h.audits(auth.EventSecondFactorEnrolled)
	if len(enrolled) != 1 || enrolled[0].Detail["kind"] != "totp" {
		t.Errorf("audit %+v", enrolled)
	}
}

func TestNoSecondFactorNoChange(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	for _, tokens := range []auth.Tokens{up, in} {
		c := claims(t, tokens.IDToken)
		if _, has := c["amr"]; has || c["firebase"].(map[string]any)["sign_in_second_factor"] != nil {
			t.Errorf("claims %v", c)
		}
	}
}

func TestCodesWorkOnce(t *testing.T) {
	h := newHarness(t, documented)
	_, a, codes := h.withApp(ada)
	_, err := h.complete(h.pending(ada, goodPW), code(a.now())) // the one that confirmed it
	h.want(err, auth.CodeInvalidSecondFactorCode)
	shown := a.code()
	_, err = h.complete(h.pending(ada, goodPW), code(shown))
	h.must(err)
	for _, replay := range []auth.SecondFactorProof{code(shown), {Code: shown, Factor: a.id}, code(totp.Code(a.secret, totp.Step(h.clock.Now())-1))} {
		_, err = h.complete(h.pending(ada, goodPW), replay)
		h.want(err, auth.CodeInvalidSecondFactorCode)
	}
	recovery := auth.SecondFactorProof{RecoveryCode: " " + strings.ToUpper(strings.ReplaceAll(codes[3], "-", " "))}
	tokens, err := h.complete(h.pending(ada, goodPW), recovery)
	h.must(err)
	if f := claims(t, tokens.IDToken)["firebase"].(map[string]any); f["sign_in_second_factor"] != "recovery_code" || f["second_factor_identifier"] != nil {
		t.Errorf("claims %v", f)
	}
	_, err = h.complete(h.pending(ada, goodPW), recovery)
	h.want(err, auth.CodeInvalidSecondFactorCode)
	h.clock.Advance(time.Hour)
	tokens, err = h.complete(h.pending(ada, goodPW), auth.SecondFactorProof{RecoveryCode: codes[4]})
	h.must(err)
	fresh, err := h.RenewRecoveryCodes(h.ctx, h.as(tokens.IDToken))
	h.must(err)
	h.noteCodes(fresh)
	_, err = h.complete(h.pending(ada, goodPW), auth.SecondFactorProof{RecoveryCode: codes[5]})
	h.want(err, auth.CodeInvalidSecondFactorCode)
	_, err = h.complete(h.pending(ada, goodPW), auth.SecondFactorProof{RecoveryCode: fresh[5]})
	h.must(err)
	if _, left, err := h.SecondFactors(h.ctx, h.as(tokens.IDToken)); err != nil || left != 9 {
		t.Errorf("%d codes left, %v", left, err)
	}
}

// Of two who show one code at once, through one pending sign-in or through two, one gets in.
func TestRacedCodes(t *testing.T) {
	h := newHarness(t, documented, crowd)
	_, a, codes := h.withApp(ada)
	race := func(pendings []string, proof auth.SecondFactorProof) {
		t.Helper()
		h.store.once.Store(true)
		defer h.store.once.Store(false)
		var mu sync.Mutex
		won := 0
		each(len(pendings), func(i int) {
			tokens, err := h.complete(pendings[i], proof)
			mu.Lock()
			defer mu.Unlock()
			switch auth.CodeOf(err) {
			case "":
				won++
				if tokens.IDToken == "" {
					t.Error("a sign-in without tokens")
				}
			case auth.CodeInvalidPendingCredential, auth.CodeInvalidSecondFactorCode:
			default:
				t.Errorf("unexpected: %v", err)
			}
		})
		if won != 1 {
			t.Errorf("%d of %d got in", won, len(pendings))
		}
		h.clock.Advance(10 * time.Minute)
	}
	one := h.pending(ada, goodPW)
	race([]string{one, one, one, one}, code(a.code()))
	race([]string{h.pending(ada, goodPW), h.pending(ada, goodPW), h.pending(ada, goodPW)}, code(a.code()))
	race([]string{h.pending(ada, goodPW), h.pending(ada, goodPW), h.pending(ada, goodPW)}, auth.SecondFactorProof{RecoveryCode: codes[0]})
}

func TestPendingCredentialIsBound(t *testing.T) {
	change := map[string]func(h *harness, up auth.Tokens){
		"password change": func(h *harness, up auth.Tokens) {
			h.must(h.ChangePassword(h.ctx, h.as(up.IDToken), goodPW, h.secret(otherPW)))
		},
		"password reset": func(h *harness, up auth.Tokens) {
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
		},
		"email change": func(h *harness, up auth.Tokens) { h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), grace)) },
		"disabled":     func(h *harness, up auth.Tokens) { h.update(up.User.ID, auth.UserPatch{Disabled: of(true)}) },
		"by an admin": func(h *harness, up auth.Tokens) {
			h.update(up.User.ID, auth.UserPatch{Password: of(h.secret(otherPW))})
		},
		"disabled, on": func(h *harness, up auth.Tokens) {
			h.update(up.User.ID, auth.UserPatch{Disabled: of(true)})
			h.update(up.User.ID, auth.UserPatch{Disabled: of(false)})
		},
		"revoked": func(h *harness, up auth.Tokens) {
			_, err := h.admin.RevokeUserSessions(h.ctx, h.asAdmin(), up.User.ID)
			h.must(err)
		},
		"deleted": func(h *harness, up auth.Tokens) { h.must(h.DeleteAccount(h.ctx, h.as(up.IDToken))) },
		"reset factors": func(h *harness, up auth.Tokens) {
			_, err := h.admin.ResetSecondFactors(h.ctx, h.asAdmin(), up.User.ID)
			h.must(err)
		},
		"expired": func(h *harness, up auth.Tokens) { h.clock.Advance(5 * time.Minute) },
		"behind its back": func(h *harness, up auth.Tokens) {
			h.alter(up.User.ID, func(u *auth.User) { u.PasswordUpdatedAt = u.PasswordUpdatedAt.Add(time.Second) })
		},
	}
	for name, f := range change {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, documented)
			up, a, _ := h.withApp(ada)
			pending := h.pending(ada, goodPW)
			f(h, up)
			_, err := h.complete(pending, code(a.code()))
			h.want(err, auth.CodeInvalidPendingCredential)
			_, err = h.BeginSecondFactor(h.ctx, h.anyone(), pending, "")
			h.want(err, auth.CodeInvalidPendingCredential)
		})
	}
}

func (h *harness) update(id auth.UserID, patch auth.UserPatch) {
	h.t.Helper()
	_, err := h.Service.UpdateUser(h.ctx, h.asAdmin(), id, patch)
	h.must(err)
}

func TestPendingCredentialOfAnotherProject(t *testing.T) {
	h := newHarness(t, documented)
	_, a, _ := h.withApp(ada)
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Settings: fast()})
	h.must(err)
	pending := h.pending(ada, goodPW)
	_, err = h.CompleteSignIn(h.ctx, h.anyoneOf("other"), pending, code(a.code()))
	h.want(err, auth.CodeInvalidPendingCredential)
	for _, wrong := range []string{"", "x", pending + "x"} {
		_, err = h.complete(wrong, code(a.now()))
		h.want(err, auth.CodeInvalidPendingCredential)
	}
	_, err = h.complete(pending, code(a.now()))
	h.must(err)
}

func TestProofsAreOne(t *testing.T) {
	h := newHarness(t, documented)
	_, a, codes := h.withApp(ada)
	pending := h.pending(ada, goodPW)
	for _, proof := range []auth.SecondFactorProof{{}, {Factor: a.id}, {Code: a.now(), RecoveryCode: codes[0]}, {Code: a.now(), Credential: []byte("{}")}} {
		_, err := h.complete(pending, proof)
		h.want(err, auth.CodeInvalidArgument)
	}
	_, err := h.complete(pending, auth.SecondFactorProof{Factor: "nosuch", Code: a.code()})
	h.want(err, auth.CodeSecondFactorNotFound)
	_, err = h.complete(pending, code(a.now()))
	h.must(err)
}

// A pending sign-in dies after five wrong codes; the account's budget holds over many of them, from everywhere; and its owner gets in where it
// was in before, and elsewhere once the budget has refilled (P29).
func TestGuessingCodes(t *testing.T) {
	h := newHarness(t, documented)
	_, a, _ := h.withApp(ada)
	pending := h.pending(ada, goodPW)
	for range 5 {
		_, err := h.complete(pending, code("000000"))
		h.want(err, auth.CodeInvalidSecondFactorCode)
	}
	_, err := h.complete(pending, code(a.code()))
	h.want(err, auth.CodeInvalidPendingCredential)
	guesses := 5
	for n := 0; n < 10; n++ {
		pending = h.pending(ada, goodPW)
		_, err = h.CompleteSignIn(h.ctx, h.from("198.51.100."+string(rune('1'+n%8))), pending, auth.SecondFactorProof{RecoveryCode: "aaaa-aaaa-aaaa-aaaa"})
		h.note(err)
		if auth.CodeOf(err) == auth.CodeTooManyAttempts {
			break
		}
		h.want(err, auth.CodeInvalidSecondFactorCode)
		guesses++
	}
	if guesses < 14 || guesses > 16 { // five at home, ten from everywhere else
		t.Errorf("%d guesses before the limit", guesses)
	}
	pending = h.pending(ada, goodPW)
	_, err = h.CompleteSignIn(h.ctx, h.from("203.0.113.9"), pending, code(a.now()))
	h.want(err, auth.CodeTooManyAttempts)
	if _, err := h.complete(h.pending(ada, goodPW), code(a.now())); err != nil {
		t.Errorf("the owner is shut out at home: %v", err)
	}
	var e *auth.Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		t.Errorf("no time to wait: %v", err)
	}
	h.clock.Advance(31 * time.Second)
	for range 3 { // success gives the try back
		_, err = h.complete(h.pending(ada, goodPW), code(a.now()))
		h.must(err)
		h.clock.Advance(30 * time.Second)
	}
}

// What was right is given back: only failures add up.
func TestRightProofsCostNothing(t *testing.T) {
	h := newHarness(t, documented)
	_, _, codes := h.withApp(ada)
	for _, tries := range []int{4, 4} {
		pending := h.pending(ada, goodPW)
		for range tries {
			_, err := h.complete(pending, code("000000"))
			h.want(err, auth.CodeInvalidSecondFactorCode)
		}
	}
	for i := range 5 { // two tries are left of the budget
		_, err := h.complete(h.pending(ada, goodPW), auth.SecondFactorProof{RecoveryCode: codes[i]})
		h.must(err)
	}
}

func TestRequiredSecondFactor(t *testing.T) {
	h := newHarness(t, documented, with("secondFactor", "required"))
	up, err := h.trySignUp(ada, goodPW)
	h.must(err)
	if up.IDToken != "" || up.RefreshToken != "" || !up.EnrollmentRequired || up.PendingCredential == "" || len(up.SecondFactors) != 0 || up.User.ID == "" {
		t.Fatalf("sign-up gives %+v", up)
	}
	pending := h.secret(up.PendingCredential)
	_, err = h.complete(pending, code("000000"))
	h.want(err, auth.CodeInvalidSecondFactorCode)
	e, err := h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: pending})
	h.must(err)
	a := h.newApp(e)
	_, err = h.FinishEnrollment(h.ctx, h.anyone(), auth.EnrollmentProof{ID: e.ID, Code: "000000", PendingCredential: pending})
	h.want(err, auth.CodeInvalidSecondFactorCode)
	done, err := h.FinishEnrollment(h.ctx, h.anyone(), auth.EnrollmentProof{ID: e.ID, Code: a.code(), PendingCredential: pending})
	h.must(err)
	h.noteCodes(done.RecoveryCodes)
	if done.Tokens == nil || len(done.RecoveryCodes) != 10 {
		t.Fatalf("enrollment gives %+v", done)
	}
	h.secret(done.Tokens.IDToken)
	h.secret(done.Tokens.RefreshToken)
	h.wantAlive(*done.Tokens)
	if f := claims(t, done.Tokens.IDToken)["firebase"].(map[string]any); f["sign_in_second_factor"] != "totp" || f["sign_in_provider"] != "password" {
		t.Errorf("claims %v", f)
	}
	h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), up.User.ID)) // the mail of the sign-up still works
	if h.factors(up.User.ID) != 1 {
		t.Error("verifying the address took the factor of whoever signed up")
	}

	in, err := h.signIn(ada, goodPW)
	h.must(err)
	if in.EnrollmentRequired || len(in.SecondFactors) != 1 {
		t.Errorf("sign-in gives %+v", in)
	}
	// A pending sign-in enrolls nothing where there is a factor to be proven.
	_, err = h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: h.secret(in.PendingCredential)})
	h.want(err, auth.CodeInvalidPendingCredential)
	c := h.as(done.Tokens.IDToken)
	h.want(h.RemoveSecondFactor(h.ctx, c, a.id, auth.SecondFactorProof{}), auth.CodeLastSecondFactor)
}

// Somebody who has only the password cannot add a factor beside the owner's first one, with a sign-in that began before it.
func TestPendingEnrollsOnlyTheFirst(t *testing.T) {
	h := newHarness(t, documented, with("secondFactor", "required"))
	up, err := h.trySignUp(ada, goodPW)
	h.must(err)
	other := h.pending(ada, goodPW)
	own := h.secret(up.PendingCredential)
	e, err := h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: own})
	h.must(err)
	a := h.newApp(e)
	finish := func() error {
		done, err := h.FinishEnrollment(h.ctx, h.anyone(), auth.EnrollmentProof{ID: e.ID, Code: a.code(), PendingCredential: own})
		h.note(err)
		h.noteCodes(done.RecoveryCodes)
		return err
	}
	h.must(finish())
	h.want(finish(), auth.CodeInvalidPendingCredential)
	_, err = h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: other})
	h.want(err, auth.CodeInvalidPendingCredential)
	if h.factors(up.User.ID) != 1 {
		t.Error("more than one factor")
	}
}

// Sessions that began before the project required a second factor are good for enrolling one, and for nothing else.
func TestRequiringEndsWeakSessions(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	h.set("secondFactor", "required")
	_, err := h.refresh(up.RefreshToken)
	h.want(err, auth.CodeExpiredRefreshToken)
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), up.IDToken)
	h.want(err, auth.CodeTokenInvalid)
	c, err := h.AuthenticateEnrolling(h.ctx, h.anyone(), up.IDToken)
	h.must(err)
	_, _ = h.enrollApp(c)
	h.wantAlive(up)
}

func TestSecondFactorOff(t *testing.T) {
	h := newHarness(t, documented)
	up, a, _ := h.withApp(ada)
	h.set("secondFactor", "off")
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.wantAlive(in)
	_, err = h.BeginEnrollment(h.ctx, h.as(up.IDToken), auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeSecondFactorOff)
	_, err = h.BeginPasskeySignIn(h.ctx, h.anyone())
	h.want(err, auth.CodeSecondFactorOff)
	_, err = h.SignInWithPasskey(h.ctx, h.anyone(), "s", []byte("{}"))
	h.want(err, auth.CodeSecondFactorOff)
	h.set("secondFactor", "optional")
	// That session has shown no second factor: it neither adds one nor takes one away without proof.
	weak := h.as(in.IDToken)
	_, err = h.BeginEnrollment(h.ctx, weak, auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeRecentSignInRequired)
	_, err = h.RenewRecoveryCodes(h.ctx, weak)
	h.want(err, auth.CodeRecentSignInRequired)
	h.want(h.RemoveSecondFactor(h.ctx, weak, a.id, auth.SecondFactorProof{}), auth.CodeRecentSignInRequired)
	h.want(h.RemoveSecondFactor(h.ctx, weak, a.id, code("000000")), auth.CodeInvalidSecondFactorCode)
	h.must(h.RemoveSecondFactor(h.ctx, weak, a.id, code(a.code())))
	if h.factors(up.User.ID) != 0 {
		t.Error("the factor stays")
	}
	h.wantEnded(up)
	in, err = h.signIn(ada, goodPW)
	h.must(err)
	h.wantAlive(in)
}

func TestEnrollingNeedsRecentSignIn(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	c := h.as(up.IDToken)
	e, err := h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.must(err)
	a := h.newApp(e)
	h.clock.Advance(5*time.Minute + time.Second)
	_, err = h.FinishEnrollment(h.ctx, c, auth.EnrollmentProof{ID: e.ID, Code: a.code()})
	h.want(err, auth.CodeRecentSignInRequired)
	_, err = h.BeginEnrollment(h.ctx, c, auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeRecentSignInRequired)
	_, err = h.BeginEnrollment(h.ctx, h.anyone(), auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeUnauthenticated)
	in, err := h.signIn(ada, goodPW) // unconfirmed, it is asked of nobody
	h.must(err)
	h.wantAlive(in)
	if denied := h.audits(auth.EventSecondFactorEnrolled); len(denied) != 2 {
		t.Errorf("%d refusals recorded", len(denied))
	}
}

func TestEnrollmentIsTheUsers(t *testing.T) {
	h := newHarness(t, documented)
	adas, graces := h.as(h.verified(ada).IDToken), h.as(h.verified(grace).IDToken)
	e, err := h.BeginEnrollment(h.ctx, adas, auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.must(err)
	a := h.newApp(e)
	_, err = h.FinishEnrollment(h.ctx, graces, auth.EnrollmentProof{ID: e.ID, Code: a.code()})
	h.want(err, auth.CodeSecondFactorNotFound)
	newer, err := h.BeginEnrollment(h.ctx, adas, auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.must(err)
	_, err = h.FinishEnrollment(h.ctx, adas, auth.EnrollmentProof{ID: e.ID, Code: a.code()})
	h.want(err, auth.CodeSecondFactorNotFound) // the newer one voids it
	_, err = h.FinishEnrollment(h.ctx, adas, auth.EnrollmentProof{ID: newer.ID, Code: a.code()})
	h.want(err, auth.CodeInvalidSecondFactorCode)
	for _, bad := range []auth.EnrollmentParams{{Kind: "sms"}, {}, {Kind: auth.FactorRecoveryCode}, {Kind: auth.FactorTOTP, Name: strings.Repeat("n", 65)}} {
		_, err = h.BeginEnrollment(h.ctx, adas, bad)
		h.want(err, auth.CodeInvalidArgument)
	}
	for _, bad := range []auth.EnrollmentProof{{ID: newer.ID}, {ID: newer.ID, Code: "1", Credential: []byte("{}")}} {
		_, err = h.FinishEnrollment(h.ctx, adas, bad)
		h.want(err, auth.CodeInvalidArgument)
	}
}

func TestChangingFactorsEndsOtherSessions(t *testing.T) {
	h := newHarness(t, documented)
	up := h.verified(ada)
	other, err := h.signIn(ada, goodPW)
	h.must(err)
	c := h.as(up.IDToken)
	first, _ := h.enrollApp(c)
	h.wantEnded(other)
	h.wantAlive(up)
	other, err = h.complete(h.pending(ada, goodPW), code(first.code()))
	h.must(err)
	second, done := h.enrollApp(h.as(up.IDToken))
	if len(done.RecoveryCodes) != 0 {
		t.Error("new recovery codes with a second factor")
	}
	h.wantEnded(other)
	h.must(h.RemoveSecondFactor(h.ctx, h.as(up.IDToken), first.id, auth.SecondFactorProof{}))
	h.want(h.RemoveSecondFactor(h.ctx, h.as(up.IDToken), first.id, auth.SecondFactorProof{}), auth.CodeSecondFactorNotFound)
	_, err = h.complete(h.pending(ada, goodPW), code(first.code()))
	h.want(err, auth.CodeInvalidSecondFactorCode)
	_, err = h.complete(h.pending(ada, goodPW), code(second.code()))
	h.must(err)
	if mails := h.newMails(ada); len(mails) < 3 {
		t.Errorf("%d mails about three changes", len(mails))
	}
}

func TestSecondFactorLimit(t *testing.T) {
	h := newHarness(t, documented, with("recentSignIn", "24h"))
	up := h.verified(ada)
	for range 10 {
		h.enrollApp(h.as(up.IDToken))
	}
	_, err := h.BeginEnrollment(h.ctx, h.as(up.IDToken), auth.EnrollmentParams{Kind: auth.FactorTOTP})
	h.want(err, auth.CodeSecondFactorLimit)
}

func TestAdminResetsSecondFactors(t *testing.T) {
	h := newHarness(t, documented)
	up, a, _ := h.withApp(ada)
	h.newMails(ada)
	pending := h.pending(ada, goodPW)
	_, _, err := h.admin.SecondFactorsOf(h.ctx, h.anyone(), up.User.ID)
	h.want(err, auth.CodeAdminRequired)
	_, err = h.admin.ResetSecondFactors(h.ctx, h.as(up.IDToken), up.User.ID)
	h.want(err, auth.CodeAdminRequired)
	factors, left, err := h.admin.SecondFactorsOf(h.ctx, h.asAdmin(), up.User.ID)
	if err != nil || len(factors) != 1 || left != 10 {
		t.Errorf("%d factors, %d codes, %v", len(factors), left, err)
	}
	n, err := h.admin.ResetSecondFactors(h.ctx, h.asAdmin(), up.User.ID)
	if err != nil || n != 1 || h.factors(up.User.ID) != 0 {
		t.Errorf("reset %d, %v", n, err)
	}
	h.message(auth.MailSecondFactorChanged, ada)
	h.wantEnded(up)
	_, err = h.complete(pending, code(a.code()))
	h.want(err, auth.CodeInvalidPendingCredential)
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.wantAlive(in)
	if records := h.audits(auth.EventSecondFactorsReset); len(records) != 1 || records[0].User != up.User.ID || records[0].Actor != auth.ActorAdmin {
		t.Errorf("audit %+v", records)
	}
	_, err = h.admin.ResetSecondFactors(h.ctx, h.asAdmin(), "nosuch")
	h.want(err, auth.CodeNotFound)
	_, _, err = h.admin.SecondFactorsOf(h.ctx, h.asAdmin(), "nosuch")
	h.want(err, auth.CodeNotFound)
}

// What somebody enrolled at an address of another's goes once that one proves it; a password reset of a proven account leaves its factors (P2).
func TestPlantedFactorsGo(t *testing.T) {
	reset := func(h *harness) {
		h.t.Helper()
		h.must(h.SendPasswordReset(h.ctx, h.anyone(), ada))
		h.must(h.ResetPassword(h.ctx, h.anyone(), h.code(auth.MailResetPassword, ada), h.secret(otherPW)))
	}
	t.Run("reset", func(t *testing.T) {
		h := newHarness(t, documented)
		squatter := h.signUp(ada)
		h.enrollApp(h.as(squatter.IDToken))
		reset(h)
		if n := h.factors(squatter.User.ID); n != 0 {
			t.Errorf("%d factors of the squatter stay", n)
		}
		in, err := h.signIn(ada, otherPW)
		h.must(err)
		h.wantAlive(in)
	})
	t.Run("reset of a proven account", func(t *testing.T) {
		h := newHarness(t, documented)
		up, a, _ := h.withApp(ada)
		reset(h)
		if n := h.factors(up.User.ID); n != 1 {
			t.Errorf("%d factors after a reset, want 1", n)
		}
		_, err := h.complete(h.pending(ada, otherPW), code(a.code()))
		h.must(err)
	})
	t.Run("verification with a planted identity", func(t *testing.T) {
		h := newHarness(t, documented)
		up := h.signUp(ada)
		h.clock.Advance(time.Second)
		h.identity(up.User.ID, "mallory", "mallory@example.net", true)
		h.enrollApp(h.as(up.IDToken))
		h.must(h.VerifyEmail(h.ctx, h.anyone(), h.code(auth.MailVerifyEmail, ada), up.User.ID))
		if n := h.factors(up.User.ID); n != 0 {
			t.Errorf("%d factors stay that may be the identity's", n)
		}
	})
	t.Run("taken back", func(t *testing.T) {
		h := newHarness(t, documented)
		up := h.verified(ada)
		h.enrollApp(h.as(up.IDToken)) // by a thief
		h.must(h.ChangeEmail(h.ctx, h.as(up.IDToken), mallory))
		h.must(h.TakeBackEmail(h.ctx, h.anyone(), h.code(auth.MailEmailChanged, ada)))
		if n := h.factors(up.User.ID); n != 0 {
			t.Errorf("%d factors of the thief stay", n)
		}
	})
}

func TestPlantedFactorsGoWithAProvider(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com", EmailVerified: true}
	squatter := r.signUp("ann@example.com")
	e, err := r.service.BeginEnrollment(t.Context(), r.as(squatter.IDToken), auth.EnrollmentParams{Kind: auth.FactorTOTP})
	wantCode(t, err, "")
	secret, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.TOTPSecret)
	_, err = r.service.FinishEnrollment(t.Context(), r.as(squatter.IDToken), auth.EnrollmentProof{ID: e.ID, Code: totp.Code(secret, totp.Step(rigNow))})
	wantCode(t, err, "")
	in, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, "")
	if in.IDToken == "" || in.User.ID != squatter.User.ID {
		t.Errorf("the proven owner is asked for the squatter's factor: %+v", in.Tokens)
	}
}

// A sign-in at a provider waits for the second factor too.
func TestProviderSignInWithSecondFactor(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	r.idp.users["ann"] = auth.ExternalIdentity{Subject: "1", Email: "ann@example.com", EmailVerified: true}
	in, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, "")
	if _, err := r.admin.UpdateProject(t.Context(), r.operator(), auth.ProjectChange{Set: map[string]string{"secondFactor": "required"}}); err != nil {
		t.Fatal(err)
	}
	again, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("ann"))
	wantCode(t, err, "")
	if again.IDToken != "" || again.RefreshToken != "" || !again.EnrollmentRequired || again.User.ID != in.User.ID {
		t.Fatalf("got %+v", again.Tokens)
	}
	key := authtest.NewSecurityKey(t, authtest.PublicURL)
	e, err := r.service.BeginEnrollment(t.Context(), r.anyone(), auth.EnrollmentParams{Kind: auth.FactorPasskey, PendingCredential: again.PendingCredential})
	wantCode(t, err, "")
	done, err := r.service.FinishEnrollment(t.Context(), r.anyone(), auth.EnrollmentProof{ID: e.ID, Credential: key.Create(e.PasskeyCreation), PendingCredential: again.PendingCredential})
	wantCode(t, err, "")
	if done.Tokens == nil || done.Tokens.IDToken == "" {
		t.Fatalf("got %+v", done)
	}
	c := claims(t, done.Tokens.IDToken)
	if f := c["firebase"].(map[string]any); f["sign_in_provider"] != "google.com" || f["sign_in_second_factor"] != "passkey" {
		t.Errorf("claims %v", f)
	}
	r.idp.users["new"] = auth.ExternalIdentity{Subject: "2", Email: "new@example.com", EmailVerified: true}
	fresh, err := r.service.SignInWithProvider(t.Context(), r.anyone(), r.flow("new"))
	wantCode(t, err, "")
	if fresh.IDToken != "" || !fresh.EnrollmentRequired || !fresh.IsNewUser {
		t.Errorf("a new user gets %+v", fresh.Tokens)
	}
}
