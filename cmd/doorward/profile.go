//go:build profile

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
)

// A program that is built with the tag profile, which no release is, writes a CPU profile of itself to the file that DOORWARD_CPU_PROFILE names, from its start
// until SIGUSR2, and beside it then, as .heap, what is alive. scripts/bench -profile makes default.pgo of it.
func init() {
	name := os.Getenv("DOORWARD_CPU_PROFILE")
	if name == "" {
		return
	}
	_ = os.Unsetenv("DOORWARD_CPU_PROFILE")
	file, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "doorward: no profile:", err)
		os.Exit(1)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGUSR2)
	go func() {
		<-end
		pprof.StopCPUProfile()
		if err := errors.Join(file.Close(), heapProfile(name+".heap")); err != nil {
			fmt.Fprintln(os.Stderr, "doorward: profile:", err)
		}
	}()
}

func heapProfile(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}
