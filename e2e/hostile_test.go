package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answerLimit: hostile input must be refused fast, also by a binary with the race detector.
const answerLimit = 10 * time.Second

// hostileTarget is an operation with a body, with every text field that the contract knows of it.
type hostileTarget struct {
	method, path string
	fields       []string
	needsUser    bool
}

func hostileTargets(uid string) []hostileTarget {
	post := http.MethodPost
	return []hostileTarget{
		{post, signup, []string{"email", "password"}, false},
		{post, signin, []string{"email", "password"}, false},
		{post, authURLPath, []string{"providerId", "callBackUri"}, false},
		{post, idpPath, []string{"sessionId", "providerId", "callBackUri", "token", "code"}, false},
		{post, linkPath, []string{"sessionId", "providerId", "callBackUri", "token", "code"}, true},
		{post, unlinkPath, []string{"providerId"}, true},
		{post, inviteePath, []string{"email"}, false},
		{post, verifyInvite, []string{"oobCode", "uid", "newPassword"}, false},
		{post, resetPath, []string{"email"}, false},
		{post, verifyReset, []string{"oobCode", "newPassword"}, false},
		{post, verifyEmail, []string{"oobCode", "uid"}, false},
		{post, updateEmail, []string{"email"}, true},
		{post, updatePass, []string{"oldPassword", "newPassword"}, true},
		{post, providers, []string{"email"}, false},
		{post, refreshPath, []string{"refresh_token"}, false},
		{post, enrollStart, []string{"kind", "displayName", "mfaPendingCredential"}, true},
		{post, enrollFinish, []string{"mfaEnrollmentId", "code", "mfaPendingCredential"}, true},
		{post, secondStart, []string{"mfaPendingCredential", "mfaEnrollmentId"}, false},
		{post, secondFinish, []string{"mfaPendingCredential", "mfaEnrollmentId", "code", "recoveryCode", "sessionId"}, false},
		{post, passkeyPath, []string{"sessionId"}, false},
		{post, codePath, []string{"code", "codeVerifier", "callBackUri"}, false},
		{http.MethodPatch, users + "/" + uid, []string{"name"}, true},
	}
}

// eachTarget runs f as a subtest for every operation with a body, with a client that may call it.
func eachTarget(t *testing.T, f func(t *testing.T, c client, target hostileTarget)) {
	t.Helper()
	p := plain(t)
	a := p.signUp(t)
	for _, target := range hostileTargets(a.uid) {
		t.Run(strings.ReplaceAll(strings.Replace(target.path, a.uid, "uid", 1), "/", "_"), func(t *testing.T) {
			c := p.client()
			if target.needsUser {
				c = c.bearer(a.idToken)
			}
			f(t, c, target)
		})
	}
	// The server still works, and the account is as it was. Its owner may be limited for a while: guessing
	// oldPassword counts like guessing at sign-in.
	p.signUp(t)
	if got := p.user(t, a.uid); got["email"] != a.email {
		t.Errorf("the user is now %s", compact(got))
	}
}

// hit sends one hostile body from a new source address, so that no rate limit answers instead.
func hit(t *testing.T, c client, target hostileTarget, body any) reply {
	t.Helper()
	r := c.fresh().do(t, target.method, apiBase+target.path, body)
	if r.took > answerLimit {
		t.Errorf("%s: the answer took %v", r.what, r.took)
	}
	return r
}

