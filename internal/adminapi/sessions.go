package adminapi

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Session is one sign-in of a user that is still alive.
type Session struct {
	ID         string    `json:"id"`
	UID        string    `json:"uid"`
	ProviderID string    `json:"providerId"`
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"`
	Address    string    `json:"address,omitempty"`
	UserAgent  string    `json:"userAgent,omitempty"`
	// SecondFactor is totp, passkey or recovery_code where one was proven.
	SecondFactor string `json:"secondFactor,omitempty"`
}

// SessionList is a page of living sessions, newest first.
type SessionList struct {
	Sessions []Session `json:"sessions"`
	Next     string    `json:"next,omitempty"`
}

// RevokedSessions says how many sessions were ended.
type RevokedSessions struct {
	Revoked int `json:"revoked"`
}

// listSessions lists the sessions of the user in the path, or where there is none of the whole project.
func (a *API) listSessions(q request) (SessionList, error) {
	limit, err := q.limit()
	if err != nil {
		return SessionList{}, err
	}
	sessions, err := a.admin.Sessions(q.ctx, q.caller, q.uid(), auth.SessionID(q.param("after")), limit+1)
	if err != nil {
		return SessionList{}, err
	}
	list, next := page(sessions, limit, sessionOf, func(s Session) string { return s.ID })
	return SessionList{list, next}, nil
}

func sessionOf(s auth.Session) Session {
	return Session{string(s.ID), string(s.User), s.ProviderID, s.CreatedAt, s.LastUsedAt, addrText(s.Addr), s.UserAgent, string(s.SecondFactor)}
}

func (a *API) revokeSession(q request) error {
	return a.admin.RevokeSession(q.ctx, q.caller, auth.SessionID(q.path("session")))
}

func (a *API) revokeUserSessions(q request) (RevokedSessions, error) {
	n, err := a.admin.RevokeUserSessions(q.ctx, q.caller, q.uid())
	return RevokedSessions{n}, err
}
