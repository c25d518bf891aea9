package auth

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// ProjectID names a project: 1 to 40 of a-z, 0-9 and inner hyphens, so that it is also a DNS label.
type ProjectID string

// DefaultProject is the project that bare hosts serve.
const DefaultProject ProjectID = "default"

// Preset is the set of defaults that a project starts from.
type Preset string

// The presets. Documented answers exactly as the contract shows; Hardened is what an operator's new projects get.
const (
	PresetDocumented Preset = "documented"
	PresetHardened   Preset = "hardened"
)

// Project is one isolated tenant: its users, keys, settings and mail.
type Project struct {
	ID             ProjectID
	DisplayName    string
	Preset         Preset
	Overrides      map[string]string // setting key to its text form; what is absent has the preset's default
	SecretsSealed  []byte            // sealed JSON object of the secret settings; nil where none is set
	AdminTokenHash []byte
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Version        int64 // grows with every change

	// Settings is what Preset and Overrides come to. The domain fills it; stores neither read nor write it.
	Settings *Settings
}

var projectIDPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)

// reservedProjectIDs are first path segments and host labels that the server uses itself.
var reservedProjectIDs = []string{"admin", "api", "assets", "auth", "console", "debug", "healthz", "metrics", "readyz", "static", "v1", "www"}

// ParseProjectID checks the form of a project id. It fails with CodeInvalidArgument.
func ParseProjectID(s string) (ProjectID, error) {
	if !projectIDPattern.MatchString(s) {
		return "", invalidArgument("project", fmt.Sprintf("a project id has 1 to 40 of a-z, 0-9 and inner hyphens; %q has not", clip(s, 60)))
	}
	if slices.Contains(reservedProjectIDs, s) {
		return "", invalidArgument("project", fmt.Sprintf("the project id %q is reserved; choose another", s))
	}
	return ProjectID(s), nil
}
