package pages

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// The account pages are one user's own, who is known by the cookie of the project's pages and by nothing else. Each page has its forms, each form one deed; what was
// done is told by the page that the answer redirects to.

const (
	pageAccount = "account"

	fieldDo      = "do"     // which deed a form asks for
	fieldNotice  = "notice" // in the query: which deed was done
	fieldPicture = "picture"
	fieldApp     = "app"     // the name of a new authenticator app
	fieldConfirm = "confirm" // the account's name, typed
)

// accountTab is one of the account pages.
type accountTab struct {
	name  string // part of the keys of its messages
	path  string // below the project's
	shown func(*account) ([]section, error)
	deeds map[string]deed
	off   func(*auth.Project) bool // whether the project has no such page; nil where each has
}

// deed does what a form asks for, and answers.
type deed func(a *account, w http.ResponseWriter, r *http.Request) error

// account is one visit of a user who is signed in.
type account struct {
	*visit
	tab   accountTab
	token string      // of the browser's cookie
	who   auth.Caller // signed in
	user  auth.User

	fields  url.Values // of the form that was sent; nil where none was
	sent    string     // its deed
	problem typed      // what was wrong with it
}

func accountTabs() []accountTab {
	return []accountTab{
		{name: "profile", path: "/account", shown: (*account).profile, deeds: map[string]deed{
			"profile": (*account).saveProfile, "email": (*account).changeEmail, "verification": (*account).verifyEmail,
		}},
		{name: "security", path: "/account/security", shown: (*account).security, deeds: map[string]deed{
			"password": (*account).changePassword, "password-mail": (*account).mailPassword, "link": (*account).link, "unlink": (*account).unlink,
		}},
		{name: "factors", path: "/account/factors", shown: (*account).factors, off: noFactors, deeds: map[string]deed{
			"add-app": (*account).addApp, "confirm-app": (*account).confirmApp, "add-passkey": (*account).addPasskey,
			"remove-factor": (*account).removeFactor, "new-codes": (*account).newCodes,
		}},
		{name: "sessions", path: "/account/sessions", shown: (*account).sessions, deeds: map[string]deed{
			"end-session": (*account).endOne, "end-others": (*account).endOthers,
		}},
		{name: "delete", path: "/account/delete", shown: (*account).deletion, deeds: map[string]deed{"delete": (*account).delete}},
	}
}

func (p *Pages) accountRoutes() []web.Route {
	var routes []web.Route
	add := func(method, path, name string, serve func(*visit, http.ResponseWriter, *http.Request) error) {
		routes = append(routes, web.Route{Method: method, Pattern: "/{project}" + path, Name: "account." + name, Handler: p.flow(pageAccount, serve)})
	}
	for _, tab := range accountTabs() {
		add(http.MethodGet, tab.path, tab.name+".show", tab.serve((*account).show))
		add(http.MethodPost, tab.path, tab.name+".submit", tab.serve((*account).submit))
		if tab.name == "factors" {
			add(http.MethodPost, tab.path+optionsSuffix, tab.name+".options", tab.serve((*account).options))
		}
	}
	add(http.MethodGet, "/account/ended", "ended.show", (*visit).showEnded)
	return routes
}

// serve makes the visit that of the user who is signed in. Who is not, or with less than the project requires, is sent to do so.
func (t accountTab) serve(serve deed) func(*visit, http.ResponseWriter, *http.Request) error {
	return func(v *visit, w http.ResponseWriter, r *http.Request) error {
		if t.off != nil && t.off(v.project) {
			return notFound()
		}
		a := &account{visit: v, tab: t}
		var ok bool
		var err error
		if a.who, a.token, ok, err = v.signedIn(r); err != nil {
			return err
		}
		if !ok {
			return seeOther(w, a.signIn())
		}
		a.user, _ = a.who.User()
		return serve(a, w, r)
	}
}

func (a *account) show(w http.ResponseWriter, _ *http.Request) error {
	return a.writeTab(w, http.StatusOK)
}

