package hwtest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// TestWatchdogAcrossReset: a trial hangs before its drivers are loaded, when
// nothing of it watches anything yet. The watchdog that the release before it
// has left armed outlives the reset in between, resets the machine, and the old
// slot starts. The machine is a PC with the chipset's own watchdog alone, which
// QEMU, as the chipset, does not stop at a reset; i6300esb does.
func TestWatchdogAcrossReset(t *testing.T) {
	long(t)
	w := newWorkshop(t, "pc")
	w.how.Board, w.how.Once = withTCO(w.board), false
	w.how.Image = w.build("one")
	w.offer(w.how.Image)
	w.start()
	w.expect(`taproot: slot A runs, release one`)
	w.enrol()
	w.offer(w.build("sick-start"), "--deltas", "0")
	w.expect(`taproot: release sick-start is in slot B`)
	w.expect(`taproot: restarting`)
	_, hung := w.expect(`taproot: drill: hang at the start`)
	ctx, cancel := context.WithTimeout(t.Context(), hangTime+bootTimeout)
	defer cancel()
	_, back, err := w.machine.Console.Expect(ctx, `taproot: the trial of slot B has failed: silent, 1 times`)
	if err != nil {
		t.Fatal(err)
	}
	numbers(t, "%s: back in the old slot %.0f s after the hang", t.Name(), (back.Sub(w.machine.On) - hung).Seconds())
	if n := w.machine.Console.Count(`taproot: slot A runs, release one`); n != 2 {
		t.Errorf("slot A was started %d times, want twice", n)
	}
}

// hangTime is what the chipset's watchdog waits for the next system of a drill.
const hangTime = 2 * 45 * time.Second

// withTCO returns the board with the watchdog of its chipset in place of QEMU's
// i6300esb. Machines strap it off; their BIOS turns it on.
func withTCO(b *board.Board) *board.Board {
	tco, qemu := *b, *b.QEMU
	tco.QEMU = &qemu
	qemu.Args = slices.Clone(qemu.Args)
	i := slices.IndexFunc(qemu.Args, func(a string) bool { return a == "i6300esb,addr=05.0" })
	qemu.Args = append(slices.Delete(qemu.Args, i-1, i+1), "-global", "ICH9-LPC.noreboot=off")
	return &tco
}
