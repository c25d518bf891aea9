package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// confirm asks before something is deleted, unless yes was said already. Without a terminal nobody could answer.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(a.stdin) {
		return usageError("nothing was deleted: without a terminal to ask on, this needs --yes")
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", plain(question))
	if !saysYes(a.stdin) {
		return usageError("nothing was deleted")
	}
	return nil
}

func saysYes(r io.Reader) bool {
	line, _ := bufio.NewReader(r).ReadString('\n') // no answer is no
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}

func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
