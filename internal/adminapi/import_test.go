package adminapi

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
)

const bcryptHash = "$2b$10$abcdefghijklmnopqrstuuo3Bkx2Zcg/Bd5HnD1TxOMIIItCk3E5S"

func lines(l ...string) io.Reader { return strings.NewReader(strings.Join(l, "\n")) }

func TestImportReportsEveryLine(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	r.user("shop", "taken@example.com")
	argon, err := password.Hash("correct horse battery", password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, rand.Reader)
	must(t, err)
	body := []string{
		`{"uid": "one", "email": "one@example.com", "passwordHash": "` + argon + `", "roles": ["editor"]}`,
		`{"uid": "two", "email": "two@example.com", "emailVerified": true, "providers": [{"providerId": "google.com", "subject": "123", "email": "Two@example.com"}]}`,
		``,
		`{"email": "nobody"}`,
		`{"email": 5}`,
		`not json`,
		`{"email": "a@example.com"} {"email": "b@example.com"}`,
		`{"email": "a@example.com", "email": "b@example.com"}`,
		`{"email": "taken@example.com"}`,
		`{"email": "three@example.com", "passwordHash": "hunter2"}`,
		`{"email": "three@example.com", "createdAt": "yesterday"}`,
		`{"email": "three@example.com", "name": "` + strings.Repeat("x", MaxImportLineBytes) + `"}`,
		`{"email": "three@example.com", "customClaims": {"sub": "x"}}`,
		"  " + `{"uid": "four", "email": "four@example.com", "disabled": true}` + "\r",
		`{"uid": "five", "email": "five@example.com"}`,
		`{"uid": "five", "email": "six@example.com"}`,
	}
	reasons := map[int]string{
		4: "not valid", 5: `"email" must be a string`, 6: "The line must be a JSON object", 7: "not valid JSON", 8: "twice", 9: "in use", 10: "unknown password hash format",
		11: `"createdAt" must be an RFC 3339 instant`, 12: "longer than", 13: "reserved", 16: "twice",
	}
	want := ImportReport{
		Created: 4, CanSignIn: 2, CannotSignIn: map[string]int{"disabled": 1, "no password and no identity": 1}, PasswordKinds: map[string]int{"argon2id": 1},
	}
	for _, dryRun := range []bool{true, false} {
		report := got(admin.ImportUsers(ctx, "shop", ImportOptions{DryRun: dryRun}, lines(body...)))(t)
		found := map[int]string{}
		for i, f := range report.Failed {
			found[f.Line] = f.Reason
			if i > 0 && f.Line <= report.Failed[i-1].Line {
				t.Errorf("dry run %v: line %d comes after %d", dryRun, f.Line, report.Failed[i-1].Line)
			}
			if !strings.Contains(f.Reason, reasons[f.Line]) || reasons[f.Line] == "" || strings.Contains(f.Reason, "hunter2") {
				t.Errorf("dry run %v: line %d failed with %q, want %q", dryRun, f.Line, f.Reason, reasons[f.Line])
			}
		}
		if len(found) != len(reasons) {
			t.Errorf("dry run %v: failed are %v", dryRun, report.Failed)
		}
		report.Failed, want.DryRun = nil, dryRun
		if diff := cmp.Diff(want, report); diff != "" {
			t.Errorf("dry run %v (-want +got):\n%s", dryRun, diff)
		}
	}
	again := got(admin.ImportUsers(ctx, "shop", ImportOptions{}, lines(body[:2]...)))(t)
	if again.Existing != 2 || again.Created != 0 || len(again.Failed) != 0 {
		t.Errorf("once more: %+v", again)
	}
	one := got(admin.GetUser(ctx, "shop", "one"))(t)
	if diff := cmp.Diff([]string{"editor"}, one.Roles); diff != "" || !one.HasPassword {
		t.Errorf("one is %+v", one)
	}
	two := got(admin.GetUser(ctx, "shop", "two"))(t)
	if len(two.Identities) != 1 || two.Identities[0].Subject != "123" || two.Identities[0].Email != "Two@example.com" {
		t.Errorf("two has %+v", two.Identities)
	}
	r.signIn("shop", "one@example.com")
}

