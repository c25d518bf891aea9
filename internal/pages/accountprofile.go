package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

func (a *account) profile() ([]section, error) {
	may, err := a.service.MayUpdateSelf(a.request.Context(), a.who)
	if err != nil {
		return nil, err
	}
	own := section{ID: "own", Heading: a.texts.get("account.profile.heading")}
	if may {
		own.Parts = []part{{Form: a.form("profile",
			flowInput{Name: fieldName, Type: "text", Label: a.texts.get("account.name.label"), Value: a.user.Name, Autocomplete: "name", Optional: true, RTL: true},
			flowInput{
				Name: fieldPicture, Type: "url", Label: a.texts.get("account.picture.label"), Value: a.user.Picture, Autocomplete: "photo", Optional: true,
				Hint: a.texts.get("account.picture.hint"),
			})}}
	} else {
		own.Text = []string{a.texts.get("account.profile.fixed")}
		own.Rows = []row{{Title: a.user.Name}}
	}
	return []section{own, a.emailSection()}, nil
}

func (a *account) emailSection() section {
	email := section{ID: "address", Heading: a.texts.get("email.label")}
	if a.user.Email.IsZero() {
		email.Text = []string{a.texts.get("account.email.none")}
	} else {
		now := row{Title: string(a.user.Email), Badge: a.texts.get("account.email.confirmed")}
		if !a.user.EmailVerified {
			now.Badge = a.texts.get("account.email.unconfirmed")
			again := a.form("verification")
			again.Quiet = true
			now.Parts = []part{{Form: again}}
		}
		email.Rows = []row{now}
	}
	if a.provesEmailFirst() && !a.service.SignedInLately(a.who) {
		email.Text = append(email.Text, a.texts.get("account.recent.text"))
		email.Parts = []part{a.signInAgain()}
		return email
	}
	hint := "account.email.hint-now"
	if a.provesEmailFirst() {
		hint = "account.email.hint"
	}
	email.Parts = []part{{Form: a.form("email", flowInput{Name: fieldEmail, Type: "email", Label: a.texts.get("account.email.label"), Autocomplete: "email", Hint: a.texts.get(hint)})}}
	return email
}

// provesEmailFirst tells whether a new address counts only once it is proven.
func (a *account) provesEmailFirst() bool {
	return a.project.Settings.EmailChange == auth.EmailChangeVerified
}

func (a *account) saveProfile(w http.ResponseWriter, r *http.Request) error {
	name, picture := a.fields.Get(fieldName), a.fields.Get(fieldPicture)
	if picture != a.user.Picture && picture != "" && !isWebAddress(picture) {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "picture", Message: "the picture is no http(s) URL"}
	}
	if _, err := a.service.UpdateUser(r.Context(), a.who, a.user.ID, auth.UserPatch{Name: &name, Picture: &picture}); err != nil {
		return err
	}
	return a.done(w, "profile")
}

// isWebAddress tells whether apps can show what the address names: they may put it into a page (P40).
func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " \"'<>\\")
}

func (a *account) changeEmail(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.ChangeEmail(r.Context(), a.who, a.fields.Get(fieldEmail)); err != nil {
		return err
	}
	if a.provesEmailFirst() {
		return a.done(w, "email-asked")
	}
	return a.done(w, "email-changed")
}

// verifyEmail sends the mail that proves the address once more: to the one that the account has (P4).
func (a *account) verifyEmail(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.SendVerification(r.Context(), a.who, string(a.user.Email)); err != nil {
		return err
	}
	return a.done(w, "verification")
}
