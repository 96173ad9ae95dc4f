package slots

import (
	"fmt"

	"github.com/taproot-sensor/taproot/board/bootscript"
)

// Tryboot is a Raspberry Pi. Its firmware reads autoboot.txt in the first
// partition, which names the committed slot and, for a start with the argument
// "0 tryboot", the other. That argument is kept in the processor and used once,
// so that a power cut takes a trial back by itself. Commit writes the one
// sector of autoboot.txt over in place.
type Tryboot struct {
	Disk      Disk
	Table     Table
	Partition int // that the firmware started: /proc/device-tree/chosen/bootloader/partition

	armed bool
}

// Running implements Slots.
func (t *Tryboot) Running() (Slot, error) {
	for _, s := range []Slot{A, B} {
		if t.Table[s.Region()].Number == t.Partition {
			return s, nil
		}
	}
	return "", fmt.Errorf("finding the running slot: this system was started from partition %d, which is no slot", t.Partition)
}

// Arm implements Slots.
func (t *Tryboot) Arm(s Slot) error {
	if err := t.Commit(s.Other()); err != nil {
		return fmt.Errorf("arming slot %s: %w", s, err)
	}
	t.armed = true
	return nil
}

func (t *Tryboot) argument() string { return bootscript.TrybootArgument }

// Commit implements Slots.
func (t *Tryboot) Commit(s Slot) error {
	t.armed = false
	at, err := t.Table.file(t.Disk, bootscript.AutobootName, bootscript.AutobootSize)
	if err == nil {
		err = rewrite(t.Disk, bootscript.Autoboot(t.Table[s.Region()].Number, t.Table[s.Other().Region()].Number), at)
	}
	if err != nil {
		return fmt.Errorf("committing slot %s: %w", s, err)
	}
	return nil
}

// Repair implements Slots.
func (t *Tryboot) Repair(committed Slot) error { return t.Commit(committed) }