func TestImportRefusals(t *testing.T) {
	r := newRig(t)
	r.project("shop")
	long := strings.Repeat(`{"email": "a@example.com"}`+"\n", MaxImportLines+1)
	big := strings.Repeat(strings.Repeat(" ", MaxImportLineBytes-1)+"\n", MaxImportBytes/MaxImportLineBytes) + " "
	signer := `"base64_signer_key": "` + strings.Repeat("QUJD", 16) + `"`
	for _, c := range []struct {
		name, query, contentType, body string
		status                         int
		code                           auth.Code
		field                          string
	}{
		{"not declared", "", "", `{}`, 415, CodeUnsupportedMediaType, ""},
		{"declared as JSON", "", "application/json", `{}`, 415, CodeUnsupportedMediaType, ""},
		{"unknown format", "?format=csv", ndjson, ``, 422, auth.CodeInvalidArgument, "format"},
		{"dryRun is no boolean", "?dryRun=yes", ndjson, ``, 422, auth.CodeInvalidArgument, "dryRun"},
		{"too many lines", "", ndjson, long, 422, auth.CodeInvalidArgument, ""},
		{"too many bytes", "", ndjson, big, 422, auth.CodeInvalidArgument, ""},
		{"one endless line", "", ndjson, strings.Repeat("x", MaxImportBytes+1), 422, auth.CodeInvalidArgument, ""},
		{"unknown algorithm", "?format=firebase", ndjson, `{"hashConfig": {"algorithm": "BCRYPT"}}`, 422, auth.CodeInvalidArgument, "hashConfig.algorithm"},
		{"hash config of a wrong type", "?format=firebase", ndjson, `{"hashConfig": {"algorithm": "SCRYPT", ` + signer + `, "rounds": "8"}}`, 422, auth.CodeInvalidArgument, "hashConfig.rounds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := r.raw("POST", Base+"/projects/shop/users/import"+c.query, bearer(r.op, "Content-Type", c.contentType), c.body)
			checkError(t, status, body, c.status, c.code, c.field)
		})
	}
	t.Run("compressed", func(t *testing.T) {
		status, _, body := r.raw("POST", Base+"/projects/shop/users/import", bearer(r.op, "Content-Type", ndjson, "Content-Encoding", "gzip"), `{}`)
		checkError(t, status, body, 415, CodeUnsupportedMediaType, "")
	})
	if users := got(r.op.SearchUsers(t.Context(), "shop", UserSearch{}))(t); len(users.Users) != 0 {
		t.Errorf("refused imports left %+v", users.Users)
	}
}

func TestImportAtItsBounds(t *testing.T) {
	r := newRig(t)
	r.project("shop")
	var most strings.Builder
	for i := range MaxImportLines {
		fmt.Fprintf(&most, `{"email": "user%d@example.com"}`+"\n", i)
	}
	report := got(r.op.ImportUsers(t.Context(), "shop", ImportOptions{DryRun: true}, strings.NewReader(most.String())))(t)
	if report.Created != MaxImportLines || len(report.Failed) != 0 {
		t.Errorf("%d lines: %+v", MaxImportLines, report)
	}
	fill := func(n int) string {
		head := `{"email": "a@example.com", "unknown": "`
		return head + strings.Repeat("x", n-len(head)-2) + `"}`
	}
	for size, want := range map[int]int{MaxImportLineBytes: 1, MaxImportLineBytes + 1: 0, 3 * MaxImportLineBytes: 0} {
		for _, end := range []string{"", "\n", "\r\n", "\n{}"} {
			report := got(r.op.ImportUsers(t.Context(), "shop", ImportOptions{DryRun: true}, strings.NewReader(fill(size)+end)))(t)
			if strings.HasSuffix(end, "{}") {
				report.Created-- // a user without anything is one, too
			}
			if report.Created != want || len(report.Failed) != 1-want {
				t.Errorf("line of %d bytes and %q: %+v", size, end, report)
			}
		}
	}
	empty := got(r.op.ImportUsers(t.Context(), "shop", ImportOptions{}, strings.NewReader("\n\n")))(t)
	if diff := cmp.Diff(ImportReport{Failed: []ImportFailed{}, CannotSignIn: map[string]int{}, PasswordKinds: map[string]int{}}, empty); diff != "" {
		t.Errorf("nothing (-want +got):\n%s", diff)
	}
}

