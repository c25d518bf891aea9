package auth

import "slices"

// SettingGroup is settings that people read and change together.
type SettingGroup struct {
	ID       string // fit for a path
	Title    string
	Help     string
	Settings []Setting
}

// settingGroups cuts the table into groups: each begins with the setting named first, and ends before the next one.
var settingGroups = []struct{ id, title, help, first string }{
	{"accounts", "Accounts", "Who gets an account, and what answers tell about it.", "selfSignUp"},
	{"apps", "Apps", "What the apps that call the API get, and where browsers are sent back to.", "errorEnvelope"},
	{"tokens", "Tokens and sessions", "How tokens are signed, and how long they and sessions last.", "formerIssuer"},
	{"links", "Links in mails", "How long they work.", "resetCodeTTL"},
	{"passwords", "Passwords", "What a new password must be, and how it is kept.", "passwordMinLength"},
	{"second-factors", "Second factors", "Authenticator apps and passkeys.", "secondFactor"},
	{"limits", "Limits", "How often things may be tried.", "signInAccountBurst"},
	{"pages", "Pages", "What users see of the server, and in which dress.", "hostedPages"},
	{"mail", "Mail", "Who the project's mails come from.", "mailFrom"},
	{"users", "Permissions", "Who may read and change users with the API.", "usersListPermission"},
}

// SettingGroups gives SettingTable in its groups.
func SettingGroups() []SettingGroup {
	groups := make([]SettingGroup, len(settingGroups))
	end := len(settingTable)
	for i := len(settingGroups) - 1; i >= 0; i-- {
		g := settingGroups[i]
		begin := slices.IndexFunc(settingTable, func(s Setting) bool { return s.Key == g.first })
		groups[i] = SettingGroup{g.id, g.title, g.help, slices.Clone(settingTable[begin:end])}
		end = begin
	}
	return groups
}

// SettingValue gives the text of a setting as it counts in the project, and whether that is the project's own; of a secret nothing.
func (p *Project) SettingValue(s Setting) (value string, own bool) {
	if value, own = consoleOverrides(p.ID, p.Overrides)[s.Key]; own {
		return value, true
	}
	return s.DefaultOf(p.Preset), false
}

// SettingFixed tells whether nobody can change the setting in the project.
func (p *Project) SettingFixed(s Setting) bool {
	_, fixed := fixedConsoleSettings[s.Key]
	return fixed && p.ID == ConsoleProject
}
