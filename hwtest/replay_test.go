package hwtest

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

// wiretap is a road that keeps what sensors send, as somebody on the way can.
type wiretap struct {
	front, back *net.UDPConn
	addr        string

	mu       sync.Mutex
	to       netip.AddrPort // the collector
	sensor   netip.AddrPort
	recorded [][]byte
}

func newWiretap(t *testing.T, to string) *wiretap {
	t.Helper()
	w := &wiretap{to: netip.MustParseAddrPort(to)}
	for _, conn := range []**net.UDPConn{&w.front, &w.back} {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		*conn = c
	}
	w.addr = w.front.LocalAddr().String()
	go w.carry(w.front, func(d []byte, from netip.AddrPort) {
		w.sensor = from
		w.recorded = append(w.recorded, bytes.Clone(d))
		w.back.WriteToUDPAddrPort(d, w.to)
	})
	go w.carry(w.back, func(d []byte, _ netip.AddrPort) { w.front.WriteToUDPAddrPort(d, w.sensor) })
	return w
}

func (w *wiretap) carry(conn *net.UDPConn, each func(d []byte, from netip.AddrPort)) {
	for b := make([]byte, 1<<16); ; {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return // closed
		}
		w.mu.Lock()
		each(b[:n], from)
		w.mu.Unlock()
	}
}

// A recorded conversation that is sent again, every HELLO and every DATA, is
// taken by nobody: not by the collector it was with, not by that one started
// again, and not by another one that has the site's keys and an empty journal.
// It comes from where the sensor was: elsewhere a cookie is worth even less.
func TestReplayIsTakenByNobody(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	var asked atomic.Int64
	decide := func(enrol.Identity) enrol.Status {
		asked.Add(1)
		return enrol.Approved
	}
	c := startCollector(t, s, dir, "127.0.0.1:0", decide)
	tap := newWiretap(t, c.addr)
	u := startUplink(t, s.public(tap.addr))
	u.send(t, 0, 20, 20_000)
	u.finish(t)

	tap.mu.Lock()
	recorded := tap.recorded
	tap.mu.Unlock()
	hellos := 0
	for _, d := range recorded {
		if typ, _, err := session.ParseHead(d); err == nil && typ == session.TypeHello {
			hellos++
		}
	}
	if hellos < 2 || len(recorded) < 300 {
		t.Fatalf("%d datagrams were recorded, %d HELLOs among them", len(recorded), hellos)
	}
	replay := func(name string, c *testCollector) {
		before, deciders := c.edge.Counters(), asked.Load()
		to := netip.MustParseAddrPort(c.addr)
		for _, d := range recorded {
			if _, err := tap.back.WriteToUDPAddrPort(d, to); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, name+" to read the replay", func() bool {
			return c.edge.Counters()["datagrams"]-before["datagrams"] == uint64(len(recorded))
		})
		time.Sleep(50 * time.Millisecond) // for HELLOs that wait
		after := c.edge.Counters()
		for _, accepted := range []string{"welcomes", "batches", "batches_stored", "chunks_again", "drop_bad_data"} {
			if n := after[accepted] - before[accepted]; n != 0 {
				t.Errorf("%s: %s rose by %d", name, accepted, n)
			}
		}
		if n := asked.Load() - deciders; n != 0 {
			t.Errorf("%s: %d replayed HELLOs were asked about", name, n)
		}
		var dropped uint64
		for _, reason := range []string{"drop_replay", "drop_no_session", "drop_hello_cookie", "drop_hello_replay", "drop_hello_queue"} {
			dropped += after[reason] - before[reason]
		}
		if dropped != uint64(len(recorded)) {
			t.Errorf("%s: %d of %d datagrams are counted as dropped: %v", name, dropped, len(recorded), after)
		}
	}
	replay("the same collector", c)
	addr := c.addr
	c.stop()
	c = startCollector(t, s, dir, addr, decide)
	replay("the collector started again", c)
	c.stop()
	replay("another collector", startCollector(t, s, t.TempDir(), "127.0.0.1:0", decide))
	checkStored(t, dir, 20)
}
