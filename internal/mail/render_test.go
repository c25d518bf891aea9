package mail

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
)

var wantLanguages = []string{"ar", "de", "en", "es", "fr", "ja", "pt"}

func newTestRenderer(t *testing.T) *Renderer {
	t.Helper()
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every language has the same files, each with the same blocks, and nothing beside them.
func TestBuiltInFilesAreComplete(t *testing.T) {
	if diff := cmp.Diff(wantLanguages, Languages()); diff != "" {
		t.Fatalf("languages (-want +got):\n%s", diff)
	}
	want := []string{"shared.tmpl"}
	for _, kind := range auth.MailKinds() {
		want = append(want, string(kind)+".tmpl")
	}
	slices.Sort(want)
	for _, name := range wantLanguages {
		files, err := fs.Glob(templateFiles, "templates/"+name+"/*")
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = strings.TrimPrefix(files[i], "templates/"+name+"/")
		}
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, file := range files {
			checkBlocks(t, name, file)
		}
	}
}

func checkBlocks(t *testing.T, name, file string) {
	t.Helper()
	content, err := fs.ReadFile(templateFiles, "templates/"+name+"/"+file)
	if err != nil {
		t.Fatal(err)
	}
	blocks := []string{"subject", "intro", "action", "unasked"}
	if file == "shared.tmpl" {
		blocks = []string{"lang", "dir", "greeting", "expiry", "copy", "code"}
	}
	for _, block := range blocks {
		if strings.Count(string(content), `{{define "`+block+`"}}`) != 1 {
			t.Errorf("%s/%s: block %s is not there exactly once", name, file, block)
		}
	}
}

func TestBuiltInMails(t *testing.T) {
	r := newTestRenderer(t)
	for _, name := range wantLanguages {
		for _, kind := range auth.MailKinds() {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				for _, data := range sampleData() {
					checkBuiltIn(t, r, name, kind, data)
				}
			})
		}
	}
}

func checkBuiltIn(t *testing.T, r *Renderer, name string, kind auth.MailKind, data auth.MailData) {
	t.Helper()
	msg, err := r.Render(kind, []string{name}, nil, data)
	if err != nil {
		t.Fatal(err)
	}
	english, err := r.Render(kind, nil, nil, data)
	if err != nil {
		t.Fatal(err)
	}
	if name != "en" && (msg.Subject == english.Subject || msg.Text == english.Text) {
		t.Errorf("not translated: %q", msg.Subject)
	}
	all := msg.Subject + msg.Text + msg.HTML
	for _, leftover := range []string{"{{", "<no value>", "ZgotmplZ", "%!"} {
		if strings.Contains(all, leftover) {
			t.Errorf("%q is left in %+v", leftover, msg)
		}
	}
	if msg.Subject == "" || strings.ContainsFunc(msg.Subject, unicode.IsControl) || !strings.Contains(msg.Subject, "Example") {
		t.Errorf("subject %q", msg.Subject)
	}
	wantLinks := []string{}
	if data.Link != "" {
		wantLinks = append(wantLinks, data.Link)
	}
	typable := data.Link != "" && data.Code != ""
	if typable {
		wantLinks = append(wantLinks, data.CodePage)
	}
	if got := linksInText(msg.Text); !slices.Equal(got, wantLinks) {
		t.Errorf("links of the text: %q, want %q", got, wantLinks)
	}
	for _, body := range []string{msg.Text, msg.HTML} {
		if data.Code != "" && strings.Contains(body, data.Code) != typable {
			t.Errorf("a mail with link %q and code %q:\n%s", data.Link, data.Code, body)
		}
	}
	if typable {
		wantLinks = append(wantLinks, data.Link) // once more, to be copied
	}
	if got := slices.Compact(linksInHTML(msg.HTML)); !slices.Equal(got, wantLinks) {
		t.Errorf("links of the HTML: %q, want %q", got, wantLinks)
	}
	words := inWords(language.Make(name), data.ExpiresIn)
	for _, body := range []string{msg.Text, msg.HTML} {
		if data.Link != "" && !strings.Contains(body, words) {
			t.Errorf("does not say that the link works for %q:\n%s", words, body)
		}
		if data.UserName != "" && !strings.Contains(body, data.UserName) {
			t.Errorf("does not greet %s", data.UserName)
		}
		if kind == auth.MailEmailChanged && data.NewEmail != "" && !strings.Contains(body, data.NewEmail) {
			t.Errorf("does not name the new address")
		}
	}
	if err := checkHTML(strings.Replace(msg.HTML, `http-equiv`, ``, 1)); err != nil {
		t.Errorf("the built-in HTML breaks the rules for a project's own: %v", err)
	}
}

