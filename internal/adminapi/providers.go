package adminapi

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// ProviderChange is what shall be so of an identity provider; nil fields stay. The secrets can be written, and never read.
type ProviderChange struct {
	Enabled      *bool              `json:"enabled,omitempty"`
	ClientID     *string            `json:"clientId,omitempty"`
	ClientSecret *string            `json:"clientSecret,omitempty"` // "" removes it
	PrivateKey   *string            `json:"privateKey,omitempty"`   // apple.com: PKCS #8 PEM; "" removes it
	Scopes       *[]string          `json:"scopes,omitempty"`       // replaces all
	Parameters   *map[string]string `json:"parameters,omitempty"`   // replaces all
	Endpoints    *map[string]string `json:"endpoints,omitempty"`    // replaces all; names are those of auth.EndpointNames
	AllowHosts   *[]string          `json:"allowHosts,omitempty"`   // replaces all; by operators only
	Implicit     *bool              `json:"implicit,omitempty"`
	TeamID       *string            `json:"teamId,omitempty"`
	KeyID        *string            `json:"keyId,omitempty"`
}

// providerChangeBody is how ProviderChange arrives: null is a wrong type, and so is a value of a map that is no text.
type providerChangeBody struct {
	Enabled      web.Optional[bool]           `json:"enabled"`
	ClientID     web.Optional[string]         `json:"clientId"`
	ClientSecret web.Optional[string]         `json:"clientSecret"`
	PrivateKey   web.Optional[string]         `json:"privateKey"`
	Scopes       web.Optional[[]string]       `json:"scopes"`
	Parameters   web.Optional[map[string]any] `json:"parameters"`
	Endpoints    web.Optional[map[string]any] `json:"endpoints"`
	AllowHosts   web.Optional[[]string]       `json:"allowHosts"`
	Implicit     web.Optional[bool]           `json:"implicit"`
	TeamID       web.Optional[string]         `json:"teamId"`
	KeyID        web.Optional[string]         `json:"keyId"`
}

// Provider is how a project signs users in at one identity provider, without its secrets.
type Provider struct {
	ID           string            `json:"id"` // google.com, oidc.acme
	Enabled      bool              `json:"enabled"`
	ClientID     string            `json:"clientId"`
	SecretSet    bool              `json:"secretSet"` // a client secret or a private key is stored
	Scopes       []string          `json:"scopes"`
	Parameters   map[string]string `json:"parameters"`
	Endpoints    map[string]string `json:"endpoints"`
	AllowHosts   []string          `json:"allowHosts"`
	Implicit     bool              `json:"implicit"`
	TeamID       string            `json:"teamId,omitempty"`
	KeyID        string            `json:"keyId,omitempty"`
	CallbackHint string            `json:"callbackHint"` // what to enter at the provider as redirect URIs, one a line
	CreatedAt    time.Time         `json:"createdAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
}

// ProviderList is the project's identity providers by id.
type ProviderList struct {
	Providers []Provider `json:"providers"`
}

// ProviderCheck is what came of trying a provider's settings.
type ProviderCheck struct {
	OK      bool   `json:"ok"`
	Problem string `json:"problem"` // in words; "" where nothing is wrong
}

func (a *API) listProviders(q request) (ProviderList, error) {
	providers, err := a.admin.Providers(q.ctx, q.caller)
	if err != nil {
		return ProviderList{}, err
	}
	list := ProviderList{Providers: []Provider{}}
	for _, p := range providers {
		list.Providers = append(list.Providers, providerOf(q.caller.Project, p))
	}
	return list, nil
}

func (a *API) getProvider(q request) (Provider, error) {
	p, err := a.admin.Provider(q.ctx, q.caller, q.path("provider"))
	return providerOf(q.caller.Project, p), err
}

func (a *API) putProvider(q request, body providerChangeBody) (Provider, error) {
	parameters, err := givenTexts("parameters", body.Parameters)
	if err != nil {
		return Provider{}, err
	}
	endpoints, err := givenTexts("endpoints", body.Endpoints)
	if err != nil {
		return Provider{}, err
	}
	p, err := a.admin.PutProvider(q.ctx, q.caller, q.path("provider"), auth.ProviderChange{
		Enabled: given(body.Enabled), ClientID: given(body.ClientID), ClientSecret: given(body.ClientSecret), PrivateKey: given(body.PrivateKey),
		Scopes: given(body.Scopes), Parameters: parameters, Endpoints: endpoints, AllowHosts: given(body.AllowHosts), Implicit: given(body.Implicit),
		TeamID: given(body.TeamID), KeyID: given(body.KeyID),
	})
	return providerOf(q.caller.Project, p), err
}

// givenTexts gives an object of texts, where it was there.
func givenTexts(field string, object web.Optional[map[string]any]) (*map[string]string, error) {
	if !object.Present {
		return nil, nil
	}
	texts := make(map[string]string, len(object.Value))
	for _, name := range slices.Sorted(maps.Keys(object.Value)) {
		text, ok := object.Value[name].(string)
		if !ok {
			return nil, web.MalformedField(field, "an object of strings")
		}
		texts[name] = text
	}
	return &texts, nil
}

func (a *API) deleteProvider(q request) error {
	return a.admin.DeleteProvider(q.ctx, q.caller, q.path("provider"))
}

func (a *API) checkProvider(q request) (ProviderCheck, error) {
	problem, err := a.admin.CheckProvider(q.ctx, q.caller, q.path("provider"))
	return ProviderCheck{OK: problem == "", Problem: problem}, err
}

func providerOf(project *auth.Project, p auth.IdentityProvider) Provider {
	return Provider{
		ID: p.ID, Enabled: p.Enabled, ClientID: p.ClientID, SecretSet: len(p.SecretSealed) > 0, Scopes: orEmpty(p.Scopes), Parameters: orEmptyMap(p.Parameters),
		Endpoints: orEmptyMap(p.Endpoints), AllowHosts: orEmpty(p.AllowHosts), Implicit: p.Implicit, TeamID: p.TeamID, KeyID: p.KeyID,
		CallbackHint: callbackHint(project.Settings.CallbackURLs), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// orEmpty and orEmptyMap make what is not there an empty array and object, since null is neither.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func orEmptyMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// callbackHint is what to enter at a provider: browsers come back to the app itself, so it is the app's own callbacks. Providers compare whole URLs
// (RFC 9700 section 4.1.3), so an entry that stands for many is only described.
func callbackHint(callbacks []string) string {
	if len(callbacks) == 0 {
		return "none yet: set the project's callbackURLs first"
	}
	lines := make([]string, len(callbacks))
	for i, entry := range callbacks {
		switch {
		case entry == auth.CallbackLoopback:
			lines[i] = "each URL of this machine that the app uses, such as http://localhost:3000/callback"
		case strings.Contains(entry, "*"):
			lines[i] = "each URL that the app uses of " + entry
		default:
			lines[i] = entry
		}
	}
	return strings.Join(lines, "\n")
}
