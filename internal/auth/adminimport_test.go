package auth_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
)

// importedHashes are hashes of "correct horse" in every format that comes from other systems.
var importedHashes = map[string]string{
	"argon2id":        "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$dPtrHTEawLtMiR9+/XloAkXZ+EtyrY+bvmHIbiufhk0",
	"argon2i":         "$argon2i$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$+ZM6qIHKWUY4ZEkMSTQpzAefvkLMgPC7fLokalwJpuI",
	"bcrypt":          "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
	"scrypt":          "$scrypt$ln=4,r=1,p=1$TmFDbC1hbmQtcGVwcGVyIQ$6kZJeaMIaBRQUCnHmlQWUetXrIMqEZZjcH771++GG88",
	"firebase-scrypt": "$firebase-scrypt$ln=6,r=2,k=a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s,ss=Bw$c2FsdHNhbHQrKw$/3wtiz4455B1kWldeK5PGup19i/5cxzvtyiz4DMWEF8",
	"pbkdf2-sha1":     "$pbkdf2-sha1$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$VzQvAwwy17q2jqJYHkiwFb8pD2M",
	"pbkdf2-sha256":   "$pbkdf2-sha256$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$rXd1RimUMb5/A8bNR0wn8SN7+8tk6R4P6CAx8UkheB8",
	"pbkdf2-sha512":   "$pbkdf2-sha512$i=1000$TmFDbC1hbmQtcGVwcGVyIQ$GjMPQXx3bEXczhMO0Wfd6f4JkcIGxic9XL0ZoHagHr6n/osog4qe6b3MfHgxC4eMB57R/SHKKbeh/7ltboj3nw",
}

func TestImportEveryHashFormat(t *testing.T) {
	h := newHarness(t, documented)
	var batch []auth.PortableUser
	formats := slices.Sorted(maps.Keys(importedHashes))
	kinds := map[string]int{}
	for i, format := range formats {
		batch = append(batch, auth.PortableUser{User: auth.User{ID: auth.UserID(fmt.Sprint("user-", i)), Email: auth.Email(format + "@Example.com"), PasswordHash: importedHashes[format]}})
		kinds[format]++
	}
	report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), batch, false)
	h.must(err)
	want := auth.ImportReport{Created: len(formats), CanSignIn: len(formats), CannotSignIn: map[string]int{}, PasswordKinds: kinds}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Fatalf("report (-want +got):\n%s", diff)
	}
	for i, format := range formats {
		if _, err := h.signIn(format+"@example.com", "correct horse!"); auth.CodeOf(err) != auth.CodeWrongPassword {
			t.Errorf("%s, wrong password: %v", format, err)
		}
		in, err := h.signIn(format+"@example.com", "correct horse")
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		h.wantAlive(in)
		encoded, err := password.Parse(h.user(batch[i].User.ID).PasswordHash)
		if err != nil || encoded.NeedsRehash(hashParams(h.anyone().Project.Settings)) {
			t.Errorf("%s was not upgraded: %v", format, err)
		}
	}
}

// Uids of other systems are kept as they are, and their accounts work in every way.
func TestImportedUIDs(t *testing.T) {
	h := newHarness(t, documented, rotating)
	for i, id := range []auth.UserID{"1", "a-b_c", "auth0|5f7c8ec7c33c6c004bbafe82", "7f9c24e8-3b1a-4c6e-9d2f-0a1b2c3d4e5f", auth.UserID(strings.Repeat("x", 128)), "\u00fc\u3042", "a b", "a?b#c%41"} {
		t.Run(string(id), func(t *testing.T) {
			email := fmt.Sprintf("user%d@example.com", i)
			report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{ID: id, Email: auth.Email(email), PasswordHash: importedHashes["bcrypt"]}}}, false)
			h.must(err)
			if report.Created != 1 {
				t.Fatalf("report %+v", report)
			}
			in, err := h.signIn(email, "correct horse")
			if err != nil {
				t.Fatalf("sign-in: %v", err)
			}
			next, err := h.refresh(in.RefreshToken)
			h.must(err)
			h.wantAlive(next)
			h.must(h.SendPasswordReset(h.ctx, h.anyone(), email))
			link := linkOf(t, h.message(auth.MailResetPassword, email))
			if got := link.Query().Get("uid"); got != string(id) {
				t.Errorf("the link has the uid %q", got)
			}
			h.must(h.ResetPassword(h.ctx, h.anyone(), h.secret(link.Query().Get("oobCode")), h.secret(otherPW)))
		})
	}
}

