package password

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// cheap keeps the tests fast.
var cheap = Params{MemoryKiB: 64, Time: 1, Threads: 1}

const (
	horse    = "correct horse"
	umlauts  = "p\u00e4ss w\u00f6rd"
	longPass = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" // 80 bytes

	// Firebase's published example project.
	firebaseSigner = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	firebaseHashed = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)

// knownAnswers were computed by other implementations: OpenSSL's Argon2,
// scrypt and PBKDF2 through Python, and the system's crypt(3).
var knownAnswers = []struct{ format, password, encoded string }{
	{"argon2id", horse, "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$dPtrHTEawLtMiR9+/XloAkXZ+EtyrY+bvmHIbiufhk0"},
	{"argon2id", umlauts, "$argon2id$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$x5kM35NU7SVh033BBjY+AVYm3bnRNmxrFucaOGcSTqs"},
	{"argon2i", horse, "$argon2i$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$+ZM6qIHKWUY4ZEkMSTQpzAefvkLMgPC7fLokalwJpuI"},
	{"argon2i", umlauts, "$argon2i$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$zOV7ykfzzwHEQfxDIZfk4yz66Ku+RWmoBaj9kpWZc7A"},
	{"bcrypt", horse, "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
	{"bcrypt", horse, "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
	{"bcrypt", horse, "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
	{"bcrypt", longPass, "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"},
	{"scrypt", horse, "$scrypt$ln=4,r=1,p=1$TmFDbC1hbmQtcGVwcGVyIQ$6kZJeaMIaBRQUCnHmlQWUetXrIMqEZZjcH771++GG88"},
	{"scrypt", horse, "$scrypt$ln=10,r=8,p=2$TmFDbC1hbmQtcGVwcGVyIQ$DSWRKO7KRKH4j0YbVqdRM5kkZRcZ5dA60Fk6j7vjFmY"},
	{"firebase-scrypt", horse, "$firebase-scrypt$ln=6,r=2,k=a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s,ss=Bw$c2FsdHNhbHQrKw$/3wtiz4455B1kWldeK5PGup19i/5cxzvtyiz4DMWEF8"},
	{"pbkdf2-sha1", horse, "$pbkdf2-sha1$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$VzQvAwwy17q2jqJYHkiwFb8pD2M"},
	{"pbkdf2-sha256", horse, "$pbkdf2-sha256$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$rXd1RimUMb5/A8bNR0wn8SN7+8tk6R4P6CAx8UkheB8"},
	{"pbkdf2-sha512", horse, "$pbkdf2-sha512$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$GjMPQXx3bEXczhMO0Wfd6f4JkcIGxic9XL0ZoHagHr6n/osog4qe6b3MfHgxC4eMB57R/SHKKbeh/7ltboj3nw"},
	{"pbkdf2-sha1", horse, "pbkdf2_sha1$1200$seasalt$h0cGcAK14QAcjjkiLQZ6tX9P/KU="},
	{"pbkdf2-sha256", horse, "pbkdf2_sha256$1200$seasalt$o1GNTavDBbrKK7a64SqUwALfSBiLSjIVl+HdtWkfRPE="},
}

func TestKnownAnswers(t *testing.T) {
	for _, tt := range knownAnswers {
		t.Run(tt.encoded[:12], func(t *testing.T) {
			e, err := Parse(tt.encoded)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.encoded, err)
			}
			if e.Format() != tt.format {
				t.Errorf("Format() = %q, want %q", e.Format(), tt.format)
			}
			if e.String() != tt.encoded {
				t.Errorf("String() = %q, want %q", e.String(), tt.encoded)
			}
			if !e.Verify(tt.password) {
				t.Error("the right password was refused")
			}
			for _, wrong := range []string{"", " " + tt.password, "y" + tt.password[1:], strings.ToUpper(tt.password),
				tt.password + "\x00", tt.password + "\x00" + tt.password, strings.Repeat("x", MaxBytes+1)} {
				if e.Verify(wrong) {
					t.Errorf("a wrong password of %d bytes was accepted", len(wrong))
				}
			}
		})
	}
}

// Other implementations ignore what follows 72 bytes, so their users may have
// any ending; up to there every byte counts.
func TestBcryptTruncates(t *testing.T) {
	e := mustParse(t, "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i")
	if !e.Verify(longPass[:72]) || !e.Verify(longPass+"y") {
		t.Error("the first 72 bytes should decide")
	}
	if e.Verify(longPass[:71]) || e.Verify(longPass[:71]+"y") {
		t.Error("byte 72 should count")
	}
}

func TestBcryptOfXCrypto(t *testing.T) {
	hashed, err := bcrypt.GenerateFromPassword([]byte(umlauts), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	e := mustParse(t, string(hashed))
	if !e.Verify(umlauts) || e.Verify(horse) {
		t.Error("wrong answer for a fresh bcrypt hash")
	}
}

func TestHash(t *testing.T) {
	first := mustHash(t, horse, cheap)
	if second := mustHash(t, horse, cheap); first == second {
		t.Error("two hashes share a salt")
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("Hash gave %q", first)
	}
	e := mustParse(t, first)
	if !e.Verify(horse) || e.Verify(horse+" ") {
		t.Error("wrong answer for a fresh hash")
	}
}

func TestHashIsDeterminedByTheSalt(t *testing.T) {
	// The salt of the first known answer.
	got, err := Hash(horse, Params{MemoryKiB: 64, Time: 2, Threads: 1}, strings.NewReader("0123456789abcdef"))
	if err != nil || got != knownAnswers[0].encoded {
		t.Errorf("Hash = %q, %v; want %q", got, err, knownAnswers[0].encoded)
	}
}

func TestHashRefuses(t *testing.T) {
	tests := []struct {
		name, password string
		params         Params
		rand           io.Reader
		want           error
	}{
		{"NUL", "a\x00b", cheap, rand.Reader, ErrUnusable},
		{"too long", strings.Repeat("a", MaxBytes+1), cheap, rand.Reader, ErrUnusable},
		{"zero params", horse, Params{}, rand.Reader, ErrParams},
		{"costly", horse, Params{MemoryKiB: MaxMemoryKiB + 1, Time: 1, Threads: 1}, rand.Reader, ErrParams},
		{"no randomness", horse, cheap, bytes.NewReader(make([]byte, 15)), io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		if got, err := Hash(tt.password, tt.params, tt.rand); !errors.Is(err, tt.want) || got != "" {
			t.Errorf("%s: Hash = %q, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	if _, err := Hash(strings.Repeat("a", MaxBytes), cheap, rand.Reader); err != nil {
		t.Errorf("Hash of %d bytes: %v", MaxBytes, err)
	}
}

func TestParamsValidate(t *testing.T) {
	tests := []struct {
		params Params
		ok     bool
	}{
		{DefaultParams, true},
		{Params{46 * 1024, 1, 1}, true},
		{Params{7 * 1024, 5, 1}, true},
		{Params{MaxMemoryKiB, 4, 16}, true},
		{Params{MaxMemoryKiB, 5, 1}, false},
		{Params{MaxMemoryKiB + 1, 1, 1}, false},
		{Params{64 * 1024, 1, 17}, false},
		{Params{7*1024 - 1, 100, 1}, false},
		{Params{19 * 1024, 1, 1}, false},
		{Params{19 * 1024, 0, 1}, false},
		{Params{19 * 1024, 2, 0}, false},
		{Params{1<<32 - 1, 1<<32 - 1, 1}, false},
		{Params{}, false},
	}
	for _, tt := range tests {
		err := tt.params.Validate()
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrParams) {
			t.Errorf("%+v.Validate() = %v, want ok = %v", tt.params, err, tt.ok)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		salt    = "MDEyMzQ1Njc4OWFiY2RlZg"
		key     = "dPtrHTEawLtMiR9+/XloAkXZ+EtyrY+bvmHIbiufhk0"
		shortKy = "MDEyMzQ1Njc4OWFiY2Rl" // 15 bytes
		bsalt   = "abcdefghijklmnopqrstuu"
		bkey    = "jydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
	)
	tests := []struct {
		encoded string
		want    error
	}{
		{"", ErrUnknownFormat},
		{"$", ErrUnknownFormat},
		{"password", ErrUnknownFormat},
		{"$1$abcdefgh$0123456789012345678901", ErrUnknownFormat},
		{"$2x$04$" + bsalt + bkey, ErrUnknownFormat},
		{"$2$04$" + bsalt + bkey, ErrUnknownFormat},
		{"$argon2d$v=19$m=64,t=1,p=1$" + salt + "$" + key, ErrUnknownFormat},
		{"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key, ErrUnknownFormat},
		{"$argon2id$m=64,t=1,p=1$" + salt + "$" + key, ErrUnknownFormat},
		{"$pbkdf2-md5$i=1000$" + salt + "$" + key, ErrUnknownFormat},
		{"pbkdf2_md5$1000$salt$" + key + "=", ErrUnknownFormat},

		{strings.Repeat("$", MaxEncodedLength+1), ErrMalformed},
		{"$argon2id", ErrMalformed},
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt, ErrMalformed},
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "$", ErrMalformed},
		{"$argon2id$v=20$m=64,t=1,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=64,t=1,p=1,data=AA$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=15,t=1,p=2$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=99999999999,t=1,p=1$" + salt + "$" + key, ErrMalformed},
		{"$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + key, ErrMalformed},                             // salt of 4 bytes
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + shortKy, ErrMalformed},                   // short key
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "==$" + key, ErrMalformed},                     // padding
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt[:21] + "h$" + key, ErrMalformed},                 // stray bits
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "\n", ErrMalformed},                // line break
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$dPtr-" + key[5:], ErrMalformed},              // URL alphabet
		{"$argon2id$v=19$m=64,t=1,p=1$" + salt + "\x00$" + key, ErrMalformed},                   // NUL
		{"$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("AAAA", 43) + "$" + key, ErrMalformed}, // salt of 129 bytes
		{"$2b$4$" + bsalt + bkey, ErrMalformed},
		{"$2b$03$" + bsalt + bkey, ErrMalformed},
		{"$2b$00$" + bsalt + bkey, ErrMalformed},
		{"$2b$32$" + bsalt + bkey, ErrMalformed},
		{"$2b$-4$" + bsalt + bkey, ErrMalformed},
		{"$2b$04$" + bsalt + bkey[1:], ErrMalformed},
		{"$2b$04$" + bsalt[:21] + "v" + bkey, ErrMalformed},
		{"$2b$04$" + bsalt[:21] + "\n" + bkey, ErrMalformed},
		{"$2b$04$" + bsalt + "+" + bkey[1:], ErrMalformed},
		{"$scrypt$ln=0,r=8,p=1$" + salt + "$" + key, ErrMalformed},
		{"$scrypt$ln=4,r=8$" + salt + "$" + key, ErrMalformed},
		{"$scrypt$ln=4,r=8,p=1$$" + key, ErrMalformed},
		{"$firebase-scrypt$ln=6,r=2,k=a2tr,ss=Bw$" + salt + "$" + key, ErrMalformed}, // lengths differ
		{"$firebase-scrypt$ln=6,r=2,k=" + key + "$" + salt + "$" + key, ErrMalformed},
		{"$pbkdf2-sha256$i=0$" + salt + "$" + key, ErrMalformed},
		{"$pbkdf2-sha256$1000$" + salt + "$" + key, ErrMalformed},
		{"pbkdf2_sha256$1000$$" + key + "=", ErrMalformed},
		{"pbkdf2_sha256$1000$s\x00lt$" + key + "=", ErrMalformed},
		{"pbkdf2_sha256$1000$salt$" + key, ErrMalformed},

		{"$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$argon2id$v=19$m=262144,t=5,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$argon2id$v=19$m=65536,t=4294967295,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$argon2id$v=19$m=65536,t=1,p=17$" + salt + "$" + key, ErrTooCostly},
		{"$argon2id$v=19$m=65536,t=1,p=257$" + salt + "$" + key, ErrTooCostly},
		{"$2b$15$" + bsalt + bkey, ErrTooCostly},
		{"$2b$31$" + bsalt + bkey, ErrTooCostly},
		{"$scrypt$ln=19,r=8,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$scrypt$ln=4294967295,r=8,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$scrypt$ln=18,r=8,p=3$" + salt + "$" + key, ErrTooCostly},
		{"$scrypt$ln=2,r=65,p=1$" + salt + "$" + key, ErrTooCostly},
		{"$scrypt$ln=2,r=1,p=17$" + salt + "$" + key, ErrTooCostly},
		{"$firebase-scrypt$ln=19,r=8,k=" + key + ",ss=Bw$" + salt + "$" + key, ErrTooCostly},
		{"$pbkdf2-sha256$i=3000001$" + salt + "$" + key, ErrTooCostly},
		{"$pbkdf2-sha1$i=1500001$" + salt + "$" + key, ErrTooCostly}, // two blocks
		{"pbkdf2_sha256$3000001$salt$" + key + "=", ErrTooCostly},
	}
	for _, tt := range tests {
		e, err := Parse(tt.encoded)
		if !errors.Is(err, tt.want) || e != nil {
			t.Errorf("Parse(%q) = %v, %v; want %v", tt.encoded, e, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), key[:8]) || strings.Contains(err.Error(), salt[:8])) {
			t.Errorf("Parse(%q) quotes the hash in its error", tt.encoded)
		}
	}
}

// The costliest hash of each scheme is still accepted.
func TestParseAcceptsTheBounds(t *testing.T) {
	const (
		salt = "MDEyMzQ1Njc4OWFiY2RlZg"
		key  = "dPtrHTEawLtMiR9+/XloAkXZ+EtyrY+bvmHIbiufhk0"
	)
	for _, encoded := range []string{
		"$argon2id$v=19$m=262144,t=4,p=16$" + salt + "$" + key,
		"$2b$14$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$scrypt$ln=18,r=8,p=2$" + salt + "$" + key,
		"$firebase-scrypt$ln=18,r=8,k=" + key + ",ss=$" + salt + "$" + key,
		"$pbkdf2-sha256$i=3000000$" + salt + "$" + key,
		"$pbkdf2-sha1$i=1500000$" + salt + "$" + key,
	} {
		if e := mustParse(t, encoded); e.String() != encoded {
			t.Errorf("String() = %q, want %q", e.String(), encoded)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	for _, tt := range knownAnswers {
		if tt.format != "argon2id" && !mustParse(t, tt.encoded).NeedsRehash(cheap) {
			t.Errorf("%s: no rehash asked for", tt.format)
		}
	}
	e := mustParse(t, mustHash(t, horse, cheap))
	for _, tt := range []struct {
		params Params
		want   bool
	}{
		{cheap, false},
		{Params{MemoryKiB: 65, Time: 1, Threads: 1}, true},
		{Params{MemoryKiB: 64, Time: 2, Threads: 1}, true},
		{Params{MemoryKiB: 64, Time: 1, Threads: 2}, true},
		{Params{MemoryKiB: 32, Time: 1, Threads: 1}, true},
	} {
		if got := e.NeedsRehash(tt.params); got != tt.want {
			t.Errorf("NeedsRehash(%+v) = %v, want %v", tt.params, got, tt.want)
		}
	}
	shortSalt := mustParse(t, "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$dPtrHTEawLtMiR9+/XloAkXZ+EtyrY+bvmHIbiufhk0")
	if !shortSalt.NeedsRehash(cheap) {
		t.Error("no rehash asked for a salt of 8 bytes")
	}
}

func TestDummy(t *testing.T) {
	e := Dummy(cheap)
	for _, password := range []string{"", horse, "\x00"} {
		if e.Verify(password) {
			t.Errorf("%q matches the dummy", password)
		}
	}
	if e.NeedsRehash(cheap) {
		t.Error("the dummy has other parameters than asked for")
	}
	if parsed := mustParse(t, e.String()); parsed.String() != e.String() {
		t.Error("the dummy is not a valid hash")
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for parameters out of range")
		}
	}()
	Dummy(Params{})
}

func TestFirebaseScrypt(t *testing.T) {
	p := FirebaseParams{SignerKey: firebaseSigner, SaltSeparator: "Bw==", Rounds: 8, MemCost: 14}
	encoded, err := FirebaseScrypt(p, "42xEC+ixf3L2lw==", firebaseHashed)
	if err != nil {
		t.Fatal(err)
	}
	if e := mustParse(t, encoded); !e.Verify("user1password") || e.Verify("user1Password") {
		t.Error("wrong answer for Firebase's published example")
	}
	urlSafe := strings.NewReplacer("+", "-", "/", "_", "=", "")
	p.SignerKey = urlSafe.Replace(p.SignerKey)
	again, err := FirebaseScrypt(p, "42xEC-ixf3L2lw", urlSafe.Replace(firebaseHashed))
	if err != nil || again != encoded {
		t.Errorf("URL alphabet: %q, %v; want %q", again, err, encoded)
	}
}

func TestFirebaseScryptRefuses(t *testing.T) {
	valid := FirebaseParams{SignerKey: firebaseSigner, SaltSeparator: "Bw==", Rounds: 8, MemCost: 14}
	tests := []struct {
		name       string
		change     func(p *FirebaseParams)
		salt, hash string
		want       error
	}{
		{"no rounds", func(p *FirebaseParams) { p.Rounds = 0 }, "42xEC+ixf3L2lw==", firebaseHashed, ErrMalformed},
		{"negative cost", func(p *FirebaseParams) { p.MemCost = -1 }, "42xEC+ixf3L2lw==", firebaseHashed, ErrMalformed},
		{"cost", func(p *FirebaseParams) { p.MemCost = 19 }, "42xEC+ixf3L2lw==", firebaseHashed, ErrTooCostly},
		{"huge cost", func(p *FirebaseParams) { p.MemCost = 1 << 30 }, "42xEC+ixf3L2lw==", firebaseHashed, ErrTooCostly},
		{"signer key", func(p *FirebaseParams) { p.SignerKey = "Bw==" }, "42xEC+ixf3L2lw==", firebaseHashed, ErrMalformed},
		{"base64", func(p *FirebaseParams) { p.SignerKey = "%%" }, "42xEC+ixf3L2lw==", firebaseHashed, ErrMalformed},
		{"no salt", func(*FirebaseParams) {}, "", firebaseHashed, ErrMalformed},
		{"no hash", func(*FirebaseParams) {}, "42xEC+ixf3L2lw==", "", ErrMalformed},
	}
	for _, tt := range tests {
		p := valid
		tt.change(&p)
		if got, err := FirebaseScrypt(p, tt.salt, tt.hash); !errors.Is(err, tt.want) || got != "" {
			t.Errorf("%s: FirebaseScrypt = %q, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestImportConstructors(t *testing.T) {
	salt := []byte("NaCl-and-pepper!")
	scryptKey := unb64(t, "DSWRKO7KRKH4j0YbVqdRM5kkZRcZ5dA60Fk6j7vjFmY")
	got, err := Scrypt(ScryptParams{LogN: 10, R: 8, P: 2}, salt, scryptKey)
	if want := "$scrypt$ln=10,r=8,p=2$TmFDbC1hbmQtcGVwcGVyIQ$DSWRKO7KRKH4j0YbVqdRM5kkZRcZ5dA60Fk6j7vjFmY"; got != want || err != nil {
		t.Errorf("Scrypt = %q, %v; want %q", got, err, want)
	}
	got, err = PBKDF2("sha1", 1000, salt, unb64(t, "VzQvAwwy17q2jqJYHkiwFb8pD2M"))
	if want := "$pbkdf2-sha1$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$VzQvAwwy17q2jqJYHkiwFb8pD2M"; got != want || err != nil {
		t.Errorf("PBKDF2 = %q, %v; want %q", got, err, want)
	}

	if _, err := Scrypt(ScryptParams{LogN: 40, R: 8, P: 1}, salt, scryptKey); !errors.Is(err, ErrTooCostly) {
		t.Errorf("Scrypt at 2^40: %v", err)
	}
	if _, err := Scrypt(ScryptParams{LogN: 10, R: 8, P: 1}, salt, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("Scrypt without key: %v", err)
	}
	if _, err := PBKDF2("md5", 1000, salt, scryptKey); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("PBKDF2 with md5: %v", err)
	}
	if _, err := PBKDF2("sha256", 1000, nil, scryptKey); !errors.Is(err, ErrMalformed) {
		t.Errorf("PBKDF2 without salt: %v", err)
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Hash(horse, DefaultParams, rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzParse checks that whatever parses prints as it was, and within bounds.
func FuzzParse(f *testing.F) {
	for _, tt := range knownAnswers {
		f.Add(tt.encoded)
	}
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Add("$2b$04$abcdefghijklmnopqrstu\n\njydOTSfIH/d5oUHpsygqV5X9xJLQc6e")
	f.Add("pbkdf2_sha256$1$ $")
	f.Fuzz(func(t *testing.T, encoded string) {
		e, err := Parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooCostly) && !errors.Is(err, ErrUnknownFormat) {
				t.Errorf("Parse(%q): untyped error %v", encoded, err)
			}
			return
		}
		if e.String() != encoded {
			t.Errorf("Parse(%q).String() = %q", encoded, e.String())
		}
		if strings.IndexByte(encoded, 0) >= 0 || len(encoded) > MaxEncodedLength {
			t.Errorf("Parse accepted %q", encoded)
		}
	})
}

func mustParse(t *testing.T, encoded string) *Encoded {
	t.Helper()
	e, err := Parse(encoded)
	if err != nil {
		t.Fatalf("Parse(%q): %v", encoded, err)
	}
	return e
}

func mustHash(t *testing.T, password string, p Params) string {
	t.Helper()
	encoded, err := Hash(password, p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func unb64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
