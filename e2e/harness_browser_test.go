package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// theBrowser is started by the first test that needs it, and serves all.
var theBrowser struct {
	sync.Mutex
	running *browser.Browser
	err     error
}

// openBrowser gives the test a page of its own in a real browser that asks for the language; "" is en.
func openBrowser(t *testing.T, s *server, language string) *browser.Page {
	t.Helper()
	installJS(t) // axe-core
	theBrowser.Lock()
	defer theBrowser.Unlock()
	if theBrowser.running == nil && theBrowser.err == nil {
		if theBrowser.running, theBrowser.err = browser.Start(filepath.Join("js", "node_modules", "axe-core", "axe.min.js")); errors.Is(theBrowser.err, os.ErrNotExist) {
			t.Fatal("npm ci did not install axe-core")
		}
	}
	if theBrowser.err != nil {
		t.Fatal(theBrowser.err)
	}
	return theBrowser.running.Open(t, s.publicURL, language)
}

func stopBrowser() {
	if theBrowser.running != nil {
		theBrowser.running.Close()
	}
}