// nasty is a batch in which everything is wrong that can be.
func nasty() []auth.PortableUser {
	user := func(u auth.User) auth.PortableUser { return auth.PortableUser{User: u} }
	with := func(u auth.User, subjects ...string) auth.PortableUser {
		pu := user(u)
		for _, s := range subjects {
			pu.Identities = append(pu.Identities, auth.Identity{ProviderID: "google.com", Subject: s, Email: string(u.Email)})
		}
		return pu
	}
	roles := func(u auth.User, names ...string) auth.PortableUser {
		return auth.PortableUser{User: u, RoleNames: names}
	}
	return []auth.PortableUser{
		user(auth.User{ID: "good", Email: "Good@Example.com", EmailVerified: true, PasswordHash: importedHashes["bcrypt"], Attributes: map[string]any{"a": 1.0, "gone": nil}}),
		user(auth.User{ID: "good", Email: "good@example.com"}),
		user(auth.User{ID: "good", Email: "other@example.com"}),
		user(auth.User{ID: "same-email", Email: "GOOD@example.com"}),
		user(auth.User{ID: "bad-email", Email: "nobody"}),
		user(auth.User{ID: "no-email"}),
		user(auth.User{ID: "no-email-2"}),
		user(auth.User{Email: "no-id@example.com"}),
		user(auth.User{ID: "exists", Email: "exists@example.com"}),
		user(auth.User{ID: "exists-not", Email: "exists@example.com"}),
		user(auth.User{ID: "bad-hash", Email: "bad-hash@example.com", PasswordHash: "md5:x"}),
		user(auth.User{ID: "costly-hash", Email: "costly@example.com", PasswordHash: "$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}),
		user(auth.User{ID: auth.UserID(strings.Repeat("x", 129)), Email: "long-id@example.com"}),
		user(auth.User{ID: "nul\x00", Email: "nul-id@example.com"}),
		user(auth.User{ID: "bad-utf8\xff", Email: "bad-id@example.com"}),
		user(auth.User{ID: "nul-name", Email: "nul-name@example.com", Name: "a\x00b"}),
		user(auth.User{ID: "bad-name", Email: "bad-name@example.com", Name: "\xff"}),
		user(auth.User{ID: "nul-attribute", Email: "nul-attribute@example.com", Attributes: map[string]any{"a": "x\x00"}}),
		user(auth.User{ID: "nul-attribute-name", Email: "nul-attribute-name@example.com", Attributes: map[string]any{"a\x00": "x"}}),
		user(auth.User{ID: "deep-attribute", Email: "deep@example.com", Attributes: map[string]any{"a": []any{"x\x00"}}}),
		user(auth.User{ID: "claims", Email: "claims@example.com", CustomClaims: map[string]any{"sub": "x"}}),
		user(auth.User{ID: "disabled", Email: "disabled@example.com", Disabled: true, PasswordHash: importedHashes["bcrypt"]}),
		with(auth.User{ID: "one-identity", Email: "one@example.com"}, "s1"),
		with(auth.User{ID: "its-identity", Email: "its@example.com"}, "s1"),
		with(auth.User{ID: "twice-the-same", Email: "twice@example.com"}, "s2", "s2"),
		with(auth.User{ID: "empty-subject", Email: "empty@example.com"}, ""),
		with(auth.User{ID: "nul-subject", Email: "nul-subject@example.com"}, "a\x00"),
		with(auth.User{ID: "taken-identity", Email: "taken@example.com"}, "taken"),
		roles(auth.User{ID: "roles", Email: "roles@example.com"}, "editor", "editor", "viewer"),
		roles(auth.User{ID: "bad-role", Email: "bad-role@example.com"}, "made-for-nobody", "bad\nrole"),
		roles(auth.User{ID: "empty-role", Email: "empty-role@example.com"}, ""),
		user(auth.User{ID: "last", Email: "last@example.com"}),
	}
}

func prepareForNasty(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, documented)
	report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{{User: auth.User{ID: "exists", Email: "exists@example.com"}}}, false)
	h.must(err)
	if report.Created != 1 {
		t.Fatal(report)
	}
	h.identity("exists", "taken", "exists@example.com", true)
	return h
}

