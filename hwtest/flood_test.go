//go:build linux

package hwtest

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/flood"
	"github.com/taproot-sensor/taproot/wire/session"
)

// While forged datagrams rain, sessions known to the forger among them, nothing
// is lost, nothing is stored twice and nothing forged gets anywhere. How many a
// second that holds for, bench/flood measures.
func TestFlood(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	tap := newWiretap(t, c.addr)
	u := startUplink(t, s.public(tap.addr))
	u.send(t, 0, 10, 5000)
	eventually(t, "the first batches", func() bool { return c.edge.Counters()["batches_stored"] >= 10 })

	tap.mu.Lock()
	sessions := sessionsOf(tap.recorded)
	tap.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Uint64
	flooded := make(chan error, 1)
	go func() {
		flooded <- flood.Run(ctx, flood.Config{To: netip.MustParseAddrPort(c.addr), Rate: 100_000, Sessions: sessions}, &sent)
	}()
	u.send(t, 10, 90, 20_000)
	u.finish(t)
	eventually(t, "a flood worth the name", func() bool { return sent.Load() > 50_000 })
	stop()
	if err := <-flooded; err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // for what is still in the sockets
	got := c.edge.Counters()
	if got["drop_tag"] == 0 || got["drop_no_session"] == 0 || got["drop_hello_cookie"] == 0 {
		t.Errorf("of %d forged datagrams no tag, session or cookie was wrong: %v", sent.Load(), got)
	}
	if n := got["drop_forged"] + got["drop_hello_sealed"] + got["drop_hello_signed"] + got["drop_bad_data"]; n > 0 {
		t.Errorf("%d forged datagrams came past tag and cookie: %v", n, got)
	}
	if got["batches_stored"] < 100 {
		t.Errorf("%d batches were stored, want 100 and the uplink's own", got["batches_stored"])
	}
	c.stop()
	checkStored(t, dir, 100)
}

// sessionsOf returns the sessions that recorded datagrams are of.
func sessionsOf(recorded [][]byte) (all []uint32) {
	seen := map[uint32]bool{}
	for _, d := range recorded {
		if typ, _, err := session.ParseHead(d); err != nil || typ != session.TypeData {
			continue
		}
		if id := binary.BigEndian.Uint32(d[4:]); !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	return all
}
