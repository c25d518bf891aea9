package auth

import (
	"context"
	"errors"
	"fmt"
)

// SignUpParams are an end user's email and password, as typed.
type SignUpParams struct {
	Email    string
	Password string
}

// SignUp creates an account with email and password. Where the project enforces verification, the account gets no tokens before its email is verified; where it
// requires a second factor, the answer is a pending sign-in that enrolls one.
// It fails with CodePasswordProviderOff, CodeSignUpOff, CodeInvalidEmail, CodeMissingPassword, CodeEmailInUse, CodeWeakPassword, CodeTooManyAttempts and CodeUnavailable.
func (s *Service) SignUp(ctx context.Context, c Caller, params SignUpParams) (Tokens, error) {
	p := c.Project
	email, err := checkCredentials(p, params.Email, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	if !p.Settings.SelfSignUp {
		return Tokens{}, s.deny(ctx, c, EventSignUp, "", newError(CodeSignUpOff, "sign-up is closed; ask for an invite"))
	}
	if err := checkPassword(p, email, params.Password); err != nil { // before the lookup: a weak password must not tell who is registered (P28)
		return Tokens{}, err
	}
	if _, err := s.store.GetUserByEmail(ctx, p.ID, email); err == nil { // spares a hash; the store's constraint decides
		return Tokens{}, s.deny(ctx, c, EventSignUp, "", errEmailInUse)
	} else if !errors.Is(err, ErrNotFound) {
		return Tokens{}, fmt.Errorf("user: %w", err)
	}
	hash, err := s.hashPassword(ctx, p, email, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	u, err := s.newUser(c, email)
	if err != nil {
		return Tokens{}, err
	}
	u.PasswordHash, u.PasswordUpdatedAt = hash, u.CreatedAt
	u.VerificationRequired = p.Settings.VerifyEmailEnforced
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
	id, err := s.newID()
	if err != nil {
		return User{}, err
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
		// Others may have used up the address' mails; the account does not depend on it, and the mail can be asked for again.
		if err := s.sendVerification(ctx, tx, c, u, u.VerificationRequired); err != nil && CodeOf(err) != CodeTooManyAttempts {
			return err
		}
		if err := s.audit(ctx, tx, c, EventSignUp, OutcomeAllowed, u.ID); err != nil {
			return err
		}
		if u.Blocked() {
			return nil
		}
		var err error
		begun, err = s.issueSession(ctx, tx, c, u, ProviderPassword)
		return err
	})
	if errors.Is(err, ErrConflict) {
		return Tokens{}, s.deny(ctx, c, EventSignUp, "", errEmailInUse)
	}
	if err != nil {
		return Tokens{}, err
	}
	s.mailQueued()
	return s.signIssued(ctx, c.Project, u, begun)
}
