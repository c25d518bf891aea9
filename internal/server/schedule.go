package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/token"
)

const (
	backupLook    = 15 * time.Second // how often to ask whether one is due
	backupRelist  = 5 * time.Minute  // how often to see what other processes made
	backupLease   = 2 * time.Minute  // prolonged at each quarter of it
	backupRetry   = 10 * time.Minute // after a failure
	backupPause   = time.Minute      // after one was made, whatever the names at the place say
	backupStale   = 24 * time.Hour   // an interrupted one is removed then
	backupLeaseID = "backup"
)

// BackupGrace is how much older than wanted the newest backup may be before it is called overdue: a tenth, and an hour for the work itself.
func BackupGrace(every time.Duration) time.Duration { return every/10 + time.Hour }

// schedule makes a backup whenever the newest of this server's own is too old. What is there says when the next is due, so a restart forgets nothing, and of several processes on one
// database one makes it.
type schedule struct {
	instance *Instance
	config   BackupConfig
	place    backup.Place
	holder   string // of the lease; different at each start

	mu       sync.Mutex
	newest   *backup.File // nil: none, or not known
	known    bool         // whether the place has answered
	listedAt time.Time
	retryAt  time.Time
	failures int64
}

func newSchedule(i *Instance) (*schedule, error) {
	c := i.config.Backup
	if c.To == "" {
		return nil, nil
	}
	place, name, err := backup.ParsePlace(c.To, i.config.Clock)
	if err == nil && name != "" {
		err = errors.New("it names a file; many backups need a directory or a prefix")
	}
	if err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	holder, err := token.NewID(28, i.config.Rand)
	if err != nil {
		return nil, err
	}
	return &schedule{instance: i, config: c, place: place, holder: holder}, nil
}