func (a *account) submit(w http.ResponseWriter, r *http.Request) error {
	if err := a.readDeed(w, r); err != nil {
		return err
	}
	do, ok := a.tab.deeds[a.sent]
	if !ok {
		return notFound()
	}
	err := do(a, w, r)
	switch auth.CodeOf(err) {
	case "":
		return err
	case auth.CodeUnauthenticated, auth.CodeTokenInvalid: // the session ended meanwhile
		return seeOther(w, a.signIn())
	case auth.CodeRecentSignInRequired:
		web.SetError(r.Context(), err)
		return a.writePage(w, http.StatusForbidden, a.recentPage())
	}
	if status, told := a.tell(w, r, err); told {
		return a.writeTab(w, status)
	}
	return err
}

// options answers the script in the form whose deed is add-passkey, with the fields of that form.
func (a *account) options(w http.ResponseWriter, r *http.Request) error {
	if err := a.readDeed(w, r); err != nil {
		return err
	}
	if a.sent != "add-passkey" {
		return notFound()
	}
	return a.beginPasskey(w, r)
}

// readDeed takes the form that was sent, if this browser has it from this page.
func (a *account) readDeed(w http.ResponseWriter, r *http.Request) (err error) {
	if a.fields, err = ui.ReadForm(w, r, ui.FormRules{MaxBytes: maxFlowForm}); err != nil {
		return err
	}
	a.chooseLanguage(a.fields.Get(fieldLanguage))
	a.sent = a.fields.Get(fieldDo)
	return a.site.CheckForm(r, a.fields, a.token, a.purpose(a.sent))
}

// purpose is what the token of a deed's form is made for.
func (a *account) purpose(deed string) string { return "account/" + a.tab.name + "/" + deed }

// address is where one of the project's pages is, in the language that the reader has chosen.
func (v *visit) address(path string, query url.Values) string {
	if v.language != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set(fieldLanguage, v.language)
	}
	target := v.site.Path("/" + string(v.project.ID) + path)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target
}

// signIn is where the sign-in page is that leads back to this one; with more of a query, as names and values.
func (a *account) signIn(more ...string) template.URL {
	return a.flowURL(pageSignIn, destination{next: a.localPath(a.address(a.tab.path, nil))}, more...)
}

// signInAgain is signIn for who is signed in, but not lately.
func (a *account) signInAgain() part {
	return part{Away: []away{{URL: a.signIn(fieldAgain, "1"), Label: a.texts.get("account.recent.button"), Button: true}}}
}

// done shows the page once more, with a notice of what was done.
func (a *account) done(w http.ResponseWriter, notice string) error {
	return seeOther(w, a.address(a.tab.path, url.Values{fieldNotice: {notice}}))
}

// notices are the values of fieldNotice, each with a message account.notice.{value}, and how they are shown; nothing else of the query is.
var notices = map[string]string{
	"profile": "good", "email-asked": "good", "email-changed": "good", "verification": "good", "password-mail": "good", "linked": "good", "link-taken": "bad", "link-failed": "bad",
	"unlinked": "good", "factor-added": "good", "factor-removed": "good", "session-ended": "good", "sessions-ended": "good",
}

// endings are what can end with the session.
var endings = []string{"password", "deleted"}

// leave has the browser forget the session, which has ended, and says with what.
func (a *account) leave(w http.ResponseWriter, ending string) error {
	a.site.ClearSession(w, string(a.project.ID))
	return seeOther(w, a.address("/account/ended", url.Values{fieldNotice: {ending}}))
}

func (v *visit) showEnded(w http.ResponseWriter, r *http.Request) error {
	ending := r.URL.Query().Get(fieldNotice)
	if !slices.Contains(endings, ending) {
		return notFound()
	}
	shown := v.flowView("account.ended." + ending)
	shown.Parts = []part{{Away: []away{{URL: v.flowURL(pageSignIn, destination{next: v.localPath("")}), Label: v.texts.get("account.sign-in"), Button: true}}}}
	return v.writePage(w, http.StatusOK, shown)
}

// recentPage asks for the sign-in that a deed needs.
func (a *account) recentPage() view {
	shown := a.flowView("account.recent")
	shown.Parts = []part{a.signInAgain()}
	return shown
}

// recentSection asks for it before anything is typed.
func (a *account) recentSection() section {
	return section{ID: "recent", Heading: a.texts.get("account.recent.title"), Text: []string{a.texts.get("account.recent.text")}, Parts: []part{a.signInAgain()}}
}
