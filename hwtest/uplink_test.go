package hwtest

import (
	"bytes"
	"errors"
	mrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

func TestUplinkDelivers(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	u := startUplink(t, s.public(c.addr))
	u.send(t, 0, 300, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 300)
	if !u.hasSaid("enrolled") || !u.hasSaid("first batch acknowledged") {
		t.Errorf("uplink said %q", u.said)
	}
}

// A sensor that nobody has approved keeps everything until somebody has.
func TestUplinkWaitsForApproval(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	var approved atomic.Bool
	c := startCollector(t, s, dir, "127.0.0.1:0", func(enrol.Identity) enrol.Status {
		if approved.Load() {
			return enrol.Approved
		}
		return enrol.Pending
	})
	u := startUplink(t, s.public(c.addr))
	u.send(t, 0, 10, 5000)
	eventually(t, "sensor is told to wait", func() bool { return u.hasSaid("waiting for approval") })
	approved.Store(true)
	start := time.Now()
	u.finish(t)
	t.Logf("stored %v after approval", time.Since(start))
	c.stop()
	checkStored(t, dir, 10)
}

// A collector that restarts knows no sessions; nothing is lost and nothing is
// stored twice.
func TestUplinkSurvivesCollectorRestart(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	u := startUplink(t, s.public(c.addr))
	for i := range 3 {
		u.send(t, i*20, 20, 30_000)
		eventually(t, "a batch is acknowledged", func() bool { return u.hasSaid("first batch acknowledged") })
		c.stop()
		c = startCollector(t, s, dir, c.addr, approve)
	}
	u.finish(t)
	c.stop()
	checkStored(t, dir, 60)
}

// A sensor whose site file has another collector's key gets no answer, and the
// collector counts why.
func TestUplinkWrongSiteKey(t *testing.T) {
	s, other := newTestSite(t), newTestSite(t)
	c := startCollector(t, s, t.TempDir(), "127.0.0.1:0", approve)
	u := startUplink(t, other.public(c.addr))
	eventually(t, "the drop is counted", func() bool { return c.edge.Counters()["drop_hello_sealed"] >= 4 })
	eventually(t, "the sensor says so", func() bool { return u.hasSaid("no answer from " + c.addr) })
	if n := c.edge.Counters()["welcomes"]; n != 0 {
		t.Errorf("%d welcomes", n)
	}
	u.send(t, 0, 1, 100)
	u.stop()
	u.pipe.Close()
	if err := <-u.done; err == nil || !strings.Contains(err.Error(), "were not acknowledged") {
		t.Errorf("error at the end = %v, want one that says what was not stored", err)
	}
}

// road forwards datagrams both ways between one sensor and a collector, and
// hands each to spoil, which sends on what it likes.
func road(t *testing.T, to string, spoil func(d []byte, send func([]byte))) string {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close(); back.Close() })
	var sensor atomic.Pointer[net.UDPAddr]
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := front.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				sensor.Store(from)
				spoil(bytes.Clone(buf[:n]), func(d []byte) { back.Write(d) })
			}
		}
	}()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, err := back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && sensor.Load() != nil {
				spoil(bytes.Clone(buf[:n]), func(d []byte) { front.WriteToUDP(d, sensor.Load()) })
			}
		}
	}()
	return front.LocalAddr().String()
}

// On a road that loses, repeats, swaps and damages datagrams, all arrives once.
func TestUplinkOverBadRoad(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	var mu sync.Mutex
	rnd := mrand.New(mrand.NewPCG(5, 6))
	var kept []byte
	addr := road(t, c.addr, func(d []byte, send func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		switch p := rnd.IntN(100); {
		case p < 10: // lost
		case p < 15: // twice
			send(d)
			send(d)
		case p < 20: // late
			kept, d = d, kept
			if d != nil {
				send(d)
			}
		case p < 25: // damaged
			d[rnd.IntN(len(d))] ^= 1 << rnd.IntN(8)
			send(d)
		case p < 27: // cut
			send(d[:rnd.IntN(len(d))])
		default:
			send(d)
		}
	})
	u := startUplink(t, s.public(addr))
	u.send(t, 0, 60, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 60)
	t.Logf("collector counted %v", c.edge.Counters())
}

// A session that was silent for so long that HELLO was said again, and then is
// answered after all, goes on: a new one would send again all that is under way.
func TestSessionOutlivesSilence(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	var mu sync.Mutex
	var silent, asked, told bool
	var welcome func() // that was held back
	sessions := map[uint32]bool{}
	addr := road(t, c.addr, func(d []byte, send func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		kind, id, err := session.ParseHead(d)
		switch {
		case err != nil:
			t.Error(err)
		case silent && (kind == session.TypeData || kind == session.TypeAck):
			return
		case silent && kind == session.TypeWelcome:
			silent, asked = false, true
			welcome = func() { send(d) }
			return
		case asked && kind == session.TypeWelcome: // of another HELLO: only the last one's is taken
			welcome = func() { send(d) }
			return
		case kind == session.TypeData:
			sessions[id] = true
		}
		send(d)
		if asked && kind == session.TypeAck && sessions[id] { // not the new one's first
			welcome()
			asked, told = false, true
		}
	})
	u := startUplink(t, s.public(addr))
	u.send(t, 0, 5, 20_000)
	eventually(t, "the first batches are stored", func() bool { return c.edge.Counters()["batches_stored"] >= 5 })
	mu.Lock()
	silent = true
	mu.Unlock()
	u.send(t, 5, 5, 20_000)
	eventually(t, "the old session is answered before the new one", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return told
	})
	u.send(t, 10, 5, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 15)
	mu.Lock()
	defer mu.Unlock()
	if len(sessions) != 1 {
		t.Errorf("DATA came on %d sessions, want 1", len(sessions))
	}
}
