package auth

import (
	"context"
)

// SettingChange is what another preset would change of one setting.
type SettingChange struct {
	Key   string
	Now   string // as it stands in the project
	Would string // as it would
	Own   bool   // Now is the project's own value
	Help  string
}

// PresetDiff tells what ApplyPreset would change. It fails with CodeInvalidArgument.
func (a *Admin) PresetDiff(c Caller, preset Preset, reset bool) ([]SettingChange, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if preset != PresetDocumented && preset != PresetHardened {
		return nil, invalidArgument("preset", "the preset is documented or hardened")
	}
	var changes []SettingChange
	for _, s := range settingTable {
		now, own := c.Project.Overrides[s.Key]
		switch {
		case !own:
			now = s.DefaultOf(c.Project.Preset)
		case !reset || s.Default == s.Hardened: // what presets do not differ in is none of their business
			continue
		}
		if would := s.DefaultOf(preset); would != now {
			changes = append(changes, SettingChange{Key: s.Key, Now: now, Would: would, Own: own, Help: s.Help})
		}
	}
	return changes, nil
}

// ApplyPreset gives the project the defaults of a preset. Its own values stay, unless reset: then those that presets differ in go. It fails with CodeInvalidArgument.
func (a *Admin) ApplyPreset(ctx context.Context, c Caller, preset Preset, reset bool) (*Project, error) {
	changes, err := a.PresetDiff(c, preset, reset)
	if err != nil {
		return nil, err
	}
	change := ProjectChange{Preset: preset}
	for _, s := range changes {
		if s.Own {
			change.Reset = append(change.Reset, s.Key)
		}
	}
	return a.UpdateProject(ctx, c, change)
}
