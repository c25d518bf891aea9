package auth

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// Settings is what a project's preset and overrides come to. It is read-only once resolved.
type Settings struct {
	SelfSignUp          bool
	PasswordProvider    bool
	VerifyEmailEnforced bool
	InvitePermission    Permission
	SignUpByMail        bool
	EnumerationSafe     bool
	EmailProviders      string // EmailProvidersExact, EmailProvidersUniform or EmailProvidersMail
	EmailChange         string // EmailChangeImmediate or EmailChangeVerified
	RecentSignIn        time.Duration
	RecentForProviders  bool

	ErrorEnvelope string // EnvelopeArray or EnvelopeNested
	CORSOrigins   []string
	CallbackURLs  []string
	FlowTTL       time.Duration

	IDTokenTTL              time.Duration
	SigningAlgorithm        string
	RSAKeyBits              int
	SigningKeyRotation      time.Duration // 0: only by hand
	RefreshTokenRotation    bool
	RefreshTokenGrace       time.Duration
	RefreshTokenIdleTTL     time.Duration // 0: no limit
	RefreshTokenAbsoluteTTL time.Duration // 0: no limit

	ResetCodeTTL  time.Duration
	VerifyCodeTTL time.Duration
	InviteCodeTTL time.Duration

	PasswordMinLength     int
	PasswordMaxLength     int
	PasswordRefuseCommon  bool
	PasswordRefuseContext bool
	PasswordHashMemory    int // KiB
	PasswordHashTime      int
	PasswordHashThreads   int

	PasswordRefuseBreached bool     // where the server has a list
	SecondFactor           string   // SecondFactorOff, SecondFactorOptional or SecondFactorRequired
	PasskeyRPID            string   // "" for the host of the server's public URL
	PasskeyOrigins         []string // empty for the origin of the server's public URL

	SignInAccountBurst    int
	SignInAccountInterval time.Duration
	SignInSourceBurst     int
	SignInSourceInterval  time.Duration
	SignInProjectBurst    int
	SignInProjectInterval time.Duration
	SignUpSourceBurst     int
	SignUpSourceInterval  time.Duration
	GuessSourceBurst      int
	GuessSourceInterval   time.Duration
	MailAddressBurst      int
	MailAddressInterval   time.Duration
	MailSourceBurst       int
	MailSourceInterval    time.Duration
	MailProjectBurst      int
	MailProjectInterval   time.Duration

	FormerIssuer     string
	HostedPages      bool
	APIDocs          bool
	VerifyEmailURL   string
	ResetPasswordURL string
	InviteURL        string
	Language         string
	MailFrom         Email  // "" for the server's
	AccentColor      string // #rrggbb, "" for the server's own
	Logo             *Image // nil for none

	MailDKIMSelectors []string // empty: the usual ones are tried

	UsersListPermission   Permission
	UsersGetPermission    Permission
	UsersUpdatePermission Permission
	UsersDeletePermission Permission
}

// The values of Settings.EmailChange, Settings.EmailProviders and Settings.ErrorEnvelope.
const (
	EmailChangeImmediate = "immediate"
	EmailChangeVerified  = "verified"
	// What is told of an address' ways to sign in: which there are, always none, or always none while the address itself is mailed them.
	EmailProvidersExact   = "exact"
	EmailProvidersUniform = "uniform"
	EmailProvidersMail    = "mail"
	EnvelopeArray         = "array"
	EnvelopeNested        = "nested"
)

// Setting describes one setting: the same table feeds the CLI, the admin API and the console.
type Setting struct {
	Key      string
	Type     string   // bool, int, duration, enum, url, domain, list, permission, language, address, color, image, secret
	Range    string   // what values it takes, for people
	Values   []string // all that an enum or a bool takes
	Default  string   // of the documented preset
	Hardened string   // default of the hardened preset
	Help     string

	// apply parses a value and puts it into s; its error says what is wrong, without the key.
	apply func(s *Settings, value string) error
}

// Secret tells whether the setting's value is write-only and sealed at rest (P18).
func (s Setting) Secret() bool { return s.Type == "secret" }

// SettingSMTP is the key of a project's own SMTP server, a secret.
const SettingSMTP = "smtp"

const day = 24 * time.Hour

