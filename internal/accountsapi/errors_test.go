package accountsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

func TestAnswersHaveEveryCodeAndNoOther(t *testing.T) {
	known := map[auth.Code]bool{}
	for _, code := range auth.Codes() {
		known[code] = true
		if _, ok := answers[code]; !ok {
			t.Errorf("code %s has no answer", code)
		}
	}
	for code, a := range answers {
		if !known[code] {
			t.Errorf("answer for the unknown code %s", code)
		}
		if a.status < 400 || a.status > 599 || http.StatusText(a.status) == "" {
			t.Errorf("code %s: status %d is no error", code, a.status)
		}
	}
}

// TestDetailsOfTheContract holds the table to the texts that clients compare.
func TestDetailsOfTheContract(t *testing.T) {
	const reason = "Password should be at least 6 characters"
	for code, want := range map[auth.Code]answer{
		auth.CodeInternal:                {500, "Error processing your request"},
		auth.CodeTooManyAttempts:         {429, "TOO_MANY_ATTEMPTS_TRY_LATER"},
		auth.CodeInvalidArgument:         {422, reason},
		auth.CodeTokenInvalid:            {403, "Auth token is invalid"},
		auth.CodeInvalidEmail:            {422, "Please provide a valid email and password"},
		auth.CodeMissingPassword:         {422, "Please provide a valid email and password"},
		auth.CodeMissingEmail:            {422, "No email address provided"},
		auth.CodeEmailInUse:              {422, "The email address is already in use by another account."},
		auth.CodePasswordProviderOff:     {422, "Email/password setup is not complete. Please complete the Email/Password Authentication setup in your project"},
		auth.CodeWeakPassword:            {400, "WEAK_PASSWORD : " + reason},
		auth.CodeEmailNotFound:           {400, "EMAIL_NOT_FOUND"},
		auth.CodeWrongPassword:           {400, "INVALID_PASSWORD"},
		auth.CodeInvalidCredentials:      {400, "INVALID_LOGIN_CREDENTIALS"},
		auth.CodeUserDisabled:            {400, "USER_DISABLED"},
		auth.CodeNoUserForEmail:          {422, "There is no user record corresponding to the provided email."},
		auth.CodeNoUserForID:             {422, "There is no user record corresponding to the provided identifier."},
		auth.CodeMissingOOBCode:          {422, "No newPassword, uid, or oobCode provided"},
		auth.CodeInvalidOOBCode:          {400, "INVALID_OOB_CODE"},
		auth.CodeExpiredOOBCode:          {400, "EXPIRED_OOB_CODE"},
		auth.CodeMissingRefreshToken:     {400, "MISSING_REFRESH_TOKEN"},
		auth.CodeInvalidRefreshToken:     {400, "INVALID_REFRESH_TOKEN"},
		auth.CodeExpiredRefreshToken:     {400, "TOKEN_EXPIRED"},
		auth.CodeRefreshTokenUserGone:    {400, "USER_NOT_FOUND"},
		auth.CodeMissingProvider:         {422, "Please provide providerId and callBackUri"},
		auth.CodeMissingFlowPart:         {422, "Please provide sessionId, providerId, callBackUri, and either token or code"},
		auth.CodeProviderNotConfigured:   {400, "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."},
		auth.CodeInvalidProviderResponse: {400, "INVALID_IDP_RESPONSE : " + reason},
	} {
		status, detail := describe(httptest.NewRecorder(), &auth.Error{Code: code, Message: reason})
		if status != want.status || detail != want.detail {
			t.Errorf("%s: got %d %q, want %d %q", code, status, detail, want.status, want.detail)
		}
	}
	for code, status := range map[auth.Code]int{
		auth.CodeUnauthenticated: 401, auth.CodeTokenExpired: 403, auth.CodePermissionDenied: 403, auth.CodeAdminRequired: 403, auth.CodeProjectNotFound: 404,
	} {
		if got := answers[code].status; got != status {
			t.Errorf("%s: status %d, want %d", code, got, status)
		}
	}
	if got := answers[auth.CodeTokenExpired].detail; !strings.HasPrefix(got, "Auth token has expired") {
		t.Errorf("detail of an expired token is %q; clients match the prefix", got)
	}
}

