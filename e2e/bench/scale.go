package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	userScales    = []int{1_000, 100_000, 1_000_000}
	projectScales = []int{1, 1_000, 10_000}
)

// scaled are the works that are measured at each scale, with how many connections.
var scaled = []string{"sign-in", "refresh RS256", "refresh ES256", "profile", "JWKS"}

// measureScale measures the same works on more and more users, then on more and more projects. Each scale has a database of its own.
func measureScale(ctx context.Context, o options, s *server, engine string, r *report) error {
	r.line("\n## %s, scale\n", engine)
	base := *s
	if s.database != "" {
		return errors.New("scales are measured on sqlite")
	}
	if o.scale != "projects" {
		r.line("| users | work | a second | of the smallest | p50 | p99 or longest |\n|---|---|---|---|---|---|")
		if err := eachScale(base, userScales, func(one *server, users int, smallest map[string]float64) error {
			return measureUsers(ctx, o, one, users, smallest, r)
		}); err != nil {
			return err
		}
	}
	if o.scale != "users" {
		r.line("\n| projects | work | a second | of the smallest | p99 | memory |\n|---|---|---|---|---|---|")
		return eachScale(base, projectScales, func(one *server, projects int, smallest map[string]float64) error {
			return measureProjects(ctx, o, one, projects, smallest, r)
		})
	}
	return nil
}

// eachScale measures on a server of its own for each scale.
func eachScale(base server, scales []int, measure func(one *server, scale int, smallest map[string]float64) error) error {
	smallest := map[string]float64{}
	for _, scale := range scales {
		one := base
		one.data, one.log = fmt.Sprint(base.data, scale), fmt.Sprint(base.log, scale)
		if err := errors.Join(measure(&one, scale, smallest), one.stop(), os.RemoveAll(one.data)); err != nil {
			return err
		}
	}
	return nil
}

func measureUsers(ctx context.Context, o options, s *server, users int, smallest map[string]float64, r *report) error {
	t, err := fill(s, maxConnections)
	if err != nil {
		return err
	}
	if err := importMany(t, users, r); err != nil {
		return err
	}
	for _, name := range scaled {
		m, err := t.atScale(ctx, o, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if smallest[name] == 0 {
			smallest[name] = m.perSecond()
		}
		r.line("| %d | %s | %.0f | %.2f | %s | %s |", users, name, m.perSecond(), m.perSecond()/smallest[name], shown(percentile(m.waits, 0.50)), shown(percentile(m.waits, 0.99)))
	}
	return t.adminReads(users, r)
}

// atScale measures a work with 32 connections, the median of some rounds.
func (t *site) atScale(ctx context.Context, o options, name string) (measured, error) {
	all := works()
	w := all[slices.IndexFunc(all, func(w work) bool { return w.name == name })]
	senders, err := w.senders(t)
	if err != nil {
		return measured{}, err
	}
	return median(ctx, o.rounds, func() (measured, error) {
		t.quiet()
		m := measured{t.measure(load{connections: judged, during: o.seconds}, senders), 1}
		return m, m.first
	})
}

// importMany adds users to those there are by an import of the command line beside the running server, and compares how long that takes with a copy of the data that
// comes of it, and with as many hashes.
func importMany(t *site, users int, r *report) error {
	lines, err := copies(t.server, "many", users)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := t.command(bytes.NewReader(lines), "import", "-", "--project", projectRS256); err != nil {
		return err
	}
	took := time.Since(began)
	var copied time.Duration
	var size int64
	for _, name := range []string{"doorward.db", "doorward.db-wal"} {
		d, n, err := copyTime(filepath.Join(t.data, name))
		if err != nil {
			return err
		}
		copied, size = copied+d, size+n
	}
	r.line("| %d | import, %.1f s; a copy of the %.0f MB of its database takes %.1f s | %.0f | | | |", users, took.Seconds(), megabytes(size), copied.Seconds(), float64(users)/took.Seconds())
	return nil
}

// copyTime writes a file's bytes to another file for good.
func copyTime(name string) (time.Duration, int64, error) {
	from, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer from.Close()
	to, err := os.Create(name + ".copy")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(to.Name())
	defer to.Close()
	began := time.Now()
	n, err := io.Copy(to, from)
	return time.Since(began), n, errors.Join(err, to.Sync())
}

// adminReads measures what operators do to many users.
func (t *site) adminReads(users int, r *report) error {
	c, err := openConsole(t.server)
	if err != nil {
		return err
	}
	for _, page := range []struct{ what, path string }{
		{"the console's user list", "/console/projects/" + projectRS256 + "/users"},
		{"a search by prefix in the console", "/console/projects/" + projectRS256 + "/users?q=many00001"},
	} {
		middle, longest, err := c.opening(page.path, 20)
		if err != nil {
			return err
		}
		r.line("| %d | %s | | | %s | %s |", users, page.what, shown(middle), shown(longest))
	}
	token, err := t.operatorToken()
	if err != nil {
		return err
	}
	for _, read := range []struct{ what, path string }{
		{"an admin search by prefix", "/admin/v1/projects/" + projectRS256 + "/users?emailPrefix=many00001&limit=50"},
		{"an export's first row", "/admin/v1/projects/" + projectRS256 + "/users/export"},
	} {
		var took []time.Duration
		for range 20 {
			one, err := t.firstLine(read.path, token)
			if err != nil {
				return err
			}
			took = append(took, one)
		}
		slices.Sort(took)
		r.line("| %d | %s | | | %s | %s |", users, read.what, shown(took[len(took)/2]), shown(took[len(took)-1]))
	}
	return nil
}

func (t *site) operatorToken() (string, error) {
	out, err := t.command(nil, "operator", "create", fmt.Sprint("bench", time.Now().UnixNano()), "--json")
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", err
	}
	return answer.Token, nil
}

