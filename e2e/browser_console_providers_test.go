package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/browser"
)

// signInAtDexPage fills in what Dex asks, in the browser that was sent there.
func signInAtDexPage(t *testing.T, page *browser.Page, d *dex, u dexUser) {
	t.Helper()
	at := func(path, field string) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			if u := page.URL(); !strings.HasPrefix(u, d.issuer+path) || !browser.Evaluate[bool](page, `document.readyState === "complete" && !!document.querySelector("[name=`+field+`]")`) {
				return fmt.Errorf("the browser is at %s", u)
			}
			return nil
		})
	}
	login, _ := json.Marshal([]string{u.email, dexPassword})
	at("/auth/local", "login")
	browser.Evaluate[bool](page, fmt.Sprintf(`(() => { const said = %s
		document.querySelector("[name=login]").value = said[0]; document.querySelector("[name=password]").value = said[1]
		document.querySelector("form").submit(); return true })()`, login))
	at("/approval", "approval")
	page.Load(`[...document.forms].find(f => f.querySelector("[name=approval][value=approve]")).submit()`)
}

// TestBrowserConsoleProviders: an operator configures a provider, checks it, tries it without any trace, and then users sign in through it.
func TestBrowserConsoleProviders(t *testing.T) {
	t.Parallel()
	p, d := hosted(t), sharedDex(t)
	page, _ := consolePage(t, p.srv)
	room := "/console/projects/" + p.id
	page.Visit(room + "/sign-in-methods")
	page.Check()
	page.Screenshot("console-sign-in-methods")
	page.Fill("Any other OpenID Connect issuer", "dex")
	page.Follow("Go on")
	page.WantHeading("dex")
	page.WantText(p.srv.publicURL + room + "/provider-callback")
	page.Check()
	page.Fill("Issuer", d.issuer)
	page.Fill("Client id", dexPagesClientID)
	page.Fill("Client secret", d.secret)
	if status := page.Follow("Save"); status != 422 {
		t.Errorf("a host that nobody allowed: status %d", status)
	}
	page.WantText("an operator must allow its host first")
	page.Check()
	page.Fill("Client secret", d.secret)
	page.Fill("Hosts that may be private, or over plain http", "127.0.0.1")
	page.Follow("Save")
	page.WantText("The provider was saved.")
	page.Follow("Check")
	page.WantText("nothing wrong")
	page.Check()
	page.Screenshot("console-provider")

	u := newDexUser(t, true)
	page.Follow("Try it")
	signInAtDexPage(t, page, d, u)
	page.WantHeading("What came back from dex")
	page.AllowOrigin(d.issuer[:strings.LastIndex(d.issuer, "/")])
	page.WantText("a new user would be made")
	page.WantText(u.email + " Verified")
	page.WantText("email_verified")
	page.Check()
	page.Screenshot("console-provider-trial")
	page.Visit(room)
	page.WantText("0\nusers")
	page.Visit(room + "/sign-in-methods")
	page.Follow("Check all")
	page.WantText("Works")
	page.Check()

	visitor := openBrowser(t, p.srv, "")
	visitor.Visit("/" + p.id + "/sign-in")
	visitor.Follow("Continue with dex")
	signInAtDexPage(t, visitor, d, u)
	eventually(t, 30*time.Second, func() error {
		if at := visitor.URL(); !strings.HasPrefix(at, p.srv.publicURL+"/"+p.id+"/") || strings.Contains(at, "callback") {
			return fmt.Errorf("the user is at %s", at)
		}
		return nil
	})
	page.Visit(room)
	page.WantText("1\nusers")
}
