package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// backupKey is a key file and its recipient, made by the binary.
type backupKey struct{ file, recipient string }

func newBackupKey(t *testing.T) backupKey {
	t.Helper()
	k := backupKey{file: filepath.Join(t.TempDir(), "backup.key")}
	made := parseJSON(t, "backup keygen", []byte(ranWell(t, nil, "backup", "keygen", "--out", k.file, "--json")))
	k.recipient = text(t, made, "recipient")
	return k
}

// ranWell runs a verb that must succeed.
func ranWell(t *testing.T, env []string, args ...string) string {
	t.Helper()
	r := runWith(t, env, args...)
	if r.code != 0 {
		t.Fatalf("doorward %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// failsWith runs a verb that must fail with a message that holds all of what is wanted.
func failsWith(t *testing.T, env []string, want []string, args ...string) {
	t.Helper()
	r := runWith(t, env, args...)
	if r.code == 0 {
		t.Errorf("doorward %s succeeded:\n%s", strings.Join(args, " "), r.stdout)
	}
	for _, part := range want {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("doorward %s: the error lacks %q:\n%s", strings.Join(args, " "), part, r.stderr)
		}
	}
}

// restored starts a server on a data directory that a backup was restored into.
func restored(t *testing.T, p project, data string) project {
	t.Helper()
	p.srv = ownServer(t, serverOptions{data: data, publicURL: p.srv.publicURL})
	return p
}

// signUpMeanwhile signs up from several goroutines until stop is called, which gives what was acknowledged.
func signUpMeanwhile(p project) (stop func() []account) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var acknowledged []account
	end := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				a := account{email: newEmail(), password: newPassword()}
				r, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials())
				if err != nil || r.status != http.StatusOK {
					continue
				}
				var body struct {
					Data struct{ UID, RefreshToken string }
				}
				decodeQuietly(r.body, &body)
				a.uid, a.refreshToken = body.Data.UID, body.Data.RefreshToken
				mu.Lock()
				acknowledged = append(acknowledged, a)
				mu.Unlock()
			}
		})
	}
	return func() []account { close(end); wg.Wait(); return acknowledged }
}

// TestBackup: made while serving under load, verified, restored; who was there signs in, and what was revoked afterwards stays so (P21).
func TestBackup(t *testing.T) {
	t.Parallel()
	key, dir := newBackupKey(t), t.TempDir()
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented", mailURLs...)
	var before []account
	for range 5 {
		before = append(before, p.signUp(t))
	}
	stop := signUpMeanwhile(p)
	time.Sleep(300 * time.Millisecond)
	made := parseJSON(t, "backup", []byte(ranWell(t, nil, "backup", "--data", s.opts.data, "--to", dir, "--recipient", key.recipient, "--json")))
	meanwhile := stop()
	if len(meanwhile) == 0 {
		t.Error("nobody signed up meanwhile")
	}
	p.client().bearer(before[0].idToken).delete(t, "/auth/accounts/sessions").wantStatus(t, http.StatusNoContent)
	p.client().post(t, refreshPath, M{"refresh_token": before[0].refreshToken}).wantStatus(t, http.StatusBadRequest)

	file := filepath.Join(dir, text(t, made, "name"))
	if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte(before[0].email)) || bytes.Contains(content, []byte("argon2id")) {
		t.Errorf("the file is not encrypted: %v", err)
	}
	seen := ranWell(t, nil, "restore", file, "--key", key.file, "--verify")
	if !strings.Contains(seen, "default, "+p.id) && !strings.Contains(seen, p.id+", default") || !strings.Contains(seen, "Verified: ") {
		t.Errorf("restore --verify says:\n%s", seen)
	}

	data := filepath.Join(t.TempDir(), "data")
	report := ranWell(t, nil, "restore", dir, "--key", key.file, "--to", "sqlite:"+filepath.Join(data, "doorward.db"), "--data", data)
	for _, want := range []string{"All sessions are ended", "doorward project rotate-admin-token " + p.id, "users: passwords"} {
		if !strings.Contains(report, want) {
			t.Errorf("restore does not say %q:\n%s", want, report)
		}
	}
	q := restored(t, p, data)
	for _, a := range before {
		q.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantStatus(t, http.StatusBadRequest)
		q.signIn(t, a.email, a.password)
	}
	// Those who came while it was made are there whole, or not at all.
	for _, a := range meanwhile[:min(len(meanwhile), 20)] {
		r := q.client().post(t, "/auth/accounts/sign-in/email", a.credentials())
		if r.status != http.StatusOK && r.status != http.StatusBadRequest && r.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", r.what, r.status, r.body)
		}
	}
	if states := q.srv.cli(t, "mail", "list", "--project", p.id, "--state", "queued", "--json"); strings.TrimSpace(states) != "[]" {
		t.Errorf("mails would be sent again: %s", states)
	}
	failsWith(t, nil, []string{"new database only"}, "restore", dir, "--key", key.file, "--to", "sqlite:"+filepath.Join(data, "doorward.db"), "--data", data)
}

