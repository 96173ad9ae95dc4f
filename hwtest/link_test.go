package hwtest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// apart is how long a frame waits that goes the other way than the one before
// it: the kernel reads the time when it takes a frame from a port, and under TCG, on a
// busy host, that may be a while after it came.
const apart = 150 * time.Millisecond

// TestLink: a passive tap has an output for each direction of a link, and a
// machine with two processors listens at both. What comes of them is what one
// port would have seen of both directions.
func TestLink(t *testing.T) {
	long(t)
	l := newLab(t, "pc-link")
	l.boot(rig.Config{Direct: true})
	l.enrol()
	for _, port := range []string{"eth1", "eth2"} {
		l.expect(`taproot: tap port ` + port + ` open`)
	}
	day := oneDay(t, captures(t), false)
	sent, last := [2]int{}, 0
	for frame, err := range rig.Frames(day) {
		if err != nil {
			t.Fatal(err)
		}
		way := direction(frame)
		if way != last {
			time.Sleep(apart)
		}
		if err := l.machine.Taps[way].Send(frame); err != nil {
			t.Fatal(err)
		}
		sent[way]++
		last = way
	}
	l.powerOff()
	want := engine(t, day)
	for kind, columns := range wholeRecords {
		distinct := ""
		if kind == "dns" { // a question that came behind its answer, on a very slow host, has a record of its own
			distinct, columns = "DISTINCT", "src_addr src_port dst_addr dst_port proto id name qtype"
		}
		got := l.query(fmt.Sprintf("SELECT %s %s FROM %s", distinct, strings.Join(strings.Fields(columns), ", "), kind))
		if diff := difference(only(want[kind], columns), only(got, columns)); diff != "" {
			t.Errorf("%s records (-file +collector):\n%s", kind, diff)
		}
	}
	both := l.ask("SELECT count(*) FROM flow WHERE src_packets > 0 AND dst_packets > 0")
	if both == "0" {
		t.Error("no flow has both directions")
	}
	shards := l.query("SELECT stage, max(value) AS packets FROM sensor WHERE stage LIKE 'flow/%' AND counter = 'packets' GROUP BY stage HAVING max(value) > 0")
	if len(shards) != 2 {
		t.Errorf("%d shards have seen packets, want 2: %v", len(shards), shards)
	}
	numbers(t, "%s: %d and %d frames at two ports, %s of %d flows have both directions; packets by shard: %v", t.Name(), sent[0], sent[1], both, len(want["flow"]), shards)
}

// direction tells the two ends of a link apart, by the order of their addresses.
func direction(frame []byte) int {
	const ethernet = 1
	var m decode.Meta
	if decode.Decode(ethernet, frame, len(frame), &m); m.Kind == decode.IP && bytes.Compare(m.Src[:], m.Dst[:]) > 0 ||
		m.Kind != decode.IP && len(frame) >= 12 && bytes.Compare(frame[6:12], frame[:6]) > 0 {
		return 1
	}
	return 0
}