var settingTable = []Setting{
	boolSetting("selfSignUp", "true", "true", "anyone may sign up with email and password; off, only invited or created users get in", func(s *Settings) *bool { return &s.SelfSignUp }),
	boolSetting("passwordProvider", "true", "true", "email and password can be used to sign up and sign in", func(s *Settings) *bool { return &s.PasswordProvider }),
	boolSetting("verifyEmailEnforced", "false", "false", "a new account gets no tokens before its email address is verified", func(s *Settings) *bool { return &s.VerifyEmailEnforced }),
	permissionSetting("invitePermission", "public", "admin", "who may invite users; at least admin where selfSignUp is off", func(s *Settings) *Permission { return &s.InvitePermission }),
	boolSetting("emailEnumerationProtection", "false", "true", "answers do not tell whether an address has an account", func(s *Settings) *bool { return &s.EnumerationSafe }),
	boolSetting("signUpByMail", "false", "true", "sign-up answers only that a mail was sent, whether or not the address has an account already, and the new account works once its address is verified", func(s *Settings) *bool { return &s.SignUpByMail }),
	enumSetting("emailProviders", EmailProvidersExact, EmailProvidersUniform, "what is told of an address' ways to sign in: exact, uniform (always none; exact means this too under emailEnumerationProtection), or mail (uniform, and the address is mailed them)", func(s *Settings) *string { return &s.EmailProviders }, EmailProvidersExact, EmailProvidersUniform, EmailProvidersMail),
	enumSetting("emailChange", EmailChangeImmediate, EmailChangeVerified, "whether a new address counts at once, or only after it is verified; always verified under emailEnumerationProtection", func(s *Settings) *string { return &s.EmailChange }, EmailChangeImmediate, EmailChangeVerified),
	durationSetting("recentSignIn", "5m", "5m", time.Minute, day, "how fresh a sign-in must be to change second factors, and the email where emailChange is verified", func(s *Settings) *time.Duration { return &s.RecentSignIn }),
	boolSetting("recentSignInForProviders", "false", "true", "linking and unlinking a provider needs a sign-in as fresh as recentSignIn", func(s *Settings) *bool { return &s.RecentForProviders }),

	enumSetting("errorEnvelope", EnvelopeArray, EnvelopeArray, "the shape of error answers: array, or nested for apps of the JavaScript client", func(s *Settings) *string { return &s.ErrorEnvelope }, EnvelopeArray, EnvelopeNested),
	listSetting("corsOrigins", "*", "", "origins whose browser pages may call the API, separated by commas; * for any", checkOrigin, func(s *Settings) *[]string { return &s.CORSOrigins }),

	listSetting("callbackURLs", "loopback", "", "where providers may send browsers back to: exact URLs, app schemes as in com.example.app:/path, https://*.example.com/path for one label, and loopback for any port of this machine", checkCallback, func(s *Settings) *[]string { return &s.CallbackURLs }),
	durationSetting("signInFlowTTL", "10m", "10m", 10*time.Second, time.Hour, "how long a sign-in at a provider may take", func(s *Settings) *time.Duration { return &s.FlowTTL }),

	{Key: "formerIssuer", Type: "url", Range: "an absolute http or https URL, or empty", Help: "issuer whose id tokens count here too, where keys of this project signed them; importing a project from another server sets it", apply: urlSetting("", "", func(s *Settings) *string { return &s.FormerIssuer }).apply},
	durationSetting("idTokenTTL", "1h", "1h", 2*time.Second, day, "how long an id token is valid", func(s *Settings) *time.Duration { return &s.IDTokenTTL }),
	enumSetting("signingAlgorithm", "RS256", "RS256", "algorithm of new signing keys; change it, then rotate the key", func(s *Settings) *string { return &s.SigningAlgorithm }, "RS256", "ES256", "EdDSA"),
	{Key: "rsaKeyBits", Type: "enum", Range: "2048 or 3072", Values: []string{"2048", "3072"}, Default: "2048", Hardened: "2048", Help: "size of new RS256 keys", apply: applyRSAKeyBits},
	durationSetting("signingKeyRotation", "2160h", "2160h", 0, 10*365*day, "age at which the signing key is replaced by itself; 0 for only by hand", func(s *Settings) *time.Duration { return &s.SigningKeyRotation }),
	boolSetting("refreshTokenRotation", "false", "true", "each refresh gives a new refresh token, and reuse of an old one ends the session", func(s *Settings) *bool { return &s.RefreshTokenRotation }),
	durationSetting("refreshTokenGrace", "30s", "30s", 0, time.Hour, "how long a just rotated refresh token still gets the same successor", func(s *Settings) *time.Duration { return &s.RefreshTokenGrace }),
	durationSetting("refreshTokenIdleTTL", "4320h", "720h", 0, 10*365*day, "a session not refreshed for this long ends; 0 for no limit", func(s *Settings) *time.Duration { return &s.RefreshTokenIdleTTL }),
	durationSetting("refreshTokenAbsoluteTTL", "17520h", "2160h", 0, 10*365*day, "a session ends this long after its sign-in; 0 for no limit", func(s *Settings) *time.Duration { return &s.RefreshTokenAbsoluteTTL }),

	durationSetting("resetCodeTTL", "1h", "1h", time.Second, 7*day, "how long a password reset link works", func(s *Settings) *time.Duration { return &s.ResetCodeTTL }),
	durationSetting("verifyCodeTTL", "24h", "24h", time.Second, 30*day, "how long an email verification link works", func(s *Settings) *time.Duration { return &s.VerifyCodeTTL }),
	durationSetting("inviteCodeTTL", "168h", "168h", time.Second, 90*day, "how long an invite link works", func(s *Settings) *time.Duration { return &s.InviteCodeTTL }),

	intSetting("passwordMinLength", "6", "8", 6, 64, "fewest characters of a new password", func(s *Settings) *int { return &s.PasswordMinLength }),
	intSetting("passwordMaxLength", "256", "256", 128, 1024, "most characters of a new password", func(s *Settings) *int { return &s.PasswordMaxLength }),
	boolSetting("passwordRefuseCommon", "false", "true", "refuse passwords that many people use", func(s *Settings) *bool { return &s.PasswordRefuseCommon }),
	boolSetting("passwordRefuseContext", "false", "true", "refuse passwords made of the user's name, the email address or the project's name", func(s *Settings) *bool { return &s.PasswordRefuseContext }),
	boolSetting("passwordRefuseBreached", "false", "true", "refuse passwords on the server's list of leaked ones (--breached-passwords), if it has one", func(s *Settings) *bool { return &s.PasswordRefuseBreached }),
	intSetting("passwordHashMemory", "19456", "19456", 8192, 262144, "argon2id memory in KiB; hashes are upgraded at the next sign-in", func(s *Settings) *int { return &s.PasswordHashMemory }),
	intSetting("passwordHashTime", "2", "2", 1, 16, "argon2id passes", func(s *Settings) *int { return &s.PasswordHashTime }),
	intSetting("passwordHashThreads", "1", "1", 1, 16, "argon2id lanes", func(s *Settings) *int { return &s.PasswordHashThreads }),

	enumSetting("secondFactor", SecondFactorOptional, SecondFactorOptional, "whether users may, or must, have a second factor: an authenticator app or a passkey; off, those that they have are not asked for", func(s *Settings) *string { return &s.SecondFactor }, SecondFactorOff, SecondFactorOptional, SecondFactorRequired),
	{Key: "passkeyRPID", Type: "domain", Range: "a domain name that each of passkeyOrigins is, or is under; empty for the host of the server's public URL", Help: "the domain that passkeys belong to; another one later makes those in use useless", apply: applyPasskeyRPID},
	listSetting("passkeyOrigins", "", "", "origins whose pages may use passkeys, as https://app.example.com, separated by commas; android:apk-key-hash:… for an Android app; empty for the server's own", checkPasskeyOrigin, func(s *Settings) *[]string { return &s.PasskeyOrigins }),

	intSetting("signInAccountBurst", "10", "10", 1, 10000, "failed sign-ins in a row that one account may have from one source address; five times as many from all that never signed in to it", func(s *Settings) *int { return &s.SignInAccountBurst }),
	durationSetting("signInAccountInterval", "30s", "30s", time.Millisecond, day, "time after which one account gets one more try from one source address", func(s *Settings) *time.Duration { return &s.SignInAccountInterval }),
	intSetting("signInSourceBurst", "300", "300", 1, 100000, "failed sign-ins in a row that one source address may have", func(s *Settings) *int { return &s.SignInSourceBurst }),
	durationSetting("signInSourceInterval", "1s", "1s", time.Millisecond, day, "time after which one source address gets one more try", func(s *Settings) *time.Duration { return &s.SignInSourceInterval }),
	intSetting("signInProjectBurst", "10000", "10000", 1, 10000000, "failed sign-ins in a row that the project may have from sources that its accounts do not know", func(s *Settings) *int { return &s.SignInProjectBurst }),
	durationSetting("signInProjectInterval", "20ms", "20ms", time.Millisecond, day, "time after which the project gets one more such try", func(s *Settings) *time.Duration { return &s.SignInProjectInterval }),
	intSetting("signUpSourceBurst", "10000", "1000", 1, 1000000, "sign-ups in a row that one source address may try", func(s *Settings) *int { return &s.SignUpSourceBurst }),
	durationSetting("signUpSourceInterval", "1s", "30s", time.Millisecond, day, "time after which one source address may try one more", func(s *Settings) *time.Duration { return &s.SignUpSourceInterval }),
	intSetting("guessSourceBurst", "1000", "1000", 1, 1000000, "wrong codes and tokens, and questions about addresses, that one source address may send in a row", func(s *Settings) *int { return &s.GuessSourceBurst }),
	durationSetting("guessSourceInterval", "1s", "1s", time.Millisecond, day, "time after which one source address may send one more", func(s *Settings) *time.Duration { return &s.GuessSourceInterval }),
	intSetting("mailAddressBurst", "20", "20", 1, 10000, "mails in a row that one source address may have sent to one mailbox; five times as many by all", func(s *Settings) *int { return &s.MailAddressBurst }),
	durationSetting("mailAddressInterval", "1m", "1m", time.Millisecond, day, "time after which one source address may have one more mail sent to that mailbox", func(s *Settings) *time.Duration { return &s.MailAddressInterval }),
	intSetting("mailSourceBurst", "10000", "1000", 1, 1000000, "mails in a row that one source address may have sent, to all mailboxes together", func(s *Settings) *int { return &s.MailSourceBurst }),
	durationSetting("mailSourceInterval", "1s", "30s", time.Millisecond, day, "time after which one source address may have one more sent", func(s *Settings) *time.Duration { return &s.MailSourceInterval }),
	intSetting("mailProjectBurst", "50000", "20000", 1, 10000000, "mails in a row that the project sends for callers who are no admins", func(s *Settings) *int { return &s.MailProjectBurst }),
	durationSetting("mailProjectInterval", "100ms", "100ms", time.Millisecond, day, "time after which the project sends one more", func(s *Settings) *time.Duration { return &s.MailProjectInterval }),

	boolSetting("hostedPages", "true", "true", "sign-up sends a verification mail that leads to the server's own page; off, only where verifyEmailURL is set, and mails that lead to your own pages have no code to type", func(s *Settings) *bool { return &s.HostedPages }),
	boolSetting("apiDocs", "true", "true", "everyone may read the project's pages about the AUTH API: /PROJECT/docs, openapi.json and postman.json", func(s *Settings) *bool { return &s.APIDocs }),
	urlSetting("verifyEmailURL", "the app's page that verification links lead to", func(s *Settings) *string { return &s.VerifyEmailURL }),
	urlSetting("resetPasswordURL", "the app's page that password reset links lead to", func(s *Settings) *string { return &s.ResetPasswordURL }),
	urlSetting("inviteURL", "the app's page that invite links lead to", func(s *Settings) *string { return &s.InviteURL }),
	{Key: "language", Type: "language", Range: "a BCP 47 tag", Default: "en", Hardened: "en", Help: "language of mails to users whose own is unknown", apply: applyLanguage},
	{Key: "accentColor", Type: "color", Range: "a colour as #1a7f5a, or empty", Help: "colour of buttons and links on the hosted pages; text on it is black or white, whichever is easier to read", apply: applyAccentColor},
	{Key: "logo", Type: "image", Range: "a data:image/…;base64,… URL of a PNG, JPEG, WebP or SVG of at most 32 KiB, or empty", Help: "logo on the hosted pages, shown in a square; `doorward project set PROJECT logo=@FILE` takes the picture itself", apply: applyLogo},
	{Key: "mailFrom", Type: "address", Range: "an email address, or empty for the server's", Help: "sender of the project's mails; without an smtp of its own, only in the domain of the server's sender", apply: applyMailFrom},
	listSetting("mailDkimSelectors", "", "", "names of the DKIM keys of the sender's domain, which the check of mail looks at, separated by commas; empty to try the usual ones", checkDKIMSelector, func(s *Settings) *[]string { return &s.MailDKIMSelectors }),
	{Key: SettingSMTP, Type: "secret", Range: "smtp://user:password@host:port or smtps://…; empty for the server's", Help: "the project's own SMTP server; write-only", apply: checkSMTPForm},

	permissionSetting("usersListPermission", "admin", "admin", "who may list the users table", func(s *Settings) *Permission { return &s.UsersListPermission }),
	permissionSetting("usersGetPermission", "author", "author", "who may read a user", func(s *Settings) *Permission { return &s.UsersGetPermission }),
	permissionSetting("usersUpdatePermission", "author", "author", "who may change a user's attributes", func(s *Settings) *Permission { return &s.UsersUpdatePermission }),
	permissionSetting("usersDeletePermission", "author", "author", "who may delete a user", func(s *Settings) *Permission { return &s.UsersDeletePermission }),
}

