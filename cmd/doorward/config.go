package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// The kinds of places a value comes from, by precedence.
const (
	fromFlag    = "flag"
	fromEnv     = "env"
	fromFile    = "file"
	fromServer  = "server" // what `doorward serve` last ran with, for the other verbs
	fromDefault = "default"
)

// value is the text of an option and where it stands.
type value struct {
	text   string
	kind   string // fromFlag and so on
	source string // "flag --listen", "env DOORWARD_LISTEN", "file doorward.toml", "default"
}

// problem is something wrong with the configuration. It prints as one line that holds no secret.
type problem struct {
	Key     string `json:"key,omitempty"`
	Source  string `json:"source"`
	Message string `json:"message"`
}

func (p problem) String() string {
	if p.Key == "" {
		return p.Source + ": " + p.Message
	}
	return fmt.Sprintf("%s (%s): %s", p.Key, p.Source, p.Message)
}

// configuration is what flags, environment and file come to.
type configuration struct {
	settings
	values   map[string]value // by option key
	problems []problem
}

// clientVariables are known variables that are no option of the server.
var clientVariables = []string{"DOORWARD_CONFIG", "DOORWARD_SERVER", "DOORWARD_TOKEN", "DOORWARD_TOKEN_FILE"}

// loadConfig puts the configuration together: flags over environment over file over defaults. flags has the given ones by name. What is wrong
// is in problems, all of it, so that `doorward config check` can show it at once.
func loadConfig(flags map[string]string, env map[string]string) *configuration {
	c := &configuration{values: map[string]value{}}
	c.readFile(flags, env)
	c.readEnv(env)
	for _, o := range options {
		if v, ok := flags[o.key]; ok {
			c.values[o.key] = value{v, fromFlag, "flag --" + o.key}
		}
	}
	c.resolve()
	return c
}

// resolve fills in defaults and parses every value.
func (c *configuration) resolve() {
	for _, o := range options {
		v, ok := c.values[o.key]
		if !ok {
			v = value{o.def(&c.settings), fromDefault, "default"}
			c.values[o.key] = v
		}
		if err := o.set(&c.settings, v.text); err != nil {
			c.problem(o.key, v.source, err.Error())
		}
	}
}

func (c *configuration) problem(key, source, message string) {
	c.problems = append(c.problems, problem{key, source, message})
}

// err gives the first problem as an error.
func (c *configuration) err() error {
	switch len(c.problems) {
	case 0:
		return nil
	case 1:
		return usageError("configuration: " + c.problems[0].String())
	}
	return usageError(fmt.Sprintf("configuration: %s (and %d more; `doorward config check` shows all)", c.problems[0], len(c.problems)-1))
}

func (c *configuration) readEnv(env map[string]string) {
	known := slices.Clone(clientVariables)
	for _, o := range options {
		known = append(known, o.env())
		if o.secret {
			known = append(known, o.env()+"_FILE")
		}
		v, given := env[o.env()]
		if path, ok := env[o.env()+"_FILE"]; ok && o.secret {
			if given {
				c.problem(o.key, "env "+o.env(), "it is set, and so is "+o.env()+"_FILE; unset one")
			}
			c.readSecret(o.key, fromEnv, "env "+o.env()+"_FILE", path)
		} else if given {
			c.values[o.key] = value{v, fromEnv, "env " + o.env()}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, "DOORWARD_") || slices.Contains(known, name) {
			continue
		}
		if base, isFile := strings.CutSuffix(name, "_FILE"); isFile && slices.Contains(known, base) {
			c.problem("", "env "+name, "only secrets may come from files; set "+base)
			continue
		}
		c.problem("", "env "+name, "there is no such variable; "+nearestOf(name, known))
	}
	// The variable that every OpenTelemetry program honours, where ours is not set.
	if v := env["OTEL_EXPORTER_OTLP_ENDPOINT"]; v != "" {
		if current, given := c.values["otlp-endpoint"]; !given || current.kind == fromFile {
			c.values["otlp-endpoint"] = value{v, fromEnv, "env OTEL_EXPORTER_OTLP_ENDPOINT"}
		}
	}
}

// readSecret reads the value of a secret option from a file of its own.
func (c *configuration) readSecret(key, kind, source, path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		c.problem(key, source, err.Error())
		return
	}
	c.values[key] = value{strings.TrimRight(string(content), "\r\n"), kind, source + " " + path}
}

