package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// console is a browser without a screen, signed in to the operators' console.
type console struct {
	http *http.Client
	base string
	at   string // URL of the page
	page string
}

// openConsole makes an operator by the forms that a person fills in.
func openConsole(s *server) (*console, error) {
	link, err := s.command(nil, "console", "link")
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &console{http: &http.Client{Jar: jar, Timeout: time.Minute}}
	target, err := url.Parse(strings.TrimSpace(string(link)))
	if err != nil {
		return nil, err
	}
	c.base = "http://" + target.Host
	if err := c.get(target.String()); err != nil {
		return nil, err
	}
	secret := ""
	for _, step := range []struct {
		button string
		fields map[string]string
	}{
		{"Create the account", map[string]string{"name": "Ada", "email": "ada@example.com", "newPassword": "a long passphrase of hers"}},
		{"Set up an authenticator app", nil},
		{"Confirm", map[string]string{"code": "code"}},
		{"I have kept them", nil},
	} {
		if found := regexp.MustCompile(`<code[^>]*>([A-Z2-7 ]{16,})</code>`).FindStringSubmatch(c.page); found != nil {
			secret = strings.ReplaceAll(found[1], " ", "")
		}
		if _, ok := step.fields["code"]; ok {
			if step.fields["code"], err = timeCode(secret, time.Now()); err != nil {
				return nil, err
			}
		}
		if err := c.press(step.button, step.fields); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(c.page, "<h1>Projects</h1>") {
		return nil, fmt.Errorf("the set-up ends at %s:\n%s", c.at, c.page)
	}
	return c, nil
}

// get opens a page, and fails where it is none.
func (c *console) get(target string) error { return c.take(c.http.Get(target)) }

func (c *console) take(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", resp.Request.URL, resp.Status, text)
	}
	c.at, c.page = resp.Request.URL.String(), string(text)
	return err
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	actionPattern = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	inputPattern  = regexp.MustCompile(`<input[^>]*>`)
	buttonPattern = regexp.MustCompile(`(?s)<button[^>]*>`)
	namePattern   = regexp.MustCompile(` name="([^"]*)"`)
	valuePattern  = regexp.MustCompile(` value="([^"]*)"`)
	typePattern   = regexp.MustCompile(` type="([^"]*)"`)
)

// press sends the form that has the button, with the fields filled in by their types: a code goes into the only text field.
func (c *console) press(button string, fields map[string]string) error {
	for _, form := range formPattern.FindAllString(c.page, -1) {
		if !strings.Contains(form, button) {
			continue
		}
		values := url.Values{}
		for _, input := range inputPattern.FindAllString(form, -1) {
			name := first(namePattern, input)
			switch {
			case first(typePattern, input) == "hidden":
				values.Set(name, html.UnescapeString(first(valuePattern, input)))
			case fields["code"] != "":
				values.Set(name, fields["code"])
			default:
				values.Set(name, fields[name])
			}
		}
		for _, b := range buttonPattern.FindAllString(form, -1) {
			if name := first(namePattern, b); name != "" {
				values.Set(name, html.UnescapeString(first(valuePattern, b)))
			}
		}
		action, err := url.Parse(html.UnescapeString(first(actionPattern, form)))
		if err != nil {
			return err
		}
		at, err := url.Parse(c.at)
		if err != nil {
			return err
		}
		request, err := http.NewRequest(http.MethodPost, at.ResolveReference(action).String(), strings.NewReader(values.Encode()))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", c.base)
		return c.take(c.http.Do(request))
	}
	return fmt.Errorf("%s has no button %q:\n%s", c.at, button, c.page)
}

func first(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// timeCode is what an authenticator app shows (RFC 6238).
func timeCode(secret string, now time.Time) (string, error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, now.Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000), nil
}

// opening is how long a page takes: the middle and the longest of some times.
func (c *console) opening(path string, times int) (middle, longest time.Duration, err error) {
	var took []time.Duration
	for range times {
		began := time.Now()
		if err := c.get(c.base + path); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)-1], nil
}
