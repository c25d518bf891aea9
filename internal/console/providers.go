package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

func providersPages() []page {
	return []page{
		{
			path: "/projects/{project}/sign-in-methods", room: roomProviders, entry: true, show: (*visit).providers,
			forms:   map[string]func(*visit) error{"add": (*visit).addIssuer, "check": (*visit).checkProviders},
			notices: map[string]string{"deleted": "The provider was deleted. Accounts stay joined to it, in case it returns."},
		},
		{
			path: "/projects/{project}/sign-in-methods/{provider}", room: roomProviders, show: func(v *visit) error { return v.provider("", false) }, scripts: []string{"copy.js"},
			forms: map[string]func(*visit) error{
				"save": (*visit).saveProvider, "switch": (*visit).switchProvider, "check": (*visit).checkProvider, "try": (*visit).tryProvider, "delete": (*visit).deleteProvider,
			},
			notices: map[string]string{"saved": "The provider was saved.", "on": "Users can sign in there.", "off": "Nobody can sign in there any more."},
		},
		{path: "/projects/{project}/provider-callback", room: roomProviders, show: (*visit).finishTrial, fromElsewhere: (*visit).trialAsGet},
	}
}

// providerKind is what the console knows of a provider: what it is called, and what its registration gives.
type providerKind struct {
	ID, Name   string
	Where      string // the app is registered
	Secret     bool   // it has a client secret
	Apple      bool   // it has a team, and a key that signs
	Issuer     string // what may be entered as issuer; "" where it is fixed
	NeedIssuer bool
	Implicit   bool // it can answer in the fragment
}

var providerKinds = []providerKind{
	{ID: "google.com", Name: "Google", Where: "Google Cloud console, APIs & Services, Credentials, OAuth client ID of the type Web application", Secret: true, Implicit: true},
	{ID: "apple.com", Name: "Apple", Where: "Apple Developer, Identifiers, a Services ID with Sign in with Apple; and Keys for its private key", Apple: true, Implicit: true},
	{ID: "microsoft.com", Name: "Microsoft", Where: "Microsoft Entra admin center, App registrations", Secret: true, Implicit: true,
		Issuer: "Empty for all accounts; https://login.microsoftonline.com/TENANT-ID/v2.0 for those of one tenant"},
	{ID: "github.com", Name: "GitHub", Where: "GitHub, Settings, Developer settings, OAuth Apps", Secret: true},
	{ID: "facebook.com", Name: "Facebook", Where: "Meta for Developers, My Apps, Facebook Login", Secret: true, Implicit: true},
}

// kindOf tells what a provider id stands for.
func kindOf(id string) (providerKind, bool) {
	if auth.IsOIDCProvider(id) {
		return providerKind{
			ID: id, Name: strings.TrimPrefix(id, "oidc."), Where: "the issuer's own console, as a confidential web client with the authorization code grant", Secret: true, NeedIssuer: true, Implicit: true,
			Issuer: "As its tokens have it in iss; the metadata are looked for at this URL followed by /.well-known/openid-configuration",
		}, true
	}
	i := slices.IndexFunc(providerKinds, func(k providerKind) bool { return k.ID == id })
	if i < 0 {
		return providerKind{}, false
	}
	return providerKinds[i], true
}

// providerRow is a provider of the project in the list.
type providerRow struct {
	auth.IdentityProvider
	Kind    providerKind
	Checked bool
	Problem string // what the check found
}

// providerList is what the list shows.
type providerList struct {
	Rows     []providerRow
	Missing  []providerKind // that can be added
	Password bool
	Passkeys string // setting secondFactor
	Checked  bool
}

func (v *visit) providers() error { return v.listProviders(nil) }

