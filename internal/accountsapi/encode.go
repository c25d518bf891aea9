package accountsapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

type dataEnvelope struct {
	Data any `json:"data"`
}

func writeData(w http.ResponseWriter, data any) error {
	return web.WriteJSON(w, http.StatusOK, dataEnvelope{data})
}

// done answers an operation that has nothing to say but its error.
func done(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	web.NoContent(w)
	return nil
}

// decode reads the body. A wrong type of one of the fields that fieldDetail is about gets that documented detail.
func decode(r *http.Request, body any, fieldDetail string) error {
	err := web.DecodeJSON(r, body, web.DecodeOptions{})
	var malformed *web.Error
	if fieldDetail != "" && errors.As(err, &malformed) && malformed.Field != "" {
		return &web.Error{Status: malformed.Status, Detail: fieldDetail, Field: malformed.Field, Cause: malformed}
	}
	return err
}

// account is the answer to sign-up and sign-in; without tokens where the account gets none yet.
type account struct {
	UID           string `json:"uid,omitempty"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified"`
	Disabled      bool   `json:"disabled"`
	IDToken       string `json:"idToken,omitempty"`
	RefreshToken  string `json:"refreshToken,omitempty"`
	ExpiresIn     string `json:"expiresIn,omitempty"`
	MailSent      bool   `json:"mailSent,omitempty"` // the mail tells the rest, and the answer is the same for every address
	secondStep
}

// secondStep stands in an answer instead of tokens, where a second factor is due.
type secondStep struct {
	MFAPendingCredential  string            `json:"mfaPendingCredential,omitempty"`
	MFAInfo               *[]enrolledFactor `json:"mfaInfo,omitempty"`
	MFAEnrollmentRequired bool              `json:"mfaEnrollmentRequired,omitempty"`
}

func secondStepOf(t auth.Tokens) secondStep {
	if t.PendingCredential == "" {
		return secondStep{}
	}
	info := enrolledFactors(t.SecondFactors)
	return secondStep{t.PendingCredential, &info, t.EnrollmentRequired}
}

func accountOf(t auth.Tokens) account {
	a := account{
		UID: string(t.User.ID), Email: string(t.User.Email), EmailVerified: t.User.EmailVerified, Disabled: t.User.Blocked(), IDToken: t.IDToken, RefreshToken: t.RefreshToken,
		MailSent: t.Mailed, secondStep: secondStepOf(t),
	}
	if t.IDToken != "" {
		a.ExpiresIn = seconds(t.ExpiresIn)
	}
	return a
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
