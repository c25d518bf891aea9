package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

type userCmd struct {
	reachFlags
	projectFlag
	List      userListCmd      `cmd:"" help:"List or search users."`
	Show      userShowCmd      `cmd:"" help:"Show a user with its identities."`
	Create    userCreateCmd    `cmd:"" help:"Create a user."`
	Update    userUpdateCmd    `cmd:"" help:"Change a user."`
	Disable   userDisableCmd   `cmd:"" help:"Keep a user from signing in and end its sessions."`
	Enable    userEnableCmd    `cmd:"" help:"Let a disabled user sign in again."`
	Invite    userInviteCmd    `cmd:"" help:"Invite an email address."`
	SendReset userSendResetCmd `cmd:"" help:"Mail a user a password reset link."`
	Delete    userDeleteCmd    `cmd:"" help:"Delete a user and everything of it."`
	Bulk      userBulkCmd      `cmd:"" help:"Do the same to many users."`

	SendVerification userSendVerificationCmd `cmd:"" help:"Mail a user the link that proves the email address."`

	SecondFactors      userSecondFactorsCmd      `cmd:"" help:"List a user's second factors."`
	ResetSecondFactors userResetSecondFactorsCmd `cmd:"" help:"Remove the second factors of a user who lost them, and end its sessions."`
}

// userArg names one user.
type userArg struct {
	User string `arg:"" help:"Uid or email address."`
}

// findUser gives the uid for a uid or an email address.
func (a *app) findUser(api *adminapi.Client, project, uidOrEmail string) (string, error) {
	if !strings.Contains(uidOrEmail, "@") {
		return uidOrEmail, nil
	}
	found, err := api.SearchUsers(a.ctx, project, adminapi.UserSearch{Email: uidOrEmail, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(found.Users) == 0 {
		return "", notFoundError(fmt.Sprintf("project %s has no user with this email address; `doorward user list --project %s` lists them", project, project))
	}
	return found.Users[0].UID, nil
}

// forUser runs do with the uid of the user that is named.
func (a *app) forUser(group *userCmd, named userArg, do func(api *adminapi.Client, uid string) error) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		uid, err := a.findUser(api, group.Project, named.User)
		if err != nil {
			return err
		}
		return do(api, uid)
	})
}

func (a *app) printUser(u adminapi.User) error {
	return a.print(u, func(w io.Writer) { writeUser(w, u) })
}

func writeUser(w io.Writer, u adminapi.User) {
	pairs(w, "UID", u.UID, "Email", u.Email, "Verified", yesNo(u.EmailVerified), "Name", u.Name, "Picture", u.Picture, "Locale", u.Locale,
		"Password", yesNo(u.HasPassword), "State", userState(u), "Roles", strings.Join(u.Roles, ", "), "Claims", compactJSON(u.CustomClaims),
		"Attributes", compactJSON(u.Attributes), "Created", timeText(u.CreatedAt), "Updated", timeText(u.UpdatedAt), "Last sign-in", timeText(u.LastSignInAt))
}

func userState(u adminapi.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.InvitePending:
		return "invited"
	case u.VerificationRequired && !u.EmailVerified:
		return "unverified"
	}
	return "active"
}

func compactJSON(m map[string]any) string {
	if len(m) == 0 {
		return ""
	}
	text, _ := json.Marshal(m) // came from JSON
	return string(text)
}

type userListCmd struct {
	pageFlags
	Email  string `help:"Only the user with this address." placeholder:"ADDRESS"`
	Prefix string `help:"Only users whose address begins with this." placeholder:"TEXT"`
	Role   string `help:"Only users with this role." placeholder:"NAME"`
	State  string `help:"Only users in this state: active, disabled, invited or unverified." placeholder:"STATE"`

	Provider      string    `help:"Only users with an identity of this provider; password: with a password." placeholder:"ID"`
	EmailVerified *bool     `help:"Only users whose address is verified, or is not." placeholder:"true|false"`
	SecondFactor  *bool     `help:"Only users who have a second factor, or have none." placeholder:"true|false"`
	CreatedSince  time.Time `help:"Only users created from this instant on, as 2026-01-31T00:00:00Z." placeholder:"INSTANT"`
	CreatedUntil  time.Time `help:"Only users created before this instant." placeholder:"INSTANT"`
}

