package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
)

// s3 is a process of versitygw, a real S3-compatible server, with TLS. Its objects are files.
type s3 struct {
	addr, access, secret string
	dir                  string // root, in it the bucket
	caFile               string
	process              *os.Process
	exited               chan struct{}
	output               *lockedBuffer
}

const s3Bucket = "safe"

var s3Built struct {
	sync.Once
	binary string
	err    error
}

// buildS3 builds versitygw from the module in versitygw/, once. DOORWARD_E2E_S3 names a ready binary instead.
func buildS3() (string, error) {
	s3Built.Do(func() {
		if s3Built.binary = os.Getenv("DOORWARD_E2E_S3"); s3Built.binary != "" {
			s3Built.binary, s3Built.err = filepath.Abs(s3Built.binary)
			return
		}
		s3Built.binary = filepath.Join(suite.dir, "versitygw")
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", s3Built.binary, "github.com/versity/versitygw/cmd/versitygw")
		build.Dir = "versitygw"
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			s3Built.err = fmt.Errorf("build versitygw: %w\n%s", err, output)
		}
	})
	return s3Built.binary, s3Built.err
}

// ownS3 starts a store for one test, with an empty bucket.
func ownS3(t *testing.T) *s3 {
	t.Helper()
	binary, err := buildS3()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &s3{addr: "127.0.0.1:" + port, access: "test", secret: randomSecret("s3"), dir: filepath.Join(dir, "objects"), caFile: filepath.Join(dir, "cert.pem"),
		exited: make(chan struct{}), output: &lockedBuffer{}}
	remember("S3 secret", s.secret)
	for _, sub := range []string{filepath.Join("objects", s3Bucket), "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeCertificate(t, s.caFile, filepath.Join(dir, "key.pem"))
	cmd := exec.Command(binary, "--port", s.addr, "--cert", s.caFile, "--key", filepath.Join(dir, "key.pem"), "posix", "--sidecar", filepath.Join(dir, "meta"), s.dir)
	cmd.Env = append(cleanEnv(), "ROOT_ACCESS_KEY_ID="+s.access, "ROOT_SECRET_ACCESS_KEY="+s.secret)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	if err := bound.Start(cmd, syscall.SIGKILL, func(error) { close(s.exited) }); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	t.Cleanup(func() {
		_ = s.process.Kill()
		<-s.exited
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", s.addr); err == nil {
			conn.Close()
			return s
		}
	}
	t.Fatalf("versitygw did not start:\n%s", s.output)
	return nil
}

// writeCertificate makes a certificate of 127.0.0.1 that signs itself.
func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *s3) url(key string) string {
	return "s3://" + s3Bucket + "/" + key + "?endpoint=https://" + s.addr + "&region=us-east-1"
}

// env is what programs need to reach the store.
func (s *s3) env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.access, "AWS_SECRET_ACCESS_KEY=" + s.secret, "SSL_CERT_FILE=" + s.caFile}
}

// objects are the files of the bucket below a prefix.
func (s *s3) objects(t *testing.T, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, s3Bucket, prefix, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// runWith runs a verb with more variables, and gives how it ended.
func runWith(t *testing.T, env []string, args ...string) cliResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, suite.binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, suite.dir
	cmd.Env = append(cleanEnv(), env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("doorward %v: %v\n%s", args, err, stderr.String())
	}
	return cliResult{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
}

// freeze stops the store in the middle of what it does, and lets it go on at the test's end.
func (s *s3) freeze(t *testing.T) (thaw func()) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() { _ = s.process.Signal(syscall.SIGCONT) })
	t.Cleanup(thaw)
	return thaw
}
