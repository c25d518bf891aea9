package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/emulation"
)

// viewport is a window's size in CSS pixels.
type viewport struct{ width, height int64 }

var (
	wide   = viewport{1280, 800}
	narrow = viewport{320, 640}
)

const (
	light = "light"
	dark  = "dark"
)

// maxWeight is what a page may weigh on the wire with all that it loads, in bytes.
const maxWeight = 100_000

// show sets the window's size and the reader's choice of colours.
func (p *Page) show(v viewport, scheme string) {
	p.t.Helper()
	Evaluate[bool](p, `(window.shownSince ??= performance.now(), true)`) // what moves from now on moves because of this
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: v.height, DeviceScaleFactor: 1})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	// Chromium applies it with a frame of its own: a page that is opened before would be laid out twice.
	Evaluate[bool](p, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}

// Check judges the page as it is: its weight, its stillness, what it asks for, how it is reached by keyboard, whether it has to be scrolled sideways, and what
// axe-core says of it, light and wide and from left to right, dark and narrow and from right to left: what axe-core judges depends on one of the three at a time.
// The page stays as it was.
func (p *Page) Check() {
	p.t.Helper()
	p.checkLoad()
	for _, look := range []struct {
		viewport
		scheme, dir string
	}{{wide, light, "ltr"}, {narrow, dark, "rtl"}} {
		p.show(look.viewport, look.scheme)
		before := Evaluate[string](p, `document.documentElement.dir`)
		if before != "" {
			p.direct(look.dir)
		}
		what := fmt.Sprintf("%s, %d px, %s", look.scheme, look.width, Evaluate[string](p, `getComputedStyle(document.documentElement).direction`))
		p.checkWidth(what)
		p.checkAxe(what)
		p.direct(before)
		p.checkWidth(what + " and back")
	}
	p.show(wide, light)
	p.checkKeyboard()
}

func (p *Page) direct(dir string) {
	p.t.Helper()
	Evaluate[bool](p, fmt.Sprintf(`(document.documentElement.dir = %q, true)`, dir))
}

// checkLoad judges how the page came to be.
func (p *Page) checkLoad() {
	p.t.Helper()
	shifts := Evaluate[[]string](p, `new Promise(done => {
		const shifts = []
		const add = list => list.forEach(s => {
			if (s.hadRecentInput || s.startTime > (window.shownSince ?? Infinity)) return
			shifts.push(s.value.toFixed(4) + ": " + s.sources.map(from => from.node?.outerHTML?.slice(0, 60) ?? from.node?.textContent).join(", "))
		})
		const observer = new PerformanceObserver(list => add(list.getEntries()))
		observer.observe({type: "layout-shift", buffered: true})
		requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { add(observer.takeRecords()); done(shifts) })))
	})`)
	for _, shift := range shifts {
		p.t.Errorf("%s: the layout shifts by %s", p.URL(), shift)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.weight > maxWeight {
		p.t.Errorf("the page weighs %.0f bytes", p.weight)
	}
	for _, problem := range p.problems {
		p.t.Error(problem)
	}
	p.problems = nil
}

func (p *Page) checkWidth(what string) {
	p.t.Helper()
	over := Evaluate[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
	if over > 0 {
		p.t.Errorf("%s: the page is %d px too wide", what, over)
	}
}

// checkAxe runs axe-core. DevTools evaluates it, so the page's policy stays as it is.
func (p *Page) checkAxe(what string) {
	p.t.Helper()
	if !Evaluate[bool](p, `typeof axe === "object"`) {
		Evaluate[bool](p, "(() => {"+p.browser.axe+"\n})(), typeof axe === 'object'")
	}
	result := Evaluate[json.RawMessage](p, `axe.run(document, {
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], preload: false, resultTypes: ["violations"],
	}).then(r => r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 300) + " " + n.failureSummary)})))`)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	p.must(json.Unmarshal(result, &violations))
	for _, v := range violations {
		p.t.Errorf("%s: axe: %s: %s\n\t%s", what, v.ID, v.Help, strings.Join(v.Nodes, "\n\t"))
	}
}

// checkKeyboard goes through the page with the Tab key: every control is reached, and shows that it is.
func (p *Page) checkKeyboard() {
	p.t.Helper()
	controls := Evaluate[[]string](p, `(() => {
		const usable = e => !e.disabled && e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true}) &&
			!(e.type === "radio" && [...document.getElementsByName(e.name)].some(o => o !== e && (o.checked || (!e.checked && o.compareDocumentPosition(e) & 4))))
		window.controls = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(usable)
		document.activeElement?.blur()
		return window.controls.map(e => e.outerHTML.slice(0, 200))
	})()`)
	type focus struct {
		At   int
		Seen bool
	}
	reached := make([]bool, len(controls))
	for range 2*len(controls) + 4 {
		if !slices.Contains(reached, false) {
			break
		}
		p.Key("Tab")
		at := Evaluate[focus](p, `(() => {
			const e = document.activeElement, s = getComputedStyle(e)
			return {At: window.controls.indexOf(e), Seen: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0}
		})()`)
		if at.At < 0 {
			continue // outside of the page, or a part that scrolls
		}
		if !at.Seen && !reached[at.At] {
			p.t.Errorf("it is not to be seen that this has the focus: %s", controls[at.At])
		}
		reached[at.At] = true
	}
	for i, control := range controls {
		if !reached[i] {
			p.t.Errorf("the Tab key does not reach %s", control)
		}
	}
}
