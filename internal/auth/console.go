package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ConsoleProject is the instance's own project: its users are the operators, who sign in to the console on its hosted pages. It is no tenant: the AUTH API does not
// know it, lists of projects leave it out, and it cannot be deleted, exported or imported, nor does an admin token reach it.
const ConsoleProject ProjectID = "console"

// consoleName is the project's name on pages and in mails.
const consoleName = "Doorward console"

// fixedConsoleSettings are what the console's project never has otherwise, whatever its row says: who is a user of it may do everything on the instance. Its passkeys
// belong to the public URL's host, and its links lead to the server's own pages (P12).
var fixedConsoleSettings = map[string]string{
	"selfSignUp": "false", "invitePermission": "admin", "secondFactor": SecondFactorRequired, "passwordProvider": "true", "emailEnumerationProtection": "true",
	"usersListPermission": "admin", "usersGetPermission": "author", "usersUpdatePermission": "author", "usersDeletePermission": "admin",
	"passkeyRPID": "", "passkeyOrigins": "", "hostedPages": "true", "apiDocs": "false", "verifyEmailURL": "", "resetPasswordURL": "", "inviteURL": "", "formerIssuer": "",
}

// firstConsoleSettings are what it begins with beside those; operators may change them.
var firstConsoleSettings = map[string]string{"refreshTokenIdleTTL": "1h", "refreshTokenAbsoluteTTL": "24h"}

// consoleOverrides gives the overrides as they count for the project.
func consoleOverrides(p ProjectID, overrides map[string]string) map[string]string {
	if p != ConsoleProject {
		return overrides
	}
	counting := maps.Clone(overrides)
	if counting == nil {
		counting = map[string]string{}
	}
	maps.Copy(counting, fixedConsoleSettings)
	return counting
}

// checkConsoleChange refuses to change what is fixed in the console's project, and lets operators change the rest.
func checkConsoleChange(c Caller, change ProjectChange) error {
	if c.projectID() != ConsoleProject {
		return nil
	}
	if change.Preset != "" && change.Preset != PresetHardened {
		return invalidArgument("preset", "the console's project stays hardened")
	}
	for _, key := range slices.Concat(slices.Sorted(maps.Keys(change.Set)), change.Reset) {
		value, set := change.Set[key]
		if fixed, ok := fixedConsoleSettings[key]; ok && (!set || value != fixed) {
			return invalidArgument(key, fmt.Sprintf("setting %s cannot be changed in the console's project", key))
		}
	}
	return nil
}

// notConsole refuses what is not to be done with the console's project.
func (c Caller) notConsole() error {
	if c.projectID() != ConsoleProject {
		return nil
	}
	return invalidArgument("project", "the project console is the instance's own: its users are the operators, see `doorward console`; it has no admin token, and is not deleted, exported or imported by itself")
}

// EnsureConsole creates the console's project, unless it is there. Several processes may do so at once. Only for operators.
func (a *Admin) EnsureConsole(ctx context.Context, c Caller) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	_, err := a.HostedProject(ctx, ConsoleProject)
	if CodeOf(err) != CodeProjectNotFound {
		return err
	}
	settings := maps.Clone(firstConsoleSettings)
	maps.Copy(settings, fixedConsoleSettings)
	// Its admin token is random, and told to nobody.
	p, _, err := a.prepareNamed(ConsoleProject, NewProject{DisplayName: consoleName, Preset: PresetHardened, Settings: settings})
	if err != nil {
		return err
	}
	if err := a.createPrepared(ctx, c, p); !errors.Is(err, ErrConflict) {
		return err
	}
	return nil // another process was first
}

// onConsole makes the console's project the one that the call is about, and creates it where it is missing.
func (a *Admin) onConsole(ctx context.Context, c Caller) (Caller, error) {
	if err := a.EnsureConsole(ctx, c); err != nil {
		return c, err
	}
	return a.withConsole(ctx, c)
}

func (s *Service) withConsole(ctx context.Context, c Caller) (_ Caller, err error) {
	c.Project, err = s.HostedProject(ctx, ConsoleProject)
	return c, err
}

// AuthenticateConsole makes the caller of a request the operator who signed in to the console's project: with a second factor or a
// passkey that verified its user. What it gives is an operator of the instance and no user of any project, so that nothing of a user's own can be done with it.
// It fails with CodeUnauthenticated and CodeAdminRequired.
func (s *Service) AuthenticateConsole(ctx context.Context, c, signedIn Caller) (Caller, error) {
	u, session, err := signedIn.requireUser()
	if err != nil {
		return c, err
	}
	ofConsole := signedIn.projectID() == ConsoleProject && u.Project == ConsoleProject && session.Project == ConsoleProject && session.User == u.ID
	if !ofConsole || u.Blocked() || session.SecondFactor == "" || session.ended(signedIn.Project.Settings, s.now()) {
		return c, s.deny(ctx, signedIn, EventAdminDenied, u.ID, newError(CodeAdminRequired, "this needs an operator who signed in with a second factor"))
	}
	c.actor, c.name, c.operator = ActorOperator, string(u.Email), u.ID
	c.user, c.session = nil, nil
	return c, nil
}