// TestMalformedBodies: what is no single JSON object of valid UTF-8 is a 422 on every route.
func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, c client, target hostileTarget) {
		field := target.fields[0]
		for name, body := range map[string]string{
			"empty":                    "",
			"blank":                    " \n",
			"null":                     "null",
			"array":                    "[]",
			"array of an object":       `[{}]`,
			"text":                     `"text"`,
			"number":                   "42",
			"true":                     "true",
			"open object":              "{",
			"open text":                `{"` + field + `":"`,
			"two objects":              "{}{}",
			"garbage after the object": `{} x`,
			"trailing comma":           `{"a":1,}`,
			"single quotes":            `{'a':'b'}`,
			"comment":                  `{/* */}`,
			"NaN":                      `{"a":NaN}`,
			"byte order mark":          "\ufeff{}",
			"UTF-16":                   "\xff\xfe{\x00}\x00",
			"invalid UTF-8":            `{"` + field + `":"` + "a\xff\xfeb" + `"}`,
			"overlong UTF-8":           `{"` + field + `":"` + "\xc0\x80" + `"}`,
			"raw NUL":                  `{"` + field + `":"` + "a\x00b" + `"}`,
			"escaped NUL":              `{"` + field + `":"a\u0000b"}`,
			"lone surrogate":           `{"` + field + `":"\ud800"}`,
			"duplicate key":            `{"` + field + `":"a","` + field + `":"b"}`,
			"escaped duplicate key":    `{"` + field + `":"a","` + escaped(field) + `":"b"}`,
			"duplicate unknown key":    `{"a":{"b":1,"b":2}}`,
			"1 MB":                     `{"` + field + `":"` + strings.Repeat("a", 1<<20) + `"}`,
			"1 MB, unknown field":      `{"unknown":"` + strings.Repeat("a", 1<<20) + `"}`,
			"deep arrays":              `{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
			"deep objects":             strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
			"form":                     "email=a%40example.test&password=secret",
		} {
			if r := hit(t, c, target, body); r.status != 422 {
				t.Errorf("%s: want 422, got %d %s", name, r.status, tail(string(r.body), 200))
			}
		}
	})
}

// escaped writes the first letter of a member name as \uXXXX.
func escaped(name string) string { return fmt.Sprintf(`\u%04x%s`, name[0], name[1:]) }

// TestWrongTypes: a wrong type of a known field is a 422 that names the field and never echoes the value.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, c client, target hostileTarget) {
		base := M{}
		for _, field := range target.fields {
			base[field] = "x"
		}
		for _, field := range target.fields {
			for _, value := range []any{48151623, -1.5, true, L{}, L{"48151623"}, M{}, M{"$ne": "48151623"}} {
				body := maps.Clone(base)
				body[field] = value
				r := hit(t, c, target, body)
				if r.status != 422 || !strings.Contains(r.detail(t), field) {
					// Where the contract has a text for the field's absence, that text will do as well.
					if r.status != 422 || !isDocumentedAbsence(r.detail(t)) {
						t.Errorf("%s as %s: want a 422 that names it, got %d %s", field, compact(value), r.status, r.body)
					}
				}
				if strings.Contains(string(r.body), "48151623") {
					t.Errorf("%s: the answer echoes the value: %s", field, r.body)
				}
			}
			body := maps.Clone(base)
			body[field] = nil
			if r := hit(t, c, target, body); r.status != 422 && r.status != 400 && target.method != http.MethodPatch {
				t.Errorf("%s as null: got %d %s", field, r.status, r.body)
			}
		}
	})
}

func isDocumentedAbsence(detail string) bool {
	switch detail {
	case needEmailAndPassword, noEmail, noCode, "Please provide providerId and callBackUri",
		"Please provide sessionId, providerId, callBackUri, and either token or code":
		return true
	}
	return false
}

// TestAbsurdValues: well-formed, and absurd. Only the users table may take some of it, as it keeps what apps give it.
func TestAbsurdValues(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, c client, target hostileTarget) {
		for _, value := range []string{
			strings.Repeat("p", 10_000), strings.Repeat("ü", 5_000), strings.Repeat("a", 300) + "@example.test",
			"a@" + strings.Repeat("b.", 200) + "test", "\u202e@example.test", "a@example.test\r\nRCPT TO:<b@example.test>",
			"' OR '1'='1", `"; DROP TABLE users; --`, "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "../../etc/passwd", "%00", "\ufeff", " ", "\t\n",
		} {
			body := M{}
			for _, field := range target.fields {
				body[field] = value
			}
			r := hit(t, c, target, body)
			allowed := r.status >= 400 && r.status < 500
			if target.method == http.MethodPatch || target.path == providers {
				allowed = allowed || r.status == 200 || r.status == 204
			}
			if !allowed {
				t.Errorf("with %q: got %d %s", tail(value, 40), r.status, tail(string(r.body), 200))
			}
		}
	})
}

