package idp

import (
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// ResponseError says that a provider's answer, or what was handed in as one, proves no identity; or that the provider's settings cannot work.
type ResponseError struct {
	Message string // fit for the caller; holds no secret

	logged     string // what Error says instead of Message, where Message quotes the caller
	status     int    // of the provider's answer, where that is what is wrong; else 0
	oauthError string // the error code of the token endpoint (RFC 6749 section 5.2), if it is a known one
	cause      error
}

// Error is fit for the log. It never quotes what the caller or the provider sent.
func (e *ResponseError) Error() string {
	if e.logged != "" {
		return e.logged
	}
	return e.Message
}

// Unwrap gives the cause, or nil.
func (e *ResponseError) Unwrap() error { return e.cause }

// UnavailableError says that a provider could not be asked, or could not answer. Trying again later may help.
type UnavailableError struct {
	RetryAfter time.Duration // never zero

	reason string // in words; holds no secret
	cause  error  // for errors.Is alone: its text may hold a URL with a token in it (P44)
}

// Error is fit for the log.
func (e *UnavailableError) Error() string { return e.reason }

// Unwrap gives the cause, or nil.
func (e *UnavailableError) Unwrap() error { return e.cause }

// The causes that Check tells apart.
var (
	errRedirect       = errors.New("redirects are not followed")
	errStatus         = errors.New("the server is overloaded or broken")
	errPrivateAddress = errors.New("not a public address")
	errUnknownHost    = errors.New("the host has no public address")
	errBusy           = errors.New("too many requests are under way")
)

const defaultRetryAfter = 5 * time.Second

func refuse(format string, args ...any) *ResponseError {
	return &ResponseError{Message: fmt.Sprintf(format, args...)}
}

func unavailable(cause error, format string, args ...any) *UnavailableError {
	return &UnavailableError{RetryAfter: defaultRetryAfter, reason: fmt.Sprintf(format, args...), cause: cause}
}

// domainError says it in the domain's words.
func domainError(err error) error {
	if err == nil {
		return nil
	}
	var refused *ResponseError
	if errors.As(err, &refused) {
		return auth.ProviderRefused(refused.Message, err)
	}
	var away *UnavailableError
	if errors.As(err, &away) {
		return auth.ProviderUnavailable(away.RetryAfter, err)
	}
	return err
}

// failure gives the error of the guard that is inside what an HTTP client returned. The client's own text holds the URL, and so is dropped.
func failure(err error) error {
	var refused *ResponseError
	if errors.As(err, &refused) {
		return refused
	}
	var away *UnavailableError
	if errors.As(err, &away) {
		return away
	}
	return unavailable(err, "the provider cannot be asked")
}
