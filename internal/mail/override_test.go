package mail

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
)

func TestCheckAccepts(t *testing.T) {
	const everything = `{{/* a comment */}}{{if and .UserName (not (or .Link "")) -}} Dear {{.UserName}} {{- else if eq .Email "a" "b"}}x{{else}}Dear reader{{end}}
{{with .Link}}{{.}} {{$.ExpiresIn}}{{else}}{{.ProjectName}}{{end}} {{if ne .Email .NewEmail}}{{.NewEmail}}{{end}} {{"quoted"}} {{with .Code}}{{.}} {{$.CodePage}}{{end}}`
	tests := []struct {
		name string
		t    auth.MailTemplate
	}{
		{"subject", auth.MailTemplate{Subject: everything}},
		{"text", auth.MailTemplate{Text: everything}},
		{"html", auth.MailTemplate{HTML: "<!doctype html><html><head><meta http-equiv=\"Content-Type\" content=\"text/html\"><style>p{color:red}</style><title>x</title></head><body><p>" + everything + `</p><a href="{{.Link}}">x</a><img src="https://example.com/logo.png" alt=""><a href="mailto:help@example.com">help</a></body></html>`}},
		{"plain words", auth.MailTemplate{Subject: "Hello"}},
	}
	r := newTestRenderer(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tc.t.Kind, tc.t.Language = auth.MailInvite, "nl"
			if err := r.Check(tc.t); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the walk over the parse tree refuses, in which line. Nothing of it is ever executed (P42).
func TestCheckRefusesConstructs(t *testing.T) {
	tests := []struct {
		source string
		line   int
		reason string
	}{
		{"a\n{{range .Link}}x{{end}}", 2, "range is not allowed"},
		{"{{range 1000000000}}x{{end}}", 1, "range is not allowed"},
		{`{{define "x"}}{{end}}y`, 0, "define and block"},
		{`{{define "text"}}y{{template "text"}}{{end}}`, 1, "template is not allowed"},
		{`{{template "text"}}`, 1, "template is not allowed"},
		{`{{block "x" .}}y{{end}}`, 0, "define and block"},
		{`{{printf "%1000000000d" 1}}`, 1, "the function printf is not allowed"},
		{`{{print .}}`, 1, "the function print is not allowed"},
		{`{{println "x"}}`, 1, "the function println is not allowed"},
		{`{{html .Link}}`, 1, "the function html is not allowed"},
		{`{{js .Link}}`, 1, "the function js is not allowed"},
		{`{{urlquery .Link}}`, 1, "the function urlquery is not allowed"},
		{`{{index .Link 0}}`, 1, "the function index is not allowed"},
		{`{{slice .Link 0 1}}`, 1, "the function slice is not allowed"},
		{`{{len .Link}}`, 1, "the function len is not allowed"},
		{`{{call .Link}}`, 1, "the function call is not allowed"},
		{`{{if lt .Link "x"}}y{{end}}`, 1, "the function lt is not allowed"},
		{`{{if and (len .Link) true}}y{{end}}`, 1, "the function len is not allowed"},
		{`{{.Link | printf "%s"}}`, 1, "pipelines"},
		{`{{$x := .Link}}{{$x}}`, 1, "variables are not allowed"},
		{`{{with $x := .Link}}{{$x}}{{end}}`, 1, "variables are not allowed"},
		{`{{if $x := .Link}}{{end}}y`, 1, "variables are not allowed"},
		{`{{.}}`, 1, "the dot alone"},
		{`{{$}}`, 1, "$ is not allowed"},
		{`{{.Secret}}`, 1, "there is no field .Secret"},
		{"ok\n\n  {{.Link.Host}}", 3, "there is no field .Link.Host"},
		{`{{.ExpiresIn.String}}`, 1, "there is no field .ExpiresIn.String"},
		{`{{(.Link).Host}}`, 1, "is not allowed here"},
		{`{{with .UserName}}{{.Link}}{{end}}`, 1, "write $.Link"},
		{`{{.Link "x"}}`, 1, "takes no arguments"},
		{`{{not}}`, 1, "wrong number of arguments"},
		{`{{if eq .Link}}x{{end}}`, 1, "wrong number of arguments"},
		{`{{if eq .Link 1}}x{{end}}`, 1, "is not allowed here"},
		{`{{if eq (not .Link) "x"}}y{{end}}`, 1, "compares fields and quoted strings only"},
		{`{{if eq .Link nil}}y{{end}}`, 1, "is not allowed here"},
		{"x\n{{if .Link}}", 2, "unexpected EOF"},
		{"x\n{{.Link", 2, "unclosed action"},
		{"{{nosuch}}", 1, "not defined"},
		{"{{/* only this */}}", 0, "comes out empty"},
		{"  \n ", 0, "comes out empty"},
		{"{{if .UserName}}x{{end}}", 0, "comes out empty"},
		{strings.Repeat("x", maxSource+1), 0, "longer than"},
		{"\xff", 0, "not UTF-8"},
		{"a\x00b", 0, "not UTF-8"},
	}
	r := newTestRenderer(t)
	for _, part := range []string{"text", "html", "subject"} {
		for _, tc := range tests {
			template := auth.MailTemplate{Kind: auth.MailInvite, Language: "en"}
			switch part {
			case "text":
				template.Text = tc.source
			case "html":
				template.HTML = tc.source
			case "subject":
				template.Subject = tc.source
			}
			var got *TemplateError
			if err := r.Check(template); !errors.As(err, &got) {
				t.Errorf("%s %.60q: %v, want a *TemplateError", part, tc.source, err)
				continue
			}
			if tc.reason == "template is not allowed" && got.Reason != "" && strings.Contains(got.Reason, "define and block") {
				continue // a definition of the part itself may count as either
			}
			if got.Part != part || got.Line != tc.line || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("%s %.60q: %v, want line %d: …%s…", part, tc.source, got, tc.line, tc.reason)
			}
		}
	}
}

func TestCheckRefusesHTML(t *testing.T) {
	tests := []struct {
		source string
		line   int
		reason string
	}{
		{"<p>\n<script>alert(1)</script>", 2, "the element script"},
		{"<SCRIPT src=https://e.example/x.js></SCRIPT>", 1, "the element script"},
		{"<iframe src=https://e.example></iframe>", 1, "the element iframe"},
		{"<noscript><iframe src=https://e.example></iframe></noscript>", 1, "the element noscript"},
		{"<base href=https://e.example>", 1, "the element base"},
		{"<link rel=stylesheet href=https://e.example/x.css>", 1, "the element link"},
		{"<form><input></form>", 1, "the element form"},
		{"<svg><a xlink:href=\"javascript:alert(1)\">x</a></svg>", 1, "the element svg"},
		{"<p onclick=\"x()\">x</p>", 1, "the attribute onclick"},
		{"<a\nhref=\"javascript:alert(1)\">x</a>", 1, "href takes"},
		{"<a href=\" java\tscript:alert(1)\">x</a>", 1, "href takes"},
		{"<a href=\"data:text/html,x\">x</a>", 1, "href takes"},
		{"<a href=\"{{.ProjectName}}:x\">x</a>", 1, "href takes"},
		{"<img src=\"data:image/png;base64,AAAA\">", 1, "src takes"},
		{"<meta http-equiv=refresh content=\"0;url=https://e.example\">", 1, "http-equiv"},
		{"<p>\n<a href={{.Link}}{{if .UserName}}x\">{{else}}y>{{end}}", 0, "in unquoted attr"},
	}
	r := newTestRenderer(t)
	for _, tc := range tests {
		var got *TemplateError
		if err := r.Check(auth.MailTemplate{Kind: auth.MailInvite, Language: "en", HTML: tc.source}); !errors.As(err, &got) {
			t.Errorf("%q: %v, want a *TemplateError", tc.source, err)
			continue
		}
		if got.Part != "html" || got.Line != tc.line || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("%q: %v, want line %d: …%s…", tc.source, got, tc.line, tc.reason)
		}
	}
}

