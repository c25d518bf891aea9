package web

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientIP(t *testing.T) {
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "203.0.113.5:1234", nil, "203.0.113.5"},
		{"direct, forged header", "203.0.113.5:1234", []string{"1.2.3.4"}, "203.0.113.5"},
		{"direct IPv6", "[2001:db8::5]:1234", nil, "2001:db8::5"},
		{"direct, zone", "[fe80::5%eth0]:1234", nil, "fe80::5"},
		{"direct, mapped", "[::ffff:203.0.113.5]:1", nil, "203.0.113.5"},
		{"proxy", "10.0.0.1:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"proxy, mapped peer", "[::ffff:10.0.0.1]:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"proxy without header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"proxy, forged first entry", "10.0.0.1:1", []string{"1.2.3.4, 203.0.113.5"}, "203.0.113.5"},
		{"proxy, forged first header", "10.0.0.1:1", []string{"1.2.3.4", "203.0.113.5"}, "203.0.113.5"},
		{"proxy, forged garbage", "10.0.0.1:1", []string{"<script>, 203.0.113.5"}, "203.0.113.5"},
		{"two proxies", "10.0.0.1:1", []string{"1.2.3.4, 203.0.113.5, 10.9.9.9, 2001:db8:1::1"}, "203.0.113.5"},
		{"only proxies", "10.0.0.1:1", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
		{"proxy, garbage", "10.0.0.1:1", []string{"203.0.113.5, unknown"}, "10.0.0.1"},
		{"proxy, garbage behind a proxy", "10.0.0.1:1", []string{"203.0.113.5, x, 10.2.2.2"}, "10.0.0.1"},
		{"proxy, empty", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"proxy, port", "10.0.0.1:1", []string{"203.0.113.5:999"}, "203.0.113.5"},
		{"proxy, IPv6", "10.0.0.1:1", []string{" 2001:db8::9 "}, "2001:db8::9"},
		{"proxy, IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"proxy, IPv6 and port", "10.0.0.1:1", []string{"[2001:db8::9]:1"}, "2001:db8::9"},
		{"proxy, half a bracket", "10.0.0.1:1", []string{"[203.0.113.5"}, "10.0.0.1"},
		{"proxy, mapped", "10.0.0.1:1", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		{"proxy, leading zeros", "10.0.0.1:1", []string{"203.0.113.05"}, "10.0.0.1"},
		{"single address", "192.0.2.7:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"next to the single address", "192.0.2.8:1", []string{"203.0.113.5"}, "192.0.2.8"},
		{"mapped network", "198.51.100.77:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"Unix socket", "@", []string{"203.0.113.5"}, "invalid IP"},
	}
	proxies, err := ParseProxies([]string{"10.1.2.3/8", "2001:db8:1::/48", " 192.0.2.7", "::ffff:198.51.100.0/120"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			r.Header["X-Forwarded-For"] = test.forwarded
			if got := proxies.ClientIP(r).String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			var inContext netip.Addr
			proxies.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inContext = ClientAddr(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			if inContext.String() != test.want {
				t.Errorf("context: got %s, want %s", inContext, test.want)
			}
		})
	}
}

func TestScheme(t *testing.T) {
	tests := []struct {
		name, peer string
		tls        bool
		forwarded  []string
		want       string
	}{
		{"direct", "203.0.113.5:1", false, nil, "http"},
		{"direct TLS", "203.0.113.5:1", true, nil, "https"},
		{"direct, forged", "203.0.113.5:1", false, []string{"https"}, "http"},
		{"direct TLS, forged", "203.0.113.5:1", true, []string{"http"}, "https"},
		{"proxy", "10.0.0.1:1", false, []string{"HTTPS"}, "https"},
		{"proxy over TLS", "10.0.0.1:1", true, []string{"http"}, "http"},
		{"proxy without header", "10.0.0.1:1", false, nil, "http"},
		{"proxy, garbage", "10.0.0.1:1", true, []string{"javascript"}, "https"},
		{"proxy, forged first", "10.0.0.1:1", false, []string{"https, http"}, "http"},
		{"proxy, forged first header", "10.0.0.1:1", false, []string{"https", "http"}, "http"},
	}
	proxies, err := ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			r.Header["X-Forwarded-Proto"] = test.forwarded
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if got := proxies.Scheme(r); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, network := range []string{"", "x", "10.0.0.0/33", "10.0.0", "::ffff:10.0.0.0/90", "10.0.0.0/8,::1"} {
		if got, err := ParseProxies([]string{"::1", network}); err == nil {
			t.Errorf("%q: got %v", network, got)
		}
	}
}

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"203.0.113.5":             "203.0.113.5",
		"::ffff:203.0.113.5":      "203.0.113.5",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":    "2001:db8:1:2::/64",
		"2001:db8:1:3::1":         "2001:db8:1:3::/64",
		"fe80::1:2:3:4%interface": "fe80::/64",
	} {
		if got := Source(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if got := Source(netip.Addr{}); got != "unknown" {
		t.Errorf("no address: got %s", got)
	}
}
