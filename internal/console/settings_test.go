package console

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// save sends the form of a group of settings as the page has it, but with other values.
func (r *rig) save(path string, changed ...string) *answer {
	r.t.Helper()
	form := r.get(path).wantPage(200).form()
	for i := 0; i < len(changed); i += 2 {
		form.Set(changed[i], changed[i+1])
	}
	form.Set(fieldDo, "save")
	return r.send(path, form)
}

func TestSettingsShowsAll(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme", "idTokenTTL", "7m", "smtp", "smtp://user:hunter2hunter2@mail.example.com")
	a := r.get("/console/projects/acme/settings").wantPage(200, "7m", "set, and kept secret", "Tokens and sessions", "Rename")
	for _, s := range auth.SettingTable() {
		if !strings.Contains(a.text(), s.Key) {
			t.Errorf("setting %s is missing", s.Key)
		}
	}
	for _, g := range auth.SettingGroups() {
		page := r.get("/console/projects/acme/settings/"+g.ID).wantPage(200, g.Title, g.Help)
		for _, s := range g.Settings {
			if !strings.Contains(page.text(), sentence(s.Help)) || !page.form().Has(s.Key) && s.Type != "image" {
				t.Errorf("the form of %s lacks %s", g.ID, s.Key)
			}
		}
		if strings.Contains(page.Body.String(), "hunter2") || strings.Contains(a.Body.String(), "hunter2") {
			t.Error("a page has the secret")
		}
	}
	r.get("/console/projects/acme/settings/nothing").wantPage(404)
}

func TestSaveSettings(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme", "idTokenTTL", "7m")
	const tokens, apps, mail = "/console/projects/acme/settings/tokens", "/console/projects/acme/settings/apps", "/console/projects/acme/settings/mail"

	r.save(tokens).wantBack(tokens + "?notice=unchanged")
	r.save(tokens, "idTokenTTL", "9m", "refreshTokenRotation", "true").wantBack(tokens + "?notice=saved")
	want := map[string]string{"idTokenTTL": "9m", "refreshTokenRotation": "true"}
	overrides := r.on("acme").Project.Overrides
	for key, value := range want {
		if overrides[key] != value {
			t.Errorf("%s is %q", key, overrides[key])
		}
	}
	if len(overrides) != 4 { // two are the rig's
		t.Errorf("what was left as it is became the project's own: %v", overrides)
	}
	r.save(tokens, "reset-idTokenTTL", "true", "idTokenTTL", "nonsense").wantBack(tokens + "?notice=saved")
	if _, own := r.on("acme").Project.Overrides["idTokenTTL"]; own {
		t.Error("the setting was not given back to the preset")
	}
	r.save(apps, "corsOrigins", "https://a.example.com\r\n\r\n https://b.example.com ,https://c.example.com\r\n").wantBack(apps + "?notice=saved")
	if got := r.on("acme").Project.Overrides["corsOrigins"]; got != "https://a.example.com,https://b.example.com,https://c.example.com" {
		t.Errorf("corsOrigins %q", got)
	}
	r.save(apps).wantBack(apps + "?notice=unchanged")

	r.save(mail, "smtp", "smtp://user:hunter2hunter2@mail.example.com").wantBack(mail + "?notice=saved")
	r.save(mail, "mailFrom", "shop@example.com").wantBack(mail + "?notice=saved") // an empty field keeps the secret
	if set, err := r.admin.SecretsSet(r.on("acme")); err != nil || !set["smtp"] {
		t.Errorf("secrets %v, %v", set, err)
	}
	r.save(mail, "reset-smtp", "true").wantBack(mail + "?notice=saved")
	if set, err := r.admin.SecretsSet(r.on("acme")); err != nil || set["smtp"] {
		t.Errorf("secrets %v, %v", set, err)
	}
}