func TestWritingDirection(t *testing.T) {
	r := newTestRenderer(t)
	for _, name := range wantLanguages {
		msg, err := r.Render(auth.MailInvite, []string{name}, nil, auth.MailData{ProjectName: "Example", Link: "https://e.example/x"})
		if err != nil {
			t.Fatal(err)
		}
		dir := "ltr"
		if name == "ar" {
			dir = "rtl"
		}
		if want := `<html lang="` + name + `" dir="` + dir + `">`; !strings.Contains(msg.HTML, want) {
			t.Errorf("%s: there is no %s", name, want)
		}
		if isolated := strings.Contains(msg.Text, "\u2068Example\u2069"); isolated != (dir == "rtl") {
			t.Errorf("%s: the project's name is set apart for the writing direction: %t", name, isolated)
		}
	}
	msg, err := r.Render(auth.MailInvite, []string{"ar"}, nil, auth.MailData{ProjectName: "Example", Link: "https://e.example/x"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(msg.HTML, `<a href="https://e.example/x" dir="ltr"`) {
		t.Error("a spelled-out link is not left to right")
	}
}

func TestFallbackChain(t *testing.T) {
	own := func(language, subject, text string) auth.MailTemplate {
		return auth.MailTemplate{Kind: auth.MailInvite, Language: language, Subject: subject, Text: text}
	}
	tests := []struct {
		name        string
		languages   []string
		overrides   []auth.MailTemplate
		wantSubject string
		wantText    string // begins with
	}{
		{"nothing asked", nil, nil, "Your invitation to Example", "Hello,"},
		{"built-in exact", []string{"de"}, nil, "Ihre Einladung zu Example", "Guten Tag,"},
		{"built-in base", []string{"de-AT"}, nil, "Ihre Einladung zu Example", "Guten Tag,"},
		{"case and underscore", []string{"PT_br"}, nil, "O seu convite para Example", "Olá!"},
		{"next language", []string{"nl", "fr"}, nil, "Votre invitation à rejoindre Example", "Bonjour,"},
		{"no tag at all", []string{"", "not a tag", "es"}, nil, "Tu invitación a Example", "Hola:"},
		{"English at last", []string{"nl", "sv"}, nil, "Your invitation to Example", "Hello,"},
		{"override exact before base", []string{"pt-BR"}, []auth.MailTemplate{own("pt", "base", "base text"), own("pt-BR", "exact", "exact text")}, "exact", "exact text"},
		{"override base before built-in base", []string{"pt-BR"}, []auth.MailTemplate{own("pt", "base", "base text")}, "base", "base text"},
		{"override of another region is not taken", []string{"pt-PT"}, []auth.MailTemplate{own("pt-BR", "brazil", "brazil text")}, "O seu convite para Example", "Olá!"},
		{"empty part: built-in of the same language", []string{"de"}, []auth.MailTemplate{own("de", "eigen", "")}, "eigen", "Guten Tag,"},
		{"empty part: override of the base", []string{"pt-BR"}, []auth.MailTemplate{own("pt-BR", "exact", ""), own("pt", "base", "base text")}, "exact", "base text"},
		{"empty part without a built-in: next language", []string{"nl", "ja"}, []auth.MailTemplate{own("nl", "uitnodiging", "")}, "uitnodiging", "こんにちは。"},
		{"built-in of the first before override of the next", []string{"fr", "de"}, []auth.MailTemplate{own("de", "eigen", "eigener Text")}, "Votre invitation à rejoindre Example", "Bonjour,"},
		{"override in English at last", []string{"nl"}, []auth.MailTemplate{own("en", "ours", "our text")}, "ours", "our text"},
		{"override spelled otherwise", []string{"pt-BR"}, []auth.MailTemplate{own("PT-br", "exact", "exact text")}, "exact", "exact text"},
		{"override of another kind", []string{"de"}, []auth.MailTemplate{{Kind: auth.MailVerifyEmail, Language: "de", Subject: "no", Text: "no"}}, "Ihre Einladung zu Example", "Guten Tag,"},
	}
	r := newTestRenderer(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			msg, err := r.Render(auth.MailInvite, tc.languages, tc.overrides, auth.MailData{ProjectName: "Example"})
			if err != nil {
				t.Fatal(err)
			}
			if msg.Subject != tc.wantSubject || !strings.HasPrefix(msg.Text, tc.wantText) {
				t.Errorf("got %q and\n%s\nwant %q and %q…", msg.Subject, msg.Text, tc.wantSubject, tc.wantText)
			}
		})
	}
}

