package auth

import (
	"errors"
	"fmt"
	"time"
)

// Code says what went wrong, in the domain's words. Each surface has one table from codes to its wire.
type Code string

// The codes. Whether a caller may learn that an account exists is decided here: under enumeration protection the domain answers with the codes that do not tell.
const (
	CodeInternal                Code = "internal"
	CodeUnavailable             Code = "unavailable"       // try again after RetryAfter
	CodeOutcomeUnknown          Code = "outcome_unknown"   // it may have happened (P50)
	CodeTooManyAttempts         Code = "too_many_attempts" // try again after RetryAfter
	CodeInvalidArgument         Code = "invalid_argument"  // Field and Message say which and why
	CodeUnauthenticated         Code = "unauthenticated"
	CodeTokenExpired            Code = "token_expired"
	CodeTokenInvalid            Code = "token_invalid"
	CodePermissionDenied        Code = "permission_denied"
	CodeAdminRequired           Code = "admin_required"
	CodeRecentSignInRequired    Code = "recent_sign_in_required"
	CodeProjectNotFound         Code = "project_not_found"
	CodeNotFound                Code = "not_found"
	CodeConflict                Code = "conflict"
	CodeInvalidEmail            Code = "invalid_email" // of a sign-up, sign-in or email change
	CodeMissingEmail            Code = "missing_email" // of everything that takes only an address; one that is no address counts too
	CodeMissingPassword         Code = "missing_password"
	CodeEmailInUse              Code = "email_in_use"
	CodePasswordProviderOff     Code = "password_provider_off"
	CodeSignUpOff               Code = "sign_up_off"
	CodeWeakPassword            Code = "weak_password" // Message is the reason
	CodeEmailNotFound           Code = "email_not_found"
	CodeWrongPassword           Code = "wrong_password"
	CodeInvalidCredentials      Code = "invalid_credentials" // instead of the two above, where they would tell
	CodeUserDisabled            Code = "user_disabled"
	CodeNoUserForEmail          Code = "no_user_for_email"
	CodeNoUserForID             Code = "no_user_for_id"
	CodeMissingOOBCode          Code = "missing_oob_code" // or another part that must come with it
	CodeInvalidOOBCode          Code = "invalid_oob_code"
	CodeExpiredOOBCode          Code = "expired_oob_code"
	CodeMissingRefreshToken     Code = "missing_refresh_token"
	CodeInvalidRefreshToken     Code = "invalid_refresh_token"
	CodeExpiredRefreshToken     Code = "expired_refresh_token"
	CodeMissingProvider         Code = "missing_provider"  // or the callback that must come with it
	CodeMissingFlowPart         Code = "missing_flow_part" // of the completion of a sign-in at a provider
	CodeProviderNotConfigured   Code = "provider_not_configured"
	CodeRedirectNotAllowed      Code = "redirect_not_allowed"
	CodeInvalidProviderResponse Code = "invalid_provider_response" // Message says what was wrong with it
	CodeIdentityInUse           Code = "identity_in_use"           // by another user
	CodeLastWayIn               Code = "last_way_in"
	CodeRefreshTokenUserGone    Code = "refresh_token_user_gone"
	CodeBlockedByHook           Code = "blocked_by_hook" // Message is the reason

	CodeInvalidSignInCode    Code = "invalid_sign_in_code"   // of an app, for tokens
	CodeSecondFactorRequired Code = "second_factor_required" // the browser's session lacks it: enroll one

	CodeInvalidPendingCredential Code = "invalid_pending_credential" // of a sign-in that waits for its second factor
	CodeInvalidSecondFactorCode  Code = "invalid_second_factor_code"
	CodeSecondFactorNotFound     Code = "second_factor_not_found"
	CodeInvalidPasskey           Code = "invalid_passkey"
	CodeSecondFactorLimit        Code = "second_factor_limit"
	CodeSecondFactorOff          Code = "second_factor_off"
	CodeLastSecondFactor         Code = "last_second_factor"  // of a user whose project requires one
	CodePasskeysNotSetUp         Code = "passkeys_not_set_up" // Message says what is missing
)

