package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// secrets holds what the tests sent or were given and what must be found nowhere afterwards.
var secrets struct {
	sync.Mutex
	kinds map[string]string // secret → kind
}

func remember(kind, secret string) {
	secrets.Lock()
	defer secrets.Unlock()
	if secrets.kinds == nil {
		secrets.kinds = map[string]string{}
	}
	secrets.kinds[secret] = kind
}

// mayBeStored: the mailbox keeps the text of mails, and so their codes, in the database.
func mayBeStored(kind string) bool { return kind == "oobCode" }

// leakedSecrets looks for every remembered secret in the output of every process,
// and in the files of the shared server's data directory, where only hashes belong.
func leakedSecrets() (problems []string) {
	secrets.Lock()
	defer secrets.Unlock()
	outputs.Lock()
	defer outputs.Unlock()
	for _, output := range outputs.all {
		problems = append(problems, leaksIn("a server's output", []byte(output.String()), func(string) bool { return false })...)
	}
	err := filepath.WalkDir(suite.shared.opts.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		problems = append(problems, leaksIn("data file "+entry.Name(), content, mayBeStored)...)
		return nil
	})
	if err != nil {
		problems = append(problems, "search the data directory: "+err.Error())
	}
	dump, err := dumpPostgres(suite.shared.opts.data)
	if err != nil {
		problems = append(problems, "search the database: "+err.Error())
	}
	return append(problems, leaksIn("the database", dump, mayBeStored)...)
}

func leaksIn(where string, content []byte, allowed func(kind string) bool) (problems []string) {
	counts := map[string]int{}
	for secret, kind := range secrets.kinds {
		if !allowed(kind) && bytes.Contains(content, []byte(secret)) {
			counts[kind]++
		}
	}
	for kind, n := range counts {
		problems = append(problems, fmt.Sprintf("%s holds %d secrets of kind %q in clear", where, n, kind))
	}
	return problems
}
