package sqlstore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresStatementTime = 15 * time.Second // the default of statement_timeout
	postgresConnectTime   = 3 * time.Second  // for each host, with TLS and authentication
	postgresPingTime      = 2 * time.Second
	postgresSilence       = 5 * time.Second // after which a server that acknowledges nothing is given up
)

// postgresTarget is where a PostgreSQL URL points to, and how to speak to it.
type postgresTarget struct {
	hosts         []pgx.ConnConfig // one for each host of the URL, in its order
	statementTime time.Duration
}

func isPostgresURL(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

var errPostgresURL = errors.New("it is not a URL as postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full; special characters are percent-encoded")

// CheckURL tells what is wrong with a database URL, in words that repeat nothing secret of it. It does not connect.
func CheckURL(url string) error {
	if isPostgresURL(url) {
		_, err := parsePostgres(url)
		return err
	}
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	if path == "" || !isSQLite && strings.Contains(path, "://") || strings.HasPrefix(path, ":memory:") {
		return errors.New("it is neither sqlite:FILE nor postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	return nil
}

// shownParameters are those of a PostgreSQL URL that hold no secret.
var shownParameters = []string{"host", "port", "sslmode", "sslrootcert", "target_session_attrs"}

// MaskURL is the database URL as it may be shown: a PostgreSQL's users, hosts and name (P44). What cannot be told apart is hidden.
func MaskURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	if !isPostgresURL(text) || CheckURL(text) != nil {
		return "(hidden)"
	}
	scheme, rest, _ := strings.Cut(text, "://")
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.ContainsAny(path, "@#") { // perhaps of a password that is not percent-encoded
		return "(hidden)"
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, _, hasPassword := strings.Cut(authority[:i], ":")
		if hasPassword {
			user += ":xxxxx"
		}
		authority = user + authority[i:]
	}
	path, query, _ := strings.Cut(path, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return "(hidden)"
	}
	shown := url.Values{}
	for _, name := range shownParameters {
		if given.Has(name) {
			shown.Set(name, given.Get(name))
		}
	}
	if len(shown) > 0 {
		path += "?" + shown.Encode()
	}
	return scheme + "://" + authority + path
}

// parsePostgres reads a URL. Its errors repeat nothing of it but names of files.
func parsePostgres(text string) (*postgresTarget, error) {
	config, err := pgx.ParseConfig(text)
	if err != nil {
		var file *fs.PathError
		if errors.As(err, &file) {
			return nil, fmt.Errorf("a file that the PostgreSQL URL names: %w", file)
		}
		return nil, errPostgresURL
	}
	t := &postgresTarget{}
	if t.statementTime, err = statementTime(config.RuntimeParams); err != nil {
		return nil, err
	}
	setDefault(config.RuntimeParams, "application_name", "doorward")
	setDefault(config.RuntimeParams, "statement_timeout", strconv.FormatInt(postgresStatementTime.Milliseconds(), 10))
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", strconv.FormatInt(postgresStatementTime.Milliseconds(), 10))
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, postgresConnectTime)
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: postgresSilence - 2*time.Second, Interval: time.Second, Count: 2},
		Control:         limitSilence,
	}
	config.DialFunc = dialer.DialContext
	config.AfterConnect = setUpSession
	config.OnNotice = noteWarning
	config.OnPgError = keepsConnection
	if err := chooseServer(config, text); err != nil {
		return nil, err
	}
	t.hosts = splitHosts(config)
	return t, nil
}

// chooseServer says which of several servers will do: the one that takes writes, unless the URL says otherwise. So a primary that became a standby is left.
func chooseServer(config *pgx.ConnConfig, text string) error {
	_, query, _ := strings.Cut(text, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return errPostgresURL
	}
	switch given.Get("target_session_attrs") {
	case "any", "primary", "read-write":
	case "":
		if config.ValidateConnect == nil && len(splitHosts(config)) > 1 {
			config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
	default:
		return errors.New("target_session_attrs of the PostgreSQL URL is none of read-write, primary and any")
	}
	return nil
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

// statementTime is what the server allows a statement: milliseconds, or a number with its unit.
func statementTime(params map[string]string) (time.Duration, error) {
	given, ok := params["statement_timeout"]
	if !ok {
		return postgresStatementTime, nil
	}
	d, err := time.ParseDuration(given)
	if n, bad := strconv.Atoi(given); bad == nil {
		d, err = time.Duration(n)*time.Millisecond, nil
	}
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		return 0, errors.New("statement_timeout of the PostgreSQL URL is not a time from 100ms to 1h, as 15s")
	}
	return d, nil
}

// splitHosts makes a configuration of each host. A host's own fallbacks, as without TLS where sslmode allows it, stay with it.
func splitHosts(config *pgx.ConnConfig) []pgx.ConnConfig {
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var hosts []pgx.ConnConfig
	for _, way := range ways {
		if n := len(hosts); n > 0 && hosts[n-1].Host == way.Host && hosts[n-1].Port == way.Port {
			hosts[n-1].Fallbacks = append(hosts[n-1].Fallbacks, way)
			continue
		}
		one := *config.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = way.Host, way.Port, way.TLSConfig, nil
		hosts = append(hosts, one)
	}
	return hosts
}

// setUpSession makes sure that an answer of success means what it says (P48), whatever the server, the database or the role default to: commits wait for the
// disk, and for the standby where there is a synchronous one; and warnings reach us.
func setUpSession(ctx context.Context, c *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, postgresConnectTime)
	defer cancel()
	_, err := c.Exec(ctx, `SELECT set_config('client_min_messages', 'warning', false), set_config('synchronous_commit',
		CASE WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)`).ReadAll()
	return err
}

const warningKey = "warning"

// noteWarning keeps the last warning of a connection for takeWarning.
func noteWarning(c *pgconn.PgConn, n *pgconn.Notice) {
	if cmp.Or(n.SeverityUnlocalized, n.Severity) == "WARNING" {
		c.CustomData()[warningKey] = n.Message
	}
}

// takeWarning gives the warning that came since it was last asked; "" for none.
func takeWarning(c *pgconn.PgConn) string {
	warning, _ := c.CustomData()[warningKey].(string)
	delete(c.CustomData(), warningKey)
	return warning
}

// keepsConnection tells whether a connection is of use after an error. One to a server that takes no writes is not: it became a standby, or is fenced.
func keepsConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return cmp.Or(err.SeverityUnlocalized, err.Severity) == "ERROR" && err.Code != pgReadOnly
}

// connector connects to the first host that will do, beginning with the one that did last.
type connector struct {
	hosts []driver.Connector
	last  atomic.Int64
}

func (t *postgresTarget) connector(options ...stdlib.OptionOpenDB) driver.Connector {
	c := &connector{}
	for _, host := range t.hosts {
		c.hosts = append(c.hosts, stdlib.GetConnector(host, append(options, stdlib.OptionShouldPing(pingSoon))...))
	}
	return c
}

// Connect opens a connection to one of the hosts, each of which has its own time to answer.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	var failures []error
	for i := range c.hosts {
		at := (int(c.last.Load()) + i) % len(c.hosts)
		conn, err := c.hosts[at].Connect(ctx)
		if err == nil {
			c.last.Store(int64(at))
			return conn, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// Driver is there for database/sql.
func (c *connector) Driver() driver.Driver { return c.hosts[0].Driver() }

// pingSoon checks a connection that was idle, and not for long: where it does not answer it is closed, so that the ping of the driver itself fails at once, and another
// one is taken.
func pingSoon(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration <= time.Second {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, postgresPingTime)
	defer cancel()
	return p.Conn.Ping(ctx) != nil
}
