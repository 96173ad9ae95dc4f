package hwtest

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/uplink"
)

// TestFailoverAndReturn has the preferred collector fall silent and come back.
// The sensor goes over to the next of the list and returns, loses nothing and
// stores nothing twice; and however long a dial takes, its loop goes on.
func TestFailoverAndReturn(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a sensor to prefer another collector; -short skips it")
	}
	t.Parallel()
	s, dir1, dir2 := newTestSite(t), t.TempDir(), t.TempDir()
	first, second := startCollector(t, s, dir1, "127.0.0.1:0", approve), startCollector(t, s, dir2, "127.0.0.1:0", approve)
	sited := s.public(first.addr)
	sited.Collectors = append(sited.Collectors, second.addr)
	var slow atomic.Bool
	var beats, longest atomic.Int64
	last := time.Now()
	u := startUplinkWith(t, sited, func(cfg *uplink.Config) {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if slow.Load() && address == first.addr {
				select { // as a name server that does not answer
				case <-time.After(4 * time.Second):
				case <-ctx.Done():
				}
			}
			return new(net.Dialer).DialContext(ctx, "udp", address)
		}
		cfg.Heartbeat = func() { // of the loop's goroutine alone
			beats.Add(1)
			longest.Store(max(longest.Load(), int64(time.Since(last))))
			last = time.Now()
		}
	})
	u.send(t, 0, 20, 5000)
	eventually(t, "batches are stored", func() bool {
		return u.hasSaid("first batch acknowledged") && first.edge.Counters()["batches_stored"] >= 20
	})
	slow.Store(true)
	first.stop()
	begin := time.Now()
	u.send(t, 20, 20, 5000)
	eventually(t, "the second collector has them", func() bool { return second.edge.Counters()["batches_stored"] >= 20 })
	t.Logf("NUMBERS stored by the next collector %v after the first fell silent", time.Since(begin).Round(time.Millisecond))
	first = startCollector(t, s, dir1, first.addr, approve)
	stopped := make(chan struct{})
	next := 40
	go func() { // under load all the while
		defer close(stopped)
		for begin := time.Now(); first.edge.Counters()["batches_stored"] == 0 && time.Since(begin) < 40*time.Second; next++ {
			u.send(t, next, 1, 5000)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	<-stopped
	t.Logf("NUMBERS back at the preferred collector %v after the first fell silent", time.Since(begin).Round(time.Millisecond))
	u.finish(t)
	first.stop()
	second.stop()
	got := storedBatches(t, dir1)
	for name, n := range storedBatches(t, dir2) {
		got[name] += n
	}
	if len(got) != next {
		t.Errorf("%d different batches are stored, want %d", len(got), next)
	}
	for name, n := range got {
		if n != 1 {
			t.Errorf("%s is stored %d times", name, n)
		}
	}
	t.Logf("%d beats, the longest pause %v", beats.Load(), time.Duration(longest.Load()).Round(time.Millisecond))
	if time.Duration(longest.Load()) > 3500*time.Millisecond { // a dial that blocked it takes 4 s
		t.Errorf("the loop stood still for %v", time.Duration(longest.Load()))
	}
	if !u.hasSaid("sending by UDP to " + strings.TrimSpace(second.addr)) {
		t.Errorf("uplink said %q", u.said)
	}
}
