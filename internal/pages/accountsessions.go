package pages

import (
	"net/http"

	"github.com/mileusna/useragent"

	"github.com/doorward/doorward/internal/auth"
)

func (a *account) sessions() ([]section, error) {
	living, current, err := a.service.Sessions(a.request.Context(), a.who)
	if err != nil {
		return nil, err
	}
	list := section{ID: "list", Heading: a.texts.get("account.sessions.heading"), Text: []string{a.texts.get("account.sessions.text")}}
	for _, s := range living {
		one := row{Title: a.device(s), Facts: []fact{a.when("account.sessions.began", s.CreatedAt), a.when("account.sessions.used", s.LastUsedAt)}}
		if s.Addr.IsValid() {
			one.Facts = append(one.Facts, fact{Label: a.texts.get("account.sessions.from"), Value: s.Addr.String()})
		}
		if s.ID == current {
			one.Badge = a.texts.get("account.sessions.this")
		} else {
			one.Parts = []part{a.rowForm("end-session", fieldSession, string(s.ID), one.Title)}
		}
		list.Rows = append(list.Rows, one)
	}
	if len(living) > 1 {
		list.Parts = []part{{Form: a.form("end-others")}}
	}
	return []section{list}, nil
}

// device names the browser or app of a session and its system, as far as they are known.
func (a *account) device(s auth.Session) string {
	switch agent := useragent.Parse(s.UserAgent); {
	case agent.Name != "" && agent.OS != "":
		return agent.Name + " · " + agent.OS
	case agent.Name != "" || agent.OS != "":
		return agent.Name + agent.OS
	}
	return a.texts.get("account.sessions.unknown")
}

func (a *account) endOne(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.SignOut(r.Context(), a.who, auth.SessionID(a.fields.Get(fieldSession))); err != nil {
		return err
	}
	return a.done(w, "session-ended")
}

func (a *account) endOthers(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.SignOutEverywhere(r.Context(), a.who, true); err != nil {
		return err
	}
	return a.done(w, "sessions-ended")
}

func (a *account) deletion() ([]section, error) {
	if !a.service.SignedInLately(a.who) {
		return []section{a.recentSection()}, nil
	}
	f := a.form("delete", flowInput{
		Name: fieldConfirm, Type: "text", Label: a.texts.get("account.delete.confirm"), Hint: auth.AccountName(a.user), Autocomplete: "off",
	})
	f.Danger = true
	return []section{{ID: "gone", Heading: a.texts.get("account.delete.heading"), Text: []string{a.texts.get("account.delete.text")}, Parts: []part{{Form: f}}}}, nil
}

func (a *account) delete(w http.ResponseWriter, r *http.Request) error {
	if err := a.service.CloseAccount(r.Context(), a.who, a.fields.Get(fieldConfirm)); err != nil {
		return err
	}
	return a.leave(w, "deleted")
}
