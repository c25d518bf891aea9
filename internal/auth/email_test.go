package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
)

func TestParseEmail(t *testing.T) {
	long := strings.Repeat("a", 64)
	tests := []struct{ name, in, want string }{ // want "" is a refusal
		{"plain", "ada@example.com", "ada@example.com"},
		{"case", "Ada.Lovelace@EXAMPLE.Com", "ada.lovelace@example.com"},
		{"spaces around", " \t\r\nada@example.com\r\n", "ada@example.com"},
		{"symbols", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"plus tag is kept", "ada+news@example.com", "ada+news@example.com"},
		{"dots are kept", "a.d.a@example.com", "a.d.a@example.com"},
		{"full-width letters", "\uff41\uff44\uff41@example.com", "ada@example.com"},
		{"full-width at", "ada\uff20example.com", "ada@example.com"},
		{"small at", "ada\ufe6bexample.com", "ada@example.com"},
		{"full-width dot", "ada@example\uff0ecom", "ada@example.com"},
		{"ideographic dot", "ada@example\u3002com", "ada@example.com"},
		{"Kelvin sign", "\u212aarl@example.com", "karl@example.com"},
		{"long s", "\u017fue@example.com", "sue@example.com"},
		{"ligature", "o\ufb03ce@example.com", "office@example.com"},
		{"composed and decomposed", "re\u0301ne\u0301@example.com", "r\u00e9n\u00e9@example.com"},
		{"capital with dot", "\u0130da@example.com", "ida@example.com"},
		{"IDN", "ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"},
		{"IDN as A-label", "ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"},
		{"IDN decomposed", "ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"},
		{"soft hyphen in the domain", "ada@exam\u00adple.com", "ada@example.com"},
		{"local part of 64", long + "@example.com", long + "@example.com"},
		{"digit domain", "ada@163.com", "ada@163.com"},

		{"empty", "", ""},
		{"at alone", "@", ""},
		{"no at", "ada.example.com", ""},
		{"no local part", "@example.com", ""},
		{"no domain", "ada@", ""},
		{"two at", "ada@example.com@evil.example", ""},
		{"two at, one full-width", "ada\uff20example.com@evil.example", ""},
		{"one label", "ada@localhost", ""},
		{"trailing dot", "ada@example.com.", ""},
		{"trailing ideographic dot", "ada@example.com\u3002", ""},
		{"leading dot", ".ada@example.com", ""},
		{"dot before at", "ada.@example.com", ""},
		{"double dot", "a..da@example.com", ""},
		{"one dot leader becomes a dot", "ada\u2025x@example.com", ""},
		{"empty label", "ada@example..com", ""},
		{"quoted", `"ada"@example.com`, ""},
		{"quoted with at", `"ada@evil.example"@example.com`, ""},
		{"backslash", `a\da@example.com`, ""},
		{"display name", "Ada <ada@example.com>", ""},
		{"angle brackets", "<ada@example.com>", ""},
		{"comment", "ada(comment)@example.com", ""},
		{"comment in the domain", "ada@example.com(comment)", ""},
		{"list", "ada@example.com,eve@evil.example", ""},
		{"semicolon list", "ada@example.com;eve@evil.example", ""},
		{"address literal", "ada@[192.0.2.1]", ""},
		{"IPv6 literal", "ada@[IPv6:2001:db8::1]", ""},
		{"bare IPv4", "ada@192.0.2.1", ""},
		{"full-width IPv4", "ada@192.0.2.\uff11", ""},
		{"port", "ada@example.com:25", ""},
		{"percent hack", "ada%evil.example", ""},
		{"bang path", "evil.example!ada", ""},
		{"space inside", "a da@example.com", ""},
		{"no-break space", "ada\u00a0@example.com", ""},
		{"space in the domain", "ada@exa mple.com", ""},
		{"NUL", "ada\x00@example.com", ""},
		{"NUL at the end", "ada@example.com\x00", ""},
		{"NUL in the domain", "ada@example.com\x00.evil.example", ""},
		{"header injection", "ada@example.com\r\nBcc: eve@evil.example", ""},
		{"line break in the local part", "ada\n@example.com", ""},
		{"delete", "ada\x7f@example.com", ""},
		{"invalid UTF-8", "ada\xff@example.com", ""},
		{"overlong UTF-8", "ada\xc1\x80example.com", ""},
		{"surrogate", "ada\xed\xa0\x80@example.com", ""},
		{"hyphen at the edge", "ada@-example.com", ""},
		{"underscore in the domain", "ada@ex_ample.com", ""},
		{"punycode that is no letter", "ada@xn--.com", ""},
		{"punycode of plain text", "ada@xn--example-.com", ""},
		{"zero width space", "ad\u200ba@example.com", ""},
		{"zero width joiner", "ad\u200da@example.com", ""},
		{"byte order mark", "\ufeffada@example.com", ""},
		{"right-to-left override", "ad\u202ea@example.com", ""},
		{"soft hyphen in the local part", "ad\u00ada@example.com", ""},
		{"tag character", "ada\U000e0061@example.com", ""},
		{"variation selector", "ada\ufe0f@example.com", ""},
		{"variation selector supplement", "ada\U000e0100@example.com", ""},
		{"combining grapheme joiner", "ada\u034f@example.com", ""},
		{"Hangul filler", "ada\u3164@example.com", ""},
		{"half-width Hangul filler", "ada\uffa0@example.com", ""},
		{"Mongolian variation selector", "ada\u180b@example.com", ""},
		{"mark first", "\u0301ada@example.com", ""},
		{"emoji", "\U0001f600@example.com", ""},
		{"local part of 65", long + "a@example.com", ""},
		{"254 in all and more", long + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + "example.com", ""},
		{"label of 64", "ada@" + long + ".com", ""},
		{"300 characters", strings.Repeat("a", 300) + "@example.com", ""},
		{"a megabyte", strings.Repeat("a", 1<<20), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := auth.ParseEmail(tt.in)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("ParseEmail(%.60q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
			if err != nil && auth.CodeOf(err) != auth.CodeInvalidEmail {
				t.Errorf("code %q", auth.CodeOf(err))
			}
			if got.IsZero() != (got == "") {
				t.Error("IsZero does not tell whether there is an address")
			}
		})
	}
}

