package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"
)

const (
	sweepEvery   = time.Minute
	keysDueEvery = 10 * time.Minute
	releaseEvery = time.Minute
	importEvery  = time.Second // looks; what there is to do is done at once
)

// The names of the work, in the log and the metrics.
const (
	workSweep  = "sweep"
	workKeys   = "rotate keys"
	workMemory = "release memory"
	workBackup = "backup"
	workImport = "import users"
)

// sweep deletes what nobody needs any more.
func (s *Server) sweep(ctx context.Context) error {
	cleaned, err := s.instance.Admin.CleanUpImports(ctx)
	if cleaned > 0 {
		err = errors.Join(err, s.remakeDefaultProject(ctx))
	}
	_, uncounted := s.instance.Admin.CountActivity(ctx) // before the sweep, which may remove what it counts
	deleted, failed := s.instance.Admin.Sweep(ctx)
	failed = errors.Join(uncounted, failed)
	if deleted > 0 {
		s.config.Log.Debug("swept", slog.Int("rows", deleted))
	}
	return errors.Join(err, failed)
}

// remakeDefaultProject follows the end of an import that the project may have given way to.
func (s *Server) remakeDefaultProject(ctx context.Context) error {
	made, adminToken, err := s.instance.EnsureDefaultProject(ctx)
	if made && adminToken != "" {
		s.config.Log.Warn("the project default is there again, after an import of it that broke off, with another admin token",
			slog.String("do", "doorward project rotate-admin-token default"))
	}
	return err
}

// importUsers works on files of users that operators sent.
func (s *Server) importUsers(ctx context.Context) error {
	return s.instance.Admin.WorkImports(ctx)
}

// rotateKeys replaces signing keys that are due.
func (s *Server) rotateKeys(ctx context.Context) error {
	rotated, err := s.instance.Admin.RotateDueKeys(ctx)
	if rotated > 0 {
		s.config.Log.Info("signing keys rotated", slog.Int("projects", rotated))
	}
	return err
}

// releaseMemory gives back what a burst of password hashing took: each hash leaves some 20 MiB of garbage, which the runtime by itself keeps for many
// minutes once the server is idle. With what lives on a server's heap this takes milliseconds.
func (s *Server) releaseMemory(context.Context) error {
	if s.instance.hashing.Stats().Running == 0 {
		debug.FreeOSMemory()
	}
	return nil
}

// repeat runs work at once and then again each interval, until ctx ends. An error or a panic is logged, and does not end it.
func (s *Server) repeat(ctx context.Context, name string, interval time.Duration, work func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		s.attempt(ctx, name, work)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if ctx.Err() != nil { // both may be ready
			return
		}
	}
}

func (s *Server) attempt(ctx context.Context, name string, work func(context.Context) error) {
	defer func() {
		if value := recover(); value != nil {
			s.failures.WithLabelValues(name).Inc()
			s.config.Log.Error("panic in the background", slog.String("work", name), slog.String("stack", string(debug.Stack())))
		}
	}()
	if err := work(ctx); err != nil && ctx.Err() == nil {
		s.failures.WithLabelValues(name).Inc()
		s.config.Log.Error("background work failed; it is tried again", slog.String("work", name), slog.Any("error", err))
	}
}
