// Doorward is a self-hosted authentication server for many projects, in one binary. `doorward help` lists what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// cli is the tree of commands.
type cli struct {
	JSON bool `name:"json" help:"Print JSON, errors too."`

	Serve      serveCmd      `cmd:"" help:"Run the server." group:"server"`
	Config     configCmd     `cmd:"" help:"Check the configuration." group:"server"`
	Health     healthCmd     `cmd:"" help:"Ask whether the server on this machine is well." group:"server"`
	Migrate    migrateCmd    `cmd:"" help:"Bring the database to this version's schema." group:"server"`
	DB         dbCmd         `cmd:"" name:"db" help:"Move the data to another database." group:"server"`
	MasterKey  masterKeyCmd  `cmd:"" help:"Change the key that seals secrets in the database." group:"server"`
	Backup     backupCmd     `cmd:"" help:"Write everything into one encrypted file, also while servers run." group:"server"`
	Restore    restoreCmd    `cmd:"" help:"Make a new database of a backup, or see that one can be made of it." group:"server"`
	Breached   breachedCmd   `cmd:"" help:"Make the file of leaked passwords that projects refuse." group:"server"`
	Console    consoleCmd    `cmd:"" help:"Manage the operators who sign in to the console." group:"server"`
	Operator   operatorCmd   `cmd:"" help:"Manage credentials for the whole instance." group:"server"`
	Project    projectCmd    `cmd:"" help:"Manage projects and their settings." group:"project"`
	User       userCmd       `cmd:"" help:"Manage the users of a project." group:"project"`
	Session    sessionCmd    `cmd:"" help:"See and end sign-ins." group:"project"`
	Provider   providerCmd   `cmd:"" help:"Manage the identity providers that users sign in at." group:"project"`
	Role       roleCmd       `cmd:"" help:"Manage roles." group:"project"`
	Key        keyCmd        `cmd:"" help:"Manage the keys that sign id tokens." group:"project"`
	Mail       mailCmd       `cmd:"" help:"Read the mailbox, retry mails, change templates." group:"project"`
	Webhook    webhookCmd    `cmd:"" help:"Manage the URLs that are told of events, or asked before them." group:"project"`
	Audit      auditCmd      `cmd:"" help:"Read the audit log." group:"project"`
	Import     importCmd     `cmd:"" help:"Take users in from a file." group:"project"`
	Export     exportCmd     `cmd:"" help:"Write users to a file." group:"project"`
	Version    versionCmd    `cmd:"" help:"Print the version." group:"other"`
	Completion completionCmd `cmd:"" help:"Print a script that completes commands in a shell." group:"other"`
	Help       helpCmd       `cmd:"" help:"Explain a command." group:"other"`
}

const description = `Doorward is a self-hosted authentication server for many projects.

Commands work on a data directory (--data), also while a server runs on it, or on a server (--server with --admin-token).

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found.`

// app is what a command works with.
type app struct {
	ctx    context.Context
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	json   bool
	flags  map[string]string // given options of the configuration, by name
	parser *kong.Kong
	serve  func() error // what is left to do once the command line is done with
}

// run executes one command line and gives the exit code.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{ctx: ctx, env: envMap(env), stdin: stdin, stdout: stdout, stderr: stderr, json: slices.Contains(args, "--json")}
	err := a.execute(args)
	if err == nil {
		return exitDone
	}
	a.printError(err)
	return exitCode(err)
}

// helpShown ends the parsing of a command line that asked for help.
type helpShown struct{}

func (a *app) execute(args []string) (err error) {
	defer func() {
		if value := recover(); value != nil {
			if _, ok := value.(helpShown); !ok {
				panic(value)
			}
			err = nil
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	var commands cli
	a.parser, err = newParser(&commands, a)
	if err != nil {
		return fmt.Errorf("command tree: %w", err)
	}
	parsed, err := a.parser.Parse(args)
	if err != nil {
		var wrong *kong.ParseError
		if errors.As(err, &wrong) {
			return usageError(err.Error() + "; see doorward " + strings.TrimSpace(commandPath(wrong.Context)+" --help"))
		}
		return err
	}
	a.json = commands.JSON
	a.flags = givenFlags(parsed)
	if err := parsed.Run(a); err != nil || a.serve == nil {
		return err
	}
	a.parser = nil // the tree of commands would stay in memory for as long as the server runs
	return a.serve()
}

func newParser(commands *cli, a *app) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("doorward"),
		kong.Description(description),
		kong.Writers(a.stdout, a.stderr),
		kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100, NoAppDescFormat: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "server", Title: "Server:"}, {Key: "project", Title: "Projects and users:"}, {Key: "other", Title: "Other:"}}),
		optionHelp(),
	)
}

// optionHelp makes the help of each option available to flags as ${key_with_underscores}.
func optionHelp() kong.Vars {
	vars := kong.Vars{}
	for _, o := range options {
		vars[o.fileKey()] = o.help + " Default: " + o.shown + "."
	}
	return vars
}

// givenFlags gives the text of the flags on the command line, by name.
func givenFlags(parsed *kong.Context) map[string]string {
	given := map[string]string{}
	for _, part := range parsed.Path {
		if part.Flag != nil {
			given[part.Flag.Name] = fmt.Sprint(part.Flag.Target.Interface())
		}
	}
	return given
}

// commandPath names the command that was parsed so far.
func commandPath(parsed *kong.Context) string {
	if parsed == nil || parsed.Selected() == nil {
		return ""
	}
	return strings.TrimPrefix(parsed.Selected().FullPath(), "doorward ")
}

func envMap(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = value
	}
	return m
}
