package adminapi

import (
	"maps"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// NewProject is what a project is created with.
type NewProject struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName,omitempty"` // "": the id
	Preset      string            `json:"preset,omitempty"`      // documented or hardened; "": hardened
	Settings    map[string]string `json:"settings,omitempty"`    // overrides of the preset, in their text form
	AdminToken  string            `json:"adminToken,omitempty"`  // "": one is made
}

// newProjectBody is how NewProject arrives: settings are checked one by one, so that an error names the key.
type newProjectBody struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Preset      string         `json:"preset"`
	Settings    map[string]any `json:"settings"`
	AdminToken  string         `json:"adminToken"`
}

// ProjectPatch is what shall change of a project; empty fields stay.
type ProjectPatch struct {
	DisplayName string            `json:"displayName,omitempty"`
	Preset      string            `json:"preset,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"` // overrides to set
	Reset       []string          `json:"reset,omitempty"`    // keys whose override is removed
}

type projectPatchBody struct {
	DisplayName string         `json:"displayName"`
	Preset      string         `json:"preset"`
	Settings    map[string]any `json:"settings"`
	Reset       []string       `json:"reset"`
}

// Project is one tenant of the instance.
type Project struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName"`
	Preset      string            `json:"preset"`
	Overrides   map[string]string `json:"overrides"` // settings that differ from the preset; no secrets
	CreatedAt   time.Time         `json:"createdAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
}

// ProjectDetails is a project with its numbers.
type ProjectDetails struct {
	Project
	UserCount int `json:"userCount"`
}

// CreatedProject is a new project with its admin token, which is told this once.
type CreatedProject struct {
	Project
	AdminToken string `json:"adminToken"`
}

// ProjectList is a page of projects in the order of their ids.
type ProjectList struct {
	Projects []Project `json:"projects"`
	Next     string    `json:"next,omitempty"`
}

// AdminToken is a project's new admin token, which is told this once.
type AdminToken struct {
	AdminToken string `json:"adminToken"`
}

// Setting describes one setting of a project.
type Setting struct {
	Key             string `json:"key"`
	Type            string `json:"type"`
	Range           string `json:"range"`           // what it takes, for people
	Default         string `json:"default"`         // of the documented preset
	HardenedDefault string `json:"hardenedDefault"` // of the hardened preset
	Secret          bool   `json:"secret"`          // write-only
	Help            string `json:"help"`
}

// SettingList is every setting there is, in the order in which people should read them.
type SettingList struct {
	Settings []Setting `json:"settings"`
}

// The sources of a setting's value.
const (
	SourcePreset   = "preset"
	SourceOverride = "override"
)

// ProjectSetting is a setting as it stands in one project.
type ProjectSetting struct {
	Key     string `json:"key"`
	Type    string `json:"type"`
	Range   string `json:"range"`
	Default string `json:"default"` // of the project's preset
	Value   string `json:"value"`   // always "" for a secret
	Source  string `json:"source"`  // SourcePreset or SourceOverride
	Secret  bool   `json:"secret"`
	Set     bool   `json:"set"` // whether the project has a value of its own; for secrets all there is to know
	Help    string `json:"help"`
}

// ProjectSettingList is every setting as it stands in one project.
type ProjectSettingList struct {
	Settings []ProjectSetting `json:"settings"`
}

func (a *API) createProject(q request, body newProjectBody) (CreatedProject, error) {
	settings, err := settingTexts(body.Settings)
	if err != nil {
		return CreatedProject{}, err
	}
	p, adminToken, err := a.admin.CreateProject(q.ctx, q.caller, auth.NewProject{
		ID: body.ID, DisplayName: body.DisplayName, Preset: auth.Preset(body.Preset), Settings: settings, AdminToken: body.AdminToken,
	})
	if err != nil {
		return CreatedProject{}, err
	}
	return CreatedProject{projectOf(p), adminToken}, nil
}

// settingTexts checks that every value is a string, since all settings are in their text form.
func settingTexts(settings map[string]any) (map[string]string, error) {
	texts := make(map[string]string, len(settings))
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		text, ok := settings[key].(string)
		if !ok {
			return nil, web.MalformedField(key, "a string, as every setting is")
		}
		texts[key] = text
	}
	return texts, nil
}

func projectOf(p *auth.Project) Project {
	overrides := p.Overrides
	if overrides == nil {
		overrides = map[string]string{}
	}
	return Project{string(p.ID), p.DisplayName, string(p.Preset), overrides, p.CreatedAt, p.UpdatedAt}
}

func (a *API) listProjects(q request) (ProjectList, error) {
	limit, err := q.limit()
	if err != nil {
		return ProjectList{}, err
	}
	projects, err := a.admin.ListProjects(q.ctx, q.caller, auth.ProjectID(q.param("after")), limit+1)
	if err != nil {
		return ProjectList{}, err
	}
	list, next := page(projects, limit, func(p auth.Project) Project { return projectOf(&p) }, func(p Project) string { return p.ID })
	return ProjectList{list, next}, nil
}

func (a *API) getProject(q request) (ProjectDetails, error) {
	stats, err := a.admin.ProjectStats(q.ctx, q.caller)
	if err != nil {
		return ProjectDetails{}, err
	}
	return ProjectDetails{projectOf(q.caller.Project), stats.Users}, nil
}

func (a *API) updateProject(q request, body projectPatchBody) (Project, error) {
	settings, err := settingTexts(body.Settings)
	if err != nil {
		return Project{}, err
	}
	p, err := a.admin.UpdateProject(q.ctx, q.caller, auth.ProjectChange{
		DisplayName: body.DisplayName, Preset: auth.Preset(body.Preset), Set: settings, Reset: body.Reset,
	})
	if err != nil {
		return Project{}, err
	}
	return projectOf(p), nil
}

func (a *API) deleteProject(q request) error { return a.admin.DeleteProject(q.ctx, q.caller) }

func (a *API) rotateAdminToken(q request) (AdminToken, error) {
	adminToken, err := a.admin.RotateAdminToken(q.ctx, q.caller)
	return AdminToken{adminToken}, err
}

func (a *API) listSettings(request) (SettingList, error) {
	list := SettingList{Settings: []Setting{}}
	for _, s := range auth.SettingTable() {
		list.Settings = append(list.Settings, Setting{s.Key, s.Type, s.Range, s.Default, s.Hardened, s.Secret(), s.Help})
	}
	return list, nil
}

func (a *API) listProjectSettings(q request) (ProjectSettingList, error) {
	secrets, err := a.admin.SecretsSet(q.caller)
	if err != nil {
		return ProjectSettingList{}, err
	}
	list := ProjectSettingList{Settings: []ProjectSetting{}}
	for _, s := range auth.SettingTable() {
		list.Settings = append(list.Settings, projectSetting(q.caller.Project, s, secrets[s.Key]))
	}
	return list, nil
}

func projectSetting(p *auth.Project, s auth.Setting, secretSet bool) ProjectSetting {
	preset := s.DefaultOf(p.Preset)
	out := ProjectSetting{Key: s.Key, Type: s.Type, Range: s.Range, Default: preset, Value: preset, Source: SourcePreset, Secret: s.Secret(), Help: s.Help}
	value, overridden := p.Overrides[s.Key]
	if overridden {
		out.Value = value
	}
	if overridden || secretSet {
		out.Source, out.Set = SourceOverride, true
	}
	return out
}
