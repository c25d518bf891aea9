package pages

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// The flow pages are those that lead to a signed-in user: sign-in with its steps, sign-up, a forgotten password. They share what a page is made of, how forms are
// read, and how they end.

// part is one thing on a flow page, from top to bottom; one of its fields is set.
type part struct {
	Form     *flowForm
	Note     *note
	Or       string // between two ways
	Away     []away // links
	QR       *picture
	Secret   *field         // to be typed into an app
	Codes    *recoveryCodes // to be kept
	NoScript string
}

// picture is an image in the page itself, and what it shows.
type picture struct {
	URL  template.URL
	Text string
}

// note says what has happened.
type note struct{ Kind, Text string }

// away leads elsewhere.
type away struct {
	URL    template.URL // checked: a path of ours, a provider's or an app's
	Label  string
	Button bool
}

// recoveryCodes are shown in a field, where they can be selected and copied.
type recoveryCodes struct {
	Label, Text string
	Rows        int
}

// flowForm is a form of a flow page.
type flowForm struct {
	Action   string
	Hidden   []field // names and values
	Inputs   []flowInput
	Problem  string // about the whole form
	Button   string
	About    string // what the button is about, for who only hears it; "" where the page has no other such button
	Quiet    bool   // not the page's main way
	Danger   bool   // what it does cannot be undone
	Foldable string // the form is folded under this
	Open     bool
	Ceremony string // of a passkey: create or get; "" for none
	Options  string // where a ceremony's options come from
	Again    string // where the page of a ceremony can be opened again
	Trouble  string // what is said where a ceremony fails
}

// flowInput is a field of a form. Its name is its id too.
type flowInput struct {
	Name, Type, Label, Value, Autocomplete, Hint, Problem string
	Mode, Class                                           string
	MinLength, MaxLength                                  int
	Optional, Focus, RTL                                  bool // RTL follows the page; all others are written from left to right
}

// typed is what was wrong with a form.
type typed struct{ text, field string } // field "" where it is about the whole form

// told is an error with an answer of its own.
type told struct {
	error
	as answer
}

func (t told) Unwrap() error { return t.error }

const (
	stepSecond   = "second"   // the cookie of a sign-in that waits for its second factor
	stepProvider = "provider" // the cookie of a sign-in at a provider
	pendingStep  = 5 * time.Minute
)

// maxFlowForm has room for the answer of a passkey with its attestation.
const maxFlowForm = 64 << 10

// flow makes a handler of a flow page.
func (p *Pages) flow(name string, serve func(*visit, http.ResponseWriter, *http.Request) error) web.Handler {
	return p.handler(page{name: name, flow: true}, func(v *visit, w http.ResponseWriter, r *http.Request) error {
		if err := v.findProject(r); err != nil {
			return err
		}
		return serve(v, w, r)
	})
}

// pageCaller is who calls through a page: a sign-in gives a browser token.
func (v *visit) pageCaller(r *http.Request) auth.Caller {
	c := v.caller(r, v.project)
	c.Browser = true
	return c
}

// signedIn gives the user of the browser's session, with the cookie's token. Where there is none, or it does not suffice, ok is false.
func (v *visit) signedIn(r *http.Request) (c auth.Caller, token string, ok bool, err error) {
	token = v.site.Session(r, string(v.project.ID))
	if token == "" {
		return c, "", false, nil
	}
	c, err = v.service.AuthenticateBrowser(r.Context(), v.pageCaller(r), token)
	switch auth.CodeOf(err) {
	case "":
		return c, token, true, nil
	case auth.CodeUnauthenticated, auth.CodeTokenInvalid, auth.CodeSecondFactorRequired:
		return c, token, false, nil
	}
	return c, token, false, err
}

// flowPath is the path of a flow page without the public URL's.
func (v *visit) flowPath(name string) string { return "/" + string(v.project.ID) + "/" + name }

