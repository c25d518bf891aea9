package auth

import (
	"context"
	"errors"
	"fmt"
)

var errSignUpClosed = newError(CodeSignUpOff, "sign-up is closed; ask for an invite")

// SignUpParams are an end user's email and password, as typed, and a name, which may be "".
type SignUpParams struct {
	Email       string
	Password    string
	DisplayName string
}

// SignUp creates an account with email and password. Where the project enforces verification, the account gets no tokens before its email is verified; where it
// requires a second factor, the answer is a pending sign-in that enrolls one. With signUpByMail
// the result is Mailed, and the same whether or not the address has an account already: the mail tells.
// It fails with CodePasswordProviderOff, CodeSignUpOff, CodeInvalidEmail, CodeMissingPassword, CodeEmailInUse, CodeWeakPassword, CodeTooManyAttempts,
// CodeBlockedByHook and CodeUnavailable.
func (s *Service) SignUp(ctx context.Context, c Caller, params SignUpParams) (Tokens, error) {
	ctx = withTrail(ctx, c)
	return evenly(ctx, s, c, func() (Tokens, error) { return s.signUp(ctx, c, params) })
}

func (s *Service) signUp(ctx context.Context, c Caller, params SignUpParams) (Tokens, error) {
	p := c.Project
	email, err := checkCredentials(p, params.Email, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	if !p.Settings.SelfSignUp {
		return Tokens{}, s.deny(ctx, c, EventSignUp, "", errSignUpClosed)
	}
	if err := checkProfile(User{Name: params.DisplayName}); err != nil {
		return Tokens{}, err
	}
	if err := s.checkPassword(p, email, params.Password, params.DisplayName); err != nil { // before the lookup: a weak password must not tell who is registered (P28)
		return Tokens{}, err
	}
	if s.hashing.Full(string(p.ID)) { // before anything is written: refusing must cost nothing
		return Tokens{}, errBusy(nil)
	}
	if err := s.store.Count(ctx, func(tx Limits) error { return s.takeAll(ctx, tx, c, signUpBudgets(c)) }); err != nil {
		return Tokens{}, s.limited(ctx, c, EventSignUp, err)
	}
	if _, err := s.ask(ctx, c, signUpQuestion(email, false, ProviderPassword)); err != nil { // whoever is registered (P28)
		return Tokens{}, err
	}
	if !p.Settings.SignUpByMail {
		if _, err := s.store.GetUserByEmail(ctx, p.ID, email); err == nil { // spares a hash; the store's constraint decides
			return Tokens{}, s.deny(ctx, c, EventSignUp, "", errEmailInUse)
		} else if !errors.Is(err, ErrNotFound) {
			return Tokens{}, fmt.Errorf("user: %w", err)
		}
	}
	hash, err := s.hashPassword(ctx, p, email, params.Password, params.DisplayName)
	if err != nil {
		return Tokens{}, err
	}
	u, err := s.newUser(c, email)
	if err != nil {
		return Tokens{}, err
	}
	u.Name = params.DisplayName
	u.PasswordHash, u.PasswordUpdatedAt = hash, u.CreatedAt
	u.VerificationRequired = p.Settings.VerifyEmailEnforced || p.Settings.SignUpByMail
	if !u.Blocked() {
		u.LastSignInAt = u.CreatedAt
	}
	return s.createSignedUp(ctx, c, u)
}

var errEmailInUse = newError(CodeEmailInUse, "the email address is in use by another account")

// checkCredentials is what every use of email and password checks first. It fails with CodePasswordProviderOff, CodeInvalidEmail and CodeMissingPassword.
func checkCredentials(p *Project, email, plain string) (Email, error) {
	if !p.Settings.PasswordProvider {
		return "", errPasswordProviderOff
	}
	parsed, err := ParseEmail(email)
	if err != nil {
		return "", err
	}
	if plain == "" {
		return "", newError(CodeMissingPassword, "a password is needed")
	}
	return parsed, nil
}

var errPasswordProviderOff = newError(CodePasswordProviderOff, "sign-in with email and password is off in this project")

// newUser is an account with nothing but an address.
func (s *Service) newUser(c Caller, email Email) (User, error) {
	id := string(c.newUserID)
	if id == "" {
		var err error
		if id, err = s.newID(); err != nil {
			return User{}, err
		}
	}
	now := s.now()
	u := User{Project: c.Project.ID, ID: UserID(id), Author: UserID(id), Email: email, CreatedAt: now, UpdatedAt: now}
	if len(c.Languages) > 0 && c.Actor() == ActorAnonymous {
		u.Locale = parseLocale(c.Languages[0])
	}
	return u, nil
}

func (s *Service) createSignedUp(ctx context.Context, c Caller, u User) (Tokens, error) {
	var begun issued
	err := s.store.Update(ctx, func(tx Tx) error {
		begun = issued{}
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		// Others may have used up the address' mails; the account does not depend on it, and the mail can be asked for again. By mail alone it does depend.
		err := s.sendVerification(ctx, tx, c, u, u.VerificationRequired)
		if err != nil && (CodeOf(err) != CodeTooManyAttempts || c.Project.Settings.SignUpByMail) {
			return err
		}
		if err := s.audit(ctx, tx, c, EventSignUp, OutcomeAllowed, u.ID); err != nil {
			return err
		}
		if u.Blocked() {
			return nil
		}
		begun, err = s.issueSession(ctx, tx, c, u, ProviderPassword)
		return err
	})
	if errors.Is(err, ErrConflict) {
		if !c.Project.Settings.SignUpByMail {
			return Tokens{}, s.deny(ctx, c, EventSignUp, "", errEmailInUse)
		}
		err = s.commitMail(ctx, func(tx Tx) error { return s.tellHolder(ctx, tx, c, EventSignUp, u.Email) })
	}
	if err != nil {
		return Tokens{}, s.limited(ctx, c, EventSignUp, err)
	}
	s.mailQueued()
	if c.Project.Settings.SignUpByMail {
		return Tokens{User: User{Email: u.Email, VerificationRequired: true}, Mailed: true}, nil
	}
	return s.signIssued(ctx, c.Project, u, begun)
}

// tellHolder mails the holder of an account that somebody tried to have another with its address: the answer does not tell, the mail does (P28). It holds a way in, since
// the account may have been made by somebody else, or be forgotten.
func (s *Service) tellHolder(ctx context.Context, tx Tx, c Caller, event Event, email Email) error {
	p := c.Project
	u, err := tx.GetUserByEmail(ctx, p.ID, email)
	if errors.Is(err, ErrNotFound) { // it went meanwhile
		return s.takeMailLimit(ctx, tx, c, email)
	}
	if err != nil {
		return err
	}
	if err := s.audit(ctx, tx, c, event, OutcomeDenied, u.ID, "code", string(CodeEmailInUse)); err != nil {
		return err
	}
	if u.InvitePending {
		_, err := s.queueInvite(ctx, tx, c, u)
		return err
	}
	if !p.Settings.PasswordProvider {
		return s.queueMail(ctx, tx, c, MailAccountExists, u.Email, u, MailData{})
	}
	code := OOBCode{Project: p.ID, User: u.ID, Purpose: PurposeResetPassword, Email: u.Email}
	data, err := s.mailedCode(ctx, tx, p, code, p.Settings.ResetPasswordURL, PageResetPassword, p.Settings.ResetCodeTTL)
	if err != nil {
		return err
	}
	return s.queueMail(ctx, tx, c, MailAccountExists, u.Email, u, data)
}
