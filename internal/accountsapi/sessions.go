package accountsapi

import (
	"net/http"
	"time"

	"github.com/mileusna/useragent"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// session is one place where the user is signed in.
type session struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	ProviderID string    `json:"providerId"`
	Device     string    `json:"device"` // for people: "Firefox on Linux"; "" where the client says nothing known
	UserAgent  string    `json:"userAgent"`
	Address    string    `json:"address"` // where the sign-in came from; "" where unknown
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt"` // to the minute
}

func (a *API) listSessions(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	stored, current, err := a.service.Sessions(r.Context(), c)
	if err != nil {
		return err
	}
	sessions := make([]session, len(stored))
	for i, s := range stored {
		sessions[i] = session{
			ID: string(s.ID), Current: s.ID == current, ProviderID: s.ProviderID, Device: device(s.UserAgent), UserAgent: s.UserAgent, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt,
		}
		if s.Addr.IsValid() {
			sessions[i].Address = s.Addr.String()
		}
	}
	return writeData(w, sessions)
}

// device names the browser or app and the system of a User-Agent header, as far as it is one that is known.
func device(header string) string {
	agent := useragent.Parse(header)
	switch {
	case agent.Name != "" && agent.OS != "":
		return agent.Name + " on " + agent.OS
	case agent.OS != "":
		return agent.OS
	}
	return agent.Name
}

func (a *API) signOut(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	return done(w, a.service.SignOut(r.Context(), c, auth.SessionID(r.PathValue("id"))))
}

// signOutEverywhere ends all sessions; with ?keep=current this one lives on.
func (a *API) signOutEverywhere(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	keep := r.URL.Query()["keep"]
	if len(keep) > 1 || (len(keep) == 1 && keep[0] != "current") {
		return &web.Error{Status: http.StatusUnprocessableEntity, Detail: "keep takes current"}
	}
	return done(w, a.service.SignOutEverywhere(r.Context(), c, len(keep) == 1))
}
