package certs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
	"github.com/miekg/dns"
)

// DNS puts the proofs of DNS-01 (RFC 8555 section 8.4) into a zone and takes them away again.
type DNS interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// recordTTL is how long resolvers may keep a proof.
const recordTTL = time.Minute

var tsigAlgorithms = map[string]string{"hmac-sha256": dns.HmacSHA256, "hmac-sha384": dns.HmacSHA384, "hmac-sha512": dns.HmacSHA512}

var errDNSForm = errors.New("it is neither rfc2136://KEY:SECRET@HOST:53 nor acme-dns://USER:PASSWORD@HOST?subdomain=…; special characters are percent-encoded")

// ParseDNS reads where proofs are put:
//
//	rfc2136://KEYNAME:SECRET@HOST:PORT?algorithm=hmac-sha256     dynamic updates (RFC 2136) signed with TSIG (RFC 8945); SECRET is base64
//	acme-dns://USER:PASSWORD@HOST:PORT?subdomain=SUBDOMAIN       an acme-dns server over HTTPS, that CNAMEs lead to; acme-dns+http:// only on this machine
//
// An error holds nothing of the text (P44).
func ParseDNS(text string) (DNS, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User == nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return nil, errDNSForm
	}
	switch u.Scheme {
	case "rfc2136":
		return parseRFC2136(u)
	case "acme-dns", "acme-dns+http":
		return parseACMEDNS(u)
	}
	return nil, errDNSForm
}

func parseRFC2136(u *url.URL) (DNS, error) {
	secret, _ := u.User.Password()
	if key, err := base64.StdEncoding.DecodeString(secret); err != nil || len(key) < 16 {
		return nil, errors.New("the secret of its key is not base64 of 16 bytes or more; in a URL / is %2F, + is %2B and = is %3D")
	}
	name := u.Query().Get("algorithm")
	if name == "" {
		name = "hmac-sha256"
	}
	algorithm, ok := tsigAlgorithms[name]
	if !ok {
		return nil, errors.New("its algorithm is none of hmac-sha256, hmac-sha384 and hmac-sha512")
	}
	if u.User.Username() == "" {
		return nil, errors.New("it names no key")
	}
	port := u.Port()
	if port == "" {
		port = "53"
	}
	return &rfc2136.Provider{KeyName: u.User.Username(), Key: secret, KeyAlg: algorithm, Server: net.JoinHostPort(u.Hostname(), port)}, nil
}

// acmeDNS is an account at an acme-dns server, which holds the last two proofs.
type acmeDNS struct {
	url, user, password, subdomain string
	client                         *http.Client
}

func parseACMEDNS(u *url.URL) (DNS, error) {
	password, _ := u.User.Password()
	a := &acmeDNS{user: u.User.Username(), password: password, subdomain: u.Query().Get("subdomain")}
	if a.user == "" || a.password == "" || a.subdomain == "" {
		return nil, errors.New("it lacks one of the account's user, password and subdomain")
	}
	scheme := "https"
	if u.Scheme == "acme-dns+http" {
		if !isLoopback(u.Hostname()) {
			return nil, errors.New("without TLS the password would travel in clear text; use acme-dns://")
		}
		scheme = "http"
	}
	a.url = scheme + "://" + u.Host + "/update"
	a.client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return a, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// AppendRecords puts the values of TXT records to the account, whatever their names: CNAMEs lead there.
func (a *acmeDNS) AppendRecords(ctx context.Context, _ string, records []libdns.Record) ([]libdns.Record, error) {
	for _, record := range records {
		if rr := record.RR(); rr.Type != "TXT" {
			return nil, fmt.Errorf("acme-dns takes no %s records", rr.Type)
		}
		if err := a.update(ctx, record.RR().Data); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (a *acmeDNS) update(ctx context.Context, value string) error {
	body, err := json.Marshal(map[string]string{"subdomain": a.subdomain, "txt": value})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-User", a.user)
	req.Header.Set("X-Api-Key", a.password)
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("acme-dns: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("acme-dns: the update was answered with %s", resp.Status)
	}
	return nil
}

// DeleteRecords leaves them: later ones take their place.
func (a *acmeDNS) DeleteRecords(_ context.Context, _ string, records []libdns.Record) ([]libdns.Record, error) {
	return records, nil
}
