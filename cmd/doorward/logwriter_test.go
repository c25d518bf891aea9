package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowWriter takes its time, and counts how often it is asked.
type slowWriter struct {
	open  chan struct{}
	calls int
	text  bytes.Buffer
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.open
	w.calls++
	return w.text.Write(p)
}

// TestLogWriter: lines of many goroutines are written whole and once, together where they came while another was written, and all of them by the end.
func TestLogWriter(t *testing.T) {
	t.Parallel()
	out := &slowWriter{open: make(chan struct{})}
	w := newLogWriter(out)
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 100 {
				fmt.Fprintf(w, "line %d of %d\n", i, g)
			}
		})
	}
	group.Wait()
	close(out.open)
	w.end()
	lines := strings.Split(strings.TrimSpace(out.text.String()), "\n")
	seen := map[string]int{}
	last := map[int]int{}
	for _, line := range lines {
		seen[line]++
		var i, g int
		if _, err := fmt.Sscanf(line, "line %d of %d", &i, &g); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if i != last[g] {
			t.Errorf("%q comes after %d lines", line, last[g])
		}
		last[g]++
	}
	if len(seen) != 800 || len(lines) != 800 {
		t.Errorf("%d lines, %d different ones", len(lines), len(seen))
	}
	fmt.Fprint(w, "after the end\n")
	if !strings.HasSuffix(out.text.String(), "after the end\n") {
		t.Error("what comes after the end waits")
	}
	out.calls--
	if out.calls > 3 {
		t.Errorf("%d writes for what waited together", out.calls)
	}
}

// TestLogWriterIsBounded: where nobody takes the log, who logs waits, as without the writer.
func TestLogWriterIsBounded(t *testing.T) {
	t.Parallel()
	out := &slowWriter{open: make(chan struct{})}
	w := newLogWriter(out)
	done := make(chan struct{})
	line := bytes.Repeat([]byte("x"), maxUnwritten)
	go func() {
		defer close(done)
		for range 8 {
			_, _ = w.Write(line)
		}
	}()
	select {
	case <-done:
		t.Error("everything was taken")
	case <-time.After(100 * time.Millisecond):
	}
	close(out.open)
	<-done
	w.end()
	if got := out.text.Len(); got != 8*len(line) {
		t.Errorf("%d bytes were written", got)
	}
}
