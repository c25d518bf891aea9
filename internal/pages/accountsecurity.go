package pages

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

func (a *account) security() ([]section, error) {
	var sections []section
	if a.project.Settings.PasswordProvider {
		sections = append(sections, a.passwordSection())
	}
	providers, err := a.providerSection()
	if err != nil {
		return nil, err
	}
	if len(providers.Rows) > 0 {
		sections = append(sections, providers)
	}
	return sections, nil
}

func (a *account) passwordSection() section {
	own := section{ID: "own", Heading: a.texts.get("account.password.heading")}
	switch {
	case a.user.PasswordHash != "":
		least := a.project.Settings.PasswordMinLength
		own.Text = []string{a.texts.get("reset-password.text")}
		own.Parts = []part{{Form: a.form("password",
			flowInput{Name: fieldSecret, Type: "password", Label: a.texts.get("account.password.current"), Autocomplete: "current-password"},
			flowInput{
				Name: fieldPassword, Type: "password", Label: a.texts.get("password.label"), Autocomplete: "new-password", Hint: a.texts.number("password.rule", least), MinLength: least,
			})}}
	case a.user.Email.IsZero():
		own.Text = []string{a.texts.get("account.password.no-address")}
	default:
		own.Text = []string{a.texts.get("account.password.none")}
		own.Parts = []part{{Form: a.form("password-mail")}}
	}
	return own
}

// changePassword ends all sessions, this one too.
func (a *account) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.ChangePassword(r.Context(), a.who, a.fields.Get(fieldSecret), a.fields.Get(fieldPassword)); err != nil {
		return err
	}
	return a.leave(w, "password")
}

// mailPassword lets the user choose a first password, as somebody who forgot it would.
func (a *account) mailPassword(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.SendPasswordReset(r.Context(), a.who, string(a.user.Email)); err != nil {
		return err
	}
	return a.done(w, "password-mail")
}

func (a *account) providerSection() (section, error) {
	list := section{ID: "linked", Heading: a.texts.get("account.providers.heading"), Text: []string{a.texts.get("account.providers.text")}}
	ways, err := a.service.WaysIn(a.request.Context(), a.who)
	if err != nil {
		return list, err
	}
	offered, err := a.service.SignInProviders(a.request.Context(), a.project)
	if err != nil {
		return list, err
	}
	for _, way := range ways {
		if len(way.Identities) == 0 && !slices.Contains(offered, way.ProviderID) {
			continue
		}
		one := row{Title: providerName(way.ProviderID)}
		for _, identity := range way.Identities {
			one.Badge = a.texts.get("account.providers.linked")
			if identity.Email != "" {
				one.Facts = append(one.Facts, fact{Label: a.texts.get("account.providers.as"), Value: identity.Email})
			}
		}
		switch {
		case len(way.Identities) == 0:
			one.Parts = []part{a.rowForm("link", fieldProvider, way.ProviderID, one.Title)}
		case way.Last:
			one.Facts = append(one.Facts, fact{Value: a.texts.get("account.problem.last-way")})
		default:
			one.Parts = []part{a.rowForm("unlink", fieldProvider, way.ProviderID, one.Title)}
		}
		list.Rows = append(list.Rows, one)
	}
	return list, nil
}

func (a *account) unlink(w http.ResponseWriter, r *http.Request) error {
	id := a.fields.Get(fieldProvider)
	if id == auth.ProviderPassword { // which this page changes, and does not remove
		return &auth.Error{Code: auth.CodeNotFound, Message: "the password is no provider"}
	}
	if err := a.service.UnlinkProvider(r.Context(), a.who, id); err != nil {
		return err
	}
	return a.done(w, "unlinked")
}

// link begins to link an account at a provider; finishLink ends it. Between them the cookie of the step says whose account it is for.
func (a *account) link(w http.ResponseWriter, r *http.Request) error {
	if a.project.Settings.RecentForProviders && !a.service.SignedInLately(a.who) { // before a way to the provider and back for nothing
		return &auth.Error{Code: auth.CodeRecentSignInRequired, Message: "sign in again to link an account"}
	}
	return a.goToProvider(w, r, a.fields.Get(fieldProvider), destination{next: a.localPath(a.address(a.tab.path, nil))}, url.Values{fieldUser: {string(a.user.ID)}})
}

// finishLink takes the answer of a provider. What comes of it is told by the account's page: this address has the provider's code.
func (v *visit) finishLink(w http.ResponseWriter, r *http.Request, user string, answer auth.ProviderSignInParams, d destination) error {
	c, _, ok, err := v.signedIn(r)
	if err != nil {
		return err
	}
	if u, _ := c.User(); !ok || string(u.ID) != user { // somebody else has signed in meanwhile
		return v.beginAnew(w, d)
	}
	notice := "linked"
	switch _, err := v.service.LinkProvider(r.Context(), c, answer); auth.CodeOf(err) {
	case "":
	case auth.CodeRecentSignInRequired:
		return seeOther(w, v.flowURL(pageSignIn, d, fieldAgain, "1", fieldSays, "recent"))
	case auth.CodeIdentityInUse:
		web.SetError(r.Context(), err)
		notice = "link-taken"
	case auth.CodeInvalidProviderResponse, auth.CodeProviderNotConfigured, auth.CodeUnavailable:
		web.SetError(r.Context(), err)
		notice = "link-failed"
	default:
		return err
	}
	return seeOther(w, v.address("/account/security", url.Values{fieldNotice: {notice}}))
}
