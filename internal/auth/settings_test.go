package auth_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/password"
)

func resolve(t *testing.T, p auth.Preset, overrides map[string]string) *auth.Settings {
	t.Helper()
	s, err := auth.ResolveSettings(p, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverySettingIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range auth.SettingTable() {
		if seen[s.Key] {
			t.Errorf("%s is there twice", s.Key)
		}
		seen[s.Key] = true
		if s.Key == "" || s.Type == "" || s.Range == "" || s.Help == "" {
			t.Errorf("%+v is not described", s.Key)
		}
		for _, p := range []auth.Preset{auth.PresetDocumented, auth.PresetHardened} {
			if err := auth.CheckSetting(s.Key, s.DefaultOf(p)); err != nil {
				t.Errorf("default of %s in %s: %v", s.Key, p, err)
			}
			if s.Secret() && s.DefaultOf(p) != "" {
				t.Errorf("the secret %s has a default", s.Key)
			}
		}
	}
	table := auth.SettingTable()
	table[0].Key = "changed"
	if auth.SettingTable()[0].Key == "changed" {
		t.Error("SettingTable hands out its own memory")
	}
}

// The two presets as the contract and the principles tell them. A difference that stands in neither is a mistake.
func TestPresets(t *testing.T) {
	documented, hardened := resolve(t, auth.PresetDocumented, nil), resolve(t, auth.PresetHardened, nil)
	want := map[string][2]any{
		"self sign-up":        {true, true},
		"invite":              {auth.Permission{Kind: auth.PermitPublic}, auth.Permission{Kind: auth.PermitAdmin}},
		"enumeration safe":    {false, true},
		"email change":        {"immediate", "verified"},
		"fresh for providers": {false, true},
		"origins":             {[]string{"*"}, []string{}},
		"id token":            {time.Hour, time.Hour},
		"rotation":            {false, true},
		"reset":               {time.Hour, time.Hour},
		"verify":              {24 * time.Hour, 24 * time.Hour},
		"invite code":         {7 * 24 * time.Hour, 7 * 24 * time.Hour},
		"least password":      {6, 8},
		"common words":        {false, true},
		"context words":       {false, true},
		"leaked passwords":    {false, true},
		"algorithm":           {"RS256", "RS256"},
		"bits":                {2048, 2048},
		"envelope":            {"array", "array"},
		"list users":          {auth.Permission{Kind: auth.PermitAdmin}, auth.Permission{Kind: auth.PermitAdmin}},
		"get user":            {auth.Permission{Kind: auth.PermitAuthor}, auth.Permission{Kind: auth.PermitAuthor}},
		"update user":         {auth.Permission{Kind: auth.PermitAuthor}, auth.Permission{Kind: auth.PermitAuthor}},
		"delete user":         {auth.Permission{Kind: auth.PermitAuthor}, auth.Permission{Kind: auth.PermitAuthor}},
		"longest allowed ≥":   {true, true},
		"idle limit":          {true, true},
		"absolute limit":      {true, true},
		"verification needed": {false, false},
	}
	for i, s := range []*auth.Settings{documented, hardened} {
		got := map[string]any{
			"self sign-up": s.SelfSignUp, "invite": s.InvitePermission, "enumeration safe": s.EnumerationSafe, "email change": s.EmailChange, "fresh for providers": s.RecentForProviders,
			"origins": s.CORSOrigins, "id token": s.IDTokenTTL, "rotation": s.RefreshTokenRotation, "reset": s.ResetCodeTTL, "verify": s.VerifyCodeTTL,
			"invite code": s.InviteCodeTTL, "least password": s.PasswordMinLength, "common words": s.PasswordRefuseCommon, "context words": s.PasswordRefuseContext, "leaked passwords": s.PasswordRefuseBreached,
			"algorithm": s.SigningAlgorithm, "bits": s.RSAKeyBits, "envelope": s.ErrorEnvelope, "list users": s.UsersListPermission,
			"get user": s.UsersGetPermission, "update user": s.UsersUpdatePermission, "delete user": s.UsersDeletePermission,
			"longest allowed ≥": s.PasswordMaxLength >= 128, "idle limit": s.RefreshTokenIdleTTL > 0, "absolute limit": s.RefreshTokenAbsoluteTTL > 0,
			"verification needed": s.VerifyEmailEnforced,
		}
		for name, pair := range want {
			if diff := cmp.Diff(pair[i], got[name]); diff != "" {
				t.Errorf("preset %d, %s (-want +got):\n%s", i, name, diff)
			}
		}
	}
}

func TestCheckSetting(t *testing.T) {
	tests := []struct {
		key      string
		good     []string
		bad      []string
		unsetBad bool // "" is refused
	}{
		{"selfSignUp", []string{"true", "false"}, []string{"TRUE", "1", "yes", " true"}, true},
		{"rsaKeyBits", []string{"2048", "3072"}, []string{"1024", "4096", "2048.0"}, true},
		{"signingAlgorithm", []string{"RS256", "ES256", "EdDSA"}, []string{"none", "HS256", "rs256"}, true},
		{"emailChange", []string{"immediate", "verified"}, []string{"never"}, true},
		{"errorEnvelope", []string{"array", "nested"}, []string{"Array"}, true},
		{"idTokenTTL", []string{"2s", "24h", "90m"}, []string{"1s", "24h1s", "-1h", "1", "1d", "1h ", "1e3s"}, true},
		{"resetCodeTTL", []string{"1s", "168h"}, []string{"0", "999ms", "168h1s", "-1s"}, true},
		{"refreshTokenIdleTTL", []string{"0", "0s", "1h", "87600h"}, []string{"-1s", "87601h"}, true},
		{"refreshTokenGrace", []string{"0", "1h"}, []string{"61m", "-1ns"}, true},
		{"passwordMinLength", []string{"6", "64"}, []string{"5", "65", "6.0", "0x8", "８", "-6"}, true},
		{"passwordMaxLength", []string{"128", "1024"}, []string{"127", "1025"}, true},
		{"passwordHashMemory", []string{"8192", "262144"}, []string{"8191", "262145", "99999999999999999999"}, true},
		{"signInAccountBurst", []string{"1", "10000"}, []string{"0", "-1", "10001"}, true},
		{"signInAccountInterval", []string{"1ms", "24h"}, []string{"0", "999us", "25h"}, true},
		{"corsOrigins", []string{"", "*", "https://app.example.com", "https://a.example,http://localhost:3000", "capacitor://localhost", " https://a.example , "},
			[]string{"app.example.com", "https://*.example.com", "https://app.example.com/", "https://App.example.com", "https://u:p@a.example", "null", "https://a.example?x", "https://a.example#x", "https://"}, false},
		{"verifyEmailURL", []string{"", "https://app.example.com/verify", "http://localhost:3000/v?lang=de"},
			[]string{"app.example.com", "/verify", "//app.example.com", "javascript:alert(1)", "ftp://a.example/", "https://u:p@a.example/", "https://a.example/#x", "https://", "mailto:a@b.c", "https://a\r\n.example/"}, false},
		{"language", []string{"en", "de", "pt-BR", "zh-Hant-TW"}, []string{"english please", "e", "de_", "\x00"}, false},
		{"mailFrom", []string{"", "no-reply@example.com"}, []string{"nobody", "Acme <a@example.com>", "a@example.com\r\nBcc: b@example.com", "a@example.com,b@example.com"}, false},
		{"smtp", []string{"", "smtp://u:p@mail.example.com:587", "smtps://mail.example.com"}, []string{"http://mail.example.com", "mail.example.com:25", "smtp://", "smtp://mail.example.com/x"}, false},
		{"usersListPermission", []string{"public", "private", "user", "author", "admin", "roles:a", "roles: a , b"}, []string{"everyone", "roles:", "roles: , ", "role:a", "Admin"}, true},
		{"invitePermission", []string{"public", "user", "admin", "roles:a"}, []string{"author", "nobody"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			if tt.unsetBad {
				tt.bad = append(tt.bad, "")
			}
			for _, v := range tt.good {
				if err := auth.CheckSetting(tt.key, v); err != nil {
					t.Errorf("%q was refused: %v", v, err)
				}
			}
			for _, v := range tt.bad {
				err := auth.CheckSetting(tt.key, v)
				if err == nil {
					t.Errorf("%q was accepted", v)
					continue
				}
				e := auth.AsError(err)
				if e.Code != auth.CodeInvalidArgument || e.Field != tt.key {
					t.Errorf("%q: %+v", v, e)
				}
			}
		})
	}
}

func TestUnknownSetting(t *testing.T) {
	for _, key := range []string{"", "selfsignup", "SelfSignUp", "selfSignUp ", "adminToken", strings.Repeat("x", 500)} {
		err := auth.CheckSetting(key, "true")
		if auth.CodeOf(err) != auth.CodeInvalidArgument || len(err.Error()) > 300 {
			t.Errorf("setting %.30q: %v", key, err)
		}
		// One that is stored comes from a newer release on the same database, and must not end the service of this one.
		if s, err := auth.ResolveSettings(auth.PresetHardened, map[string]string{key: "true", "idTokenTTL": "7m"}); err != nil || s.IDTokenTTL != 7*time.Minute {
			t.Errorf("override %.30q: %v", key, err)
		}
	}
}

// An error about a secret setting says nothing of its value (P44).
func TestSecretSettingsStayOutOfErrors(t *testing.T) {
	const hidden = "hunter2hunter2"
	for _, v := range []string{"smtp://user:" + hidden + "@ho st/", "http://user:" + hidden + "@mail.example.com", "smtp://u:" + hidden + "%zz@h", hidden, "smtp://" + hidden + ":x:y", "smtp://h/" + hidden} {
		err := auth.CheckSetting(auth.SettingSMTP, v)
		if err == nil {
			t.Errorf("%q was accepted", v)
			continue
		}
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}

// What may be set must work: an SMTP URL that the setting takes is one that the sender takes.
func TestSMTPSettingIsWhatTheSenderTakes(t *testing.T) {
	for _, v := range []string{
		"smtp://mail.example.com:587", "smtps://u:p@mail.example.com", "smtp://mail.example.com:99999", "smtp://mail.example.com:0", "smtp://u@mail.example.com",
		"smtp://:p@mail.example.com", "smtp://mail.example.com#x", "smtp://mail.example.com?tls=none", "smtp://mail.example.com?x=y", "smtps://mail.example.com?tls=none",
	} {
		set := auth.CheckSetting(auth.SettingSMTP, v)
		_, sent := mail.ParseURL(v)
		if set == nil && sent != nil {
			t.Errorf("%q can be set, but no mail will ever leave: %v", v, sent)
		}
	}
}

// A project's admin may not name files of the server, not even to read certificates from (P37).
func TestSMTPSettingNamesNoFile(t *testing.T) {
	if err := auth.CheckSetting(auth.SettingSMTP, "smtps://u:p@mail.example.com?ca=/etc/passwd"); err == nil {
		t.Error("a project may name a file of the server")
	}
}

// A URL that the setting takes is one that mails can hold; otherwise every sign-up fails.
func TestURLSettingsAreWhatMailsTake(t *testing.T) {
	renderer, err := mail.NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{
		"https://app.example.com/verify", "https://app.example.com/?next=a&lang=de", "https://app.example.com/my page", "https://app.example.com/?q=a b",
		"https://app.example.com/\u00a0x", "https://app.example.com/\u202ex", "https://app.example.com/\u2028", "HTTPS://app.example.com/", "https://b\u00fccher.example/",
	} {
		if auth.CheckSetting("verifyEmailURL", v) != nil {
			continue
		}
		link := v + "?oobCode=c&uid=u"
		if _, err := renderer.Render(auth.MailVerifyEmail, []string{"en"}, nil, auth.MailData{Email: ada, Link: link}); err != nil {
			t.Errorf("%q can be set, but no mail can be made with it: %v", v, err)
		}
		if _, err := url.Parse(link); err != nil {
			t.Errorf("%q can be set, but is no URL with the code: %v", v, err)
		}
	}
}

func TestInviteIsAtLeastAdminWhereSignUpIsOff(t *testing.T) {
	for _, invite := range []string{"public", "user", "roles:a", "admin"} {
		s := resolve(t, auth.PresetDocumented, map[string]string{"selfSignUp": "false", "invitePermission": invite})
		if !s.InvitePermission.AtLeastAdmin() {
			t.Errorf("invitePermission %s: %+v without self sign-up", invite, s.InvitePermission)
		}
	}
	if s := resolve(t, auth.PresetDocumented, map[string]string{"invitePermission": "user"}); s.InvitePermission.Kind != auth.PermitUser {
		t.Errorf("invitePermission user became %+v", s.InvitePermission)
	}
}

// Each value alone is in its range; together they must still be a hash that can be made, or be refused when they are set.
func TestHashSettingsTogether(t *testing.T) {
	for _, memory := range []int{8192, 19456, 65536, 262144} {
		for _, passes := range []int{1, 2, 4, 16} {
			for _, lanes := range []int{1, 16} {
				overrides := map[string]string{"passwordHashMemory": fmt.Sprint(memory), "passwordHashTime": fmt.Sprint(passes), "passwordHashThreads": fmt.Sprint(lanes)}
				s, err := auth.ResolveSettings(auth.PresetHardened, overrides)
				if auth.CodeOf(err) == auth.CodeInvalidArgument {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if !canHash(hashParams(s)) {
					t.Errorf("m=%d t=%d p=%d can be set, but every sign-in panics", memory, passes, lanes)
				}
			}
		}
	}
}

func hashParams(s *auth.Settings) password.Params {
	return password.Params{MemoryKiB: uint32(s.PasswordHashMemory), Time: uint32(s.PasswordHashTime), Threads: uint8(s.PasswordHashThreads)}
}

func canHash(p password.Params) (ok bool) {
	defer func() { ok = recover() == nil }()
	password.Dummy(p)
	return true
}

func TestMailFromIsCanonical(t *testing.T) {
	s := resolve(t, auth.PresetHardened, map[string]string{"mailFrom": " No-Reply@EXAMPLE.com\r\n"})
	if s.MailFrom != "no-reply@example.com" {
		t.Errorf("mailFrom is kept as %q", s.MailFrom)
	}
}

func TestOverridesAreNotShared(t *testing.T) {
	overrides := map[string]string{"selfSignUp": "false"}
	resolve(t, auth.PresetDocumented, overrides)
	if diff := cmp.Diff(map[string]string{"selfSignUp": "false"}, overrides); diff != "" {
		t.Errorf("ResolveSettings changed its argument:\n%s", diff)
	}
}