// flowURL is where a flow page is, with the destination, the reader's language and more of a query, as names and values.
func (v *visit) flowURL(name string, d destination, more ...string) template.URL {
	query := d.values()
	if v.language != "" {
		query.Set(fieldLanguage, v.language)
	}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	if query.Get(fieldNext) == v.localPath("") {
		query.Del(fieldNext) // it is where a sign-in leads to by itself
	}
	target := v.site.Path(v.flowPath(name))
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return template.URL(target)
}

// seeOther sends the browser on, after a POST that did something (RFC 9110 section 15.4.4).
func seeOther[U ~string](w http.ResponseWriter, target U) error {
	w.Header().Set("Location", string(target))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// newForm makes a form that readForm takes, for the name's page. secret is what only this browser says: of its session, or Site.Browser's.
func (v *visit) newForm(name, secret string, d destination, inputs ...flowInput) *flowForm {
	values := d.values()
	values.Set(ui.FieldToken, ui.FormToken(secret, v.flowPath(name)))
	if v.language != "" {
		values.Set(fieldLanguage, v.language)
	}
	f := &flowForm{Action: v.site.Path(v.flowPath(name)), Inputs: inputs}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f.hide(name, values.Get(name))
	}
	return f
}

func (f *flowForm) hide(name, value string) { f.Hidden = append(f.Hidden, field{name, value}) }

// tell says in the form what was wrong with it, at the field that it is about.
func (f *flowForm) tell(problem typed) *flowForm {
	i := slices.IndexFunc(f.Inputs, func(in flowInput) bool { return in.Name == problem.field })
	switch {
	case problem.text == "":
	case i < 0:
		f.Problem = problem.text
	default:
		for at := range f.Inputs {
			f.Inputs[at].Focus = at == i
		}
		f.Inputs[i].Problem = problem.text
	}
	return f
}

// tellForms says it in the form of a page that has the field, or in the first where none has.
func tellForms(parts []part, problem typed) {
	var forms []*flowForm
	for _, p := range parts {
		if p.Form != nil {
			forms = append(forms, p.Form)
		}
	}
	at := slices.IndexFunc(forms, func(f *flowForm) bool {
		return slices.ContainsFunc(f.Inputs, func(in flowInput) bool { return in.Name == problem.field }) || f.Ceremony != "" && problem.field == fieldCredential
	})
	if len(forms) > 0 {
		forms[max(at, 0)].tell(problem)
	}
}

// readForm reads a form of newForm's, and the destination in it. secret is that of the cookie which came along.
func (v *visit) readForm(w http.ResponseWriter, r *http.Request, name, secret string) (url.Values, destination, error) {
	fields, err := ui.ReadForm(w, r, ui.FormRules{MaxBytes: maxFlowForm})
	if err != nil {
		return nil, destination{}, err
	}
	v.chooseLanguage(fields.Get(fieldLanguage))
	d, err := v.destinationOf(r, fields) // first, so that a stale form's page leads there too
	if err != nil {
		return nil, d, err
	}
	if err := v.site.CheckForm(r, fields, secret, v.flowPath(name)); err != nil {
		return nil, destination{}, err
	}
	v.reopen = d.values()
	switch name {
	case pageContinue, pagePasskey, pageProvider: // forms of the sign-in page
		v.reopenPath = v.flowPath(pageSignIn)
	}
	return fields, d, nil
}

// readAnonymous is readForm before anybody is signed in.
func (v *visit) readAnonymous(w http.ResponseWriter, r *http.Request, name string) (url.Values, destination, error) {
	return v.readForm(w, r, name, v.site.KnownBrowser(r))
}

// flowView begins a page with its heading and, where there is one, a text below.
func (v *visit) flowView(key string) view {
	shown := v.textPage(key)
	if !v.texts.has(key + ".text") {
		shown.Text = nil
	}
	return shown
}

// writeFlow writes a flow page whose forms may lead to the destination.
func (v *visit) writeFlow(w http.ResponseWriter, status int, d destination, shown view) error {
	policy := d.policy()
	for _, p := range shown.Parts {
		policy.Script = policy.Script || p.Form != nil && p.Form.Ceremony != ""
	}
	if policy.Script {
		shown.Script = v.site.Asset("passkey.js")
	}
	v.site.SetHeaders(w.Header(), policy)
	return v.writePage(w, status, shown)
}