func (v *visit) listProviders(problems map[string]string) error {
	configured, err := v.Admin.Providers(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	set := v.caller.Project.Settings
	list := providerList{Password: set.PasswordProvider, Passkeys: set.SecondFactor, Checked: problems != nil}
	for _, p := range configured {
		kind, _ := kindOf(p.ID)
		problem, checked := problems[p.ID]
		list.Rows = append(list.Rows, providerRow{p, kind, checked, problem})
	}
	for _, kind := range providerKinds {
		if !slices.ContainsFunc(configured, func(p auth.IdentityProvider) bool { return p.ID == kind.ID }) {
			list.Missing = append(list.Missing, kind)
		}
	}
	return v.render("providers", "Sign-in methods", list)
}

// checkProviders tries all of them at once, and shows what came of it.
func (v *visit) checkProviders() error {
	configured, err := v.Admin.Providers(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	problems := map[string]string{}
	var group sync.WaitGroup
	turn := make(chan struct{}, 8)
	for _, p := range configured {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			var problem string
			err := web.Caught(func() (err error) {
				problem, err = v.Admin.CheckProvider(v.r.Context(), v.caller, p.ID)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if problems[p.ID] = problem; err != nil {
				failed = err
			}
		})
	}
	if group.Wait(); failed != nil {
		return failed
	}
	return v.listProviders(problems)
}

// addIssuer leads to the form for an OpenID Connect issuer that is not configured yet.
func (v *visit) addIssuer() error {
	id := "oidc." + v.field("name")
	if !auth.IsOIDCProvider(id) {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "name", Message: "the name is made of a-z, 0-9 and hyphens, with at most 39 characters"}
	}
	return v.back(v.projectPath("sign-in-methods", id), "")
}

// providerPage is what the page of one provider shows.
type providerPage struct {
	Kind       providerKind
	Provider   auth.IdentityProvider
	New        bool // it is not configured yet
	HasSecret  bool
	Callbacks  []string // to enter at the provider, for apps
	Hosted     string   // to enter there for the project's sign-in page
	Trial      string   // and for trying it
	Open       bool     // what is seldom needed is shown
	Checked    bool
	Problem    string // what the check found
	Issuer     string
	Endpoints  string // the others, one a line as name=URL
	Parameters string
	AllowHosts string
	Was        string // its version
}

func (v *visit) provider(problem string, checked bool) error {
	id := v.r.PathValue("provider")
	kind, known := kindOf(id)
	if !known {
		return web.NotFound()
	}
	p, err := v.Admin.Provider(v.r.Context(), v.caller, id)
	missing := auth.CodeOf(err) == auth.CodeNotFound
	if err != nil && !missing {
		return err
	}
	if missing {
		p = auth.IdentityProvider{ID: id, Enabled: true}
	}
	endpoints := maps.Clone(p.Endpoints)
	delete(endpoints, "issuer")
	shown := providerPage{
		Kind: kind, Provider: p, New: missing, HasSecret: len(p.SecretSealed) > 0, Callbacks: v.caller.Project.Settings.CallbackURLs, Trial: v.Admin.TrialCallback(v.caller.Project.ID),
		Checked: checked, Problem: problem, Issuer: p.Endpoints["issuer"], Endpoints: assignments(endpoints), Parameters: assignments(p.Parameters), AllowHosts: strings.Join(p.AllowHosts, "\n"),
		Was: versionOf(p.UpdatedAt),
	}
	shown.Hosted = v.Admin.HostedCallback(v.caller.Project.ID)
	shown.Open = v.problem != nil || len(endpoints)+len(p.Parameters)+len(p.AllowHosts)+len(p.Scopes) > 0 || p.Implicit
	return v.render("provider", kind.Name, shown)
}

// assignments writes a map as lines of name=value.
func assignments(m map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, name+"="+m[name])
	}
	return strings.Join(lines, "\n")
}

// parseAssignments reads lines of name=value. Empty lines do not count.
func parseAssignments(field, text string) (map[string]string, error) {
	m := map[string]string{}
	for number, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if _, twice := m[name]; !ok || name == "" || twice {
			return nil, &auth.Error{Code: auth.CodeInvalidArgument, Field: field, Message: "line " + strconv.Itoa(number+1) + " is not of the form name=value, or its name is there twice"}
		}
		m[name] = strings.TrimSpace(value)
	}
	return m, nil
}

