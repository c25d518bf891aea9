package idp

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// metadata is what an issuer publishes of itself (OpenID Connect Discovery section 3), after the settings had their say.
type metadata struct {
	configured    string // the issuer of the settings, or the provider's own
	issuer        string // as the metadata names it
	authorization string
	token         string
	userInfo      string
	keys          string
	authStyle     oauth2.AuthStyle
}

const wellKnown = "/.well-known/openid-configuration"

// discover gives the endpoints of an OpenID Connect provider. Those of the settings win. Nothing is fetched where all that is needed is known.
func (c *call) discover(ctx context.Context) (metadata, error) {
	m := c.knownMetadata()
	if m.configured == "" {
		return metadata{}, refuse("the settings of %s have no issuer", c.settings.ID)
	}
	if m.authorization != "" && m.token != "" && m.keys != "" {
		return m, nil
	}
	address := strings.TrimSuffix(m.configured, "/") + wellKnown
	published, err := c.Client.metadata.get(ctx, c.cacheKey(address), func(ctx context.Context) (metadata, error) {
		return c.fetchMetadata(ctx, address)
	})
	if err != nil {
		return metadata{}, err
	}
	return c.merge(m, published)
}

func (c *call) knownMetadata() metadata {
	configured := c.settings.Endpoints[issuerURL]
	if configured == "" {
		configured = c.provider.endpoints[issuerURL]
	}
	style := c.provider.authStyle
	if style == oauth2.AuthStyleAutoDetect {
		style = oauth2.AuthStyleInHeader
	}
	return metadata{
		configured:    configured,
		issuer:        configured,
		authorization: c.endpoint(authorizationURL),
		token:         c.endpoint(tokenURL),
		userInfo:      c.endpoint(userInfoURL),
		keys:          c.endpoint(keysURL),
		authStyle:     style,
	}
}

// merge fills m with what was published, if that names exactly the issuer it was asked for (P16).
func (c *call) merge(m, published metadata) (metadata, error) {
	want := m.configured
	if translate := c.provider.openID.metadataIssuer; translate != nil {
		want = translate(m.configured)
	}
	if published.issuer != want {
		return metadata{}, refuse("the metadata of the issuer names the issuer %q instead of %q; if that is the one you mean, the settings need it letter by letter", shown(published.issuer), want)
	}
	m.issuer = published.issuer
	for _, field := range []struct {
		to   *string
		from string
	}{
		{&m.authorization, published.authorization}, {&m.token, published.token}, {&m.userInfo, published.userInfo}, {&m.keys, published.keys},
	} {
		if *field.to == "" {
			*field.to = field.from
		}
	}
	if c.provider.authStyle == oauth2.AuthStyleAutoDetect {
		m.authStyle = published.authStyle
	}
	return m, nil
}

func (c *call) fetchMetadata(ctx context.Context, address string) (metadata, error) {
	object, err := c.getJSON(ctx, address, "")
	if err != nil {
		return metadata{}, err
	}
	m := metadata{authStyle: authStyle(object["token_endpoint_auth_methods_supported"])}
	for name, to := range map[string]*string{
		"issuer": &m.issuer, "authorization_endpoint": &m.authorization, "token_endpoint": &m.token, "userinfo_endpoint": &m.userInfo, "jwks_uri": &m.keys,
	} {
		*to, _ = object[name].(string)
	}
	return m, nil
}

// authStyle chooses between the two ways to send a secret. Basic is the default where the metadata says nothing (OpenID Connect Discovery section 3).
func authStyle(methods any) oauth2.AuthStyle {
	list, _ := methods.([]any)
	if slices.Contains(list, any("client_secret_post")) && !slices.Contains(list, any("client_secret_basic")) {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// cacheKey keeps apart what settings with different allowed hosts fetched: one project's word must not open a private host to another.
func (c *call) cacheKey(address string) string {
	allow := slices.Sorted(slices.Values(c.settings.AllowHosts))
	return strings.Join(append([]string{address}, slices.Compact(allow)...), "\n")
}
