package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/breached"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/server"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/web"
)

// settings are the configuration in typed form.
type settings struct {
	server    server.Config
	listen    string // HOST:PORT
	logFormat string // json or text
	logLevel  slog.Level
}

// option is one key of the configuration. Its flag is --key, its variable DOORWARD_KEY, its key in the file the same with underscores.
type option struct {
	key    string
	help   string
	shown  string                   // the default, for people
	def    func(s *settings) string // the default, given the options before it
	secret bool                     // may come from a file, and is shown by what masked leaves of it
	set    func(s *settings, text string) error
	masked func(text string) string // of a secret
}

// options lists every key, in an order in which each default depends only on what stands above it.
var options = slices.Concat(listenOptions, tlsOptions, serverOptions)

var listenOptions = []option{
	{key: "listen", help: "Address to serve on, as HOST:PORT.", shown: "127.0.0.1:8080", def: text("127.0.0.1:8080"), set: setListen},
}

var serverOptions = []option{
	{key: "data", help: "Directory of the database and the master key.", shown: "./doorward-data", def: text("./doorward-data"),
		set: notEmpty(func(s *settings) *string { return &s.server.DataDir })},
	{key: "database", help: "URL of the database, sqlite:FILE or postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full.", shown: "doorward.db in the data directory", secret: true,
		def: func(s *settings) string { return "sqlite:" + filepath.Join(s.server.DataDir, "doorward.db") }, set: setDatabase, masked: sqlstore.MaskURL},
	{key: "master-key-file", help: "File of the keys that seal secrets in the database.", shown: "master.key in the data directory",
		def: func(s *settings) string { return filepath.Join(s.server.DataDir, "master.key") },
		set: notEmpty(func(s *settings) *string { return &s.server.MasterKeyFile })},
	{key: "public-url", help: "URL at which browsers reach the server; issuer and links in mails derive from it.", shown: "http://localhost:PORT, https with TLS", def: defaultPublicURL, set: setPublicURL},
	{key: "domain", help: "Domain of project hosts: PROJECT.DOMAIN is the host of project PROJECT.", shown: "api. before the public URL's host",
		def: func(s *settings) string { return "api." + s.server.PublicURL.Hostname() }, set: setDomain},
	{key: "smtp", help: "SMTP server, as smtp://USER:PASSWORD@HOST:PORT or smtps://…; without one, mails stay in the mailbox.", shown: "none", secret: true,
		def: text(""), set: setSMTP, masked: maskSMTP},
	{key: "mail-from", help: "Sender address of mails.", shown: "noreply@ the public URL's host",
		def: func(s *settings) string { return "noreply@" + s.server.PublicURL.Hostname() }, set: setMailFrom},
	{key: "mail-from-name", help: "Sender name of mails.", shown: "the project's name", def: text(""), set: setMailFromName},
	{key: "trusted-proxies", help: "Networks of proxies whose X-Forwarded-For is believed, separated by commas.", shown: "none", def: text(""), set: setTrustedProxies},
	{key: "metrics-listen", help: "Address to serve Prometheus metrics on, as HOST:PORT.", shown: "none", def: text(""), set: setMetricsListen},
	{key: "otlp-endpoint", help: "URL of an OpenTelemetry collector (OTLP over HTTP) that gets traces.", shown: "none", def: text(""), set: setOTLPEndpoint},
	{key: "admin-token", help: "Admin token of project default, used when that is created.", shown: "one is made and printed", secret: true,
		def: text(""), set: setAdminToken, masked: func(string) string { return "(set)" }},
	{key: "breached-passwords", help: "File of leaked passwords that projects refuse; doorward breached build makes it.", shown: "none", def: text(""), set: setBreachedPasswords},
	{key: "backup-to", help: "Where the server keeps backups that it makes by itself: a directory, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME.", shown: "none", def: text(""), set: setBackupTo},
	{key: "backup-every", help: "How old the newest of them may become before the next is made.", shown: "24h", def: text("24h"), set: setBackupEvery},
	{key: "backup-keep", help: "How many of them are kept; 0 keeps all.", shown: "14", def: text("14"), set: number(0, 100000, func(s *settings) *int { return &s.server.Backup.Keep })},
	{key: "backup-recipients", help: "Public keys (age1…) that backups are sealed for, separated by commas; doorward backup keygen makes one.", shown: "none: the master key seals them",
		def: text(""), set: setBackupRecipients},
	{key: "backup-passphrase", help: "Passphrase that backups are sealed with instead.", shown: "none", secret: true, def: text(""), set: setBackupPassphrase,
		masked: func(string) string { return "(set)" }},
	{key: "hash-workers", help: "Passwords that are hashed at a time.", shown: "number of cores",
		def: func(*settings) string { return strconv.Itoa(runtime.GOMAXPROCS(0)) }, set: number(1, 1024, func(s *settings) *int { return &s.server.HashWorkers })},
	{key: "hash-queue", help: "Password checks that may wait; more are answered with 503.", shown: "36 per worker",
		def: func(s *settings) string { return strconv.Itoa(36 * s.server.HashWorkers) }, set: number(1, 100000, func(s *settings) *int { return &s.server.HashQueue })},
	{key: "max-connections", help: "Connections that may be open at a time; one direct peer that is no trusted proxy may hold a quarter.", shown: "2048", def: text("2048"),
		set: number(1, 1000000, func(s *settings) *int { return &s.server.MaxConnections })},
	{key: "shutdown-grace", help: "How long requests may take to finish once the server is told to stop.", shown: "20s", def: text("20s"), set: setShutdownGrace},
	{key: "log-format", help: "json or text.", shown: "json", def: text("json"), set: setLogFormat},
	{key: "log-level", help: "debug, info, warn or error.", shown: "info", def: text("info"), set: setLogLevel},
}