// saveProvider configures the provider as the form says. Secrets that are left empty stay.
func (v *visit) saveProvider() error {
	id := v.r.PathValue("provider")
	kind, known := kindOf(id)
	if !known {
		return web.NotFound()
	}
	p, err := v.Admin.Provider(v.r.Context(), v.caller, id)
	if err != nil && auth.CodeOf(err) != auth.CodeNotFound {
		return err
	}
	if err := v.wantStill("provider", versionOf(p.UpdatedAt), "this provider"); err != nil {
		return err
	}
	change, err := v.providerChange(kind)
	if err != nil {
		return err
	}
	if _, err := v.Admin.PutProvider(v.r.Context(), v.caller, id, change); err != nil {
		return err
	}
	return v.back(v.projectPath("sign-in-methods", id), "saved")
}

func (v *visit) providerChange(kind providerKind) (auth.ProviderChange, error) {
	endpoints, err := parseAssignments("endpoints", v.field("endpoints"))
	if err != nil {
		return auth.ProviderChange{}, err
	}
	if issuer := v.field("issuer"); issuer != "" {
		endpoints["issuer"] = issuer
	}
	parameters, err := parseAssignments("parameters", v.field("parameters"))
	if err != nil {
		return auth.ProviderChange{}, err
	}
	clientID, scopes, hosts := v.field("clientId"), strings.Fields(v.field("scopes")), strings.Fields(v.field("allowHosts"))
	implicit := kind.Implicit && v.fields.Has("implicit")
	change := auth.ProviderChange{ClientID: &clientID, Scopes: &scopes, Parameters: &parameters, Endpoints: &endpoints, AllowHosts: &hosts, Implicit: &implicit}
	if v.fields.Has("off") {
		change.Enabled = new(bool)
	}
	if kind.Apple {
		team, key := v.field("teamId"), v.field("keyId")
		change.TeamID, change.KeyID, change.PrivateKey = &team, &key, v.secretField("privateKey")
	}
	if kind.Secret {
		change.ClientSecret = v.secretField("clientSecret")
	}
	return change, nil
}

// secretField gives a secret that replaces the one that is kept, "" where that shall be removed, and nil where it stays.
func (v *visit) secretField(name string) *string {
	if secret := v.field(name); secret != "" {
		return &secret
	}
	if v.fields.Has("removeSecret") {
		return new(string)
	}
	return nil
}

func (v *visit) switchProvider() error {
	id, on := v.r.PathValue("provider"), v.field("enabled") == "true"
	if _, err := v.Admin.PutProvider(v.r.Context(), v.caller, id, auth.ProviderChange{Enabled: &on}); err != nil {
		return err
	}
	notice := "off"
	if on {
		notice = "on"
	}
	return v.back(v.projectPath("sign-in-methods", id), notice)
}

func (v *visit) checkProvider() error {
	problem, err := v.Admin.CheckProvider(v.r.Context(), v.caller, v.r.PathValue("provider"))
	if err != nil {
		return err
	}
	return v.provider(problem, true)
}

func (v *visit) deleteProvider() error {
	if err := v.Admin.DeleteProvider(v.r.Context(), v.caller, v.r.PathValue("provider")); err != nil {
		return err
	}
	return v.back(v.projectPath("sign-in-methods"), "deleted")
}

// tryProvider sends the browser to the provider. It goes there from a page of its own: the policy of pages holds for every redirect that follows a form (CSP level 3,
// section 6.4.1), and where a provider leads on to is its own affair.
func (v *visit) tryProvider() error {
	target, err := v.Admin.BeginProviderTrial(v.r.Context(), v.caller, v.r.PathValue("provider"), v.session)
	if err != nil {
		return err
	}
	v.w.Header().Set("Refresh", "0;url="+target)
	kind, _ := kindOf(v.r.PathValue("provider"))
	return v.render("provider_go", "On the way to "+kind.Name, target)
}

// stepTrial is the cookie that holds what a provider answered, until the next request takes it.
const stepTrial = "trial"

// trialAsGet takes an answer that a provider's page posts (OAuth 2.0 Form Post Response Mode, as Apple answers), which comes without the operator's cookie.
func (v *visit) trialAsGet() error {
	fields, err := ui.ReadForm(v.w, v.r, ui.FormRules{})
	if err != nil {
		return err
	}
	return v.keepTrialAnswer(fields)
}

