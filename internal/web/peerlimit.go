package web

import (
	"net"
	"net/netip"
	"sync"
)

// PeerLimitListener closes connections of a direct peer that has n open already, so that one source cannot hold all that the server takes (P27, P54). IPv6 peers
// count by /64. Configured proxies stand for many and are not counted.
func PeerLimitListener(ln net.Listener, n int, proxies Proxies) net.Listener {
	return &peerListener{Listener: ln, limit: n, proxies: proxies, open: map[string]int{}}
}

type peerListener struct {
	net.Listener
	limit   int
	proxies Proxies

	mu   sync.Mutex
	open map[string]int
}

// Accept gives the next connection of a peer that may have one more.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil || l.proxies.trusts(plainAddr(peer.Addr())) {
			return conn, nil
		}
		key := Source(plainAddr(peer.Addr()))
		if !l.enter(key) {
			_ = conn.Close()
			continue
		}
		return &peerConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(key) })}, nil
	}
}

func (l *peerListener) enter(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[key] >= l.limit {
		return false
	}
	l.open[key]++
	return true
}

func (l *peerListener) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[key]--; l.open[key] <= 0 {
		delete(l.open, key)
	}
}

type peerConn struct {
	net.Conn
	leave func()
}

// Close frees the peer's place.
func (c *peerConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
