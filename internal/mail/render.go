package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"
	"unicode"

	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
)

//go:embed templates
var templateFiles embed.FS

const (
	maxOutput      = 256 << 10 // bytes of one rendered part
	maxSubject     = 200       // characters
	maxValue       = 2000      // characters of one value
	maxNameInMails = 80        // characters of a user's name
)

// lastLanguage is what everyone gets where nothing else fits.
const lastLanguage = "en"

// part is one of the three that a mail is made of.
type part string

const (
	subjectPart part = "subject"
	textPart    part = "text"
	htmlPart    part = "html"
)

// Renderer implements auth.MailRenderer over the built-in templates.
//
// Each of subject, text and HTML is found on its own. For every language asked for, in order, and at last for English, these are tried:
//
//  1. the project's own template in exactly that language (pt-BR)
//  2. the project's own template in its base language (pt)
//  3. the built-in template in exactly that language
//  4. the built-in template in its base language
//
// and the first that has the part gives it. So a project that replaced only the German subject sends German mails with its subject and the built-in
// German text. A language tag that is none is passed over.
//
// Templates see the fields of auth.MailData as plain strings: control and text-direction characters are removed, line breaks become spaces, and ExpiresIn
// is in words ("24 hours"). UserName is empty where the name looks like a link or an address, because mail programs would make it one and anyone may sign up
// under someone else's address.
type Renderer struct {
	// Each is parsed when it is first used: few servers send every mail in every language, and what stays in memory is gone through again and again (BenchmarkRequest).
	builtIn map[language.Tag]map[auth.MailKind]func() (builtInTemplate, error)
}

type builtInTemplate struct {
	text *texttemplate.Template // has the templates subject and text
	html *htmltemplate.Template // has the template html
}

// NewRenderer finds the built-in templates. It fails only where the program was built with others than it can name.
func NewRenderer() (*Renderer, error) {
	r := &Renderer{builtIn: map[language.Tag]map[auth.MailKind]func() (builtInTemplate, error){}}
	for _, name := range Languages() {
		tag, err := language.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("built-in mail templates: language %q: %w", name, err)
		}
		r.builtIn[tag] = map[auth.MailKind]func() (builtInTemplate, error){}
		for _, kind := range auth.MailKinds() {
			r.builtIn[tag][kind] = sync.OnceValues(func() (builtInTemplate, error) { return parseBuiltIn(name, kind) })
		}
	}
	return r, nil
}

// Languages lists the languages of the built-in templates, as BCP 47 tags in alphabetical order.
func Languages() []string {
	entries, err := fs.ReadDir(templateFiles, "templates")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	var languages []string
	for _, e := range entries {
		if e.IsDir() {
			languages = append(languages, e.Name())
		}
	}
	return languages
}

// parseBuiltIn joins the words of one mail with those that all mails of the language share and with the layouts.
func parseBuiltIn(name string, kind auth.MailKind) (builtInTemplate, error) {
	shared, words := "templates/"+name+"/shared.tmpl", "templates/"+name+"/"+string(kind)+".tmpl"
	text, err := texttemplate.New("").Option("missingkey=error").ParseFS(templateFiles, "templates/layout.txt.tmpl", shared, words)
	if err != nil {
		return builtInTemplate{}, err
	}
	html, err := htmltemplate.New("").Option("missingkey=error").ParseFS(templateFiles, "templates/layout.html.tmpl", shared, words)
	return builtInTemplate{text: text, html: html}, err
}

// Render makes a message without its To. It fails where the kind is unknown, data.Link or data.CodePage is neither empty nor an http(s) URL, or a project's own template
// fails or gives nothing; the caller may then render again without overrides, which fails in the first two cases only.
func (r *Renderer) Render(kind auth.MailKind, languages []string, overrides []auth.MailTemplate, data auth.MailData) (auth.Message, error) {
	if !slices.Contains(auth.MailKinds(), kind) {
		return auth.Message{}, fmt.Errorf("there is no mail of the kind %q", kind)
	}
	for _, link := range []string{data.Link, data.CodePage} {
		if link != "" && !isWebLink(link) {
			return auth.Message{}, fmt.Errorf("a link of a %s mail is not an http or https URL", kind)
		}
	}
	sources := r.sources(kind, languages, overrides)
	var msg auth.Message
	var err error
	if msg.Subject, err = renderFirst(sources, subjectPart, data); err != nil {
		return auth.Message{}, err
	}
	if msg.Text, err = renderFirst(sources, textPart, data); err != nil {
		return auth.Message{}, err
	}
	if msg.HTML, err = renderFirst(sources, htmlPart, data); err != nil {
		return auth.Message{}, err
	}
	return msg, nil
}

// source is a place where a part may come from: a built-in template or a project's own.
type source struct {
	tag      language.Tag
	builtIn  func() (builtInTemplate, error)
	override *auth.MailTemplate // nil for a built-in one
}

// sources lists them in the order that Renderer documents.
func (r *Renderer) sources(kind auth.MailKind, languages []string, overrides []auth.MailTemplate) []source {
	own := map[language.Tag]*auth.MailTemplate{}
	for i, o := range overrides {
		if tag, err := language.Parse(o.Language); err == nil && o.Kind == kind {
			own[tag] = &overrides[i]
		}
	}
	var list []source
	for _, name := range append(slices.Clone(languages), lastLanguage) {
		tag, err := language.Parse(name)
		if err != nil {
			continue
		}
		exactThenBase := []language.Tag{tag, baseOf(tag)}
		for _, t := range exactThenBase {
			if o, ok := own[t]; ok {
				list = append(list, source{tag: t, override: o})
			}
		}
		for _, t := range exactThenBase {
			if kinds, ok := r.builtIn[t]; ok {
				list = append(list, source{tag: t, builtIn: kinds[kind]})
			}
		}
	}
	return list
}

