package main

// dataFlags say where the data is.
type dataFlags struct {
	Config        string `help:"Configuration file (TOML)." placeholder:"FILE"`
	Data          string `help:"${data}" placeholder:"DIR"`
	Database      string `help:"${database}" placeholder:"URL"`
	MasterKeyFile string `help:"${master_key_file}" placeholder:"FILE"`
	PublicURL     string `name:"public-url" help:"${public_url}" placeholder:"URL"`
}

// serverFlags are all options of a server.
type serverFlags struct {
	dataFlags
	Listen         string `help:"${listen}" placeholder:"HOST:PORT"`
	Domain         string `help:"${domain}" placeholder:"NAME"`
	SMTP           string `name:"smtp" help:"${smtp}" placeholder:"URL"`
	MailFrom       string `help:"${mail_from}" placeholder:"ADDRESS"`
	MailFromName   string `help:"${mail_from_name}" placeholder:"NAME"`
	TrustedProxies string `help:"${trusted_proxies}" placeholder:"NETWORKS"`
	MetricsListen  string `help:"${metrics_listen}" placeholder:"HOST:PORT"`
	OTLPEndpoint   string `name:"otlp-endpoint" help:"${otlp_endpoint}" placeholder:"URL"`
	AdminToken     string `help:"${admin_token}" placeholder:"TOKEN"`
	HashWorkers    string `help:"${hash_workers}" placeholder:"N"`
	HashQueue      string `help:"${hash_queue}" placeholder:"N"`
	MaxConnections string `help:"${max_connections}" placeholder:"N"`
	ShutdownGrace  string `help:"${shutdown_grace}" placeholder:"DURATION"`
	LogFormat      string `help:"${log_format}" placeholder:"FORMAT"`
	LogLevel       string `help:"${log_level}" placeholder:"LEVEL"`

	BreachedPasswords string `help:"${breached_passwords}" placeholder:"FILE"`

	BackupTo         string `help:"${backup_to}" placeholder:"PLACE"`
	BackupEvery      string `help:"${backup_every}" placeholder:"DURATION"`
	BackupKeep       string `help:"${backup_keep}" placeholder:"N"`
	BackupRecipients string `help:"${backup_recipients}" placeholder:"KEYS"`
	BackupPassphrase string `help:"${backup_passphrase}" placeholder:"TEXT"`
}

// reachFlags say which instance a command works on: a data directory, or a server.
type reachFlags struct {
	dataFlags
	Server     string `help:"Work on the server at this URL instead of a data directory. Also DOORWARD_SERVER." placeholder:"URL"`
	AdminToken string `help:"Operator token, or a project's admin token, for --server. Better in DOORWARD_TOKEN or the file that DOORWARD_TOKEN_FILE names." placeholder:"TOKEN"`
}

// projectFlag names the project that a command is about.
type projectFlag struct {
	Project string `help:"Project." default:"default" placeholder:"ID"`
}

// yesFlag answers the question that a command asks before it deletes.
type yesFlag struct {
	Yes bool `help:"Do not ask." short:"y"`
}
