package password

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// The policies of the two presets.
var (
	documentedPolicy = Policy{MinLength: 6, MaxLength: 256}
	hardenedPolicy   = Policy{MinLength: 8, MaxLength: 256, RefuseCommon: true}
)

func TestPolicyCheck(t *testing.T) {
	context := Policy{MinLength: 8, MaxLength: 256, RefuseCommon: true, Context: []string{"Blue Lagoon Shop"}}
	tests := []struct {
		name     string
		policy   Policy
		password string
		want     string // the reason, empty for accepted
	}{
		{"documented example", documentedPolicy, "password", ""},
		{"documented minimum", documentedPolicy, "123456", ""},
		{"too short", documentedPolicy, "12345", "Password should be at least 6 characters"},
		{"too short, hardened", hardenedPolicy, "x9$kQ2v", "Password should be at least 8 characters"},
		{"characters, not bytes", documentedPolicy, "\u00e4\u00f6\u00fc\u00df\u20ac", "Password should be at least 6 characters"},
		{"six characters of two bytes", documentedPolicy, "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8", ""},
		{"spaces count", documentedPolicy, "      ", ""},
		{"maximum", documentedPolicy, strings.Repeat("\u20ac", 256), ""},
		{"over the maximum", documentedPolicy, strings.Repeat("\u20ac", 257), "Password should be at most 256 characters"},
		{"byte cap", Policy{}, strings.Repeat("x", MaxBytes+1), "Password should be at most 4096 bytes"},
		{"at the byte cap", Policy{}, strings.Repeat("x", MaxBytes), ""},
		{"empty", Policy{}, "", "Password should be at least 1 character"},
		{"invalid UTF-8", documentedPolicy, "abc\xffdefgh", reasonNotText},
		{"NUL", documentedPolicy, "abc\x00defgh", reasonNUL},
		{"common", hardenedPolicy, "P@ssw0rd123!", reasonCommon},
		{"context ignored with the lists", Policy{Context: []string{"lagoon"}}, "bluelagoonshop", ""},
		{"project name", context, "BlueLagoonShop", reasonContext},
		{"project name in disguise", context, "Blu3L@goonSh0p!", reasonContext},
		{"part of the project name", context, "lagoon-8842", reasonContext},
		{"email", context, "ann.lee@example.com", reasonContext},
		{"email and a digit", context, "Ann.Lee@example.com1", reasonContext},
		{"local part", context, "annlee-77", reasonContext},
		{"domain", context, "xexample42", reasonContext},
		{"context and a common word", context, "lagoonpassword1", reasonContext},
		{"context three times", context, "lagoonlagoonlagoon", reasonContext},
		{"context in a longer passphrase", context, "lagoon under seven bridges", ""},
		{"unrelated", context, "vexed quilt 81", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.policy.Check(tt.password, "ann.lee@example.com")
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason != tt.want {
				t.Fatalf("Check = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCommon(t *testing.T) {
	refused := []string{
		"password", "PASSWORD", "P@ssw0rd123!", "p4$$w0rd", "Passw0rd!", "password2024", "!!password!!", "1234password",
		"pass word", "p.a.s.s.w.o.r.d", "drowssap", "dr0wssap1", "passwordpassword", "PasswordPassword1", "passwordddddd",
		"passssssword", "xxxdragonxxx", "dragon123456789", "dragon!!!!!!!!!!", "hell0123", "Welcome1!", "Summer2025!", "L3tM31n!!", "adm!n123",
		"4dm1n1stratOr", "iloveyou2", "I love you!", "qwerty123", "Qwerty2024!", "trustno1", "monkey00", "jennifer7", "Liverpool1892",
		"12345678", "87654321", "123456789", "1234567890", "0987654321", "19870523", "11223344", "00000000", "aaaaaaaa", "abababab", "xyxyxyxyx",
		"abcdefgh", "abcd1234", "abc12345", "hgfedcba", "qwertyuiop", "asdfghjkl", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx", "!QAZ2wsx", "zaq12wsx",
		"qazwsxedc", "poiuytrewq", "qwe123asd", "qwerty12", "asdf2024!", "qwer!@#$", "!@#$%^&*", "Xk9$Xk9$", "abcdeabcde", "azertyuiop", "qwertzuiop",
		"qwertyuiopasdfghjklzxcvbnm", strings.Repeat("password", 20), strings.Repeat("ab", 100), "correcthorsebatterystaple",
		strings.Repeat("1", 200), "contrasena1", "1987-05-23", "23.05.1987", "toto1234",
	}
	for _, password := range refused {
		if !isCommon(password) {
			t.Errorf("%q was accepted", password)
		}
	}
	accepted := []string{
		"password horse battery staple", "dragon fruit tastes of rain", "letmein because it is raining", "summer2024 walks by the canal",
		"monkey-lantern-orbit-47", "i love you more than tuesdays", "passwords are a nuisance 9",
		"kX9#vLq2", "tr7$Wm!pQ", "n3ar8yCloudz%4", "vexed quilt 81", "83 lamps, one switch", "4917-8820-3316-7745", "8302719465038",
		"dragon8347192650", "\u043a\u043e\u0442\u0438\u043a \u043d\u0430 \u043a\u0440\u044b\u0448\u0435", "\u65e5\u672c\u8a9e\u306e\u9577\u3044\u6587\u5b57\u5217", "3f8a9c02e7", "zK-w7-Pq-d3",
		strings.Repeat("lorem ipsum dolor sit ", 11) + "amet",
	}
	for _, password := range accepted {
		if isCommon(password) {
			t.Errorf("%q was refused", password)
		}
	}
}

// Every listed word is refused in the plainest disguises.
func TestCommonWords(t *testing.T) {
	words := commonWords()
	if len(words) < 1500 {
		t.Errorf("the list has %d words", len(words))
	}
	for word := range words {
		if len(word) < 3 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%q is not a listed word's spelling", word)
		}
		for _, disguise := range []string{word, strings.ToUpper(word), word + "1", "1" + word + "!!", word + word} {
			if !isCommon(disguise) {
				t.Errorf("%q was accepted", disguise)
			}
		}
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(commonText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			if seen[word] {
				t.Errorf("%q is listed twice", word)
			}
			seen[word] = true
		}
	}
}

// Random passwords must not be refused: not one in a thousand at ten characters.
func TestRandomPasswordsPass(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 20000
	refused := 0
	for range tries {
		b := make([]byte, 10)
		for i := range b {
			b[i] = byte('!' + r.IntN('~'-'!'+1))
		}
		if hardenedPolicy.Check(string(b)) != nil {
			refused++
		}
	}
	if refused*1000 > tries {
		t.Errorf("%d of %d random passwords were refused", refused, tries)
	}
}

func TestRepeatedUnit(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "a": "a", "aaa": "a", "abab": "ab", "ababa": "ab", "aba": "aba", "abcabc": "abc", "abcab": "abcab",
		"passwordpassword": "password", "abcd": "abcd",
	} {
		if got := string(repeatedUnit([]rune(s))); got != want {
			t.Errorf("repeatedUnit(%q) = %q, want %q", s, got, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	// Nearly maxWordLength, with room for every padding on both sides.
	password := "7#1@9!4" + "xkeuwnbgtrehdzzlm" + "z2&8(3)5%6"
	for b.Loop() {
		if err := hardenedPolicy.Check(password, "someone.with.a.long.name@mail.example.com"); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzPolicy checks that what is accepted keeps the limits, and that capitals
// hide nothing.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"", "password", "P@ssw0rd123!", "\xff\xfe", "a\x00b", "1q2w3e4r", "!!!!!!!!!!", "\u0130stanbul",
		"ann.lee@example.com", strings.Repeat("ab", 3000), "correct horse battery staple"} {
		f.Add(seed, "ann.lee@example.com")
	}
	f.Fuzz(func(t *testing.T, password, context string) {
		err := hardenedPolicy.Check(password, context)
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason == "" {
				t.Errorf("Check = %#v", err)
			}
			return
		}
		n := utf8.RuneCountInString(password)
		if n < 8 || n > 256 || len(password) > MaxBytes || !utf8.ValidString(password) || strings.Contains(password, "\x00") {
			t.Errorf("accepted %q", password)
		}
		if n > maxWordLength {
			return
		}
		//lint:ignore SA6005 EqualFold folds more than the code under test does
		if isCommon(strings.ToUpper(password)) && strings.ToLower(strings.ToUpper(password)) == strings.ToLower(password) {
			t.Errorf("%q is common in capitals only", password)
		}
	})
}
