package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func readAnswer(t *testing.T, from *bufio.Reader, method string) rawAnswer {
	t.Helper()
	answer, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rawAnswer{answer.StatusCode, answer.Header, string(body), answer.Close}
}

// startServer serves handler until the test ends, and returns its address.
func startServer(t *testing.T, handler http.Handler, opts ServerOptions) string {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	ln := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, NewServer(handler, opts), ln, 10*time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func decodeEmpty(w http.ResponseWriter, r *http.Request) error {
	if err := DecodeJSON(r, &struct{}{}, DecodeOptions{}); err != nil {
		return err
	}
	return say("decoded")(w, r)
}

func TestFraming(t *testing.T) {
	const start = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	tests := []struct {
		name, request string
		status        int
		closed        bool
	}{
		{"length", start + "Content-Length: 2\r\n\r\n{}", 200, false},
		{"chunked", start + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, true},
		{"length and chunked", start + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, true},
		{"HTTP/1.0, kept alive, with both", "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n" +
			"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 200, true},
		{"two lengths", start + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, true},
		{"length with a sign", start + "Content-Length: +2\r\n\r\n{}", 400, true},
		{"length list", start + "Content-Length: 2, 2\r\n\r\n{}", 400, true},
		{"unknown encoding", start + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, true},
		{"encoding twice", start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, true},
		{"space before the colon", start + "Content-Length : 2\r\n\r\n{}", 400, true},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, true},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, true},
		{"NUL in a header", "GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400, true},
		{"unknown version", "GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505, true},
		{"header over the limit", start + "A: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, true},
		{"path over the limit", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431, true},
		{"broken chunk", start + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, true},
		{"chunks over the limit", start + "Transfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 32) + "0\r\n\r\n", 422, true},
	}
	addr := startServer(t, Handle(decodeEmpty, writeTestError), ServerOptions{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := rawRequest(t, addr, test.request)
			if answer.status != test.status || answer.closed != test.closed {
				t.Errorf("got %d, closed %t, %q", answer.status, answer.closed, answer.body)
			}
		})
	}
}

func TestSlowClients(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
	opts := ServerOptions{
		ReadHeaderTimeout: 50 * time.Millisecond, ReadTimeout: 150 * time.Millisecond, IdleTimeout: 50 * time.Millisecond,
	}
	addr := startServer(t, Handle(decodeEmpty, writeTestError), opts)
	t.Run("slow body", func(t *testing.T) {
		if answer := rawRequest(t, addr, head+"\r\n{"); answer.status != 408 || !answer.closed {
			t.Errorf("got %d, closed %t", answer.status, answer.closed)
		}
	})
	for name, sent := range map[string]string{
		"slow header":      head,
		"nothing":          "",
		"idle after a GET": "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				t.Errorf("the server keeps the connection: %v", err)
			}
		})
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestServerDefaults(t *testing.T) {
	srv := NewServer(http.NotFoundHandler(), ServerOptions{})
	if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.WriteTimeout <= 0 || srv.IdleTimeout <= 0 ||
		srv.MaxHeaderBytes != 32<<10 || srv.ErrorLog == nil {
		t.Errorf("a deadline or limit is missing: %+v", srv)
	}
}

func TestServeFinishesWhatItAccepted(t *testing.T) {
	ln := listen(t)
	started, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was cancelled: %v", err)
		}
		_, _ = io.WriteString(w, "finished")
	})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, NewServer(handler, ServerOptions{Logger: slog.New(slog.DiscardHandler)}), ln, 10*time.Second)
	}()
	body := make(chan string, 1)
	go func() { body <- get(t, "http://"+ln.Addr().String()) }()
	<-started
	stop()
	waitUntilRefused(t, ln.Addr().String())
	select {
	case err := <-served:
		t.Fatalf("returned before the request was finished: %v", err)
	default:
	}
	close(release)
	if got := <-body; got != "finished" {
		t.Errorf("got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func waitUntilRefused(t *testing.T, addr string) {
	t.Helper()
	for range 500 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("new connections are still accepted")
}

func TestServeBreaksOffAfterGrace(t *testing.T) {
	ln := listen(t)
	started := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, NewServer(handler, ServerOptions{Logger: slog.New(slog.DiscardHandler)}), ln, 50*time.Millisecond)
	}()
	go func() {
		if answer, err := http.Get("http://" + ln.Addr().String()); err == nil {
			answer.Body.Close()
		}
	}()
	<-started
	stop()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the grace ran out", err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln := listen(t)
	ln.Close()
	err := Serve(context.Background(), NewServer(http.NotFoundHandler(), ServerOptions{}), ln, time.Second)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestLimitListener(t *testing.T) {
	ln := LimitListener(listen(t), 1)
	defer ln.Close()
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range 2 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two connections at once")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	(<-accepted).Close()
}

func TestServeTLS(t *testing.T) {
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate, and a client that trusts it
	defer lender.Close()
	srv := NewServer(Handle(func(w http.ResponseWriter, r *http.Request) error {
		return say(Proxies{}.Scheme(r))(w, r)
	}, writeTestError), ServerOptions{Logger: slog.New(slog.DiscardHandler)})
	srv.TLSConfig = &tls.Config{Certificates: lender.TLS.Certificates}
	ln := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, srv, ln, 10*time.Second) }()

	client := lender.Client()
	answer, err := client.Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(body) != "https" {
		t.Errorf("got %q, %v", body, err)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// Failed handshakes, which whoever scans the network causes, are not logged by default; what else goes wrong is.
func TestErrorLog(t *testing.T) {
	var out strings.Builder
	l := NewServer(http.NotFoundHandler(), ServerOptions{Logger: slog.New(slog.NewTextHandler(&out, nil))}).ErrorLog
	l.Printf("http: TLS handshake error from %s: EOF", "192.0.2.1:1")
	if out.Len() > 0 {
		t.Errorf("logged %q", out.String())
	}
	l.Print("http: Accept error: too many open files")
	if !strings.Contains(out.String(), `level=WARN msg="http: Accept error: too many open files"`) {
		t.Errorf("logged %q", out.String())
	}
}
