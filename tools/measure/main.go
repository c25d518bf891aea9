// Measure prints the figures of docs/operations.md for the machine it runs on, from a real server process on a data directory of its own. scripts/measure runs it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const password = "a long passphrase"

var (
	binary  = flag.String("binary", "", "the doorward binary to measure")
	users   = flag.Int("users", 10000, "users in the database")
	seconds = flag.Duration("for", 10*time.Second, "how long each kind of request is sent")
)

// bench is one server process and its data.
type bench struct {
	data    string
	base    string
	process *exec.Cmd
	http    *http.Client
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	dir, err := os.MkdirTemp("", "doorward-measure-")
	if err != nil {
		log.Fatal(err)
	}
	err = measure(filepath.Join(dir, "data"))
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal("measure: ", err)
	}
}

func measure(data string) error {
	fmt.Printf("%d cores, %s, %s/%s\n", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b := &bench{data: data, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if err := b.fill(); err != nil {
		return err
	}
	workers := runtime.NumCPU()
	err := b.with(nil, func() error {
		time.Sleep(3 * time.Second)
		b.memory("memory at rest")
		return b.refreshes(32)
	})
	for _, n := range []int{1, workers} {
		err = errors.Join(err, b.with(nil, b.warm), b.signIns(n))
	}
	return err
}

// fill makes a data directory with one user who signed up, and copies of that user.
func (b *bench) fill() error {
	err := b.with(nil, func() error {
		_, err := b.post("signup", map[string]string{"email": email(0), "password": password})
		return err
	})
	if err != nil {
		return err
	}
	line, err := b.command(nil, "export")
	if err != nil {
		return err
	}
	var user map[string]any
	if err := json.Unmarshal(line, &user); err != nil {
		return fmt.Errorf("the exported user: %w", err)
	}
	var lines bytes.Buffer
	for i := 1; i < *users; i++ {
		user["uid"], user["email"] = fmt.Sprintf("user%024d", i), email(i)
		if err := json.NewEncoder(&lines).Encode(user); err != nil {
			return err
		}
	}
	before := b.file()
	if _, err := b.command(&lines, "import", "-"); err != nil {
		return err
	}
	figure("database, per user", "%.0f bytes", float64(b.file()-before)/float64(*users-1))
	return nil
}

func email(i int) string { return fmt.Sprintf("user%d@example.com", i) }

// people is how many sign in again and again.
const people = 50

// warm signs each of them in, because a first sign-in after an import changes more than the later ones.
func (b *bench) warm() error {
	for i := range people {
		if _, err := b.post("sign-in/email", map[string]string{"email": email(i), "password": password}); err != nil {
			return err
		}
	}
	return nil
}

// signIns sends them over more connections than hash at a time, so that all of these work.
func (b *bench) signIns(workers int) error {
	before := b.file()
	var next atomic.Int64
	var done int64
	err := b.with([]string{"--hash-workers", strconv.Itoa(workers)}, func() error {
		var err error
		done, err = b.run(workers+4, func() error {
			_, err := b.post("sign-in/email", map[string]string{"email": email(int(next.Add(1)) % people), "password": password})
			return err
		})
		b.memory(fmt.Sprintf("memory, %d hashing", workers))
		return err
	})
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("sign-ins, %d hashing", workers), "%.0f a second", float64(done)/seconds.Seconds())
	figure("database, per sign-in", "%.0f bytes", float64(b.file()-before)/float64(done))
	return nil
}

func (b *bench) refreshes(clients int) error {
	answer, err := b.post("sign-in/email", map[string]string{"email": email(0), "password": password})
	if err != nil {
		return err
	}
	done, err := b.run(clients, func() error {
		_, err := b.post("token/refresh", map[string]string{"refresh_token": answer.Data.RefreshToken})
		return err
	})
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("refreshes, %d at a time", clients), "%.0f a second", float64(done)/seconds.Seconds())
	b.memory("memory while refreshing")
	return nil
}

// run calls work from as many goroutines, for the time that the flag says, and gives how often it was done.
func (b *bench) run(clients int, work func() error) (int64, error) {
	var done atomic.Int64
	var failure atomic.Value
	var group sync.WaitGroup
	end := time.Now().Add(*seconds)
	for range clients {
		group.Go(func() {
			for time.Now().Before(end) && failure.Load() == nil {
				if err := work(); err != nil {
					failure.Store(err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	err, _ := failure.Load().(error)
	return done.Load(), err
}

// with runs do while a server runs.
func (b *bench) with(args []string, do func() error) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := ln.Addr().String()
	ln.Close()
	b.base = "http://" + address
	b.process = exec.Command(*binary, append([]string{"serve", "--data", b.data, "--listen", address, "--log-level", "error"}, args...)...)
	b.process.Stderr = os.Stderr
	if err := b.process.Start(); err != nil {
		return err
	}
	err = b.await()
	if err == nil {
		err = do()
	}
	return errors.Join(err, b.stop())
}

func (b *bench) await() error {
	for range 600 {
		resp, err := b.http.Get(b.base + "/readyz")
		if err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the server was not ready in 30 s")
}

func (b *bench) stop() error {
	if b.process == nil {
		return nil
	}
	process := b.process
	b.process = nil
	b.http.CloseIdleConnections()
	return errors.Join(process.Process.Signal(syscall.SIGTERM), process.Wait())
}

func (b *bench) command(stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.Command(*binary, append(args, "--data", b.data)...)
	cmd.Stdin, cmd.Stderr = stdin, os.Stderr
	return cmd.Output()
}

type answer struct {
	Data struct {
		RefreshToken string `json:"refreshToken"`
	} `json:"data"`
}

func (b *bench) post(path string, body any) (answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	resp, err := b.http.Post(b.base+"/api/v1/auth/accounts/"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var a answer
	got, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", path, resp.StatusCode, got)
	}
	if err != nil {
		return answer{}, err
	}
	return a, json.Unmarshal(got, &a)
}

// file is what the database takes, its log included: after a clean end some of the newest pages may still be there.
func (b *bench) file() int64 {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(filepath.Join(b.data, "doorward.db"+suffix)); err == nil {
			total += info.Size()
		}
	}
	return total
}

// memory prints what the process has and had most of, as Linux tells it.
func (b *bench) memory(name string) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.process.Process.Pid))
	if err != nil {
		return // not Linux
	}
	kilobytes := func(key string) float64 {
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, key+":"); ok {
				n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				return n
			}
		}
		return 0
	}
	figure(name, "%.0f MB, at most %.0f MB", kilobytes("VmRSS")/1000, kilobytes("VmHWM")/1000)
}

func figure(name, format string, args ...any) {
	fmt.Printf("%-28s "+format+"\n", append([]any{name}, args...)...)
}
