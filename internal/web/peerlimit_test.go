package web

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestPeerLimitListener(t *testing.T) {
	for name, test := range map[string]struct {
		proxies Proxies
		want    int
	}{
		"a stranger":         {nil, 2},
		"a configured proxy": {Proxies{netip.MustParsePrefix("127.0.0.0/8")}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ln := PeerLimitListener(inner, 2, test.proxies)
			defer ln.Close()
			accepted := make(chan net.Conn, 8)
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					accepted <- conn
				}
			}()
			var clients []net.Conn
			for range 4 {
				client, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				clients = append(clients, client)
			}
			var open []net.Conn
			for range test.want {
				open = append(open, <-accepted)
			}
			if test.want == len(clients) {
				return
			}
			for _, refused := range clients[test.want:] { // closed by us, not left hanging
				_ = refused.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := refused.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("a connection too many: %v", err)
				}
			}
			_ = open[0].Close()
			_ = open[0].Close() // twice frees one place
			for range 2 {
				client, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
			}
			<-accepted
			select {
			case <-accepted:
				t.Error("closing one connection made room for two")
			case <-time.After(100 * time.Millisecond):
			}
		})
	}
}
