//go:build linux

package wan_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/wan"
)

// TestFair has a sensor and one TCP flow share a bottleneck: neither may starve
// the other. The bound is wide, since TCP and machines are moody; the share is
// printed.
func TestFair(t *testing.T) {
	needRoad(t)
	t.Parallel()
	for _, tt := range []struct {
		name  string
		queue int
	}{
		{"a queue of one round trip", 100 << 10},
		{"a quarter of that", 25 << 10},
	} {
		r := road
		r.Queue = tt.queue
		for _, control := range []string{"cubic", "bbr"} {
			if os.Getenv("TAPROOT_LOSSY") == "" && (tt.queue < 100<<10 || control != "cubic") || !hasControl(t, control) {
				continue // make lossy has them all
			}
			share, used := shareWith(t, r, control, 12*time.Second)
			t.Logf("NUMBERS %s, with TCP %s: the sensor has %.0f %% of what gets through, and the road is %.0f %% full", tt.name, control, 100*share, 100*used)
			if control == "cubic" && (share < 0.1 || share > 0.9) { // BBR takes nearly all beside CUBIC too
				t.Errorf("%s: the sensor has %.0f %% beside TCP %s", tt.name, 100*share, control)
			}
		}
	}
}

func hasControl(t *testing.T, name string) bool {
	t.Helper()
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	return err == nil && strings.Contains(string(list), name)
}

// shareWith returns which share of the bytes that got through were the sensor's,
// and how full the road was.
func shareWith(t *testing.T, r wan.Road, control string, d time.Duration) (share, used float64) {
	t.Helper()
	w, c := open(t, r), newSite(t)
	const settle = 5 * time.Second
	c.For, c.Batch, c.Control = settle+d, 24<<10, control
	tcp := c
	tcp.Listen = fmt.Sprintf("%s:%d", wan.Far, port+1)
	collector := start(t, w, true, "collector", c)
	sink := start(t, w, true, "sink", tcp)
	collector.line(t)
	sink.line(t)
	source, sensor := start(t, w, false, "source", tcp), start(t, w, false, "sensor", c)
	time.Sleep(settle)
	n := w.Counts(false)
	udp, other, begin := n.UDP.Load(), n.TCP.Load(), time.Now()
	time.Sleep(d - time.Second) // both still send
	udp, other = n.UDP.Load()-udp, n.TCP.Load()-other
	used = float64(udp+other) / time.Since(begin).Seconds() / float64(r.Rate)
	for _, e := range []*end{source, sensor, sink, collector} {
		e.stop(t)
	}
	return float64(udp) / float64(udp+other), used
}
