package ui

import "fmt"

// What WCAG 2.2 asks for: 4.5 of text (1.4.3), 3 of what bounds a control (1.4.11).
const (
	contrastText = 4.5
	contrastEdge = 3
)

// Of the surfaces in ui.css that text in the accent's colour lies on, those nearest to it: what can be read there can be read on all.
var (
	lightGround = colour{0xec, 0xef, 0xf3}
	darkGround  = colour{0x26, 0x2b, 0x35}
)

// AccentStyles gives a stylesheet that shows buttons, links and the focus in a colour, as #rrggbb, or nil where it is none. Buttons have the very colour, with
// the text on it black or white; where the colour alone would not stand out from the page, its edge and text in it are darker, or lighter in the dark.
func AccentStyles(accent string) []byte {
	c, ok := parseColour(accent)
	if !ok {
		return nil
	}
	return fmt.Appendf(nil, ":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n", c.properties(lightGround), c.properties(darkGround))
}

func (c colour) properties(ground colour) string {
	on := farther(c)
	away := black // from the text on it, so that the hovered button is no harder to read
	if on == black {
		away = white
	}
	return fmt.Sprintf("--accent:%s;--accent-hover:%s;--on-accent:%s;--accent-edge:%s;--accent-ink:%s",
		c, c.toward(away, 0.15), on, c.atLeast(contrastEdge, ground), c.atLeast(contrastText, ground))
}
