package idp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
)

// What must never be kept. Those with a plain look are found by their names or because the operation knows them.
const (
	secretJWT    = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	secretRandom = "gho_16C7e42F292c6912E7710c838347Ae178B4a"
	secretHex    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"
	secretWord   = "hunter-of-mammoths"
	secretPEM    = "-----BEGIN PRIVATE KEY-----\nTUlHVkFnRUFNQk1HQnlxR1NNNDlBZ0VH\n-----END PRIVATE KEY-----"
)

func jsonOf(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func TestSanitizerRemovesSecrets(t *testing.T) {
	nested := func(name, value string) string {
		return jsonOf(map[string]any{"a": []any{map[string]any{"b": map[string]any{name: value}}}})
	}
	tests := map[string]struct{ mediaType, body, secret string }{
		"jwt anywhere":             {"application/json", `{"note":"you sent ` + secretJWT + ` to us"}`, secretJWT},
		"jwt as subject":           {"application/json", `{"sub":"` + secretJWT + `"}`, secretJWT},
		"opaque error":             {"application/json", `{"error":"` + secretWord + `9"}`, secretWord},
		"opaque error of a form":   {"application/x-www-form-urlencoded", `error=` + secretWord + `9&a=b`, secretWord},
		"random id":                {"application/json", `{"id":"` + secretRandom + `"}`, secretRandom},
		"random name":              {"application/json", `{"name":"` + secretRandom + `"}`, secretRandom},
		"between NULs":             {"text/plain", "h\x00u\x00n\x00t\x00", "n" + "\\u0000"},
		"utf-16 with a mark":       {"text/plain", "\xfe\xff\u6162\u6364", "\u6162"},
		"utf-16 by its media type": {"text/plain; charset=UTF-16LE", "ababab", "ab"},
		"jwt cut short":            {"text/plain", secretJWT[:40], secretJWT[:40]},
		"unsigned jwt":             {"text/plain", "token eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0. end", "eyJzdWIiOiJhIn0"},
		"random under any name":    {"application/json", `{"handle":"` + secretRandom + `"}`, secretRandom},
		"random in a list":         {"application/json", `{"list":["` + secretRandom + `"]}`, secretRandom},
		"random as a name":         {"application/json", `{"` + secretRandom + `":true}`, secretRandom},
		"hex in a sentence":        {"text/plain", "session " + secretHex + " is over", secretHex},
		"code as text":             {"application/json", `{"code":"` + secretWord + `"}`, secretWord},
		"code as a long number":    {"application/json", `{"code":1234567}`, "1234567"},
		"secret as an object":      {"application/json", `{"client_secret":{"value":"` + secretWord + `"}}`, secretWord},
		"secret as a list":         {"application/json", `{"tokens":["` + secretWord + `"]}`, secretWord},
		"repeated elsewhere":       {"application/json", `{"a":"about ` + secretWord + `","access_token":"` + secretWord + `"}`, secretWord},
		"json in json":             {"application/json", jsonOf(map[string]any{"inner": `{"access_token":"` + secretWord + `"}`}), secretWord},
		"json in json in json":     {"application/json", jsonOf(map[string]any{"inner": jsonOf(map[string]any{"x": `{"password":"` + secretWord + `"}`})}), secretWord},
		"broken json":              {"application/json", `{"refresh_token":"` + secretWord + `", "x":`, secretWord},
		"broken within the token":  {"application/json", `{"refresh_token":"` + secretWord, secretWord},
		"single quotes":            {"text/plain", `{'client_secret': '` + secretWord + `'}`, secretWord},
		"form":                     {"application/x-www-form-urlencoded", "error=x&access_token=" + secretWord + "&scope=a", secretWord},
		"form without its type":    {"text/plain", "access_token=" + secretWord + "&token_type=bearer", secretWord},
		"form, name encoded":       {"application/x-www-form-urlencoded", "access%5Ftoken=" + secretWord, secretWord},
		"form that is broken":      {"application/x-www-form-urlencoded", "code=" + secretWord + "&x=%zz", secretWord},
		"form with random":         {"application/x-www-form-urlencoded", "hint=" + secretRandom, secretRandom},
		"authorization":            {"text/plain", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("client:"+secretWord)), base64.StdEncoding.EncodeToString([]byte("client:" + secretWord))},
		"authorization in json":    {"application/json", `{"headers":"Authorization: Bearer ` + secretWord + `"}`, secretWord},
		"bearer alone":             {"text/plain", "the credential Bearer " + secretWord + " is wrong", secretWord},
		"cookie":                   {"text/plain", "Set-Cookie: SID=" + secretWord + "; Path=/", secretWord},
		"html field":               {"text/html", `<form><input type="hidden" name="x" value="` + secretWord + `"></form>`, secretWord},
		"html field, single quote": {"text/html", `<input value='` + secretWord + `' name=code>`, secretWord},
		"html field, no quotes":    {"text/html", `<INPUT NAME=code VALUE=` + secretWord + `>`, secretWord},
		"html meta":                {"text/html", `<meta name="csrf" content="` + secretWord + `">`, secretWord},
		"html link":                {"text/html", `<a href="https://a.example/cb?x=1&amp;code=` + secretWord + `&y=2">back</a>`, secretWord},
		"html script":              {"text/html", `<script>var config = {accessToken: "` + secretWord + `"};</script>`, secretWord},
		"html json":                {"text/html", `<div data-x="{&quot;access_token&quot;:&quot;` + secretWord + `&quot;}">`, secretWord},
		"encoded query":            {"text/html", `next=%2Fcb%3Fcode%3D` + secretWord, secretWord},
		"pem":                      {"application/json", jsonOf(map[string]any{"note": secretPEM}), "TUlHVkFnRUFNQk1HQnlxR1NNNDlBZ0VH"},
		"not utf-8":                {"application/json", "{\"password\":\"" + secretWord + "\xff\"}", secretWord},
		"camel case":               {"application/json", `{"idToken":"` + secretWord + `"}`, secretWord},
		"two answers in one":       {"application/json", `{"a":1} {"password":"` + secretWord + `"}`, secretWord},
	}
	for _, name := range []string{
		"access_token", "refresh_token", "id_token", "code", "client_secret", "password", "nonce", "state", "code_verifier", "client_assertion", "device_code", "Authorization",
		"authorization_code", "sessionId", "session_state", "api-key", "private_key", "at_hash", "ACCESS_TOKEN", "id_token_hint", "SAMLResponse", "appsecret_proof",
	} {
		tests["nested "+name] = struct{ mediaType, body, secret string }{"application/json", nested(name, secretWord), secretWord}
		tests["form "+name] = struct{ mediaType, body, secret string }{"application/x-www-form-urlencoded", url.Values{name: {secretWord}, "b": {"c"}}.Encode(), secretWord}
	}
	for name, test := range tests {
		got := (&sanitizer{}).body(test.mediaType, []byte(test.body))
		if strings.Contains(got, test.secret) || !strings.Contains(got, "[removed") {
			t.Errorf("%s: %s\nbecomes %s", name, test.body, got)
		}
	}
}

