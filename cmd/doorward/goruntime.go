package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// gcHeadroom is how many bytes are allocated at least between two garbage collections. What is alive in this program is a few megabytes, and collecting whenever as much
// has come on top, as Go does by itself, would take much of the time of short requests (decision 34).
const gcHeadroom = 48 << 20

// collectRarely holds that from now on, unless the operator says what the collector shall do.
func collectRarely(env map[string]string) {
	if env["GOGC"] == "" && env["GOMEMLIMIT"] == "" {
		afterCollection(&collection{})
	}
}

// collection dies with the next garbage collection, whose finalizer makes the next one.
type collection struct{ _ *collection }

func afterCollection(c *collection) {
	grown := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}} // what the percentage is of
	metrics.Read(grown)
	debug.SetGCPercent(gcPercent(grown[0].Value.Uint64() + grown[1].Value.Uint64() + grown[2].Value.Uint64()))
	runtime.SetFinalizer(c, afterCollection)
}

// gcPercent gives GOGC for so many bytes: the headroom, and not less than Go's own 100. The smallest heap that is collected is that of 4 MB at 100, so that the headroom
// bounds the percentage, too.
func gcPercent(bytes uint64) int {
	return max(100, min(gcHeadroom/(4<<20)*100, int(gcHeadroom*100/max(bytes, 1))))
}

// addProcessor lets one goroutine more run at a time than there are cores to hash passwords on, unless the operator says how many. The scheduler of the system shares the
// cores fairer than Go's: who only wants to read and answer gets one at once, instead of when a hash has had its ten milliseconds (decision 34).
func addProcessor(env map[string]string) {
	if env["GOMAXPROCS"] == "" {
		oneMore.Do(func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) })
	}
}

var oneMore sync.Once // a test starts many servers in one process