// What is refused is told at its field, all of it, and nothing that was typed is lost but secrets.
func TestRefusedSettings(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	const limits, mail, factors = "/console/projects/acme/settings/limits", "/console/projects/acme/settings/mail", "/console/projects/acme/settings/second-factors"
	a := r.save(limits, "signInAccountBurst", "0", "signInAccountInterval", "soon", "signInSourceBurst", "7").wantPage(422)
	for key, value := range map[string]string{"signInAccountBurst": "0", "signInAccountInterval": "soon", "signInSourceBurst": "7"} {
		if a.attribute(key, "value") != value {
			t.Errorf("%s shows %q", key, a.attribute(key, "value"))
		}
		if wrong := key != "signInSourceBurst"; (a.attribute(key, "aria-invalid") == "true") != wrong || wrong && !strings.Contains(a.content(key+"-wrong"), key) {
			t.Errorf("%s: wrong %v, %q", key, !wrong, a.content(key+"-wrong"))
		}
	}
	if _, own := r.on("acme").Project.Overrides["signInSourceBurst"]; own {
		t.Error("a refused form changed something")
	}
	a = r.save(mail, "smtp", "smtp://hunter2hunter2@", "mailFrom", "shop@example.com").wantPage(422)
	if strings.Contains(a.Body.String(), "hunter2") || a.attribute("smtp", "aria-invalid") != "true" || a.attribute("mailFrom", "value") != "shop@example.com" {
		t.Error("a refused secret is shown, or not told, or the rest is lost")
	}
	// What only settings together get wrong is told where the domain says.
	r.save(factors, "passkeyRPID", "example.org").wantPage(422)
}

// A form that was made before another change undoes nothing: what was not touched stays as it is now, and what both changed is asked for.
func TestSettingsChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	const tokens = "/console/projects/acme/settings/tokens"
	form := r.get(tokens).wantPage(200).form()
	_, err := r.admin.UpdateProject(t.Context(), acme, auth.ProjectChange{Set: map[string]string{"idTokenTTL": "5m", "refreshTokenGrace": "10s"}})
	r.must(err)
	form.Set(fieldDo, "save")
	form.Set("refreshTokenRotation", "true")
	form.Set("refreshTokenGrace", "20s")
	a := r.send(tokens, form).wantPage(409, "Somebody else changed refreshTokenGrace")
	if got := r.on("acme").Project.Overrides; got["refreshTokenGrace"] != "10s" || got["refreshTokenRotation"] == "true" {
		t.Errorf("settings %v", got)
	}
	if a.attribute("refreshTokenGrace", "aria-invalid") != "true" {
		t.Error("the field is not told")
	}
	form = a.form()
	form.Set(fieldDo, "save")
	r.send(tokens, form).wantBack(tokens + "?notice=saved")
	got := r.on("acme").Project.Overrides
	for key, want := range map[string]string{"idTokenTTL": "5m", "refreshTokenGrace": "20s", "refreshTokenRotation": "true"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

// sendFile sends the form of a page that takes a file alone.
func (r *rig) sendFile(path, content string) *answer {
	r.t.Helper()
	body := &bytes.Buffer{}
	form := multipart.NewWriter(body)
	r.must(form.WriteField(ui.FieldToken, ui.FormToken(r.session, path)))
	r.must(form.WriteField(fieldDo, "upload"))
	part, err := form.CreateFormFile("logo", "logo.svg")
	r.must(err)
	_, err = io.WriteString(part, content)
	r.must(err)
	r.must(form.Close())
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return r.do(req)
}

func TestLogo(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	const pages, page = "/console/projects/acme/settings/pages", "/console/projects/acme/logo"
	svg := "<svg>" + strings.Repeat(" ", auth.MaxLogo-11) + "</svg>"
	upload := func(content string) *answer { return r.sendFile(page, content) }
	for content, text := range map[string]string{"<html>": "no picture", svg + " ": "more than 32768 bytes", "": "no picture"} {
		if a := upload(content).wantPage(422, text); a.attribute("logo", "aria-invalid") != "true" {
			t.Error("the file is not told to be wrong")
		}
	}
	upload(svg).wantBack(pages + "?notice=saved")
	logo := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg))
	for _, path := range []string{pages, page, "/console/projects/acme/settings"} {
		if a := r.get(path).wantPage(200); !slices.Contains(a.attributes("img", "src"), logo) {
			t.Errorf("%s does not show the logo", path)
		}
	}
	r.get("/console/projects/acme/settings").wantPage(200, "data:image/svg+xml… (")
	r.save(pages, "language", "de").wantBack(pages + "?notice=saved")
	if r.on("acme").Project.Settings.Logo == nil {
		t.Error("the logo is gone")
	}
	r.save(pages, "reset-logo", "true").wantBack(pages + "?notice=saved")
	if r.on("acme").Project.Settings.Logo != nil {
		t.Error("the logo is still there")
	}
}

