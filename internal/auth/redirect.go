package auth

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// CallbackLoopback is the entry of callbackURLs that stands for every http and https URL of this machine: RFC 8252 section 7.3 leaves the port to the app.
const CallbackLoopback = "loopback"

var appSchemePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(\.[a-z0-9-]+)+$`) // RFC 8252 section 7.1: a name in reverse, so with a dot

// parseCallback is the one strict parse of a redirect target (P13): an absolute http or https URL, or one of an app's own scheme.
func parseCallback(s string) (*url.URL, error) {
	if s == "" || len(s) > 2048 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f || r > 0x7e }) {
		return nil, fmt.Errorf("not a plain absolute URL")
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Fragment != "" || strings.Contains(s, "#") || u.Opaque != "" {
		return nil, fmt.Errorf("not an absolute URL without user and fragment")
	}
	switch {
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Hostname() == "" || u.Host != strings.ToLower(u.Host) {
			return nil, fmt.Errorf("its host is missing or not in lower case")
		}
	case !appSchemePattern.MatchString(u.Scheme):
		return nil, fmt.Errorf("its scheme is not http, https, or an app's own such as com.example.app")
	}
	return u, nil
}

// checkCallback checks an entry of callbackURLs.
func checkCallback(entry string) error {
	if entry == CallbackLoopback {
		return nil
	}
	rest, pattern := strings.CutPrefix(entry, "https://*.")
	plain := entry
	if pattern {
		plain = "https://label." + rest
	}
	u, err := parseCallback(plain)
	if err != nil {
		return fmt.Errorf("%q is %w", clip(entry, 60), err)
	}
	if pattern && !isDomainBelow("label.", u.Hostname()) {
		return fmt.Errorf("%q: a * stands for one label, before a domain of at least two", clip(entry, 60))
	}
	if strings.Contains(plain, "*") {
		return fmt.Errorf("%q: a * may only be the first label of an https host", clip(entry, 60))
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("%q: plain http is only for this machine", clip(entry, 60))
	}
	return nil
}

// callbackAllowed tells whether a redirect target is on the project's list.
func callbackAllowed(list []string, target string) bool {
	u, err := parseCallback(target)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(entry string) bool {
		if entry == CallbackLoopback {
			return (u.Scheme == "http" || u.Scheme == "https") && isLoopback(u.Hostname())
		}
		if rest, ok := strings.CutPrefix(entry, "https://*."); ok {
			label, tail, ok := strings.Cut(strings.TrimPrefix(target, "https://"), ".")
			return strings.HasPrefix(target, "https://") && ok && isLabel(label) && tail == rest
		}
		return entry == target
	})
}

// isDomainBelow tells whether host is the first label and after it a domain name of at least two: read from the parsed host, since in the text a dot may be the query's.
func isDomainBelow(first, host string) bool {
	labels := strings.Split(strings.TrimPrefix(host, first), ".")
	return len(labels) >= 2 && !slices.ContainsFunc(labels, func(label string) bool { return !isLabel(label) })
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.IsLoopback()
}

func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