// One bad line costs only itself.
func TestImportLeavesBadLinesOut(t *testing.T) {
	good := []string{"good", "no-email", "no-email-2", "disabled", "one-identity", "roles", "last"}
	failedAlways := []string{"bad-hash", "costly-hash", "nul\x00", "bad-utf8\xff", "nul-name", "bad-name", "claims", "its-identity", "empty-subject", "nul-subject", "taken-identity", "bad-role", "same-email", "exists-not"}
	for i, pu := range nasty() { // each alone, so that one that breaks the batch is named
		h := prepareForNasty(t)
		report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), []auth.PortableUser{pu}, false)
		if err != nil {
			t.Errorf("line %d (%q) breaks its whole batch: %v", i, pu.User.ID, err)
		}
		if sum := report.Created + report.Existing + len(report.Failed); err == nil && sum != 1 {
			t.Errorf("line %d (%q) is counted %d times", i, pu.User.ID, sum)
		}
	}
	h := prepareForNasty(t)
	report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), nasty(), false)
	if err != nil {
		t.Fatalf("the batch failed as a whole: %v", err)
	}
	failed := map[auth.UserID]bool{}
	for _, f := range report.Failed {
		failed[nasty()[f.Index].User.ID] = true
		if f.Reason == "" || strings.Contains(f.Reason, "$2b$") {
			t.Errorf("line %d: reason %q", f.Index, f.Reason)
		}
	}
	for _, id := range good {
		if _, err := h.store.GetUser(h.ctx, h.id, auth.UserID(id)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range failedAlways {
		if _, err := h.store.GetUser(h.ctx, h.id, auth.UserID(id)); err == nil || !failed[auth.UserID(id)] {
			t.Errorf("%q came in, or was not told: %v", id, failed[auth.UserID(id)])
		}
	}
	rolesNow, err := h.store.ListRoles(h.ctx, h.id)
	h.must(err)
	var names []string
	for _, r := range rolesNow {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, []string{"editor", "viewer"}) {
		t.Errorf("roles %q: a line that was left out made one", names)
	}
	if u := h.user("good"); u.Email != "good@example.com" || len(u.Attributes) != 1 || u.Author != u.ID {
		t.Errorf("imported as %+v", u)
	}
}

// A dry run says exactly what the real run then does, and changes nothing.
func TestImportDryRun(t *testing.T) {
	for i := range len(nasty()) + 1 {
		batch := nasty()
		if i < len(batch) {
			batch = batch[i : i+1]
		}
		h := prepareForNasty(t)
		dry, errDry := h.admin.ImportUsers(h.ctx, h.asAdmin(), batch, true)
		if n, err := h.store.CountUsers(h.ctx, h.id); n != 1 || err != nil {
			t.Errorf("a dry run left %d users, %v", n, err)
		}
		if roles, err := h.store.ListRoles(h.ctx, h.id); len(roles) != 0 || err != nil {
			t.Errorf("a dry run left roles %v, %v", roles, err)
		}
		real, errReal := h.admin.ImportUsers(h.ctx, h.asAdmin(), batch, false)
		if diff := cmp.Diff(dry, real); diff != "" || auth.CodeOf(errDry) != auth.CodeOf(errReal) {
			t.Errorf("batch %d (%q): the dry run tells otherwise (-dry +real), errors %v and %v:\n%s", i, batch[0].User.ID, errDry, errReal, diff)
		}
	}
}

// An import that is run again changes nothing, and goes on where it stopped.
func TestImportIsResumable(t *testing.T) {
	h := newHarness(t, documented)
	var batch []auth.PortableUser
	for i := range 20 {
		batch = append(batch, auth.PortableUser{User: auth.User{ID: auth.UserID(fmt.Sprint("u", i)), Email: auth.Email(fmt.Sprintf("u%d@example.com", i))}, RoleNames: []string{"r"},
			Identities: []auth.Identity{{ProviderID: "google.com", Subject: fmt.Sprint("s", i)}}})
	}
	_, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), batch[:7], false)
	h.must(err)
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), "u3", auth.UserPatch{Name: ptr("changed since")})
	h.must(err)
	report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), batch, false)
	h.must(err)
	if report.Created != 13 || report.Existing != 7 || len(report.Failed) != 0 {
		t.Errorf("report %+v", report)
	}
	if h.user("u3").Name != "changed since" {
		t.Error("an import overwrote what changed since")
	}
	report, err = h.admin.ImportUsers(h.ctx, h.asAdmin(), make([]auth.PortableUser, auth.MaxImportBatch+1), true)
	h.want(err, auth.CodeInvalidArgument)
	if report.Created != 0 {
		t.Errorf("report %+v", report)
	}
}

