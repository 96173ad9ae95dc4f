package hwtest_test

import (
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// TestOrangePi: the first stage of U-Boot comes from a card, as the processor's
// boot ROM reads it, and all else after it. The tap port is a USB adapter. The
// emulated board has no button to switch it off with, so that only a kind of
// record is waited for that comes before the end of a flow.
func TestOrangePi(t *testing.T) {
	long(t)
	l := newLab(t, "orangepi-pc")
	l.boot(rig.Config{})
	l.expect(`U-Boot SPL `)
	_, up := l.expect(`taproot: init up`)
	l.expect(`taproot: uplink eth0 \S+`)
	l.enrol()
	_, acked := l.expect(`taproot: first batch acknowledged`)
	numbers(t, "%s: power-on to init %.1f s, to first acknowledged batch %.1f s (with the operator)", t.Name(), up.Seconds(), acked.Seconds())
	l.expect(`taproot: slot A runs`)

	l.play(oneDay(t, captures(t), true))
	const seen = "SELECT count(*) FROM dns"
	for deadline := time.Now().Add(bootTimeout); l.ask(seen) == "0"; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("no record of what was played; the sensor counted %v",
				l.query("SELECT stage, counter, max(value) AS n FROM sensor WHERE value > 0 GROUP BY ALL"))
		}
	}
	t.Logf("records of DNS: %s", l.ask(seen))
}
