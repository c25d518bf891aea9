package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newmanRun is what newman reports of a run.
type newmanRun struct {
	Run struct {
		Executions []struct {
			Item     struct{ Name string }
			Request  struct{ Method string }
			Response *struct{ Code int }
		}
		Failures []struct {
			Error  struct{ Message string }
			Source struct{ Name string }
		}
	}
}

// newman runs the project's collection as it was downloaded, and gives the requests that were answered, in order. It wants no failure.
func (p project) newman(t *testing.T, args ...string) (sent []string) {
	t.Helper()
	installJS(t)
	downloaded := p.srv.bareHost().do(t, http.MethodGet, "/"+p.id+"/postman.json", nil)
	downloaded.wantStatus(t, http.StatusOK)
	dir := t.TempDir()
	collection, report := filepath.Join(dir, "collection.json"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(collection, downloaded.body, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", append([]string{
		filepath.Join("js", "node_modules", "newman", "bin", "newman.js"), "run", collection, "--reporters", "cli,json", "--reporter-json-export", report, "--color", "off",
	}, args...)...)
	run.Env = cleanEnv()
	output, runErr := run.CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("newman: %v\n%s", runErr, output)
	}
	var done newmanRun
	if err := json.Unmarshal(text, &done); err != nil {
		t.Fatal(err)
	}
	for _, failure := range done.Run.Failures {
		t.Errorf("%s: %s", failure.Source.Name, failure.Error.Message)
	}
	if runErr != nil {
		t.Errorf("newman: %v\n%s", runErr, output)
	}
	for _, one := range done.Run.Executions {
		if one.Response == nil {
			continue // skipped
		}
		sent = append(sent, one.Item.Name)
		if one.Response.Code < 200 || one.Response.Code > 299 {
			t.Errorf("%s %s: %d", one.Request.Method, one.Item.Name, one.Response.Code)
		}
	}
	return sent
}

// walked are the requests of the collection's first folder.
var walked = []string{
	"Get this document", "Get a project's issuer and key address", "Get a project's public keys", "Sign up with email and password", "Tell how an address signs in",
	"Sign in with email and password", "Read a user", "Change a user's attributes", "Get a fresh id token", "List where one is signed in", "End one session", "Change one's password",
	"Sign in with the new password", "List one's second factors", "Begin to add a second factor", "Sign out everywhere", "Sign in once more", "Delete one's account",
}

// TestPostmanCollection: the collection of an empty project runs as it is, again and again; what needs more than the server is skipped.
func TestPostmanCollection(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	for range 2 {
		if sent := p.newman(t); !slices.Equal(sent, walked) {
			t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(sent, "\n"), strings.Join(walked, "\n"))
		}
	}
	if sent := p.newman(t, "--folder", "What needs the admin token", "--env-var", "adminToken="+p.adminToken); !slices.Equal(sent, []string{"List the project's roles", "List users"}) {
		t.Errorf("with the admin token, sent: %q", sent)
	}
}

// TestPostmanOnProjectHost: the same where projects have hosts of their own. Names under localhost lead here.
func TestPostmanOnProjectHost(t *testing.T) {
	t.Parallel()
	srv, err := startServer(serverOptions{data: t.TempDir(), args: []string{"--domain", "apps.localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.stop(); err != nil {
			t.Error(err)
		}
	})
	p := srv.newProject(t, "documented")
	page := p.srv.openPage(t, srv.publicURL+"/"+p.id+"/docs")
	if own := "http://" + p.id + ".apps.localhost:" + srv.port; !strings.Contains(string(page.body), own) {
		t.Errorf("the page does not name %s", own)
	}
	if sent := p.newman(t); !slices.Equal(sent, walked) {
		t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(sent, "\n"), strings.Join(walked, "\n"))
	}
}
