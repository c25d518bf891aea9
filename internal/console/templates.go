package console

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

func templatesPages() []page {
	const editor = "/projects/{project}/mail/templates/{kind}/{language}"
	return []page{
		{
			path: "/projects/{project}/mail/templates", room: roomMail, show: (*visit).templates,
			forms: map[string]func(*visit) error{"open": (*visit).openTemplate},
		},
		{
			path: editor, room: roomMail, show: (*visit).template, policy: ui.Policy{Frames: true}, scripts: []string{"preview.js"}, rules: ui.FormRules{MaxBytes: maxTemplateForm},
			forms: map[string]func(*visit) error{
				"save": (*visit).saveTemplate, "preview": (*visit).previewDraft, "test": (*visit).testTemplate, "reset": (*visit).resetTemplate,
			},
			notices: map[string]string{
				"saved": "The template was saved. Mails use it from now on.", "reset": "The built-in template is used again.", "tested": "A test was queued to your own address; its subject begins with [Test].",
			},
		},
		{path: editor + "/preview", room: roomMail, show: (*visit).previewStored},
	}
}

// maxTemplateForm has room for two parts of 64 KiB with all bytes escaped, in bytes.
const maxTemplateForm = 512 << 10

// mailKinds says when each mail is sent.
var mailKinds = map[auth.MailKind]string{
	auth.MailVerifyEmail:         "To a new address, with the link or code that proves it",
	auth.MailInvite:              "To somebody invited, with the link to choose a password",
	auth.MailResetPassword:       "To somebody who forgot the password",
	auth.MailChangeEmail:         "To the new address, with the link that confirms the change",
	auth.MailEmailChanged:        "To the old address, with the way back",
	auth.MailAccountExists:       "To a user whose address somebody signed up with again",
	auth.MailSignInMethods:       "To a user who asked how to sign in",
	auth.MailPasswordChanged:     "After a change of the password, with the way back",
	auth.MailIdentityLinked:      "After an account at a provider was joined, with the way back",
	auth.MailIdentityUnlinked:    "After one was taken off, with the way back",
	auth.MailSecondFactorChanged: "After a second factor was added or removed",
}

// templateRow is a kind of mail with the languages that there are templates in.
type templateRow struct {
	Kind      auth.MailKind
	When      string
	Languages []templateLanguage
}

type templateLanguage struct {
	Tag string
	Own bool
}

// templates lists what can be edited, by kind and language.
func (v *visit) templates() error {
	own, err := v.Admin.MailTemplates(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	var rows []templateRow
	for _, kind := range auth.MailKinds() {
		row := templateRow{Kind: kind, When: mailKinds[kind]}
		for _, tag := range v.MailLanguages {
			row.Languages = append(row.Languages, templateLanguage{Tag: tag})
		}
		for _, t := range own {
			if t.Kind != kind {
				continue
			}
			i := slices.IndexFunc(row.Languages, func(l templateLanguage) bool { return l.Tag == t.Language })
			if i < 0 {
				i, row.Languages = len(row.Languages), append(row.Languages, templateLanguage{Tag: t.Language})
			}
			row.Languages[i].Own = true
		}
		rows = append(rows, row)
	}
	return v.render("templates", "Mail templates", rows)
}

// openTemplate leads to the editor of a language that there is no template in.
func (v *visit) openTemplate() error {
	kind, language := v.field("kind"), v.field("language")
	if language == "" || strings.ContainsFunc(language, func(r rune) bool {
		return r > 'z' || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", r|0x20)
	}) {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "language", Message: "the language is a BCP 47 tag such as en or pt-BR"}
	}
	return v.back(v.projectPath("mail", "templates", kind, language), "")
}

// templatePage is what the editor shows.
type templatePage struct {
	Kind     auth.MailKind
	When     string
	Language string
	Own      bool
	Template auth.MailTemplate
	Fields   []templateField
}

type templateField struct{ Name, Meaning string }

var templateFields = []templateField{
	{"{{.ProjectName}}", "the project's name"}, {"{{.UserName}}", "the user's name, or empty"}, {"{{.Email}}", "the user's address"}, {"{{.NewEmail}}", "of a change of address"},
	{"{{.Link}}", "what there is to do, or empty"}, {"{{.ExpiresIn}}", "how long that works, in words"}, {"{{.Code}}", "to be typed instead, or empty"}, {"{{.CodePage}}", "where it is typed"},
	{"{{.Methods}}", "ways to sign in"}, {"{{if .UserName}}…{{else}}…{{end}}", "where something may be empty"},
}

