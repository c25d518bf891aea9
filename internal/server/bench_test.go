package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

const benchPassword = "a long passphrase"

// benchProject is a project of a server with a user who is signed in.
type benchProject struct {
	handler http.Handler
	id      string
	session struct {
		UID          string `json:"uid"`
		IDToken      string `json:"idToken"`
		RefreshToken string `json:"refreshToken"`
	}
}

// newBenchProject makes the project with an algorithm on a server that logs as one does.
func newBenchProject(b *testing.B, algorithm string) *benchProject {
	b.Helper()
	log, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { log.Close() })
	c := testConfig(b)
	c.Log = slog.New(slog.NewJSONHandler(log, nil))
	s := newServer(b, c)
	p := &benchProject{handler: s.handler, id: "bench"}
	operator := s.instance.Service.LocalOperator(auth.Caller{})
	_, _, err = s.instance.Admin.CreateProject(b.Context(), operator, auth.NewProject{
		ID: p.id, Preset: auth.PresetDocumented, Settings: map[string]string{"signingAlgorithm": algorithm, "passwordHashMemory": "8192", "passwordHashTime": "1"},
	})
	if err != nil {
		b.Fatal(err)
	}
	credentials := fmt.Sprintf(`{"email":"ada@example.com","password":%q}`, benchPassword)
	p.do(b, p.request("POST", "/auth/accounts/signup", credentials))
	var answer struct {
		Data any `json:"data"`
	}
	answer.Data = &p.session
	if err := json.Unmarshal(p.do(b, p.request("POST", "/auth/accounts/sign-in/email", credentials)), &answer); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p *benchProject) request(method, path, body string) *http.Request {
	r := request(method, "localhost:8080", "/api/v1"+path, body)
	r.Header.Set("X-Project-Id", p.id)
	return r
}

func (p *benchProject) do(b *testing.B, r *http.Request) []byte {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// BenchmarkRequest takes requests through everything but the connection.
func BenchmarkRequest(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run("refresh "+algorithm, func(b *testing.B) {
			p := newBenchProject(b, algorithm)
			body := fmt.Sprintf(`{"refresh_token":%q}`, p.session.RefreshToken)
			b.ReportAllocs()
			for b.Loop() {
				p.do(b, p.request("POST", "/auth/accounts/token/refresh", body))
			}
		})
	}
	gets := []struct {
		name string
		of   func(*benchProject) *http.Request
	}{
		{"profile", func(p *benchProject) *http.Request {
			r := p.request("GET", "/rest/collections/users/"+p.session.UID, "")
			r.Header.Set("Authorization", "Bearer "+p.session.IDToken)
			return r
		}},
		{"jwks", func(p *benchProject) *http.Request {
			return request("GET", "localhost:8080", "/"+p.id+"/.well-known/jwks.json", "")
		}},
		{"discovery", func(p *benchProject) *http.Request {
			return request("GET", "localhost:8080", "/"+p.id+"/.well-known/openid-configuration", "")
		}},
		{"health", func(*benchProject) *http.Request { return request("GET", "localhost:8080", "/healthz", "") }},
	}
	for _, get := range gets {
		b.Run(strings.ReplaceAll(get.name, " ", "-"), func(b *testing.B) {
			p := newBenchProject(b, "RS256")
			b.ReportAllocs()
			for b.Loop() {
				p.do(b, get.of(p))
			}
		})
	}
}
