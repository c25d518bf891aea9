package auth

import (
	"strings"
	"testing"
)

// TestCallbackAllowed tries the known ways to have a target pass for another one (P13).
func TestCallbackAllowed(t *testing.T) {
	const exact, pattern, app = "https://app.example.com/cb", "https://*.example.com/cb", "com.example.app:/cb"
	for _, tt := range []struct {
		entry, target string
		want          bool
	}{
		{exact, exact, true},
		{exact, exact + "/", false},
		{exact, exact + "?x=1", false},
		{exact, exact + "#", false},
		{exact, exact + "#x", false},
		{exact, exact + "%2f", false},
		{exact, exact + "/../x", false},
		{exact, "https://app.example.com/CB", false},
		{exact, "http://app.example.com/cb", false},
		{exact, "HTTPS://app.example.com/cb", false},
		{exact, "https://APP.example.com/cb", false},
		{exact, "https://app.example.com:443/cb", false},
		{exact, "https://app.example.com./cb", false},
		{exact, "https://app.example.com", false},
		{exact, "https://user@app.example.com/cb", false},
		{exact, "https://app.example.com@evil.net/cb", false},
		{exact, "https://app.example.com:x@evil.net/cb", false},
		{exact, "https://evil.net/https://app.example.com/cb", false},
		{exact, `https://app.example.com\@evil.net/cb`, false},
		{exact, `https:\\app.example.com\cb`, false},
		{exact, "https:/app.example.com/cb", false},
		{exact, "https:app.example.com/cb", false},
		{exact, "//app.example.com/cb", false},
		{exact, "/cb", false},
		{exact, "", false},
		{exact, " " + exact, false},
		{exact, exact + " ", false},
		{exact, exact + "\n", false},
		{exact, "https://app.exam\tple.com/cb", false},
		{exact, "https://app.example.com\x00/cb", false},
		{exact, "https://app.example.com%2Eevil.net/cb", false},
		{exact, "https://app.example.com\u3002evil.net/cb", false},
		{exact, "https://\uff41pp.example.com/cb", false},
		{exact, "javascript:alert(1)", false},
		{exact, "data:text/html,x", false},
		{exact + "?a=b", exact + "?a=b", true},
		{exact + "?a=b", exact + "?a=b&c=d", false},
		{"https://app.example.com:8443/cb", "https://app.example.com:8443/cb", true},
		{"https://app.example.com:8443/cb", "https://app.example.com/cb", false},

		{pattern, "https://a.example.com/cb", true},
		{pattern, "https://a-1.example.com/cb", true},
		{pattern, "https://" + strings.Repeat("a", 63) + ".example.com/cb", true},
		{pattern, "https://" + strings.Repeat("a", 64) + ".example.com/cb", false},
		{pattern, "https://example.com/cb", false},
		{pattern, "https://.example.com/cb", false},
		{pattern, "https://a.b.example.com/cb", false},
		{pattern, "https://*.example.com/cb", false},
		{pattern, "https://a_b.example.com/cb", false},
		{pattern, "https://A.example.com/cb", false},
		{pattern, "https://aexample.com/cb", false},
		{pattern, "https://a.example.com./cb", false},
		{pattern, "https://a.example.com.evil.net/cb", false},
		{pattern, "https://a.example.com:8443/cb", false},
		{pattern, "https://a.example.com/cb/x", false},
		{pattern, "https://a.example.com/cb?x=1", false},
		{pattern, "http://a.example.com/cb", false},
		{pattern, "https://evil.net/.example.com/cb", false},
		{pattern, "https://evil/.example.com/cb", false},
		{pattern, "https://evil?.example.com/cb", false},
		{pattern, "https://evil#.example.com/cb", false},
		{pattern, "https://evil:80.example.com/cb", false},
		{pattern, "https://evil@a.example.com/cb", false},
		{pattern, "https://evil%2F.example.com/cb", false},
		{pattern, `https://evil\.example.com/cb`, false},

		{CallbackLoopback, "http://localhost/", true},
		{CallbackLoopback, "http://localhost:3000/any/path?x=1", true},
		{CallbackLoopback, "https://localhost:3000", true},
		{CallbackLoopback, "http://127.0.0.1:5173/cb", true},
		{CallbackLoopback, "http://127.255.255.254/", true},
		{CallbackLoopback, "http://[::1]:8080/cb", true},
		{CallbackLoopback, "http://localhost.evil.net/", false},
		{CallbackLoopback, "http://localhost./", false},
		{CallbackLoopback, "http://LOCALHOST/", false},
		{CallbackLoopback, "http://localhost@evil.net/", false},
		{CallbackLoopback, "http://localhost:80@evil.net/", false},
		{CallbackLoopback, `http://localhost\@evil.net/`, false},
		{CallbackLoopback, "http://localhost:port/", false},
		{CallbackLoopback, "http://localhost#", false},
		{CallbackLoopback, "http://localhost%2eevil.net/", false},
		{CallbackLoopback, "http://127.0.0.1.evil.net/", false},
		{CallbackLoopback, "http://127.1/", false},
		{CallbackLoopback, "http://2130706433/", false},
		{CallbackLoopback, "http://0x7f.0.0.1/", false},
		{CallbackLoopback, "http://0177.0.0.1/", false},
		{CallbackLoopback, "http://0.0.0.0/", false},
		{CallbackLoopback, "http://128.0.0.1/", false},
		{CallbackLoopback, "http://10.0.0.1/", false},
		{CallbackLoopback, "http://[::]/", false},
		{CallbackLoopback, "http://[::1%25evil.net]/", false},
		{CallbackLoopback, "http://[fe80::1]/", false},
		{CallbackLoopback, "com.example.app://localhost/cb", false},
		{CallbackLoopback, "ftp://localhost/", false},
		{CallbackLoopback, "loopback", false},

		{app, app, true},
		{app, "com.example.app:/cb/", false},
		{app, "com.example.app://cb", false},
		{app, "com.example.app:cb", false},
		{app, "com.example.app.evil:/cb", false},
		{app, "COM.example.app:/cb", false},
		{"com.example.app://host/cb", "com.example.app://host/cb", true},
		{"javascript.x:alert(1)", "javascript.x:alert(1)", false},
		{"myapp:/cb", "myapp:/cb", false},
		{"https://app.example.com/" + strings.Repeat("a", 2100), "https://app.example.com/" + strings.Repeat("a", 2100), false},
	} {
		if got := callbackAllowed([]string{"https://unrelated.example.org/", tt.entry}, tt.target); got != tt.want {
			t.Errorf("%q lets %q: %v, want %v", tt.entry, tt.target, got, tt.want)
		}
	}
	if callbackAllowed(nil, exact) {
		t.Error("an empty list lets a target pass")
	}
}