// templateName reads which template the page is about.
func (v *visit) templateName() (auth.MailKind, string, error) {
	kind := auth.MailKind(v.r.PathValue("kind"))
	if !slices.Contains(auth.MailKinds(), kind) {
		return "", "", web.NotFound()
	}
	return kind, v.r.PathValue("language"), nil
}

func (v *visit) template() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	own, err := v.Admin.MailTemplates(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	shown := templatePage{Kind: kind, When: mailKinds[kind], Language: language, Fields: templateFields}
	if i := slices.IndexFunc(own, func(t auth.MailTemplate) bool { return t.Kind == kind && t.Language == language }); i >= 0 {
		shown.Own, shown.Template = true, own[i]
	}
	if v.query("from") == "built-in" {
		if shown.Template, err = v.BuiltInMail(kind, language); err != nil {
			return &auth.Error{Code: auth.CodeInvalidArgument, Field: "language", Message: "the language is a BCP 47 tag such as en or pt-BR"}
		}
	}
	return v.render("template", string(kind)+" in "+language, shown)
}

// draft reads the form. Browsers send lines as CRLF (HTML standard, section 4.10.21.6).
func (v *visit) draft(kind auth.MailKind, language string) auth.MailTemplate {
	lines := func(name string) string { return strings.ReplaceAll(v.field(name), "\r\n", "\n") }
	return auth.MailTemplate{Kind: kind, Language: language, Subject: lines("subject"), Text: lines("text"), HTML: lines("html")}
}

func (v *visit) saveTemplate() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	draft := v.draft(kind, language)
	if draft.Subject == "" && draft.Text == "" && draft.HTML == "" {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "subject", Message: "a template has a subject, a text or an HTML part; to go back to the built-in one, reset it"}
	}
	if err := v.Admin.PutMailTemplate(v.r.Context(), v.caller, draft); err != nil {
		return atPart(err)
	}
	return v.back(v.projectPath("mail", "templates", string(kind), language), "saved")
}

// atPart ties what is wrong with a template to the part that the message begins with, as "html, line 3: …".
func atPart(err error) error {
	wrong := *auth.AsError(err)
	for _, part := range []string{"subject", "text", "html"} {
		if rest, ok := strings.CutPrefix(wrong.Message, part); ok && wrong.Field == "template" && rest != "" && strings.ContainsRune(",:", rune(rest[0])) {
			wrong.Field = part
			return &wrong
		}
	}
	return err
}

// messageFrame is a mail with sample data, or what keeps it from being shown.
type messageFrame struct {
	Stylesheet string
	Message    auth.Message
	Problem    *problem
}

func (v *visit) previewStored() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	return v.previewFrame(v.Admin.PreviewMail(v.r.Context(), v.caller, kind, language, nil))
}

// previewDraft answers the frame of the editor, so a draft that is wrong says so there.
func (v *visit) previewDraft() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	draft := v.draft(kind, language)
	return v.previewFrame(v.Admin.PreviewMail(v.r.Context(), v.caller, kind, language, &draft))
}

func (v *visit) previewFrame(message auth.Message, err error) error {
	shown := messageFrame{Stylesheet: v.site.Asset("frame.css"), Message: message}
	if err != nil {
		web.SetError(v.r.Context(), err)
		shown.Problem = problemOf(err, v.w.Header())
	}
	return v.renderFrame("preview", frameStatus(shown.Problem), shown)
}

// testTemplate sends the template as it is saved to the operator's own address.
func (v *visit) testTemplate() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	if _, err := v.Admin.SendTestMail(v.r.Context(), v.caller, kind, language, v.caller.OperatorName()); err != nil {
		return err
	}
	return v.back(v.projectPath("mail", "templates", string(kind), language), "tested")
}

func (v *visit) resetTemplate() error {
	kind, language, err := v.templateName()
	if err != nil {
		return err
	}
	if err := v.Admin.DeleteMailTemplate(v.r.Context(), v.caller, kind, language); err != nil {
		return err
	}
	return v.back(v.projectPath("mail", "templates", string(kind), language), "reset")
}
