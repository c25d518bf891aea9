package server

import (
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/web"
)

// Config is what a server runs with. The command checks and fills it; every field is set unless its comment says otherwise.
type Config struct {
	DataDir       string
	Database      string   // as sqlstore.Options.URL
	MasterKeyFile string   // made where there is none
	PublicURL     *url.URL // scheme, host and port only
	Domain        string   // a project's host is {project}.{Domain}
	AdminToken    string   // of the default project at its creation; "" makes one

	SMTP         *mail.Config // nil: mails stay in the mailbox
	MailFrom     string       // address
	MailFromName string       // "": the project's display name

	TrustedProxies web.Proxies // may be nil
	MaxConnections int
	MetricsListen  string // HOST:PORT; "" serves no metrics
	OTLPEndpoint   string // URL of a collector; "" traces nothing
	ShutdownGrace  time.Duration

	BreachedPasswords string // file of breached.Build; "": no list

	HashWorkers int
	HashQueue   int

	Backup  BackupConfig
	Program string // version of this program, for the header of backups

	Log   *slog.Logger
	Clock func() time.Time
	Rand  io.Reader // crypto/rand.Reader outside tests
}