// again shows the form once more where err is about what was typed into it; every other error goes through.
func (v *visit) again(w http.ResponseWriter, r *http.Request, d destination, err error, form func(typed) (view, error)) error {
	a := answerTo(err, w.Header())
	if !a.retry {
		return err
	}
	web.SetError(r.Context(), err)
	shown, failed := form(typed{v.errorText(a), a.field})
	if failed != nil {
		return failed
	}
	return v.writeFlow(w, a.status, d, shown)
}

// finish takes a sign-in on: to its end, to the step that it waits for, or to the mail that it waits for.
func (v *visit) finish(w http.ResponseWriter, r *http.Request, tokens auth.Tokens, d destination) error {
	project := string(v.project.ID)
	switch {
	case tokens.BrowserToken != "":
		c, err := v.begin(w, r, tokens.BrowserToken)
		if err != nil {
			return err
		}
		return v.arrive(w, r, c, d)
	case tokens.PendingCredential != "":
		v.site.SetStep(w, project, stepSecond, tokens.PendingCredential, pendingStep)
		if tokens.EnrollmentRequired {
			return seeOther(w, v.flowURL(pageEnroll, d))
		}
		return seeOther(w, v.flowURL(pageSecond, d))
	}
	return seeOther(w, v.flowURL(pageSignUp, d, fieldSent, "1"))
}

// begin gives the browser the token of the session that has just begun, and ends the one that it had.
func (v *visit) begin(w http.ResponseWriter, r *http.Request, token string) (auth.Caller, error) {
	project := string(v.project.ID)
	v.site.SetSession(w, project, token, v.sessionAge())
	v.site.ClearStep(w, project, stepSecond)
	c, err := v.service.AuthenticateBrowser(r.Context(), v.pageCaller(r), token)
	if err != nil {
		return c, auth.AfterCommit(err)
	}
	if before := v.site.Session(r, project); before != "" {
		if err := v.service.EndReplaced(r.Context(), c, before); err != nil {
			web.SetError(r.Context(), err) // for the log: the sign-in stands
		}
	}
	return c, nil
}

// sessionAge is how long the browser keeps the cookie: as long as the session may last.
func (v *visit) sessionAge() time.Duration {
	const most = 400 * 24 * time.Hour // RFC 6265bis section 5.5: browsers keep none longer
	return min(cmp.Or(v.project.Settings.RefreshTokenAbsoluteTTL, most), most)
}

// arrive sends the signed-in user to the destination.
func (v *visit) arrive(w http.ResponseWriter, r *http.Request, c auth.Caller, d destination) error {
	if d.app == nil {
		return seeOther(w, v.site.Path(d.next))
	}
	code, err := v.service.GrantCode(r.Context(), c, *d.app)
	if err != nil {
		return err
	}
	if ui.FormTarget(d.formTarget()) == "" {
		return v.goAway(w, d, d.app.Answer(code), d.formTarget())
	}
	return seeOther(w, d.app.Answer(code))
}

// goAway takes the browser to another site by a page of its own, and not by a redirect: a redirect of a form is held to form-action all the way, and not every
// site can be named there (CSP level 3, section 6.4.1).
func (v *visit) goAway(w http.ResponseWriter, d destination, to, name string) error {
	shown := v.flowView(pageProvider)
	shown.Heading = v.texts.with("sign-in/provider.title", "provider", name)
	button := away{URL: template.URL(to), Label: v.texts.with("sign-in/provider.button", "provider", name), Button: true}
	shown.Parts = []part{{Away: []away{button}}}
	w.Header().Set("Refresh", "0; url="+to)
	return v.writeFlow(w, http.StatusOK, d, shown)
}

// goBack is the way back to the app, which learns that nobody signed in (RFC 6749 section 4.1.2.1).
func (v *visit) goBack(d destination) []away {
	if d.app == nil {
		return nil
	}
	return []away{{URL: template.URL(d.app.Refusal()), Label: v.texts.get("flow.cancel")}}
}