var settingsByKey = func() map[string]Setting {
	byKey := make(map[string]Setting, len(settingTable))
	for _, s := range settingTable {
		byKey[s.Key] = s
	}
	return byKey
}()

// SettingTable lists every setting in the order in which people should read them.
func SettingTable() []Setting { return slices.Clone(settingTable) }

// DefaultOf gives a setting's default under the preset.
func (s Setting) DefaultOf(p Preset) string {
	if p == PresetHardened {
		return s.Hardened
	}
	return s.Default
}

// CheckSetting parses one value. It fails with CodeInvalidArgument, whose Field is the key and whose Message never holds the value of a secret.
func CheckSetting(key, value string) error {
	setting, ok := settingsByKey[key]
	if !ok {
		return invalidArgument(key, fmt.Sprintf("there is no setting %q; `doorward project settings` lists them", clip(key, 60)))
	}
	if err := setting.apply(&Settings{}, value); err != nil {
		return invalidArgument(key, fmt.Sprintf("setting %s: %v; it takes %s", key, err, setting.Range))
	}
	return nil
}

// ResolveSettings applies overrides to the preset's defaults. It fails with CodeInvalidArgument, as CheckSetting does.
func ResolveSettings(p Preset, overrides map[string]string) (*Settings, error) {
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		if _, known := settingsByKey[key]; !known {
			continue // of a newer release that serves the same database
		}
		if err := CheckSetting(key, overrides[key]); err != nil {
			return nil, err
		}
	}
	s := &Settings{}
	for _, setting := range settingTable {
		value, ok := overrides[setting.Key]
		if !ok {
			value = setting.DefaultOf(p)
		}
		if err := setting.apply(s, value); err != nil {
			return nil, fmt.Errorf("default of setting %s: %w", setting.Key, err)
		}
	}
	if err := s.hashParams().Computable(); err != nil {
		return nil, invalidArgument("passwordHashMemory", fmt.Sprintf("the settings passwordHash… together: %v", err))
	}
	if s.EnumerationSafe {
		s.EmailChange = EmailChangeVerified // an address that is taken cannot count at once
		if s.EmailProviders == EmailProvidersExact {
			s.EmailProviders = EmailProvidersUniform
		}
	}
	if !s.SelfSignUp && !s.InvitePermission.AtLeastAdmin() {
		s.InvitePermission = Permission{Kind: PermitAdmin}
	}
	return s, nil
}

