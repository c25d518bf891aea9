package server

import (
	"sync"
	"testing"
	"time"
)

// Background work that hangs, as in a disk that does, does not keep the process from ending.
func TestEndsWithin(t *testing.T) {
	var work sync.WaitGroup
	hang := make(chan struct{})
	work.Go(func() { <-hang })
	if endsWithin(&work, time.Millisecond) {
		t.Error("work that hangs is told to have ended")
	}
	close(hang)
	if !endsWithin(&work, time.Hour) {
		t.Error("work that ended is told to hang")
	}
}
