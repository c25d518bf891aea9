package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 800, 1 << 20: 800, 8 << 20: 400, 32 << 20: 100, 1 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes: got %d, want %d", live, got, want)
		}
	}
}

var kept []byte

// TestCollectRarely: each collection looks at what is alive, and the operator's word goes first. It cannot run beside tests that collect.
func TestCollectRarely(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	current := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		collectRarely(map[string]string{name: "50"})
		if got := current(); got != 100 {
			t.Fatalf("%s is set: got %d", name, got)
		}
	}
	collectRarely(nil)
	few := current()
	kept = make([]byte, 2*gcHeadroom)
	deadline := time.Now().Add(10 * time.Second)
	for current() != 100 {
		if time.Now().After(deadline) {
			t.Fatalf("got %d with much alive, and %d with little", current(), few)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if few <= 100 {
		t.Errorf("got %d with little alive", few)
	}
	kept = nil
}

// TestSpareMemory: what is not used any more counts until it was given back.
func TestSpareMemory(t *testing.T) {
	const much = 256 << 20
	kept = make([]byte, much)
	runtime.GC()
	if got := spare(); got > much/2 {
		t.Errorf("%d bytes are spare, and all of them are used", got)
	}
	kept = nil
	runtime.GC()
	if got := spare(); got < much*3/4 {
		t.Errorf("%d bytes are spare", got)
	}
	debug.FreeOSMemory()
	if got := spare(); got > much/2 {
		t.Errorf("%d bytes are spare after all were given back", got)
	}
}

// TestGiveBackAtRest: what a burst left goes back when nothing happens, unless the operator says what the collector shall do.
func TestGiveBackAtRest(t *testing.T) {
	const much = 256 << 20
	before := debug.SetGCPercent(1000) // Go's own scavenger keeps it
	defer debug.SetGCPercent(before)
	leave := func() {
		kept = make([]byte, much)
		for at := 0; at < much; at += 4096 {
			kept[at] = 1
		}
		kept = nil
		runtime.GC()
	}
	leave()
	giveBackAtRest(t.Context(), map[string]string{"GOGC": "50"}, time.Millisecond) // comes back at once
	giveBackAtRest(t.Context(), map[string]string{"GOMEMLIMIT": "1GiB"}, time.Millisecond)
	if got := spare(); got < much/2 {
		t.Fatalf("%d bytes are spare after a burst", got)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { giveBackAtRest(ctx, nil, time.Millisecond); close(ended) }()
	for deadline := time.Now().Add(20 * time.Second); spare() > much/2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d bytes are spare at rest", spare())
			break
		}
	}
	end()
	<-ended
}
