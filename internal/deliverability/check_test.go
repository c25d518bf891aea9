package deliverability

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// zone answers from a map of names to records, as "TXT …" or "MX …"; "fail" is SERVFAIL.
type zone map[string][]string

func (z zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))
	records, there := z[name]
	if !there {
		m.Rcode = dns.RcodeNameError
	}
	for _, record := range records {
		kind, value, _ := strings.Cut(record, " ")
		header := dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET, Ttl: 60, Rrtype: dns.StringToType[kind]}
		switch {
		case kind == "fail":
			m.Rcode = dns.RcodeServerFailure
		case header.Rrtype != q.Question[0].Qtype:
		case kind == "MX":
			header.Rrtype = dns.TypeMX
			m.Answer = append(m.Answer, &dns.MX{Hdr: header, Preference: 10, Mx: value})
		default:
			var parts []string // a TXT record is made of strings of at most 255 bytes
			for len(value) > 255 {
				parts, value = append(parts, value[:255]), value[255:]
			}
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: append(parts, value)})
		}
	}
	_ = w.WriteMsg(m)
}

// resolver asks a real DNS server of the zone.
func (z zone) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: z}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { listener.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}}
}

func rsaRecord(t *testing.T, bits int) string {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "TXT v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func TestCheck(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	z := zone{
		"good.example": {"TXT v=spf1 mx ip4:192.0.2.0/24 ip6:2001:db8::1 include:_spf.good.example -all", "TXT something else", "MX mail.good.example."}, "_spf.good.example": {"TXT v=spf1 a ~all"},
		"key._domainkey.good.example": {rsaRecord(t, 2048)}, "_dmarc.good.example": {"TXT v=DMARC1; p=reject; rua=mailto:a@good.example"},

		"sub.good.example": {"TXT V=SPF1 redirect=_spf.good.example"},

		"soft.example": {"TXT v=spf1 ?all", "MX ."}, "default._domainkey.soft.example": {rsaRecord(t, 1024)}, "_dmarc.soft.example": {"TXT v=DMARC1; p=none"},
		"open.example": {"TXT v=spf1 +all"}, "key._domainkey.open.example": {rsaRecord(t, 512)}, "_dmarc.open.example": {"TXT v=DMARC1; p=reject; pct=5"},
		"twice.example": {"TXT v=spf1 -all", "TXT v=spf1 ~all"}, "key._domainkey.twice.example": {"TXT p=", "TXT p="}, "_dmarc.twice.example": {"TXT v=DMARC1; p=none", "TXT v=DMARC1; p=none"},
		"loop.example": {"TXT v=spf1 include:loop.example -all"}, "key._domainkey.loop.example": {"TXT v=DKIM1; p="}, "_dmarc.loop.example": {"TXT v=DMARC1; rua=mailto:a@b.example"},
		"broken.example": {"TXT v=spf1 ipv4:192.0.2.1 -all"}, "key._domainkey.broken.example": {"TXT v=DKIM1; p=!"}, "_dmarc.broken.example": {"TXT v=DMARC1; p"},
		"network.example": {"TXT v=spf1 ip4:2001:db8::1 -all"}, "key._domainkey.network.example": {"TXT v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)},
		"_dmarc.network.example": {"TXT v=DMARC1; p=quarantine; adkim=s"},
		"dangling.example":       {"TXT v=spf1 include:nowhere.example -all"}, "key._domainkey.dangling.example": {"TXT hello"},
		"fails.example": {"fail"}, "key._domainkey.fails.example": {"fail"}, "_dmarc.fails.example": {"fail"},
		"many.example": {"TXT v=spf1 " + strings.Repeat("a mx ", 6) + "-all"},
	}
	r := z.resolver(t)
	for _, c := range []struct {
		domain, selector     string
		spf, dkim, dmarc, mx State
		says                 string
	}{
		{"good.example", "key", OK, OK, OK, OK, "an RSA key of 2048 bits"},
		{"GOOD.example.", "key", OK, OK, OK, OK, ""},
		{"sub.good.example", "key", OK, Bad, OK, Warn, "_dmarc.good.example"},
		{"soft.example", "", Warn, Warn, Warn, Warn, "null MX"},
		{"open.example", "key", Bad, Bad, Warn, Warn, "an RSA key of 512 bits"},
		{"twice.example", "key", Bad, Bad, Bad, Warn, "2 SPF records"},
		{"loop.example", "key", Bad, Bad, Bad, Warn, "more than 10 lookups"},
		{"broken.example", "key", Bad, Bad, Bad, Warn, "no mechanism of SPF"},
		{"network.example", "key", Bad, Warn, OK, Warn, "is no network"},
		{"dangling.example", "key", Bad, Bad, Bad, Warn, "nowhere.example has no SPF record"},
		{"fails.example", "key", Warn, Warn, Warn, Warn, "did not answer"},
		{"many.example", "key", Bad, Bad, Bad, Warn, "more than 10 lookups"},
		{"nothing.example", "", Bad, Warn, Bad, Warn, "mailDkimSelectors"},
	} {
		var selectors []string
		if c.selector != "" {
			selectors = []string{c.selector}
		}
		got := map[string]State{}
		findings := Check(t.Context(), r, c.domain, selectors)
		for _, f := range findings {
			got[f.Check] = f.State
			if f.Found == "" || (f.State == Bad && f.Advice == "") {
				t.Errorf("%s: %+v", c.domain, f)
			}
		}
		want := map[string]State{"spf": c.spf, "dkim": c.dkim, "dmarc": c.dmarc, "mx": c.mx}
		if fmt.Sprint(got) != fmt.Sprint(want) || !strings.Contains(fmt.Sprint(findings), c.says) {
			t.Errorf("%s: %v, want %v and %q in %+v", c.domain, got, want, c.says, findings)
		}
	}
}

// TestHostileText: what a stranger's DNS says is shown in one short line.
func TestHostileText(t *testing.T) {
	r := zone{"a.example": {"TXT v=spf1 include:\x1b[31m -all"}, "_dmarc.a.example": {"TXT v=DMARC1; p=reject; x=" + strings.Repeat("y", 2000)}}.resolver(t)
	for _, f := range Check(t.Context(), r, "a.example", []string{"key"}) {
		if len(f.Found)+len(f.Advice) > 3*maxFound || strings.ContainsFunc(f.Found+f.Advice, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%+v", f)
		}
	}
}
