package accountsapi

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// answer is what one code becomes on this wire. An empty detail takes the error's own message.
type answer struct {
	status int
	detail string
}

const (
	detailInternal       = "Error processing your request"
	detailNoEmail        = "No email address provided"
	detailNoCode         = "No newPassword, uid, or oobCode provided"
	detailNoProvider     = "Please provide providerId and callBackUri"
	detailNoFlow         = "Please provide sessionId, providerId, callBackUri, and either token or code"
	detailBadCredentials = "Please provide a valid email and password"
)

// answers is the one table from the domain's codes to this wire; a test ranges over all codes.
var answers = map[auth.Code]answer{
	auth.CodeInternal:                {http.StatusInternalServerError, detailInternal},
	auth.CodeUnavailable:             {http.StatusServiceUnavailable, "The service is unavailable for now"},
	auth.CodeOutcomeUnknown:          {http.StatusServiceUnavailable, "The outcome of the request is unknown"},
	auth.CodeTooManyAttempts:         {http.StatusTooManyRequests, "TOO_MANY_ATTEMPTS_TRY_LATER"},
	auth.CodeInvalidArgument:         {http.StatusUnprocessableEntity, ""},
	auth.CodeUnauthenticated:         {http.StatusUnauthorized, "Auth token is missing or is not a token"},
	auth.CodeTokenExpired:            {http.StatusForbidden, "Auth token has expired. Get a fresh one from your client app and try again"},
	auth.CodeTokenInvalid:            {http.StatusForbidden, "Auth token is invalid"},
	auth.CodePermissionDenied:        {http.StatusForbidden, "Permission denied"},
	auth.CodeAdminRequired:           {http.StatusForbidden, "Admin token is missing or invalid"},
	auth.CodeRecentSignInRequired:    {http.StatusForbidden, "CREDENTIAL_TOO_OLD_LOGIN_AGAIN"},
	auth.CodeProjectNotFound:         {http.StatusNotFound, "Project not found"},
	auth.CodeNotFound:                {http.StatusNotFound, "Not found"},
	auth.CodeConflict:                {http.StatusConflict, ""},
	auth.CodeInvalidEmail:            {http.StatusUnprocessableEntity, detailBadCredentials},
	auth.CodeMissingPassword:         {http.StatusUnprocessableEntity, detailBadCredentials},
	auth.CodeMissingEmail:            {http.StatusUnprocessableEntity, detailNoEmail},
	auth.CodeEmailInUse:              {http.StatusUnprocessableEntity, "The email address is already in use by another account."},
	auth.CodePasswordProviderOff:     {http.StatusUnprocessableEntity, "Email/password setup is not complete. Please complete the Email/Password Authentication setup in your project"},
	auth.CodeSignUpOff:               {http.StatusBadRequest, "ADMIN_ONLY_OPERATION"},
	auth.CodeWeakPassword:            {http.StatusBadRequest, ""},
	auth.CodeEmailNotFound:           {http.StatusBadRequest, "EMAIL_NOT_FOUND"},
	auth.CodeWrongPassword:           {http.StatusBadRequest, "INVALID_PASSWORD"},
	auth.CodeInvalidCredentials:      {http.StatusBadRequest, "INVALID_LOGIN_CREDENTIALS"},
	auth.CodeUserDisabled:            {http.StatusBadRequest, "USER_DISABLED"},
	auth.CodeNoUserForEmail:          {http.StatusUnprocessableEntity, "There is no user record corresponding to the provided email."},
	auth.CodeNoUserForID:             {http.StatusUnprocessableEntity, "There is no user record corresponding to the provided identifier."},
	auth.CodeMissingOOBCode:          {http.StatusUnprocessableEntity, detailNoCode},
	auth.CodeInvalidOOBCode:          {http.StatusBadRequest, "INVALID_OOB_CODE"},
	auth.CodeExpiredOOBCode:          {http.StatusBadRequest, "EXPIRED_OOB_CODE"},
	auth.CodeMissingRefreshToken:     {http.StatusBadRequest, "MISSING_REFRESH_TOKEN"},
	auth.CodeInvalidRefreshToken:     {http.StatusBadRequest, "INVALID_REFRESH_TOKEN"},
	auth.CodeExpiredRefreshToken:     {http.StatusBadRequest, "TOKEN_EXPIRED"},
	auth.CodeMissingProvider:         {http.StatusUnprocessableEntity, detailNoProvider},
	auth.CodeMissingFlowPart:         {http.StatusUnprocessableEntity, detailNoFlow},
	auth.CodeProviderNotConfigured:   {http.StatusBadRequest, "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."},
	auth.CodeRedirectNotAllowed:      {http.StatusBadRequest, "OPERATION_NOT_ALLOWED : The callBackUri is not on the project's list of callback URLs."},
	auth.CodeInvalidProviderResponse: {http.StatusBadRequest, ""},
	auth.CodeIdentityInUse:           {http.StatusBadRequest, "FEDERATED_USER_ID_ALREADY_LINKED"},
	auth.CodeLastWayIn:               {http.StatusBadRequest, "OPERATION_NOT_ALLOWED : The account would have no way to sign in left."},
	auth.CodeRefreshTokenUserGone:    {http.StatusBadRequest, "USER_NOT_FOUND"},
	auth.CodeBlockedByHook:           {http.StatusBadRequest, ""},

	auth.CodeInvalidSignInCode:    {http.StatusBadRequest, "INVALID_SIGN_IN_CODE"},
	auth.CodeSecondFactorRequired: {http.StatusForbidden, "Auth token is invalid"}, // no route here takes a browser's session

	auth.CodeInvalidPendingCredential: {http.StatusBadRequest, "INVALID_MFA_PENDING_CREDENTIAL"},
	auth.CodeInvalidSecondFactorCode:  {http.StatusBadRequest, "INVALID_CODE"},
	auth.CodeSecondFactorNotFound:     {http.StatusBadRequest, "MFA_ENROLLMENT_NOT_FOUND"},
	auth.CodeInvalidPasskey:           {http.StatusBadRequest, "INVALID_PASSKEY"},
	auth.CodeSecondFactorLimit:        {http.StatusBadRequest, "SECOND_FACTOR_LIMIT_EXCEEDED"},
	auth.CodeSecondFactorOff:          {http.StatusBadRequest, "OPERATION_NOT_ALLOWED : Second factors are off in this project."},
	auth.CodeLastSecondFactor:         {http.StatusBadRequest, "OPERATION_NOT_ALLOWED : The project requires a second factor."},
	auth.CodePasskeysNotSetUp:         {http.StatusBadRequest, ""},
}

