package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/token"
)

// NewProject is what a project is created with.
type NewProject struct {
	ID          string
	DisplayName string            // "": the id
	Preset      Preset            // "": hardened
	Settings    map[string]string // overrides
	AdminToken  string            // "": one is made
}

const (
	adminTokenPrefix = "dw_admin_"
	minAdminToken    = 8 // characters of one that is handed in
)

// CreateProject makes a project with its first signing key and gives its admin token, which is told this once. Only for operators.
// It fails with CodeInvalidArgument, and CodeConflict where the id is or ever was in use (P6).
func (a *Admin) CreateProject(ctx context.Context, c Caller, np NewProject) (*Project, string, error) {
	if err := c.requireOperator(); err != nil {
		return nil, "", err
	}
	p, adminToken, err := a.prepareProject(np)
	if err != nil {
		return nil, "", err
	}
	err = a.createPrepared(ctx, c, p)
	if errors.Is(err, ErrConflict) {
		return nil, "", newError(CodeConflict, fmt.Sprintf("the project id %q is in use, or was once; ids are never used again, choose another", p.ID))
	}
	if err != nil {
		return nil, "", err
	}
	return p, adminToken, nil
}

// createPrepared stores a new project with its first signing key. It fails with ErrConflict.
func (a *Admin) createPrepared(ctx context.Context, c Caller, p *Project) error {
	key, err := a.newSigningKey(p)
	if err != nil {
		return err
	}
	c.Project = p
	return a.store.Update(ctx, func(tx Tx) error {
		if err := tx.CreateProject(ctx, *p); err != nil {
			return err
		}
		if err := tx.CreateSigningKey(ctx, key); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventProjectCreated, OutcomeAllowed, "", "preset", string(p.Preset))
	})
}

func (a *Admin) prepareProject(np NewProject) (*Project, string, error) {
	id, err := ParseProjectID(np.ID)
	if err != nil {
		return nil, "", err
	}
	return a.prepareNamed(id, np)
}

func (a *Admin) prepareNamed(id ProjectID, np NewProject) (_ *Project, adminToken string, err error) {
	if np.Preset == "" {
		np.Preset = PresetHardened
	}
	if np.Preset != PresetHardened && np.Preset != PresetDocumented {
		return nil, "", invalidArgument("preset", "the preset is documented or hardened")
	}
	if np.DisplayName == "" {
		np.DisplayName = np.ID
	}
	if err := checkDisplayName(np.DisplayName); err != nil {
		return nil, "", err
	}
	adminToken = np.AdminToken
	if adminToken == "" {
		if adminToken, err = token.NewOpaque(adminTokenPrefix, 32, a.rand); err != nil {
			return nil, "", err
		}
	} else if len(adminToken) < minAdminToken {
		return nil, "", invalidArgument("adminToken", fmt.Sprintf("an admin token has at least %d characters; a long random one is best", minAdminToken))
	}
	now := a.now()
	p := &Project{ID: id, DisplayName: np.DisplayName, Preset: np.Preset, AdminTokenHash: token.Hash(adminToken), CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := a.changeSettings(p, np.Settings, nil); err != nil {
		return nil, "", err
	}
	return p, adminToken, a.resolve(p)
}

// checkDisplayName refuses what would mislead where the name stands in a mail's From or on a page: a name that reads as an address or a link, or as another
// encoded one (RFC 2047), or that turns the text around it.
func checkDisplayName(name string) error {
	if len(name) > 100 || hasControl(name) || !utf8.ValidString(name) {
		return invalidArgument("displayName", "a display name has at most 100 bytes and no control characters")
	}
	misleads := func(r rune) bool { return unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) }
	if strings.Contains(name, "@") || strings.Contains(name, "://") || strings.Contains(name, "=?") || strings.ContainsFunc(name, misleads) {
		return invalidArgument("displayName", `a display name has no "@", "://" or "=?", and no characters that break lines or change the direction of the text`)
	}
	return nil
}

