package userfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func TestLines(t *testing.T) {
	lines, err := NewLines(strings.NewReader("\n  {\"a\":1}  \r\n\n{\"b\":2}"), FormatDoorward)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for {
		line, number, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%d %s;", number, line)
	}
	if want := `2 {"a":1};4 {"b":2};`; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}

// read gives what each line is, as number and address or reason, and the error that ended the file.
func read(file, format string, config *FirebaseHashConfig) (said []string, end error) {
	for line, err := range Read(strings.NewReader(file), format, config) {
		switch {
		case err != nil:
			end = err
		case line.Refused != "":
			said = append(said, fmt.Sprintf("%d: %s", line.Number, line.Refused))
		default:
			u := line.User.User
			said = append(said, fmt.Sprintf("%d %s %s %v %v %v", line.Number, u.ID, u.Email, u.EmailVerified, line.User.RoleNames, u.CreatedAt.UnixMilli()))
		}
	}
	return said, end
}

const never = "-62135596800000"

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		file, format string
		want         []string
		end          string
	}{
		"lines": {`{"uid":"1","email":"a@example.com"}` + "\n\nnonsense\n" + `{"email":"b@example.com","email":"c@example.com"}` + "\n" + `{"disabled":"yes"}`, FormatDoorward,
			[]string{"1 1 a@example.com false [] " + never, "3: The line must be a JSON object", "4: The line has an object that names a member twice", "5: The field \"disabled\" must be a boolean"}, ""},
		"table": {"\ufeffEmail, uid ,emailVerified,roles,createdAt\r\na@example.com,1,yes,editor;viewer,1970-01-01T00:00:01Z\r\nb@example.com,2,perhaps,,\r\n\"c@example.com\",3\r\n", FormatCSV,
			[]string{"2 1 a@example.com true [editor viewer] 1000", "3: The field \"emailVerified\" must be a boolean", "4: the line has 2 fields, and the first one names 5"}, ""},
		"table with semicolons": {"uid;email\n1;a@example.com", FormatCSV, []string{"2 1 a@example.com false [] " + never}, ""},
		"unknown column":        {"uid,phone\n1,2", FormatCSV, nil, `the column "phone" is not known`},
		"column twice":          {"uid,UID\n1,2", FormatCSV, nil, "the column uid is there twice"},
		"broken quotes":         {"uid,email\n1,a@example.com\n2,\"b@example.com", FormatCSV, []string{"2 1 a@example.com false [] " + never}, "line 3"},
		"empty table":           {"", FormatCSV, nil, "has to name the columns"},
		"document": {`{"users": [{"localId":"1","email":"a@example.com","createdAt":"1000"}, {"email":"b@example.com"}]}`, FormatFirebase,
			[]string{"1 1 a@example.com false [] 1000", `2: The field "localId" must be given`}, ""},
		"marked document": {"\ufeff" + `{"users": [{"localId":"1"}]}`, FormatFirebase, []string{"1 1  false [] " + never}, ""},
		"marked lines":    {"\ufeff" + `{"uid":"1","email":"a@example.com"}`, FormatDoorward, []string{"1 1 a@example.com false [] " + never}, ""},
		"many identities": {`{"uid":"1","providers":[{}` + strings.Repeat(",{}", auth.MaxImportIdentities) + `]}`, FormatDoorward,
			[]string{`1: The field "providers" must be a list of at most 20 identities`}, ""},
		"many identities of Firebase": {`{"localId":"1","providerUserInfo":[{}` + strings.Repeat(",{}", auth.MaxImportIdentities) + `]}`, FormatFirebase,
			[]string{`1: The field "providerUserInfo" must be a list of at most 20 identities`}, ""},
		"cut document": {`{"users": [{"localId":"1"}`, FormatFirebase, []string{"1 1  false [] " + never}, "ends in the middle"},
		"too long":     {`{"name":"` + strings.Repeat("x", MaxLineBytes) + `"}`, FormatDoorward, []string{"1: the line is longer than 65536 bytes"}, ""},
		"not text":     {"{\"name\":\"\xff\"}", FormatDoorward, []string{"1: The line must be valid UTF-8"}, ""},
	} {
		got, end := read(test.file, test.format, nil)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
		if (end == nil) != (test.end == "") || (end != nil && (auth.CodeOf(end) != auth.CodeInvalidArgument || !strings.Contains(auth.AsError(end).Message, test.end))) {
			t.Errorf("%s ends with %v", name, end)
		}
	}
}

// Firebase's hashes need its parameters: from the form, or from the file's first line.
func TestReadFirebaseHashes(t *testing.T) {
	const key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	shown := "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: " + key + ",\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}"
	config, err := ParseHashConfig([]byte(shown))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(HashConfigLine{*config})
	if err != nil {
		t.Fatal(err)
	}
	user := `{"localId":"1","passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==","salt":"42xEC+ixf3L2lw=="}`
	for name, test := range map[string]struct {
		file   string
		config *FirebaseHashConfig
		ok     bool
	}{
		"with parameters":    {user, config, true},
		"with a first line":  {string(asJSON) + "\n" + user, nil, true},
		"with a marked one":  {"\ufeff" + string(asJSON) + "\n" + user, nil, true},
		"without":            {user, nil, false},
		"in a document":      {`{"users":[` + user + `]}`, config, true},
		"document and alone": {`{"users":[` + user + `]}`, nil, false},
	} {
		for line, err := range Read(strings.NewReader(test.file), FormatFirebase, test.config) {
			if err != nil || (line.Refused == "") != test.ok || strings.HasPrefix(line.User.User.PasswordHash, "$firebase-scrypt$") != test.ok {
				t.Errorf("%s: %+v, %v", name, line, err)
			}
		}
	}
	for _, wrong := range []string{"", "{", "{}", "rounds: many", shown[:30]} {
		if _, err := ParseHashConfig([]byte(wrong)); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
