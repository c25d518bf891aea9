package auth

import (
	"context"
	"time"
)

// evenStep is what the time of an answer is rounded up to where it must not tell whether an account exists (P28): far above what two such answers differ by, and
// less than people notice.
const evenStep = 100 * time.Millisecond

// evenly does the work and lets its answer out at the next full step, where the project's answers must not tell.
func evenly[T any](ctx context.Context, s *Service, c Caller, work func() (T, error)) (T, error) {
	began := s.clock()
	result, err := work()
	s.evenOut(ctx, c, began)
	return result, err
}

// evenlyDone is evenly for work that has no result.
func evenlyDone(ctx context.Context, s *Service, c Caller, work func() error) error {
	began := s.clock()
	err := work()
	s.evenOut(ctx, c, began)
	return err
}

func (s *Service) evenOut(ctx context.Context, c Caller, began time.Time) {
	if c.Project.Settings.EnumerationSafe || c.Project.Settings.SignUpByMail {
		s.pause(ctx, evenStep-s.clock().Sub(began)%evenStep)
	}
}

// sleep is the pause of a server that runs; it ends early where the caller went away.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
