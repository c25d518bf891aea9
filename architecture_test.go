// Package doorward_test holds the tests that keep docs/architecture.md true.
package doorward_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/doorward/doorward/"

// mayImport says which of the project's packages each may import. A package that is not listed fails the test: it has to find its place here first.
var mayImport = map[string][]string{
	"internal/password":       {},
	"internal/fileowner":      {},
	"internal/secret":         {"internal/fileowner"},
	"internal/token":          {},
	"internal/web":            {},
	"internal/publicnet":      {},
	"internal/breached":       {},
	"internal/deliverability": {},
	"internal/explain":        {"internal/auth"},
	"internal/totp":           {},
	"internal/backup":         {},
	"internal/apidocs":        {},
	"internal/passkey":        {"internal/auth"},
	"internal/auth":           {"internal/password", "internal/secret", "internal/token", "internal/totp"},
	"internal/sqlstore":       {"internal/auth", "internal/fileowner"},
	"internal/dbcopy":         {"internal/auth", "internal/sqlstore"},
	"internal/storetest":      {"internal/auth", "internal/sqlstore", "internal/storetest/pgtest"},
	"internal/outbox":         {},
	"internal/mail":           {"internal/auth", "internal/outbox", "internal/publicnet"},
	"internal/idp":            {"internal/auth", "internal/publicnet"},
	"internal/webhook":        {"internal/auth", "internal/outbox", "internal/publicnet"},
	"internal/certs":          {"internal/auth"},
	"internal/accountsapi":    {"internal/apidocs", "internal/auth", "internal/web"},
	"internal/userfile":       {"internal/auth", "internal/password", "internal/web"},
	"internal/adminapi":       {"internal/apidocs", "internal/auth", "internal/userfile", "internal/web"},
	"internal/ui":             {"internal/web"},
	"internal/pages":          {"internal/apidocs", "internal/auth", "internal/ui", "internal/web"},
	"internal/console":        {"internal/apidocs", "internal/auth", "internal/explain", "internal/ui", "internal/userfile", "internal/web"},
	"internal/server": {
		"internal/accountsapi", "internal/adminapi", "internal/apidocs", "internal/auth", "internal/backup", "internal/breached", "internal/certs", "internal/console", "internal/deliverability", "internal/fileowner", "internal/idp", "internal/mail", "internal/pages", "internal/passkey", "internal/password", "internal/publicnet", "internal/secret",
		"internal/sqlstore", "internal/token", "internal/web", "internal/webhook",
	},
	"cmd/doorward": {"internal/adminapi", "internal/userfile", "internal/auth", "internal/backup", "internal/breached", "internal/certs", "internal/dbcopy", "internal/explain", "internal/mail", "internal/server", "internal/sqlstore", "internal/web", "internal/secret"},

	"internal/storetest/pgtest": {"internal/sqlstore"},
	"internal/authtest":         {"internal/auth", "internal/mail", "internal/passkey", "internal/password", "internal/secret", "internal/storetest"},
}

// mayNotImport are packages from elsewhere that have one home.
var mayNotImport = map[string][]string{
	"internal/auth": {"net/http", "database/sql", "encoding/xml"},
}

// onlyIn are packages from elsewhere that one package of ours alone may use.
var onlyIn = map[string]string{
	"modernc.org/sqlite":           "internal/sqlstore",
	"github.com/jackc/pgx/v5":      "internal/sqlstore",
	"database/sql":                 "internal/sqlstore",
	"github.com/wneessen/go-mail":  "internal/mail",
	"github.com/go-jose/go-jose":   "internal/token",
	"golang.org/x/oauth2":          "internal/idp",
	"github.com/standard-webhooks": "internal/webhook",
	"github.com/go-webauthn":       "internal/passkey",
	"rsc.io/qr":                    "internal/totp",
	"github.com/coreos/go-oidc":    "internal/idp",
	"github.com/alecthomas/kong":   "cmd/doorward",
	"github.com/pelletier/go-toml": "cmd/doorward",

	"github.com/FastFilter/xorfilter": "internal/breached",
	"golang.org/x/crypto/x509roots":   "cmd/doorward",

	"github.com/caddyserver/certmagic": "internal/certs",
	"github.com/mholt/acmez":           "internal/certs",
	"github.com/libdns":                "internal/certs",
	"github.com/miekg/dns":             "internal/certs",
	"go.uber.org/zap":                  "internal/certs",
	"github.com/minio/minio-go":        "internal/backup",
	"github.com/klauspost/compress":    "internal/backup",
	"google.golang.org/protobuf":       "internal/server",
	"go.opentelemetry.io/proto":        "internal/server",
}

type listed struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if p.ImportPath+"/" == module {
			continue // this test
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s has no place in mayImport", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which it may not", name, ours)
			}
			if slices.Contains(mayNotImport[name], imported) {
				t.Errorf("%s imports %s, which it may not", name, imported)
			}
			for prefix, home := range onlyIn {
				if strings.HasPrefix(imported, prefix) && name != home {
					t.Errorf("%s imports %s, whose home is %s", name, imported, home)
				}
			}
		}
	}
}

// Durations come from the injected clock, so that tests move it and a jump of the wall clock is seen in one place (P53).
func TestTimeNowOnlyInCmd(t *testing.T) {
	eachFile(t, func(path string, file *ast.File) {
		if strings.HasPrefix(path, "cmd/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && isIdent(call.X, "time") && (call.Sel.Name == "Now" || call.Sel.Name == "Since") {
				t.Errorf("%s uses time.%s; take the clock that is handed in", path, call.Sel.Name)
			}
			return true
		})
	})
}

// The domain knows no wire's words: no struct tags in it.
func TestDomainHasNoTags(t *testing.T) {
	eachFile(t, func(path string, file *ast.File) {
		if !strings.HasPrefix(path, "internal/auth/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				t.Errorf("%s: the field %v has a tag %s", path, field.Names, field.Tag.Value)
			}
			return true
		})
	})
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// eachFile parses every non-test Go file of this module.
func eachFile(t *testing.T, visit func(path string, file *ast.File)) {
	t.Helper()
	files := 0
	for _, root := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			files++
			visit(filepath.ToSlash(path), file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Fatalf("only %d files were read", files)
	}
}
