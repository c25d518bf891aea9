package console

import (
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

func settingsPages() []page {
	return []page{
		{path: "/projects/{project}/settings", room: roomSettings, entry: true, show: (*visit).settings, forms: map[string]func(*visit) error{"rename": (*visit).rename}, notices: map[string]string{
			"renamed": "The name is changed.", "preset": "The preset is applied.", "unchanged": "Nothing was to be changed.",
		}},
		{path: "/projects/{project}/settings/{group}", room: roomSettings, show: (*visit).settingGroup, forms: map[string]func(*visit) error{"save": (*visit).saveSettings},
			rules: ui.FormRules{MaxBytes: 64 << 10}, notices: map[string]string{"saved": "The settings are saved.", "unchanged": "Nothing was to be changed."}},
		{path: "/projects/{project}/logo", room: roomSettings, show: (*visit).logo, forms: map[string]func(*visit) error{"upload": (*visit).uploadLogo}, upload: 1 << 20},
		{path: "/projects/{project}/preset", room: roomSettings, show: (*visit).presetDiff, forms: map[string]func(*visit) error{"apply": (*visit).applyPreset}},
	}
}

// The beginnings of the names of fields that go with a setting's own: the check box that gives it back to the preset, and the value that it had when the form was
// made, which tells what was typed from what was only there.
const (
	fieldReset = "reset-"
	fieldWas   = "was-"
)

// fieldVersion is the project's version that a page was made of.
const fieldVersion = "version"

// settings shows all settings with the values in force.
func (v *visit) settings() error {
	groups, err := v.settingGroups()
	if err != nil {
		return err
	}
	return v.render("settings", "Settings", struct {
		Groups  []settingGroup
		Presets []presetChoice
		Console bool
	}{groups, presets, v.caller.Project.ID == auth.ConsoleProject})
}

// settingGroup is a group of settings as it stands in the project.
type settingGroup struct {
	auth.SettingGroup
	Fields []settingField
}

// settingField is one setting as it stands, with what a form that was refused had.
type settingField struct {
	auth.Setting
	Now       string // text of the value; "" for secrets
	Typed     string // what the form has
	Own       bool   // it is the project's, not the preset's
	Fixed     bool   // nobody can change it here
	PresetHas string
	Wrong     string // why it was refused
	Reset     bool   // was to go back to the preset's
}

func (v *visit) settingGroups() ([]settingGroup, error) {
	secrets, err := v.Admin.SecretsSet(v.caller)
	if err != nil {
		return nil, err
	}
	var groups []settingGroup
	for _, g := range auth.SettingGroups() {
		group := settingGroup{SettingGroup: g}
		for _, s := range g.Settings {
			group.Fields = append(group.Fields, v.settingField(s, secrets[s.Key]))
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func (v *visit) settingField(s auth.Setting, secretSet bool) settingField {
	p := v.caller.Project
	value, own := p.SettingValue(s)
	field := settingField{Setting: s, Now: value, Own: own, Fixed: p.SettingFixed(s), PresetHas: s.DefaultOf(p.Preset)}
	if s.Secret() {
		field.Now, field.Own = "", secretSet
	}
	if s.Type != "image" {
		field.Typed = field.Now
	}
	if v.problem == nil || !v.touched(field) {
		return field
	}
	field.Reset = v.fields.Has(fieldReset + s.Key)
	if !s.Secret() {
		field.Typed = v.typedSetting(s.Key, s)
	}
	if err := auth.CheckSetting(s.Key, v.typedSetting(s.Key, s)); err != nil && !field.Reset {
		field.Wrong = sentence(auth.AsError(err).Message)
	} else if v.problem.Field == s.Key {
		field.Wrong = v.problem.Text
	}
	return field
}

// touched tells whether the form has something else for the setting than it had when it was made.
func (v *visit) touched(field settingField) bool {
	switch {
	case field.Fixed:
		return false
	case v.fields.Has(fieldReset + field.Key):
		return true
	case !v.fields.Has(field.Key):
		return false
	case field.Secret():
		return v.field(field.Key) != ""
	}
	return v.typedSetting(field.Key, field.Setting) != v.typedSetting(fieldWas+field.Key, field.Setting)
}

// entries reads a list, with commas or one entry a line.
func entries(list string) []string {
	var found []string
	for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if entry = strings.TrimSpace(entry); entry != "" {
			found = append(found, entry)
		}
	}
	return found
}

// Lines shows a list with one entry a line, as it is easiest to edit.
func (f settingField) Lines() string { return strings.Join(entries(f.Typed), "\n") }

// Rows is how high the field of a list is.
func (f settingField) Rows() int { return min(8, 2+len(entries(f.Typed))) }

// Says is what the setting does, and what it takes unless the form offers that.
func (f settingField) Says() string {
	text := sentence(f.Help)
	if len(f.Values) == 0 {
		text += " It takes " + f.Range
		if f.Type == "list" {
			text += ", or one a line"
		}
		text += "."
	}
	return text
}

// Shown is the value for people to read.
func (f settingField) Shown() string { return auth.ShownValue(f.Now) }

// Picture is the value of an image, which the domain has checked to be one; a data URL is not among those that templates let through by themselves.
func (f settingField) Picture() template.URL {
	if f.Type != "image" || auth.CheckSetting(f.Key, f.Now) != nil {
		return ""
	}
	return template.URL(f.Now) //nolint:gosec // see above
}

// typedSetting is the text that a field of the form has for a setting, as the domain takes it.
func (v *visit) typedSetting(name string, s auth.Setting) string {
	return normalized(v.field(name), s)
}

// normalized is the one text of a list that may be written in several ways.
func normalized(text string, s auth.Setting) string {
	if s.Type == "list" {
		return strings.Join(entries(text), ",")
	}
	return text
}

// thisGroup finds the group that the page is about.
func (v *visit) thisGroup() (settingGroup, []settingGroup, error) {
	groups, err := v.settingGroups()
	if err != nil {
		return settingGroup{}, nil, err
	}
	i := slices.IndexFunc(groups, func(g settingGroup) bool { return g.ID == v.r.PathValue("group") })
	if i < 0 {
		return settingGroup{}, nil, &auth.Error{Code: auth.CodeNotFound, Message: "there are no such settings"}
	}
	return groups[i], groups, nil
}

func (v *visit) settingGroup() error {
	group, all, err := v.thisGroup()
	if err != nil {
		return err
	}
	return v.render("setting-group", group.Title, struct {
		Group settingGroup
		All   []settingGroup
	}{group, all})
}

// saveSettings changes what was typed, and nothing else: what somebody else changed meanwhile stays.
func (v *visit) saveSettings() error {
	group, _, err := v.thisGroup()
	if err != nil {
		return err
	}
	change := auth.ProjectChange{Set: map[string]string{}}
	for _, field := range group.Fields {
		typed := v.typedSetting(field.Key, field.Setting)
		switch {
		case !v.touched(field):
		case !field.Secret() && field.Type != "image" && v.typedSetting(fieldWas+field.Key, field.Setting) != normalized(field.Now, field.Setting):
			return &auth.Error{Code: auth.CodeConflict, Field: field.Key, Message: "somebody else changed " + field.Key + " since the page was opened, so nothing was saved; send the form again where yours is right"}
		case v.fields.Has(fieldReset + field.Key):
			change.Reset = append(change.Reset, field.Key)
		default:
			change.Set[field.Key] = typed
		}
	}
	here := v.projectPath("settings", group.ID)
	if len(change.Set) == 0 && len(change.Reset) == 0 {
		return v.back(here, "unchanged")
	}
	if _, err := v.Admin.UpdateProject(v.r.Context(), v.caller, change); err != nil {
		return err
	}
	return v.back(here, "saved")
}

// logo shows the project's logo, and takes another one.
func (v *visit) logo() error {
	groups, err := v.settingGroups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		for _, field := range g.Fields {
			if field.Type == "image" {
				return v.render("logo", "Logo", struct {
					settingField
					Back string
				}{field, v.projectPath("settings", g.ID)})
			}
		}
	}
	return &auth.Error{Code: auth.CodeNotFound, Message: "there is no such setting"}
}

func (v *visit) uploadLogo() error {
	if v.file == nil {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "logo", Message: "choose a file"}
	}
	content, err := io.ReadAll(v.file)
	if err != nil {
		return err
	}
	picture, ok := auth.ImageURL(content)
	if !ok {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "logo", Message: "this file is no picture in PNG, JPEG, WebP or SVG"}
	}
	if _, err := v.Admin.UpdateProject(v.r.Context(), v.caller, auth.ProjectChange{Set: map[string]string{"logo": picture}}); err != nil {
		return err
	}
	return v.back(v.projectPath("settings", "pages"), "saved")
}