// TestBackupOfAStoppedServer: a move by backup keeps everybody signed in.
func TestBackupOfAStoppedServer(t *testing.T) {
	t.Parallel()
	key, dir := newBackupKey(t), t.TempDir()
	s := ownServer(t, serverOptions{publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented", mailURLs...)
	a := p.signUp(t)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	ranWell(t, nil, "backup", "--data", s.opts.data, "--to", filepath.Join(dir, "move.backup"), "--recipient", key.recipient)
	data := filepath.Join(t.TempDir(), "data")
	to := []string{"restore", filepath.Join(dir, "move.backup"), "--to", "sqlite:" + filepath.Join(data, "doorward.db"), "--data", data}
	ranWell(t, nil, append(to, "--key", key.file, "--source-was-stopped")...)
	q := restored(t, p, data)
	q.refresh(t, a.uid, a.refreshToken)
	q.client().bearer(a.idToken).get(t, "/auth/accounts/sessions").wantStatus(t, http.StatusOK)
}

// TestBrokenBackups: cut off, changed, or for another key, a backup is refused with the cause, and nothing is left of the try.
func TestBrokenBackups(t *testing.T) {
	t.Parallel()
	key, other, dir := newBackupKey(t), newBackupKey(t), t.TempDir()
	s := ownServer(t, serverOptions{})
	s.newProject(t, "documented")
	whole := filepath.Join(dir, "whole.backup")
	ranWell(t, nil, "backup", "--data", s.opts.data, "--to", whole, "--recipient", key.recipient)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := func(name string, content []byte) string {
		file := filepath.Join(dir, name+".backup")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	flipped := bytes.Clone(content)
	flipped[len(flipped)/2] ^= 4
	for _, test := range []struct {
		file, key string
		want      []string
	}{
		{broken("cut", content[:len(content)-1]), key.file, []string{"damaged"}},
		{broken("half", content[:len(content)/2]), key.file, []string{"damaged"}},
		{broken("header", content[:30]), key.file, []string{"damaged"}},
		{broken("flipped", flipped), key.file, []string{"damaged"}},
		{broken("empty", nil), key.file, []string{"damaged"}},
		{whole, other.file, []string{"other recipients"}},
		{filepath.Join(dir, "absent.backup"), key.file, []string{"no such backup"}},
	} {
		data := filepath.Join(t.TempDir(), "data")
		failsWith(t, nil, test.want, "restore", test.file, "--key", test.key, "--verify")
		failsWith(t, nil, test.want, "restore", test.file, "--key", test.key, "--to", "sqlite:"+filepath.Join(data, "doorward.db"), "--data", data)
		if left, _ := filepath.Glob(filepath.Join(data, "*.db*")); len(left) > 0 {
			t.Errorf("%s left %v", filepath.Base(test.file), left)
		}
	}
	failsWith(t, nil, []string{"--key"}, "restore", whole, "--verify")
	failsWith(t, nil, []string{"there already"}, "backup", "--data", s.opts.data, "--to", whole, "--recipient", key.recipient)
	failsWith(t, nil, []string{"mount"}, "backup", "--data", s.opts.data, "--to", filepath.Join(dir, "not", "there"), "--recipient", key.recipient)
}

// TestKilledBackup: SIGKILL at any moment leaves no backup that looks whole and is not.
func TestKilledBackup(t *testing.T) {
	t.Parallel()
	key, dir := newBackupKey(t), t.TempDir()
	s := ownServer(t, serverOptions{})
	p := s.newProject(t, "documented")
	for range 3 {
		p.signUp(t)
	}
	args := []string{"backup", "--data", s.opts.data, "--to", dir, "--recipient", key.recipient}
	start := time.Now()
	ranWell(t, nil, args...)
	took := time.Since(start)
	killed := 0
	const rounds = 12
	for i := range rounds {
		cmd := exec.Command(suite.binary, args...)
		cmd.Env, cmd.Dir = cleanEnv(), suite.dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took/3 + took*time.Duration(i)/rounds)
		_ = cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
	}
	if killed == 0 {
		t.Error("no backup was killed")
	}
	listed := parseJSON(t, "backup list", []byte(ranWell(t, nil, "backup", "list", dir, "--json"))).([]any)
	left, _ := filepath.Glob(filepath.Join(dir, ".*.partial"))
	t.Logf("%d of %d were killed; %d backups are listed, %d parts are left", killed, rounds, len(listed), len(left))
	if len(listed) < 1+rounds-killed {
		t.Errorf("%d backups are listed", len(listed))
	}
	for _, b := range listed {
		ranWell(t, nil, "restore", filepath.Join(dir, text(t, b, "name")), "--key", key.file, "--verify")
	}
}

// TestBackupToS3: over TLS that is verified, to a real S3-compatible store; whole or not there.
func TestBackupToS3(t *testing.T) {
	t.Parallel()
	store, key := ownS3(t), newBackupKey(t)
	s := ownServer(t, serverOptions{publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented")
	a := p.signUp(t)
	backup := func(to string) []string {
		return []string{"backup", "--data", s.opts.data, "--to", to, "--recipient", key.recipient, "--json"}
	}

	made := parseJSON(t, "backup", []byte(ranWell(t, store.env(), backup(store.url("some/prefix"))...)))
	name := text(t, made, "name")
	if objects := store.objects(t, "some/prefix"); len(objects) != 1 || filepath.Base(objects[0]) != name {
		t.Fatalf("the bucket has %v", objects)
	}
	if list := ranWell(t, store.env(), "backup", "list", store.url("some/prefix")); !strings.Contains(list, name) {
		t.Errorf("listed:\n%s", list)
	}
	ranWell(t, store.env(), "restore", store.url("some/prefix/"+name), "--key", key.file, "--verify")
	data := filepath.Join(t.TempDir(), "data")
	ranWell(t, store.env(), "restore", store.url("some/prefix"), "--key", key.file, "--to", "sqlite:"+filepath.Join(data, "doorward.db"), "--data", data)
	restored(t, p, data).signIn(t, a.email, a.password)

	failsWith(t, []string{"AWS_ACCESS_KEY_ID=" + store.access, "AWS_SECRET_ACCESS_KEY=" + store.secret}, []string{"certificate"}, backup(store.url("x"))...)
	wrong := append(store.env(), "AWS_SECRET_ACCESS_KEY="+randomSecret("wrong"))
	failsWith(t, wrong, []string{"refuses the credentials", "AWS_ACCESS_KEY_ID"}, backup(store.url("x"))...)
	failsWith(t, store.env(), []string{"no bucket"}, backup(strings.Replace(store.url("x"), s3Bucket, "nowhere", 1))...)
	failsWith(t, store.env(), []string{"no such backup"}, "restore", store.url("some/prefix/absent.backup"), "--key", key.file, "--verify")

	// Killed while the store holds it up.
	thaw := store.freeze(t)
	cmd := exec.Command(suite.binary, backup(store.url("killed"))...)
	cmd.Env, cmd.Dir = append(cleanEnv(), store.env()...), suite.dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	thaw()
	if objects := store.objects(t, "killed"); len(objects) != 0 {
		t.Errorf("a killed backup left %v", objects)
	}
}

// TestScheduledBackups: three processes on one database make one backup, metrics tell of it, and a server whose place is away says so.
func TestScheduledBackups(t *testing.T) {
	t.Parallel()
	store, key := ownS3(t), newBackupKey(t)
	data := filepath.Join(t.TempDir(), "data")
	var servers []*server
	var metrics []string
	for range 3 {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		metrics = append(metrics, "127.0.0.1:"+port)
		servers = append(servers, ownServer(t, serverOptions{data: data, publicURL: "https://auth.example.test", env: store.env(),
			args: []string{"--backup-to", store.url("auto"), "--backup-every", "24h", "--backup-keep", "3", "--backup-recipients", key.recipient, "--metrics-listen", "127.0.0.1:" + port}}))
	}
	eventually(t, 60*time.Second, func() error {
		if n := len(store.objects(t, "auto")); n == 0 {
			return fmt.Errorf("none yet; the log ends:\n%s", tail(servers[0].output.String(), 2000))
		}
		return nil
	})
	for _, addr := range metrics {
		eventually(t, 60*time.Second, func() error {
			if page := scrape(t, addr); !strings.Contains(page, "doorward_backup_overdue 0") || !strings.Contains(page, "doorward_backup_last_size_bytes") {
				return fmt.Errorf("the metrics lack it")
			}
			return nil
		})
	}
	if objects := store.objects(t, "auto"); len(objects) != 1 {
		t.Errorf("three processes made %v", objects)
	}
	listed := ranWell(t, append(store.env(), "DOORWARD_BACKUP_TO="+store.url("auto")), "backup", "list", "--data", data, "--public-url", "https://auth.example.test")
	if !strings.Contains(listed, "yes") {
		t.Errorf("listed:\n%s", listed)
	}
	failsWith(t, store.env(), []string{"overdue"}, "backup", "list", "--data", data, "--public-url", "https://another.example.test", "--config", configFile(t, "backup_to = '"+store.url("auto")+"'"))
	ranWell(t, store.env(), "restore", store.url("auto"), "--key", key.file, "--verify")
}

func configFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doorward.toml")
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func scrape(t *testing.T, addr string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
