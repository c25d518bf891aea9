package sqlstore

import (
	"strings"
	"syscall"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT of tcp(7), which package syscall does not name

// limitSilence has the kernel end a TCP connection whose peer acknowledges nothing, as a machine without power: what we sent stays unacknowledged, and no reset comes.
func limitSilence(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failure error
	err := c.Control(func(fd uintptr) {
		failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(postgresSilence.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failure
}
