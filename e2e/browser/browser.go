// Package browser lets tests use pages as people do, in Chromium: controls are found by the name that a screen reader says, clicks and keys are real ones, and
// Check judges a page as a whole. Every wait ends after 30 s.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// limit is how long one step may take, on a machine that has much else to do.
const limit = 30 * time.Second

// Browser is one process of Chromium, for all tests of a binary.
type Browser struct {
	dir    string // its profile and home
	ctx    context.Context
	cancel context.CancelFunc
	axe    string // axe-core's source
}

// Start starts Chromium without a window. axeFile is axe-core's axe.min.js.
func Start(axeFile string) (*Browser, error) {
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		return nil, err
	}
	program, err := executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "doorward-browser-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.Env("HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir),
		chromedp.DisableGPU, chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("lang", "en-US"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,IsolateSandboxedIframes"), // a frame in a process of its own could not be read, see WantFrame
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses root otherwise; it sees nothing but our own server
	}
	allocated, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	b := &Browser{dir: dir, ctx: ctx, axe: string(axe), cancel: func() { cancel(); cancelAllocator() }}
	if err := chromedp.Do(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return b, nil
}

// executable finds Chromium, or a browser of its kind.
func executable() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("the browser tests need Chromium; scripts/setup installs it")
}

// Close ends the process and removes its files.
func (b *Browser) Close() {
	_ = chromedp.Cancel(b.ctx) // waits for the process, politely
	b.cancel()
	_ = os.RemoveAll(b.dir)
}

// Page is one tab in a profile of its own, with no cookies of any other test.
type Page struct {
	t       testing.TB
	browser *Browser
	ctx     context.Context
	origin  string

	mu       sync.Mutex
	problems []string // errors in the console, requests to other origins
	weight   float64  // bytes since the last navigation began
}

// Open gives the test a page for the site at an origin. language is what the browser asks for, as de; "" is en.
func (b *Browser) Open(t testing.TB, origin, language string) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if language == "" {
		language = "en"
	}
	p := &Page{t: t, browser: b, ctx: ctx, origin: origin}
	p.must(chromedp.Listen(ctx, p.note))
	call(p, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}) // so that each page is weighed with all that it needs
	call(p, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
	p.show(wide, light)
	return p
}

// must ends the test on an error.
func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("browser: %v\n%s", err, p.state())
	}
}
