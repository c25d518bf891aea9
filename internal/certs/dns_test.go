package certs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
)

func TestParseDNS(t *testing.T) {
	const secret = "c2l4dGVlbi1vci1tb3JlLWJ5dGVzLW9mLWtleQ%3D%3D"
	parsed, err := ParseDNS("rfc2136://key:" + secret + "@ns.example.com?algorithm=hmac-sha512")
	if p, ok := parsed.(*rfc2136.Provider); err != nil || !ok || p.Server != "ns.example.com:53" || p.KeyName != "key" || p.KeyAlg != "hmac-sha512." || !strings.HasSuffix(p.Key, "==") {
		t.Errorf("%+v, %v", parsed, err)
	}
	parsed, err = ParseDNS("acme-dns://user:hush@auth.example.org:8443?subdomain=sub")
	if a, ok := parsed.(*acmeDNS); err != nil || !ok || a.url != "https://auth.example.org:8443/update" || a.user != "user" || a.password != "hush" || a.subdomain != "sub" {
		t.Errorf("%+v, %v", parsed, err)
	}
	for _, text := range []string{
		"", "cloudflare://token@x", "rfc2136://ns.example.com", "rfc2136://key:hushhush@ns.example.com", "rfc2136://key:hush+/==@ns.example.com", "rfc2136://key:" + secret + "@ns?algorithm=hmac-md5",
		"rfc2136://:" + secret + "@ns", "acme-dns://user:hush@auth.example.org", "acme-dns://user@auth.example.org?subdomain=s", "acme-dns+http://user:hush@auth.example.org?subdomain=s",
		"acme-dns://user:hush@auth.example.org/path?subdomain=s", "acme-dns://user:hush@%zz",
	} {
		if _, err := ParseDNS(text); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestACMEDNS(t *testing.T) {
	status, seen := http.StatusOK, map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&seen); err != nil {
			t.Error(err)
		}
		seen["request"] = r.Method + " " + r.URL.Path + " " + r.Header.Get("X-Api-User") + " " + r.Header.Get("X-Api-Key")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	provider, err := ParseDNS("acme-dns+http://user:hush@" + strings.TrimPrefix(server.URL, "http://") + "?subdomain=sub")
	if err != nil {
		t.Fatal(err)
	}
	records := []libdns.Record{libdns.RR{Name: "_acme-challenge", Type: "TXT", Data: "proof"}}
	if got, err := provider.AppendRecords(t.Context(), "example.com.", records); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if seen["request"] != "POST /update user hush" || seen["subdomain"] != "sub" || seen["txt"] != "proof" {
		t.Errorf("sent %v", seen)
	}
	if _, err := provider.DeleteRecords(t.Context(), "example.com.", records); err != nil {
		t.Error(err)
	}
	for _, status = range []int{http.StatusUnauthorized, http.StatusTemporaryRedirect} {
		if _, err := provider.AppendRecords(t.Context(), "example.com.", records); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if _, err := provider.AppendRecords(t.Context(), "example.com.", []libdns.Record{libdns.RR{Type: "A", Data: "192.0.2.1"}}); err == nil {
		t.Error("it takes an A record")
	}
}
