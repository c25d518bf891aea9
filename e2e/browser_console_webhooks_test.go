package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/browser"
)

// TestBrowserConsoleWebhooks: an operator adds a webhook, whose secret is shown once and signs, tests it, and sees and repeats what went wrong.
func TestBrowserConsoleWebhooks(t *testing.T) {
	t.Parallel()
	p, h := newProject(t), newHookReceiver(t)
	page, _ := consolePage(t, p.srv)
	room := "/console/projects/" + p.id + "/webhooks"
	shownSecret := func() string {
		t.Helper()
		page.WantText("This is shown once.")
		return regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`).FindString(page.Text())
	}
	page.Visit(room)
	page.Check()
	page.Follow("Add a webhook")
	page.Check()
	page.Fill("URL", h.URL+"/hook")
	if status := page.Follow("Add"); status != 422 {
		t.Errorf("plain http: status %d", status)
	}
	page.WantText("The URL is not https")
	page.Check()
	page.Fill("Hosts that may be private, or over plain http", "127.0.0.1")
	page.Press("user.signed_in a session began")
	page.Follow("Add")
	first := shownSecret()
	h.signsWith(first)
	page.Check()
	page.Follow("Go to the webhook")
	page.WantText("There are no deliveries.")
	page.Follow("Send a test")
	page.WantText("the receiver answered with status 204")
	h.wait(t, "webhook.test", 1, time.Second)
	page.Check()
	page.Follow("Make another secret")
	h.signsWith(shownSecret(), first)
	page.Follow("Go to the webhook")

	h.answers(func(_ hookRequest, w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) })
	p.signUp(t)
	h.wait(t, "user.created", 1, 10*time.Second)
	eventually(t, 10*time.Second, func() error { return saying(page, room, h, "418") })
	page.Check()
	page.Screenshot("console-webhook")
	h.answers(nil)
	name := browser.Evaluate[string](page, `document.querySelector("button[value=retry]").ariaLabel`)
	page.Follow(name)
	page.WantText("The event is sent again at once.")
	h.wait(t, "user.created", 2, 10*time.Second)
	eventually(t, 10*time.Second, func() error { return saying(page, room, h, "Delivered") })
	for _, r := range h.got {
		if r.event == "user.signed_in" {
			t.Error("an event was told that was not chosen")
		}
	}

	page.Visit(room + "/new?kind=blocking")
	page.WantHeading("Add the blocking hook")
	page.Fill("URL", "https://gate.example.com/ask")
	page.Fill("Deadline for the whole answer", "1s")
	page.Check()
	page.Screenshot("console-webhook-new")
	page.Follow("Add")
	shownSecret()
	page.Follow("Go to the webhook")
	page.WantHeading("Blocking hook")
	page.Check()
	page.Press("Delete this webhook")
	page.Follow("Delete the webhook")
	page.WantText("The webhook was deleted")
	if strings.Contains(page.Text(), "gate.example.com") {
		t.Error("it is still there")
	}
	page.Check()
	page.Screenshot("console-webhooks")
}

// saying opens the page of the receiver's webhook, and fails unless it says the text.
func saying(page *browser.Page, room string, h *hookReceiver, want string) error {
	page.Visit(room)
	page.Follow(h.URL + "/hook")
	if said := page.Text(); !strings.Contains(said, want) {
		return fmt.Errorf("the page does not say %q:\n%s", want, said)
	}
	return nil
}
