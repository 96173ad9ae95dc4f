//go:build linux

package wan_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/hwtest/wan"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/site"
)

// needRoad skips where no namespaces can be made.
func needRoad(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs namespaces and some seconds; -short skips it")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
}

func open(t *testing.T, r wan.Road) *wan.WAN {
	t.Helper()
	w, err := wan.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// newSite returns the configs of both ends of a new site.
func newSite(t *testing.T) endConfig {
	t.Helper()
	boxKey, boxPrivate, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, identity, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("%s:%d", wan.Far, port)
	return endConfig{
		Dir: t.TempDir(), Box: boxPrivate[:], Identity: identity.Seed(), Listen: addr,
		Site: site.Site{Name: "test", Collectors: []string{addr}, Box: site.Key(*boxKey), Identity: site.Key(public), Next: site.Key{1}},
	}
}

// carry has a sensor send over a road for a while, and checks that every batch
// is stored once. It returns bytes per second that were stored in that time.
func carry(t *testing.T, r wan.Road, d time.Duration) float64 {
	t.Helper()
	w, c := open(t, r), newSite(t)
	c.For, c.Batch = d, 24<<10
	collector := start(t, w, true, "collector", c)
	collector.line(t)
	sensor := start(t, w, false, "sensor", c)
	var s sent
	if err := json.Unmarshal([]byte(sensor.line(t)), &s); err != nil {
		t.Fatal(err)
	}
	sensor.stop(t)
	counters := collector.stop(t)
	lost, twice := check(t, c.Dir, s.Batches)
	t.Logf("%d batches: lost %d, stored twice %d, given up by the spool %d; the collector counts %s", s.Batches, lost, twice, s.Dropped, counters)
	if lost != 0 || twice != 0 || s.Dropped != 0 {
		t.Errorf("lost %d, stored twice %d, given up %d; want none", lost, twice, s.Dropped)
	}
	return float64(s.InTime) / s.Seconds
}

// check counts the batches 0 to n-1 in a journal.
func check(t *testing.T, dir string, n uint64) (lost, twice int) {
	t.Helper()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r := j.Reader(journal.Pos{})
	defer r.Close()
	seen := make([]int, n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for end, pos := j.End(), (journal.Pos{}); pos.Before(end); {
		var e journal.Entry
		if e, pos, err = r.Next(ctx); err != nil {
			t.Fatal(err)
		}
		_, _, body, err := batch.Parse(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		var i uint64
		if name, _, ok := bytes.Cut(body, []byte(".")); ok && bytes.HasPrefix(name, []byte("batch ")) {
			if _, err := fmt.Sscanf(string(name), "batch %d", &i); err != nil || i >= n {
				t.Fatalf("batch %q was never made", name)
			}
			seen[i]++
		}
	}
	for _, k := range seen {
		if k == 0 {
			lost++
		}
		twice += max(k-1, 0)
	}
	return lost, twice
}

// road is what the goodput is measured on: 20 Mbit/s, 40 ms there and back.
var road = wan.Road{Rate: 20e6 / 8, Queue: 128 << 10, Delay: 20 * time.Millisecond, Seed: 4}

// TestLossy is the proof that nothing is lost and nothing stored twice where
// 30 % of packets are lost each way, 10 % swapped, 5 % come twice and 1 % are
// damaged. TAPROOT_LOSSY says for how long; make lossy says 10m.
func TestLossy(t *testing.T) {
	needRoad(t)
	t.Parallel()
	d := time.Minute
	text := os.Getenv("TAPROOT_LOSSY")
	if text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	clean := carry(t, road, d/6)
	bad := road
	bad.Loss, bad.Reorder, bad.Twice, bad.Corrupt = 0.3, 0.1, 0.05, 0.01
	lossy := carry(t, bad, d)
	t.Logf("NUMBERS goodput for %v with 30 %% lost each way, 10 %% swapped, 5 %% twice, 1 %% damaged: %.2f Mbit/s, %.0f %% of the %.2f Mbit/s without",
		d, lossy*8/1e6, 100*lossy/clean, clean*8/1e6)
	if text != "" && lossy < clean*2/5 { // the goal is half; a busy machine (make test) measures itself
		t.Errorf("goodput is %.0f %% of that without loss", 100*lossy/clean)
	}
}
