// Package mail makes the server's mails and brings them out: built-in templates in several languages and the operators' own versions of them (Renderer),
// the sender that speaks SMTP (SMTP), and the worker that empties the outbox (Worker).
//
// The domain renders and seals a mail in the transaction of the change that it announces; only the worker, later, opens it and sends it (P43).
package mail
