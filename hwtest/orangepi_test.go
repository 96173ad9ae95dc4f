package hwtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// TestOrangePi: the first stage of U-Boot comes from a card, as the processor's
// boot ROM reads it, and all else after it. The tap port is a USB adapter. The
// emulated board has no button to switch it off with, so that only records are
// compared that do not wait for the end of a flow.
func TestOrangePi(t *testing.T) {
	l := newLab(t, "orangepi-pc")
	l.boot(rig.Config{})
	l.expect(`U-Boot SPL `)
	_, up := l.expect(`taproot: init up`)
	l.expect(`taproot: uplink eth0 \S+`)
	l.enrol()
	_, acked := l.expect(`taproot: first batch acknowledged`)
	numbers(t, "%s: power-on to init %.1f s, to first acknowledged batch %.1f s (with the operator)", t.Name(), up.Seconds(), acked.Seconds())
	l.expect(`taproot: slot A runs`)

	day := oneDay(t, captures(t), true)
	l.play(day)
	want := engine(t, day)
	for _, kind := range []string{"dns", "arp"} {
		columns := wholeRecords[kind]
		list := strings.Join(strings.Fields(columns), ", ")
		var got []fact
		for deadline := time.Now().Add(bootTimeout); time.Now().Before(deadline) && len(got) < len(want[kind]); time.Sleep(time.Second) {
			got = l.query("SELECT " + list + " FROM " + kind)
		}
		if diff := difference(only(want[kind], columns), only(got, columns)); diff != "" {
			t.Errorf("%s records (-file +collector):\n%s", kind, diff)
		} else {
			t.Logf("%-4s %3d records, each as the file has it", kind, len(got))
		}
	}
}
