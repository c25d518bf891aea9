package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	gosmtp "github.com/wneessen/go-mail/smtp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/publicnet"
)

const (
	defaultDialTimeout = 10 * time.Second
	defaultSendTimeout = 30 * time.Second
	goodbyeTimeout     = 2 * time.Second // for QUIT, after the mail was taken
	maxErrorText       = 300             // characters
)

// SMTP sends mails through one SMTP server, each over a connection of its own. It is safe for concurrent use.
type SMTP struct {
	config Config
	tls    *tls.Config
	now    func() time.Time
	// Dial opens the TCP connection; nil is a plain net.Dialer. Set it before the first Send, to keep servers that a project chose away from addresses that
	// are none of its business.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewSMTP checks the configuration and reads its CA file. now gives the Date of the mails.
func NewSMTP(c Config, now func() time.Time) (*SMTP, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = defaultSendTimeout
	}
	s := &SMTP{config: c, now: now, tls: &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("smtp: read the CA file: %w", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("smtp: the CA file holds no PEM certificate")
		}
	}
	return s, nil
}

// SendError says why a mail was not sent. Its text is for the operator: it may quote the server's reply, less whatever that
// repeats of the mail or the login, and names no private address.
type SendError struct {
	Code      int  // the SMTP reply code; 0 where the server gave none
	Permanent bool // trying again with this mail is of no use
	silent    bool // the server gave no answer in time
	text      string
	detail    string // for the server's own log alone: with the address
}

// Error gives the text.
func (e *SendError) Error() string { return e.text }

// Permanent tells whether trying again is of no use: the server refused this mail with a 5xx reply (RFC 5321 section 4.2.1), or the mail itself cannot be
// sent. Refused logins, TLS failures and lost connections are temporary, because an operator can mend them.
func Permanent(err error) bool {
	var e *SendError
	return errors.As(err, &e) && e.Permanent
}

// Silent tells whether the server gave no answer in time.
func Silent(err error) bool {
	var e *SendError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.silent
}

// detail gives what an error has for the log alone.
func detail(err error) string {
	var e *SendError
	if errors.As(err, &e) {
		return e.detail
	}
	return ""
}

// Send hands one mail to the server and returns once the server took it, or with a *SendError. from is an address, with or without a display name. id makes
// the Message-ID, the same at each try, so that a mail that was taken but whose acknowledgement got lost can be told for a copy.
//
// Once the server has taken the mail, nothing that goes wrong later makes Send fail.
func (s *SMTP) Send(ctx context.Context, from string, m auth.Message, id auth.MailID) error {
	said := s.dialogueOf(ctx, m)
	err := s.send(ctx, said, from, m, id)
	if err != nil {
		said.note(err.Error())
	}
	return err
}

func (s *SMTP) send(ctx context.Context, said *dialogue, from string, m auth.Message, id auth.MailID) error {
	sender, err := netmail.ParseAddress(from)
	if err != nil || hasControls(from) {
		return &SendError{text: "the sender (mail from) is not an email address"}
	}
	msg, err := s.compose(sender, m, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.SendTimeout)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return s.failed(ctx, err, m)
	}
	defer conn.Close()
	// Closing the connection bounds whatever the library does.
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	said.note(connected(conn))
	client, err := s.client(conn, sender, m.To, said)
	if err != nil {
		return s.failed(ctx, err, m)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.failed(ctx, err, m)
	}
	if err := client.SendWithSMTPClient(session, msg); !msg.IsDelivered() {
		return s.failed(ctx, err, m)
	}
	said.note("the server took the mail")
	quit(session, conn)
	return nil
}

// connected says how, and not where to: the address may be none of a project's business (P17).
func connected(conn net.Conn) string {
	if _, secure := conn.(*tls.Conn); secure {
		return "connected, with TLS"
	}
	return "connected"
}