// run makes the backup that is due, if one is.
func (s *schedule) run(ctx context.Context) error {
	due, err := s.due(ctx)
	if err == nil && due {
		err = s.make(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.mu.Lock()
		s.failures, s.retryAt = s.failures+1, s.instance.config.Clock().Add(backupRetry)
		s.mu.Unlock()
	}
	return err
}

func (s *schedule) due(ctx context.Context) (bool, error) {
	now := s.instance.config.Clock()
	s.mu.Lock()
	wait, fresh := now.Before(s.retryAt), s.known && now.Before(s.listedAt.Add(backupRelist))
	s.mu.Unlock()
	if wait {
		return false, nil
	}
	if !fresh || s.older(now) {
		if _, _, err := s.list(ctx); err != nil {
			return false, err
		}
		// At the start, and not only when the next backup is due.
		if err := backup.CheckWritable(s.place); err != nil {
			return false, err
		}
	}
	return s.older(now), nil
}

// older tells whether the newest backup that is known is older than wanted. One from the future, after the clock jumped back, does not count (P53).
func (s *schedule) older(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest == nil || now.Sub(s.newest.At) >= s.config.Every || s.newest.At.Sub(now) > backup.Ahead
}

func (s *schedule) list(ctx context.Context) (own, future []backup.File, err error) {
	files, err := s.place.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := s.instance.config.Clock()
	own, future = backup.Scheduled(files, s.instance.config.PublicURL.Host, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.listedAt, s.newest = true, now, nil
	if len(own) > 0 {
		s.newest = &own[0]
	}
	return own, future, nil
}

// make takes the lease, looks again, and makes the backup, unless another process does or did.
func (s *schedule) make(ctx context.Context) error {
	if err := s.lease(ctx); err != nil {
		if errors.Is(err, auth.ErrConflict) {
			return nil // another process is at it
		}
		return err
	}
	defer s.release(ctx)
	if _, _, err := s.list(ctx); err != nil {
		return err
	}
	if !s.older(s.instance.config.Clock()) {
		return nil // another process was first
	}
	if err := s.whileLeased(ctx, s.backup); err != nil {
		return err
	}
	return s.prune(ctx)
}

func (s *schedule) backup(ctx context.Context) error {
	i := s.instance
	var made Backup
	began := i.config.Clock()
	s.mu.Lock()
	s.retryAt = began.Add(backupPause)
	s.mu.Unlock()
	err := i.Admin.BackupBySchedule(ctx, func() (name string, err error) {
		made, err = i.backupSource().backUp(ctx, s.place, "", true)
		return made.Name, err
	})
	if err != nil {
		return err
	}
	i.config.Log.Info("backup made", slog.String("name", made.Name), slog.Int64("bytes", made.Bytes), slog.Int64("rows", made.Rows), slog.Duration("took", i.config.Clock().Sub(began)))
	return nil
}

// prune removes what is no longer to be kept, now that there is a newer one, and what interrupted backups left.
func (s *schedule) prune(ctx context.Context) error {
	own, future, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, f := range future {
		s.instance.config.Log.Warn("a backup is of a time that has not come: it is neither counted nor removed", slog.String("name", f.Name.String()))
	}
	for _, f := range backup.Surplus(own, s.config.Keep) {
		if err := s.place.Delete(ctx, f.Name.String()); err != nil {
			return fmt.Errorf("removing an old backup: %w", err)
		}
		s.instance.config.Log.Info("old backup removed", slog.String("name", f.Name.String()))
	}
	return s.place.CleanUp(ctx, s.instance.config.PublicURL.Host, s.instance.config.Clock().Add(-backupStale))
}

func (s *schedule) lease(ctx context.Context) error {
	now := s.instance.config.Clock()
	return s.instance.store.Update(ctx, func(tx auth.Tx) error { return tx.TakeLease(ctx, backupLeaseID, s.holder, now, now.Add(backupLease)) })
}

// release lets the next process begin; where that fails the lease runs out.
func (s *schedule) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.instance.store.Update(ctx, func(tx auth.Tx) error { return tx.ReleaseLease(ctx, backupLeaseID, s.holder) })
	if err != nil {
		s.instance.config.Log.Warn("the lease of the backup was not released; it runs out", slog.Any("error", err))
	}
}

// whileLeased runs work, and ends it where the lease cannot be prolonged in time.
func (s *schedule) whileLeased(ctx context.Context, work func(context.Context) error) error {
	ctx, lost := context.WithCancelCause(ctx)
	var prolonging sync.WaitGroup
	done := make(chan struct{})
	prolonging.Go(func() {
		if err := keepLease(ctx, done, s.lease); err != nil {
			lost(fmt.Errorf("the lease of the backup could not be prolonged: %w", err))
		}
	})
	err := work(ctx)
	close(done)
	prolonging.Wait()
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	lost(nil)
	return err
}

// keepLease prolongs the lease until done. It fails where another process has it, or where three tries in a row failed: the next would come when it has run out.
func keepLease(ctx context.Context, done <-chan struct{}, prolong func(context.Context) error) error {
	ticker := time.NewTicker(backupLease / 4)
	defer ticker.Stop()
	for failed := 0; ; {
		select {
		case <-done:
			return nil
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, backupLease/8)
		err := prolong(bounded)
		cancel()
		if err == nil {
			failed = 0
			continue
		}
		if failed++; failed == 3 || errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
}

var (
	backupSuccessDesc  = prometheus.NewDesc("doorward_backup_last_success_timestamp_seconds", "Unix time of the newest backup that was made by schedule; 0 where there is none.", nil, nil)
	backupSizeDesc     = prometheus.NewDesc("doorward_backup_last_size_bytes", "Size of that backup.", nil, nil)
	backupOverdueDesc  = prometheus.NewDesc("doorward_backup_overdue", "1 where the newest backup is older than --backup-every and its grace, or none is known.", nil, nil)
	backupFailuresDesc = prometheus.NewDesc("doorward_backup_failures_total", "Backups of this process that failed.", nil, nil)
)

func (s *schedule) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backupSuccessDesc, backupSizeDesc, backupOverdueDesc, backupFailuresDesc} {
		descs <- d
	}
}

// Collect tells what is known; it asks the place nothing.
func (s *schedule) Collect(metrics chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, size, overdue := 0.0, 0.0, 1.0
	if s.newest != nil {
		at, size = float64(s.newest.At.Unix()), float64(s.newest.Size)
		// Of one from the future, after the clock was set right, the age says nothing (P53).
		if age := s.instance.config.Clock().Sub(s.newest.At); age < s.config.Every+BackupGrace(s.config.Every) && age >= -backup.Ahead {
			overdue = 0
		}
	}
	gauge := func(d *prometheus.Desc, v float64) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(backupSuccessDesc, at)
	gauge(backupSizeDesc, size)
	gauge(backupOverdueDesc, overdue)
	metrics <- prometheus.MustNewConstMetric(backupFailuresDesc, prometheus.CounterValue, float64(s.failures))
}
