package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	starts       = 5
	pageOpenings = 11
	idleBefore   = 3 * time.Second
)

// measureSmall shows what Doorward takes of a machine before anybody does anything: size, start, memory at rest, pages.
func measureSmall(t *site, r *report) error {
	info, err := os.Stat(t.binary)
	if err != nil {
		return err
	}
	var again []time.Duration
	for range starts {
		took, err := t.restart()
		if err != nil {
			return err
		}
		again = append(again, took)
	}
	slices.Sort(again)
	time.Sleep(idleBefore)
	idle, _ := t.memory()
	r.line("\n| small | wanted | measured |\n|---|---|---|")
	r.below("the stripped binary", 40, megabytes(info.Size()), "MB")
	r.below("memory at rest", 40, megabytes(idle), "MB")
	r.longest("start, as long as until it answers", 150*time.Millisecond, again[len(again)/2])
	r.line("| the first start, which makes keys and schema | | %s |", shown(t.firstStart))
	return measurePages(t, r)
}

// restart ends the server and starts it again.
func (t *site) restart() (took time.Duration, err error) {
	if err := t.stop(); err != nil {
		return 0, err
	}
	if took, err = t.start(); err != nil {
		return 0, err
	}
	t.client.close()
	t.client = newClient(t.address, t.client.source)
	return took, nil
}

var linkPattern = regexp.MustCompile(`<a [^>]*href="([^"]*)"`)

// measurePages opens every page that links of the console and of the hosted pages lead to, several times each.
func measurePages(t *site, r *report) error {
	c, err := openConsole(t.server)
	if err != nil {
		return err
	}
	waiting := []string{"/console", "/" + projectRS256 + "/sign-in", "/" + projectRS256 + "/sign-up", "/" + projectRS256 + "/forgot-password", "/" + projectRS256 + "/docs"}
	seen := map[string]bool{}
	var slowest string
	var longest time.Duration
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if seen[kindOfPage(path)] || !isPage(c.http, c.base+path) {
			continue
		}
		seen[kindOfPage(path)] = true
		middle, _, err := c.opening(path, pageOpenings)
		if err != nil {
			return err
		}
		if middle > longest {
			longest, slowest = middle, path
		}
		for _, found := range linkPattern.FindAllStringSubmatch(c.page, -1) {
			if link := c.local(html.UnescapeString(found[1])); link != "" {
				waiting = append(waiting, link)
			}
		}
	}
	if len(seen) < 20 {
		return fmt.Errorf("only %d pages were found", len(seen))
	}
	r.longest(fmt.Sprintf("the slowest of %d pages, %s", len(seen), slowest), 50*time.Millisecond, longest)
	return nil
}

var idPattern = regexp.MustCompile(`[^/]{20,}`)

// kindOfPage takes pages that differ by a query or an id alone as one.
func kindOfPage(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return idPattern.ReplaceAllString(path, "{id}")
}

// local gives the path and query of a link to the same server; "" for every other one.
func (c *console) local(link string) string {
	at, err := url.Parse(c.at)
	if err != nil {
		return ""
	}
	to, err := at.Parse(link)
	if err != nil || to.Host != at.Host {
		return ""
	}
	return to.RequestURI()
}

// isPage tells pages from what can be downloaded.
func isPage(client *http.Client, target string) bool {
	resp, err := client.Get(target)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
}
