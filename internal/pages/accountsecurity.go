package pages

import (
	"cmp"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
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
	for _, way := range ways {
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

func (a *account) link(w http.ResponseWriter, r *http.Request) error { return notFound() }

// providerNames are those of the providers that everybody knows; the others are shown by their ids.
var providerNames = map[string]string{"google.com": "Google", "facebook.com": "Facebook", "github.com": "GitHub", "microsoft.com": "Microsoft", "apple.com": "Apple"}

func providerName(id string) string { return cmp.Or(providerNames[id], id) }