func text(s string) func(*settings) string { return func(*settings) string { return s } }

func (o option) env() string {
	return "DOORWARD_" + strings.ToUpper(strings.ReplaceAll(o.key, "-", "_"))
}
func (o option) fileKey() string { return strings.ReplaceAll(o.key, "-", "_") }

// show is the value as it may be printed (P44).
func (o option) show(value string) string {
	if o.secret && value != "" {
		return o.masked(value)
	}
	return value
}

func notEmpty(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, v string) error {
		if v == "" {
			return errors.New("it is empty")
		}
		*field(s) = v
		return nil
	}
}

func number(low, high int, field func(*settings) *int) func(*settings, string) error {
	return func(s *settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			*field(s) = low // so that what derives from it is not wrong, too
			return fmt.Errorf("it is not a whole number from %d to %d", low, high)
		}
		*field(s) = n
		return nil
	}
}

func checkAddress(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("it is not HOST:PORT, as 127.0.0.1:8080 or :8080")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("its port is not a number from 0 to 65535")
	}
	return nil
}

func setListen(s *settings, v string) error {
	s.listen = v
	return checkAddress(v)
}

func setMetricsListen(s *settings, v string) error {
	if v == "" {
		return nil
	}
	s.server.MetricsListen = v
	return checkAddress(v)
}

func setDatabase(s *settings, v string) error {
	s.server.Database = v
	return sqlstore.CheckURL(v)
}

func defaultPublicURL(s *settings) string {
	scheme, usual := "http", "80"
	if s.server.TLS.On() {
		scheme, usual = "https", "443"
	}
	_, port, err := net.SplitHostPort(s.listen)
	if err != nil || port == usual {
		return scheme + "://localhost"
	}
	return scheme + "://localhost:" + port
}

func setPublicURL(s *settings, v string) error {
	u, err := url.Parse(strings.TrimSuffix(v, "/"))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		s.server.PublicURL = &url.URL{Scheme: "http", Host: "localhost"} // so that the options below still have their defaults
		return errors.New("it is not a URL as https://auth.example.com")
	}
	s.server.PublicURL = u
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("it has more than a scheme, a host and a port")
	}
	return checkPublicURL(s)
}

func setDomain(s *settings, v string) error {
	s.server.Domain = strings.ToLower(v)
	if v == "" || strings.ContainsAny(v, ":/@ *?#") || strings.HasPrefix(v, ".") || strings.HasSuffix(v, ".") {
		return errors.New("it is not a host name as api.auth.example.com, without scheme and port")
	}
	return nil
}

func setSMTP(s *settings, v string) error {
	if v == "" {
		return nil
	}
	c, err := mail.ParseURL(v)
	if err != nil {
		return err
	}
	s.server.SMTP = &c
	_, err = mail.NewSMTP(c, time.Now) // reads the CA file
	return err
}

func maskSMTP(v string) string {
	c, err := mail.ParseURL(v)
	if err != nil {
		return "(hidden)"
	}
	return c.String()
}

func setMailFrom(s *settings, v string) error {
	s.server.MailFrom = v
	// The default may be no full address, as noreply@localhost, and is no mistake before mail is sent with it.
	if strings.HasSuffix(v, "@"+s.server.PublicURL.Hostname()) && !strings.ContainsAny(v, " <>,\r\n") {
		return nil
	}
	if _, err := auth.ParseEmail(v); err != nil {
		return errors.New("it is not an email address")
	}
	return nil
}

func setMailFromName(s *settings, v string) error {
	s.server.MailFromName = v
	if len(v) > 100 || strings.ContainsAny(v, "\r\n\x00") {
		return errors.New("it is longer than 100 bytes or more than a line")
	}
	return nil
}

func setTrustedProxies(s *settings, v string) error {
	var networks []string
	for network := range strings.SplitSeq(v, ",") {
		if network = strings.TrimSpace(network); network != "" {
			networks = append(networks, network)
		}
	}
	proxies, err := web.ParseProxies(networks)
	s.server.TrustedProxies = proxies
	return err
}

func setOTLPEndpoint(s *settings, v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return errors.New("it is not a URL as http://localhost:4318")
	}
	s.server.OTLPEndpoint = v
	return nil
}

func setAdminToken(s *settings, v string) error {
	s.server.AdminToken = v
	if v != "" && len(v) < 16 {
		return errors.New("it has fewer than 16 characters; a long random one is best")
	}
	return nil
}

func setBreachedPasswords(s *settings, v string) error {
	if v == "" {
		return nil
	}
	s.server.BreachedPasswords = v
	filter, err := breached.Open(v)
	if err != nil {
		return err
	}
	return filter.Close()
}

func setShutdownGrace(s *settings, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > time.Hour {
		return errors.New("it is not a duration from 0s to 1h, as 20s")
	}
	s.server.ShutdownGrace = d
	return nil
}

func setLogFormat(s *settings, v string) error {
	s.logFormat = v
	if v != "json" && v != "text" {
		return errors.New("it is neither json nor text")
	}
	return nil
}

func setLogLevel(s *settings, v string) error {
	switch v {
	case "debug", "info", "warn", "error":
		return s.logLevel.UnmarshalText([]byte(v))
	}
	return errors.New("it is none of debug, info, warn and error")
}

// isLoopbackHost tells whether only this machine reaches the host.
func isLoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
