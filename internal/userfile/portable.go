package userfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// MaxLineBytes bounds a line; a longer one is left out and told.
const MaxLineBytes = 64 << 10

// PortableUser is one account whole, as export writes and import reads it. PasswordHash is encoded with its parameters ($argon2id$…, $2b$…, $scrypt$…,
// $firebase-scrypt$…, $pbkdf2-sha256$…).
type PortableUser struct {
	UID                  string             `json:"uid,omitempty"` // on import "": one is made
	Email                string             `json:"email,omitempty"`
	EmailVerified        bool               `json:"emailVerified,omitempty"`
	Name                 string             `json:"name,omitempty"`
	Picture              string             `json:"picture,omitempty"`
	Locale               string             `json:"locale,omitempty"`
	Disabled             bool               `json:"disabled,omitempty"`
	InvitePending        bool               `json:"invitePending,omitempty"`
	VerificationRequired bool               `json:"verificationRequired,omitempty"`
	PasswordHash         string             `json:"passwordHash,omitempty"`
	PasswordUpdatedAt    time.Time          `json:"passwordUpdatedAt,omitzero"`
	CustomClaims         map[string]any     `json:"customClaims,omitempty"`
	Attributes           map[string]any     `json:"attributes,omitempty"`
	Roles                []string           `json:"roles,omitempty"` // names; import creates those that are missing
	Providers            []PortableIdentity `json:"providers,omitempty"`
	CreatedAt            time.Time          `json:"createdAt,omitzero"`
	LastSignInAt         time.Time          `json:"lastSignInAt,omitzero"`
}

// PortableIdentity is an account at an identity provider that is joined to the user.
type PortableIdentity struct {
	ProviderID    string `json:"providerId"`
	Subject       string `json:"subject"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"emailVerified,omitempty"`
}

// PortableUserBody is how PortableUser arrives, with instants still as text.
type PortableUserBody struct {
	UID                  string             `json:"uid"`
	Email                string             `json:"email"`
	EmailVerified        bool               `json:"emailVerified"`
	Name                 string             `json:"name"`
	Picture              string             `json:"picture"`
	Locale               string             `json:"locale"`
	Disabled             bool               `json:"disabled"`
	InvitePending        bool               `json:"invitePending"`
	VerificationRequired bool               `json:"verificationRequired"`
	PasswordHash         string             `json:"passwordHash"`
	PasswordUpdatedAt    string             `json:"passwordUpdatedAt"`
	CustomClaims         map[string]any     `json:"customClaims"`
	Attributes           map[string]any     `json:"attributes"`
	Roles                []string           `json:"roles"`
	Providers            []PortableIdentity `json:"providers"`
	CreatedAt            string             `json:"createdAt"`
	LastSignInAt         string             `json:"lastSignInAt"`
}

// PortableOf encodes a user for export.
func PortableOf(pu auth.PortableUser) PortableUser {
	u := pu.User
	out := PortableUser{
		UID: string(u.ID), Email: string(u.Email), EmailVerified: u.EmailVerified, Name: u.Name, Picture: u.Picture, Locale: u.Locale,
		Disabled: u.Disabled, InvitePending: u.InvitePending, VerificationRequired: u.VerificationRequired,
		PasswordHash: u.PasswordHash, PasswordUpdatedAt: u.PasswordUpdatedAt, CustomClaims: u.CustomClaims, Attributes: u.Attributes,
		Roles: pu.RoleNames, CreatedAt: u.CreatedAt, LastSignInAt: u.LastSignInAt,
	}
	for _, i := range pu.Identities {
		out.Providers = append(out.Providers, PortableIdentity{i.ProviderID, i.Subject, i.Email, i.EmailVerified})
	}
	return out
}

// decodeLine reads one line as strictly as a request's body (P31).
func decodeLine(line []byte, dst any) error {
	as := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(line))}
	return web.DecodeJSON(as, dst, web.DecodeOptions{MaxBytes: MaxLineBytes})
}

// Reason says what is wrong with a line; no value of it is told, for it may be a password hash.
func Reason(err error) string {
	var refused *web.Error
	if errors.As(err, &refused) {
		return strings.Replace(refused.Detail, "The request body", "The line", 1)
	}
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func tooManyIdentities(field string) error {
	return web.MalformedField(field, fmt.Sprintf("a list of at most %d identities", auth.MaxImportIdentities))
}

// ParsePortable reads one PortableUser. Its errors are fit for Reason.
func ParsePortable(line []byte) (auth.PortableUser, error) {
	var body PortableUserBody
	if err := decodeLine(line, &body); err != nil {
		return auth.PortableUser{}, err
	}
	if len(body.Providers) > auth.MaxImportIdentities {
		return auth.PortableUser{}, tooManyIdentities("providers")
	}
	pu := auth.PortableUser{
		User: auth.User{
			ID: auth.UserID(body.UID), Email: auth.Email(body.Email), EmailVerified: body.EmailVerified, Name: body.Name, Picture: body.Picture, Locale: body.Locale,
			Disabled: body.Disabled, InvitePending: body.InvitePending, VerificationRequired: body.VerificationRequired,
			PasswordHash: body.PasswordHash, CustomClaims: body.CustomClaims, Attributes: body.Attributes,
		},
		RoleNames: body.Roles,
	}
	for _, p := range body.Providers {
		pu.Identities = append(pu.Identities, auth.Identity{ProviderID: p.ProviderID, Subject: p.Subject, Email: p.Email, EmailVerified: p.EmailVerified})
	}
	for _, instant := range []struct {
		field, text string
		to          *time.Time
	}{
		{"createdAt", body.CreatedAt, &pu.User.CreatedAt},
		{"lastSignInAt", body.LastSignInAt, &pu.User.LastSignInAt},
		{"passwordUpdatedAt", body.PasswordUpdatedAt, &pu.User.PasswordUpdatedAt},
	} {
		if instant.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, instant.text)
		if err != nil {
			return auth.PortableUser{}, web.MalformedField(instant.field, "an RFC 3339 instant")
		}
		*instant.to = t.UTC().Truncate(time.Millisecond)
	}
	return pu, nil
}