// readFile reads the TOML file that --config or DOORWARD_CONFIG names.
func (c *configuration) readFile(flags, env map[string]string) {
	path := flags["config"]
	if path == "" {
		path = env["DOORWARD_CONFIG"]
	}
	if path == "" {
		return
	}
	source := "file " + path
	content, err := os.ReadFile(path)
	if err != nil {
		c.problem("", source, err.Error())
		return
	}
	var table map[string]any
	if err := toml.Unmarshal(content, &table); err != nil {
		c.problem("", source, tomlMessage(err))
		return
	}
	known := c.readTable(table, source)
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, key) {
			c.problem("", source, fmt.Sprintf("unknown key %q; %s", key, nearestOf(key, known)))
		}
	}
}

// readTable takes the options out of the file, and gives the keys that it may have.
func (c *configuration) readTable(table map[string]any, source string) (known []string) {
	for _, o := range options {
		known = append(known, o.fileKey())
		v, given := table[o.fileKey()]
		if given {
			text, err := textOf(v)
			if err != nil {
				c.problem(o.key, source, err.Error())
				continue
			}
			c.values[o.key] = value{text, fromFile, source}
		}
		if !o.secret {
			continue
		}
		known = append(known, o.fileKey()+"_file")
		path, ok := table[o.fileKey()+"_file"].(string)
		if !ok {
			continue
		}
		if given {
			c.problem(o.key, source, "it has both "+o.fileKey()+" and "+o.fileKey()+"_file; remove one")
		}
		c.readSecret(o.key, fromFile, source+", "+o.fileKey()+"_file", path)
	}
	return known
}

// tomlMessage says where a file does not parse. It leaves out the library's excerpt, which may show a secret.
func tomlMessage(err error) string {
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, column := decode.Position()
		return fmt.Sprintf("line %d, column %d: %s", row, column, decode.Error())
	}
	return "it is not TOML"
}

// textOf gives the text form of a value of the file.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64, bool, float64:
		return fmt.Sprint(v), nil
	case []any:
		entries := make([]string, len(v))
		for i, entry := range v {
			s, ok := entry.(string)
			if !ok {
				return "", errors.New("its list holds something else than strings")
			}
			entries[i] = s
		}
		return strings.Join(entries, ","), nil
	}
	return "", errors.New("it is neither a string, a number nor a list of strings")
}

// notes are what is allowed but may surprise.
func (c *configuration) notes() (notes []problem) {
	host, _, _ := net.SplitHostPort(c.listen)
	public := c.server.PublicURL
	if c.values["public-url"].kind == fromDefault && !isLoopbackHost(host) {
		notes = append(notes, problem{"public-url", "default", "links in mails lead to this machine only; set the URL at which users reach the server"})
	}
	if public.Scheme == "http" && !isLoopbackHost(public.Hostname()) {
		notes = append(notes, problem{"public-url", c.values["public-url"].source, "passwords and tokens travel in clear text; use https, with a proxy or with tls-cert or acme-email"})
	}
	notes = append(notes, c.tlsNotes()...)
	if c.server.SMTP == nil {
		notes = append(notes, problem{"smtp", c.values["smtp"].source, "no mail leaves; `doorward mail list` shows what would"})
	}
	return notes
}

// publicURLFile is where serve leaves its public URL, so that mails which other verbs queue carry links to the same.
const publicURLFile = "public-url"

// recordPublicURL writes down what serve runs with.
func recordPublicURL(c *configuration) error {
	path := filepath.Join(c.server.DataDir, publicURLFile)
	if recorded, err := os.ReadFile(path); err == nil && string(recorded) == c.server.PublicURL.String() {
		return nil
	}
	if err := os.WriteFile(path, []byte(c.server.PublicURL.String()), 0o600); err != nil {
		return fmt.Errorf("record the public URL: %w", err)
	}
	return nil
}

// useRecordedPublicURL takes what serve last ran with, unless something else is configured.
func (c *configuration) useRecordedPublicURL() {
	if c.values["public-url"].kind != fromDefault {
		return
	}
	path := filepath.Join(c.server.DataDir, publicURLFile)
	recorded, err := os.ReadFile(path)
	if err != nil {
		return // serve has not run yet
	}
	if err := setPublicURL(&c.settings, string(recorded)); err != nil {
		c.problem("public-url", "file "+path, err.Error())
		return
	}
	c.values["public-url"] = value{string(recorded), fromServer, "file " + path}
}
