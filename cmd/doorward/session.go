package main

import (
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type sessionCmd struct {
	reachFlags
	projectFlag
	List   sessionListCmd   `cmd:"" help:"List living sessions, newest first."`
	Revoke sessionRevokeCmd `cmd:"" help:"End one session, all of a user, or all of the project."`
}

type sessionListCmd struct {
	pageFlags
	User string `help:"Only those of this user: uid or email address." placeholder:"USER"`
}

func (sessionListCmd) Help() string {
	return `Example:

    doorward session list --user ada@example.com --project shop`
}

func (c sessionListCmd) Run(a *app, group *sessionCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		ask, err := a.sessionPages(api, group.Project, c.User)
		if err != nil {
			return err
		}
		sessions, err := collect(a, c.pageFlags, ask)
		if err != nil {
			return err
		}
		return printList(a, sessions, "ID UID PROVIDER CREATED LAST-USED ADDRESS", func(s adminapi.Session) []string {
			return []string{s.ID, s.UID, s.ProviderID, timeText(s.CreatedAt), timeText(s.LastUsedAt), s.Address}
		})
	})
}

// sessionPages lists the sessions of a user, or with user "" of the project.
func (a *app) sessionPages(api *adminapi.Client, project, user string) (func(after string, limit int) ([]adminapi.Session, string, error), error) {
	if user == "" {
		return func(after string, limit int) ([]adminapi.Session, string, error) {
			page, err := api.ListSessions(a.ctx, project, after, limit)
			return page.Sessions, page.Next, err
		}, nil
	}
	uid, err := a.findUser(api, project, user)
	if err != nil {
		return nil, err
	}
	return func(after string, limit int) ([]adminapi.Session, string, error) {
		page, err := api.UserSessions(a.ctx, project, uid, after, limit)
		return page.Sessions, page.Next, err
	}, nil
}

type sessionRevokeCmd struct {
	ID   string `arg:"" optional:"" help:"Session."`
	User string `help:"End all sessions of this user: uid or email address." placeholder:"USER"`
	All  bool   `help:"End all sessions of the project."`
}

func (sessionRevokeCmd) Help() string {
	return `Examples:

    doorward session revoke --user ada@example.com --project shop
    doorward session revoke --all --project shop`
}

func (c sessionRevokeCmd) Run(a *app, group *sessionCmd) error {
	given := 0
	for _, is := range []bool{c.ID != "", c.User != "", c.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return usageError("give one of a session's id, --user and --all")
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		revoked, err := c.revoke(a, api, group.Project)
		if err != nil {
			return err
		}
		return a.print(revoked, func(w io.Writer) { fmt.Fprintf(w, "%d sessions revoked\n", revoked.Revoked) })
	})
}

func (c sessionRevokeCmd) revoke(a *app, api *adminapi.Client, project string) (adminapi.RevokedSessions, error) {
	switch {
	case c.ID != "":
		return adminapi.RevokedSessions{Revoked: 1}, api.RevokeSession(a.ctx, project, c.ID)
	case c.All:
		return a.revokeAll(api, project)
	}
	uid, err := a.findUser(api, project, c.User)
	if err != nil {
		return adminapi.RevokedSessions{}, err
	}
	return api.RevokeUserSessions(a.ctx, project, uid)
}

// revokeAll ends the sessions of one user after the other, until the project has none.
func (a *app) revokeAll(api *adminapi.Client, project string) (all adminapi.RevokedSessions, err error) {
	for {
		page, err := api.ListSessions(a.ctx, project, "", maxPage)
		if err != nil || len(page.Sessions) == 0 {
			return all, err
		}
		before, seen := all.Revoked, map[string]bool{}
		for _, s := range page.Sessions {
			if seen[s.UID] {
				continue
			}
			seen[s.UID] = true
			revoked, err := api.RevokeUserSessions(a.ctx, project, s.UID)
			if err != nil {
				return all, err
			}
			all.Revoked += revoked.Revoked
		}
		if all.Revoked == before {
			return all, nil // others ended them meanwhile
		}
	}
}