func (userListCmd) Help() string {
	return `Example:

    doorward user list --project shop --state disabled --json`
}

func (c userListCmd) Run(a *app, group *userCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		users, err := collect(a, c.pageFlags, func(after string, limit int) ([]adminapi.User, string, error) {
			page, err := api.SearchUsers(a.ctx, group.Project, adminapi.UserSearch{
				Email: c.Email, EmailPrefix: c.Prefix, Role: c.Role, State: c.State, Provider: c.Provider, EmailVerified: c.EmailVerified,
				SecondFactor: c.SecondFactor, CreatedSince: c.CreatedSince, CreatedUntil: c.CreatedUntil, After: after, Limit: limit,
			})
			return page.Users, page.Next, err
		})
		if err != nil {
			return err
		}
		return printList(a, users, "UID EMAIL STATE VERIFIED ROLES NAME", func(u adminapi.User) []string {
			return []string{u.UID, u.Email, userState(u), yesNo(u.EmailVerified), strings.Join(u.Roles, ","), u.Name}
		})
	})
}

type userShowCmd struct{ userArg }

func (userShowCmd) Help() string {
	return `Example:

    doorward user show ada@example.com --project shop`
}

func (c userShowCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		u, err := api.GetUser(a.ctx, group.Project, uid)
		if err != nil {
			return err
		}
		return a.print(u, func(w io.Writer) {
			writeUser(w, u.User)
			for _, i := range u.Identities {
				fmt.Fprintf(w, "Identity  %s %s %s\n", plain(i.ProviderID), plain(i.Subject), plain(i.Email))
			}
		})
	})
}

type userCreateCmd struct {
	Email         string   `arg:"" help:"Email address."`
	PasswordFile  string   `help:"File with the password, - for standard input. Without one, the user comes in by a reset link." placeholder:"FILE"`
	EmailVerified bool     `help:"The address is known to be the user's."`
	Name          string   `help:"Name." placeholder:"NAME"`
	Locale        string   `help:"Language of mails, as en or pt-BR." placeholder:"TAG"`
	Role          []string `help:"Role to give; may come more than once." placeholder:"NAME"`
	Disabled      bool     `help:"Create it disabled."`
	Claims        string   `help:"Custom claims, as a JSON object." placeholder:"JSON"`
	Attributes    string   `help:"Attributes, as a JSON object." placeholder:"JSON"`
}

func (userCreateCmd) Help() string {
	return `Example:

    doorward user create ada@example.com --password-file - --role editor --project shop < password.txt`
}

func (c userCreateCmd) Run(a *app, group *userCmd) error {
	u := adminapi.NewUser{Email: c.Email, EmailVerified: c.EmailVerified, Name: c.Name, Locale: c.Locale, Roles: c.Role, Disabled: c.Disabled}
	var err error
	if u.Password, err = a.readPassword(c.PasswordFile); err != nil {
		return err
	}
	if u.CustomClaims, err = parseObject("--claims", c.Claims); err != nil {
		return err
	}
	if u.Attributes, err = parseObject("--attributes", c.Attributes); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		created, err := api.CreateUser(a.ctx, group.Project, u)
		if err != nil {
			return err
		}
		return a.printUser(created)
	})
}

// readPassword reads a password from a file, without the end of its line: on the command line, other users of the machine could see it.
func (a *app) readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(io.LimitReader(a.stdin, 1<<16))
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return "", usageError("password file: " + err.Error())
	}
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" {
		return "", usageError("the password file is empty")
	}
	return password, nil
}

// parseObject reads the JSON object of a flag; nil where the flag is absent.
func parseObject(flag, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil || object == nil {
		return nil, usageError(flag + ` takes a JSON object, as {"plan":"pro"}`)
	}
	return object, nil
}