func TestCheckRefusesTheRest(t *testing.T) {
	r := newTestRenderer(t)
	for name, template := range map[string]auth.MailTemplate{
		"unknown kind":     {Kind: "newsletter", Language: "en", Text: "x"},
		"no language":      {Kind: auth.MailInvite, Text: "x"},
		"invalid language": {Kind: auth.MailInvite, Language: "not a tag", Text: "x"},
		"no part":          {Kind: auth.MailInvite, Language: "en"},
	} {
		if err := r.Check(template); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	source := strings.Repeat("{{.Email}}", maxSource/len("{{.Email}}"))
	long := newValues(language.English, auth.MailData{Email: strings.Repeat("x", 5000)})
	for _, p := range []part{textPart, htmlPart, subjectPart} {
		_, err := renderOverride(auth.MailTemplate{Subject: source, Text: source, HTML: source}, p, long)
		if err == nil || !strings.Contains(err.Error(), "longer than 256 KiB") {
			t.Errorf("%s: %v, want a refusal for its length", p, err)
		}
	}
}

// Whatever Check accepts renders for any values.
func FuzzCheckedTemplatesRender(f *testing.F) {
	f.Add("{{if eq .Email \"x\"}}{{with .UserName}}{{.}}{{end}}{{else}}y{{end}}z", "x", "n")
	f.Add("<a href=\"{{.Link}}\">{{.UserName}}</a>", "a", "b")
	r, err := NewRenderer()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source, email, name string) {
		template := auth.MailTemplate{Kind: auth.MailInvite, Language: "en", Text: source + "."}
		if r.Check(template) != nil {
			return
		}
		data := auth.MailData{ProjectName: name, UserName: name, Email: email, NewEmail: name, Link: "https://e.example/"}
		if _, err := r.Render(auth.MailInvite, nil, []auth.MailTemplate{template}, data); err != nil && !strings.Contains(err.Error(), errTooLong.Error()) {
			t.Errorf("%q passed Check and failed: %v", source, err)
		}
	})
}
