package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
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
			shot, err := png.Decode(bytes.NewReader(call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png", OptimizeForSpeed: new(true)}).Data))
			p.must(err)
			p.must(p.keep(filepath.Join(dir, name+"-"+scheme+"-"+size+".png"), reduce(shot)))
		}
	}
	p.show(wide, light)
}

func (p *Page) keep(file string, shot *image.Paletted) error {
	if before, err := os.ReadFile(file); err == nil {
		decoded, _ := png.Decode(bytes.NewReader(before))
		if old, ok := decoded.(*image.Paletted); ok && same(old, shot) {
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
	plain := image.NewRGBA(shot.Bounds())
	draw.Draw(plain, plain.Rect, shot, plain.Rect.Min, draw.Src)
	pixels := make([]color.RGBA, len(plain.Pix)/4)
	count := map[color.RGBA]int{}
	for i := range pixels {
		pixels[i] = color.RGBA{plain.Pix[4*i], plain.Pix[4*i+1], plain.Pix[4*i+2], plain.Pix[4*i+3]}
		count[pixels[i]]++
	}
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
	reduced := image.NewPaletted(plain.Rect, palette)
	for i, c := range pixels {
		reduced.Pix[i] = index[c]
	}
	return reduced
}

// same tells whether two pictures differ in fewer than one pixel of 500: what fonts and their edges do.
func same(a, b *image.Paletted) bool {
	if a.Rect != b.Rect {
		return false
	}
	aColors, bColors, different := colors(a), colors(b), 0
	for i := range a.Pix {
		c, d := aColors[a.Pix[i]], bColors[b.Pix[i]]
		if far(c.R, d.R) || far(c.G, d.G) || far(c.B, d.B) {
			different++
		}
	}
	return different*500 < len(a.Pix)
}

func colors(of *image.Paletted) []color.RGBA {
	plain := make([]color.RGBA, len(of.Palette))
	for i, c := range of.Palette {
		plain[i] = color.RGBAModel.Convert(c).(color.RGBA)
	}
	return plain
}

func far(a, b uint8) bool { return max(a, b)-min(a, b) > 24 }
