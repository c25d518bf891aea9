package userfile

import (
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/web"
)

// FirebaseHashConfig is a Firebase project's password hash parameters, spelled as its console shows them. The signer key is a secret, so they travel in the body:
// as {"hashConfig": {…}}, the first line of an import in FormatFirebase.
type FirebaseHashConfig struct {
	Algorithm     string `json:"algorithm"` // SCRYPT
	SignerKey     string `json:"base64_signer_key"`
	SaltSeparator string `json:"base64_salt_separator,omitempty"`
	Rounds        int    `json:"rounds"`
	MemCost       int    `json:"mem_cost"`
}

// HashConfigLine is the first line of an import in FormatFirebase whose users have passwords.
type HashConfigLine struct {
	HashConfig FirebaseHashConfig `json:"hashConfig"`
}

// FirebaseUser is a user as `firebase auth:export --format=json` writes it. Instants are unix milliseconds as text.
type FirebaseUser struct {
	LocalID          string             `json:"localId"`
	Email            string             `json:"email,omitempty"`
	EmailVerified    bool               `json:"emailVerified,omitempty"`
	PasswordHash     string             `json:"passwordHash,omitempty"` // base64
	Salt             string             `json:"salt,omitempty"`         // base64
	DisplayName      string             `json:"displayName,omitempty"`
	PhotoURL         string             `json:"photoUrl,omitempty"`
	CreatedAt        string             `json:"createdAt,omitempty"`
	LastSignedInAt   string             `json:"lastSignedInAt,omitempty"`
	Disabled         bool               `json:"disabled,omitempty"`
	CustomAttributes string             `json:"customAttributes,omitempty"` // a JSON object as text: the custom claims
	ProviderUserInfo []FirebaseIdentity `json:"providerUserInfo,omitempty"`
}

// FirebaseIdentity is one of a Firebase user's providers.
type FirebaseIdentity struct {
	ProviderID string `json:"providerId"`
	RawID      string `json:"rawId"`
	Email      string `json:"email,omitempty"`
}

// FirebaseHashing is the hash config of an import, if it has one.
type FirebaseHashing struct{ params *password.FirebaseParams }

// ParseHashConfigLine reads the first line of an import; ok is false where it is a user, or no such line.
func ParseHashConfigLine(line []byte) (hashing FirebaseHashing, ok bool, err error) {
	var head struct {
		HashConfig web.Optional[FirebaseHashConfig] `json:"hashConfig"`
	}
	err = decodeLine(line, &head)
	if !head.HashConfig.Present {
		return FirebaseHashing{}, false, nil // a line that is wrong altogether is told when it is read as a user
	}
	if err != nil {
		return FirebaseHashing{}, false, err
	}
	hashing, err = head.HashConfig.Value.hashing()
	return hashing, err == nil, err
}

func (config FirebaseHashConfig) hashing() (FirebaseHashing, error) {
	if config.Algorithm != "SCRYPT" {
		return FirebaseHashing{}, web.MalformedField("hashConfig.algorithm", "SCRYPT")
	}
	return FirebaseHashing{&password.FirebaseParams{
		SignerKey: config.SignerKey, SaltSeparator: config.SaltSeparator, Rounds: config.Rounds, MemCost: config.MemCost,
	}}, nil
}

// Parse reads one FirebaseUser. Its errors are fit for Reason.
func (h FirebaseHashing) Parse(line []byte) (auth.PortableUser, error) {
	var body FirebaseUser
	if err := decodeLine(line, &body); err != nil {
		return auth.PortableUser{}, err
	}
	pu := auth.PortableUser{User: auth.User{
		ID: auth.UserID(body.LocalID), Email: auth.Email(body.Email), EmailVerified: body.EmailVerified,
		Name: body.DisplayName, Picture: body.PhotoURL, Disabled: body.Disabled,
	}}
	if len(body.ProviderUserInfo) > auth.MaxImportIdentities {
		return auth.PortableUser{}, tooManyIdentities("providerUserInfo")
	}
	if body.LocalID == "" {
		return pu, web.MalformedField("localId", "given")
	}
	var err error
	if pu.User.PasswordHash, err = h.encode(body); err != nil {
		return pu, err
	}
	if pu.User.CreatedAt, err = unixMillis("createdAt", body.CreatedAt); err != nil {
		return pu, err
	}
	if pu.User.LastSignInAt, err = unixMillis("lastSignedInAt", body.LastSignedInAt); err != nil {
		return pu, err
	}
	if body.CustomAttributes != "" {
		if err := decodeLine([]byte(body.CustomAttributes), &pu.User.CustomClaims); err != nil {
			return pu, web.MalformedField("customAttributes", "a JSON object as text")
		}
	}
	for _, p := range body.ProviderUserInfo {
		if p.ProviderID == "password" || p.ProviderID == "phone" { // no identity provider's
			continue
		}
		pu.Identities = append(pu.Identities, auth.Identity{ProviderID: p.ProviderID, Subject: p.RawID, Email: p.Email})
	}
	return pu, nil
}

func (h FirebaseHashing) encode(body FirebaseUser) (string, error) {
	if body.PasswordHash == "" {
		return "", nil
	}
	if h.params == nil {
		return "", web.MalformedField("passwordHash", "preceded by a first line with hashConfig")
	}
	encoded, err := password.FirebaseScrypt(*h.params, body.Salt, body.PasswordHash)
	if err != nil {
		return "", &auth.Error{Code: auth.CodeInvalidArgument, Message: "the password hash cannot be used with this hashConfig: " + err.Error()}
	}
	return encoded, nil
}

func unixMillis(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > maxMillis {
		return time.Time{}, web.MalformedField(field, "unix milliseconds as text")
	}
	return time.UnixMilli(ms).UTC(), nil
}

// maxMillis is the end of the year 9999, the last that RFC 3339 can write.
const maxMillis = 253402300799999
