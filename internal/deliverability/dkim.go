package deliverability

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// usualSelectors are those of widely used senders.
var usualSelectors = []string{"default", "mail", "dkim", "smtp", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "pm", "mandrill", "mailjet", "resend", "zoho"}

const dkimAdvice = "a DKIM key of at least 2048 bits, which your SMTP provider names"

// The sizes of RSA keys that receivers must (RFC 8301 section 3.2), and should, take.
const (
	fewestBits = 1024
	enoughBits = 2048
)

func (c checker) dkim(ctx context.Context, selectors []string) []Finding {
	guess := len(selectors) == 0
	if guess {
		selectors = usualSelectors
	}
	var findings []Finding
	for _, selector := range selectors[:min(len(selectors), maxSelectors)] {
		f, there := c.dkimKey(ctx, selector)
		if there || !guess {
			findings = append(findings, f)
		}
	}
	if len(findings) == 0 {
		findings = append(findings, Finding{Check: "dkim", Name: "…._domainkey." + c.domain, State: Warn, Found: "no key under a usual selector",
			Advice: dkimAdvice + "; where there is one, name its selector in the setting mailDkimSelectors"})
	}
	return findings
}

// dkimKey looks at the key of one selector, and tells whether there is anything.
func (c checker) dkimKey(ctx context.Context, selector string) (f Finding, there bool) {
	f = Finding{Check: "dkim", Name: selector + "._domainkey." + c.domain, State: Bad, Advice: dkimAdvice}
	records, err := c.records(ctx, f.Name, func(string) bool { return true })
	switch {
	case err != nil:
		f.State, f.Found, f.Advice = Warn, unansweredFor, ""
		return f, false
	case len(records) == 0:
		f.Found = "no key"
		return f, false
	case len(records) > 1:
		f.Found = fmt.Sprintf("%d records; which one counts is undefined", len(records)) // RFC 6376 section 3.6.2.2
		return f, true
	}
	f.Found, f.State, err = describeKey(records[0])
	if err != nil {
		f.Found = err.Error()
	}
	if f.State == OK {
		f.Advice = ""
	}
	return f, true
}

// describeKey reads a key record (RFC 6376 section 3.6.1, RFC 8463).
func describeKey(record string) (found string, state State, err error) {
	values, first, err := tags(record)
	if err != nil {
		return "", Bad, err
	}
	if v, there := values["v"]; there && (v != "DKIM1" || first != "v") {
		return "", Bad, errors.New("the record does not begin with v=DKIM1")
	}
	encoded, there := values["p"]
	if !there {
		return "", Bad, errors.New("the record has no p=, which is the key")
	}
	if encoded == "" {
		return "", Bad, errors.New("the key is revoked")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return "", Bad, errors.New("the key is not base64")
	}
	testing := ""
	for flag := range strings.SplitSeq(values["t"], ":") {
		if strings.TrimSpace(flag) == "y" {
			testing = ", marked as a test (t=y), so that receivers may ignore it"
		}
	}
	switch kind := values["k"]; kind {
	case "ed25519":
		if len(der) != 32 {
			return "", Bad, errors.New("the Ed25519 key does not have 32 bytes")
		}
		return "an Ed25519 key, which not all receivers know" + testing, Warn, nil
	case "", "rsa":
	default:
		return "", Bad, fmt.Errorf("the key is of the unknown kind %q", visible(kind))
	}
	bits, err := rsaBits(der)
	if err != nil {
		return "", Bad, err
	}
	state = OK
	switch {
	case bits < fewestBits:
		state = Bad
	case bits < enoughBits || testing != "":
		state = Warn
	}
	return fmt.Sprintf("an RSA key of %d bits%s", bits, testing), state, nil
}

func rsaBits(der []byte) (int, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if bare, bareErr := x509.ParsePKCS1PublicKey(der); bareErr == nil {
			parsed, err = bare, nil
		}
	}
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return 0, errors.New("the key is no RSA key")
	}
	return key.N.BitLen(), nil
}
