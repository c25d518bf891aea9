package adminapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

func checkError(t *testing.T, status int, body string, wantStatus int, code auth.Code, field string) {
	t.Helper()
	var answer ErrorAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if status != wantStatus || answer.Error.Code != string(code) || answer.Error.Field != field || answer.Error.Message == "" {
		t.Errorf("refused with %d %s, want %d %s %q", status, body, wantStatus, code, field)
	}
}

func writtenError(err error) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	writeError(w, httptest.NewRequest("GET", Base+"/projects", nil), err)
	return w
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range auth.Codes() {
		w := writtenError(&auth.Error{Code: code, Message: "because", Field: "there"})
		if code == auth.CodeInternal {
			checkError(t, w.Code, w.Body.String(), 500, code, "")
			continue
		}
		want, ok := statuses[code]
		if !ok || want < 400 || want > 503 || want == 500 {
			t.Errorf("%s has the status %d", code, want)
		}
		checkError(t, w.Code, w.Body.String(), want, code, "there")
	}
	if len(statuses) != len(auth.Codes()) {
		t.Errorf("the table has %d codes, the domain %d", len(statuses), len(auth.Codes()))
	}
}

func TestErrorsOfThePlumbing(t *testing.T) {
	for status, code := range plumbingCodes {
		w := writtenError(&web.Error{Status: status, Detail: "because", Field: "there", Header: http.Header{"Allow": {"GET"}}})
		checkError(t, w.Code, w.Body.String(), status, auth.Code(code), "there")
		if w.Header().Get("Allow") != "GET" {
			t.Errorf("%d: the header is lost", status)
		}
	}
}

func TestInternalErrorsTellNothing(t *testing.T) {
	for name, err := range map[string]error{
		"unknown":        errors.New("disk password hunter2"),
		"internal":       &auth.Error{Code: auth.CodeInternal, Message: "hunter2"},
		"unknown code":   &auth.Error{Code: "hunter2", Message: "hunter2"},
		"unknown status": &web.Error{Status: 418, Detail: "hunter2"},
		"panic":          &web.PanicError{Value: "hunter2", Stack: []byte("hunter2")},
	} {
		w := writtenError(err)
		checkError(t, w.Code, w.Body.String(), 500, auth.CodeInternal, "")
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s: the answer tells %s", name, w.Body)
		}
	}
}

func TestErrorHeaders(t *testing.T) {
	for _, c := range []struct {
		name         string
		err          error
		status       int
		header, want string
	}{
		{"seconds are rounded up", &auth.Error{Code: auth.CodeTooManyAttempts, Message: "slow down", RetryAfter: 1001 * time.Millisecond}, 429, "Retry-After", "2"},
		{"a busy store", auth.ErrStoreBusy, 503, "Retry-After", "1"},
		{"no wait", &auth.Error{Code: auth.CodeConflict, Message: "taken"}, 409, "Retry-After", ""},
		{"unauthenticated", errNoCredential, 401, "WWW-Authenticate", `Bearer realm="doorward"`},
		{"forbidden", &auth.Error{Code: auth.CodeAdminRequired, Message: "no"}, 403, "WWW-Authenticate", ""},
		{"never stored", errNoCredential, 401, "Cache-Control", "no-store"},
	} {
		w := writtenError(c.err)
		if w.Code != c.status || w.Header().Get(c.header) != c.want {
			t.Errorf("%s: %d with %s %q, want %d with %q", c.name, w.Code, c.header, w.Header().Get(c.header), c.status, c.want)
		}
	}
}