func boolSetting(key, def, hardened, help string, field func(*Settings) *bool) Setting {
	return Setting{Key: key, Type: "bool", Range: "true or false", Values: []string{"true", "false"}, Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		if v != "true" && v != "false" {
			return fmt.Errorf("not true or false")
		}
		*field(s) = v == "true"
		return nil
	}}
}

func intSetting(key, def, hardened string, low, high int, help string, field func(*Settings) *int) Setting {
	return Setting{Key: key, Type: "int", Range: fmt.Sprintf("%d to %d", low, high), Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return fmt.Errorf("not a whole number from %d to %d", low, high)
		}
		*field(s) = n
		return nil
	}}
}

func durationSetting(key, def, hardened string, low, high time.Duration, help string, field func(*Settings) *time.Duration) Setting {
	span := fmt.Sprintf("%s to %s, as in 90s, 15m, 24h", shortDuration(low), shortDuration(high))
	return Setting{Key: key, Type: "duration", Range: span, Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < low || d > high {
			return fmt.Errorf("not a duration from %s to %s", shortDuration(low), shortDuration(high))
		}
		*field(s) = d
		return nil
	}}
}

// shortDuration prints 1h0m0s as 1h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func enumSetting(key, def, hardened, help string, field func(*Settings) *string, values ...string) Setting {
	return Setting{Key: key, Type: "enum", Range: strings.Join(values, " or "), Values: values, Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("not one of %s", strings.Join(values, ", "))
		}
		*field(s) = v
		return nil
	}}
}

