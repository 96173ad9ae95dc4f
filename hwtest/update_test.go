package hwtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

func TestUpdateTrialUEFI(t *testing.T) { updateTrial(t, "qemu-x86-64", rig.Config{}, true) }
func TestUpdateTrialBIOS(t *testing.T) { updateTrial(t, "qemu-x86-64", rig.Config{BIOS: true}, false) }

func TestUpdateTrialUBoot(t *testing.T) {
	long(t)
	updateTrial(t, "qemu-armhf", rig.Config{}, true)
}

func TestUpdateTrialARM64(t *testing.T) {
	long(t)
	updateTrial(t, "qemu-arm64", rig.Config{}, false)
}

// updateTrial is an update with a real loader, disk and variables, of an image
// that installs itself. If it is to fail first, the first trial is not approved:
// it ends itself, the machine comes back in slot A and refuses the digest until
// that is forgiven. The other trial is confirmed by the batch that its collector
// has stored, and slot B starts from then on.
func updateTrial(t *testing.T, boardName string, how rig.Config, failFirst bool) {
	l := newLab(t, boardName)
	t.Setenv("GOFLAGS", "-tags=drill")
	l.image = filepath.Join(t.TempDir(), "drill")
	if err := tools(t).Image(t.Context(), l.board.Name, l.collector.Site(), "", l.image, nil); err != nil {
		t.Fatal(err)
	}
	os.Unsetenv("GOFLAGS")

	how.Board, how.Image, how.Dir, how.Once = l.board, l.image, t.TempDir(), true
	start := func() {
		t.Helper()
		m, err := rig.Start(t.Context(), how)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		l.machine, how.Disk = m, m.Disk
	}
	restart := func() {
		t.Helper()
		l.expect(`taproot: restarting`)
		ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
		defer cancel()
		if err := l.machine.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		l.tapIsSilent()
		l.machine.Close()
		start()
	}
	start()
	l.expect(`taproot: slot A runs`)
	l.enrol()
	took, _ := l.expect(`taproot: drill: slot B is written, read back and armed in (\S+) s`)
	numbers(t, "%s: a slot is written, read back and armed in %s s", t.Name(), took)
	restart()

	if failFirst {
		l.expect(`taproot: slot B is on trial`)
		l.expect(`taproot: slot B is given up: not confirmed in 30s; not seen: the collector has stored a batch$`)
		restart()
		l.expect(`taproot: slot A runs`)
		l.enrol()
		l.expect(`taproot: drill: updating slot B: digest [0-9a-f]{64} has failed 1 times, the last time unconfirmed$`)
		restart()
	}

	l.expect(`taproot: slot B is on trial`)
	l.enrol()
	l.expect(`taproot: slot B is confirmed`)
	l.powerOff()
	l.machine.Close()

	start()
	l.expect(`taproot: slot B runs`)
	l.enrol()
	l.expect(`taproot: first batch acknowledged`)
	const slotB = "SELECT max(value) FROM sensor WHERE counter = 'slot_b'"
	for deadline := time.Now().Add(bootTimeout); l.ask(slotB) != "1"; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Error("the sensor does not report that slot B runs")
			break
		}
	}
	l.powerOff()
	l.tapIsSilent()
	const trials = "SELECT max(value) FROM sensor WHERE counter LIKE 'trial_unconfirmed_%'"
	if failFirst && l.ask(trials) != "1" {
		t.Errorf("the sensor reported %s failed trials, want 1", l.ask(trials))
	}
}