// wantUnchanged refuses what a page was made for before somebody else changed the project.
func (v *visit) wantUnchanged() error {
	if v.field(fieldVersion) == strconv.FormatInt(v.caller.Project.Version, 10) {
		return nil
	}
	return &auth.Error{Code: auth.CodeConflict, Message: "somebody changed this project since the page was opened, so nothing was done; this is what is so now"}
}

func (v *visit) rename() error {
	name := v.field("displayName")
	if name == "" {
		return &auth.Error{Code: auth.CodeInvalidArgument, Field: "displayName", Message: "a project needs a name"}
	}
	if _, err := v.Admin.UpdateProject(v.r.Context(), v.caller, auth.ProjectChange{DisplayName: name}); err != nil {
		return err
	}
	return v.back(v.projectPath("settings"), "renamed")
}

// presetPage shows what a preset would change.
type presetPage struct {
	Preset  auth.Preset
	Reset   bool
	Version int64
	Changes []auth.SettingChange
}

// chosenPreset is what the address or the form says.
func (v *visit) chosenPreset() auth.Preset {
	if v.r.Method == http.MethodPost {
		return auth.Preset(v.field("preset"))
	}
	return auth.Preset(v.query("preset"))
}

func (v *visit) presetDiff() error {
	shown := presetPage{Preset: v.chosenPreset(), Reset: v.wants("reset"), Version: v.caller.Project.Version}
	var err error
	if shown.Changes, err = v.Admin.PresetDiff(v.caller, shown.Preset, shown.Reset); err != nil {
		return err
	}
	for i, s := range shown.Changes {
		shown.Changes[i].Now, shown.Changes[i].Would = auth.ShownValue(s.Now), auth.ShownValue(s.Would)
	}
	return v.render("preset", "Preset "+string(shown.Preset), shown)
}

// applyPreset does what the page showed, unless that is not so any more.
func (v *visit) applyPreset() error {
	if err := v.wantUnchanged(); err != nil {
		return err
	}
	if _, err := v.Admin.ApplyPreset(v.r.Context(), v.caller, v.chosenPreset(), v.wants("reset")); err != nil {
		return err
	}
	return v.back(v.projectPath("settings"), "preset")
}
