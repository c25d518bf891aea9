// Package passkey speaks WebAuthn (W3C Web Authentication Level 3) for the domain: it makes options for browsers and verifies what authenticators answer.
// Challenges, users and counters are the domain's; nothing is kept here.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/doorward/doorward/internal/auth"
)

// Client implements auth.PasskeyClient.
type Client struct{}

// owner is a user as the library wants to see one.
type owner struct {
	auth.PasskeyOwner
	credentials []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return o.Handle }
func (o owner) WebAuthnName() string                       { return o.Name }
func (o owner) WebAuthnDisplayName() string                { return o.DisplayName }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// ownerOf reads the stored records. Their counters are the domain's, which compares them in the statement that uses them.
func ownerOf(o auth.PasskeyOwner) (owner, error) {
	read := owner{PasskeyOwner: o}
	for _, p := range o.Passkeys {
		var c webauthn.Credential
		if err := json.Unmarshal(p.Record, &c); err != nil {
			return owner{}, errors.New("a stored passkey is malformed")
		}
		c.Authenticator.SignCount, c.Authenticator.CloneWarning = p.SignCount, false
		read.credentials = append(read.credentials, c)
	}
	return read, nil
}

func relyingParty(rp auth.RelyingParty) (*webauthn.WebAuthn, error) {
	config := &webauthn.Config{
		RPID: rp.ID, RPDisplayName: rp.Name, AttestationPreference: protocol.PreferNoAttestation,
		// Password managers add outputs that nobody asked for. None is read here, and relying parties are to ignore them (section 9).
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	}
	for _, origin := range rp.Origins {
		if strings.HasPrefix(origin, auth.AndroidOrigin) {
			config.RPOpaqueOrigins = append(config.RPOpaqueOrigins, origin)
			continue
		}
		config.RPOrigins = append(config.RPOrigins, origin)
	}
	w, err := webauthn.New(config)
	if err != nil {
		return nil, fmt.Errorf("relying party: %w", err)
	}
	return w, nil
}

// BeginRegistration asks for a passkey that can sign in by itself where the authenticator has room for one, and for none of those that the owner has.
func (Client) BeginRegistration(rp auth.RelyingParty, o auth.PasskeyOwner, challenge []byte) (auth.Ceremony, error) {
	w, user, err := prepare(rp, o)
	if err != nil {
		return auth.Ceremony{}, err
	}
	var known []protocol.CredentialDescriptor
	for _, c := range user.credentials {
		known = append(known, c.Descriptor())
	}
	creation, session, err := w.BeginRegistration(user,
		func(options *protocol.PublicKeyCredentialCreationOptions) error {
			options.Challenge = challenge
			return nil
		},
		webauthn.WithExclusions(known),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}),
	)
	if err != nil {
		return auth.Ceremony{}, fmt.Errorf("begin registration: %w", err)
	}
	return ceremony(creation.Response, session)
}

// FinishRegistration verifies a new credential (section 7.1).
func (Client) FinishRegistration(rp auth.RelyingParty, o auth.PasskeyOwner, state, response []byte) (auth.Passkey, error) {
	w, user, err := prepare(rp, o)
	if err != nil {
		return auth.Passkey{}, err
	}
	session, err := stateOf(state)
	if err != nil {
		return auth.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	credential, err := w.CreateCredential(user, session, parsed)
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	return passkeyOf(credential)
}

// BeginSignIn asks for one of the owner's passkeys; with none of them named, for any that the authenticator has, and then its user must be verified.
func (Client) BeginSignIn(rp auth.RelyingParty, o auth.PasskeyOwner, challenge []byte) (auth.Ceremony, error) {
	w, user, err := prepare(rp, o)
	if err != nil {
		return auth.Ceremony{}, err
	}
	var assertion *protocol.CredentialAssertion
	var session *webauthn.SessionData
	if len(user.credentials) == 0 {
		assertion, session, err = w.BeginDiscoverableLogin(webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationRequired))
	} else {
		assertion, session, err = w.BeginLogin(user, webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationPreferred))
	}
	if err != nil {
		return auth.Ceremony{}, fmt.Errorf("begin sign-in: %w", err)
	}
	return ceremony(assertion.Response, session)
}

// CredentialID names the passkey that an answer claims to come from; nothing of it is verified yet.
func (Client) CredentialID(response []byte) ([]byte, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, refused(err)
	}
	return parsed.RawID, nil
}

// FinishSignIn verifies an answer (section 7.2) and gives the passkey with its new counter. One that went back is refused: there may be a copy of the key.
func (Client) FinishSignIn(rp auth.RelyingParty, o auth.PasskeyOwner, state, response []byte) (auth.Passkey, error) {
	w, user, err := prepare(rp, o)
	if err != nil {
		return auth.Passkey{}, err
	}
	session, err := stateOf(state)
	if err != nil {
		return auth.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	var credential *webauthn.Credential
	if len(session.UserID) == 0 {
		_, credential, err = w.ValidatePasskeyLogin(func([]byte, []byte) (webauthn.User, error) { return user, nil }, session, parsed)
	} else {
		credential, err = w.ValidateLogin(user, session, parsed)
	}
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	if credential.Authenticator.CloneWarning {
		return auth.Passkey{}, refused(errors.New("the signature counter went back"))
	}
	return passkeyOf(credential)
}

func prepare(rp auth.RelyingParty, o auth.PasskeyOwner) (*webauthn.WebAuthn, owner, error) {
	w, err := relyingParty(rp)
	if err != nil {
		return nil, owner{}, err
	}
	user, err := ownerOf(o)
	return w, user, err
}

func ceremony(options any, session *webauthn.SessionData) (c auth.Ceremony, err error) {
	if c.Options, err = json.Marshal(options); err != nil {
		return auth.Ceremony{}, err
	}
	c.State, err = json.Marshal(session)
	return c, err
}

func stateOf(state []byte) (webauthn.SessionData, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return session, errors.New("a stored passkey ceremony is malformed")
	}
	return session, nil
}

func passkeyOf(c *webauthn.Credential) (auth.Passkey, error) {
	record, err := json.Marshal(c)
	return auth.Passkey{ID: c.ID, Record: record, SignCount: c.Authenticator.SignCount}, err
}

// refused says in the log what the library found wrong.
func refused(err error) error {
	var detailed *protocol.Error
	if errors.As(err, &detailed) {
		return auth.PasskeyRefused(fmt.Errorf("%s: %s %.300s", detailed.Type, detailed.Details, detailed.DevInfo))
	}
	return auth.PasskeyRefused(err)
}