// firstLine is how long it takes until the first line of an answer is there.
func (t *site) firstLine(path, token string) (time.Duration, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+t.address+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	began := time.Now()
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	line, err := bufio.NewReaderSize(resp.Body, 1<<20).ReadString('\n')
	took := time.Since(began)
	if resp.StatusCode != http.StatusOK || !strings.Contains(line, "@example.com") {
		return 0, fmt.Errorf("%s: %s: %.300s (%v)", path, resp.Status, line, err)
	}
	return took, nil
}

// measureProjects spreads the users of the works over all projects that there are.
func measureProjects(ctx context.Context, o options, s *server, projects int, smallest map[string]float64, r *report) error {
	t, err := fill(s, maxConnections)
	if err != nil {
		return err
	}
	token, err := t.operatorToken()
	if err != nil {
		return err
	}
	ids := []string{projectES256} // making ten thousand RSA keys takes an hour
	lines, err := copies(s, "user", 1)
	if err != nil {
		return err
	}
	for i := 1; i < projects; i++ {
		id := fmt.Sprintf("p%05d", i)
		if err := t.admin(token, "/admin/v1/projects", "application/json", fmt.Appendf(nil, `{"id":%q,"preset":"documented","settings":{"signingAlgorithm":"ES256"}}`, id)); err != nil {
			return err
		}
		if i < maxConnections {
			if err := t.admin(token, "/admin/v1/projects/"+id+"/users/import", "application/x-ndjson", lines); err != nil {
				return err
			}
			ids = append(ids, id)
		}
	}
	if err := s.stop(); err != nil { // what making them took is not what having them takes
		return err
	}
	if _, err := s.start(); err != nil {
		return err
	}
	t.client.close()
	t.client = newClient(s.address, t.client.source)
	for _, name := range []string{"sign-in", "refresh ES256"} {
		senders, err := spread(t, name, ids)
		if err != nil {
			return err
		}
		m, err := median(ctx, o.rounds, func() (measured, error) {
			t.quiet()
			m := measured{t.measure(load{connections: judged, during: o.seconds}, senders), 1}
			return m, m.first
		})
		if err != nil {
			return err
		}
		if smallest[name] == 0 {
			smallest[name] = m.perSecond()
		}
		now, _ := t.memory()
		r.line("| %d | %s | %.0f | %.2f | %s | %.0f MB |", projects, name, m.perSecond(), m.perSecond()/smallest[name], shown(percentile(m.waits, 0.99)), megabytes(now))
	}
	return nil
}

// spread is the work of that name with each connection in another project, as far as there are any.
func spread(t *site, name string, ids []string) ([]sender, error) {
	return each(func(i int) (sender, error) {
		project, user := ids[i%len(ids)], 1
		if len(ids) == 1 {
			user = i + 1
		} else if i >= len(ids) {
			return nil, nil // not asked for: the loads have fewer connections
		}
		if name == "sign-in" {
			return signIn(project, user), nil
		}
		return newRefresher(t, project, user)
	})
}

func (t *site) admin(token, path, kind string, body []byte) error {
	request, err := http.NewRequest(http.MethodPost, "http://"+t.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %.300s", path, resp.Status, text)
	}
	return err
}
