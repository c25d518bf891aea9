package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const (
	signup       = "/auth/accounts/signup"
	signin       = "/auth/accounts/sign-in/email"
	inviteePath  = "/auth/accounts/invite"
	verifyInvite = "/auth/accounts/verify/invite"
	resetPath    = "/auth/accounts/password-reset"
	verifyReset  = "/auth/accounts/verify/password-reset"
	verifyEmail  = "/auth/accounts/verify/email"
	updateEmail  = "/auth/accounts/update-email"
	updatePass   = "/auth/accounts/update-password"
	providers    = "/auth/accounts/email-providers"
	refreshPath  = "/auth/accounts/token/refresh"
	accountPath  = "/auth/accounts"
	sessionsPath = "/auth/accounts/sessions"
	rolesPath    = "/auth/accounts/roles"
	authURLPath  = "/auth/accounts/sign-in/auth-url"
	idpPath      = "/auth/accounts/sign-in/idp"
	users        = "/rest/collections/users"

	enrollStart  = "/auth/accounts/mfa/enroll/start"
	enrollFinish = "/auth/accounts/mfa/enroll/finalize"
	factorsPath  = "/auth/accounts/mfa"
	recoveryPath = "/auth/accounts/mfa/recovery-codes"
	secondStart  = "/auth/accounts/mfa/sign-in/start"
	secondFinish = "/auth/accounts/mfa/sign-in/finalize"
	passkeyStart = "/auth/accounts/sign-in/passkey/start"
	passkeyPath  = "/auth/accounts/sign-in/passkey"
	codePath     = "/auth/accounts/sign-in/code"
)

// The details of the contract's table.
const (
	needEmailAndPassword = "Please provide a valid email and password"
	emailInUse           = "The email address is already in use by another account."
	passwordSetup        = "Email/password setup is not complete. Please complete the Email/Password Authentication setup in your project"
	noEmail              = "No email address provided"
	noUserForEmail       = "There is no user record corresponding to the provided email."
	noUserForID          = "There is no user record corresponding to the provided identifier."
	noCode               = "No newPassword, uid, or oobCode provided"
	tokenInvalid         = "Auth token is invalid"
)

func TestSignUp(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email, password := newEmail(), newPassword()
	r := p.client().post(t, signup, M{"email": email, "password": password})
	data := r.wantData(t, session(email, false))
	account{email: email}.fill(t, r)
	if got := p.user(t, text(t, data, "uid")); got["email"] != email {
		t.Errorf("the users table has %v", got)
	}
	p.client().post(t, signin, M{"email": email, "password": password}).wantData(t, session(email, false))
}

func TestSignUpRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	taken := p.signUp(t)
	good := newPassword()
	for name, c := range map[string]struct {
		body   M
		status int
		detail any
	}{
		"nothing":               {M{}, 422, needEmailAndPassword},
		"no password":           {M{"email": newEmail()}, 422, needEmailAndPassword},
		"no email":              {M{"password": good}, 422, needEmailAndPassword},
		"empty email":           {M{"email": "", "password": good}, 422, needEmailAndPassword},
		"empty password":        {M{"email": newEmail(), "password": ""}, 422, needEmailAndPassword},
		"no at sign":            {M{"email": "nobody", "password": good}, 422, needEmailAndPassword},
		"no domain":             {M{"email": "nobody@", "password": good}, 422, needEmailAndPassword},
		"no local part":         {M{"email": "@example.test", "password": good}, 422, needEmailAndPassword},
		"two addresses":         {M{"email": "a@example.test,b@example.test", "password": good}, 422, needEmailAndPassword},
		"display name":          {M{"email": "A <a@example.test>", "password": good}, 422, needEmailAndPassword},
		"line break":            {M{"email": "a@example.test\r\nBcc: b@example.test", "password": good}, 422, needEmailAndPassword},
		"inner space":           {M{"email": "a b@example.test", "password": good}, 422, needEmailAndPassword},
		"300 characters":        {M{"email": strings.Repeat("a", 288) + "@example.test", "password": good}, 422, needEmailAndPassword},
		"taken":                 {M{"email": taken.email, "password": good}, 422, emailInUse},
		"taken, other case":     {M{"email": strings.ToUpper(taken.email), "password": good}, 422, emailInUse},
		"five characters":       {M{"email": newEmail(), "password": "a1b2c"}, 400, isWeakPassword},
		"10 kB password":        {M{"email": newEmail(), "password": strings.Repeat("x", 10_000)}, 400, isWeakPassword},
		"email in capitals key": {M{"EMAIL": newEmail(), "password": good}, 422, needEmailAndPassword},
	} {
		t.Run(name, func(t *testing.T) {
			p.client().post(t, signup, c.body).wantError(t, c.status, c.detail)
		})
	}
}

// TestSignUpWrongTypes: a missing or non-string password is the 422; Addressing says that a wrong type
// of a known field is a 422 whose detail names the field.
func TestSignUpWrongTypes(t *testing.T) {
	t.Parallel()
	c := plain(t).client()
	for _, field := range []string{"email", "password"} {
		for _, value := range []any{1, true, nil, L{"a"}, M{"a": 1}} {
			body := M{"email": newEmail(), "password": newPassword()}
			body[field] = value
			c.post(t, signup, body).wantError(t, 422, oneOf(names(field), needEmailAndPassword))
		}
	}
}

// TestSignUpAcceptsWhatThePresetAllows: six characters of any kind do, and the password counts byte for byte.
func TestSignUpAcceptsWhatThePresetAllows(t *testing.T) {
	t.Parallel()
	p := plain(t)
	for _, password := range []string{"123456", "      ", " a1b2c3 ", "pässwört", "密码密码密码", strings.Repeat("long-", 26)} {
		email := newEmail()
		p.client().post(t, signup, M{"email": email, "password": password}).wantData(t, session(email, false))
		p.client().post(t, signin, M{"email": email, "password": password}).wantData(t, session(email, false))
		p.client().post(t, signin, M{"email": email, "password": password + " "}).wantError(t, 400, "INVALID_PASSWORD")
	}
}