// What is exported and imported elsewhere is the same account.
func TestExportAndImport(t *testing.T) {
	h := newHarness(t, documented)
	report, err := h.admin.ImportUsers(h.ctx, h.asAdmin(), nasty()[:1], false)
	h.must(err)
	if report.Created != 1 {
		t.Fatal(report)
	}
	up := h.verified(ada)
	h.identity(up.User.ID, "ada-at-google", ada, true)
	_, err = h.admin.CreateRole(h.ctx, h.asAdmin(), "editor")
	h.must(err)
	_, err = h.UpdateUser(h.ctx, h.asAdmin(), up.User.ID, auth.UserPatch{
		Roles: &[]string{"editor"}, CustomClaims: &map[string]any{"plan": "gold"}, Attributes: map[string]any{"n": 1.5, "l": []any{"x", nil, true}}, Name: ptr("Ada"), Disabled: ptr(true),
	})
	h.must(err)
	var all []auth.PortableUser
	for after := auth.UserID(""); ; {
		page, err := h.admin.ExportUsers(h.ctx, h.asAdmin(), after, 1)
		h.must(err)
		if len(page) == 0 {
			break
		}
		all, after = append(all, page...), page[len(page)-1].User.ID
	}
	if len(all) != 2 {
		t.Fatalf("%d users exported, want 2", len(all))
	}
	_, _, err = h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "copy", Preset: auth.PresetDocumented, Settings: fast()})
	h.must(err)
	c := h.anyoneOf("copy").AsActor(auth.ActorAdmin)
	h.clock.Advance(time.Hour)
	report, err = h.admin.ImportUsers(h.ctx, c, all, false)
	h.must(err)
	if report.Created != 2 || len(report.Failed) != 0 {
		t.Fatalf("report %+v", report)
	}
	again, err := h.admin.ExportUsers(h.ctx, c, "", 10)
	h.must(err)
	for i := range again { // what differs by nature
		again[i].User.Project, again[i].User.Roles, again[i].User.UpdatedAt = h.id, all[i].User.Roles, all[i].User.UpdatedAt
		for j := range again[i].Identities {
			again[i].Identities[j].Project = h.id
		}
	}
	if diff := cmp.Diff(all, again); diff != "" {
		t.Errorf("the copy differs (-exported +imported):\n%s", diff)
	}
}
