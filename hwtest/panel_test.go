package hwtest_test

import (
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// lights are the roles and what their lines show, as the share of time for which
// they are high.
type lights map[board.PinRole]float64

const (
	dark  = 0.0
	flash = 0.1
	blink = 0.5
	wink  = 0.9
	lit   = 1.0
)

// TestPanel reads the lines of a board's lights from outside, while the sensor
// joins, works, and ends because its button is held. QEMU's machine has the
// lines, and nothing hangs on them but the rig.
func TestPanel(t *testing.T) {
	l := newLab(t, "qemu-arm64")
	l.boot(rig.Config{Direct: true})
	l.expect(`taproot: panel ready`)
	l.expect(`taproot: tap port \S+ open`)
	l.expect(`taproot: waiting for approval`)
	l.shows("waiting for approval", lights{board.PinPower: lit, board.PinLink: lit, board.PinTap: lit, board.PinUplink: flash, board.PinUpdate: dark, board.PinFault: dark})

	l.enrol()
	l.expect(`taproot: first batch acknowledged`)
	l.shows("enrolled", lights{board.PinPower: lit, board.PinLink: lit, board.PinTap: lit, board.PinUplink: lit, board.PinUpdate: dark, board.PinFault: dark})

	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if err := l.machine.Tap.Send(lookup(1, "panel")[0]); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	l.shows("traffic", lights{board.PinTap: wink, board.PinUplink: lit})
	<-stop

	button := l.line(board.PinButton)
	l.drive(button, true)
	time.Sleep(500 * time.Millisecond)
	l.drive(button, false)
	l.expect(`taproot: button: mark 1`)
	l.shows("answering", lights{board.PinUpdate: blink, board.PinFault: blink})

	l.drive(button, true)
	l.expect(`taproot: button: power off`)
	l.expect(`taproot: powering off`)
	if n := l.ask("SELECT max(value) AS n FROM sensor WHERE stage = 'board' AND counter = 'button_marks'"); n != "1" {
		t.Errorf("the collector knows of %s marks, want 1", n)
	}
}

// line returns the line of a role, on the chip that the machine has.
func (l *lab) line(role board.PinRole) int {
	l.t.Helper()
	for _, p := range l.board.Pins {
		if p.Role == role {
			return p.Line
		}
	}
	l.t.Fatalf("board %s has no %s", l.board.Name, role)
	return -1
}

func (l *lab) drive(line int, high bool) {
	l.t.Helper()
	if err := l.machine.Drive(line, high); err != nil {
		l.t.Fatal(err)
	}
}

// shows waits until the lights show what they should: a state is read once a
// second, and takes a moment to be one.
func (l *lab) shows(when string, want lights) {
	l.t.Helper()
	const (
		seconds = 2
		near    = 0.07 // of readings: a machine under TCG does not tick evenly
	)
	var got [8]float64
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var err error
		if got, err = l.machine.Watch(l.t.Context(), seconds*time.Second); err != nil {
			l.t.Fatal(err)
		}
		ok := true
		for role, share := range want {
			g := got[l.line(role)]
			steady := share == dark || share == lit
			ok = ok && (steady && g == share || !steady && g > dark && g < lit && g > share-near && g < share+near)
		}
		if ok {
			l.t.Logf("%s: lines are high for %.2f of the time", when, got)
			return
		}
	}
	l.t.Errorf("%s: lines are high for %.2f of the time, want %v", when, got, want)
}
