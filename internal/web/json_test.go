package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

type address struct {
	City string `json:"city"`
	Zip  int64  `json:"zip"`
}

type embedded struct {
	Note string `json:"note"`
}

type signUp struct {
	embedded
	Email    string            `json:"email"`
	Password *string           `json:"password"`
	Agree    bool              `json:"agree"`
	News     *bool             `json:"news,omitempty"`
	Age      int64             `json:"age"`
	Small    int8              `json:"small"`
	Limit    *int64            `json:"limit"`
	Ratio    float64           `json:"ratio"`
	Roles    []string          `json:"roles"`
	Custom   map[string]any    `json:"custom"`
	Raw      json.RawMessage   `json:"raw"`
	Any      any               `json:"any"`
	Home     address           `json:"home"`
	Others   []address         `json:"others"`
	Work     *address          `json:"work"`
	Nick     Optional[string]  `json:"nick"`
	Photo    Optional[*string] `json:"photo"`
	Untagged string
	Hidden   string `json:"-"`
}

func jsonRequest(body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func ptr[T any](v T) *T { return &v }

func TestDecodeJSON(t *testing.T) {
	tests := []struct {
		name, body string
		want       signUp
	}{
		{"empty object", `{}`, signUp{}},
		{"white space around", " \r\n\t{ \"email\" : \"a\" , \"raw\" : [ 1 ] , \"agree\" : true , \"age\" : 7 }\n", signUp{
			Email: "a", Raw: json.RawMessage(`[ 1 ]`), Agree: true, Age: 7,
		}},
		{"every type", `{"note":"n","email":"a@b.c","password":"","agree":true,"news":false,"age":-9223372036854775808,"small":127,
			"limit":5,"ratio":1e2,"roles":["x","y"],"custom":{"a":1,"b":1.5,"c":[null,true,{"d":"e"}],"big":9223372036854775808},
			"raw":{"k":null},"any":[1,"2"],"home":{"city":"Bonn","zip":53111},"others":[{"city":"A"},{"zip":1}],
			"work":{"city":"W"},"nick":"","photo":"p"}`, signUp{
			embedded: embedded{Note: "n"},
			Email:    "a@b.c", Password: ptr(""), Agree: true, News: ptr(false), Age: -9223372036854775808, Small: 127,
			Limit: ptr[int64](5), Ratio: 100, Roles: []string{"x", "y"},
			Custom: map[string]any{
				"a": int64(1), "b": 1.5, "c": []any{nil, true, map[string]any{"d": "e"}}, "big": 9223372036854775808.0,
			},
			Raw: json.RawMessage(`{"k":null}`), Any: []any{int64(1), "2"}, Home: address{"Bonn", 53111},
			Others: []address{{City: "A"}, {Zip: 1}}, Work: &address{City: "W"},
			Nick: Optional[string]{Present: true}, Photo: Optional[*string]{true, ptr("p")},
		}},
		{"null where it may be", `{"password":null,"news":null,"work":null,"raw":null,"any":null,"photo":null}`, signUp{
			Raw: json.RawMessage("null"), Photo: Optional[*string]{Present: true},
		}},
		{"names are exact", `{"EMAIL":"x","Email":1,"emaıl":"x","email ":"x"}`, signUp{}},
		{"names after unescaping", `{"\u0065mail":"x"}`, signUp{Email: "x"}},
		{"fields without a tag get nothing", `{"Untagged":"x","untagged":"x","Hidden":"x","-":"x","":"x"}`, signUp{}},
		{"unknown members are dropped", `{"uid":"1","isAdmin":true,"email":"x"}`, signUp{Email: "x"}},
		{"escapes", `{"email":"\ud83d\ude00\\u0000\"\u00e9"}`, signUp{Email: "😀\\u0000\"é"}},
		{"one name in two objects", `{"home":{"city":"a"},"work":{"city":"a"},"others":[{"city":"a"},{"city":"a"}]}`, signUp{
			Home: address{City: "a"}, Work: &address{City: "a"}, Others: []address{{City: "a"}, {City: "a"}},
		}},
		{"a value like a name", `{"email":"email","any":{"email":"email"}}`, signUp{
			Email: "email", Any: map[string]any{"email": "email"},
		}},
		{"as deep as allowed", `{"raw":` + nested(DefaultMaxJSONDepth-1) + `}`, signUp{
			Raw: json.RawMessage(nested(DefaultMaxJSONDepth - 1)),
		}},
		{"as long as allowed", `{"email":"` + strings.Repeat("x", DefaultMaxBodyBytes-12) + `"}`, signUp{
			Email: strings.Repeat("x", DefaultMaxBodyBytes-12),
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got signUp
			if err := DecodeJSON(jsonRequest(test.body), &got, DecodeOptions{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(signUp{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestDecodeJSONRefuses(t *testing.T) {
	const secret = "s3cret-value"
	tests := []struct {
		name, body, field, detail string
	}{
		{"nothing", ``, "", "The request body is empty where a JSON object is expected"},
		{"white space", " \n", "", "The request body is empty where a JSON object is expected"},
		{"array", `[]`, "", "The request body must be a JSON object"},
		{"string", `"` + secret + `"`, "", "The request body must be a JSON object"},
		{"null", `null`, "", "The request body must be a JSON object"},
		{"form", `email=` + secret, "", "The request body must be a JSON object"},
		{"byte order mark", "\ufeff{}", "", "The request body must be a JSON object"},
		{"form feed before", "\f{}", "", "The request body must be a JSON object"},
		{"cut off", `{"email":"` + secret, "", "The request body is not valid JSON"},
		{"text after", `{} ` + secret, "", "The request body is not valid JSON"},
		{"second object", `{}{}`, "", "The request body is not valid JSON"},
		{"comment", `{/**/}`, "", "The request body is not valid JSON"},
		{"trailing comma", `{"email":"x",}`, "", "The request body is not valid JSON"},
		{"NaN", `{"age":NaN}`, "", "The request body is not valid JSON"},
		{"leading zero", `{"age":01}`, "", "The request body is not valid JSON"},
		{"bad escape", `{"email":"\x41"}`, "", "The request body is not valid JSON"},
		{"short escape", `{"email":"\u00"}`, "", "The request body is not valid JSON"},
		{"raw NUL", "{\"email\":\"a\x00b\"}", "", "The request body is not valid JSON"},
		{"NUL after", "{}\x00", "", "The request body is not valid JSON"},
		{"escaped NUL", `{"email":"a\u0000b"}`, "", "The request body must not contain the character U+0000"},
		{"escaped NUL in a name", `{"email\u0000":"b"}`, "", "The request body must not contain the character U+0000"},
		{"escaped NUL after a backslash", `{"email":"\\\u0000"}`, "", "The request body must not contain the character U+0000"},
		{"invalid UTF-8", "{\"email\":\"\xff\"}", "", "The request body must be valid UTF-8"},
		{"overlong UTF-8", "{\"email\":\"\xc0\x80\"}", "", "The request body must be valid UTF-8"},
		{"surrogate in UTF-8", "{\"email\":\"\xed\xa0\x80\"}", "", "The request body must be valid UTF-8"},
		{"high surrogate alone", `{"email":"\ud83d"}`, "", "The request body must not contain lone surrogates"},
		{"high surrogate before text", `{"email":"\uD83Dabcdefgh"}`, "", "The request body must not contain lone surrogates"},
		{"low surrogate alone", `{"x":"\ude00"}`, "", "The request body must not contain lone surrogates"},
		{"surrogates in the wrong order", `{"x":"\ude00\ud83d"}`, "", "The request body must not contain lone surrogates"},
		{"two high surrogates", `{"x":"\ud83d\ud83d\ude00"}`, "", "The request body must not contain lone surrogates"},
		{"member twice", `{"email":"a","email":"b"}`, "", "The request body has an object that names a member twice"},
		{"member twice, one escaped", `{"email":"a","\u0065mail":"b"}`, "", "The request body has an object that names a member twice"},
		{"unknown member twice", `{"x":1,"y":2,"x":1}`, "", "The request body has an object that names a member twice"},
		{"empty name twice", `{"":1,"":1}`, "", "The request body has an object that names a member twice"},
		{"member twice within", `{"x":[{"a":{}},{"a":[],"b":1,"a":[]}]}`, "", "The request body has an object that names a member twice"},
		{"too deep", `{"x":` + nested(DefaultMaxJSONDepth) + `}`, "", "The request body is nested deeper than 16 levels"},
		{"far too deep", `{"x":` + nested(30000) + `}`, "", "The request body is not valid JSON"},
		{"too long", `{"email":"` + strings.Repeat("x", DefaultMaxBodyBytes) + `"}`, "", "The request body is over the limit of 65536 bytes"},
		{"a megabyte of spaces", strings.Repeat(" ", 1<<20), "", "The request body is over the limit of 65536 bytes"},
		{"string: number", `{"email":1}`, "email", `The field "email" must be a string`},
		{"string: null", `{"email":null}`, "email", `The field "email" must be a string`},
		{"string: object", `{"email":{"$ne":"` + secret + `"}}`, "email", `The field "email" must be a string`},
		{"string: array", `{"email":["` + secret + `"]}`, "email", `The field "email" must be a string`},
		{"pointer: number", `{"password":12345678}`, "password", `The field "password" must be a string`},
		{"bool: string", `{"agree":"true"}`, "agree", `The field "agree" must be a boolean`},
		{"bool: number", `{"agree":1}`, "agree", `The field "agree" must be a boolean`},
		{"bool: null", `{"agree":null}`, "agree", `The field "agree" must be a boolean`},
		{"whole: string", `{"age":"` + secret + `"}`, "age", `The field "age" must be a whole number`},
		{"whole: fraction", `{"age":1.5}`, "age", `The field "age" must be a whole number`},
		{"whole: too big", `{"age":9223372036854775808}`, "age", `The field "age" must be a whole number`},
		{"whole: too big for the field", `{"small":128}`, "small", `The field "small" must be a whole number`},
		{"number: string", `{"ratio":"1"}`, "ratio", `The field "ratio" must be a number`},
		{"number: too big", `{"ratio":1e999}`, "ratio", `The field "ratio" must be a number`},
		{"number: null", `{"ratio":null}`, "ratio", `The field "ratio" must be a number`},
		{"array: string", `{"roles":"` + secret + `"}`, "roles", `The field "roles" must be an array`},
		{"array: null", `{"roles":null}`, "roles", `The field "roles" must be an array`},
		{"array: element", `{"roles":["a",null]}`, "roles[1]", `The field "roles[1]" must be a string`},
		{"map: array", `{"custom":[]}`, "custom", `The field "custom" must be an object`},
		{"map: null", `{"custom":null}`, "custom", `The field "custom" must be an object`},
		{"map: number too big", `{"custom":{"a":[1e999,1]}}`, "custom", `The field "custom" must be within the range of numbers`},
		{"any: number too big", `{"any":-1e999}`, "any", `The field "any" must be within the range of numbers`},
		{"struct: string", `{"home":"` + secret + `"}`, "home", `The field "home" must be an object`},
		{"struct: null", `{"home":null}`, "home", `The field "home" must be an object`},
		{"struct: member", `{"home":{"city":1}}`, "home.city", `The field "home.city" must be a string`},
		{"struct in an array", `{"others":[{},{"zip":"1"}]}`, "others[1].zip", `The field "others[1].zip" must be a whole number`},
		{"optional: null", `{"nick":null}`, "nick", `The field "nick" must be a string`},
		{"optional pointer: number", `{"photo":1}`, "photo", `The field "photo" must be a string`},
		{"embedded", `{"note":1}`, "note", `The field "note" must be a string`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := DecodeJSON(jsonRequest(test.body), &signUp{}, DecodeOptions{})
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if refused.Status != 422 || refused.Detail != test.detail || refused.Field != test.field {
				t.Errorf("got %d %q, field %q", refused.Status, refused.Detail, refused.Field)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the value: %v", err)
			}
		})
	}
}

func TestDecodeJSONHeaders(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		body   string
		status int // 0: accepted
	}{
		{"plain", http.Header{"Content-Type": {"application/json"}}, `{}`, 0},
		{"charset", http.Header{"Content-Type": {"Application/JSON; Charset=\"UTF-8\""}}, `{}`, 0},
		{"none", http.Header{}, `{}`, 415},
		{"none, and no body", http.Header{}, ``, 422},
		{"text", http.Header{"Content-Type": {"text/plain"}}, `{}`, 415},
		{"form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, `a=b`, 422},
		{"other charset", http.Header{"Content-Type": {"application/json; charset=utf-16"}}, `{}`, 415},
		{"other parameter", http.Header{"Content-Type": {"application/json; boundary=x"}}, `{}`, 415},
		{"prefix only", http.Header{"Content-Type": {"application/json-patch+json"}}, `{}`, 415},
		{"list", http.Header{"Content-Type": {"application/json, text/plain"}}, `{}`, 415},
		{"twice", http.Header{"Content-Type": {"application/json", "text/plain"}}, `{}`, 415},
		{"compressed", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, `{}`, 415},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := jsonRequest(test.body)
			r.Header = test.header
			err := DecodeJSON(r, &signUp{}, DecodeOptions{})
			var refused *Error
			if status := 0; errors.As(err, &refused) {
				status = refused.Status
				if status != test.status {
					t.Errorf("got %v, want %d", err, test.status)
				}
			} else if err != nil || test.status != 0 {
				t.Errorf("got %v, want %d", err, test.status)
			}
		})
	}
}

func TestDecodeJSONTargetsAndLimits(t *testing.T) {
	var free map[string]any
	if err := DecodeJSON(jsonRequest(`{"a":1,"A":"b"}`), &free, DecodeOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"a": int64(1), "A": "b"}; !reflect.DeepEqual(free, want) {
		t.Errorf("got %v, want %v", free, want)
	}
	if err := DecodeJSON(jsonRequest(`{"a":1e999}`), &free, DecodeOptions{}); err == nil ||
		!strings.Contains(err.Error(), "out of range") {
		t.Errorf("number out of range: got %v", err)
	}
	kept := signUp{Email: "before"}
	if err := DecodeJSON(jsonRequest(`{}`), &kept, DecodeOptions{}); err != nil || kept.Email != "before" {
		t.Errorf("absent member: got %q, %v", kept.Email, err)
	}
	limits := DecodeOptions{MaxBytes: 10, MaxDepth: 1}
	for body, want := range map[string]string{
		`{"a":1}    `: "over the limit of 10 bytes",
		`{"a":[]}`:    "deeper than 1 levels",
		`{"email":"`:  "not valid JSON",
	} {
		if err := DecodeJSON(jsonRequest(body), &signUp{}, limits); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
	outer := jsonRequest(`{"email":"long"}`)
	outer.Body = http.MaxBytesReader(httptest.NewRecorder(), outer.Body, 5)
	if err := DecodeJSON(outer, &signUp{}, DecodeOptions{}); err == nil || !strings.Contains(err.Error(), "limit of 5 bytes") {
		t.Errorf("outer limit: got %v", err)
	}
}

// What a program cannot decode is its own fault, so it must not look like the client's.
func TestDecodeJSONUnsupportedTarget(t *testing.T) {
	for _, dst := range []any{
		signUp{}, (*signUp)(nil), nil,
		&struct {
			A chan int `json:"a"`
		}{},
		&struct {
			A map[string]string `json:"a"`
		}{},
		&struct {
			A io.Reader `json:"a"`
		}{},
	} {
		err := DecodeJSON(jsonRequest(`{"a":{}}`), dst, DecodeOptions{})
		var refused *Error
		if err == nil || errors.As(err, &refused) {
			t.Errorf("%T: got %v", dst, err)
		}
	}
}

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

func TestDecodeJSONBrokenBody(t *testing.T) {
	r := jsonRequest("")
	r.Body = io.NopCloser(brokenBody{io.ErrUnexpectedEOF})
	err := DecodeJSON(r, &signUp{}, DecodeOptions{})
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 400 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want a 400 with its cause", err)
	}
}

// FuzzDecodeJSON holds: what is accepted is what encoding/json would read too, is valid UTF-8 without NUL, and
// every refusal is an *Error of the 4xx.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"email":"a","password":null}`, `{"email":"a","\u0065mail":"b"}`, `{"email":"\ud83d\ude00"}`, `{"x":"\ud83d"}`,
		`{"custom":{"a":[1,2.5,1e999,"x",null,true]}}`, `{"others":[{"city":"x"},{}]}`, `{"x":"\u0000"}`, "{\"x\":\"\xff\"}",
		`{"EMAIL":1,"Email":"x"}`, `[]`, ``, `{}{}`, `{"age":-0}`, `{"raw":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`, "\ufeff{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got signUp
		err := DecodeJSON(jsonRequest(body), &got, DecodeOptions{})
		var refused *Error
		if err != nil {
			if !errors.As(err, &refused) || refused.Status < 400 || refused.Status > 499 {
				t.Fatalf("%q: got %v", body, err)
			}
			return
		}
		var reference map[string]any
		dec := json.NewDecoder(strings.NewReader(body))
		dec.UseNumber() // a member that nobody asked for may hold any number
		if err := dec.Decode(&reference); err != nil {
			t.Fatalf("%q: accepted, but %v", body, err)
		}
		email, _ := reference["email"].(string)
		if got.Email != email || !utf8.ValidString(email) || strings.ContainsAny(email, "\x00") {
			t.Fatalf("%q: email %q, want %q", body, got.Email, email)
		}
	})
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, 201, map[string]string{"a": "<b>&\u2028é"}); err != nil {
		t.Fatal(err)
	}
	want := `{"a":"<b>&\u2028é"}`
	if w.Code != 201 || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	wantHeader := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"20"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if diff := cmp.Diff(wantHeader, w.Header()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	cached := httptest.NewRecorder()
	cached.Header().Set("Cache-Control", "public, max-age=60")
	if err := WriteJSON(cached, 200, nil); err != nil || cached.Header().Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("own Cache-Control: got %v, %v", cached.Header(), err)
	}

	untouched := httptest.NewRecorder()
	if err := WriteJSON(untouched, 200, func() {}); err == nil || untouched.Body.Len() != 0 || len(untouched.Header()) != 0 {
		t.Errorf("a value that does not encode: got %v, header %v", err, untouched.Header())
	}
}

func TestNoContent(t *testing.T) {
	w := httptest.NewRecorder()
	NoContent(w)
	if w.Code != 204 || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	body := []byte(`{"email":"someone@example.com","password":"correct horse battery staple"}`)
	for b.Loop() {
		r := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body))}
		if err := DecodeJSON(r, &signUp{}, DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
