package pages

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

const (
	fieldRecovery   = "recoveryCode"
	fieldCredential = "credential" // what a passkey answered, as JSON
	fieldFactor     = "factor"     // the id of a second factor that is not confirmed yet
	fieldKind       = "kind"       // of a second factor
)

// pending gives the sign-in that waits for its second factor. Where there is none any more, the browser is sent to begin anew and ok is false.
func (v *visit) pending(w http.ResponseWriter, r *http.Request, d destination) (waiting auth.Tokens, ok bool, err error) {
	credential := v.site.Step(r, string(v.project.ID), stepSecond)
	if credential == "" {
		return waiting, false, v.beginAnew(w, d)
	}
	waiting, err = v.service.PendingSignIn(r.Context(), v.pageCaller(r), credential)
	if auth.CodeOf(err) == auth.CodeInvalidPendingCredential {
		return waiting, false, v.beginAnew(w, d)
	}
	return waiting, err == nil, err
}

func (v *visit) showSecond(w http.ResponseWriter, r *http.Request) error {
	d, err := v.destinationOf(r, r.URL.Query())
	if err != nil {
		return err
	}
	waiting, ok, err := v.pending(w, r, d)
	switch {
	case !ok:
		return err
	case waiting.EnrollmentRequired:
		return seeOther(w, v.flowURL(pageEnroll, d))
	}
	shown, err := v.secondView(w, r, d, waiting, typed{})
	if err != nil {
		return err
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

// secondView asks for one of the factors that would do.
func (v *visit) secondView(w http.ResponseWriter, r *http.Request, d destination, waiting auth.Tokens, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	has := func(kind auth.SecondFactorKind) bool {
		return slices.ContainsFunc(waiting.SecondFactors, func(f auth.SecondFactor) bool { return f.Kind == kind })
	}
	shown := v.flowView(pageSecond)
	if has(auth.FactorTOTP) {
		f := v.newForm(pageSecond, secret, d, v.codeInput(problem.text == "" || problem.field == fieldTyped))
		f.Button = v.texts.get("flow.confirm")
		shown.Parts = append(shown.Parts, part{Form: f})
	}
	switch {
	case !has(auth.FactorPasskey):
	case !v.service.PasskeysOnPages(v.project):
		shown.Parts = append(shown.Parts, part{Note: &note{"info", v.texts.get("sign-in/second-factor.elsewhere")}})
	default:
		f := v.newForm(pageSecond, secret, d)
		f.Button, f.Quiet = v.texts.get("sign-in/second-factor.passkey"), len(shown.Parts) > 0
		shown.Parts = append(shown.Parts, part{Form: v.ceremony(f, "get", pageSecond, v.flowURL(pageSecond, d))}, part{NoScript: v.texts.get("flow.passkey.script")})
	}
	recovery := v.newForm(pageSecond, secret, d,
		flowInput{Name: fieldRecovery, Type: "text", Label: v.texts.get("flow.recovery"), Autocomplete: "off", Mode: "text", Class: "mono"})
	recovery.Foldable, recovery.Button, recovery.Quiet = v.texts.get("flow.recovery.use"), v.texts.get("flow.recovery.button"), true
	shown.Parts = append(shown.Parts, part{Form: recovery})
	recovery.Open = problem.field == fieldRecovery
	tellForms(shown.Parts, problem)
	shown.Parts = append(shown.Parts, part{Away: append([]away{{URL: v.flowURL(pageSignIn, d, fieldAgain, "1"), Label: v.texts.get("flow.other")}}, v.goBack(d)...)})
	return shown, nil
}

// codeInput takes the code that an app shows.
func (v *visit) codeInput(focus bool) flowInput {
	return flowInput{
		Name: fieldTyped, Type: "text", Label: v.texts.get("flow.code"), Hint: v.texts.get("flow.code.hint"), Autocomplete: "one-time-code", Mode: "numeric",
		Class: "one-time-code", MaxLength: 12, Focus: focus,
	}
}

func (v *visit) submitSecond(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageSecond)
	if err != nil {
		return err
	}
	waiting, ok, err := v.pending(w, r, d)
	switch {
	case !ok:
		return err
	case waiting.EnrollmentRequired:
		return seeOther(w, v.flowURL(pageEnroll, d))
	}
	proof := auth.SecondFactorProof{Code: fields.Get(fieldTyped), RecoveryCode: fields.Get(fieldRecovery), Credential: []byte(fields.Get(fieldCredential))}
	tokens, err := v.service.CompleteSignIn(r.Context(), v.pageCaller(r), waiting.PendingCredential, proof)
	if err == nil {
		return v.finish(w, r, tokens, d)
	}
	if auth.CodeOf(err) == auth.CodeInvalidPendingCredential { // this was one try too many
		return v.beginAnew(w, d)
	}
	return v.again(w, r, d, passkeyProblem(factorProblem(err, proof.RecoveryCode != "")), func(problem typed) (view, error) { return v.secondView(w, r, d, waiting, problem) })
}

// factorProblem ties a wrong or missing code to the field that it was typed into.
func factorProblem(err error, recovery bool) error {
	a := answerFactor
	if recovery {
		a.field = fieldRecovery
	}
	switch auth.CodeOf(err) {
	case auth.CodeInvalidSecondFactorCode, auth.CodeSecondFactorNotFound, auth.CodeInvalidArgument:
		return told{err, a}
	}
	return err
}

// showEnroll offers the second factors that somebody can have whose project requires one.
func (v *visit) showEnroll(w http.ResponseWriter, r *http.Request) error {
	d, err := v.destinationOf(r, r.URL.Query())
	if err != nil {
		return err
	}
	waiting, ok, err := v.pending(w, r, d)
	switch {
	case !ok:
		return err
	case !waiting.EnrollmentRequired:
		return seeOther(w, v.flowURL(pageSecond, d))
	}
	shown, err := v.enrollView(w, r, d, typed{})
	if err != nil {
		return err
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

func (v *visit) enrollView(w http.ResponseWriter, r *http.Request, d destination, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView(pageEnroll)
	app := v.newForm(pageEnroll, secret, d)
	app.hide(fieldKind, string(auth.FactorTOTP))
	app.Button = v.texts.get("sign-in/enroll.app")
	shown.Parts = append(shown.Parts, part{Form: app})
	if v.service.PasskeysOnPages(v.project) {
		f := v.newForm(pageEnroll, secret, d)
		f.hide(fieldFactor, "")
		f.Button, f.Quiet = v.texts.get("sign-in/enroll.passkey"), true
		shown.Parts = append(shown.Parts, part{Form: v.ceremony(f, "create", pageEnroll, v.flowURL(pageEnroll, d))}, part{NoScript: v.texts.get("flow.passkey.script")})
	}
	tellForms(shown.Parts, problem)
	shown.Parts = append(shown.Parts, part{Away: append([]away{{URL: v.flowURL(pageSignIn, d, fieldAgain, "1"), Label: v.texts.get("flow.other")}}, v.goBack(d)...)})
	return shown, nil
}

// submitEnroll begins to add an authenticator app, or confirms a factor that was begun.
func (v *visit) submitEnroll(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageEnroll)
	if err != nil {
		return err
	}
	waiting, ok, err := v.pending(w, r, d)
	switch {
	case !ok:
		return err
	case !waiting.EnrollmentRequired:
		return seeOther(w, v.flowURL(pageSecond, d))
	case fields.Get(fieldFactor) == "":
		return v.beginApp(w, r, d, waiting.PendingCredential)
	}
	return v.confirmFactor(w, r, d, auth.EnrollmentProof{
		ID: auth.SecondFactorID(fields.Get(fieldFactor)), Code: fields.Get(fieldTyped), Credential: []byte(fields.Get(fieldCredential)),
		PendingCredential: waiting.PendingCredential,
	})
}

// beginApp shows the secret of a new authenticator app, this once.
func (v *visit) beginApp(w http.ResponseWriter, r *http.Request, d destination, credential string) error {
	e, err := v.service.BeginEnrollment(r.Context(), v.pageCaller(r), auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: credential})
	if err != nil {
		return v.again(w, r, d, err, func(problem typed) (view, error) { return v.enrollView(w, r, d, problem) })
	}
	shown, err := v.appView(w, r, d, e.ID, typed{})
	if err != nil {
		return err
	}
	image := template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(e.TOTPImage))
	secret := []part{{QR: &picture{image, v.texts.get("sign-in/enroll.app.qr")}}, {Secret: &field{v.texts.get("sign-in/enroll.app.secret"), e.TOTPSecret}}}
	shown.Parts = append(secret, shown.Parts...)
	return v.writeFlow(w, http.StatusOK, d, shown)
}

