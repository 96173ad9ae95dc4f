package hwtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"math"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
)

// A sensor that has more than its rate is slowed down and not refused; one whose
// batches wait in the journal beyond its share is refused until they do not.
// Another goes on meanwhile, and nothing is lost or stored twice.
func TestSensorQuota(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a rate; -short skips it")
	}
	s, dir := newTestSite(t), t.TempDir()
	shares := quota.NewShares(1 << 20)
	c := startCollectorWith(t, s, dir, "127.0.0.1:0", approve, shares)
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	usage := func() quota.Usage {
		return shares.Usage([32]byte(identity.Public().(ed25519.PublicKey)), time.Now())
	}
	until := func(what string, ok func(quota.Usage) bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); !ok(usage()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not %s after 60 s: %+v", what, usage())
			}
		}
	}
	u := startUplinkAs(t, s.public(c.addr), identity)
	const size, rest = 200_000, 6
	const first = (10*len("batch 0.") + 20*len("batch 10.")) * (size/10 + 1) // bytes of the first 30, without heads
	u.send(t, 0, 30, size)                                                   // of 4 MiB at once and 1 MiB/s
	until("slowed", func(u quota.Usage) bool { return u.Slowed })
	until("stored", func(u quota.Usage) bool { return u.Stored > uint64(first) })
	before := usage().Stored
	if got := usage().Refused; got > 0 {
		t.Errorf("%d batches of a sensor that keeps to its rate were refused", got)
	}

	shares.SetRoom(quota.Room{Newest: 1, Left: 1 << 20})
	u.send(t, 30, rest, size)
	until("refused", func(u quota.Usage) bool { return u.Refused > 0 })
	if n := c.edge.Counters()["drop_quota"]; n == 0 || n > 100 {
		t.Errorf("drop_quota = %d", n)
	}
	other := startUplink(t, s.public(c.addr))
	other.send(t, 30+rest, 1, size)
	other.finish(t)
	if got := usage(); got.Stored != before || !got.Slowed {
		t.Errorf("the sensor goes on beyond its share: %+v", got)
	}
	shares.SetRoom(quota.Room{Oldest: 1, Newest: 1, Left: math.MaxInt64})
	u.finish(t)
	c.stop()
	checkStored(t, dir, 30+rest+1)
}
