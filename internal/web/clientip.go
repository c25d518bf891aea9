package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose X-Forwarded-For and X-Forwarded-Proto headers are believed (P30). The zero value
// believes nobody.
type Proxies []netip.Prefix

// ParseProxies reads networks as "10.0.0.0/8" and single addresses as "::1".
func ParseProxies(networks []string) (Proxies, error) {
	proxies := make(Proxies, 0, len(networks))
	for _, network := range networks {
		prefix, err := parseNetwork(strings.TrimSpace(network))
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: %w", network, err)
		}
		proxies = append(proxies, prefix)
	}
	return proxies, nil
}

func parseNetwork(network string) (netip.Prefix, error) {
	if !strings.Contains(network, "/") {
		addr, err := netip.ParseAddr(network)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = plainAddr(addr)
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return netip.Prefix{}, err
	}
	// An IPv4 network written as IPv6 would match nothing, since addresses are unmapped before they are compared.
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("an IPv4-mapped network needs at least 96 bits")
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// Middleware puts the client's address and scheme into the context, for ClientAddr and Scheme.
func (p Proxies) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, r := withRecord(r)
		rec.client = p.ClientIP(r)
		rec.scheme = p.Scheme(r)
		next.ServeHTTP(w, r)
	})
}

// ClientIP returns the address of the client: the direct peer, or, where that is a trusted proxy, the right-most
// address of X-Forwarded-For that is no trusted proxy itself. A value that is no address ends the search, and the peer
// it is. The zero Addr means that there is no peer address, as on a Unix socket.
func (p Proxies) ClientIP(r *http.Request) netip.Addr {
	peer := peerAddr(r)
	if !p.trusts(peer) {
		return peer
	}
	client := peer
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			return peer
		}
		client = hop
		if !p.trusts(hop) {
			break
		}
	}
	return client
}

// Scheme returns "https" or "http" as the client used it. A trusted proxy's last X-Forwarded-Proto counts, if it is
// one of the two.
func (p Proxies) Scheme(r *http.Request) string {
	if p.trusts(peerAddr(r)) {
		values := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
		switch scheme := strings.ToLower(strings.TrimSpace(values[len(values)-1])); scheme {
		case "http", "https":
			return scheme
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

func peerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plainAddr(peer.Addr())
}

// parseHop takes an address, with a port or without, as proxies write it.
func parseHop(text string) (netip.Addr, bool) {
	bare := text
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		return plainAddr(addr), true
	}
	addrPort, err := netip.ParseAddrPort(text)
	return plainAddr(addrPort.Addr()), err == nil
}

// plainAddr gives every spelling of an address one form: IPv4 within IPv6 as IPv4, and no zone.
func plainAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// Source is the key under which limits count an address: IPv4 itself, IPv6 by its /64 network (P29), since one client
// holds all addresses of that. The zero Addr gives "unknown".
func Source(addr netip.Addr) string {
	addr = plainAddr(addr)
	if !addr.IsValid() {
		return "unknown"
	}
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