func urlSetting(key, help string, field func(*Settings) *string) Setting {
	return Setting{Key: key, Type: "url", Range: "an absolute http or https URL, or empty for the hosted page", Help: help, apply: func(s *Settings, v string) error {
		if v != "" {
			u, err := url.Parse(v)
			if err != nil || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.Fragment != "" {
				return fmt.Errorf("not an absolute http or https URL without user and fragment")
			}
		}
		*field(s) = v
		return nil
	}}
}

func listSetting(key, def, hardened, help string, check func(string) error, field func(*Settings) *[]string) Setting {
	return Setting{Key: key, Type: "list", Range: "entries separated by commas", Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		list := []string{}
		for entry := range strings.SplitSeq(v, ",") {
			entry = strings.TrimSpace(entry)
			if entry == "" {
				continue
			}
			if err := check(entry); err != nil {
				return err
			}
			list = append(list, entry)
		}
		*field(s) = list
		return nil
	}}
}

func permissionSetting(key, def, hardened, help string, field func(*Settings) *Permission) Setting {
	users := "public, private, author, admin, or roles:NAME,NAME"
	if key == "invitePermission" {
		users = "public, user, admin, or roles:NAME,NAME"
	}
	return Setting{Key: key, Type: "permission", Range: users, Default: def, Hardened: hardened, Help: help, apply: func(s *Settings, v string) error {
		p, err := ParsePermission(v)
		if err != nil {
			return err
		}
		if key == "invitePermission" && p.Kind == PermitAuthor {
			return fmt.Errorf("author means nothing for an invite")
		}
		*field(s) = p
		return nil
	}}
}

