package auth_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

const svgLogo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`

func dataURL(mediaType, content string) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString([]byte(content))
}

func TestLogo(t *testing.T) {
	const png, jpeg, webp = "\x89PNG\r\n\x1a\n…", "\xff\xd8\xff\xe0…", "RIFF\x10\x00\x00\x00WEBPVP8 …"
	pictures := map[string]string{"image/png": png, "image/jpeg": jpeg, "image/webp": webp, "image/svg+xml": svgLogo}
	for mediaType, content := range pictures {
		made, ok := auth.ImageURL([]byte(content))
		if !ok || made != dataURL(mediaType, content) {
			t.Errorf("%s: ImageURL gives %.60q, %v", mediaType, made, ok)
		}
		s := resolve(t, auth.PresetHardened, map[string]string{"logo": made})
		if s.Logo == nil || s.Logo.Type != mediaType || string(s.Logo.Content) != content {
			t.Errorf("%s: got %+v", mediaType, s.Logo)
		}
		for other := range pictures {
			if err := auth.CheckSetting("logo", dataURL(other, content)); (err == nil) != (other == mediaType) {
				t.Errorf("%s as %s: %v", mediaType, other, err)
			}
		}
	}
	for _, size := range []int{0, 1, 2, 3} {
		fits := dataURL("image/png", png+strings.Repeat("x", auth.MaxLogo-len(png)-size))
		if err := auth.CheckSetting("logo", fits); err != nil {
			t.Errorf("%d bytes: %v", auth.MaxLogo-size, err)
		}
		tooLarge := dataURL("image/png", png+strings.Repeat("x", auth.MaxLogo-len(png)+1+size))
		if err := auth.CheckSetting("logo", tooLarge); err == nil || len(err.Error()) > 300 {
			t.Errorf("%d bytes: %v", auth.MaxLogo+1+size, err)
		}
	}
	if s := resolve(t, auth.PresetHardened, nil); s.Logo != nil || s.AccentColor != "" {
		t.Errorf("defaults %+v, %q", s.Logo, s.AccentColor)
	}
	if _, ok := auth.ImageURL([]byte("GIF89a…")); ok {
		t.Error("a GIF is taken")
	}
}

func TestLogoRefuses(t *testing.T) {
	for _, v := range []string{
		"logo.png", "https://example.com/logo.png", "data:", "data:;base64,", "data:image/png;base64,", "data:image/png," + svgLogo, dataURL("text/html", "<html><svg>"),
		dataURL("image/svg+xml", "<html><svg></svg></html>"), dataURL("image/svg+xml", svgLogo+"\xff"), dataURL("image/svg+xml", svgLogo+"\x00"),
		dataURL("image/svg+xml;charset=utf-8", svgLogo), dataURL("IMAGE/SVG+XML", svgLogo), dataURL("image/svg+xml", svgLogo) + "\n", " " + dataURL("image/svg+xml", svgLogo),
		dataURL("image/svg+xml", svgLogo) + `"><script>`, dataURL("", ""),
	} {
		if err := auth.CheckSetting("logo", v); auth.CodeOf(err) != auth.CodeInvalidArgument {
			t.Errorf("%.60q: %v", v, err)
		}
	}
}

func TestAccentColor(t *testing.T) {
	for _, v := range []string{"", "#000000", "#ffFFff", "#1a2B3c"} {
		if s := resolve(t, auth.PresetHardened, map[string]string{"accentColor": v}); s.AccentColor != strings.ToLower(v) {
			t.Errorf("%q is kept as %q", v, s.AccentColor)
		}
	}
	for _, v := range []string{"red", "#fff", "#gggggg", "123456", "#1234567", "#12345;", "#+12345", "# 12345", "#12345\n", "rgb(0,0,0)"} {
		if err := auth.CheckSetting("accentColor", v); auth.CodeOf(err) != auth.CodeInvalidArgument {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// TestPicturesStayOutOfAudit: the record says that there is one now, and of which kind and size.
func TestPicturesStayOutOfAudit(t *testing.T) {
	logo := dataURL("image/png", "\x89PNG\r\n\x1a\n"+strings.Repeat("x", 20000))
	if got := auth.ShownValue(logo); len(got) > 100 || !strings.HasPrefix(got, "data:image/png…") || !bytes.Contains([]byte(got), []byte("bytes")) {
		t.Errorf("shown as %.200q", got)
	}
	for _, v := range []string{"", "24h", strings.Repeat("https://app.example.com,", 40)} {
		if got := auth.ShownValue(v); got != v {
			t.Errorf("%q is shown as %q", v, got)
		}
	}
}
