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
	why, do := verdict(d)
	fmt.Fprintf(w, "%s  %s was refused: %s.\n\n", plain(d.Reference), asked(d), plain(why))
	pairs(w, "  when", timeText(d.At)+" UTC", "  project", d.Project, "  from", d.Address, "  with", d.UserAgent, "  user", d.UID, "  answered", d.Code)
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range d.Steps {
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\n", i+1, plain(strings.ReplaceAll(s.Step, "_", " ")), plain(strings.ReplaceAll(s.Outcome, "_", " ")), plain(sentence(s)))
	}
	t.Flush()
	if len(d.Steps) > 0 {
		fmt.Fprintln(w)
	}
	if do != "" {
		fmt.Fprintf(w, "What you can do: %s\n", plain(do))
	}
}

// asked names what was asked for.
func asked(d adminapi.Decision) string {
	names := map[auth.Event]string{
		auth.EventSignIn: "A sign-in", auth.EventSignUp: "A sign-up", auth.EventRefresh: "A refresh of tokens", auth.EventSignInCodeExchanged: "An exchange of a sign-in code",
		auth.EventSignInCodeReused: "An exchange of a sign-in code that was used before", auth.EventTokenReuse: "A refresh with a token that was used before",
		auth.EventTokenRefused: "A request with an id token", auth.EventSignInBegun: "The beginning of a sign-in at a provider", auth.EventIdentityLinked: "The linking of a provider's account",
		auth.EventPasswordReset: "A password reset", auth.EventResetRequested: "A request for a password reset", auth.EventPasswordChanged: "A change of password",
		auth.EventInviteAccepted: "The acceptance of an invite", auth.EventEmailVerified: "An email verification", auth.EventEmailChanged: "A change of email address",
		auth.EventEmailTakenBack: "The taking back of an email address", auth.EventAdminDenied: "A request with an admin token",
	}
	if name, ok := names[auth.Event(d.Event)]; ok {
		return name
	}
	return "A request (" + plain(d.Event) + ")"
}

// sentence says in words what a step found.
func sentence(s adminapi.DecisionStep) string {
	f := s.Facts
	switch auth.StepName(s.Step) {
	case auth.StepLimiter:
		text := fmt.Sprintf("%s: %s at once, one more each %s; source %s", f["budget"], f["burst"], f["refill"], f["source"])
		if s.Outcome == string(auth.OutcomeRefused) {
			text += "; spent, free again in " + f["wait_seconds"] + " s"
		}
		return text
	case auth.StepLookup:
		if s.Outcome == string(auth.OutcomeNotFound) {
			return "no such account"
		}
		return "the account: " + listed(f, "email_verified", "disabled", "invited", "verification_required", "has_password")
	case auth.StepHash:
		return fmt.Sprintf("%s: %s; waited %s ms, took %s ms", f["scheme"], listed(f, "stored", "match", "needs_rehash"), f["wait_ms"], f["hash_ms"])
	case auth.StepProvider:
		text := f["provider"] + ": " + f["step"]
		if f["reason"] != "" {
			text += ": " + f["reason"]
		}
		return text
	case auth.StepProviderAnswer:
		if f["status"] == "" {
			return f["from"] + ": " + f["body"]
		}
		return fmt.Sprintf("%s answered %s (%s): %s", f["from"], f["status"], f["type"], f["body"])
	case auth.StepJoin:
		return f["decision"] + ": " + listed(f, "identity_known", "identity_has_email", "identity_verified", "account_exists", "account_verified", "account_invited", "account_disabled", "sign_up_open")
	}
	return listed(f, "of", "reason", "purpose", "state", "tries", "provider", "age", "age_limit", "idle", "idle_limit", "revoked_at", "rotated_at", "since", "grace", "successor_used",
		"expired_at", "expired_since", "expires_at", "used_at", "provider_matches", "callback_matches", "verifier_matches", "state_given", "state_matches", "issuer_given", "issuer_matches")
}

// listed writes the named facts that there are.
func listed(facts map[string]string, names ...string) string {
	var list []string
	for _, name := range names {
		if value, ok := facts[name]; ok {
			list = append(list, strings.ReplaceAll(name, "_", " ")+" "+value)
		}
	}
	return strings.Join(list, ", ")
}