func checkOrigin(s string) error {
	if s == "*" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || s != strings.ToLower(s) || strings.Contains(u.Host, "*") {
		return fmt.Errorf("%q is not an origin such as https://app.example.com", clip(s, 60))
	}
	return nil
}

func applyLanguage(s *Settings, v string) error {
	if _, err := language.Parse(v); err != nil {
		return fmt.Errorf("not a BCP 47 language tag")
	}
	s.Language = v
	return nil
}

// checkDKIMSelector takes labels of a domain name, as in RFC 6376 section 3.1.
func checkDKIMSelector(s string) error {
	for label := range strings.SplitSeq(s, ".") {
		wrong := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", r) }
		if label == "" || len(s) > 63 || strings.ContainsFunc(label, wrong) {
			return fmt.Errorf("%q is no selector such as mail or key2026", clip(s, 60))
		}
	}
	return nil
}

func applyRSAKeyBits(s *Settings, v string) error {
	switch v {
	case "2048":
		s.RSAKeyBits = 2048
	case "3072":
		s.RSAKeyBits = 3072
	default:
		return fmt.Errorf("not 2048 or 3072")
	}
	return nil
}

func applyMailFrom(s *Settings, v string) error {
	from, err := optionalEmail(v)
	if err != nil {
		return fmt.Errorf("not an email address")
	}
	s.MailFrom = from
	return nil
}

// checkSMTPForm only checks: the value is a secret and never part of Settings.
func checkSMTPForm(_ *Settings, v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("not an smtp:// or smtps:// URL without path and options") // without err: it would quote the password
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("the port is not from 1 to 65535")
		}
	}
	if password, _ := u.User.Password(); (u.User.Username() == "") != (password == "") {
		return fmt.Errorf("a user needs a password, and a password a user")
	}
	return nil
}
