package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// Check is one thing without which the server cannot do its work.
type Check struct {
	Name string // shown to anyone who may ask
	Run  func(ctx context.Context) error
}

// healthAnswer is the body of both health handlers.
type healthAnswer struct {
	Status string   `json:"status"` // "ok" or "unavailable"
	Failed []string `json:"failed,omitempty"`
}

// Healthz answers 200 as long as the process serves at all. It checks nothing, so that an outage of something else
// restarts nobody.
func Healthz() http.Handler {
	return healthHandler(func(*http.Request) healthAnswer { return healthAnswer{Status: "ok"} })
}

// Readyz runs all checks, each within timeout, and answers 200, or 503 with the names of those that failed. Why they
// failed goes to the log only. A check that hangs runs once, however often it is asked for (P54).
func Readyz(timeout time.Duration, checks ...Check) http.Handler {
	running := make([]chan struct{}, len(checks))
	for i := range running {
		running[i] = make(chan struct{}, 1)
	}
	return healthHandler(func(r *http.Request) healthAnswer {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		results := make([]chan error, len(checks))
		for i, check := range checks {
			results[i] = start(ctx, check, running[i])
		}
		var failed []string
		var causes []error
		for i, check := range checks {
			if err := await(ctx, results[i]); err != nil {
				failed = append(failed, check.Name)
				causes = append(causes, fmt.Errorf("check %s: %w", check.Name, err))
			}
		}
		if len(failed) > 0 {
			SetError(r.Context(), errors.Join(causes...))
			return healthAnswer{Status: "unavailable", Failed: failed}
		}
		return healthAnswer{Status: "ok"}
	})
}

// start runs the check beside the request, once the place in running is free.
func start(ctx context.Context, check Check, running chan struct{}) chan error {
	result := make(chan error, 1)
	go func() {
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-running }()
		result <- runCheck(ctx, check)
	}()
	return result
}

func runCheck(ctx context.Context, check Check) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return check.Run(ctx)
}

func await(ctx context.Context, result chan error) error {
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func healthHandler(answer func(*http.Request) healthAnswer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body := answer(r)
		status := http.StatusOK
		if body.Status != "ok" {
			status = http.StatusServiceUnavailable
		}
		if err := WriteJSON(w, status, body); err != nil {
			SetError(r.Context(), err)
		}
	})
}
