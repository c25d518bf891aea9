package e2e

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Every name in this zone leads to 127.0.0.1.
const testZone = "doorward.test."

// The key that may change the zone.
const (
	zoneKeyName = "doorward-key."
	zoneKey     = "c2l4dGVlbi1vci1tb3JlLWJ5dGVzLW9mLWtleQ=="
)

// nameServer is an authoritative DNS server of one zone, with dynamic updates (RFC 2136) that TSIG signs (RFC 8945).
type nameServer struct {
	addr string // 127.0.0.1:PORT, UDP and TCP

	mu      sync.Mutex
	texts   map[string][]string // TXT records by name
	added   []string            // names that ever got one
	refused int                 // updates without a right signature
}

// startNameServer starts one for a test.
func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	n := &nameServer{texts: map[string][]string{}}
	packets, listener := listenBoth(t)
	n.addr = listener.Addr().String()
	for _, server := range []*dns.Server{{PacketConn: packets}, {Listener: listener}} {
		server.Handler, server.TsigSecret = n, map[string]string{zoneKeyName: zoneKey}
		server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept } // the default takes no updates
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }() // ends with Shutdown
		<-started
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return n
}

// listenBoth opens one free port for UDP and TCP.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return packets, listener
		}
		listener.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// ServeDNS answers questions and updates.
func (n *nameServer) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	answer := new(dns.Msg).SetReply(r)
	answer.Authoritative = true
	signature := r.IsTsig()
	if r.Opcode == dns.OpcodeUpdate {
		answer.Rcode = n.update(r, signature != nil && w.TsigStatus() == nil)
	} else {
		n.answer(answer, r.Question[0])
	}
	if signature != nil && w.TsigStatus() == nil {
		answer.SetTsig(signature.Hdr.Name, signature.Algorithm, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(answer)
}

func (n *nameServer) update(r *dns.Msg, signed bool) (rcode int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !signed {
		n.refused++
		return dns.RcodeRefused
	}
	for _, rr := range r.Ns {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			return dns.RcodeNotImplemented
		}
		name, value := strings.ToLower(txt.Hdr.Name), strings.Join(txt.Txt, "")
		if txt.Hdr.Class == dns.ClassINET {
			n.texts[name] = append(n.texts[name], value)
			n.added = append(n.added, name)
			continue
		}
		var kept []string
		for _, v := range n.texts[name] {
			if v != value {
				kept = append(kept, v)
			}
		}
		n.texts[name] = kept
	}
	return dns.RcodeSuccess
}

func (n *nameServer) answer(m *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain(testZone, name) {
		m.Rcode = dns.RcodeNameError
		return
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	switch q.Qtype {
	case dns.TypeSOA:
		if name == testZone {
			m.Answer = append(m.Answer, &dns.SOA{Hdr: header, Ns: "ns." + testZone, Mbox: "hostmaster." + testZone, Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 1})
		}
	case dns.TypeA:
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)})
	case dns.TypeTXT:
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, value := range n.texts[name] {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: []string{value}})
		}
	}
}

// left counts the TXT records that are there, and tells the names that ever had one.
func (n *nameServer) left() (left int, added []string, refused int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, values := range n.texts {
		left += len(values)
	}
	return left, append([]string(nil), n.added...), n.refused
}