// TestSanitizerRemovesWhatTheOperationKnows: a provider may repeat what it was sent, where nothing tells what it is.
func TestSanitizerRemovesWhatTheOperationKnows(t *testing.T) {
	const odd = `q"u<o>t e&d/+é`
	for name, test := range map[string]struct{ secret, body string }{
		"plain":        {secretWord, "The word " + secretWord + " is wrong."},
		"as a subject": {secretWord, `{"sub":"` + secretWord + `"}`},
		"in a query":   {odd, "https://a.example/?x=" + url.QueryEscape(odd)},
		"in a path":    {odd, "https://a.example/" + url.PathEscape(odd)},
		"in json":      {odd, `not json: "` + strings.Trim(quoted(odd), `"`) + `"`},
		"in html":      {odd, "<p>q&#34;u&lt;o&gt;t e&amp;d/+é</p>"},
	} {
		s := &sanitizer{}
		s.learn(test.secret)
		if got := s.body("text/plain", []byte(test.body)); !strings.Contains(got, "[removed, ") {
			t.Errorf("%s: %s stays %s", name, test.body, got)
		}
	}
}

// TestSanitizerKeepsWhatHelps: an operator can still see what was wrong.
func TestSanitizerKeepsWhatHelps(t *testing.T) {
	for _, body := range []string{
		`{"id":"100001234567890","name":"Ada Lovelace"}`,
		`{"error":"invalid_grant","error_codes":[700016],"error_description":"AADSTS700016: Application with identifier was not found in the directory."}`,
		`{"error":{"code":190,"message":"Error validating the request.","type":"OAuthException"}}`,
		`{"aud":"1234567890-abc123def456.apps.example.com","email":"ada@example.com","email_verified":"true","iss":"https://accounts.example.com/realms/one","sub":"auth0|5f7c8ec7c33c6c004bbafe82"}`,
		`{"alg":"RS256","kid":"7c0b6913fe13820a333399ace426e70535a9a0bf"}`,
		`{"expires_in":3600,"scope":"openid email","token_type":"Bearer"}`,
	} {
		if got := (&sanitizer{}).body("application/json", []byte(body)); got != body {
			t.Errorf("%s\nbecomes %s", body, got)
		}
	}
	if got := (&sanitizer{}).body("application/x-www-form-urlencoded", []byte("error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.")); got !=
		"error=bad_verification_code&error_description=The code passed is incorrect or expired." {
		t.Errorf("form: %s", got)
	}
}

