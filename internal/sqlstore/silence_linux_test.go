package sqlstore

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// TestSilenceIsNoticed: the kernel gives a connection to a server up that is gone without a word.
func TestSilenceIsNoticed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	target, err := parsePostgres("postgres://u@" + l.Addr().String() + "/db")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := target.hosts[0].DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (value int) {
		if err := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }); err != nil {
			t.Fatal(err)
		}
		return value
	}
	if got := time.Duration(option(syscall.IPPROTO_TCP, tcpUserTimeout)) * time.Millisecond; got != postgresSilence {
		t.Errorf("TCP_USER_TIMEOUT is %v", got)
	}
	idle := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE) + option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL)*option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
	if option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 || idle > 6 {
		t.Errorf("an idle peer that is gone is noticed after %d s", idle)
	}
}
