package publicnet

import (
	"net/netip"
	"testing"
)

func TestContains(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "142.250.74.78": true, "2607:f8b0:4004:c07::54": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.1": false, "100.127.255.255": false, "127.0.0.1": false, "127.255.0.1": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.8": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.1.1": false,
		"198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.250": false, "240.0.0.1": false,
		"255.255.255.255": false,
		"::":              false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false,
		"64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "3fff::1": false, "5f00::1": false, "fc00::1": false,
		"fd12:3456::1": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false,

		"172.15.255.255": true, "172.32.0.1": true, "100.63.255.255": true, "100.128.0.1": true, "198.20.0.1": true, "223.255.255.255": true,
	} {
		if got := Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("Contains(%s) is %v", text, got)
		}
	}
}

func TestControl(t *testing.T) {
	for address, refused := range map[string]bool{"8.8.8.8:443": false, "[2606:4700::1111]:443": false, "127.0.0.1:25": true, "[::1]:25": true, "localhost:25": true, "": true} {
		if err := Control("tcp", address, nil); (err != nil) != refused {
			t.Errorf("%q: %v", address, err)
		}
	}
}
