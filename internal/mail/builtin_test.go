package mail

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// TestBuiltInAsOwn: each built-in template can be a project's own as it is, and renders to the same, whatever is missing.
func TestBuiltInAsOwn(t *testing.T) {
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range Languages() {
		for _, kind := range auth.MailKinds() {
			own, err := BuiltIn(kind, lang)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Check(own); err != nil {
				t.Errorf("%s in %s cannot be a project's own: %v", kind, lang, err)
				continue
			}
			for i, data := range sampleData() {
				if i%9 != 0 { // each value is there in some, and missing in some
					continue
				}
				want, err := r.Render(kind, []string{lang}, nil, data)
				if err != nil {
					t.Fatal(err)
				}
				got, err := r.Render(kind, []string{lang}, []auth.MailTemplate{own}, data)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Fatalf("%s in %s: %v\n%s", kind, lang, err, diff)
				}
			}
		}
	}
}

func TestBuiltInOfOtherLanguages(t *testing.T) {
	for lang, like := range map[string]string{"pt-BR": "pt", "it": "en", "de": "de"} {
		got, err := BuiltIn(auth.MailInvite, lang)
		want, wantErr := BuiltIn(auth.MailInvite, like)
		if want.Language = lang; err != nil || wantErr != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v, %v, %q", lang, err, wantErr, got.Subject)
		}
	}
	for _, wrong := range [][2]string{{"nothing", "en"}, {"invite", "no language"}} {
		if _, err := BuiltIn(auth.MailKind(wrong[0]), wrong[1]); err == nil {
			t.Errorf("%v is there", wrong)
		}
	}
}
