package hwtest

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/taproot-sensor/taproot/wire/session"
)

// Whatever a stranger sends changes nothing but a counter.
func TestEdgeDropsHostileDatagrams(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	var mu sync.Mutex
	var recorded [][]byte
	addr := road(t, c.addr, func(d []byte, send func([]byte)) {
		mu.Lock()
		recorded = append(recorded, d)
		mu.Unlock()
		send(d)
	})
	u := startUplink(t, s.public(addr))
	u.send(t, 0, 5, 3000)
	u.finish(t)

	mu.Lock()
	var hello, data []byte
	for _, d := range recorded {
		switch typ, _, _ := session.ParseHead(d); typ {
		case session.TypeHello:
			hello = d
		case session.TypeData:
			data = d
		}
	}
	mu.Unlock()
	conn, err := net.Dial("udp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	edit := func(d []byte, at int, b byte) []byte {
		d = bytes.Clone(d)
		d[at] ^= b
		return d
	}
	tests := []struct {
		name     string
		datagram []byte
		counter  string
	}{
		{"replayed DATA", data, "drop_replay"},
		{"forged tag", edit(data, 16, 1), "drop_tag"},
		{"forged header", edit(data, 15, 1), "drop_tag"},
		{"forged box", edit(data, len(data)-1, 1), "drop_replay"}, // its number has come, so it is not even opened
		{"truncated DATA", data[:30], "drop_kernel"},              // by the socket's filter
		{"no such session", edit(data, 4, 0xff), "drop_no_session"},
		{"other version", edit(data, 2, 3), "drop_version"},
		{"not ours", []byte("GET / HTTP/1.0\r\n\r\n"), "drop_kernel"},
		{"an ACK", edit(data, 3, 1), "drop_not_ours"},
		{"oversize", append(bytes.Clone(data), make([]byte, 1500)...), "drop_oversize"},
		{"replayed HELLO", hello, "drop_hello_cookie"}, // it has the cookie of another port
		{"forged HELLO", edit(hello, 100, 1), "drop_hello_cookie"},
		{"truncated HELLO", hello[:500], "drop_short"},
	}
	before := c.edge.Counters()
	for _, tt := range tests {
		was := c.edge.Counters()[tt.counter]
		if _, err := conn.Write(tt.datagram); err != nil {
			t.Fatal(err)
		}
		eventually(t, tt.name+" is counted as "+tt.counter, func() bool { return c.edge.Counters()[tt.counter] == was+1 })
	}
	after := c.edge.Counters()
	for _, same := range []string{"batches", "batches_stored", "welcomes"} {
		if after[same] != before[same] {
			t.Errorf("%s went from %d to %d", same, before[same], after[same])
		}
	}
	c.stop()
	checkStored(t, dir, 5)
}
