package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// call runs a command of the DevTools protocol.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	p.must(err)
	return result
}

// Evaluate runs an expression in the page and gives its value; a promise is waited for.
func Evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, func(e *runtime.EvaluateParams) { e.AwaitPromise = new(true) }))
	p.must(err)
	return value
}

// Visit opens a URL, or a path of the origin, and gives the status of the answer.
func (p *Page) Visit(target string) int {
	p.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = p.origin + target
	}
	return p.load(chromedp.Navigate(target))
}

// load does what leads to another page, and waits until that is there.
func (p *Page) load(step chromedp.Action[chromedp.Void]) int {
	p.t.Helper()
	p.mu.Lock()
	p.weight = 0
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, step)
	p.must(err)
	if response == nil {
		return 0
	}
	return int(response.Status)
}

// Load runs an expression that leads to another page, as another site's own script would, and waits for that.
func (p *Page) Load(expression string) int {
	p.t.Helper()
	return p.load(func(context.Context, *chromedp.Target) (nothing chromedp.Void, err error) {
		Evaluate[bool](p, "("+expression+", true)")
		return nothing, nil
	})
}

// find waits for the only control, of one of the roles, that has the name.
func (p *Page) find(name string, roles ...string) cdp.BackendNodeID {
	p.t.Helper()
	for deadline := time.Now().Add(limit); ; {
		found := p.named(name, roles)
		if len(found) == 1 {
			return found[0]
		}
		if len(found) > 1 || time.Now().After(deadline) {
			p.t.Fatalf("%d of %s named %q\n%s", len(found), strings.Join(roles, ", "), name, p.state())
		}
	}
}

func (p *Page) named(name string, roles []string) (found []cdp.BackendNodeID) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	document, err := chromedp.Call(ctx, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil // the page is changing
	}
	for _, role := range roles {
		query := accessibility.QueryAXTreeParams{BackendNodeID: document.Root.BackendNodeID, AccessibleName: name, Role: role}
		result, err := chromedp.Call(ctx, accessibility.QueryAXTree, query)
		if err != nil {
			return nil
		}
		for _, node := range result.Nodes {
			if !node.Ignored {
				found = append(found, node.BackendDOMNodeID)
			}
		}
	}
	return found
}

// What can be filled in and pressed. A password field has no role of its own, and Chromium calls it a textbox.
var (
	fields  = []string{"textbox", "searchbox", "spinbutton", "combobox", "Date"}
	presses = []string{"button", "link", "checkbox", "radio", "DisclosureTriangle", "tab", "switch"}
)

// Fill puts a text into the field with the label, in place of what is there.
func (p *Page) Fill(label, value string) {
	p.t.Helper()
	node := p.find(label, fields...)
	call(p, dom.Focus, dom.FocusParams{BackendNodeID: node})
	Evaluate[bool](p, `(document.activeElement.select?.(), true)`)
	if value == "" {
		p.Key("Delete")
		return
	}
	call(p, input.InsertText, input.InsertTextParams{Text: value})
}

// Choose picks the option with the text from the list with the label.
func (p *Page) Choose(label, option string) {
	p.t.Helper()
	node := p.find(label, "combobox", "listbox")
	call(p, dom.Focus, dom.FocusParams{BackendNodeID: node})
	name, _ := json.Marshal(option)
	if !Evaluate[bool](p, fmt.Sprintf(`(() => { const list = document.activeElement, at = [...list.options].findIndex(o => o.text.trim() === %s)
		if (at >= 0) { list.selectedIndex = at; list.dispatchEvent(new Event("input", {bubbles: true})); list.dispatchEvent(new Event("change", {bubbles: true})) }
		return at >= 0 })()`, name)) {
		p.t.Fatalf("the list %q has no option %q", label, option)
	}
}

// Upload puts a file into the field with the label, which has none yet.
func (p *Page) Upload(label, file string) {
	p.t.Helper()
	call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, BackendNodeID: p.find(label+": No file chosen", "button")})
}

// Press clicks what has the name, where the page stays: a check box, what opens and closes, what a script answers.
func (p *Page) Press(name string) {
	p.t.Helper()
	p.click(p.find(name, presses...))
}

// Follow clicks the link or button with the name, waits for the page that it leads to, and gives the status of the answer.
func (p *Page) Follow(name string) int {
	p.t.Helper()
	node := p.find(name, "button", "link")
	return p.load(func(context.Context, *chromedp.Target) (nothing chromedp.Void, err error) {
		p.click(node)
		return nothing, nil
	})
}

func (p *Page) click(node cdp.BackendNodeID) {
	p.t.Helper()
	call(p, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node})
	quads := call(p, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node}).Quads
	if len(quads) == 0 {
		p.t.Fatalf("what shall be clicked is not to be seen\n%s", p.state())
	}
	q := quads[0] // four corners
	at := input.DispatchMouseEventParams{X: (q[0] + q[4]) / 2, Y: (q[1] + q[5]) / 2, Button: "left", ClickCount: 1}
	for _, kind := range []input.DispatchMouseEventType{"mousePressed", "mouseReleased"} {
		at.Type = kind
		call(p, input.DispatchMouseEvent, at)
	}
}

