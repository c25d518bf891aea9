package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/server"
)

// reach runs do with a client of the instance that the flags name. Both ways lead through the same client.
func (a *app) reach(f reachFlags, do func(c *adminapi.Client) error) error {
	serverURL := f.Server
	if serverURL == "" && f.Data == "" && f.Database == "" && f.Config == "" {
		serverURL = a.env["DOORWARD_SERVER"]
	}
	if serverURL == "" && f.AdminToken != "" {
		return usageError("--admin-token is for --server; a data directory needs no token")
	}
	if serverURL == "" {
		return a.reachData(do)
	}
	if f.Server != "" && f.Data != "" {
		return usageError("--server and --data name two instances; give one")
	}
	return a.reachServer(serverURL, f.AdminToken, do)
}

func (a *app) reachServer(text, token string, do func(c *adminapi.Client) error) error {
	base, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" {
		return usageError("the server is not a URL as https://auth.example.com")
	}
	if token == "" {
		if token, err = a.clientToken(); err != nil {
			return err
		}
	}
	if token == "" {
		return usageError("a server needs a token: set DOORWARD_TOKEN to an operator token or a project's admin token")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	defer transport.CloseIdleConnections()
	return do(adminapi.NewClient(base, token, transport))
}

// clientToken reads the token for a server from the environment.
func (a *app) clientToken() (string, error) {
	if token := a.env["DOORWARD_TOKEN"]; token != "" {
		return token, nil
	}
	path := a.env["DOORWARD_TOKEN_FILE"]
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", usageError("DOORWARD_TOKEN_FILE: " + err.Error())
	}
	return strings.TrimSpace(string(content)), nil
}

// reachData opens the data directory and serves the admin API in this process.
func (a *app) reachData(do func(c *adminapi.Client) error) error {
	return a.withInstance(func(instance *server.Instance) error {
		return do(adminapi.NewClient(&url.URL{Scheme: "http", Host: "localhost"}, "", adminapi.InProcess(instance.LocalAdmin())))
	})
}

// withInstance opens what the flags name, beside servers that may run on it.
func (a *app) withInstance(do func(*server.Instance) error) (err error) {
	c := loadConfig(a.flags, a.env)
	c.useRecordedPublicURL()
	if err := c.err(); err != nil {
		return err
	}
	if err := c.checkDataThere(); err != nil {
		return err
	}
	// Errors come back through the client, but the causes of internal ones.
	c.inject(slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	instance, err := server.Open(a.ctx, c.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	if err := refuseMoved(a.ctx, instance); err != nil {
		return err
	}
	return do(instance)
}

// refuseMoved keeps commands from what was true before a move: what was revoked since is still valid there (P21).
func refuseMoved(ctx context.Context, instance *server.Instance) error {
	to, err := instance.MovedTo(ctx)
	if err == nil && to != "" {
		err = fmt.Errorf("the data moved to %s: name that with --database, or with --config where it stands in the configuration; `doorward db reopen` would give the move up", to)
	}
	return err
}

// inject gives the server the world outside.
func (c *configuration) inject(log *slog.Logger) {
	v := currentVersion()
	c.server.Log, c.server.Clock, c.server.Rand, c.server.Version = log, time.Now, rand.Reader, server.Version{Version: v.Version, Revision: v.Revision, Go: v.Go}
}

// checkDataThere keeps a mistyped --data from making an empty database.
func (c *configuration) checkDataThere() error {
	path, isFile := c.databaseFile()
	if !isFile {
		path = c.server.MasterKeyFile
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.server.MasterKeyFile); isFile && err == nil {
			return usageError(fmt.Sprintf("%s is missing, and %s is there: where the database is PostgreSQL, name it with --config, --database or DOORWARD_DATABASE_FILE, too", path, c.server.MasterKeyFile))
		}
		return usageError(fmt.Sprintf("there is no Doorward data here (%s is missing); name its directory with --data, or start `doorward serve` first", path))
	}
	if err != nil {
		return usageError("data directory: " + err.Error())
	}
	return nil
}

// databaseFile gives the path of a SQLite database.
func (c *configuration) databaseFile() (path string, ok bool) {
	if strings.Contains(c.server.Database, "://") {
		return "", false
	}
	return strings.TrimPrefix(c.server.Database, "sqlite:"), true
}
