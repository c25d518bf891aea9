package auth

import "testing"

func TestSettingGroups(t *testing.T) {
	ids, at := map[string]bool{}, 0
	for _, g := range SettingGroups() {
		if len(g.Settings) == 0 || ids[g.ID] || g.Title == "" || g.Help == "" {
			t.Errorf("group %q is empty, nameless or there twice", g.ID)
		}
		ids[g.ID] = true
		for _, s := range g.Settings {
			if s.Key != settingTable[at].Key {
				t.Fatalf("group %s has %s where the table has %s", g.ID, s.Key, settingTable[at].Key)
			}
			at++
		}
	}
	if at != len(settingTable) {
		t.Errorf("%d settings of %d are in groups", at, len(settingTable))
	}
}

// Values are what an enumeration takes: all of them, and nothing else.
func TestSettingValues(t *testing.T) {
	for _, s := range settingTable {
		if (s.Type == "enum" || s.Type == "bool") != (len(s.Values) > 1) {
			t.Errorf("setting %s of type %s has the values %q", s.Key, s.Type, s.Values)
		}
		for _, value := range s.Values {
			if err := CheckSetting(s.Key, value); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSettingValue(t *testing.T) {
	acme := &Project{ID: "acme", Preset: PresetHardened, Overrides: map[string]string{"idTokenTTL": "5m"}}
	console := &Project{ID: ConsoleProject, Preset: PresetHardened, Overrides: map[string]string{"selfSignUp": "true"}}
	for _, c := range []struct {
		p          *Project
		key, want  string
		own, fixed bool
	}{
		{acme, "idTokenTTL", "5m", true, false},
		{acme, "signUpByMail", "true", false, false},
		{console, "selfSignUp", "false", true, true}, // whatever its row says
		{console, "language", "en", false, false},
	} {
		s := settingsByKey[c.key]
		if got, own := c.p.SettingValue(s); got != c.want || own != c.own || c.p.SettingFixed(s) != c.fixed {
			t.Errorf("%s of %s: %q, own %v, fixed %v", c.key, c.p.ID, got, own, c.p.SettingFixed(s))
		}
	}
}
