package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/sqlstore"
)

// Verified tells what was seen when a backup was started aside.
type Verified struct {
	Name     string
	Header   backup.Header
	Tables   []backup.Sum
	Projects []string // whose key signed a token that their published keys verified
	Secrets  int64    // sealed values that the master key opened
}

// VerifyBackup restores a backup into a directory of its own, which is removed afterwards; starts a server on it, which is reached by nobody; and has every project sign a token, which is
// verified with the keys that the server publishes. It reads every row back, and opens every secret. No mail leaves. c gives the master key's file, where the backup does not have it.
func VerifyBackup(ctx context.Context, c Config, o RestoreOptions) (v Verified, err error) {
	r, done, err := o.open(ctx, c)
	if err != nil {
		return v, err
	}
	defer done()
	dir, err := os.MkdirTemp("", "doorward-verify-")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c = c.quiet()
	c.DataDir, c.Database = dir, "sqlite:"+filepath.Join(dir, "doorward.db")
	if r.Header.MasterKey {
		c.MasterKeyFile = filepath.Join(dir, "master.key")
	}
	v.Name, v.Header = o.Name, r.Header
	o.SourceStopped = true // all of it, and the keys above all
	restored, err := fillNew(ctx, c, o, r, sqlstore.Options{URL: c.Database, NoSync: true})
	v.Tables = restored.Tables
	if err != nil {
		return v, err
	}
	return v, v.serve(ctx, c)
}

// serve starts a server as `doorward serve` does, but for what works by itself in the background: a copy must not send the original's mails.
func (v *Verified) serve(ctx context.Context, c Config) error {
	instance, err := Open(ctx, c)
	if err != nil {
		return err
	}
	s, err := New(ctx, instance)
	if err == nil {
		err = v.probe(ctx, s)
	}
	if err == nil {
		v.Secrets, err = openEverySecret(ctx, instance.store, instance.keyring, auth.SealedKinds())
	}
	return errors.Join(err, instance.Close())
}

func (v *Verified) probe(ctx context.Context, s *Server) error {
	admin := s.instance.Admin
	probes, err := admin.SignProbes(ctx, s.instance.Service.LocalOperator(auth.Caller{}))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: adminapi.InProcess(s.Handler())}
	for _, p := range probes {
		keys, err := fetch(ctx, client, &url.URL{Scheme: "http", Host: "localhost", Path: "/" + string(p.Project) + "/.well-known/jwks.json"})
		if err == nil {
			err = admin.CheckProbe(p, keys)
		}
		if err != nil {
			return fmt.Errorf("project %s: a token of its key is not verified by the keys that it publishes: %w", p.Project, err)
		}
		v.Projects = append(v.Projects, string(p.Project))
	}
	return nil
}

func fetch(ctx context.Context, client *http.Client, target *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", target.Path, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, 1<<20))
}
