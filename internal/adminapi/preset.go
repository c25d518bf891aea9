package adminapi

import (
	"context"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
)

// SettingChange is what a preset would change of one setting.
type SettingChange struct {
	Key   string `json:"key"`
	Now   string `json:"now"`
	Would string `json:"would"`
	Own   bool   `json:"own"` // now is the project's own value
	Help  string `json:"help"`
}

// PresetDiff is what a preset would change.
type PresetDiff struct {
	Preset  string          `json:"preset"`
	Changes []SettingChange `json:"changes"`
}

var presetParams = []string{"reset"}

func (a *API) presetDiff(q request) (PresetDiff, error) {
	reset, err := q.flag("reset")
	if err != nil {
		return PresetDiff{}, err
	}
	changes, err := a.admin.PresetDiff(q.caller, auth.Preset(q.path("preset")), reset)
	if err != nil {
		return PresetDiff{}, err
	}
	diff := PresetDiff{Preset: q.path("preset"), Changes: make([]SettingChange, len(changes))}
	for i, s := range changes {
		diff.Changes[i] = SettingChange(s)
	}
	return diff, nil
}

func (a *API) applyPreset(q request) (Project, error) {
	reset, err := q.flag("reset")
	if err != nil {
		return Project{}, err
	}
	p, err := a.admin.ApplyPreset(q.ctx, q.caller, auth.Preset(q.path("preset")), reset)
	if err != nil {
		return Project{}, err
	}
	return projectOf(p), nil
}

// PresetDiff tells what ApplyPreset would change.
func (c *Client) PresetDiff(ctx context.Context, project, preset string, reset bool) (PresetDiff, error) {
	return fetchList[PresetDiff](ctx, c, resetParam(reset), "projects", project, "presets", preset)
}

// ApplyPreset gives a project the defaults of a preset. Its own values stay, unless reset: then those that presets differ in go.
func (c *Client) ApplyPreset(ctx context.Context, project, preset string, reset bool) (Project, error) {
	var p Project
	err := c.decode(ctx, call{method: "POST", path: []string{"projects", project, "presets", preset}, query: resetParam(reset)}, &p)
	return p, err
}

func resetParam(reset bool) url.Values {
	if !reset {
		return nil
	}
	return params("reset", "true")
}
