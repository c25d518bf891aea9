package main

import (
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// manager is a service manager's end of the socket. The path is short, because the kernel takes no long one.
func manager(t *testing.T) (path string, next func() string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no such service manager")
	}
	path = filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1024)
		n, err := conn.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
}

// TestServeTellsTheServiceManager: ready once it serves, alive from then on, and stopping when it is told to stop.
func TestServeTellsTheServiceManager(t *testing.T) {
	t.Parallel()
	path, next := manager(t)
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data"), env: []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=20000"}}
	s := c.serve(t)
	if got := next(); got != "READY=1\nSTATUS=Serving "+s.url {
		t.Errorf("first: %q", got)
	}
	for range 2 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("then: %q", got)
		}
	}
	s.end()
	got := next()
	for got == "WATCHDOG=1" {
		got = next()
	}
	if !strings.HasPrefix(got, "STOPPING=1\n") {
		t.Errorf("at the end: %q", got)
	}
	if code := <-s.code; code != exitDone {
		t.Errorf("serve ended with %d\n%s", code, s.stderr)
	}
}

// TestServeWithoutItsServiceManager: a socket that is gone is a warning, and a bad interval no beat.
func TestServeWithoutItsServiceManager(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data"), env: []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "gone")}}
	s := c.serve(t)
	s.stop(t)
	if !strings.Contains(s.stderr.String(), "service manager cannot be told") {
		t.Errorf("the log is\n%s", s.stderr)
	}
	for text, want := range map[string]time.Duration{"": 0, "x": 0, "-5": 0, "60000000": 30 * time.Second} {
		if n := newNotifier(map[string]string{"WATCHDOG_USEC": text}, slog.New(slog.DiscardHandler)); n.alive != want {
			t.Errorf("WATCHDOG_USEC=%s: %s, want %s", text, n.alive, want)
		}
	}
}