// keepTrialAnswer takes an answer out of the address, and so out of the browser's history (P40), and has the browser come again with it and with its session.
func (v *visit) keepTrialAnswer(answer url.Values) error {
	kept := url.Values{}
	for _, name := range []string{"state", "code", "iss", "error", "error_description"} {
		if value := answer.Get(name); value != "" && len(answer[name]) == 1 && ui.IsText(value) {
			kept.Set(name, value)
		}
	}
	if !v.site.SetStep(v.w, string(auth.ConsoleProject), stepTrial, kept.Encode(), time.Minute) {
		return &web.Error{Status: http.StatusBadRequest, Detail: "The provider's answer is too long"}
	}
	v.w.Header().Set("Location", v.site.Path(v.r.URL.EscapedPath()))
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// trialPage is what came of a trial.
type trialPage struct {
	auth.ProviderTrial
	Kind    providerKind
	Outcome string // in words
	Good    bool
	Claims  []claim
}

type claim struct{ Name, Value string }

// finishTrial shows what the provider said, and what it would have led to.
func (v *visit) finishTrial() error {
	if v.r.URL.RawQuery != "" {
		return v.keepTrialAnswer(v.r.URL.Query())
	}
	answer, err := url.ParseQuery(v.site.Step(v.r, string(auth.ConsoleProject), stepTrial))
	if err != nil {
		return &web.Error{Status: http.StatusBadRequest, Detail: "The provider's answer is malformed"}
	}
	v.site.ClearStep(v.w, string(auth.ConsoleProject), stepTrial)
	trial, err := v.Admin.FinishProviderTrial(v.r.Context(), v.caller, v.session, auth.TrialAnswer{
		State: answer.Get("state"), Code: answer.Get("code"), Issuer: answer.Get("iss"), Error: answer.Get("error"), ErrorDescription: answer.Get("error_description"),
	})
	shown := trialPage{ProviderTrial: trial}
	shown.Kind, _ = kindOf(trial.ProviderID)
	if err != nil {
		if trial.ProviderID == "" {
			return err
		}
		web.SetError(v.r.Context(), err)
		v.problem = problemOf(err, v.w.Header())
		return v.render("provider_trial", "Nobody could be signed in", shown)
	}
	shown.Outcome, shown.Good = trialOutcome(trial)
	for _, name := range slices.Sorted(maps.Keys(trial.Identity.Raw)) {
		shown.Claims = append(shown.Claims, claim{name, claimText(trial.Identity.Raw[name])})
	}
	return v.render("provider_trial", "What came back from "+shown.Kind.Name, shown)
}

// blockedReasons say why the user whom somebody meets may not sign in, by userRow.State.
var blockedReasons = map[string]string{
	"disabled":   "The user whom this meets is disabled: nobody would be signed in.",
	"invited":    "The user whom this meets has not accepted the invitation yet: nobody would be signed in before.",
	"unverified": "The user whom this meets has to prove the email address by mail first: nobody would be signed in before.",
}

// trialOutcome says what a sign-in would have done.
func trialOutcome(t auth.ProviderTrial) (text string, good bool) {
	if t.User.Blocked() && t.Decision != "takeover" { // which proves the address, and meets nobody who is disabled or invited
		return blockedReasons[userRow{User: t.User}.State()], false
	}
	switch t.Decision {
	case "sign_in":
		return "This account at the provider is known here: its user would be signed in.", true
	case "create":
		if t.MustVerify {
			return "Nobody has this account at the provider or its address: a new user would be made, who has to prove the address by mail before signing in.", false
		}
		return "Nobody has this account at the provider or its address: a new user would be made.", true
	case "link":
		return "A user has the same address, and both sides have proven it: the account at the provider would be joined to that user, who would be signed in.", true
	case "takeover":
		return "A user has the address without ever having proven it, and the provider vouches for it: the user would be this one's from now on, without the password and the sessions that it has.", true
	case "confirm":
		return "A user has the same address, and joining them is not safe: nobody would be signed in. That user has to sign in as before, and link the provider then.", false
	case "unproven":
		return "Nobody has this account, and new users need a verified address here, while the provider tells none that could be verified: nobody would be signed in.", false
	case "refuse":
		return "Nobody has this account, and sign-up is closed here: nobody would be signed in.", false
	}
	return "It would come to: " + t.Decision + ".", false
}

// claimText writes a claim as JSON, and text as it is.
func claimText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
