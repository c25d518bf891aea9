package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
)

const bareArg = "bare-handler"

// bareAnswer is what the bare handler says: the bytes that the server said.
type bareAnswer struct {
	Status int
	Header http.Header
	Body   []byte
}

// bare is a process that does nothing but answer.
type bare struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func startBare(answer bareAnswer) (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bare{cmd: exec.Command(self, bareArg)}
	b.cmd.Stderr = os.Stderr
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.stdin = in
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(in).Encode(answer); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(out, &b.address); err != nil {
		return nil, fmt.Errorf("the bare handler: %w", err)
	}
	return b, nil
}

// stop ends the process: it lives as long as its standard input.
func (b *bare) stop() error {
	_ = b.stdin.Close()
	return b.cmd.Wait()
}

// serveBare is the process.
func serveBare(in io.Reader) error {
	input := bufio.NewReader(in)
	var answer bareAnswer
	line, err := input.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = input.ReadByte()
		os.Exit(0)
	}()
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		header := w.Header()
		for name, values := range answer.Header {
			header[name] = values
		}
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body)
	}))
}
