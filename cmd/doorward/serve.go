package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/server"
)

type serveCmd struct{ serverFlags }

func (serveCmd) Help() string {
	return `Creates the data directory at its first start, with a project "default" whose admin token it prints once. It stops on SIGTERM and SIGINT, once the requests that it accepted are answered.

Every flag is also a variable (DOORWARD_PUBLIC_URL) and a key of the configuration file (public_url); a flag wins over the variable, and that over the file. Secrets may come from files: DOORWARD_SMTP_FILE, DOORWARD_DATABASE_FILE, DOORWARD_ADMIN_TOKEN_FILE.

Example:

    doorward serve --data /var/lib/doorward --public-url https://auth.example.com`
}

func (serveCmd) Run(a *app) error {
	a.serve = func() error { return serve(a) }
	return nil
}

func serve(a *app) (err error) {
	c := loadConfig(a.flags, a.env)
	if err := c.err(); err != nil {
		return err
	}
	// The port first: a second start by mistake leaves no trace, and connections wait until the server is ready.
	ln, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("%w; another program may have the port, choose one with --listen", err)
	}
	if _, port, _ := net.SplitHostPort(c.listen); port == "0" {
		a.flags["listen"] = ln.Addr().String() // so that the default public URL names the port
		c = loadConfig(a.flags, a.env)
	}
	collectRarely(a.env)
	addProcessors(a.env) // after the configuration, whose default for --hash-workers is the number of cores
	lines := newLogWriter(a.stderr)
	defer lines.end()
	log := c.logger(lines)
	c.inject(log)
	instance, err := server.Open(a.ctx, c.server)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	if err := a.prepare(c, instance); err != nil {
		return errors.Join(err, ln.Close())
	}
	s, err := server.New(a.ctx, instance)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	for _, n := range c.notes() {
		log.Warn("configuration: "+n.Message, slog.String("key", n.Key), slog.String("source", n.Source))
	}
	if to, err := instance.Moving(a.ctx); err == nil && to != "" {
		log.Warn("the database takes no changes, because its data moves or moved to another one: name that with --database", slog.String("database", to))
	}
	log.Info("serving", slog.String("listen", ln.Addr().String()), slog.String("public_url", c.server.PublicURL.String()), slog.String("version", c.server.Version.Version))
	go giveBackAtRest(a.ctx, a.env, restTime)
	defer newNotifier(a.env, log).serving(a.ctx, c.server.PublicURL.String())()
	if err := s.Run(a.ctx, ln); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// prepare does what a first start needs, and greets.
func (a *app) prepare(c *configuration, instance *server.Instance) error {
	setupLink, err := instance.EnsureConsole(a.ctx)
	if err != nil {
		return err
	}
	created, adminToken, err := instance.EnsureDefaultProject(a.ctx)
	if err != nil {
		return err
	}
	// Printed before anything else can fail: the token is told only now.
	if err := a.greet(c, created, adminToken, setupLink); err != nil {
		return err
	}
	return recordPublicURL(c)
}

// greeting is what serve prints when it starts.
type greeting struct {
	FirstStart    bool   `json:"firstStart"`
	URL           string `json:"url"`
	DataDirectory string `json:"dataDirectory"`
	Project       string `json:"project,omitempty"`    // at the first start
	AdminToken    string `json:"adminToken,omitempty"` // likewise, unless it was configured
	Try           string `json:"try,omitempty"`        // likewise
	SetupLink     string `json:"setupLink,omitempty"`  // while there is no operator's account
}

func (a *app) greet(c *configuration, first bool, adminToken, setupLink string) error {
	g := greeting{FirstStart: first, URL: c.server.PublicURL.String(), DataDirectory: c.server.DataDir, SetupLink: setupLink}
	if first {
		g.Project, g.AdminToken = string(auth.DefaultProject), adminToken
		g.Try = fmt.Sprintf(`curl %s/api/v1/auth/accounts/signup -H 'Content-Type: application/json' -d '{"email":"you@example.com","password":"a long passphrase"}'`, g.URL)
	}
	return a.print(g, func(w io.Writer) {
		if !first {
			fmt.Fprintf(w, "Doorward serves %s from %s\n", g.URL, g.DataDirectory)
			printSetupLink(w, setupLink)
			return
		}
		token := g.AdminToken + "  (shown only now)"
		if adminToken == "" {
			token = "as configured"
		}
		fmt.Fprintln(w, "Doorward starts for the first time.")
		fmt.Fprintln(w)
		pairs(w, "Data directory", g.DataDirectory, "URL", g.URL, "Project", g.Project, "Admin token", token)
		fmt.Fprintf(w, "\nSign a first user up:\n\n%s\n\n", g.Try)
		printSetupLink(w, setupLink)
	})
}

func printSetupLink(w io.Writer, link string) {
	if link != "" {
		fmt.Fprintf(w, "Open this link to set up the console; it works once, for an hour, and the next start voids it:\n\n%s\n\n", link)
	}
}

// logger writes the log that the configuration asks for.
func (c *configuration) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

type migrateCmd struct{ dataFlags }

func (migrateCmd) Help() string {
	return `serve does this too when it starts. A database that a newer version wrote is refused.

Example:

    doorward migrate --data /var/lib/doorward`
}

func (migrateCmd) Run(a *app) (err error) {
	c := loadConfig(a.flags, a.env)
	if err := c.err(); err != nil {
		return err
	}
	c.inject(slog.New(slog.DiscardHandler))
	instance, err := server.Open(a.ctx, c.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	v := currentVersion().Version
	return a.print(map[string]string{"schemaOf": v}, func(w io.Writer) {
		fmt.Fprintf(w, "The database has the schema of doorward %s.\n", v)
	})
}
