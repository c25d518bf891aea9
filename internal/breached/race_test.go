//go:build race

package breached

func init() { underRace = true }
