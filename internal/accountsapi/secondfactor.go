package accountsapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// enrolledFactor is a confirmed second factor.
type enrolledFactor struct {
	MFAEnrollmentID string    `json:"mfaEnrollmentId"`
	DisplayName     string    `json:"displayName"`
	Kind            string    `json:"kind"`
	EnrolledAt      time.Time `json:"enrolledAt"`
}

func enrolledFactors(factors []auth.SecondFactor) []enrolledFactor {
	list := make([]enrolledFactor, len(factors))
	for i, f := range factors {
		list[i] = enrolledFactor{string(f.ID), f.Name, string(f.Kind), f.ConfirmedAt}
	}
	return list
}

type totpEnrollment struct {
	Secret string `json:"secret"`
	URI    string `json:"uri"`
	QR     string `json:"qr"` // a data URI
}

// begunEnrollment has one of TOTP and PublicKey.
type begunEnrollment struct {
	MFAEnrollmentID string          `json:"mfaEnrollmentId"`
	TOTP            *totpEnrollment `json:"totp,omitempty"`
	PublicKey       json.RawMessage `json:"publicKey,omitempty"`
}

func (a *API) startEnrollment(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		Kind                 string `json:"kind"`
		DisplayName          string `json:"displayName"`
		MFAPendingCredential string `json:"mfaPendingCredential"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	e, err := a.service.BeginEnrollment(r.Context(), c, auth.EnrollmentParams{
		Kind: auth.SecondFactorKind(body.Kind), Name: body.DisplayName, PendingCredential: body.MFAPendingCredential,
	})
	if err != nil {
		return err
	}
	answer := begunEnrollment{MFAEnrollmentID: string(e.ID), PublicKey: e.PasskeyCreation}
	if e.Kind == auth.FactorTOTP {
		answer.TOTP = &totpEnrollment{e.TOTPSecret, e.TOTPURI, "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.TOTPImage)}
	}
	return writeData(w, answer)
}

// finishedEnrollment has recovery codes with the first factor, and the account where a sign-in waited for it.
type finishedEnrollment struct {
	*account
	RecoveryCodes []string `json:"recoveryCodes,omitempty"`
}

func (a *API) finalizeEnrollment(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		MFAEnrollmentID      string          `json:"mfaEnrollmentId"`
		Code                 string          `json:"code"`
		Credential           json.RawMessage `json:"credential"`
		MFAPendingCredential string          `json:"mfaPendingCredential"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	e, err := a.service.FinishEnrollment(r.Context(), c, auth.EnrollmentProof{
		ID: auth.SecondFactorID(body.MFAEnrollmentID), Code: body.Code, Credential: notNull(body.Credential), PendingCredential: body.MFAPendingCredential,
	})
	if err != nil {
		return err
	}
	answer := finishedEnrollment{RecoveryCodes: e.RecoveryCodes}
	if e.Tokens != nil {
		signedIn := accountOf(*e.Tokens)
		answer.account = &signedIn
	}
	return writeData(w, answer)
}

func (a *API) listSecondFactors(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	factors, left, err := a.service.SecondFactors(r.Context(), c)
	if err != nil {
		return err
	}
	return writeData(w, struct {
		MFAInfo           []enrolledFactor `json:"mfaInfo"`
		RecoveryCodesLeft int              `json:"recoveryCodesLeft"`
	}{enrolledFactors(factors), left})
}

// factorProof is what a user shows: one of code, recoveryCode and credential.
type factorProof struct {
	MFAEnrollmentID string          `json:"mfaEnrollmentId"`
	Code            string          `json:"code"`
	RecoveryCode    string          `json:"recoveryCode"`
	Credential      json.RawMessage `json:"credential"`
	SessionID       string          `json:"sessionId"`
}

func (p factorProof) domain() auth.SecondFactorProof {
	return auth.SecondFactorProof{
		Factor: auth.SecondFactorID(p.MFAEnrollmentID), Code: p.Code, RecoveryCode: p.RecoveryCode, Credential: notNull(p.Credential), SessionID: p.SessionID,
	}
}

// notNull takes null for absent, as browsers' JSON has it.
func notNull(raw json.RawMessage) []byte {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// removeSecondFactor reads a body only where there is one: a session that began with a second factor needs no other proof.
func (a *API) removeSecondFactor(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body factorProof
	if r.ContentLength != 0 {
		if err := decode(r, &body, ""); err != nil {
			return err
		}
	}
	return done(w, a.service.RemoveSecondFactor(r.Context(), c, auth.SecondFactorID(r.PathValue("id")), body.domain()))
}

func (a *API) renewRecoveryCodes(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct{}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	codes, err := a.service.RenewRecoveryCodes(r.Context(), c)
	if err != nil {
		return err
	}
	return writeData(w, struct {
		RecoveryCodes []string `json:"recoveryCodes"`
	}{codes})
}

func (a *API) startSecondFactor(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		MFAPendingCredential string `json:"mfaPendingCredential"`
		MFAEnrollmentID      string `json:"mfaEnrollmentId"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	options, err := a.service.BeginSecondFactor(r.Context(), c, body.MFAPendingCredential, auth.SecondFactorID(body.MFAEnrollmentID))
	if err != nil {
		return err
	}
	return writeData(w, struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}{options})
}

func (a *API) finalizeSecondFactor(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		MFAPendingCredential string `json:"mfaPendingCredential"`
		factorProof
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	tokens, err := a.service.CompleteSignIn(r.Context(), c, body.MFAPendingCredential, body.domain())
	if err != nil {
		return err
	}
	return writeData(w, accountOf(tokens))
}
