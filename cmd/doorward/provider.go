package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

type providerCmd struct {
	reachFlags
	projectFlag
	List   providerListCmd   `cmd:"" help:"List identity providers."`
	Show   providerShowCmd   `cmd:"" help:"Show an identity provider, and what to enter there."`
	Set    providerSetCmd    `cmd:"" help:"Configure an identity provider."`
	Delete providerDeleteCmd `cmd:"" help:"End signing in at an identity provider."`
	Check  providerCheckCmd  `cmd:"" help:"Try an identity provider's settings."`
}

// providerArg names one identity provider.
type providerArg struct {
	ID string `arg:"" help:"Provider: google.com, facebook.com, github.com, microsoft.com, apple.com, or oidc. and a name of your choice."`
}

type providerListCmd struct{}

func (providerListCmd) Help() string {
	return `Example:

    doorward provider list --project shop`
}

func (providerListCmd) Run(a *app, group *providerCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListProviders(a.ctx, group.Project)
		if err != nil {
			return err
		}
		return printList(a, list.Providers, "ID ENABLED SECRET CLIENT", func(p adminapi.Provider) []string {
			return []string{p.ID, yesNo(p.Enabled), yesNo(p.SecretSet), p.ClientID}
		})
	})
}

type providerShowCmd struct{ providerArg }

func (providerShowCmd) Help() string {
	return `Secrets are never shown.

Example:

    doorward provider show google.com --project shop`
}

func (c providerShowCmd) Run(a *app, group *providerCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.GetProvider(a.ctx, group.Project, c.ID)
		if err != nil {
			return err
		}
		return a.printProvider(p)
	})
}

func (a *app) printProvider(p adminapi.Provider) error {
	return a.print(p, func(w io.Writer) {
		pairs(w, "ID", p.ID, "Enabled", yesNo(p.Enabled), "Client", p.ClientID, "Secret", yesNo(p.SecretSet), "Scopes", strings.Join(p.Scopes, " "),
			"Parameters", assignments(p.Parameters), "Endpoints", assignments(p.Endpoints), "Allowed hosts", strings.Join(p.AllowHosts, " "),
			"Implicit", yesNo(p.Implicit), "Team", p.TeamID, "Key", p.KeyID, "Created", timeText(p.CreatedAt), "Updated", timeText(p.UpdatedAt))
		fmt.Fprintln(w, "\nEnter at the provider as redirect URI:")
		for line := range strings.SplitSeq(p.CallbackHint, "\n") {
			fmt.Fprintln(w, "    "+plain(line))
		}
	})
}

// assignments writes a map as its flags take it.
func assignments(m map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, name+"="+m[name])
	}
	return strings.Join(list, " ")
}

type providerSetCmd struct {
	providerArg
	ClientID         *string           `name:"client-id" help:"Id that the provider gave the app." placeholder:"ID"`
	ClientSecretFile string            `help:"File with the client secret, - for standard input." placeholder:"FILE"`
	PrivateKeyFile   string            `help:"apple.com: file with the private key (PEM), - for standard input." placeholder:"FILE"`
	Scope            []string          `help:"Scope to ask for beside the usual ones; those given replace all. May come more than once." sep:"none" placeholder:"SCOPE"`
	Parameter        map[string]string `help:"Extra parameter of the authorization request; those given replace all. May come more than once." mapsep:"none" placeholder:"NAME=VALUE"`
	Endpoint         map[string]string `help:"URL instead of the provider's own: issuer, authorization, token, userinfo, jwks, emails or debug; those given replace all. May come more than once." mapsep:"none" placeholder:"NAME=URL"`
	AllowHost        []string          `help:"Host that may be reached although it is private, or over plain http; those given replace all, and only an operator may. May come more than once." sep:"none" placeholder:"HOST"`
	Implicit         *bool             `help:"Ask for a token in the fragment instead of a code, for old front ends." placeholder:"true|false"`
	Enable           bool              `help:"Let users sign in there." xor:"enabled"`
	Disable          bool              `help:"Keep the settings, but let nobody sign in there." xor:"enabled"`
	TeamID           *string           `name:"team-id" help:"apple.com: the developer team." placeholder:"ID"`
	KeyID            *string           `name:"key-id" help:"apple.com: the id of the private key." placeholder:"ID"`
	Clear            []string          `help:"What to remove: client-secret, private-key, scopes, parameters, endpoints or allow-hosts. May come more than once." placeholder:"NAME"`
}

func (providerSetCmd) Help() string {
	return `A provider that is not there yet is made, and enabled. What is not named stays. Who changes endpoints or allowed hosts has to give the stored secrets again.

Examples:

    doorward provider set google.com --client-id ID --client-secret-file secret.txt --project shop
    doorward provider set apple.com --client-id ID --team-id TEAM --key-id KEY --private-key-file key.p8
    doorward provider set oidc.acme --client-id ID --endpoint issuer=https://id.acme.example --client-secret-file - < secret.txt`
}

