package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/auth"
)

type projectCmd struct {
	reachFlags
	Create           projectCreateCmd           `cmd:"" help:"Create a project and print its admin token."`
	List             projectListCmd             `cmd:"" help:"List projects."`
	Show             projectShowCmd             `cmd:"" help:"Show a project."`
	Set              projectSetCmd              `cmd:"" help:"Change settings of a project."`
	Preset           projectPresetCmd           `cmd:"" help:"Tell what another preset would change, or apply it."`
	Settings         projectSettingsCmd         `cmd:"" help:"List settings: all there are, or as they stand in a project."`
	Activity         projectActivityCmd         `cmd:"" help:"Count sign-ups, sign-ins and refusals over time."`
	RotateAdminToken projectRotateAdminTokenCmd `cmd:"" help:"Replace a project's admin token at once and print the new one."`
	Export           projectExportCmd           `cmd:"" help:"Write a project whole, encrypted, to move it to another server."`
	Import           projectImportCmd           `cmd:"" help:"Take a project in that another server exported."`
	Delete           projectDeleteCmd           `cmd:"" help:"Delete a project with all its users, for ever."`
}

type projectCreateCmd struct {
	ID          string `arg:"" help:"1 to 40 of a-z, 0-9 and inner hyphens; never used again."`
	Preset      string `help:"Defaults to start from: hardened or documented. Default: hardened." placeholder:"PRESET"`
	DisplayName string `help:"Name for people, as mails show it. Default: the id." placeholder:"NAME"`
}

func (projectCreateCmd) Help() string {
	return `The admin token is told this once.

Example:

    doorward project create shop --display-name "The Shop" --json`
}

func (c projectCreateCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.CreateProject(a.ctx, adminapi.NewProject{ID: c.ID, Preset: c.Preset, DisplayName: c.DisplayName})
		if err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) {
			printProject(w, p.Project, "Admin token", p.AdminToken+"  (shown only now)")
		})
	})
}

func printProject(w io.Writer, p adminapi.Project, more ...string) {
	pairs(w, append([]string{"ID", p.ID, "Name", p.DisplayName, "Preset", p.Preset, "Created", timeText(p.CreatedAt)}, more...)...)
	for _, key := range slices.Sorted(maps.Keys(p.Overrides)) {
		fmt.Fprintf(w, "%s=%s\n", key, plain(auth.ShownValue(p.Overrides[key])))
	}
}

type projectListCmd struct{ pageFlags }

func (projectListCmd) Help() string {
	return `Example:

    doorward project list --json`
}

func (c projectListCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		projects, err := collect(a, c.pageFlags, func(after string, limit int) ([]adminapi.Project, string, error) {
			page, err := api.ListProjects(a.ctx, after, limit)
			return page.Projects, page.Next, err
		})
		if err != nil {
			return err
		}
		return printList(a, projects, "ID PRESET CREATED NAME", func(p adminapi.Project) []string {
			return []string{p.ID, p.Preset, timeText(p.CreatedAt), p.DisplayName}
		})
	})
}

type projectShowCmd struct {
	ID string `arg:"" help:"Project."`
}

func (projectShowCmd) Help() string {
	return `Example:

    doorward project show default`
}

func (c projectShowCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.GetProject(a.ctx, c.ID)
		if err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) { printProject(w, p.Project, "Users", fmt.Sprint(p.UserCount)) })
	})
}

type projectSetCmd struct {
	ID          string   `arg:"" help:"Project."`
	Settings    []string `arg:"" optional:"" help:"KEY=VALUE, or KEY=@FILE for a value that is in a file." placeholder:"KEY=VALUE"`
	Reset       []string `help:"Setting to put back to the preset's default; may come more than once." placeholder:"KEY"`
	DisplayName string   `help:"Name for people." placeholder:"NAME"`
	Preset      string   `help:"Defaults of what is not set: hardened or documented." placeholder:"PRESET"`
}

