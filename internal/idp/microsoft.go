package idp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// microsoft is documented at https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc. By default accounts of every tenant, and personal ones, may
// sign in; for one tenant the settings name its issuer, https://login.microsoftonline.com/{tenant id}/v2.0.
var microsoft = provider{
	id:        "microsoft.com",
	endpoints: map[string]string{issuerURL: "https://login.microsoftonline.com/common/v2.0"},
	scopes:    []string{"openid", "email", "profile"},
	implicit:  "id_token",
	authStyle: oauth2.AuthStyleInParams,
	openID: &openID{
		algorithms:     []string{"RS256"},
		metadataIssuer: microsoftMetadataIssuer,
		tokenIssuers:   microsoftTokenIssuers,
		answers:        microsoftAnswers,
		keySigns:       microsoftKeySigns,
		identity:       microsoftIdentity,
	},
}

const (
	tenantPlaceholder  = "{tenantid}"
	anyTenant          = "/common/v2.0"
	anyWorkTenant      = "/organizations/v2.0"
	noWorkTenant       = "/consumers/v2.0"
	personalTenant     = "9188040d-6c67-4c5b-b112-36a304b66dad" // of all personal accounts
	tenantIssuerSuffix = "/" + tenantPlaceholder + "/v2.0"
)

var tenantID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// microsoftMetadataIssuer: the shared issuers name no issuer but a template of one, and that of personal accounts names their tenant.
func microsoftMetadataIssuer(configured string) string {
	for _, shared := range []string{anyTenant, anyWorkTenant} {
		if base, ok := strings.CutSuffix(configured, shared); ok {
			return base + tenantIssuerSuffix
		}
	}
	if base, ok := strings.CutSuffix(configured, noWorkTenant); ok {
		return base + "/" + personalTenant + "/v2.0"
	}
	return configured
}

// microsoftTokenIssuers puts the token's own tenant into the template. Personal accounts count as a tenant too, which "organizations" leaves out.
func microsoftTokenIssuers(configured string, claims map[string]any) []string {
	issuer := microsoftMetadataIssuer(configured)
	if !strings.Contains(issuer, tenantPlaceholder) {
		return []string{issuer}
	}
	tenant, _ := claims["tid"].(string)
	if !tenantID.MatchString(tenant) || tenant == personalTenant && strings.HasSuffix(configured, anyWorkTenant) {
		return nil
	}
	return []string{strings.ReplaceAll(issuer, tenantPlaceholder, tenant)}
}

// microsoftAnswers: the shared issuers answer as the user's tenant.
func microsoftAnswers(configured, issuer string) bool {
	base, _ := strings.CutSuffix(issuer, "/v2.0")
	tenant := base[strings.LastIndexByte(base, '/')+1:]
	return slices.Contains(microsoftTokenIssuers(configured, map[string]any{"tid": tenant}), issuer)
}

// microsoftKeySigns holds a key to the issuer that is published with it: the shared key set has keys that are for one tenant only.
func microsoftKeySigns(k key, claims map[string]any) bool {
	if k.issuer == "" {
		return true
	}
	tenant, _ := claims["tid"].(string)
	return claims["iss"] == strings.ReplaceAll(k.issuer, tenantPlaceholder, tenant)
}

// microsoftIdentity never takes an email as verified: whoever runs a tenant writes what they like into it, for any domain.
func microsoftIdentity(claims map[string]any) auth.ExternalIdentity {
	identity := standardIdentity(claims)
	identity.EmailVerified = false
	return identity
}
