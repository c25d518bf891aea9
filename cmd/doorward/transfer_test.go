package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/adminapi"
)

// manyUsers is a file of n users without passwords.
func manyUsers(n int) string {
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "{\"uid\":\"user%04d\",\"email\":\"u%d@example.com\",\"roles\":[\"member\"]}\n", i, i)
	}
	return file.String()
}

func TestImportExportRoundTrip(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("project", "create", "copy")
	c.okWith("a long passphrase", "user", "create", "ada@example.com", "--password-file", "-", "--attributes", `{"city":"London"}`)
	const n = 2*importBatchLines + 7
	var report adminapi.ImportReport
	if err := json.Unmarshal([]byte(c.okWith(manyUsers(n), "import", "-", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Created != n || report.Existing != 0 || len(report.Failed) != 0 || report.CannotSignIn["no password and no identity"] != n {
		t.Fatalf("report is %+v", report)
	}

	path := filepath.Join(t.TempDir(), "users.jsonl")
	var written exportReport
	c.json(&written, "export", path)
	if written.Users != n+1 {
		t.Errorf("exported %+v", written)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("export file: %v %v", info, err)
	}
	c.try("", "export", path).wantFailure(t, exitUsage, "is there already")

	out := c.ok("import", path, "--project", "copy")
	if !strings.HasPrefix(out, fmt.Sprintf("%d created, 0 were there already, 0 left out\n1 can sign in\n", n+1)) || !strings.Contains(out, "argon2id") {
		t.Errorf("import says\n%s", out)
	}
	whole := c.ok("export")
	if copied := c.ok("export", "--project", "copy", "-"); copied != whole {
		t.Error("a copy's export differs from the original's")
	}
	c.json(&report, "import", path, "--project", "copy")
	if report.Created != 0 || report.Existing != n+1 {
		t.Errorf("the second run: %+v", report)
	}

	// An export that broke off goes on behind its last line.
	lines := strings.SplitAfter(whole, "\n")
	half := writeFile(t, "half.jsonl", strings.Join(lines[:500], ""))
	var last adminapi.PortableUser
	if err := json.Unmarshal([]byte(lines[499]), &last); err != nil {
		t.Fatal(err)
	}
	c.ok("export", half, "--after", last.UID)
	if content, err := os.ReadFile(half); err != nil || string(content) != whole {
		t.Errorf("the resumed export differs (%v)", err)
	}
}

func TestImportDryRunAndFailures(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	file := manyUsers(importBatchLines) + "\n" + `{"email":"nonsense"}` + "\n" + `{"uid":"last","email":"last@example.com"}` + "\n" + "not json\n"
	for _, args := range [][]string{{"--dry-run"}, nil, nil} {
		r := c.try(file, append([]string{"import", "-", "--json"}, args...)...)
		var report adminapi.ImportReport
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
			t.Fatalf("%v in %q", err, r.stdout)
		}
		if r.code != exitFailed || !strings.Contains(r.stderr, "2 lines were left out") {
			t.Errorf("exit code %d, %q", r.code, r.stderr)
		}
		// Lines are those of the file, across batches and empty lines.
		if len(report.Failed) != 2 || report.Failed[0].Line != importBatchLines+2 || report.Failed[1].Line != importBatchLines+4 {
			t.Errorf("failed: %+v", report.Failed)
		}
		if report.Created+report.Existing != importBatchLines+1 || report.DryRun != (len(args) > 0) {
			t.Errorf("report is %+v", report)
		}
		var users []adminapi.User
		c.json(&users, "user", "list")
		if report.DryRun != (len(users) == 0) {
			t.Errorf("after dry run %v there are %d users", report.DryRun, len(users))
		}
	}
	if out := c.try(file, "import", "-").stdout; !strings.Contains(out, fmt.Sprintf("line %d: ", importBatchLines+2)) {
		t.Errorf("the report is\n%s", out)
	}
}

// The parameters and the user of Firebase's own example of its hash (github.com/firebase/scrypt): the password is user1password.
const (
	firebaseConsole = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
`
	firebaseJSON = `{"algorithm":"SCRYPT","base64_signer_key":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","base64_salt_separator":"Bw==","rounds":8,"mem_cost":14}`
	firebaseUser = `{"localId":"fire%d","email":"fire%d@example.com","emailVerified":true,"passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==","salt":"42xEC+ixf3L2lw==","createdAt":"1500000000000"}`
)

func TestImportFromFirebase(t *testing.T) {
	t.Parallel()
	user := func(i int) string { return fmt.Sprintf(firebaseUser, i, i) }
	document := func(n int) string {
		users := make([]string, n)
		for i := range users {
			users[i] = user(i)
		}
		return "{\n  \"users\": [\n" + strings.Join(users, ",\n") + "\n]}\n"
	}
	tests := []struct {
		name   string
		file   string
		config string
		users  int
	}{
		{"document, console's config", document(3), firebaseConsole, 3},
		{"document of several batches, JSON config", document(importBatchLines + 1), firebaseJSON, importBatchLines + 1},
		{"lines", user(0) + "\n" + user(1) + "\n", firebaseJSON, 2},
		{"lines with their config", `{"hashConfig":` + firebaseJSON + "}\n" + user(0) + "\n", "", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			args := []string{"import", "-", "--format", "firebase", "--json"}
			if test.config != "" {
				args = append(args, "--hash-config", writeFile(t, "hash", test.config))
			}
			var report adminapi.ImportReport
			if err := json.Unmarshal([]byte(c.okWith(test.file, args...)), &report); err != nil {
				t.Fatal(err)
			}
			if report.Created != test.users || report.CanSignIn != test.users {
				t.Fatalf("report is %+v", report)
			}
			s := c.serve(t)
			defer s.stop(t)
			if status, body := s.post(t, "/auth/accounts/sign-in/email", `{"email":"fire0@example.com","password":"user1password"}`); status != 200 {
				t.Errorf("sign-in with the old password: %d %s", status, body)
			}
		})
	}
}

func TestImportUsage(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	tests := []struct {
		name, stdin string
		args        []string
		code        int
		want        string
	}{
		{"no such file", "", []string{"/nonexistent.jsonl"}, exitUsage, "/nonexistent.jsonl"},
		{"unknown format", "", []string{"-", "--format", "xml"}, exitUsage, "--format"},
		{"hash config without firebase", "", []string{"-", "--hash-config", writeFile(t, "h", firebaseJSON)}, exitUsage, "--format firebase"},
		{"hash config that is none", "", []string{"-", "--format", "firebase", "--hash-config", writeFile(t, "h", "nonsense")}, exitUsage, "neither what Firebase's console shows"},
		{"document that breaks off", `{"users": [{"localId":"a","email":"a@example.com"}`, []string{"-", "--format", "firebase"}, exitFailed, "in the middle"},
		{"endless line", strings.Repeat("x", 1<<20+2), []string{"-"}, exitFailed, "line 1 is longer than 1 MiB"},
		{"no such project", manyUsers(1), []string{"-", "--project", "nowhere"}, exitNotFound, "no such project"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c.try(test.stdin, append([]string{"import"}, test.args...)...).wantFailure(t, test.code, test.want)
		})
	}
}

// A table comes in as lines of JSON do, and what is wrong with a line of it is told by its number in the file.
func TestImportTable(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	table := "email;emailVerified;roles\r\nada@example.com;yes;editor\r\nbob@example.com;maybe;\r\ncleo@example.com;no\r\n"
	out := c.try(table, "import", "-", "--format", "csv")
	out.wantFailure(t, exitFailed, "2 lines were left out")
	var users []adminapi.User
	if c.json(&users, "user", "list"); len(users) != 1 || users[0].Email != "ada@example.com" || !users[0].EmailVerified || len(users[0].Roles) != 1 {
		t.Errorf("users are %+v", users)
	}
	c.try("uid,phone\n1,2\n", "import", "-", "--format", "csv").wantFailure(t, exitUsage, "not known")
}