// Codes lists every code; the surfaces' tests range over it.
func Codes() []Code {
	return []Code{
		CodeInternal, CodeUnavailable, CodeOutcomeUnknown, CodeTooManyAttempts, CodeInvalidArgument, CodeUnauthenticated, CodeTokenExpired, CodeTokenInvalid,
		CodePermissionDenied, CodeAdminRequired, CodeRecentSignInRequired, CodeProjectNotFound, CodeNotFound, CodeConflict, CodeInvalidEmail, CodeMissingEmail,
		CodeMissingPassword, CodeEmailInUse, CodePasswordProviderOff, CodeSignUpOff, CodeWeakPassword, CodeEmailNotFound, CodeWrongPassword, CodeInvalidCredentials,
		CodeUserDisabled, CodeNoUserForEmail, CodeNoUserForID, CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode, CodeMissingRefreshToken,
		CodeInvalidRefreshToken, CodeExpiredRefreshToken, CodeRefreshTokenUserGone, CodeMissingProvider, CodeMissingFlowPart, CodeProviderNotConfigured,
		CodeRedirectNotAllowed, CodeInvalidProviderResponse, CodeIdentityInUse, CodeLastWayIn,
		CodeBlockedByHook,
		CodeInvalidSignInCode, CodeSecondFactorRequired,
		CodeInvalidPendingCredential, CodeInvalidSecondFactorCode, CodeSecondFactorNotFound, CodeInvalidPasskey, CodeSecondFactorLimit, CodeSecondFactorOff,
		CodeLastSecondFactor, CodePasskeysNotSetUp,
	}
}

// Error is what the domain answers instead of a result. Message is fit for the caller; the cause is for the log only.
type Error struct {
	Code       Code
	Message    string
	Field      string        // of CodeInvalidArgument
	RetryAfter time.Duration // of CodeUnavailable, CodeOutcomeUnknown and CodeTooManyAttempts
	cause      error
}

// ProviderRefused is a [ProviderClient]'s error for an answer that proves nobody's identity. message is fit for the caller; where it quotes what the caller sent, the
// log gets the cause alone.
func ProviderRefused(message string, cause error) *Error {
	return &Error{Code: CodeInvalidProviderResponse, Message: message, cause: cause}
}

// ProviderUnavailable is a [ProviderClient]'s error for a provider that cannot be asked now.
func ProviderUnavailable(retryAfter time.Duration, cause error) *Error {
	return &Error{Code: CodeUnavailable, Message: "the identity provider cannot be asked now", RetryAfter: retryAfter, cause: cause}
}

// PasskeyRefused is a [PasskeyClient]'s error for an answer that proves nothing; cause is for the log only.
func PasskeyRefused(cause error) *Error {
	return &Error{Code: CodeInvalidPasskey, Message: "the passkey was not accepted", cause: cause}
}

func (e *Error) Error() string {
	if e.Code == CodeInvalidProviderResponse && e.cause != nil {
		return fmt.Sprintf("%s: %v", e.Code, e.cause)
	}
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// AsError gives the domain's error in err, or wraps err: a store that is busy is CodeUnavailable, everything unknown CodeInternal (P46).
func AsError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrStoreBusy):
		return &Error{Code: CodeUnavailable, Message: "the database cannot take the change now", RetryAfter: time.Second, cause: err}
	case errors.Is(err, ErrOutcomeUnknown):
		return &Error{Code: CodeOutcomeUnknown, Message: "the outcome is unknown; ask before trying again", RetryAfter: time.Second, cause: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", cause: err}
}

// AfterCommit gives the error of what follows a committed change, such as a read for its answer. The change stands, so a store that is busy then must not be told as
// CodeUnavailable, which says that nothing was done, but as CodeOutcomeUnknown (P50). Other errors go through.
func AfterCommit(err error) error {
	if CodeOf(err) != CodeUnavailable {
		return err
	}
	return &Error{Code: CodeOutcomeUnknown, Message: "the change was made, but not its answer; ask before trying again", RetryAfter: time.Second, cause: err}
}

// CodeOf gives the code of err; "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

func newError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

func invalidArgument(field, message string) *Error {
	return &Error{Code: CodeInvalidArgument, Field: field, Message: message}
}