// TestSignUpIgnoresUnknownFields: they are never stored and never trusted.
func TestSignUpIgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email, password := newEmail(), newPassword()
	r := p.client().post(t, signup, M{"email": email, "password": password, "uid": "mine", "emailVerified": true,
		"disabled": true, "roles": L{"admin"}, "plan": "gold", "project": "other"})
	data := r.wantData(t, session(email, false))
	uid := text(t, data, "uid")
	got := p.user(t, uid)
	if got["plan"] != nil || compact(got["roles"]) != "[]" {
		t.Errorf("unknown fields of a sign-up were kept: %s", compact(got))
	}
}

// TestSignUpEmailIsOneAccountHoweverSpelled: upper and lower case are the same address.
func TestSignUpEmailIsOneAccountHoweverSpelled(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	r := p.client().post(t, signin, M{"email": strings.ToUpper(a.email), "password": a.password})
	if data := r.wantData(t, session(a.email, false)); text(t, data, "uid") != a.uid {
		t.Error("another spelling of the address signed in to another account")
	}
}

func TestSignUpProviderOff(t *testing.T) {
	t.Parallel()
	p := plain(t, "passwordProvider=false")
	body := M{"email": newEmail(), "password": newPassword()}
	p.client().post(t, signup, body).wantError(t, 422, passwordSetup)
	p.client().post(t, signin, body).wantError(t, 422, passwordSetup)
}

// TestSignUpOff: the contract names no detail for it; what counts is that no account comes of it.
func TestSignUpOff(t *testing.T) {
	t.Parallel()
	p := plain(t, "selfSignUp=false")
	body := M{"email": newEmail(), "password": newPassword()}
	r := p.client().post(t, signup, body)
	if r.status < 400 || r.status > 499 {
		t.Errorf("sign-up where it is off: %d %s", r.status, r.body)
	}
	p.client().post(t, signin, body).wantError(t, 400, "EMAIL_NOT_FOUND")
}

// TestSignUpVerificationEnforced follows the first flow of the contract to its end.
func TestSignUpVerificationEnforced(t *testing.T) {
	t.Parallel()
	p := plain(t, "verifyEmailEnforced=true")
	email, password := newEmail(), newPassword()
	mails := p.mailbox(email)
	data := p.client().post(t, signup, M{"email": email, "password": password}).
		wantData(t, M{"uid": isUID, "email": email, "emailVerified": false, "disabled": true})
	p.client().post(t, signin, M{"email": email, "password": password}).wantError(t, 400, "USER_DISABLED")

	code, uid := mails.code(t, verifyURL)
	if uid != text(t, data, "uid") {
		t.Errorf("the link names uid %q, the sign-up %v", uid, data)
	}
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	r := p.client().post(t, signin, M{"email": email, "password": password})
	r.wantData(t, session(email, true))
	if _, claims := jwtParts(t, (account{}).fill(t, r).idToken); claims["email_verified"] != true {
		t.Errorf("email_verified is %v", claims["email_verified"])
	}
}

// TestSignUpSendsVerification: not enforced, the mail still goes out where a verification URL is set.
func TestSignUpSendsVerification(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	mail := p.mailbox(a.email).next(t, verifyURL+"?oobCode=")
	want := verifyURL + "?oobCode="
	link := mail.link(want)
	if !strings.HasSuffix(link, "&uid="+a.uid) {
		t.Errorf("link %q, want %s{oobCode}&uid=%s", link, want, a.uid)
	}
	if !strings.Contains(mail.text, link) || !strings.Contains(mail.html, strings.ReplaceAll(link, "&", "&amp;")) {
		t.Errorf("text and HTML of the mail do not both hold the link %q", link)
	}
	if len(mail.to) != 1 || mail.to[0] != a.email || mail.subject == "" {
		t.Errorf("mail to %q with subject %q", mail.to, mail.subject)
	}
}

// TestParallelSignUps: fifty at once for one address make one account.
func TestParallelSignUps(t *testing.T) {
	p := newProject(t)
	email := newEmail()
	const n = 50
	replies := make([]reply, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			body := M{"email": email, "password": fmt.Sprintf("password-%d", i)}
			replies[i], errs[i] = p.client().send(http.MethodPost, apiBase+signup, body)
		})
	}
	wg.Wait()
	winner, refused := -1, 0
	for i, r := range replies {
		if errs[i] != nil {
			t.Fatalf("sign-up %d: %v", i, errs[i])
		}
		switch r.status {
		case http.StatusOK:
			if winner >= 0 {
				t.Errorf("sign-ups %d and %d both succeeded", winner, i)
			}
			winner = i
		case http.StatusTooManyRequests, http.StatusServiceUnavailable: // shed, and says when to come back
			r.wantRetryAfter(t)
			r.wantError(t, r.status, isText)
		default:
			r.wantError(t, 422, emailInUse)
			refused++
		}
	}
	if winner < 0 || refused == 0 {
		t.Fatalf("winner %d, refused as in use %d", winner, refused)
	}
	list := p.asAdmin().get(t, users)
	var body struct{ Meta struct{ Total int } }
	decodeInto(t, list.what, list.body, &body)
	if body.Meta.Total != 1 {
		t.Errorf("the project has %d users", body.Meta.Total)
	}
	p.client().post(t, signin, M{"email": email, "password": fmt.Sprintf("password-%d", winner)}).
		wantData(t, session(email, false))
}
