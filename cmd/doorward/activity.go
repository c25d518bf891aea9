package main

import (
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

type projectActivityCmd struct {
	ID    string    `arg:"" help:"Project."`
	Step  string    `help:"Count by the hour or by the day (UTC). Default: day." placeholder:"STEP"`
	Since time.Time `help:"From this instant on (RFC 3339). Default: 30 days ago, or 48 hours." placeholder:"TIME"`
	Until time.Time `help:"Before this instant (RFC 3339). Default: now." placeholder:"TIME"`
}

func (projectActivityCmd) Help() string {
	return `Counts are kept for 400 days. Sign-ups count accepted invites, too.

Example:

    doorward project activity shop --step hour --since 2026-01-31T00:00:00Z`
}

func (c projectActivityCmd) Run(a *app, group *projectCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.Activity(a.ctx, c.ID, c.Step, c.Since, c.Until)
		if err != nil {
			return err
		}
		return printList(a, list.Points, "AT SIGN-UPS SIGN-INS REFRESHES RESETS DELETIONS REFUSALS", func(p adminapi.ActivityPoint) []string {
			row := []string{timeText(p.At)}
			for _, n := range []int{p.SignUps, p.SignIns, p.Refreshes, p.Resets, p.Deletions, p.Refusals} {
				row = append(row, fmt.Sprint(n))
			}
			return row
		})
	})
}