func TestRename(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	const settings = "/console/projects/acme/settings"
	r.post(settings, "rename", "displayName", " ").wantPage(422, "A project needs a name.")
	if a := r.post(settings, "rename", "displayName", "a@b").wantPage(422); a.attribute("displayName", "value") != "a@b" {
		t.Error("the name is lost")
	}
	r.post(settings, "rename", "displayName", "Meridian <Books>").wantBack(settings + "?notice=renamed")
	r.get(settings+"?notice=renamed").wantPage(200, "The name is changed.", "Meridian <Books>")
}

// A preset shows what it would change, and changes it only then.
func TestPreset(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme", "passwordMinLength", "7")
	const page = "/console/projects/acme/preset"
	a := r.get(page+"?preset=hardened").wantPage(200, "refreshTokenRotation", "Nothing has yet", "Apply the preset hardened")
	if !slices.Contains(a.texts("del"), "false") || !slices.Contains(a.texts("ins"), "true") || strings.Contains(a.text(), "passwordMinLength") {
		t.Error("the difference is not shown as one")
	}
	r.get(page+"?preset=hardened&reset=true").wantPage(200, "passwordMinLength", "7", "8")
	r.get(page+"?preset=soft").wantPage(422, "documented or hardened")
	if r.on("acme").Project.Preset != auth.PresetDocumented {
		t.Fatal("looking at a preset applied it")
	}
	form := a.form()
	form.Set(fieldDo, "apply")
	_, err := r.admin.UpdateProject(t.Context(), acme, auth.ProjectChange{Set: map[string]string{"idTokenTTL": "5m"}})
	r.must(err)
	again := r.send(page, form).wantPage(409, "Somebody changed this project", "refreshTokenRotation")
	form = again.form()
	form.Set(fieldDo, "apply")
	r.send(page, form).wantBack("/console/projects/acme/settings?notice=preset")
	p := r.on("acme").Project
	if p.Preset != auth.PresetHardened || !p.Settings.RefreshTokenRotation || p.Settings.PasswordMinLength != 7 {
		t.Errorf("preset %s, rotation %v, minimum %d", p.Preset, p.Settings.RefreshTokenRotation, p.Settings.PasswordMinLength)
	}
	r.send(page, url.Values{fieldDo: {"apply"}, ui.FieldToken: {ui.FormToken(r.session, page)}, "preset": {"hardened"}, "reset": {"true"}, "version": {strconv.FormatInt(p.Version, 10)}}).
		wantBack("/console/projects/acme/settings?notice=preset")
	if got := r.on("acme").Project.Settings.PasswordMinLength; got != 8 {
		t.Errorf("minimum %d", got)
	}
	r.get(page+"?preset=hardened").wantPage(200, "No value would change.")
}

// The instance's own project has settings that nobody changes.
func TestConsoleSettings(t *testing.T) {
	r := newRig(t)
	a := r.get("/console/projects/console/settings").wantPage(200, "fixed")
	if strings.Contains(a.text(), "Delete the project") || strings.Contains(a.text(), "Show what would change") {
		t.Error("the console's project can be deleted, or have another preset")
	}
	const accounts, tokens = "/console/projects/console/settings/accounts", "/console/projects/console/settings/tokens"
	if form := r.get(accounts).wantPage(200).form(); form.Has("selfSignUp") || !form.Has("recentSignIn") {
		t.Error("the form has what is fixed, or lacks what is not")
	}
	r.save(accounts, "selfSignUp", "true").wantBack(accounts + "?notice=unchanged")
	r.save(tokens, "refreshTokenIdleTTL", "2h").wantBack(tokens + "?notice=saved")
}
