package hwtest

import (
	"testing"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

// A sensor that has gone over to a collector where nobody approves it comes
// back to the one where it is approved.
func TestUplinkComesBack(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	first := startCollector(t, s, dir, "127.0.0.1:0", approve)
	second := startCollector(t, s, t.TempDir(), "127.0.0.1:0", func(enrol.Identity) enrol.Status { return enrol.Pending })
	sited := s.public(first.addr)
	sited.Collectors = append(sited.Collectors, second.addr)
	u := startUplink(t, sited)
	u.send(t, 0, 3, 5000)
	eventually(t, "a batch is acknowledged", func() bool { return u.hasSaid("first batch acknowledged") })
	first.stop()
	u.send(t, 3, 3, 5000)
	eventually(t, "the second collector is asked", func() bool { return u.hasSaid("waiting for approval") })
	first = startCollector(t, s, dir, first.addr, approve)
	u.finish(t)
	first.stop()
	checkStored(t, dir, 6)
}
