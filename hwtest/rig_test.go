package hwtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/hwtest/rig/wired"
)

// The scenarios that a real board can tell: "make rig RIG=board.toml" runs them
// on the board of that file, which was flashed with an image for its collector.

func TestRigFirstLight(t *testing.T) {
	l := onBench(t)
	l.firstLight(true)
}

func TestRigTapPortIsSilent(t *testing.T) {
	l := onBench(t)
	l.provoke()
	l.powerOff()
	l.tapIsSilent()
}

func TestRigCollectorAway(t *testing.T) { onBench(t).collectorAway() }

// TestRigPowerCuts cuts the power of a board that runs, and of one that starts,
// and wants it back each time. It needs no button.
func TestRigPowerCuts(t *testing.T) {
	w := theRig(t)
	l := newRigLab(t, w)
	for _, until := range []string{`taproot: first batch acknowledged`, `taproot: init up`, `taproot: first batch acknowledged`} {
		l.switchOn(w)
		l.expect(`taproot: init up`)
		if until != `taproot: init up` {
			l.enrol()
		}
		_, after := l.expect(until)
		numbers(t, "%s: %s after %.1f s", t.Name(), until, after.Seconds())
		l.tapIsSilent()
		l.machine.Close()
	}
}

// theRig returns the rig of TAPROOT_RIG.
func theRig(t *testing.T) *rig.Wired {
	t.Helper()
	path := os.Getenv("TAPROOT_RIG")
	if path == "" {
		t.Skip(`needs a board on a bench: "make rig RIG=board.toml"`)
	}
	c, err := wired.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &rig.Wired{Config: c}
}

// onBench switches on the board of TAPROOT_RIG, whose button can be pressed.
func onBench(t *testing.T) *lab {
	t.Helper()
	w := theRig(t)
	if !w.HasButton() {
		t.Skip("needs a [button] in the rig's file: the sensor is to end in good order")
	}
	l := newRigLab(t, w)
	l.switchOn(w)
	return l
}

// newRigLab starts a collector with the keys that the board's image knows.
func newRigLab(t *testing.T, w *rig.Wired) *lab {
	t.Helper()
	l := &lab{t: t, board: w.Config.Board}
	var err error
	if l.collector, err = rig.NewCollectorOf(tools(t), w.Config.Data, filepath.Join(t.TempDir(), "data"), w.Config.Listen, nil); err != nil {
		t.Fatal(err)
	}
	l.startCollector()
	t.Cleanup(l.collector.Kill)
	return l
}