func TestHTMLFallsBackOnItsOwn(t *testing.T) {
	overrides := []auth.MailTemplate{{Kind: auth.MailInvite, Language: "de", HTML: "<p>Nur {{.ProjectName}}</p>"}}
	msg, err := newTestRenderer(t).Render(auth.MailInvite, []string{"de"}, overrides, auth.MailData{ProjectName: "A & B"})
	if err != nil {
		t.Fatal(err)
	}
	if msg.HTML != "<p>Nur A &amp; B</p>\n" || msg.Subject != "Ihre Einladung zu A & B" {
		t.Errorf("got %+v", msg)
	}
}

func TestRenderRefuses(t *testing.T) {
	r := newTestRenderer(t)
	if _, err := r.Render("newsletter", nil, nil, auth.MailData{}); err == nil {
		t.Error("an unknown kind is rendered")
	}
	for _, link := range []string{"javascript:alert(1)", "ftp://example.com/x", "//example.com", "/path", "https://", "https://user:pw@example.com/", "https://example.com/\r\nX: y", "https://example.com/a b"} {
		if _, err := r.Render(auth.MailInvite, nil, nil, auth.MailData{Link: link}); err == nil {
			t.Errorf("the link %q is taken", link)
		}
	}
	broken := []auth.MailTemplate{{Kind: auth.MailInvite, Language: "en", Text: "{{range 10}}x{{end}}"}}
	var templateError *TemplateError
	if _, err := r.Render(auth.MailInvite, nil, broken, auth.MailData{}); !errors.As(err, &templateError) {
		t.Errorf("a broken override gives %v, want a *TemplateError", err)
	}
}

// A value can neither start a header, nor a second line, nor markup, nor turn the direction of the text.
func TestValuesAreTamed(t *testing.T) {
	r := newTestRenderer(t)
	hostile := []string{
		"Ann\r\nBcc: all@example.com",
		"Ann\nX",
		"Ann\u2028X",
		"Ann\u0085X",
		"Ann\x00X",
		"Ann\u202eX",
		`Ann"><script>alert(1)</script>`,
		"Ann</title><script>alert(1)</script>",
		strings.Repeat("long ", 500),
	}
	for _, name := range hostile {
		overrides := []auth.MailTemplate{{Kind: auth.MailInvite, Language: "en", Text: "one {{.UserName}} {{.ProjectName}} line"}}
		msg, err := r.Render(auth.MailInvite, nil, overrides, auth.MailData{ProjectName: name, UserName: name, Link: "https://e.example/?a=1&b=%22"})
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if strings.ContainsFunc(msg.Subject, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u202e' }) || len([]rune(msg.Subject)) > 200 {
			t.Errorf("%q: subject %q", name, msg.Subject)
		}
		if strings.Count(msg.Text, "\n") != 1 || strings.ContainsAny(msg.Text, "\r\x00\u0085\u2028\u202e") {
			t.Errorf("%q: text %q", name, msg.Text)
		}
		if strings.Contains(msg.HTML, "<script") || strings.ContainsAny(msg.HTML, "\x00\u202e\u2028") {
			t.Errorf("%q: HTML %q", name, msg.HTML)
		}
		if got := Links(auth.Message{HTML: msg.HTML}); !slices.Equal(got, []string{"https://e.example/?a=1&b=%22"}) {
			t.Errorf("%q: links %q", name, got)
		}
	}
}

