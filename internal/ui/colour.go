package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// colour is one of sRGB, each part from 0 to 255.
type colour [3]float64

var (
	black = colour{}
	white = colour{255, 255, 255}
)

// parseColour reads #rrggbb.
func parseColour(s string) (colour, bool) {
	digits, ok := strings.CutPrefix(s, "#")
	n, err := strconv.ParseUint(digits, 16, 24)
	if !ok || len(digits) != 6 || err != nil {
		return colour{}, false
	}
	return colour{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", uint8(math.Round(c[0])), uint8(math.Round(c[1])), uint8(math.Round(c[2])))
}

// luminance is WCAG 2.2's relative luminance, from 0 to 1.
func (c colour) luminance() float64 {
	var linear [3]float64
	for i, part := range c {
		if part /= 255; part <= 0.04045 {
			linear[i] = part / 12.92
		} else {
			linear[i] = math.Pow((part+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear[0] + 0.7152*linear[1] + 0.0722*linear[2]
}

// contrast is WCAG 2.2's contrast ratio, from 1 to 21.
func contrast(a, b colour) float64 {
	high, low := a.luminance(), b.luminance()
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

// toward moves c to another colour by a share from 0 to 1. The parts are whole, as browsers will see them.
func (c colour) toward(other colour, share float64) colour {
	for i := range c {
		c[i] = math.Round(c[i] + (other[i]-c[i])*share)
	}
	return c
}

// atLeast moves c to black or white, whichever is farther from the ground, until it stands out from that by the ratio.
func (c colour) atLeast(ratio float64, ground colour) colour {
	far := farther(ground)
	for step := range 100 {
		if moved := c.toward(far, float64(step)/100); contrast(moved, ground) >= ratio {
			return moved
		}
	}
	return far
}

// farther is black or white, whichever stands out more from the ground: by 4.58 at least, so that text in it is always readable.
func farther(ground colour) colour {
	if contrast(black, ground) > contrast(white, ground) {
		return black
	}
	return white
}