// TestExportComesBackTheSame: what one project exports, another imports and exports to the same lines.
func TestExportComesBackTheSame(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.project("from")
	r.project("to")
	source := lines(
		`{"uid": "aaa", "email": "a@example.com", "emailVerified": true, "name": "A", "picture": "https://example.com/a.png", "locale": "de", "passwordHash": "`+bcryptHash+`", "passwordUpdatedAt": "2026-01-01T00:00:00.5+01:00", "customClaims": {"plan": "gold", "level": 3}, "attributes": {"age": 36, "ratio": 0.5, "tags": ["x", "y"], "more": {"deep": true}}, "roles": ["editor", "owner"], "providers": [{"providerId": "google.com", "subject": "1", "email": "A@example.com", "emailVerified": true}], "createdAt": "2025-01-01T00:00:00Z", "lastSignInAt": "2025-02-01T00:00:00Z"}`,
		`{"uid": "bbb", "disabled": true}`,
		`{"uid": "ccc", "email": "c@example.com", "invitePending": true, "verificationRequired": true}`,
	)
	if report := got(r.op.ImportUsers(ctx, "from", ImportOptions{}, source))(t); report.Created != 3 {
		t.Fatalf("import: %+v", report)
	}
	export := func(project string, limit int) string {
		var all bytes.Buffer
		for after := ""; ; {
			if after = got(r.op.ExportUsers(ctx, project, after, limit, &all))(t); after == "" {
				return all.String()
			}
		}
	}
	whole := export("from", 1000)
	if again := got(r.op.ImportUsers(ctx, "to", ImportOptions{}, strings.NewReader(whole)))(t); again.Created != 3 || len(again.Failed) != 0 {
		t.Fatalf("import of the export: %+v", again)
	}
	for _, limit := range []int{1, 2, 3, 0} {
		if diff := cmp.Diff(whole, export("to", limit)); diff != "" {
			t.Errorf("limit %d (-first +second):\n%s", limit, diff)
		}
	}
	var first PortableUser
	must(t, json.NewDecoder(strings.NewReader(whole)).Decode(&first))
	want := PortableUser{
		UID: "aaa", Email: "a@example.com", EmailVerified: true, Name: "A", Picture: "https://example.com/a.png", Locale: "de", PasswordHash: bcryptHash,
		PasswordUpdatedAt: time.Date(2025, 12, 31, 23, 0, 0, 5e8, time.UTC),
		CustomClaims:      map[string]any{"plan": "gold", "level": 3.0}, Attributes: map[string]any{"age": 36.0, "ratio": 0.5, "tags": []any{"x", "y"}, "more": map[string]any{"deep": true}},
		Roles: []string{"editor", "owner"}, Providers: []PortableIdentity{{ProviderID: "google.com", Subject: "1", Email: "A@example.com", EmailVerified: true}},
		CreatedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), LastSignInAt: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the first line (-want +got):\n%s", diff)
	}
	status, header, _ := r.raw("GET", Base+"/projects/from/users/export", bearer(r.op), "")
	if status != http.StatusOK || header.Get("Content-Type") != ndjson || header.Get("Cache-Control") != "no-store" || header.Get(NextHeader) != "" {
		t.Errorf("export answers %d with %v", status, header)
	}
}

// The parameters and the user with password user1password that Firebase's own scrypt tool documents as its example.
var firebaseExample = FirebaseHashConfig{
	Algorithm:     "SCRYPT",
	SignerKey:     "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
	SaltSeparator: "Bw==", Rounds: 8, MemCost: 14,
}

const firebaseUser = `{"localId": "%s", "email": "%s", "emailVerified": true, "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "salt": "42xEC+ixf3L2lw==", "displayName": "Ada", "photoUrl": "https://example.com/a.png", "createdAt": "1735689600000", "lastSignedInAt": "1738368000000", "customAttributes": "{\"plan\":\"gold\"}", "phoneNumber": "+441234567", "providerUserInfo": [{"providerId": "google.com", "rawId": "77", "email": "ada@gmail.com", "displayName": "Ada"}, {"providerId": "password", "rawId": "ada@example.com"}, {"providerId": "phone", "rawId": "+441234567"}]}`