func baseOf(tag language.Tag) language.Tag {
	base, _ := tag.Base()
	return language.Make(base.String())
}

func renderFirst(sources []source, p part, data auth.MailData) (string, error) {
	for _, s := range sources {
		if s.has(p) {
			return s.render(p, newValues(s.tag, data))
		}
	}
	return "", errors.New("no template, not even the built-in English one") // cannot be: English ends every list
}

func (s source) has(p part) bool {
	return s.override == nil || overridePart(*s.override, p) != ""
}

func (s source) render(p part, v values) (string, error) {
	if s.override != nil {
		out, err := renderOverride(*s.override, p, v)
		if err != nil {
			return "", fmt.Errorf("mail template %s in %s: %w", s.override.Kind, s.tag, err)
		}
		return out, nil
	}
	builtIn, err := s.builtIn()
	if err != nil {
		return "", fmt.Errorf("built-in mail template in %s: %w", s.tag, err)
	}
	var execute executor = builtIn.text
	if p == htmlPart {
		execute = builtIn.html
	}
	return run(execute, p, v)
}

// executor is what text/template and html/template have in common.
type executor interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

// values is what a template sees: auth.MailData in words. It has no methods, so that a template can call none.
type values struct {
	ProjectName string
	UserName    string
	Email       string
	NewEmail    string
	Methods     string
	Link        string
	ExpiresIn   string
	Code        string
	CodePage    string
}

func newValues(tag language.Tag, d auth.MailData) values {
	return values{
		ProjectName: clean(d.ProjectName),
		UserName:    presentableName(clean(d.UserName)),
		Email:       clean(d.Email),
		NewEmail:    clean(d.NewEmail),
		Methods:     methodsInWords(tag, d.Methods),
		Link:        d.Link, // checked, and never cut
		ExpiresIn:   inWords(tag, max(d.ExpiresIn, 0)),
		Code:        clean(d.Code),
		CodePage:    d.CodePage, // as Link
	}
}

// clean makes a value one line of visible text.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ") {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			continue
		}
		if n++; n > maxValue {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// presentableName gives "" for a name that is too long to be one or that mail programs would turn into a link.
func presentableName(s string) string {
	runes := []rune(s)
	if len(runes) > maxNameInMails || strings.ContainsAny(s, `/\:@<>`) {
		return ""
	}
	for i := 1; i+1 < len(runes); i++ {
		if isDot(runes[i]) && !unicode.IsSpace(runes[i-1]) && !unicode.IsSpace(runes[i+1]) {
			return ""
		}
	}
	return s
}

// isDot tells whether r divides the labels of a host name (RFC 3490 section 3.1).
func isDot(r rune) bool { return strings.ContainsRune(".\u3002\uff0e\uff61", r) }

// isWebLink tells whether s is an absolute http or https URL without spaces, controls or a user.
func isWebLink(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Bidi_Control, r)
	}) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// run executes the part's template and finishes its output. It fails where that is too long, or empty.
func run(t executor, p part, v values) (string, error) {
	var out boundedBuffer
	if err := t.ExecuteTemplate(&out, string(p), v); err != nil {
		return "", err
	}
	finished := strings.TrimSpace(out.content.String()) + "\n"
	if p == subjectPart {
		finished = oneLine(finished)
	}
	if strings.TrimSpace(finished) == "" {
		return "", errors.New("comes out empty")
	}
	return finished, nil
}

// oneLine makes a subject that fits one header field: line breaks and control characters become spaces (RFC 5322 section 2.2), and it is cut to a length
// that mail programs show.
func oneLine(s string) string {
	spaced := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	runes := []rune(strings.Join(strings.Fields(spaced), " "))
	if len(runes) > maxSubject {
		runes = append(runes[:maxSubject-1], '…')
	}
	return string(runes)
}

var errTooLong = fmt.Errorf("comes out longer than %d KiB", maxOutput>>10)

// boundedBuffer refuses to grow past maxOutput (P54).
type boundedBuffer struct{ content bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.content.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return b.content.Write(p)
}

// sampleData covers every combination of values that may be missing, so that Check walks every branch.
func sampleData() []auth.MailData {
	var samples []auth.MailData
	for bits := range 64 {
		d := auth.MailData{ProjectName: "Example", Email: "ada@example.com"}
		if bits&1 != 0 {
			d.UserName = "Ada"
		}
		if bits&2 != 0 {
			d.NewEmail = "ada.new@example.com"
		}
		if bits&4 != 0 {
			d.Link = "https://app.example.com/link?oobCode=sample&uid=sample"
		}
		if bits&16 != 0 {
			d.Methods = "password, google.com"
		}
		if bits&8 != 0 {
			d.ExpiresIn = 24 * time.Hour
		}
		if bits&32 != 0 {
			d.Code, d.CodePage = "K7QM-4T9X", "https://auth.example.com/example/verify-email"
		}
		samples = append(samples, d)
	}
	return samples
}
