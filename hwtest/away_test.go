package hwtest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// awayFor is how long the collector is gone.
const awayFor = 30 * time.Second

// lookupsPerSecond is how fast names are asked for on the tap while a
// collector is away: each name once, so that a record lost or stored twice
// shows.
const lookupsPerSecond = 100

// TestCollectorAway stops the collector in good order under traffic and starts
// it again half a minute later. Every record arrives, once.
func TestCollectorAway(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	l.boot(rig.Config{Direct: true})
	l.collectorAway()
}

func (l *lab) collectorAway() {
	t := l.t
	l.enrol()
	n := l.lookups(0, 3*time.Second)
	if err := l.collector.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("collector stopped after %d names", n)
	n = l.lookups(n, awayFor)
	l.startCollector()
	t.Logf("collector back after %d names", n)
	n = l.lookups(n, 3*time.Second)
	l.everyNameOnce(n)
}

// TestKillCollector kills the collector twice under traffic, as a power cut
// would. Nothing acknowledged is lost, nothing is stored twice.
func TestKillCollector(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	l.boot(rig.Config{Direct: true})
	l.enrol()
	n := 0
	for range 2 {
		n = l.lookups(n, 5*time.Second)
		l.collector.Kill()
		t.Logf("collector killed after %d names", n)
		n = l.lookups(n, 2*time.Second)
		l.startCollector()
		t.Logf("collector back after %d names", n)
	}
	n = l.lookups(n, 3*time.Second)
	l.everyNameOnce(n)
}

// lookups asks for names on the tap, from number n on, for so long, and returns
// the number of the next.
func (l *lab) lookups(n int, long time.Duration) int {
	l.t.Helper()
	l.expect(`taproot: tap port \S+ open`)
	tick := time.NewTicker(time.Second / lookupsPerSecond)
	defer tick.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); n++ {
		for _, frame := range lookup(n, name(n)) {
			if err := l.machine.Tap.Send(frame); err != nil {
				l.t.Fatal(err)
			}
		}
		<-tick.C
	}
	return n
}

func name(n int) string { return fmt.Sprintf("n%06d", n) }

// everyNameOnce switches the sensor off, which delivers what it still has, and
// asks the collector for the names.
func (l *lab) everyNameOnce(n int) {
	l.t.Helper()
	l.powerOff()
	stored := map[string]string{}
	for _, row := range l.query("SELECT name, count(*) AS times FROM dns GROUP BY name") {
		stored[row["name"]] = row["times"]
	}
	var lost, twice []string
	for i := range n {
		switch stored[name(i)+".lab.example"] {
		case "1":
		case "":
			lost = append(lost, name(i))
		default:
			twice = append(twice, name(i))
		}
	}
	if len(lost) > 0 || len(twice) > 0 || len(stored) != n {
		for _, row := range l.query("SELECT stage, counter, max(value) AS value FROM sensor GROUP BY ALL HAVING max(value) > 0 ORDER BY ALL") {
			l.t.Logf("sensor counted %s %s %s", row["stage"], row["counter"], row["value"])
		}
		l.t.Fatalf("of %d names, %q were lost and %q stored more than once; the collector has %d", n, lost, twice, len(stored))
	}
	if flows := l.ask("SELECT count(*) AS n FROM flow WHERE dst_port = 53"); flows != strconv.Itoa(n) {
		l.t.Errorf("the collector has %s flows of %d", flows, n)
	}
	l.t.Logf("all %d names arrived, each once", len(stored))
}

// awaitRows waits until the collector has stored n records of a kind.
func (l *lab) awaitRows(kind string, n int) {
	l.t.Helper()
	for deadline := time.Now().Add(bootTimeout); ; time.Sleep(500 * time.Millisecond) {
		got, _ := strconv.Atoi(l.ask("SELECT count(*) AS n FROM " + kind))
		if got >= n {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("collector has %d %s records after %v, want %d", got, kind, bootTimeout, n)
		}
	}
}
