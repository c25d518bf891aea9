package adminapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// ErrorAnswer is the body of every error.
type ErrorAnswer struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail says what is wrong, for programs and for people.
type ErrorDetail struct {
	Code    string `json:"code"` // one of auth.Codes, or of the plumbing's below
	Message string `json:"message"`
	Field   string `json:"field,omitempty"` // of the body or query, where one is to blame
}

// Codes of refusals that never reach the domain, beside the domain's own.
const (
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeRequestTimeout       = "request_timeout"
	CodeBadRequest           = "bad_request"
)

// statuses is the one table from the domain's codes to HTTP.
var statuses = map[auth.Code]int{
	auth.CodeInternal:                http.StatusInternalServerError,
	auth.CodeUnavailable:             http.StatusServiceUnavailable,
	auth.CodeOutcomeUnknown:          http.StatusServiceUnavailable,
	auth.CodeTooManyAttempts:         http.StatusTooManyRequests,
	auth.CodeInvalidArgument:         http.StatusUnprocessableEntity,
	auth.CodeUnauthenticated:         http.StatusUnauthorized,
	auth.CodeTokenExpired:            http.StatusUnauthorized,
	auth.CodeTokenInvalid:            http.StatusUnauthorized,
	auth.CodePermissionDenied:        http.StatusForbidden,
	auth.CodeAdminRequired:           http.StatusForbidden,
	auth.CodeRecentSignInRequired:    http.StatusForbidden,
	auth.CodeProjectNotFound:         http.StatusNotFound,
	auth.CodeNotFound:                http.StatusNotFound,
	auth.CodeConflict:                http.StatusConflict,
	auth.CodeInvalidEmail:            http.StatusUnprocessableEntity,
	auth.CodeMissingEmail:            http.StatusUnprocessableEntity,
	auth.CodeMissingPassword:         http.StatusUnprocessableEntity,
	auth.CodeEmailInUse:              http.StatusConflict,
	auth.CodePasswordProviderOff:     http.StatusConflict,
	auth.CodeSignUpOff:               http.StatusConflict,
	auth.CodeWeakPassword:            http.StatusUnprocessableEntity,
	auth.CodeEmailNotFound:           http.StatusNotFound,
	auth.CodeWrongPassword:           http.StatusForbidden,
	auth.CodeInvalidCredentials:      http.StatusForbidden,
	auth.CodeUserDisabled:            http.StatusForbidden,
	auth.CodeNoUserForEmail:          http.StatusNotFound,
	auth.CodeNoUserForID:             http.StatusNotFound,
	auth.CodeMissingOOBCode:          http.StatusUnprocessableEntity,
	auth.CodeInvalidOOBCode:          http.StatusUnprocessableEntity,
	auth.CodeExpiredOOBCode:          http.StatusUnprocessableEntity,
	auth.CodeMissingRefreshToken:     http.StatusUnprocessableEntity,
	auth.CodeInvalidRefreshToken:     http.StatusUnprocessableEntity,
	auth.CodeExpiredRefreshToken:     http.StatusUnprocessableEntity,
	auth.CodeRefreshTokenUserGone:    http.StatusUnprocessableEntity,
	auth.CodeMissingProvider:         http.StatusUnprocessableEntity,
	auth.CodeMissingFlowPart:         http.StatusUnprocessableEntity,
	auth.CodeProviderNotConfigured:   http.StatusConflict,
	auth.CodeRedirectNotAllowed:      http.StatusForbidden,
	auth.CodeInvalidProviderResponse: http.StatusUnprocessableEntity,
	auth.CodeIdentityInUse:           http.StatusConflict,
	auth.CodeLastWayIn:               http.StatusConflict,
	auth.CodeBlockedByHook:           http.StatusForbidden,

	auth.CodeInvalidSignInCode:    http.StatusUnprocessableEntity,
	auth.CodeSecondFactorRequired: http.StatusForbidden,

	auth.CodeInvalidPendingCredential: http.StatusUnprocessableEntity,
	auth.CodeInvalidSecondFactorCode:  http.StatusUnprocessableEntity,
	auth.CodeSecondFactorNotFound:     http.StatusNotFound,
	auth.CodeInvalidPasskey:           http.StatusUnprocessableEntity,
	auth.CodeSecondFactorLimit:        http.StatusConflict,
	auth.CodeSecondFactorOff:          http.StatusConflict,
	auth.CodeLastSecondFactor:         http.StatusConflict,
	auth.CodePasskeysNotSetUp:         http.StatusConflict,
}

// plumbingCodes name the refusals of package web.
var plumbingCodes = map[int]string{
	http.StatusBadRequest:           CodeBadRequest,
	http.StatusNotFound:             string(auth.CodeNotFound),
	http.StatusMethodNotAllowed:     CodeMethodNotAllowed,
	http.StatusRequestTimeout:       CodeRequestTimeout,
	http.StatusUnsupportedMediaType: CodeUnsupportedMediaType,
	http.StatusUnprocessableEntity:  string(auth.CodeInvalidArgument),
	http.StatusServiceUnavailable:   string(auth.CodeUnavailable),
}

// writeError is the web.ErrorWriter of this surface.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := http.StatusInternalServerError, ErrorDetail{}
	var refused *web.Error
	if errors.As(err, &refused) {
		status, detail = plumbingError(w.Header(), refused)
	} else {
		status, detail = domainError(w.Header(), auth.AsError(err))
	}
	if status >= http.StatusInternalServerError || (refused != nil && refused.Cause != nil) {
		web.SetError(r.Context(), err)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="doorward"`) // RFC 9110 section 15.5.2
	}
	if err := web.WriteJSON(w, status, ErrorAnswer{detail}); err != nil {
		web.SetError(r.Context(), err)
	}
}

func plumbingError(h http.Header, e *web.Error) (int, ErrorDetail) {
	e.CopyHeader(h)
	code, ok := plumbingCodes[e.Status]
	if !ok {
		return domainError(h, auth.AsError(fmt.Errorf("answer without a code: %w", e)))
	}
	return e.Status, ErrorDetail{Code: code, Message: e.Detail, Field: e.Field}
}

func domainError(h http.Header, e *auth.Error) (int, ErrorDetail) {
	status, ok := statuses[e.Code]
	if !ok || e.Code == auth.CodeInternal {
		return http.StatusInternalServerError, ErrorDetail{Code: string(auth.CodeInternal), Message: "internal error"} // P46
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", retryAfter(e.RetryAfter))
	}
	return status, ErrorDetail{Code: string(e.Code), Message: e.Message, Field: e.Field}
}

// retryAfter gives whole seconds (RFC 9110 section 10.2.3), rounded up so that the wait is never too short.
func retryAfter(d time.Duration) string { return fmt.Sprint(int64(math.Ceil(d.Seconds()))) }
