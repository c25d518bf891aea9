// Package deliverability looks at what a domain publishes for the mails that are sent in its name: SPF, DKIM, DMARC and MX, and says what to publish instead.
package deliverability
