package deliverability

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// State says how good something is.
type State string

// The states. Bad makes mails bounce or land in the spam folder; Warn may.
const (
	OK   State = "ok"
	Warn State = "warn"
	Bad  State = "bad"
)

// Finding is what was seen at one name.
type Finding struct {
	Check  string // spf, dkim, dmarc or mx
	Name   string // in the DNS
	State  State
	Found  string // what is published, or what is wrong with it
	Advice string // what to publish; "" where all is well
}

// Resolver is the part of *net.Resolver that is asked.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

const (
	timeout       = 15 * time.Second
	maxFound      = 500 // bytes of what others published that are repeated
	maxSelectors  = 20
	unansweredFor = "the DNS did not answer; try again"
)

// Check looks at the domain of a sender, which is in the From and the envelope of its mails. selectors name its DKIM keys; without any, usual ones are tried. It takes no
// longer than 15 seconds.
func Check(ctx context.Context, r Resolver, domain string, selectors []string) []Finding {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := checker{resolver: r, domain: strings.ToLower(strings.TrimSuffix(domain, "."))}
	findings := []Finding{c.spf(ctx)}
	findings = append(findings, c.dkim(ctx, selectors)...)
	return append(findings, c.dmarc(ctx), c.mx(ctx))
}

type checker struct {
	resolver Resolver
	domain   string
}

// records gives the TXT records of a name that are of a version, as v=spf1; none where the name does not exist.
func (c checker) records(ctx context.Context, name string, is func(string) bool) ([]string, error) {
	all, err := c.resolver.LookupTXT(ctx, name+".")
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	var records []string
	for _, record := range all {
		if is(record) {
			records = append(records, record)
		}
	}
	return records, nil
}

func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func (c checker) mx(ctx context.Context) Finding {
	f := Finding{Check: "mx", Name: c.domain, State: OK}
	hosts, err := c.resolver.LookupMX(ctx, c.domain+".")
	switch {
	case err != nil && !isNotFound(err):
		f.State, f.Found = Warn, unansweredFor
	case len(hosts) == 0:
		f.State, f.Found, f.Advice = Warn, "no MX record", "an MX record, so that answers and bounces arrive: many servers mistrust senders that take no mail"
	case len(hosts) == 1 && hosts[0].Host == ".": // RFC 7505
		f.State, f.Found, f.Advice = Warn, "a null MX: the domain takes no mail", "an MX record, or another sender's address: answers and bounces are lost"
	default:
		names := make([]string, len(hosts))
		for i, h := range hosts {
			names[i] = strings.TrimSuffix(h.Host, ".")
		}
		f.Found = visible(strings.Join(names, ", "))
	}
	return f
}

// tags reads a tag list (RFC 6376 section 3.2) and gives the name of its first tag, too.
func tags(record string) (values map[string]string, first string, err error) {
	values = map[string]string{}
	for field := range strings.SplitSeq(record, ";") {
		if strings.TrimSpace(field) == "" {
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		name = strings.TrimSpace(name)
		if _, twice := values[name]; !ok || name == "" || twice {
			return nil, "", fmt.Errorf("the record is no list of name=value; at %q", visible(strings.TrimSpace(field)))
		}
		if first == "" {
			first = name
		}
		values[name] = strings.TrimSpace(value)
	}
	return values, first, nil
}

// visible makes text from the DNS fit to be shown: short, and in ASCII.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxFound {
		s = s[:maxFound] + "..."
	}
	return s
}
