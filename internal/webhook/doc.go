// Package webhook calls the URLs that a project named: a worker delivers events from the outbox, and a client asks blocking hooks. Requests are signed as the
// Standard Webhooks specification says, and leave through a guard (P17).
package webhook
