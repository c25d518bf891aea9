package main

import (
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
