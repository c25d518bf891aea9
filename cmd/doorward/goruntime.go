package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// gcHeadroom is how many bytes are allocated at least between two garbage collections. What is alive in this program is a few megabytes, and collecting whenever as much
// has come on top, as Go does by itself, would take much of the time of short requests (decision 34).
const gcHeadroom = 32 << 20

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

// addProcessors lets two goroutines more run at a time than there are cores, unless the operator says how many. The scheduler of the system shares the cores fairer than
// Go's: who only wants to read and answer gets one at once, instead of when a hash has had its ten milliseconds. One is for whoever signs, one for the others
// (decision 34).
func addProcessors(env map[string]string) {
	if env["GOMAXPROCS"] == "" {
		twoMore.Do(func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2) })
	}
}

var twoMore sync.Once // a test starts many servers in one process

// restTime is for how long nothing was collected when memory goes back to the system.
const restTime = time.Minute

// giveBackAtRest gives the memory back that a burst of requests left, when nothing was collected from one look to the next, until ctx ends. Go's own scavenger keeps as
// much as the next collection may wait for. Where the operator says what the collector shall do, that is all it does.
func giveBackAtRest(ctx context.Context, env map[string]string, every time.Duration) {
	if env["GOGC"] != "" || env["GOMEMLIMIT"] != "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for before := collections(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := collections()
		if now == before && spare() > worthGivingBack {
			debug.FreeOSMemory()
		}
		before = now
	}
}

// worthGivingBack is what a collection pays for.
const worthGivingBack = 8 << 20

// collections is how often the heap was collected without being told to.
func collections() uint64 {
	count := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(count)
	return count[0].Value.Uint64()
}

// spare is how many bytes of the heap are free, or came since the last collection and may be garbage.
func spare() int {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(heap)
	return int(heap[0].Value.Uint64()) + int(heap[1].Value.Uint64()) - int(heap[2].Value.Uint64())
}
