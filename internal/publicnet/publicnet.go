// Package publicnet tells addresses of the public internet from all others, for connections whose target somebody else chose (P17). Leaf.
package publicnet

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// notPublic are the ranges that are not somebody's public host, from the IANA special-purpose address registries. Of IPv6 only 2000::/3 is public at all, so
// the list holds the exceptions inside of it; IPv4 addresses that IPv6 carries inside (6to4, Teredo, NAT64) could lead to private ones and so are out as well.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

var globalUnicast6 = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(all))
	for i, text := range all {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// Contains tells whether an address is somebody's public host.
func Contains(address netip.Addr) bool {
	address = address.Unmap()
	if !address.IsValid() || address.Zone() != "" {
		return false
	}
	if address.Is6() && !globalUnicast6.Contains(address) {
		return false
	}
	for _, prefix := range notPublic {
		if prefix.Contains(address) {
			return false
		}
	}
	return true
}

// ErrNotPublic is what Control refuses with. Its text names the address, for the server's own log: others must not learn what a name resolves to.
var ErrNotPublic = errors.New("not an address of the public internet")

// Control refuses, as a net.Dialer's Control, to connect anywhere else. It sees the address that is dialled in the end, after names were resolved.
func Control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || !Contains(target.Addr()) {
		return fmt.Errorf("%s is %w", target.Addr(), ErrNotPublic)
	}
	return nil
}