// keyCodes are those of keys that do more than write.
var keyCodes = map[string]int64{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "Delete": 46}

// Key presses one of keyCodes.
func (p *Page) Key(name string) {
	p.t.Helper()
	event := input.DispatchKeyEventParams{Type: "rawKeyDown", Key: name, Code: name, WindowsVirtualKeyCode: keyCodes[name]}
	if name == "Enter" {
		event.Type, event.Text = "keyDown", "\r"
	}
	call(p, input.DispatchKeyEvent, event)
	event.Type, event.Text = "keyUp", ""
	call(p, input.DispatchKeyEvent, event)
}

// EnterKey presses Enter, and waits for the page that it leads to.
func (p *Page) EnterKey() int {
	p.t.Helper()
	return p.load(func(context.Context, *chromedp.Target) (nothing chromedp.Void, err error) {
		p.Key("Enter")
		return nothing, nil
	})
}

// Text is all that can be read on the page.
func (p *Page) Text() string { p.t.Helper(); return Evaluate[string](p, `document.body.innerText`) }

// Heading is the page's first heading.
func (p *Page) Heading() string {
	p.t.Helper()
	return Evaluate[string](p, `document.querySelector("h1")?.innerText ?? ""`)
}

// URL is the page's address.
func (p *Page) URL() string { p.t.Helper(); return Evaluate[string](p, `location.href`) }

// WantHeading fails the test unless the page has the heading; it waits for it.
func (p *Page) WantHeading(want string) {
	p.t.Helper()
	for deadline := time.Now().Add(limit); p.Heading() != want; {
		if time.Now().After(deadline) {
			p.t.Fatalf("the heading is not %q\n%s", want, p.state())
		}
	}
}

// WantText fails the test unless the page says a text; it waits for it.
func (p *Page) WantText(want string) {
	p.t.Helper()
	for deadline := time.Now().Add(limit); !strings.Contains(p.Text(), want); {
		if time.Now().After(deadline) {
			p.t.Fatalf("the page does not say %q\n%s", want, p.state())
		}
	}
}

// WantFrame fails the test unless the frame of the name has a document that says a text; it waits for it. The frame may be of no origin.
func (p *Page) WantFrame(name, want string) {
	p.t.Helper()
	said := ""
	for deadline := time.Now().Add(limit); !strings.Contains(said, want); {
		if time.Now().After(deadline) {
			p.t.Fatalf("the frame %s does not say %q, but %q\n%s", name, want, said, p.state())
		}
		said = p.frameText(name)
	}
}

// frameText reads a frame's document from outside, since its own policy lets nothing run in it.
func (p *Page) frameText(name string) string {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	document, err := chromedp.Call(ctx, dom.GetDocument, dom.GetDocumentParams{Depth: new(int64(-1)), Pierce: new(true)})
	if err != nil {
		return "" // the page is changing
	}
	frame := findNode(document.Root, func(n *cdp.Node) bool { return n.NodeName == "IFRAME" && slices.Contains(n.Attributes, name) })
	var text strings.Builder
	if frame != nil {
		findNode(frame.ContentDocument, func(n *cdp.Node) bool {
			text.WriteString(n.NodeValue + " ")
			return false
		})
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

func findNode(n *cdp.Node, is func(*cdp.Node) bool) *cdp.Node {
	if n == nil || is(n) {
		return n
	}
	for _, child := range append(n.Children, n.ContentDocument) {
		if found := findNode(child, is); found != nil {
			return found
		}
	}
	return nil
}

// AddAuthenticator gives the page an authenticator as a laptop has, with passkeys of its own and a user who agrees to everything.
func (p *Page) AddAuthenticator() {
	p.t.Helper()
	call(p, webauthn.Enable, webauthn.EnableParams{})
	call(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Ctap2version: "ctap2_1", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
		AutomaticPresenceSimulation: true,
	}})
}

// state tells what the page looks like, for a test that failed.
func (p *Page) state() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href.replace(/\?.*/, "") + "\n" + document.body.innerText.slice(0, 2000)`))
	return text
}

// note sees what happens in the page: what it weighs, whom it asks, what it complains about.
func (p *Page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventLoadingFinished:
		p.weight += e.EncodedDataLength
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || (u.Scheme != "data" && u.Scheme+"://"+u.Host != p.origin) {
			p.problems = append(p.problems, "a request to another origin: "+e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "an exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			p.problems = append(p.problems, "the console has: "+string(e.Type))
		}
	case *log.EventEntryAdded:
		// A page that answers with an error status says so itself.
		if e.Entry.Level == "error" && (e.Entry.Source != "network" || e.Entry.URL == "" || strings.Contains(e.Entry.URL, "/assets/")) {
			p.problems = append(p.problems, "the console has: "+e.Entry.Text)
		}
	}
}

// AllowOrigin takes back what was noted of requests to an origin that the test means to go to.
func (p *Page) AllowOrigin(origin string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.problems[:0]
	for _, problem := range p.problems {
		if !strings.Contains(problem, origin) {
			kept = append(kept, problem)
		}
	}
	p.problems = kept
}