// changeSettings sets overrides, and removes those to be reset to their defaults. Secrets go into the sealed part.
func (a *Admin) changeSettings(p *Project, set map[string]string, reset []string) error {
	overrides := maps.Clone(p.Overrides)
	if overrides == nil {
		overrides = map[string]string{}
	}
	secrets, err := a.projectSecrets(p)
	if err != nil {
		return err
	}
	for _, key := range reset {
		if _, ok := settingsByKey[key]; !ok {
			return CheckSetting(key, "")
		}
		delete(overrides, key)
		delete(secrets, key)
	}
	for key, value := range set {
		if err := CheckSetting(key, value); err != nil {
			return err
		}
		if settingsByKey[key].Secret() {
			secrets[key] = value
			continue
		}
		overrides[key] = value
	}
	resolved, err := ResolveSettings(p.Preset, overrides)
	if err != nil {
		return err
	}
	if resolved.PasskeyRPID != "" || len(resolved.PasskeyOrigins) > 0 {
		if _, err := a.relyingPartyOf(resolved); err != nil {
			return err
		}
	}
	p.Overrides = overrides
	return a.sealSecrets(p, secrets)
}

func (s *Service) projectSecrets(p *Project) (map[string]string, error) {
	secrets := map[string]string{}
	if len(p.SecretsSealed) == 0 {
		return secrets, nil
	}
	plain, err := s.keyring.Open(p.SecretsSealed, SealedProjectSecrets.AD(p.ID, string(p.ID)))
	if err != nil {
		return nil, fmt.Errorf("open secrets of project %s: %w", p.ID, err)
	}
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return nil, fmt.Errorf("secrets of project %s are malformed", p.ID)
	}
	return secrets, nil
}

func (s *Service) sealSecrets(p *Project, secrets map[string]string) error {
	for key, value := range secrets {
		if value == "" {
			delete(secrets, key)
		}
	}
	if len(secrets) == 0 {
		p.SecretsSealed = nil
		return nil
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return err
	}
	p.SecretsSealed, err = s.keyring.Seal(plain, SealedProjectSecrets.AD(p.ID, string(p.ID)))
	return err
}

// MailSettings gives what the mail worker needs of a project: its own SMTP server's URL and its sender, both "" for the server's.
func (s *Service) MailSettings(ctx context.Context, id ProjectID) (smtpURL string, from Email, displayName string, err error) {
	p, err := s.HostedProject(ctx, id)
	if err != nil {
		return "", "", "", err
	}
	secrets, err := s.projectSecrets(p)
	if err != nil {
		return "", "", "", err
	}
	return secrets[SettingSMTP], p.Settings.MailFrom, p.DisplayName, nil
}

// SecretsSet tells which secret settings of a project have a value.
func (a *Admin) SecretsSet(c Caller) (map[string]bool, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	secrets, err := a.projectSecrets(c.Project)
	set := map[string]bool{}
	for key := range secrets {
		set[key] = true
	}
	return set, err
}

// ListProjects lists the instance's projects by id, but [ConsoleProject]. Only for operators.
func (a *Admin) ListProjects(ctx context.Context, c Caller, after ProjectID, limit int) ([]Project, error) {
	if err := c.requireOperator(); err != nil {
		return nil, err
	}
	projects, err := a.store.ListProjects(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	projects = slices.DeleteFunc(projects, func(p Project) bool { return p.ID == ConsoleProject })
	projects = projects[:min(limit, len(projects))]
	for i := range projects {
		if err := a.resolve(&projects[i]); err != nil {
			return nil, err
		}
	}
	return projects, nil
}

// FindProjects lists those projects whose ids begin with prefix, as ListProjects does. Only for operators.
func (a *Admin) FindProjects(ctx context.Context, c Caller, prefix string, after ProjectID, limit int) ([]Project, error) {
	if err := c.requireOperator(); err != nil {
		return nil, err
	}
	if strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, nil // no id has such characters
	}
	if n := len(prefix); n > 0 { // no id lies between this and the first that begins with prefix: "~" sorts behind all that ids have
		after = max(after, ProjectID(prefix[:n-1]+string(rune(prefix[n-1])-1)+"~"))
	}
	projects, err := a.ListProjects(ctx, c, after, limit)
	if end := slices.IndexFunc(projects, func(p Project) bool { return !strings.HasPrefix(string(p.ID), prefix) }); end >= 0 {
		projects = projects[:end]
	}
	return projects, err
}

// ProjectChange is what shall change of a project; zero fields stay.
type ProjectChange struct {
	DisplayName string
	Preset      Preset
	Set         map[string]string
	Reset       []string
}

