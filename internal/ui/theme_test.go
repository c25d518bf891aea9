package ui

import (
	"regexp"
	"strings"
	"testing"
)

var property = regexp.MustCompile(`--([a-z0-9-]+):\s*(#[0-9a-f]{6})`)

// colours reads the properties of the light and of the dark half of a stylesheet.
func colours(t *testing.T, css string) (light, dark map[string]colour) {
	t.Helper()
	before, after, found := strings.Cut(css, "prefers-color-scheme")
	if !found {
		t.Fatal("no dark half")
	}
	after, _, _ = strings.Cut(after, "}\n}") // of the media rule
	read := func(half string) map[string]colour {
		all := map[string]colour{}
		for _, match := range property.FindAllStringSubmatch(half, -1) {
			all[match[1]], _ = parseColour(match[2])
		}
		return all
	}
	return read(before), read(after)
}

// readable are pairs of text and what it lies on.
var readable = [][2]string{
	{"ink", "surface"}, {"ink", "card"}, {"ink", "sunken"}, {"quiet", "surface"}, {"quiet", "card"}, {"quiet", "sunken"},
	{"good", "good-wash"}, {"warn", "warn-wash"}, {"bad", "bad-wash"}, {"info", "info-wash"}, {"bad", "card"}, {"on-bad", "bad-fill"}, {"on-bad", "bad-fill-hover"},
}

var accentReadable = [][2]string{
	{"on-accent", "accent"}, {"on-accent", "accent-hover"}, {"accent-ink", "card"}, {"accent-ink", "surface"}, {"accent-ink", "sunken"},
}

// distinct are pairs of a control's bounds, or of a chart's mark, and what it lies on.
var distinct = [][2]string{
	{"edge", "card"}, {"edge", "surface"}, {"accent-edge", "card"}, {"accent-edge", "surface"}, {"bad-fill", "card"}, {"bad", "card"},
	{"series-1", "card"}, {"series-2", "card"}, {"series-3", "card"},
}

func checkPairs(t *testing.T, what string, all map[string]colour, pairs [][2]string, least float64) {
	t.Helper()
	for _, pair := range pairs {
		front, known := all[pair[0]]
		ground, alsoKnown := all[pair[1]]
		if !known || !alsoKnown {
			t.Fatalf("%s: %v is not defined", what, pair)
		}
		if got := contrast(front, ground); got < least {
			t.Errorf("%s: %s %s on %s %s: contrast %.2f, want %.1f", what, pair[0], front, pair[1], ground, got, least)
		}
	}
}

// TestContrast: every text can be read and every control be seen, light and dark (WCAG 2.2 AA).
func TestContrast(t *testing.T) {
	light, dark := colours(t, string(assets["ui.css"].content))
	for what, half := range map[string]map[string]colour{"light": light, "dark": dark} {
		checkPairs(t, what, half, readable, contrastText)
		checkPairs(t, what, half, accentReadable, contrastText)
		checkPairs(t, what, half, distinct, contrastEdge)
	}
	if light["sunken"] != lightGround || dark["sunken"] != darkGround {
		t.Error("the grounds that accents are measured on are not those of the stylesheet")
	}
}

// TestAccents: the same holds with whatever colour a project chooses.
func TestAccents(t *testing.T) {
	light, dark := colours(t, string(assets["ui.css"].content))
	chosen := []string{"#000000", "#ffffff", "#777777", "#ffff00", "#00ff00", "#ff0000", "#0000ff", "#ff00ff", "#757575", "#767676", "#2c5cc5", "#fde68a", "#1e1b4b"}
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				chosen = append(chosen, colour{float64(r), float64(g), float64(b)}.String())
			}
		}
	}
	for _, accent := range chosen {
		themed, themedDark := colours(t, string(AccentStyles(accent)))
		if themed["accent"].String() != accent {
			t.Errorf("%s: shown as %s", accent, themed["accent"])
		}
		for base, own := range map[*map[string]colour]map[string]colour{&light: themed, &dark: themedDark} {
			for name := range own {
				(*base)[name] = own[name]
			}
		}
		checkPairs(t, accent+" light", light, accentReadable, contrastText)
		checkPairs(t, accent+" dark", dark, accentReadable, contrastText)
		checkPairs(t, accent+" light", light, [][2]string{{"accent-edge", "card"}, {"accent-edge", "surface"}}, contrastEdge)
		checkPairs(t, accent+" dark", dark, [][2]string{{"accent-edge", "card"}, {"accent-edge", "surface"}}, contrastEdge)
	}
}

func TestContrastIsWCAGs(t *testing.T) {
	if got := contrast(black, white); got != 21 {
		t.Errorf("black on white: %v", got)
	}
	grey, _ := parseColour("#767676") // the lightest grey that passes on white
	lighter, _ := parseColour("#777777")
	if contrast(grey, white) < 4.5 || contrast(lighter, white) >= 4.5 {
		t.Errorf("#767676 %v, #777777 %v", contrast(grey, white), contrast(lighter, white))
	}
}

func TestAccentStylesRefuse(t *testing.T) {
	for _, accent := range []string{"", "red", "#fff", "#12345g", "#1234567", "123456", "#+12345", "#12345;", "#-1234f"} {
		if css := AccentStyles(accent); css != nil {
			t.Errorf("%q: %s", accent, css)
		}
	}
}
