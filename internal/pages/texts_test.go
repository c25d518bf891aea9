package pages

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/web"
)

// TestAnswers: every code of the domain has an answer, and nothing else has.
func TestAnswers(t *testing.T) {
	for _, code := range auth.Codes() {
		a, ok := answers[code]
		if !ok {
			t.Errorf("no answer to %s", code)
			continue
		}
		if a.status < 400 || a.status > 599 {
			t.Errorf("%s: status %d", code, a.status)
		}
		if got := answerTo(&auth.Error{Code: code}, http.Header{}); got != a {
			t.Errorf("%s: got %v, want %v", code, got, a)
		}
	}
	if len(answers) != len(auth.Codes()) {
		t.Errorf("%d answers to %d codes", len(answers), len(auth.Codes()))
	}
	if got := answerTo(&auth.Error{Code: "new"}, http.Header{}); got != answerInternal {
		t.Errorf("an unknown code: %v", got)
	}
	if got := answerTo(web.Unavailable(7, nil), http.Header{}); got.status != 503 || got.key != "internal" {
		t.Errorf("an overload that the plumbing tells of: %v", got)
	}
	for _, err := range []error{auth.ErrStoreBusy, auth.ErrOutcomeUnknown, auth.ErrNotFound} {
		if got := answerTo(err, http.Header{}); got.status < 500 || !got.retry {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// neededKeys are all messages that the pages can ask for.
func neededKeys() []string {
	keys := []string{
		"dir", "language.name", "language.label", "resend.title", "resend.text", "resend.button", "resend.done.title", "resend.done.text", "reference.label", "email.label", "password.label", "password.rule",
		"password.short", "password.long", "error.origin.title", "error.origin.text",
		"typed.text", "code.label", "code.rule", "error.code.title", "error.code.text", "error.code-missing.title", "error.code-missing.text",
	}
	for _, page := range pageTable {
		for _, part := range []string{".title", ".text", ".button", ".done.title", ".done.text"} {
			keys = append(keys, page.name+part)
		}
		if !page.resend {
			keys = append(keys, page.name+".again")
		}
	}
	for _, a := range answers {
		keys = append(keys, "error."+a.key+".title", "error."+a.key+".text")
	}
	keys = append(keys, flowKeys...)
	keys = append(keys, accountKeys()...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// TestMessages: each language has every message, none that nobody asks for, each with the same placeholders as the English one.
func TestMessages(t *testing.T) {
	english := textsByLanguage["en"].messages
	for _, lang := range languages {
		messages := textsByLanguage[lang].messages
		if diff := cmp.Diff(neededKeys(), slices.Sorted(maps.Keys(messages))); diff != "" {
			t.Errorf("%s: messages (-needed +there):\n%s", lang, diff)
		}
		var source string
		for _, file := range messageFileNames(lang) {
			content, err := messageFiles.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source += string(content)
		}
		if n := strings.Count(source, `": "`); n != len(messages) {
			t.Errorf("%s: %d lines for %d messages; one is there twice", lang, n, len(messages))
		}
		for key, message := range messages {
			if strings.TrimSpace(message) != message || message == "" || strings.ContainsAny(message, "<>&") {
				t.Errorf("%s: %s is %q", lang, key, message)
			}
			if diff := cmp.Diff(placeholder.FindAllString(english[key], -1), placeholder.FindAllString(message, -1)); diff != "" {
				t.Errorf("%s: %s: placeholders\n%s", lang, key, diff)
			}
			if lang != "en" && key != "dir" && message == english[key] {
				t.Errorf("%s: %s is not translated", lang, key)
			}
		}
		if want := map[bool]string{true: "rtl", false: "ltr"}[lang == "ar"]; messages["dir"] != want {
			t.Errorf("%s: dir %s", lang, messages["dir"])
		}
	}
}

// TestLanguagesAsInMails: whoever gets a mail in a language gets the page in it.
func TestLanguagesAsInMails(t *testing.T) {
	if diff := cmp.Diff(mail.Languages(), slices.Sorted(slices.Values(languages))); diff != "" {
		t.Errorf("languages (-mails +pages):\n%s", diff)
	}
}

func TestChooseTexts(t *testing.T) {
	tests := []struct{ accept, project, want string }{
		{"", "", "en"},
		{"", "de", "de"},
		{"", "de-AT", "de"},
		{"", "it", "en"},
		{"fr", "de", "fr"},
		{"fr-CA, en;q=0.5", "de", "fr"},
		{"en;q=0.5, ja;q=0.9", "de", "ja"},
		{"it, es;q=0.2", "de", "es"},
		{"it", "de", "de"},
		{"pt-PT", "", "pt"},
		{"pt-BR", "", "pt"},
		{"ar-EG", "", "ar"},
		{"*", "de", "de"},
		{"und", "de", "de"},
		{"en;q=0, de", "", "de"},
		{"fr;q=x", "de", "de"},
		{"<script>", "de", "de"},
		{strings.Repeat("a-", 2000), "de", "de"},
	}
	for _, test := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", test.accept)
		if got := chooseTexts(r, test.project).lang; got != test.want {
			t.Errorf("Accept-Language %.20q, project %q: got %s, want %s", test.accept, test.project, got, test.want)
		}
	}
}

// TestPageInEveryLanguage walks a page and an error in each language.
func TestPageInEveryLanguage(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme", "language", "ja")
	for _, lang := range languages {
		for path, key := range map[string]string{
			"/acme/reset-password?oobCode=x&uid=y": "reset-password.title", "/acme/reset-password?uid=y": "error.incomplete.title", "/acme/accept-invite": "accept-invite.title", "/nobody/reset-password": "error.not-found.title",
		} {
			r := httptest.NewRequest(http.MethodGet, publicURL+path, nil)
			r.Header.Set("Accept-Language", lang)
			page := s.do(t, r)
			if got, want := page.heading(), textsByLanguage[lang].messages[key]; got != want {
				t.Errorf("%s %s: %q, want %q", lang, path, got, want)
			}
			root := page.all("html")[0]
			if attribute(root, "lang") != lang || attribute(root, "dir") != textsByLanguage[lang].messages["dir"] || page.header.Get("Content-Language") != lang {
				t.Errorf("%s %s: html %v, Content-Language %q", lang, path, root.Attr, page.header.Get("Content-Language"))
			}
		}
	}
	if got := attribute(s.get(t, "/acme/reset-password").all("html")[0], "lang"); got != "ja" {
		t.Errorf("without Accept-Language: %s, want the project's", got)
	}
}