type errorItem struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

type arrayEnvelope struct {
	Errors []errorItem `json:"errors"`
}

type nestedEnvelope struct {
	Data   any           `json:"data"` // always null
	Errors arrayEnvelope `json:"errors"`
}

// writeError puts any error into the project's envelope, and its cause into the log.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := describe(w, err)
	web.SetError(r.Context(), err)
	item := errorItem{strconv.Itoa(status), http.StatusText(status), detail}
	var body any = arrayEnvelope{[]errorItem{item}}
	if p := projectOf(r); p != nil && p.Settings.ErrorEnvelope == auth.EnvelopeNested {
		body = nestedEnvelope{nil, arrayEnvelope{[]errorItem{item}}}
	}
	if err := web.WriteJSON(w, status, body); err != nil {
		slog.DebugContext(r.Context(), "error answer not written", slog.Any("error", err))
	}
}

func describe(w http.ResponseWriter, err error) (status int, detail string) {
	var plumbing *web.Error
	if errors.As(err, &plumbing) {
		plumbing.CopyHeader(w.Header())
		if plumbing.Status >= 500 && plumbing.Status != http.StatusServiceUnavailable {
			return http.StatusInternalServerError, detailInternal
		}
		return plumbing.Status, plumbing.Detail
	}
	e := auth.AsError(err)
	known, ok := answers[e.Code]
	if !ok {
		return http.StatusInternalServerError, detailInternal
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(float64(e.RetryAfter)/float64(time.Second)))))
	}
	switch {
	case e.Code == auth.CodeWeakPassword:
		return known.status, "WEAK_PASSWORD : " + e.Message
	case e.Code == auth.CodeBlockedByHook:
		return known.status, "BLOCKING_FUNCTION_ERROR : " + e.Message
	case e.Code == auth.CodeInvalidProviderResponse:
		return known.status, "INVALID_IDP_RESPONSE : " + e.Message
	case e.Code == auth.CodePasskeysNotSetUp:
		return known.status, "OPERATION_NOT_ALLOWED : " + e.Message
	case known.detail == "":
		return known.status, e.Message
	}
	return known.status, known.detail
}