func TestNamesThatWouldBecomeLinks(t *testing.T) {
	tests := []struct{ name, want string }{
		{"Ada Lovelace", "Ada Lovelace"},
		{"Dr. Ada Lovelace Jr.", "Dr. Ada Lovelace Jr."},
		{"李小龍", "李小龍"},
		{"O'Brien-Smith", "O'Brien-Smith"},
		{"", ""},
		{"win at evil.example", ""},
		{"evil。example", ""},
		{"https://evil.example", ""},
		{"you@evil.example", ""},
		{"mailto:x", ""},
		{strings.Repeat("x", 81), ""},
	}
	for _, tc := range tests {
		if got := presentableName(tc.name); got != tc.want {
			t.Errorf("presentableName(%q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDurationsInWords(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		language string
		d        time.Duration
		want     string
	}{
		{"en", time.Hour, "1 hour"},
		{"en", day, "24 hours"},
		{"en", 7 * day, "7 days"},
		{"en", 30 * day, "30 days"},
		{"en", 84 * time.Hour, "84 hours"},
		{"en", 90 * time.Minute, "90 minutes"},
		{"en", 25*time.Hour + 30*time.Minute, "25 hours"},
		{"en", time.Minute, "1 minute"},
		{"en", 90 * time.Second, "90 seconds"},
		{"en", time.Second, "1 second"},
		{"en", 999 * time.Millisecond, ""},
		{"en-GB", 2 * time.Hour, "2 hours"},
		{"de", time.Hour, "1 Stunde"},
		{"de", 7 * day, "7 Tage"},
		{"fr", time.Hour, "1 heure"},
		{"fr", day, "24 heures"},
		{"es", 7 * day, "7 días"},
		{"es", time.Minute, "1 minuto"},
		{"pt-BR", 7 * day, "7 dias"},
		{"pt-BR", time.Hour, "1 hora"},
		{"ja", day, "24時間"},
		{"ja", 7 * day, "7日間"},
		{"ar", time.Hour, "ساعة واحدة"},
		{"ar", 2 * time.Hour, "ساعتين"},
		{"ar", 3 * time.Hour, "3 ساعات"},
		{"ar", day, "24 ساعة"},
		{"ar", 7 * day, "7 أيام"},
		{"ar", 30 * day, "30 يومًا"},
		{"ar", 100 * day, "100 يوم"},
		{"nl", day, "24 h"},
		{"nl", 15 * time.Minute, "15 min"},
	}
	for _, tc := range tests {
		if got := inWords(language.Make(tc.language), tc.d); got != tc.want {
			t.Errorf("%s in %s: %q, want %q", tc.d, tc.language, got, tc.want)
		}
	}
}

// Each language knows every unit, and every plural category that its numbers fall into has some words.
func TestDurationWordsAreComplete(t *testing.T) {
	for _, name := range wantLanguages {
		for _, unit := range []timeUnit{seconds, minutes, hours, days} {
			if durationWords[name][unit][0] == "" {
				t.Errorf("%s has no word for unit %d", name, unit)
			}
		}
	}
}