func (c providerSetCmd) Run(a *app, group *providerCmd) error {
	change, err := c.change(a)
	if err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.PutProvider(a.ctx, group.Project, c.ID, change)
		if err != nil {
			return err
		}
		return a.printProvider(p)
	})
}

func (c providerSetCmd) change(a *app) (adminapi.ProviderChange, error) {
	change := adminapi.ProviderChange{ClientID: c.ClientID, Implicit: c.Implicit, TeamID: c.TeamID, KeyID: c.KeyID}
	if c.Enable || c.Disable {
		change.Enabled = &c.Enable
	}
	if c.Scope != nil {
		change.Scopes = &c.Scope
	}
	if c.Parameter != nil {
		change.Parameters = &c.Parameter
	}
	if c.Endpoint != nil {
		change.Endpoints = &c.Endpoint
	}
	if c.AllowHost != nil {
		change.AllowHosts = &c.AllowHost
	}
	if err := c.readSecrets(a, &change); err != nil {
		return change, err
	}
	if err := clearParts(&change, c.Clear); err != nil {
		return change, err
	}
	if change == (adminapi.ProviderChange{}) {
		return change, usageError("there is nothing to change; see doorward provider set --help")
	}
	return change, nil
}

func (c providerSetCmd) readSecrets(a *app, change *adminapi.ProviderChange) (err error) {
	if c.ClientSecretFile == "-" && c.PrivateKeyFile == "-" {
		return usageError("standard input can be the client secret or the private key, not both")
	}
	if change.ClientSecret, err = a.readSecret("--client-secret-file", c.ClientSecretFile); err != nil {
		return err
	}
	change.PrivateKey, err = a.readSecret("--private-key-file", c.PrivateKeyFile)
	return err
}

// readSecret reads a secret from a file, without the end of its last line: on the command line, other users of the machine could see it. Nil where there is no file.
func (a *app) readSecret(flag, path string) (*string, error) {
	if path == "" {
		return nil, nil
	}
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(io.LimitReader(a.stdin, 1<<16))
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usageError(flag + ": " + err.Error())
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return nil, usageError(flag + ": the file is empty; --clear removes a secret")
	}
	return &secret, nil
}

// clearParts has the named parts removed.
func clearParts(change *adminapi.ProviderChange, names []string) error {
	for _, name := range names {
		twice := false
		switch name {
		case "client-secret":
			twice, change.ClientSecret = change.ClientSecret != nil, new(string)
		case "private-key":
			twice, change.PrivateKey = change.PrivateKey != nil, new(string)
		case "scopes":
			twice, change.Scopes = change.Scopes != nil, &[]string{}
		case "parameters":
			twice, change.Parameters = change.Parameters != nil, &map[string]string{}
		case "endpoints":
			twice, change.Endpoints = change.Endpoints != nil, &map[string]string{}
		case "allow-hosts":
			twice, change.AllowHosts = change.AllowHosts != nil, &[]string{}
		default:
			return usageError("--clear takes client-secret, private-key, scopes, parameters, endpoints or allow-hosts")
		}
		if twice {
			return usageError("--clear " + name + " contradicts another flag, or came before")
		}
	}
	return nil
}

type providerDeleteCmd struct {
	providerArg
	yesFlag
}

func (providerDeleteCmd) Help() string {
	return `Users keep their accounts there linked, for the case that the provider is configured again. To switch it off for a while, use "doorward provider set ID --disable".

Example:

    doorward provider delete google.com --project shop --yes`
}

func (c providerDeleteCmd) Run(a *app, group *providerCmd) error {
	if err := a.confirm(c.Yes, "Delete provider "+c.ID+" with its secrets from project "+group.Project+"?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteProvider(a.ctx, group.Project, c.ID); err != nil {
			return err
		}
		return a.printDone("deleted", c.ID)
	})
}

type providerCheckCmd struct{ providerArg }

func (providerCheckCmd) Help() string {
	return `Calls the provider, as far as that goes without a user. Where something is wrong, the exit code is 1.

Example:

    doorward provider check google.com --project shop`
}

func (c providerCheckCmd) Run(a *app, group *providerCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		check, err := api.CheckProvider(a.ctx, group.Project, c.ID)
		if err != nil {
			return err
		}
		if check.OK || a.json {
			err = a.print(check, func(w io.Writer) { fmt.Fprintln(w, "nothing wrong was found") })
		}
		if !check.OK {
			return errors.New(check.Problem)
		}
		return err
	})
}
