package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/password"
)

// hashParams are the project's argon2id parameters.
func (s *Settings) hashParams() password.Params {
	return password.Params{MemoryKiB: uint32(s.PasswordHashMemory), Time: uint32(s.PasswordHashTime), Threads: uint8(s.PasswordHashThreads)}
}

// hashed runs costly password work behind the bounded queue (P27). Where the queue is full it fails at once with CodeUnavailable.
func (s *Service) hashed(ctx context.Context, p *Project, work func()) error {
	err := s.hashing.Do(ctx, string(p.ID), work)
	if errors.Is(err, password.ErrBusy) {
		return errBusy(err)
	}
	return err
}

func errBusy(cause error) error {
	return &Error{Code: CodeUnavailable, Message: "the server is busy; try again", RetryAfter: time.Second, cause: cause}
}

// hashPassword checks a new password against the project's policy and hashes it. names are what else is known of the user. It fails with CodeMissingPassword, CodeWeakPassword and CodeUnavailable.
func (s *Service) hashPassword(ctx context.Context, p *Project, email Email, newPassword string, names ...string) (string, error) {
	if err := s.checkPassword(p, email, newPassword, names...); err != nil {
		return "", err
	}
	var encoded string
	var err error
	if busy := s.hashed(ctx, p, func() { encoded, err = password.Hash(newPassword, p.Settings.hashParams(), s.rand) }); busy != nil {
		return "", busy
	}
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return encoded, nil
}

// checkPassword fails with CodeMissingPassword, CodeWeakPassword, and CodeUnavailable where the list of leaked passwords cannot be read.
func (s *Service) checkPassword(p *Project, email Email, newPassword string, names ...string) error {
	if newPassword == "" {
		return newError(CodeMissingPassword, "a password is needed")
	}
	policy := password.Policy{MinLength: p.Settings.PasswordMinLength, MaxLength: p.Settings.PasswordMaxLength, RefuseCommon: p.Settings.PasswordRefuseCommon}
	if p.Settings.PasswordRefuseContext {
		local, domain, _ := strings.Cut(string(email), "@")
		policy.Context = append([]string{string(email), local, domain, p.DisplayName, string(p.ID)}, names...)
	}
	var refused *password.Refusal
	if err := policy.Check(newPassword); errors.As(err, &refused) {
		return newError(CodeWeakPassword, refused.Reason)
	} else if err != nil {
		return fmt.Errorf("password policy: %w", err)
	}
	return s.checkBreached(p, newPassword)
}

func (s *Service) checkBreached(p *Project, newPassword string) error {
	if s.breached == nil || !p.Settings.PasswordRefuseBreached {
		return nil
	}
	listed, err := s.breached.Contains(newPassword)
	if err != nil {
		return &Error{Code: CodeUnavailable, Message: "the password cannot be checked now; try again", RetryAfter: time.Second, cause: fmt.Errorf("leaked passwords: %w", err)}
	}
	if listed {
		return newError(CodeWeakPassword, "Password is known from a data leak")
	}
	return nil
}

// verifyPassword tells whether plain is the password that encoded holds, and gives a new hash where the old one has other parameters than the project
// wants. encoded "" is an account without a password: the answer is no, after the same time (P28).
func (s *Service) verifyPassword(ctx context.Context, p *Project, encoded, plain string) (ok bool, rehash string, err error) {
	params := p.Settings.hashParams()
	stored := password.Dummy(params)
	if encoded != "" {
		if stored, err = password.Parse(encoded); err != nil {
			return false, "", fmt.Errorf("stored password hash: %w", err)
		}
	}
	times := s.hashTimes()
	busy := s.hashed(ctx, p, times.around(func() {
		ok = stored.Verify(plain) && encoded != ""
		if ok && stored.NeedsRehash(params) {
			rehash, err = password.Hash(plain, params, s.rand)
		}
	}))
	if busy != nil {
		return false, "", busy
	}
	noteHash(ctx, stored, encoded != "", ok, rehash != "", times)
	return ok, rehash, err
}