func TestSanitizerWritesOneLine(t *testing.T) {
	got := (&sanitizer{}).body("text/html", []byte("<p>one\r\ntwo\x1b[31m \u202Ethree\u2028\x01\xff</p>"))
	if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' }) || !strings.Contains(got, `\u001B[31m`) {
		t.Errorf("%q", got)
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	heard := &transcript{}
	req := requestTo(t, "https://id.example.com/path?code="+secretWord)
	for i := range 20 {
		body := fmt.Sprintf(`{"n":%d,"é":"%s"}`, i, strings.Repeat("é word ", 20000))
		heard.hear(req, responseOf("application/json"), []byte(body))
	}
	total := 0
	for _, a := range heard.answers() {
		total += len(a.Body)
		if a.From != "GET id.example.com/path" {
			t.Errorf("from %q", a.From)
		}
	}
	if total > maxAnswersText || total < maxAnswersText/2 {
		t.Errorf("%d bytes are kept", total)
	}
}

// FuzzSanitizer: a secret that the operation knows is in no answer, whatever is around it.
func FuzzSanitizer(f *testing.F) {
	f.Add("application/json", `{"a":"`, `"}`)
	f.Add("text/html", `<input value=`, `>`)
	f.Add("application/x-www-form-urlencoded", `code=`, `&x=y`)
	f.Fuzz(func(t *testing.T, mediaType, before, after string) {
		s := &sanitizer{}
		s.learn(secretWord)
		if got := s.body(mediaType, []byte(before+secretWord+after)); strings.Contains(got, secretWord) {
			t.Errorf("%q stays in %q", before+secretWord+after, got)
		}
	})
}

func requestTo(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func responseOf(mediaType string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {mediaType}}}
}

// TestSanitizerTakesNoTime: a hostile answer cannot keep a processor busy.
func TestSanitizerTakesNoTime(t *testing.T) {
	for _, piece := range []string{"a=", "code=", `"code":`, `\"`, "<input ", "eyJ", "code:\"\\", "&quot;", "token=&", "Bearer ", "-----BEGIN ", `{"token":"abcdefg`, "a1", "é"} {
		heard := &transcript{}
		for range maxHeard {
			heard.hear(requestTo(t, "https://id.example.com/"), responseOf("text/html"), []byte(strings.Repeat(piece, maxHeardBytes)))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			heard.answers()
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Errorf("%q repeated takes more than 5s", piece)
		}
	}
}
