package pages

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

func noFactors(p *auth.Project) bool { return p.Settings.SecondFactor == auth.SecondFactorOff }

func (a *account) factors() ([]section, error) {
	factors, codes, err := a.service.SecondFactors(a.request.Context(), a.who)
	if err != nil {
		return nil, err
	}
	may := auth.CodeOf(a.service.MayEnroll(a.request.Context(), a.who))
	fresh := may != auth.CodeRecentSignInRequired
	list := section{ID: "list", Heading: a.texts.get("account.factors.heading"), Text: []string{a.texts.get("account.factors.text")}}
	for _, f := range factors {
		one := row{Title: f.Name, Facts: []fact{a.when("account.factors.added", f.ConfirmedAt)}}
		if kind := a.texts.get("account.factors." + string(f.Kind)); kind != f.Name {
			one.Badge = kind
		}
		if !f.LastUsedAt.IsZero() {
			one.Facts = append(one.Facts, a.when("account.sessions.used", f.LastUsedAt))
		}
		if fresh {
			one.Parts = []part{a.rowForm("remove-factor", fieldFactor, string(f.ID), f.Name)}
		}
		list.Rows = append(list.Rows, one)
	}
	if len(factors) == 0 {
		list.Text = append(list.Text, a.texts.get("account.factors.none"))
	}
	if !fresh {
		return []section{a.recentSection(), list}, nil
	}
	sections := []section{list}
	if may == "" {
		sections = append(sections, a.addSections()...)
	}
	if len(factors) > 0 {
		sections = append(sections, section{
			ID: "codes", Heading: a.texts.get("account.codes.heading"), Text: []string{a.texts.number("account.codes.left", codes)}, Parts: []part{{Form: a.form("new-codes")}},
		})
	}
	return sections, nil
}

// addSections have the forms that add a factor.
func (a *account) addSections() []section {
	add := func(do, field, kind string) section {
		name := flowInput{Name: field, Type: "text", Label: a.texts.get("account.factors.name"), Value: a.texts.get("account.factors." + kind), Autocomplete: "off", Optional: true, RTL: true}
		return section{ID: do, Heading: a.texts.get("account." + do + ".heading"), Text: []string{a.texts.get("account." + do + ".text")}, Parts: []part{{Form: a.form(do, name)}}}
	}
	sections := []section{add("add-app", fieldApp, "totp")}
	if a.service.PasskeysOnPages(a.project) {
		passkey := add("add-passkey", fieldName, "passkey")
		passkey.NeedsScript = true
		a.ceremony(passkey.Parts[0].Form, "create", "account/factors", template.URL(a.address(a.tab.path, nil))).hide(fieldFactor, "")
		sections = append(sections, passkey)
	}
	return sections
}

func (a *account) addApp(w http.ResponseWriter, r *http.Request) error {
	e, err := a.service.BeginEnrollment(r.Context(), a.who, auth.EnrollmentParams{Kind: auth.FactorTOTP, Name: a.fields.Get(fieldApp)})
	if err != nil {
		return err
	}
	shown := a.confirmSection(e.ID)
	shown.Text = []string{a.texts.get("account.app.text")}
	image := template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(e.TOTPImage))
	shown.Parts = append([]part{{QR: &picture{image, a.texts.get("account.app.picture")}}, {Secret: &field{a.texts.get("account.app.secret"), e.TOTPSecret}}}, shown.Parts...)
	return a.writeSections(w, http.StatusOK, shown)
}

// confirmSection asks for a code of the new app. After a wrong one it is shown without the secret, which is told once: the app has it.
func (a *account) confirmSection(id auth.SecondFactorID) section {
	f := a.form("confirm-app", a.codeInput(false))
	f.hide(fieldFactor, string(id))
	back := away{URL: template.URL(a.address(a.tab.path, nil)), Label: a.texts.get("account.cancel")}
	return section{ID: "confirm", Heading: a.texts.get("account.add-app.heading"), Parts: []part{{Form: f}, {Away: []away{back}}}}
}

func (a *account) confirmApp(w http.ResponseWriter, r *http.Request) error {
	id := auth.SecondFactorID(a.fields.Get(fieldFactor))
	enrolled, err := a.service.FinishEnrollment(r.Context(), a.who, auth.EnrollmentProof{ID: id, Code: a.fields.Get(fieldTyped)})
	switch auth.CodeOf(err) {
	case auth.CodeInvalidSecondFactorCode, auth.CodeInvalidArgument, auth.CodeTooManyAttempts:
		if status, told := a.tell(w, r, err); told {
			return a.writeSections(w, status, a.confirmSection(id))
		}
	}
	return a.enrolled(w, enrolled, err)
}

// beginPasskey begins to add a passkey, for the page's module.
func (a *account) beginPasskey(w http.ResponseWriter, r *http.Request) error {
	e, err := a.service.BeginEnrollment(r.Context(), a.who, auth.EnrollmentParams{Kind: auth.FactorPasskey, Name: a.fields.Get(fieldName)})
	if err != nil {
		return err
	}
	return writeOptions(w, e.PasskeyCreation, map[string]string{fieldFactor: string(e.ID)})
}

func (a *account) addPasskey(w http.ResponseWriter, r *http.Request) error {
	proof := auth.EnrollmentProof{ID: auth.SecondFactorID(a.fields.Get(fieldFactor)), Credential: []byte(a.fields.Get(fieldCredential))}
	enrolled, err := a.service.FinishEnrollment(r.Context(), a.who, proof)
	return a.enrolled(w, enrolled, err)
}

// enrolled shows the recovery codes that come with the first factor.
func (a *account) enrolled(w http.ResponseWriter, e auth.Enrolled, err error) error {
	switch {
	case err != nil:
		return err
	case len(e.RecoveryCodes) > 0:
		return a.writeCodes(w, e.RecoveryCodes)
	}
	return a.done(w, "factor-added")
}

func (a *account) newCodes(w http.ResponseWriter, r *http.Request) error {
	codes, err := a.service.RenewRecoveryCodes(r.Context(), a.who)
	if err != nil {
		return err
	}
	return a.writeCodes(w, codes)
}

// writeCodes answers the form itself: the codes are told this once, and no address leads to them.
func (a *account) writeCodes(w http.ResponseWriter, codes []string) error {
	kept := away{URL: template.URL(a.address(a.tab.path, nil)), Label: a.texts.get("account.codes.kept"), Button: true}
	return a.writeSections(w, http.StatusOK, section{ID: "codes-new", Heading: a.texts.get("account.codes.heading"), Text: []string{a.texts.get("account.codes.text")}, Parts: []part{
		{Codes: &recoveryCodes{a.texts.get("account.codes.heading"), strings.Join(codes, "\n"), len(codes)}}, {Away: []away{kept}},
	}})
}

// removeFactor needs a session that began with a second factor; where it did not, signing in again gives one.
func (a *account) removeFactor(w http.ResponseWriter, r *http.Request) error {
	id := auth.SecondFactorID(a.fields.Get(fieldFactor))
	if err := a.service.RemoveSecondFactor(r.Context(), a.who, id, auth.SecondFactorProof{}); err != nil {
		return err
	}
	return a.done(w, "factor-removed")
}