func TestImportFromFirebase(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.project("shop")
	report := got(r.op.ImportUsers(ctx, "shop", ImportOptions{Format: FormatFirebase, HashConfig: &firebaseExample}, lines(
		fmt.Sprintf(firebaseUser, "one", "one@example.com"),
		`{"localId": "two", "disabled": true, "providerUserInfo": []}`,
		`{"email": "three@example.com"}`,
		`{"localId": "four", "email": "four@example.com", "passwordHash": "c2hvcnQ=", "salt": "c2FsdA=="}`,
		`{"localId": "five", "createdAt": "2025-01-01"}`,
		`{"localId": "six", "customAttributes": "[]"}`,
		`{"hashConfig": {"algorithm": "SCRYPT"}}`,
	)))(t)
	reasons := map[int]string{3: `"localId"`, 4: "hashConfig", 5: `"createdAt"`, 6: `"customAttributes"`, 7: `"localId"`}
	for _, f := range report.Failed {
		if !strings.Contains(f.Reason, reasons[f.Line]) || reasons[f.Line] == "" {
			t.Errorf("line %d failed with %q, want %q", f.Line, f.Reason, reasons[f.Line])
		}
	}
	if report.Created != 2 || len(report.Failed) != len(reasons) || report.PasswordKinds["firebase-scrypt"] != 1 {
		t.Errorf("report %+v", report)
	}
	one := got(r.op.GetUser(ctx, "shop", "one"))(t)
	want := UserDetails{
		User: User{
			UID: "one", Email: "one@example.com", EmailVerified: true, Name: "Ada", Picture: "https://example.com/a.png", HasPassword: true, Roles: []string{},
			CustomClaims: map[string]any{"plan": "gold"}, CreatedAt: time.UnixMilli(1735689600000).UTC(), UpdatedAt: testStart, LastSignInAt: time.UnixMilli(1738368000000).UTC(),
		},
		Identities: []Identity{{ProviderID: "google.com", Subject: "77", Email: "ada@gmail.com", CreatedAt: time.UnixMilli(1735689600000).UTC()}},
	}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("one (-want +got):\n%s", diff)
	}
	p, err := r.admin.Project(ctx, "shop")
	must(t, err)
	for try, code := range map[string]auth.Code{"user1password": "", "user1Password": auth.CodeWrongPassword} {
		if _, err := r.admin.SignIn(ctx, auth.Caller{Project: p}, auth.SignInParams{Email: "one@example.com", Password: try}); auth.CodeOf(err) != code {
			t.Errorf("sign-in with %s: %v", try, err)
		}
	}

	bare := got(r.op.ImportUsers(ctx, "shop", ImportOptions{Format: FormatFirebase, DryRun: true}, lines(
		fmt.Sprintf(firebaseUser, "ten", "ten@example.com"), `{"localId": "eleven"}`,
	)))(t)
	if bare.Created != 1 || len(bare.Failed) != 1 || bare.Failed[0].Line != 1 || !strings.Contains(bare.Failed[0].Reason, "hashConfig") {
		t.Errorf("without hashConfig: %+v", bare)
	}
}

// brokenBody fails after its text.
type brokenBody struct {
	text io.Reader
	err  error
}

func (b brokenBody) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	return 0, b.err
}

func TestImportBodyThatBreaksOff(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{io.ErrUnexpectedEOF, 400}, {&http.MaxBytesError{Limit: 10}, 422}, {timeoutError{}, 408},
	} {
		_, err := readBatch(brokenBody{lines(`{"email": "a@example.com"}`, `{"em`), c.err}, FormatDoorward)
		w := writtenError(err)
		if w.Code != c.status {
			t.Errorf("%v: %d %s, want %d", c.err, w.Code, w.Body, c.status)
		}
	}
}

// FuzzLines: whatever the body is, each of its lines is taken or told, and none is taken for two.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"email\": \"a@example.com\"}\n\nnull\r\n{}"), false)
	f.Add([]byte(`{"hashConfig": {"algorithm": "SCRYPT"}}`+"\n"+`{"localId": "x"}`), true)
	f.Fuzz(func(t *testing.T, body []byte, firebase bool) {
		format := FormatDoorward
		if firebase {
			format = FormatFirebase
		}
		batch, err := readBatch(bytes.NewReader(body), format)
		if err != nil {
			return
		}
		told := map[int]bool{}
		for _, n := range batch.lines {
			told[n] = true
		}
		for _, failed := range batch.failed {
			if told[failed.Line] || failed.Reason == "" {
				t.Errorf("line %d: %q", failed.Line, failed.Reason)
			}
			told[failed.Line] = true
		}
		filled := 0
		for _, line := range bytes.Split(body, []byte("\n")) {
			if len(bytes.Trim(line, " \t\r\n")) > 0 {
				filled++
			}
		}
		if len(told) != filled && !(firebase && len(told) == filled-1) {
			t.Errorf("%d of %d lines are taken or told", len(told), filled)
		}
	})
}