// No invisible character may make a second address that looks like the first (P4). The tables are Unicode's own.
func TestParseEmailRefusesInvisibleCharacters(t *testing.T) {
	var accepted []string
	for _, table := range []*unicode.RangeTable{unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf, unicode.Cc, unicode.Zs, unicode.Bidi_Control} {
		forEachRune(table, func(r rune) {
			if _, err := auth.ParseEmail("ad" + string(r) + "a@example.com"); err == nil {
				accepted = append(accepted, fmt.Sprintf("U+%04X", r))
			}
		})
	}
	if len(accepted) > 0 {
		t.Errorf("%d invisible characters were accepted: %v", len(accepted), accepted[:min(len(accepted), 20)])
	}
}

func forEachRune(table *unicode.RangeTable, f func(rune)) {
	for _, r := range table.R16 {
		for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
			f(c)
		}
	}
	for _, r := range table.R32 {
		for c := rune(r.Lo); c <= min(rune(r.Hi), rune(r.Lo)+4096); c += rune(r.Stride) {
			f(c)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", "ADA@EXAMPLE.COM", "\u0130@\u0130.com", "a@xn--bcher-kva.de", "a@b\u00dccher.de", "\u1e9ea@stra\u00dfe.de", "a@\uff45x.\uff43om",
		"\u03a3\u03c2@\u03a3\u03c2.gr", "a\u0345\u0301@x.y", "\u1e69\u0323@x.y", "a@xn--abc-.com", "a@1.2.3.4", "\"a\"@b.c", "a@[::1]", "a@b.c\x00", "\u13a0@\u13a0.com",
		"a@\u0930\u094d\u200d.com", "a@b\u2024c.d", "\u212b@\u212b.se", "a@\u05d0.com", "\ufdfa@b.c", "a@\U0001d41a.com", "\u1ec0@x.y", "a@xn--0.com", "a@a\u00df.de",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := auth.ParseEmail(in)
		if err != nil {
			if got != "" {
				t.Fatalf("ParseEmail(%q) gives %q with an error", in, got)
			}
			return
		}
		s := string(got)
		if again, err := auth.ParseEmail(s); err != nil || again != got {
			t.Fatalf("ParseEmail(%q) = %q, but ParseEmail of that = %q, %v", in, got, again, err)
		}
		local, domain, _ := strings.Cut(s, "@")
		if len(s) > 254 || len(local) > 64 || local == "" || strings.Count(s, "@") != 1 || !utf8.ValidString(s) {
			t.Fatalf("ParseEmail(%q) = %q is no address", in, s)
		}
		if strings.ContainsFunc(domain, func(r rune) bool {
			return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			t.Fatalf("the domain %q of %q is not in canonical form", domain, in)
		}
		if strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>[\]`, r)
		}) {
			t.Fatalf("ParseEmail(%q) = %q holds what mail software reads as structure", in, s)
		}
		// Whoever types it otherwise means the same account: upper case of ASCII, spaces around, full-width forms.
		for _, other := range []string{" " + in + "\n", asciiUpper(s), fullWidth(s)} {
			if same, err := auth.ParseEmail(other); err != nil || same != got {
				t.Fatalf("%q is %q, but %q is %q, %v", in, got, other, same, err)
			}
		}
	})
}

func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if '!' <= r && r <= '~' {
			return r - '!' + '\uff01'
		}
		return r
	}, s)
}

// A label in A-form and in U-form is one domain, and nothing that only looks encoded is one.
func TestParseEmailDomainsAreOne(t *testing.T) {
	for _, pair := range [][2]string{
		{"a@xn--abc-.com", "a@abc.com"}, {"a@xn--ABC-.com", "a@abc.com"}, {"a@xn--a-ecp.ru", "a@xn--a-ecp.ru"}, {"a@xn--strae-oqa.de", "a@stra\u00dfe.de"},
	} {
		x, errX := auth.ParseEmail(pair[0])
		y, errY := auth.ParseEmail(pair[1])
		if errX == nil && errY == nil && x != y {
			t.Errorf("%q is %q, but %q is %q", pair[0], x, pair[1], y)
		}
	}
}