// appView asks for a code of the new app.
func (v *visit) appView(w http.ResponseWriter, r *http.Request, d destination, id auth.SecondFactorID, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView("sign-in/enroll.app")
	if problem.text != "" {
		shown.Text = []string{v.texts.get("sign-in/enroll.app.again")} // the secret is told once
	}
	f := v.newForm(pageEnroll, secret, d, v.codeInput(problem.text != ""))
	f.hide(fieldFactor, string(id))
	f.Button = v.texts.get("flow.confirm")
	shown.Parts = []part{{Form: f.tell(problem)}, {Away: []away{{URL: v.flowURL(pageEnroll, d), Label: v.texts.get("sign-in/enroll.anew")}}}}
	return shown, nil
}

// confirmFactor ends the sign-in that waited for a factor: the browser is signed in, and shows the recovery codes, this once.
func (v *visit) confirmFactor(w http.ResponseWriter, r *http.Request, d destination, proof auth.EnrollmentProof) error {
	enrolled, err := v.service.FinishEnrollment(r.Context(), v.pageCaller(r), proof)
	switch {
	case auth.CodeOf(err) == auth.CodeInvalidPendingCredential:
		return v.beginAnew(w, d)
	case err != nil && len(proof.Credential) > 0:
		return v.again(w, r, d, passkeyProblem(err), func(problem typed) (view, error) { return v.enrollView(w, r, d, problem) })
	case err != nil:
		return v.again(w, r, d, factorProblem(err, false), func(problem typed) (view, error) { return v.appView(w, r, d, proof.ID, problem) })
	case enrolled.Tokens == nil || enrolled.Tokens.BrowserToken == "":
		return v.beginAnew(w, d)
	}
	token := enrolled.Tokens.BrowserToken
	if len(enrolled.RecoveryCodes) == 0 {
		return v.finish(w, r, *enrolled.Tokens, d)
	}
	if _, err := v.begin(w, r, token); err != nil {
		return err
	}
	v.reopen = nil // the codes are shown once, so nothing leads away from them but going on
	return v.writeFlow(w, http.StatusOK, d, v.codesView(token, enrolled.RecoveryCodes, d))
}

// codesView shows recovery codes. What they are for is said, and that they are not shown again.
func (v *visit) codesView(token string, codes []string, d destination) view {
	shown := v.flowView("sign-in/codes")
	f := v.newForm(pageContinue, token, d)
	f.Button = v.texts.get("sign-in/codes.button")
	shown.Parts = []part{{Codes: &recoveryCodes{v.texts.get("sign-in/codes.label"), strings.Join(codes, "\n"), len(codes)}}, {Form: f}}
	return shown
}
