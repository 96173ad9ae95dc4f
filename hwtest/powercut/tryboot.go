package powercut

import (
	"errors"
	"fmt"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
)

// trybootChain is a Raspberry Pi. No emulator runs its firmware; this model is
// of what the documentation says of it.
func trybootChain() *Chain {
	return &Chain{
		Name:  "tryboot",
		Board: modelBoard("tryboot", board.Tryboot),
		Boot:  bootPi,
		Slots: func(m *Machine, t slot.Table, s Start) slot.Slots {
			return &slot.Tryboot{Disk: m.Disk, Table: t, Partition: s.Partition}
		},
		System: func(name string) map[string][]byte {
			return map[string][]byte{"config.txt": []byte("kernel=kernel8.img\n"), "kernel8.img": payload(name, "")}
		},
		Prepare: func(b *board.Board, disk []byte) error {
			r, ok := b.Region(board.RegionBoot)
			if !ok {
				return errors.New("no region boot")
			}
			copy(disk[r.Start:], fat12(int(r.Size), map[string][]byte{bootscript.AutobootName: bootscript.Autoboot(2, 3)}))
			return nil
		},
	}
}

// bootPi does what the firmware does: autoboot.txt in the first partition names
// the one to start, another if the reboot asked for a trial; what that asks for
// is forgotten before it is followed. Where the partition has no system there
// is no other try (https://www.raspberrypi.com/documentation/computers/config_txt.html).
func bootPi(m *Machine) (Start, error) {
	t, err := slot.ReadTable(m.Disk)
	if err != nil {
		return Start{}, err
	}
	text, err := m.readFile(t[board.RegionBoot], bootscript.AutobootName)
	if err != nil {
		return Start{}, err
	}
	number, err := bootscript.ParseAutoboot(text, m.Argument == bootscript.TrybootArgument)
	if err != nil {
		return Start{}, err
	}
	for _, s := range []slot.Slot{slot.A, slot.B} {
		r := t[s.Region()]
		if r.Number != number {
			continue
		}
		config, err := m.readFile(r, "config.txt")
		if err != nil {
			return Start{}, err
		}
		for line := range strings.Lines(string(config)) {
			if kernel, ok := strings.CutPrefix(strings.TrimSpace(line), "kernel="); ok {
				_, err = m.readFile(r, kernel)
				return Start{Slot: s, Partition: number}, err
			}
		}
		return Start{}, errors.New("config.txt names no kernel")
	}
	return Start{}, fmt.Errorf("autoboot.txt names partition %d, which is no slot", number)
}
