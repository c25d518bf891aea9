package pages

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

const (
	fieldProvider  = "provider"
	fieldFlowState = "flowState" // what the provider sends back; fieldState is the app's
)

// providerNames are those that people know providers by.
var providerNames = map[string]string{
	"google.com": "Google", "facebook.com": "Facebook", "github.com": "GitHub", "microsoft.com": "Microsoft", "apple.com": "Apple",
}

// providerName of an OpenID Connect issuer is the part of its id that the operator chose.
func providerName(id string) string {
	if name, ok := providerNames[id]; ok {
		return name
	}
	return strings.TrimPrefix(id, "oidc.")
}

// submitProvider begins a sign-in at a provider, and ties it to this browser by a cookie. The browser is taken there by goAway, since nobody knows by which
// hosts a provider leads.
func (v *visit) submitProvider(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageProvider)
	if err != nil {
		return err
	}
	err = v.goToProvider(w, r, fields.Get(fieldProvider), d, nil)
	if err != nil {
		return v.again(w, r, d, err, func(problem typed) (view, error) { return v.signInView(w, r, d, "", problem) })
	}
	return nil
}

// goToProvider begins a flow at a provider and takes the browser there; more is kept for the flow's end beside the destination.
func (v *visit) goToProvider(w http.ResponseWriter, r *http.Request, providerID string, d destination, more url.Values) error {
	begun, err := v.service.Authorize(r.Context(), v.pageCaller(r), providerID, v.service.HostedCallback(v.project.ID))
	if err != nil {
		return err
	}
	kept := d.values()
	maps.Copy(kept, more)
	kept.Set(fieldSession, begun.SessionID)
	kept.Set(fieldProvider, begun.ProviderID)
	kept.Set(fieldFlowState, begun.State)
	kept.Set(fieldLanguage, v.language)
	if !v.site.SetStep(w, string(v.project.ID), stepProvider, kept.Encode(), v.project.Settings.FlowTTL) {
		return told{&auth.Error{Code: auth.CodeInvalidArgument, Message: "the app's request does not fit into a cookie"}, answerApp}
	}
	return v.goAway(w, d, begun.URL, providerName(begun.ProviderID))
}

// relayProvider takes the answer of a provider that posts it, which browsers do without our cookies (SameSite), and has the browser bring it itself.
func (v *visit) relayProvider(w http.ResponseWriter, r *http.Request) error {
	fields, err := ui.ReadForm(w, r, ui.FormRules{})
	if err != nil {
		return err
	}
	answer := url.Values{}
	for _, name := range []string{"code", "state", "error", "iss"} {
		if fields.Has(name) {
			answer.Set(name, fields.Get(name))
		}
	}
	return seeOther(w, v.site.Path(v.flowPath(pageCallback))+"?"+answer.Encode())
}

// finishProvider takes the answer of a provider to the sign-in that this browser began there. Each is taken once; what answers another one, which any site can
// have a browser bring, leaves this one as it is.
func (v *visit) finishProvider(w http.ResponseWriter, r *http.Request) error {
	kept, err := url.ParseQuery(v.site.Step(r, string(v.project.ID), stepProvider))
	if err != nil {
		kept = url.Values{}
	}
	v.chooseLanguage(kept.Get(fieldLanguage))
	d, err := v.destinationOf(r, kept)
	if err != nil {
		return err
	}
	answer := r.URL.Query()
	for _, values := range answer {
		if len(values) != 1 || !ui.IsText(values[0]) {
			return &web.Error{Status: http.StatusBadRequest, Detail: "A part of the provider's answer is there twice, or no text"}
		}
	}
	if kept.Get(fieldFlowState) == "" || answer.Get(fieldState) != kept.Get(fieldFlowState) { // RFC 6749 sections 4.1.2 and 4.1.2.1
		return &auth.Error{Code: auth.CodeMissingFlowPart, Message: "this browser began no such sign-in at a provider"}
	}
	v.site.ClearStep(w, string(v.project.ID), stepProvider)
	switch {
	case answer.Has("error") && kept.Has(fieldUser):
		return seeOther(w, v.address("/account/security", url.Values{fieldNotice: {"link-failed"}}))
	case answer.Get("error") == "access_denied": // RFC 6749 section 4.1.2.1
		return seeOther(w, v.flowURL(pageSignIn, d, fieldAgain, "1", fieldSays, "gave-up"))
	case answer.Has("error"):
		return &auth.Error{Code: auth.CodeInvalidProviderResponse, Message: "the provider answers with an error"}
	}
	params := auth.ProviderSignInParams{
		SessionID: kept.Get(fieldSession), ProviderID: kept.Get(fieldProvider), RedirectURI: v.service.HostedCallback(v.project.ID),
		State: answer.Get(fieldState), Issuer: answer.Get("iss"), Code: answer.Get("code"),
	}
	if user := kept.Get(fieldUser); user != "" {
		return v.finishLink(w, r, user, params, d)
	}
	in, err := v.service.SignInWithProvider(r.Context(), v.pageCaller(r), params)
	if err != nil {
		return err
	}
	if in.NeedConfirmation {
		return seeOther(w, v.flowURL(pageSignIn, d, fieldAgain, "1", fieldSays, "confirm"))
	}
	return v.finish(w, r, in.Tokens, d)
}
