package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// recorder takes what a check finds, where a test wants it to find something.
type recorder struct {
	testing.TB
	mu    sync.Mutex
	found []string
}

func (r *recorder) Helper() {}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

const goodPage = `<!doctype html><html lang="en" dir="ltr"><head><meta name="viewport" content="width=device-width"><title>Good</title></head>
<body><main><h1>Good</h1><form method="post" action="/done"><p><label for="a">Name</label> <input id="a" name="a"></p><p><button>Send</button></p></form></main></body></html>`

// TestCheckFinds: a good page passes, and each fault is found.
func TestCheckFinds(t *testing.T) {
	faults := map[string]struct{ old, new, want string }{
		"good":         {"", "", ""},
		"unlabelled":   {`<label for="a">Name</label>`, "Name", "axe: label"},
		"unreadable":   {"<body>", `<body><p style="color:#999;background:#aaa">This is hard to read.</p>`, "axe: color-contrast"},
		"no language":  {`lang="en"`, "", "axe: html-has-lang"},
		"too wide":     {"<h1>", `<div style="inline-size:400px">x</div><h1>`, "too wide"},
		"heavy":        {"</main>", "<p>" + strings.Repeat("heavy ", 20_000) + "</p></main>", "the page weighs"},
		"elsewhere":    {"</main>", `<img alt="x" src="http://127.0.0.1:1/x.png"></main>`, "another origin"},
		"no focus":     {"<head>", "<head><style>input{outline:none!important}</style>", "has the focus"},
		"unreachable":  {"<button>", `<button onfocus="this.blur()">`, "does not reach"},
		"complaint":    {"</main>", `</main><script>console.error("x")</script>`, "the console has"},
		"exception":    {"</main>", `</main><script>nothing.there</script>`, "an exception"},
		"layout shift": {"</main>", `</main><script>requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => { document.querySelector("main").style.marginTop = "200px"; window.moved = true })))</script>`, "the layout shifts"},
	}
	var mux http.ServeMux
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault := faults[r.URL.Query().Get("fault")]
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/done" {
			fmt.Fprintf(w, "<!doctype html><title>Done</title><h1>Hello %s</h1>", r.FormValue("a"))
			return
		}
		fmt.Fprint(w, strings.Replace(goodPage, fault.old, fault.new, 1))
	})
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(&mux)
	defer server.Close()
	b, err := Start("../js/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; `npm ci` in e2e/js installs axe-core, and the tests of e2e do that", err)
	}
	defer b.Close()

	for name, fault := range faults {
		r := &recorder{TB: t}
		page := b.Open(r, server.URL, "")
		page.Visit("/?fault=" + strings.ReplaceAll(name, " ", "+"))
		if name == "layout shift" {
			Evaluate[bool](page, `new Promise(done => { const look = () => window.moved ? done(true) : requestAnimationFrame(look); look() })`)
		}
		page.Check()
		all := strings.Join(r.found, "\n")
		if (fault.want == "") != (all == "") || !strings.Contains(all, fault.want) {
			t.Errorf("%s: want %q, found:\n%s", name, fault.want, all)
		}
	}

	page := b.Open(t, server.URL, "")
	page.Visit("/")
	page.Fill("Name", "Ada")
	page.Fill("Name", "Grace")
	if status := page.Follow("Send"); status != 200 || page.Heading() != "Hello Grace" {
		t.Errorf("%d %q", status, page.Heading())
	}
}
