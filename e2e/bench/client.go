package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// request is what goes over the connection, its Host aside.
type request struct {
	method  string
	path    string
	project string // X-Project-Id; "" for none
	bearer  string
	body    []byte // JSON; nil for none
}

func (q request) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n", q.method, q.path)
	if q.project != "" {
		fmt.Fprintf(&b, "X-Project-Id: %s\r\n", q.project)
	}
	if q.bearer != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", q.bearer)
	}
	if q.body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(q.body))
	}
	b.WriteString("\r\n")
	b.Write(q.body)
	return b.Bytes()
}

// requestLimit is how long an answer may take before it counts as an error.
const requestLimit = 30 * time.Second

// client is one connection of HTTP/1.1, from a source address of its own. It does little more than the bytes need, since it runs on the cores that are measured.
type client struct {
	address string
	source  net.IP
	conn    net.Conn
	in      *bufio.Reader
	body    []byte
	later   time.Duration // Retry-After of the last answer
	used    time.Time
}

// idleLimit is well below that of the server, which closes connections that nobody uses.
const idleLimit = 20 * time.Second

func newClient(address string, source net.IP) *client {
	return &client{address: address, source: source}
}

// sourceOf gives loopback addresses that no two connections share.
func sourceOf(n int) net.IP {
	return net.IPv4(127, byte(1+n/62500%250), byte(1+n/250%250), byte(1+n%250))
}

func (c *client) dial() error {
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: c.source}}
	conn, err := dialer.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 8<<10)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// do sends a whole request and reads the answer. The body is good until the next call.
func (c *client) do(raw []byte) (status int, body []byte, err error) {
	return c.exchange(raw, nil)
}

// exchange is do; each gets the lines of the header, where it is not nil.
func (c *client) exchange(raw []byte, each func(name, value string)) (status int, body []byte, err error) {
	now := time.Now()
	if now.Sub(c.used) > idleLimit {
		c.close()
	}
	c.used = now
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return 0, nil, err
		}
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(now.Add(requestLimit)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(raw); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("no status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, last := -1, false
	c.later = 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, err
			}
		case bytes.EqualFold(name, []byte("Retry-After")):
			seconds, _ := strconv.Atoi(string(value))
			c.later = time.Duration(seconds) * time.Second
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
		if each != nil {
			each(string(name), string(value))
		}
	}
	if length < 0 {
		return 0, nil, errors.New("an answer without its length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	body = c.body[:length]
	if _, err := io.ReadFull(c.in, body); err != nil {
		return 0, nil, err
	}
	if last {
		c.close()
	}
	return status, body, nil
}

// post is for setting up: it decodes the answer, which must be good, into what is not nil.
func (c *client) post(path, project string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	status, answer, err := c.do(request{method: "POST", path: path, project: project, body: text}.bytes())
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("%s: %d %s", path, status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