// UpdateProject changes settings. It fails with CodeInvalidArgument.
func (a *Admin) UpdateProject(ctx context.Context, c Caller, change ProjectChange) (*Project, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if err := checkConsoleChange(c, change); err != nil {
		return nil, err
	}
	var p Project
	err := a.store.Update(ctx, func(tx Tx) (err error) {
		if p, err = tx.GetProject(ctx, c.Project.ID); err != nil {
			return err
		}
		if change.DisplayName != "" {
			if err := checkDisplayName(change.DisplayName); err != nil {
				return err
			}
			p.DisplayName = change.DisplayName
		}
		if change.Preset != "" {
			p.Preset = change.Preset
		}
		if p.Preset != PresetDocumented && p.Preset != PresetHardened {
			return invalidArgument("preset", "the preset is documented or hardened")
		}
		if err := a.changeSettings(&p, change.Set, change.Reset); err != nil {
			return err
		}
		p.UpdatedAt = a.now()
		if err := tx.UpdateProject(ctx, p); err != nil {
			return err
		}
		return a.auditSettings(ctx, tx, c, change)
	})
	if err != nil {
		return nil, notFound(err, "there is no such project")
	}
	changed, err := a.HostedProject(ctx, p.ID)
	return changed, AfterCommit(err)
}

// auditSettings writes down which settings changed, and to what unless that is a secret.
func (a *Admin) auditSettings(ctx context.Context, tx Tx, c Caller, change ProjectChange) error {
	var detail []string
	for key, value := range change.Set {
		if settingsByKey[key].Secret() {
			value = "(secret)"
		}
		detail = append(detail, key, ShownValue(value))
	}
	for _, key := range change.Reset {
		detail = append(detail, key, "(default)")
	}
	if change.Preset != "" {
		detail = append(detail, "preset", string(change.Preset))
	}
	return a.audit(ctx, tx, c, EventSettingsChanged, OutcomeAllowed, "", detail...)
}

// removalTime is how long the answer to a deletion waits for the rows. A few thousand users go in that time.
const removalTime = 5 * time.Second

// DeleteProject removes a project and everything of it, for ever: for everybody at once, while the rows of many users are left to CleanUpImports. Only for operators; the
// project that bare hosts serve stays. It fails with CodeNotFound and CodeInvalidArgument.
func (a *Admin) DeleteProject(ctx context.Context, c Caller) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	if err := c.notConsole(); err != nil {
		return err
	}
	id := c.Project.ID
	if id == DefaultProject {
		return invalidArgument("project", "the project default serves bare hosts and cannot be deleted")
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteProject(ctx, id, a.now()); err != nil {
			return err
		}
		instance := c
		instance.Project = nil // the record outlives the project
		return a.audit(ctx, tx, instance, EventProjectDeleted, OutcomeAllowed, "", "project", string(id))
	})
	if err != nil {
		return notFound(err, "there is no such project")
	}
	a.removeRows(ctx, id)
	return nil
}

// removeRows removes what a deleted project left. The deletion stands whether that succeeds or not.
func (a *Admin) removeRows(ctx context.Context, id ProjectID) {
	if a.rows == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, removalTime)
	defer cancel()
	if err := a.rows.AbandonProject(ctx, id, ""); err != nil {
		a.log.InfoContext(ctx, "the rest of a deleted project is removed later", "project", string(id), "reason", err)
	}
}

// RotateAdminToken replaces the project's admin token with immediate effect and gives the new one, which is told this once.
func (a *Admin) RotateAdminToken(ctx context.Context, c Caller) (string, error) {
	if err := c.requireAdmin(); err != nil {
		return "", err
	}
	if err := c.notConsole(); err != nil {
		return "", err
	}
	adminToken, err := token.NewOpaque(adminTokenPrefix, 32, a.rand)
	if err != nil {
		return "", err
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		p, err := tx.GetProject(ctx, c.Project.ID)
		if err != nil {
			return err
		}
		p.AdminTokenHash, p.UpdatedAt = token.Hash(adminToken), a.now()
		if err := tx.UpdateProject(ctx, p); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventAdminTokenRotated, OutcomeAllowed, "")
	})
	if err != nil {
		return "", notFound(err, "there is no such project")
	}
	return adminToken, nil
}