func TestCheckCallback(t *testing.T) {
	for entry, ok := range map[string]bool{
		"loopback": true, "https://app.example.com/cb": true, "https://app.example.com:8443/cb?a=b": true, "http://localhost:3000/cb": true, "http://127.0.0.1/": true,
		"http://[::1]:8080/": true, "com.example.app:/cb": true, "com.example.app://host/cb": true, "https://*.example.com/cb": true, "https://*.example.com:8443/": true,
		"https://*.preview.example.com": true,

		"": false, "Loopback": false, "*": false, "https://*": false, "https://*/": false, "https://*.": false, "https://*.com": false, "https://*.com/cb": false,
		"https://*.com.": false, "https://*..com/": false, "https://*.com/a.b": false, "https://*.com?a.b": false, "https://*.com/?u=a.b": false, "https://*.com:443/a.b": false,
		"https://*.*.example.com/": false, "https://a.*.example.com/": false, "https://a*.example.com/": false, "https://*.example.com/*": false, "https://app.example.com/*": false,
		"https://app.example.com:*/": false, "http://*.example.com/": false, "com.example.*:/cb": false, "*://app.example.com/": false, "https://*.exa_mple.com/": false,
		"http://app.example.com/cb": false, "http://192.168.1.2/cb": false, "https://App.example.com/cb": false, "https://user@app.example.com/": false,
		"https://app.example.com/#x": false, "https://app.example.com/#": false, "app.example.com/cb": false, "//app.example.com/cb": false, "/cb": false,
		"myapp:/cb": false, "myapp://cb": false, "com.example.app:cb": false, "javascript:alert(1)": false, "data:text/html,x": false, "file:///etc/passwd": false,
		"https://": false, "https:///cb": false, "https://app example.com/": false, `https://app.example.com\cb`: false, "https://\u00e4.example.com/": false,
	} {
		if err := checkCallback(entry); (err == nil) != ok {
			t.Errorf("%q: %v, want good: %v", entry, err, ok)
		}
	}
}

// FuzzCallbackAllowed: whatever passes a list is http(s) or the app's own scheme, names nobody, and leads to a host of the list.
func FuzzCallbackAllowed(f *testing.F) {
	list := []string{"https://app.example.com/cb", "https://*.example.com/cb", "com.example.app:/cb", CallbackLoopback}
	for _, seed := range append(list, "https://a.example.com/cb", "http://localhost:3000/", "https://evil@a.example.com/cb", `http://localhost\@evil.net`) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !callbackAllowed(list, target) {
			return
		}
		u, err := parseCallback(target)
		if err != nil || u.User != nil || strings.ContainsAny(target, "\\#@ \t\r\n\x00") && !isLoopback(u.Hostname()) {
			t.Fatalf("%q passes, %v", target, err)
		}
		host := u.Hostname()
		if u.Scheme != "com.example.app" && !isLoopback(host) && !strings.HasSuffix(host, ".example.com") {
			t.Errorf("%q leads to %q", target, host)
		}
	})
}
