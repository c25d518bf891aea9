package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/explain"
)

type auditExplainCmd struct {
	Reference string `arg:"" help:"Reference that the user was shown, or X-Request-Id of the answer. Case and dashes do not matter." placeholder:"CODE"`
	Project   string `help:"Project. Without one, an operator finds it in any." placeholder:"ID"`
}

func (auditExplainCmd) Help() string {
	return `Prints how a refusal came about, step by step, and what can be done about it. Reading it is audited.

Example:

    doorward audit explain K7QM-4T9X-2WHD`
}

func (c auditExplainCmd) Run(a *app, group *auditCmd) error {
	if _, err := auth.ParseReference(c.Reference); err != nil {
		return usageError(auth.AsError(err).Message)
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		found, err := api.Explain(a.ctx, c.Project, c.Reference)
		var refused *adminapi.Error
		if errors.As(err, &refused) && refused.Code == string(auth.CodeNotFound) {
			return notFoundError("nothing is kept under this reference: refusals are kept for 30 days, and not all of them from a source that has a thousand in a row; " +
				"what succeeded and what was malformed is not kept at all, but its line in the server's log has the reference as request_id")
		}
		if err != nil {
			return forbiddenAnywhere(err, c.Project)
		}
		return a.print(found, func(w io.Writer) {
			for i, d := range found.Decisions {
				if i > 0 {
					fmt.Fprintln(w)
				}
				tell(w, d)
			}
		})
	})
}

// forbiddenAnywhere says what somebody with a project's admin token has left out.
func forbiddenAnywhere(err error, project string) error {
	var refused *adminapi.Error
	if project == "" && errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return fmt.Errorf("%s; with a project's admin token, name the project with --project", refused.Message)
	}
	return err
}

// tell prints a decision as a story.
func tell(w io.Writer, d adminapi.Decision) {
	decision := decisionOf(d)
	why, do := explain.Verdict(decision)
	fmt.Fprintf(w, "%s  %s was refused: %s.\n\n", plain(d.Reference), plain(explain.Asked(decision.Event)), plain(why))
	pairs(w, "  when", timeText(d.At)+" UTC", "  project", d.Project, "  from", d.Address, "  with", d.UserAgent, "  user", d.UID, "  answered", d.Code)
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range decision.Steps {
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\n", i+1, plain(strings.ReplaceAll(string(s.Name), "_", " ")), plain(strings.ReplaceAll(string(s.Outcome), "_", " ")), plain(explain.Found(s)))
	}
	t.Flush()
	if len(d.Steps) > 0 {
		fmt.Fprintln(w)
	}
	if do != "" {
		fmt.Fprintf(w, "What you can do: %s\n", plain(do))
	}
}

// decisionOf gives the parts of a decision that are told in words.
func decisionOf(d adminapi.Decision) auth.Decision {
	steps := make([]auth.Step, len(d.Steps))
	for i, s := range d.Steps {
		steps[i] = auth.Step{Name: auth.StepName(s.Step), Outcome: auth.StepOutcome(s.Outcome), Facts: s.Facts}
	}
	return auth.Decision{Project: auth.ProjectID(d.Project), Event: auth.Event(d.Event), Outcome: auth.Outcome(d.Outcome), Code: auth.Code(d.Code), User: auth.UserID(d.UID), Steps: steps}
}