type userUpdateCmd struct {
	userArg
	Email         *string  `help:"New address." placeholder:"ADDRESS"`
	PasswordFile  string   `help:"File with the new password, - for standard input." placeholder:"FILE"`
	EmailVerified *bool    `help:"Whether the address is known to be the user's." placeholder:"true|false"`
	Name          *string  `help:"Name." placeholder:"NAME"`
	Picture       *string  `help:"URL of a picture." placeholder:"URL"`
	Locale        *string  `help:"Language of mails." placeholder:"TAG"`
	Role          []string `help:"Role; those given replace all. May come more than once." placeholder:"NAME"`
	Claims        string   `help:"Custom claims, as a JSON object; replaces all." placeholder:"JSON"`
	Attributes    string   `help:"Attributes to change, as a JSON object; null removes one." placeholder:"JSON"`
}

func (userUpdateCmd) Help() string {
	return `What is not named stays.

Example:

    doorward user update ada@example.com --name "Ada Lovelace" --email-verified --project shop`
}

func (c userUpdateCmd) patch(a *app) (adminapi.UserPatch, error) {
	p := adminapi.UserPatch{Email: c.Email, EmailVerified: c.EmailVerified, Name: c.Name, Picture: c.Picture, Locale: c.Locale}
	password, err := a.readPassword(c.PasswordFile)
	if err != nil {
		return p, err
	}
	if password != "" {
		p.Password = &password
	}
	if len(c.Role) > 0 {
		p.Roles = &c.Role
	}
	claims, err := parseObject("--claims", c.Claims)
	if err != nil {
		return p, err
	}
	if claims != nil {
		p.CustomClaims = &claims
	}
	p.Attributes, err = parseObject("--attributes", c.Attributes)
	return p, err
}

func (c userUpdateCmd) Run(a *app, group *userCmd) error {
	patch, err := c.patch(a)
	if err != nil {
		return err
	}
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		u, err := api.UpdateUser(a.ctx, group.Project, uid, patch)
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type userDisableCmd struct{ userArg }

func (userDisableCmd) Help() string {
	return `Example:

    doorward user disable ada@example.com --project shop`
}

func (c userDisableCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		u, err := api.DisableUser(a.ctx, group.Project, uid)
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type userEnableCmd struct{ userArg }

func (userEnableCmd) Help() string {
	return `Example:

    doorward user enable ada@example.com --project shop`
}

func (c userEnableCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		u, err := api.EnableUser(a.ctx, group.Project, uid)
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type userInviteCmd struct {
	Email string   `arg:"" help:"Email address to invite."`
	Role  []string `help:"Role that the invitee will have; may come more than once." placeholder:"NAME"`
}

func (userInviteCmd) Help() string {
	return `Example:

    doorward user invite ada@example.com --role editor --project shop`
}

func (c userInviteCmd) Run(a *app, group *userCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		u, err := api.InviteUser(a.ctx, group.Project, adminapi.Invite{Email: c.Email, Roles: c.Role})
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type userSendResetCmd struct{ userArg }

func (userSendResetCmd) Help() string {
	return `Example:

    doorward user send-reset ada@example.com --project shop`
}

func (c userSendResetCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		if err := api.SendPasswordReset(a.ctx, group.Project, uid); err != nil {
			return err
		}
		return a.printDone("queued", uid)
	})
}

type userDeleteCmd struct {
	userArg
	yesFlag
}

func (userDeleteCmd) Help() string {
	return `With --json it does not ask, for scripts.

Example:

    doorward user delete ada@example.com --project shop --yes`
}

func (c userDeleteCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		if err := a.confirm(c.Yes || a.json, "Delete user "+c.User+" of project "+group.Project+"?"); err != nil {
			return err
		}
		if err := api.DeleteUser(a.ctx, group.Project, uid); err != nil {
			return err
		}
		return a.printDone("deleted", uid)
	})
}