func (projectSetCmd) Help() string {
	return "\"doorward project settings\" lists the keys.\n\n" + `Example:

    doorward project set shop verifyEmailEnforced=true idTokenTTL=15m --reset corsOrigins`
}

func (c projectSetCmd) Run(a *app, group *projectCmd) error {
	set, err := parseSettings(c.Settings)
	if err != nil {
		return err
	}
	patch := adminapi.ProjectPatch{DisplayName: c.DisplayName, Preset: c.Preset, Settings: set, Reset: c.Reset}
	if len(set)+len(c.Reset) == 0 && c.DisplayName == "" && c.Preset == "" {
		return usageError("there is nothing to change; give KEY=VALUE, --reset, --display-name or --preset")
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.UpdateProject(a.ctx, c.ID, patch)
		if err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) { printProject(w, p) })
	})
}

// parseSettings reads KEY=VALUE and KEY=@FILE.
func parseSettings(args []string) (map[string]string, error) {
	set := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, usageError("a setting is KEY=VALUE; to put one back to its default, use --reset KEY")
		}
		if _, twice := set[key]; twice {
			return nil, usageError("the setting " + key + " is given twice")
		}
		if path, inFile := strings.CutPrefix(value, "@"); inFile {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, usageError("setting " + key + ": " + err.Error())
			}
			value = strings.TrimRight(string(content), "\r\n")
			if picture, ok := auth.ImageURL(content); ok {
				value = picture
			}
		}
		set[key] = value
	}
	return set, nil
}

type projectSettingsCmd struct {
	ID string `arg:"" optional:"" help:"Project. Without one, all settings are explained."`
}

func (projectSettingsCmd) Help() string {
	return `Examples:

    doorward project settings
    doorward project settings shop`
}

func (c projectSettingsCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if c.ID == "" {
			return a.explainSettings(api)
		}
		list, err := api.ProjectSettings(a.ctx, c.ID)
		if err != nil {
			return err
		}
		return printList(a, list.Settings, "KEY VALUE SOURCE", func(s adminapi.ProjectSetting) []string {
			value := auth.ShownValue(s.Value)
			if s.Secret && s.Set {
				value = "(set)"
			}
			return []string{s.Key, value, s.Source}
		})
	})
}

func (a *app) explainSettings(api *adminapi.Client) error {
	list, err := api.Settings(a.ctx)
	if err != nil {
		return err
	}
	return a.print(list.Settings, func(w io.Writer) {
		for _, s := range list.Settings {
			fmt.Fprintf(w, "%s\n    %s.\n    Takes %s.\n", s.Key, s.Help, s.Range)
			if s.Default == s.HardenedDefault {
				fmt.Fprintf(w, "    Default: %s\n", orDash(s.Default))
				continue
			}
			fmt.Fprintf(w, "    Default: %s (documented), %s (hardened)\n", orDash(s.Default), orDash(s.HardenedDefault))
		}
	})
}

type projectRotateAdminTokenCmd struct {
	ID string `arg:"" help:"Project."`
}

func (projectRotateAdminTokenCmd) Help() string {
	return `The old token stops working at once.

Example:

    doorward project rotate-admin-token shop`
}

func (c projectRotateAdminTokenCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		token, err := api.RotateAdminToken(a.ctx, c.ID)
		if err != nil {
			return err
		}
		return a.print(token, func(w io.Writer) { fmt.Fprintln(w, token.AdminToken) })
	})
}

type projectDeleteCmd struct {
	ID string `arg:"" help:"Project."`
	yesFlag
}

func (projectDeleteCmd) Help() string {
	return `Example:

    doorward project delete shop --yes`
}

func (c projectDeleteCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		p, err := api.GetProject(a.ctx, c.ID)
		if err != nil {
			return err
		}
		if err := a.confirm(c.Yes, fmt.Sprintf("Delete project %s with its %d users, for ever?", p.ID, p.UserCount)); err != nil {
			return err
		}
		if err := api.DeleteProject(a.ctx, c.ID); err != nil {
			return err
		}
		return a.printDone("deleted", c.ID)
	})
}
