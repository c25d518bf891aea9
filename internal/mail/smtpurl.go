package mail

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// TLSMode says how a connection to an SMTP server is protected. There is no mode that falls back to clear text beyond this machine (P42).
type TLSMode string

// The modes.
const (
	TLSImplicit      TLSMode = "implicit"      // TLS from the first byte: smtps://, RFC 8314 section 3.3
	TLSStartTLS      TLSMode = "starttls"      // STARTTLS or nothing: RFC 3207
	TLSOpportunistic TLSMode = "opportunistic" // STARTTLS where offered; loopback only
	TLSNone          TLSMode = "none"          // clear text; loopback only
)

// Config is where and how mails are handed over. Its printed form leaves out the user and the password.
type Config struct {
	Host        string
	Port        int
	User        string // "" sends without a login
	Password    string
	TLS         TLSMode
	CAFile      string        // PEM certificates to trust instead of the system's; "" for the system's
	DialTimeout time.Duration // until there is a connection; 0 is 10s
	SendTimeout time.Duration // for all of one mail, the connection included; 0 is 30s
}

// ParseURL reads smtp://user:password@host:port or smtps://user:password@host:port. User and password are percent-encoded and may be left out together;
// the port is 587 for smtp and 465 for smtps where it is left out.
//
// smtps is TLS from the start. smtp is STARTTLS, without which nothing is sent; only to a loopback host it is used where offered. These may follow:
//
//	?tls=starttls   demands STARTTLS of a loopback host, too
//	?tls=none       clear text, to a loopback host only
//	?ca=FILE        trusts the certificates in the PEM file FILE instead of the system's; the file is read by NewSMTP
//
// Errors never quote the URL, because it holds a password. A caller that takes the URL from someone who may not name the server's files refuses CAFile.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Config{}, errors.New("smtp URL: not a URL; characters such as # / ? @ in the user or the password are percent-encoded")
	}
	c := Config{Host: u.Hostname(), User: u.User.Username()}
	c.Password, _ = u.User.Password()
	if (u.Path != "" && u.Path != "/") || u.Fragment != "" || u.Opaque != "" {
		return Config{}, errors.New("smtp URL: nothing but ?options may follow the host and port; characters such as # / ? @ in the password are percent-encoded")
	}
	switch u.Scheme {
	case "smtp":
		c.Port, c.TLS = 587, TLSStartTLS
		if isLoopback(c.Host) {
			c.TLS = TLSOpportunistic
		}
	case "smtps":
		c.Port, c.TLS = 465, TLSImplicit
	default:
		return Config{}, errors.New("smtp URL: begins with neither smtp:// nor smtps://")
	}
	if port := u.Port(); port != "" {
		if c.Port, err = strconv.Atoi(port); err != nil {
			return Config{}, errors.New("smtp URL: the port is not a number")
		}
	}
	if err := c.parseOptions(u.RawQuery); err != nil {
		return Config{}, err
	}
	return c, c.check()
}

func (c *Config) parseOptions(query string) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("smtp URL: the options after ? are malformed")
	}
	for name, values := range options {
		if len(values) != 1 {
			return fmt.Errorf("smtp URL: the option %q is given twice", name)
		}
		switch {
		case name == "ca" && values[0] != "":
			c.CAFile = values[0]
		case name == "tls" && c.TLS == TLSImplicit:
			return errors.New("smtp URL: smtps takes no option tls")
		case name == "tls" && (values[0] == string(TLSStartTLS) || values[0] == string(TLSNone)):
			c.TLS = TLSMode(values[0])
		default:
			return errors.New("smtp URL: the options are tls=starttls, tls=none and ca=FILE")
		}
	}
	return nil
}

// check holds what must be true of any Config, parsed or built by hand.
func (c Config) check() error {
	hasControl := func(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
	switch {
	case c.Host == "" || hasControl(c.Host) || strings.ContainsAny(c.Host, " /"):
		return errors.New("smtp: there is no host, or not a valid one")
	case c.Port < 1 || c.Port > 65535:
		return errors.New("smtp: the port is not from 1 to 65535")
	case hasControl(c.User) || hasControl(c.Password):
		return errors.New("smtp: the user or the password has control characters")
	case (c.User == "") != (c.Password == ""):
		return errors.New("smtp: a user needs a password, and a password a user")
	case c.DialTimeout < 0 || c.SendTimeout < 0:
		return errors.New("smtp: a timeout is negative")
	}
	switch c.TLS {
	case TLSImplicit, TLSStartTLS:
		return nil
	case TLSOpportunistic, TLSNone:
		if !isLoopback(c.Host) {
			return errors.New("smtp: mail leaves this machine only over TLS; clear text is for loopback hosts")
		}
		return nil
	default:
		return fmt.Errorf("smtp: there is no TLS mode %q", c.TLS)
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Address is host:port.
func (c Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// String gives host:port and the TLS mode; so do the other forms in which a Config may be printed or logged (P44).
func (c Config) String() string { return c.Address() + " (tls " + string(c.TLS) + ")" }

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