// written is what writeError makes of err for a project with an envelope; "" is a request before its project is known.
func written(envelope string, err error) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if envelope != "" {
		p := &auth.Project{ID: "p", Settings: &auth.Settings{ErrorEnvelope: envelope}}
		r = r.WithContext(context.WithValue(r.Context(), projectKey{}, p))
	}
	w := httptest.NewRecorder()
	writeError(w, r, err)
	return w
}

func TestWriteErrorEnvelopes(t *testing.T) {
	const item = `{"code":"422","title":"Unprocessable Entity","detail":"No email address provided"}`
	err := &auth.Error{Code: auth.CodeMissingEmail}
	for envelope, want := range map[string]string{
		"":                  `{"errors":[` + item + `]}`,
		auth.EnvelopeArray:  `{"errors":[` + item + `]}`,
		auth.EnvelopeNested: `{"data":null,"errors":{"errors":[` + item + `]}}`,
	} {
		if got := written(envelope, err); got.Code != 422 || got.Body.String() != want {
			t.Errorf("envelope %q: got %d %s, want 422 %s", envelope, got.Code, got.Body, want)
		}
	}
}

func TestWriteErrorHidesCauses(t *testing.T) {
	const secret = "hunter2"
	for name, err := range map[string]error{
		"unknown":           errors.New(secret),
		"wrapped":           fmt.Errorf("user: %w", errors.New(secret)),
		"cancelled":         context.Canceled,
		"panic":             &web.PanicError{Value: secret},
		"unknown code":      &auth.Error{Code: "no such code", Message: secret},
		"plumbing 500":      &web.Error{Status: 500, Detail: secret},
		"plumbing 502":      &web.Error{Status: 502, Detail: secret, Cause: errors.New(secret)},
		"internal":          &auth.Error{Code: auth.CodeInternal, Message: secret},
		"internal, wrapped": fmt.Errorf("%s: %w", secret, &auth.Error{Code: auth.CodeInternal, Message: secret}),
	} {
		got := written("", err)
		if want := envelopeOf(500, "Error processing your request"); got.Code != 500 || got.Body.String() != want {
			t.Errorf("%s: got %d %s, want 500 %s", name, got.Code, got.Body, want)
		}
	}
}

func TestWriteErrorOfThePlumbing(t *testing.T) {
	for _, tt := range []struct {
		err                error
		status             int
		detail, name, want string
	}{
		{web.NotFound(), 404, "Not found", "Allow", ""},
		{web.MethodNotAllowed("GET, HEAD"), 405, "The method is not allowed here", "Allow", "GET, HEAD"},
		{web.Unavailable(7, errors.New("full")), 503, "The service is unavailable for now", "Retry-After", "7"},
		{fmt.Errorf("read: %w", web.MalformedField("email", "a string")), 422, `The field "email" must be a string`, "Allow", ""},
		{fmt.Errorf("user: %w", auth.ErrStoreBusy), 503, "The service is unavailable for now", "Retry-After", "1"},
		{fmt.Errorf("commit: %w", auth.ErrOutcomeUnknown), 503, "The outcome of the request is unknown", "Retry-After", "1"},
		{&web.Error{Status: 404, Detail: "gone", Cause: &auth.Error{Code: auth.CodeNoUserForID}}, 404, "gone", "Allow", ""},
	} {
		got := written("", tt.err)
		if want := envelopeOf(tt.status, tt.detail); got.Code != tt.status || got.Body.String() != want {
			t.Errorf("%v: got %d %s, want %s", tt.err, got.Code, got.Body, want)
		}
		if got := got.Header().Get(tt.name); got != tt.want {
			t.Errorf("%v: %s is %q, want %q", tt.err, tt.name, got, tt.want)
		}
	}
}

// TestRetryAfterRoundsUp: a client that waits as told is never early.
func TestRetryAfterRoundsUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "", time.Nanosecond: "1", time.Millisecond: "1", time.Second: "1", time.Second + time.Nanosecond: "2", 1500 * time.Millisecond: "2",
		29*time.Second + 999*time.Millisecond: "30", time.Hour: "3600",
	} {
		got := written("", &auth.Error{Code: auth.CodeTooManyAttempts, RetryAfter: wait})
		if got.Code != 429 || got.Header().Get("Retry-After") != want {
			t.Errorf("%v: got %d with Retry-After %q, want 429 with %q", wait, got.Code, got.Header().Get("Retry-After"), want)
		}
	}
}
