package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	password       = "a long passphrase"
	maxConnections = 256
)

// Projects that the works go to: in the documented preset but for their algorithm, and one in the hardened preset.
const (
	projectRS256    = "rs"
	projectES256    = "es"
	projectHardened = "hard"
)

// site is a server with projects and users.
type site struct {
	*server
	client     *client
	firstStart time.Duration // on an empty directory, until it answers
}

// fill makes the projects, each with as many users. One signs up, and the others are copies with the same password hash, so that filling does not take the hours
// that as many hashes would.
func fill(s *server, users int) (*site, error) {
	first, err := s.start()
	if err != nil {
		return nil, err
	}
	projects := []struct{ id, preset, algorithm string }{
		{projectRS256, "documented", "RS256"}, {projectES256, "documented", "ES256"}, {projectHardened, "hardened", "RS256"},
	}
	for _, p := range projects {
		if _, err := s.command(nil, "project", "create", p.id, "--preset", p.preset); err != nil {
			return nil, err
		}
		if p.algorithm == "RS256" {
			continue
		}
		if _, err := s.command(nil, "project", "set", p.id, "signingAlgorithm="+p.algorithm); err != nil {
			return nil, err
		}
		if _, err := s.command(nil, "key", "rotate", "--project", p.id); err != nil {
			return nil, err
		}
	}
	t := &site{server: s, client: newClient(s.address, net.IPv4(127, 0, 0, 2)), firstStart: first}
	if err := t.client.post("/api/v1/auth/accounts/signup", projectRS256, map[string]string{"email": email(0), "password": password}, nil); err != nil {
		return nil, err
	}
	lines, err := copies(s, "user", users)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		if _, err := s.command(bytes.NewReader(lines), "import", "-", "--project", p.id); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// copies are lines for an import: users like the one there is, whose ids and addresses begin with the name of four letters.
func copies(s *server, name string, users int) ([]byte, error) {
	out, err := s.command(nil, "export", "--project", projectRS256)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	var user map[string]any
	if err := json.Unmarshal(line, &user); err != nil {
		return nil, fmt.Errorf("the exported user: %w", err)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for i := range users {
		user["uid"], user["email"] = fmt.Sprintf("%s%024d", name, i+1), fmt.Sprintf("%s%07d@example.com", name, i+1)
		if err := encoder.Encode(user); err != nil {
			return nil, err
		}
	}
	return lines.Bytes(), nil
}

func email(i int) string { return fmt.Sprintf("user%07d@example.com", i) }

// tokens are what a sign-in gives.
type tokens struct {
	UID          string `json:"uid"`
	IDToken      string `json:"idToken"`
	RefreshToken string `json:"refreshToken"`
}

func (t *site) signIn(project, email string) (tokens, error) {
	var answer struct {
		Data tokens `json:"data"`
	}
	err := t.client.post("/api/v1/auth/accounts/sign-in/email", project, map[string]string{"email": email, "password": password}, &answer)
	if err == nil && (answer.Data.IDToken == "" || answer.Data.RefreshToken == "") {
		err = fmt.Errorf("a sign-in gave no tokens: %+v", answer.Data)
	}
	return answer.Data, err
}

// measure sends a load, and looks at the process meanwhile.
func (t *site) measure(l load, senders []sender) outcome {
	t.forgetPeak()
	before := t.cpu()
	health := startProbe(t.address)
	o := l.run(t.address, senders)
	o.health, o.first = health.stop(o.first)
	o.cpu = t.cpu() - before
	_, o.peak = t.memory()
	return o
}

// quiet waits until the server does nothing, at most for ten seconds.
func (t *site) quiet() {
	for range 50 {
		before := t.cpu()
		time.Sleep(200 * time.Millisecond)
		if t.cpu()-before <= 10*time.Millisecond {
			return
		}
	}
}

func wantAnswer(status int, body []byte, has string) error {
	if status != 200 || !strings.Contains(string(body), has) {
		return fmt.Errorf("status %d: %.200s", status, body)
	}
	return nil
}
