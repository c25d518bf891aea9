package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/cdproto/page"
)

// maxScreenshot is what a picture may weigh, in bytes.
const maxScreenshot = 60_000

// Screenshot writes name-{light|dark}-{wide|narrow}.png into the folder that DOORWARD_SCREENSHOTS names, or a temporary one. A picture that is there already and
// looks the same stays, so that a run of the tests changes no file for nothing.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("DOORWARD_SCREENSHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	p.must(os.MkdirAll(dir, 0o755))
	for _, scheme := range []string{light, dark} {
		for size, v := range map[string]viewport{"wide": wide, "narrow": narrow} {
			p.show(v, scheme)
			Evaluate[bool](p, `new Promise(done => { window.scrollTo(0, 0); document.activeElement?.blur(); requestAnimationFrame(() => requestAnimationFrame(() => done(true))) })`)
			shot, err := png.Decode(bytes.NewReader(call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"}).Data))
			p.must(err)
			p.must(p.keep(filepath.Join(dir, name+"-"+scheme+"-"+size+".png"), reduce(shot)))
		}
	}
	p.show(wide, light)
}

func (p *Page) keep(file string, shot *image.Paletted) error {
	if before, err := os.ReadFile(file); err == nil {
		if old, err := png.Decode(bytes.NewReader(before)); err == nil && same(old, shot) {
			return nil
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, shot); err != nil {
		return err
	}
	if out.Len() > maxScreenshot {
		p.t.Errorf("%s weighs %d bytes", filepath.Base(file), out.Len())
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// reduce keeps the 256 colours that the picture has most of, and shows all others by the nearest of them.
func reduce(shot image.Image) *image.Paletted {
	bounds := shot.Bounds()
	count := map[color.RGBA]int{}
	each(bounds, func(x, y int) { count[rgba(shot.At(x, y))]++ })
	byUse := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	palette := color.Palette{}
	for _, c := range byUse[:min(len(byUse), 256)] {
		palette = append(palette, c)
	}
	index := make(map[color.RGBA]uint8, len(count))
	for _, c := range byUse {
		index[c] = uint8(palette.Index(c))
	}
	reduced := image.NewPaletted(bounds, palette)
	each(bounds, func(x, y int) { reduced.SetColorIndex(x, y, index[rgba(shot.At(x, y))]) })
	return reduced
}

// same tells whether two pictures differ in fewer than one pixel of 500: what fonts and their edges do.
func same(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	different := 0
	each(a.Bounds(), func(x, y int) {
		c, d := rgba(a.At(x, y)), rgba(b.At(x, y))
		if far(c.R, d.R) || far(c.G, d.G) || far(c.B, d.B) {
			different++
		}
	})
	return different*500 < a.Bounds().Dx()*a.Bounds().Dy()
}

func far(a, b uint8) bool { return max(a, b)-min(a, b) > 24 }

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }

func each(bounds image.Rectangle, do func(x, y int)) {
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			do(x, y)
		}
	}
}
