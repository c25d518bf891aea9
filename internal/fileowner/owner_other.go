//go:build !unix

package fileowner

import "os"

// Keep has nothing to do: a new file takes its access list from the directory.
func Keep(*os.File, string) error { return nil }

// KeepNew has nothing to do, either.
func KeepNew(*os.File, string) error { return nil }
