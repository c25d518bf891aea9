package main

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// notifier tells the service manager how the server is, by the protocol of sd_notify(3). Where no manager asks for that, it does nothing.
type notifier struct {
	socket string        // a path, or @ and a name in Linux' abstract namespace
	alive  time.Duration // how often the manager wants to hear that the server lives; 0 for never
	log    *slog.Logger
}

// newNotifier reads what the manager put into the environment.
func newNotifier(env map[string]string, log *slog.Logger) notifier {
	n := notifier{socket: env["NOTIFY_SOCKET"], log: log}
	if micros, err := strconv.ParseInt(env["WATCHDOG_USEC"], 10, 64); err == nil && micros > 0 {
		n.alive = time.Duration(micros) * time.Microsecond / 2 // half of it, as sd_watchdog_enabled(3) recommends
	}
	return n
}

// serving says that the server is ready, then that it lives, and once ctx ends, that it stops. The caller calls done when it has stopped.
func (n notifier) serving(ctx context.Context, where string) (done func()) {
	if n.socket == "" {
		return func() {}
	}
	n.tell("READY=1\nSTATUS=Serving " + where)
	unwatch := context.AfterFunc(ctx, func() { n.tell("STOPPING=1\nSTATUS=Finishing the requests that were accepted") })
	beating, stop := context.WithCancel(context.WithoutCancel(ctx)) // it lives while it stops, too
	if n.alive > 0 {
		go n.beat(beating)
	}
	return func() { unwatch(); stop() }
}

func (n notifier) beat(ctx context.Context) {
	ticker := time.NewTicker(n.alive)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.tell("WATCHDOG=1")
		case <-ctx.Done():
			return
		}
	}
}

// tell sends one message. A manager that does not hear it does what its unit says; serving goes on.
func (n notifier) tell(message string) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		n.log.Warn("the service manager cannot be told of the state", slog.Any("error", err))
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(message)); err != nil {
		n.log.Warn("the service manager cannot be told of the state", slog.Any("error", err))
	}
}
