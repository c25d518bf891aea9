package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/web"
)

const (
	workMove      = "look for a move"
	moveLookEvery = time.Second
)

// errMoved means that the data is in another database now. What was revoked there is still valid here, so nothing is answered from this one (P20, P21).
var errMoved = errors.New("the database moved to another one: stop this server, or start it on that one")

// ready tells whether the database answers, and is the one to ask.
func (i *Instance) ready(ctx context.Context) error {
	if err := i.Admin.Ready(ctx); err != nil {
		return err
	}
	to, err := i.store.MovedTo(ctx)
	if err == nil && to != "" {
		err = fmt.Errorf("%w: %s", errMoved, to)
	}
	return err
}

// lookForMove keeps what every request is held against. Where the database does not answer now, what was known stays: requests find out by themselves.
func (s *Server) lookForMove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	to, err := s.instance.store.MovedTo(ctx)
	if err != nil {
		return nil
	}
	if moved := to != ""; s.moved.Swap(moved) != moved && moved {
		s.config.Log.Error("every request is refused from now on: "+errMoved.Error(), slog.String("database", to))
	}
	return nil
}

// unlessMoved refuses all requests once the database moved.
func (s *Server) unlessMoved(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.moved.Load() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", strconv.Itoa(5))
		writeError(w, r, &web.Error{Status: http.StatusServiceUnavailable, Detail: "The service moves. Try again soon"})
	})
}
