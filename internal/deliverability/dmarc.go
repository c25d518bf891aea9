package deliverability

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func isDMARC(record string) bool {
	version, _, _ := strings.Cut(record, ";")
	return strings.Join(strings.Fields(version), "") == "v=DMARC1"
}

// dmarc finds the policy as receivers do: at the domain, else at the one that was registered (RFC 7489 section 6.6.3).
func (c checker) dmarc(ctx context.Context) Finding {
	f := Finding{Check: "dmarc", Name: "_dmarc." + c.domain}
	policyTags := []string{"p"}
	records, err := c.records(ctx, f.Name, isDMARC)
	if organisation, orgErr := publicsuffix.EffectiveTLDPlusOne(c.domain); err == nil && len(records) == 0 && orgErr == nil && organisation != c.domain {
		f.Name, policyTags = "_dmarc."+organisation, []string{"sp", "p"}
		records, err = c.records(ctx, f.Name, isDMARC)
	}
	advice := fmt.Sprintf(`one TXT record such as "v=DMARC1; p=quarantine; rua=mailto:dmarc@%s"`, c.domain)
	switch {
	case err != nil:
		f.State, f.Found = Warn, unansweredFor
		return f
	case len(records) == 0:
		f.State, f.Found, f.Advice = Bad, "no DMARC record", advice
		return f
	case len(records) > 1:
		f.State, f.Found, f.Advice = Bad, fmt.Sprintf("%d DMARC records; more than one counts as none", len(records)), advice
		return f
	}
	f.Found = visible(records[0])
	f.State, f.Advice = policyOf(records[0], policyTags, advice)
	return f
}

func policyOf(record string, policyTags []string, advice string) (State, string) {
	values, _, err := tags(record)
	if err != nil {
		return Bad, err.Error() + "; publish " + advice
	}
	policy := ""
	for _, tag := range policyTags {
		if policy == "" {
			policy = strings.ToLower(values[tag])
		}
	}
	switch policy {
	case "quarantine", "reject":
	case "none":
		return Warn, "p=quarantine or p=reject, once the reports show that your own mails pass: p=none asks nobody to refuse forged ones"
	default:
		return Bad, "p=none, p=quarantine or p=reject; the record has no policy"
	}
	if pct := values["pct"]; pct != "" && pct != "100" {
		return Warn, "no pct, or pct=100: the policy holds for a part of the mails only"
	}
	if values["adkim"] == "s" {
		return OK, "DKIM signatures with exactly the sender's domain as d=: adkim=s takes no other"
	}
	return OK, ""
}
