package deliverability

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const maxSPFLookups = 10 // RFC 7208 section 4.6.4

const spfAdvice = `one TXT record such as "v=spf1 mx include:SPF-NAME-OF-YOUR-SMTP-PROVIDER -all"`

func isSPF(record string) bool {
	version, _, _ := strings.Cut(record, " ")
	return strings.EqualFold(version, "v=spf1")
}

// errUnanswered means that the DNS gave neither a record nor that there is none.
var errUnanswered = errors.New(unansweredFor)

func (c checker) spf(ctx context.Context) Finding {
	f := Finding{Check: "spf", Name: c.domain}
	walk := &spfWalk{checker: c}
	record, err := walk.record(ctx, c.domain)
	if err != nil {
		f.State, f.Found, f.Advice = Bad, err.Error(), spfAdvice
		if errors.Is(err, errUnanswered) {
			f.State, f.Advice = Warn, ""
		}
		return f
	}
	f.Found = visible(record)
	all, err := walk.terms(ctx, record)
	switch {
	case errors.Is(err, errUnanswered):
		f.State, f.Advice = Warn, err.Error()
	case err != nil:
		f.State, f.Advice = Bad, "a record without this fault: "+err.Error()
	case all == '+':
		f.State, f.Advice = Bad, "-all at the end: +all lets everybody send in your name"
	case all == '?' || all == 0:
		f.State, f.Advice = Warn, "-all or ~all at the end: without, the record forbids nothing"
	default:
		f.State = OK
	}
	return f
}

// spfWalk follows a record through what it includes, as a receiver would have to.
type spfWalk struct {
	checker
	lookups int
}

// record gives the one SPF record of a name.
func (w *spfWalk) record(ctx context.Context, name string) (string, error) {
	records, err := w.records(ctx, name, isSPF)
	switch {
	case err != nil:
		return "", errUnanswered
	case len(records) == 0:
		return "", fmt.Errorf("%s has no SPF record", visible(name))
	case len(records) > 1:
		return "", fmt.Errorf("%s has %d SPF records; more than one counts as none", visible(name), len(records)) // RFC 7208 section 4.5
	}
	return records[0], nil
}

// terms gives the qualifier of the record's all, 0 where it has none.
func (w *spfWalk) terms(ctx context.Context, record string) (all byte, err error) {
	redirect := ""
	for _, term := range strings.Fields(record)[1:] {
		name, value, isModifier := modifier(term)
		if isModifier {
			if name == "redirect" {
				redirect = value
			}
			continue
		}
		qualifier, mechanism := byte('+'), strings.ToLower(term)
		if strings.IndexByte("+-~?", mechanism[0]) >= 0 {
			qualifier, mechanism = mechanism[0], mechanism[1:]
		}
		if mechanism == "all" {
			return qualifier, nil // nothing after it counts, redirect neither (RFC 7208 section 5.1)
		}
		if err := w.mechanism(ctx, mechanism); err != nil {
			return 0, err
		}
	}
	if redirect == "" {
		return 0, nil
	}
	return w.follow(ctx, redirect)
}

// modifier reads name=value (RFC 7208 section 4.6.1); mechanisms have a colon or slash before any equals sign.
func modifier(term string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(term, "=")
	return strings.ToLower(name), value, ok && !strings.ContainsAny(name, ":/")
}

func (w *spfWalk) mechanism(ctx context.Context, mechanism string) error {
	name, value, hasValue := strings.Cut(mechanism, ":")
	kind, _, _ := strings.Cut(name, "/")
	switch kind {
	case "ip4", "ip6":
		if !isNetwork(value, kind == "ip4") {
			return fmt.Errorf("%q is no network", visible(mechanism))
		}
		return nil
	case "a", "mx", "ptr", "exists":
		return w.count()
	case "include":
		if !hasValue || value == "" {
			return errors.New("include names no domain")
		}
		_, err := w.follow(ctx, value)
		return err
	}
	return fmt.Errorf("%q is no mechanism of SPF", visible(mechanism))
}

func isNetwork(value string, v4 bool) bool {
	address, err := netip.ParseAddr(value)
	if network, prefixErr := netip.ParsePrefix(value); prefixErr == nil {
		address, err = network.Addr(), nil
	}
	return err == nil && address.Is4() == v4
}

// follow goes on in another domain's record. The bound on lookups ends loops.
func (w *spfWalk) follow(ctx context.Context, domain string) (all byte, err error) {
	if err := w.count(); err != nil {
		return 0, err
	}
	if strings.Contains(domain, "%") {
		return 0, nil // a macro: which domain it is depends on the mail
	}
	record, err := w.record(ctx, strings.TrimSuffix(domain, "."))
	if err != nil {
		return 0, err
	}
	return w.terms(ctx, record)
}

func (w *spfWalk) count() error {
	if w.lookups++; w.lookups > maxSPFLookups {
		return fmt.Errorf("it takes more than %d lookups, after which receivers give up", maxSPFLookups)
	}
	return nil
}