// TestContentTypes: bodies are JSON and nothing else, and no encoding hides a bomb.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, c client, target hostileTarget) {
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "nonsense"} {
			if r := hit(t, c.with("Content-Type", media), target, M{"name": "x"}); r.status != 415 && r.status != 422 {
				t.Errorf("Content-Type %s: got %d %s", media, r.status, r.body)
			}
		}
		if r := hit(t, c.with("Content-Encoding", "gzip"), target, M{"name": "x"}); r.status != 415 && r.status != 422 {
			t.Errorf("Content-Encoding gzip: got %d %s", r.status, r.body)
		}
		r := hit(t, c.with("Content-Type", "application/json; charset=utf-8"), target, M{"unknown": "x"})
		if r.status == 415 {
			t.Errorf("application/json with charset=utf-8 is refused: %s", r.body)
		}
	})
}

// TestHostileAttributes: odd attribute names in the users table are refused or kept, and break nothing.
func TestHostileAttributes(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	me := p.client().bearer(a.idToken)
	for _, name := range []string{"", " ", "__proto__", "constructor", "a.b", "$where", "password", "passwordHash", "refreshToken",
		strings.Repeat("k", 10_000), "'; --", "ключ", "email ", "EMAIL", "isAdmin", "customClaims"} {
		r := me.patch(t, users+"/"+a.uid, M{name: "value"})
		if r.status >= 500 {
			t.Errorf("attribute %q: %d", tail(name, 40), r.status)
		}
		me.get(t, users+"/"+a.uid).wantStatus(t, 200)
	}
	many := M{}
	for i := range 2_000 {
		many[fmt.Sprintf("attribute%d", i)] = strings.Repeat("v", 20)
	}
	if r := me.patch(t, users+"/"+a.uid, many); r.status >= 500 {
		t.Errorf("2000 attributes: %d", r.status)
	}
	after := p.signIn(t, a.email, a.password)
	_, claims := jwtParts(t, after.idToken)
	if claims["isAdmin"] != nil || claims["customClaims"] != nil {
		t.Errorf("an attribute became a claim: %s", compact(claims))
	}
}

// TestRawHTTP: ambiguous or broken framing is refused or the connection closed, within the limit.
func TestRawHTTP(t *testing.T) {
	t.Parallel()
	p := plain(t)
	head := "POST " + apiBase + signup + " HTTP/1.1\r\nHost: " + p.id + ".api.localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
	for name, raw := range map[string]string{
		"two lengths":           head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"negative length":       head + "Content-Length: -1\r\n\r\n{}",
		"length and chunked":    head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"unknown encoding":      head + "Transfer-Encoding: cow\r\n\r\n{}",
		"broken chunk":          head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"body cut":              head + "Content-Length: 100\r\n\r\n{\"email\":",
		"headers of 200 kB":     head + "X-Long: " + strings.Repeat("a", 200_000) + "\r\n\r\n",
		"no host":               "POST " + apiBase + signup + " HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
		"two hosts":             head + "Host: default.api.localhost\r\nContent-Length: 2\r\n\r\n{}",
		"host with a path":      strings.Replace(head, ".api.localhost", ".api.localhost/x", 1) + "Content-Length: 2\r\n\r\n{}",
		"garbage":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
		"no such version":       strings.Replace(head, "HTTP/1.1", "HTTP/9.9", 1) + "Content-Length: 2\r\n\r\n{}",
		"header with a newline": head + "X-A: b\n c\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			status, err := rawStatus(p.srv.addr, raw)
			if err != nil {
				t.Fatal(err)
			}
			if status != 0 && (status < 400 || status == 500 || status == 502 || status == 503) {
				t.Errorf("status %d", status)
			}
		})
	}
	p.signUp(t)
}

// rawStatus writes bytes, ends the sending side, and returns the status of the answer; 0 is a connection
// closed without one. No end within the limit is an error.
func rawStatus(addr, raw string) (int, error) {
	conn, err := net.DialTimeout("tcp", addr, answerLimit)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * answerLimit))
	_, _ = io.WriteString(conn, raw) // the server may close before it has read all
	_ = conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if ne, is := err.(net.Error); is && ne.Timeout() {
		return 0, fmt.Errorf("neither an answer nor an end: %w", err)
	}
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
