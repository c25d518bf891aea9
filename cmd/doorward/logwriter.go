package main

import (
	"io"
	"sync"
)

// maxUnwritten bounds what a logWriter holds, in bytes. Who logs more than is written waits.
const maxUnwritten = 1 << 20

// logWriter writes the lines that come while it writes together, so that a busy server makes few system calls for its log, and nobody waits for them. Nothing is held
// back: a line is written as soon as those before it are.
type logWriter struct {
	out io.Writer

	mu      sync.Mutex
	room    sync.Cond // what waited is being written
	lines   []byte    // wait to be written
	spare   []byte
	writing bool
	ended   bool // every line is written at once, since nobody flushes again
}

func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{out: out}
	w.room.L = &w.mu
	return w
}

// Write takes a line. It fails only after the end: before, nobody waits to be told.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) >= maxUnwritten {
		w.room.Wait()
	}
	if w.ended {
		return w.out.Write(line)
	}
	w.lines = append(w.lines, line...)
	if !w.writing {
		w.writing = true
		go w.write()
	}
	return len(line), nil
}

// write goes on until nothing waits.
func (w *logWriter) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) > 0 {
		lines := w.lines
		w.lines = w.spare[:0]
		w.room.Broadcast()
		w.mu.Unlock()
		_, _ = w.out.Write(lines)
		w.mu.Lock()
		w.spare = lines
		if cap(lines) > 64<<10 {
			w.spare = nil
		}
	}
	w.writing = false
	w.room.Broadcast()
}

// end waits until everything is written; lines that come later are written before Write returns.
func (w *logWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for w.writing {
		w.room.Wait()
	}
}
