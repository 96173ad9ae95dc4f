package board_test

import (
	"slices"
	"testing"

	"github.com/taproot-sensor/taproot/board"
)

func TestPins(t *testing.T) {
	roles := []board.PinRole{board.PinPower, board.PinLink, board.PinTap, board.PinUplink, board.PinUpdate, board.PinFault, board.PinButton}
	type line struct {
		chip string
		line int
	}
	for _, b := range board.All() {
		taken, buttons := map[line]board.PinRole{}, map[string]int{}
		for _, p := range b.Pins {
			at := line{p.Chip, p.Line}
			if other, ok := taken[at]; ok {
				t.Errorf("%s: line %d of %s is for %s and for %s", b.Name, p.Line, p.Chip, other, p.Role)
			}
			taken[at] = p.Role
			if p.Chip == "" || p.Line < 0 || !slices.Contains(roles, p.Role) {
				t.Errorf("%s: pin %+v is not usable", b.Name, p)
			}
			if p.Role == board.PinButton {
				if buttons[p.Chip]++; buttons[p.Chip] > 1 {
					t.Errorf("%s: %s has more than one button", b.Name, p.Chip)
				}
			}
		}
		if b.QEMU != nil && b.QEMU.PinData != 0 && len(b.Pins) == 0 {
			t.Errorf("%s: QEMU shows lines that the board does not have", b.Name)
		}
	}
}
