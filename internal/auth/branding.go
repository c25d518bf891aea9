package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLogo is how many bytes a project's logo may have. Every request of the project reads its settings, so a few kilobytes are better.
const MaxLogo = 32 << 10

// Image is a picture with the media type that its content has.
type Image struct {
	Type    string // one of imageForms
	Content []byte
}

// imageForms are the types of pictures that every browser shows, with how their content begins.
var imageForms = []struct {
	mediaType string
	is        func([]byte) bool
}{
	{"image/png", func(b []byte) bool { return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) }},
	{"image/jpeg", func(b []byte) bool { return bytes.HasPrefix(b, []byte{0xff, 0xd8, 0xff}) }},
	{"image/webp", func(b []byte) bool {
		return len(b) > 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP"
	}},
	{"image/svg+xml", isSVG},
}

func isSVG(b []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	markup := bytes.HasPrefix(start, []byte("<svg")) || bytes.HasPrefix(start, []byte("<?xml")) || bytes.HasPrefix(start, []byte("<!--"))
	return markup && bytes.Contains(b, []byte("<svg")) && utf8.Valid(b) && !bytes.ContainsRune(b, 0)
}

// imageType is the media type that the content shows, or "".
func imageType(content []byte) string {
	for _, form := range imageForms {
		if form.is(content) {
			return form.mediaType
		}
	}
	return ""
}

// ImageURL gives the data URL (RFC 2397) of a picture's file, as the setting logo takes it, or false where it is no picture that can be one.
func ImageURL(content []byte) (string, bool) {
	mediaType := imageType(content)
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(content), mediaType != ""
}

// parseImage reads a data URL, whose content must be of the type that it names.
func parseImage(v string) (*Image, error) {
	name, encoded, found := strings.Cut(strings.TrimPrefix(v, "data:"), ";base64,")
	if !found || !strings.HasPrefix(v, "data:") {
		return nil, errors.New("not a data URL")
	}
	if base64.StdEncoding.DecodedLen(len(encoded)) > MaxLogo+2 { // padding counts
		return nil, fmt.Errorf("more than %d bytes", MaxLogo)
	}
	content, err := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case err != nil || strings.ContainsAny(encoded, "\r\n"):
		return nil, errors.New("not in base64")
	case len(content) > MaxLogo:
		return nil, fmt.Errorf("more than %d bytes", MaxLogo)
	case imageType(content) != name || name == "":
		return nil, errors.New("not a picture of the type that it names")
	}
	return &Image{name, content}, nil
}

func applyLogo(s *Settings, v string) (err error) {
	s.Logo = nil
	if v != "" {
		s.Logo, err = parseImage(v)
	}
	return err
}

func applyAccentColor(s *Settings, v string) error {
	if v != "" && (len(v) != 7 || v[0] != '#' || strings.Trim(v[1:], "0123456789abcdefABCDEF") != "") {
		return errors.New("not # and six hexadecimal digits")
	}
	s.AccentColor = strings.ToLower(v)
	return nil
}

// ShownValue gives a setting's value as people and audit records have it: a picture only by its type and size.
func ShownValue(v string) string {
	mediaType, _, isPicture := strings.Cut(v, ";base64,")
	if !isPicture || !strings.HasPrefix(v, "data:") {
		return v
	}
	return fmt.Sprintf("%s… (%d bytes)", mediaType, len(v))
}