// compose builds the mail out of structured parts, and refuses what could break out of a header (P42).
func (s *SMTP) compose(sender *netmail.Address, m auth.Message, id auth.MailID) (*gomail.Msg, error) {
	if hasControls(m.Subject) || hasControls(string(m.To)) || !messageIDPart.MatchString(string(id)) {
		return nil, &SendError{Permanent: true, text: "the mail has control characters in its subject or address, or an id that is none"}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(sender)
	if err := msg.To(string(m.To)); err != nil {
		return nil, &SendError{Permanent: true, text: "the recipient is not an email address"}
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(s.now().UTC())
	msg.SetMessageIDWithValue(string(id) + "@" + domainOf(sender.Address))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5: no vacation notices in answer
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

var messageIDPart = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

func hasControls(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// connect opens the TCP connection and, for implicit TLS, secures it.
func (s *SMTP) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.DialTimeout)
	defer cancel()
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", s.config.Address())
	if err != nil || s.config.TLS != TLSImplicit {
		return conn, err
	}
	secure := tls.Client(conn, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// client prepares the library's client for one connection that is open already.
func (s *SMTP) client(conn net.Conn, sender *netmail.Address, to auth.Email, said *dialogue) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithLogger(said),
		gomail.WithDebugLog(),
		gomail.WithPort(s.config.Port),
		gomail.WithTimeout(2 * s.config.SendTimeout), // starts anew with each command, so Send's own bound comes first
		gomail.WithHELO(domainOf(sender.Address)),
		gomail.WithTLSConfig(s.tls),
		gomail.WithTLSPolicy(libraryPolicy(s.config.TLS)),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
		gomail.WithoutNoop(),
		gomail.WithoutRset(),
	}
	if isASCII(sender.Address) && isASCII(string(to)) {
		options = append(options, gomail.WithoutSMTPUTF8()) // asking for it without need lets some relays bounce the mail
	}
	if s.config.User != "" {
		options = append(options, gomail.WithUsername(s.config.User), gomail.WithPassword(s.config.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return gomail.NewClient(s.config.Host, options...)
}

func libraryPolicy(mode TLSMode) gomail.TLSPolicy {
	switch mode {
	case TLSStartTLS:
		return gomail.TLSMandatory
	case TLSOpportunistic:
		return gomail.TLSOpportunistic
	default: // none, or TLS below SMTP already
		return gomail.NoTLS
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// quit says goodbye (RFC 5321 section 4.1.1.10) without waiting for long: the mail is taken, and what matters now is to record that.
func quit(session *gosmtp.Client, conn net.Conn) {
	defer time.AfterFunc(goodbyeTimeout, func() { conn.Close() }).Stop()
	_ = session.Quit() // the outcome changes nothing
}

// failed turns what went wrong into an error for the operator.
func (s *SMTP) failed(ctx context.Context, err error, m auth.Message) error {
	e := &SendError{text: "the SMTP server: ", detail: s.config.Address() + ": " + s.scrub(err.Error(), m)}
	var reply *textproto.Error
	var refused *gomail.SendError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode() != 0:
		e.Code = refused.ErrorCode()
		e.Permanent = e.Code >= 500 && !isAboutLogin(e.Code)
	case errors.As(err, &reply):
		e.Code = reply.Code // before the mail was even named: about the server or the login
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || isTimeout(err):
		e.silent = true
		e.text += "no answer in time"
		return e
	case ctx.Err() != nil:
		e.text += "cut off, because the program ends"
		return e
	case isUnknown(err):
		e.text += "its name could not be looked up, or it has an address that is not public"
		return e
	case isDial(err):
		e.text += "the connection was refused, or cannot be made"
		return e
	}
	e.text += withoutPrivate(s.scrub(err.Error(), m))
	return e
}

// isUnknown tells errors that would map the network of this machine to whoever chooses names, were they told apart (P17).
func isUnknown(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.Is(err, publicnet.ErrNotPublic)
}

func isDial(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

var maybeAddress = regexp.MustCompile(`[0-9A-Fa-f:.]*[0-9A-Fa-f:]`)

// withoutPrivate leaves out the addresses of private networks: certificates and replies name them.
func withoutPrivate(text string) string {
	return maybeAddress.ReplaceAllStringFunc(text, func(word string) string {
		address, err := netip.ParseAddr(word)
		if withPort, portErr := netip.ParseAddrPort(word); portErr == nil {
			address, err = withPort.Addr(), nil
		}
		if err == nil && !publicnet.Contains(address) {
			return "[…]"
		}
		return word
	})
}

// isAboutLogin tells the 5xx replies that an operator mends by setting another user or password (RFC 4954 section 6).
func isAboutLogin(code int) bool { return code == 530 || code == 534 || code == 535 || code == 538 }

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// longWord is what could be a code of a link, and the other form what could be one that people type (Crockford's base 32, as auth writes them).
var longWord = regexp.MustCompile(`[A-Za-z0-9_-]{16,}|\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`)

// scrub makes one short line of what the library and the server say, without the login and without words that could be codes: servers do quote links and
// logins that they refuse (P44).
func (s *SMTP) scrub(text string, m auth.Message) string {
	text, _, _ = strings.Cut(text, ", affected recipient(s):")
	text, _, _ = strings.Cut(text, ", affected message ID:")
	if s.config.Password != "" {
		for _, secret := range []string{
			s.config.Password,
			strings.Trim(strconv.Quote(s.config.Password), `"`), // net/textproto quotes replies
			base64.StdEncoding.EncodeToString([]byte(s.config.Password)),
			base64.StdEncoding.EncodeToString([]byte("\x00" + s.config.User + "\x00" + s.config.Password)),
		} {
			text = strings.ReplaceAll(text, secret, "[…]")
		}
	}
	text = longWord.ReplaceAllStringFunc(text, func(word string) string {
		if strings.Contains(m.Text, word) || strings.Contains(m.HTML, word) || strings.Contains(m.Subject, word) {
			return "[…]"
		}
		return word
	})
	return clip(clean(text), maxErrorText)
}

func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
