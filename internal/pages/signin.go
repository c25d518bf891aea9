package pages

import (
	"net/http"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// The names of the flow pages, below a project's path, and of their fields.
const (
	pageSignIn   = auth.PageSignIn
	pageContinue = "sign-in/continue"
	pageSecond   = "sign-in/second-factor"
	pageEnroll   = "sign-in/enroll"
	pagePasskey  = "sign-in/passkey"
	pageProvider = "sign-in/provider"
	pageCallback = "sign-in/callback"
	pageSignUp   = "sign-up"
	pageForgot   = "forgot-password"
	pageSignOut  = "sign-out"
	pageSetup    = "setup"

	fieldSecret = "password" // an existing password; fieldPassword is a new one
	fieldAgain  = "again"    // in the query: sign in although somebody is signed in
	fieldSays   = "says"     // in the query: what has happened, one of signInNotes
	fieldSent   = "sent"     // in the query: a mail was sent
)

// signInNotes are what can have led to the sign-in page, and how that is shown; nothing else in its query is.
var signInNotes = map[string]string{"begin-anew": "warn", "signed-out": "good", "gave-up": "info", "confirm": "warn", "recent": "warn"}

func (p *Pages) flowRoutes() []web.Route {
	var routes []web.Route
	add := func(method, name string, serve func(*visit, http.ResponseWriter, *http.Request) error) {
		operation := name + ".submit"
		if method == http.MethodGet {
			operation = name + ".show"
		}
		routes = append(routes, web.Route{Method: method, Pattern: "/{project}/" + name, Name: operation, Handler: p.flow(name, serve)})
	}
	add(http.MethodGet, pageSignIn, (*visit).showSignIn)
	add(http.MethodPost, pageSignIn, (*visit).submitSignIn)
	add(http.MethodPost, pageContinue, (*visit).submitContinue)
	add(http.MethodGet, pageSecond, (*visit).showSecond)
	add(http.MethodPost, pageSecond, (*visit).submitSecond)
	add(http.MethodGet, pageEnroll, (*visit).showEnroll)
	add(http.MethodPost, pageEnroll, (*visit).submitEnroll)
	add(http.MethodPost, pagePasskey, (*visit).submitPasskey)
	add(http.MethodPost, pagePasskey+optionsSuffix, (*visit).passkeyOptions)
	add(http.MethodPost, pageSecond+optionsSuffix, (*visit).secondOptions)
	add(http.MethodPost, pageEnroll+optionsSuffix, (*visit).enrollOptions)
	add(http.MethodPost, pageProvider, (*visit).submitProvider)
	add(http.MethodGet, pageCallback, (*visit).finishProvider)
	add(http.MethodPost, pageCallback, (*visit).relayProvider)
	add(http.MethodGet, pageSignUp, (*visit).showSignUp)
	add(http.MethodPost, pageSignUp, (*visit).submitSignUp)
	add(http.MethodGet, pageForgot, (*visit).showForgot)
	add(http.MethodPost, pageForgot, (*visit).submitForgot)
	add(http.MethodPost, pageSignOut, (*visit).submitSignOut)
	for _, name := range []string{pageContinue, pagePasskey, pageProvider, pageSignOut} { // forms only, whose address a browser may open all the same
		add(http.MethodGet, name, (*visit).showSignInInstead)
	}
	add(http.MethodGet, pageSetup, (*visit).showSetup)
	add(http.MethodPost, pageSetup, (*visit).submitSetup)
	return routes
}

// showSignIn offers the ways to sign in; who is signed in already may go on as that.
func (v *visit) showSignIn(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	d, err := v.destinationOf(r, query)
	if err != nil {
		return err
	}
	c, token, ok, err := v.signedIn(r)
	if err != nil {
		return err
	}
	if ok && query.Get(fieldAgain) == "" {
		return v.writeFlow(w, http.StatusOK, d, v.continueView(c, token, d))
	}
	shown, err := v.signInView(w, r, d, "", typed{})
	if err != nil {
		return err
	}
	if kind, ok := signInNotes[query.Get(fieldSays)]; ok {
		says := part{Note: &note{kind, v.texts.get("sign-in.says." + query.Get(fieldSays))}}
		shown.Parts = slices.Insert(shown.Parts, 0, says)
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

// showSignInInstead leads from the address of a form, which is no page, to the sign-in page.
func (v *visit) showSignInInstead(w http.ResponseWriter, r *http.Request) error {
	d, err := v.destinationOf(r, r.URL.Query())
	if err != nil {
		return err
	}
	return seeOther(w, v.flowURL(pageSignIn, d))
}

// signInView is the page with all ways to sign in that the project has.
func (v *visit) signInView(w http.ResponseWriter, r *http.Request, d destination, email string, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView(pageSignIn)
	add := func(p part) {
		if len(shown.Parts) == 1 && p.Form != nil {
			shown.Parts = append(shown.Parts, part{Or: v.texts.get("flow.or")})
		}
		shown.Parts = append(shown.Parts, p)
	}
	if v.project.Settings.PasswordProvider {
		f := v.newForm(pageSignIn, secret, d,
			flowInput{Name: fieldEmail, Type: "email", Label: v.texts.get("email.label"), Value: email, Autocomplete: "username", Focus: problem.text == "" && email == ""},
			flowInput{Name: fieldSecret, Type: "password", Label: v.texts.get("flow.password"), Autocomplete: "current-password", Focus: problem.text != ""})
		f.Button = v.texts.get("sign-in.button")
		add(part{Form: f})
	}
	if v.service.PasskeysOnPages(v.project) {
		f := v.newForm(pagePasskey, secret, d)
		f.hide(fieldSession, "")
		f.Button, f.Quiet = v.texts.get("sign-in.passkey"), true
		add(part{Form: v.ceremony(f, "get", pagePasskey, v.flowURL(pageSignIn, d, fieldAgain, "1"))})
	}
	providers, err := v.service.SignInProviders(r.Context(), v.project)
	if err != nil {
		return view{}, err
	}
	for _, id := range providers {
		f := v.newForm(pageProvider, secret, d)
		f.hide(fieldProvider, id)
		f.Button, f.Quiet = v.texts.with("sign-in.provider", "provider", providerName(id)), true
		add(part{Form: f})
	}
	tellForms(shown.Parts, problem)
	if len(shown.Parts) == 0 {
		shown.Parts = []part{{Note: &note{"warn", v.texts.get("sign-in.none")}}}
	}
	shown.Parts = append(shown.Parts, part{Away: v.signInLinks(d)})
	return shown, nil
}

// signInLinks lead to what else can be done where somebody could sign in.
func (v *visit) signInLinks(d destination) []away {
	var links []away
	if v.project.Settings.PasswordProvider {
		links = append(links, away{URL: v.flowURL(pageForgot, d), Label: v.texts.get("flow.forgot")})
	}
	if v.signUpOpen() {
		links = append(links, away{URL: v.flowURL(pageSignUp, d), Label: v.texts.get("flow.sign-up")})
	}
	return append(links, v.goBack(d)...)
}

// submitSignIn signs in with email and password.
func (v *visit) submitSignIn(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageSignIn)
	if err != nil {
		return err
	}
	email := fields.Get(fieldEmail)
	tokens, err := v.service.SignIn(r.Context(), v.pageCaller(r), auth.SignInParams{Email: email, Password: fields.Get(fieldSecret)})
	if err != nil {
		return v.again(w, r, d, signInProblem(err), func(problem typed) (view, error) { return v.signInView(w, r, d, email, problem) })
	}
	return v.finish(w, r, tokens, d)
}

// signInProblem ties a missing password to the sign-in form's field.
func signInProblem(err error) error {
	if auth.CodeOf(err) == auth.CodeMissingPassword {
		return told{err, answerNoPassword}
	}
	return err
}

// continueView offers who is signed in to go on.
func (v *visit) continueView(c auth.Caller, token string, d destination) view {
	shown := v.flowView(pageContinue)
	u, _ := c.User()
	f := v.newForm(pageContinue, token, d)
	f.Button = v.texts.with("sign-in/continue.button", "name", nameOf(u))
	links := append([]away{{URL: v.flowURL(pageSignIn, d, fieldAgain, "1"), Label: v.texts.get("sign-in/continue.other")}}, v.goBack(d)...)
	shown.Parts = []part{{Form: f}, {Away: links}}
	return shown
}

// nameOf is what somebody knows an account by.
func nameOf(u auth.User) string {
	switch {
	case !u.Email.IsZero():
		return string(u.Email)
	case u.Name != "":
		return u.Name
	}
	return string(u.ID)
}

// submitContinue goes on with the session that there is.
func (v *visit) submitContinue(w http.ResponseWriter, r *http.Request) error {
	_, d, err := v.readForm(w, r, pageContinue, v.site.Session(r, string(v.project.ID)))
	if err != nil {
		return err
	}
	c, _, ok, err := v.signedIn(r)
	if err != nil {
		return err
	}
	if !ok { // the session has ended meanwhile
		return v.beginAnew(w, d)
	}
	return v.arrive(w, r, c, d)
}

// beginAnew leads to the sign-in page, which says why.
func (v *visit) beginAnew(w http.ResponseWriter, d destination) error {
	v.site.ClearStep(w, string(v.project.ID), stepSecond)
	return seeOther(w, v.flowURL(pageSignIn, d, fieldAgain, "1", fieldSays, "begin-anew"))
}

// flowAnswer is a, with words that fit pages which no mail leads to.
func (v *visit) flowAnswer(a answer) answer {
	switch {
	case !v.page.flow:
	case a.key == "origin":
		a.key = "stale"
	case a == answerRequest, a.key == "request":
		a.key = "form"
	}
	return a
}

// flowWayOut leads from an error back to the sign-in page.
func (v *visit) flowWayOut() []part {
	if v.project == nil {
		return nil
	}
	d := destination{next: v.localPath("")}
	if v.to != nil {
		d = *v.to
	}
	links := []away{{URL: v.flowURL(pageSignIn, d, fieldAgain, "1"), Label: v.texts.get("flow.sign-in")}}
	return []part{{Away: append(links, v.goBack(d)...)}}
}
