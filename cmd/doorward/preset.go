package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/doorward/doorward/internal/adminapi"
)

type projectPresetCmd struct {
	ID     string `arg:"" help:"Project."`
	Preset string `arg:"" help:"hardened or documented."`
	Reset  bool   `help:"Put the project's own values back, too, of settings that the presets differ in."`
	Apply  bool   `help:"Make the changes."`
	yesFlag
}

func (projectPresetCmd) Help() string {
	return `Without --apply it only tells what would change.

Examples:

    doorward project preset shop hardened
    doorward project preset shop hardened --reset --apply --yes`
}

func (c projectPresetCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		diff, err := api.PresetDiff(a.ctx, c.ID, c.Preset, c.Reset)
		if err != nil {
			return err
		}
		if !c.Apply {
			return a.print(diff, func(w io.Writer) { printPresetDiff(w, diff) })
		}
		if err := a.confirm(c.Yes, fmt.Sprintf("Change %d settings of project %s?", len(diff.Changes), c.ID)); err != nil {
			return err
		}
		p, err := api.ApplyPreset(a.ctx, c.ID, c.Preset, c.Reset)
		if err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) { printProject(w, p) })
	})
}

func printPresetDiff(w io.Writer, diff adminapi.PresetDiff) {
	if len(diff.Changes) == 0 {
		fmt.Fprintln(w, "Nothing would change.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tNOW\tWOULD BE\tWHAT IT IS")
	for _, s := range diff.Changes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Key, orDash(plain(s.Now)), orDash(s.Would), s.Help)
	}
	t.Flush()
}
