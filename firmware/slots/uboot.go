package slots

import (
	"fmt"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// UBoot is a machine whose U-Boot runs our script. Its state is two sectors at
// the end of the region boot, each with a checksum: the slot that is committed,
// and the one to try, which the script takes back before it follows it.
type UBoot struct {
	Disk        Disk
	Table       Table
	CommandLine string // the kernel's, on which the script says what it started
}

// none is what the script leaves where a trial was.
const none = "none"

// Running implements Slots.
func (u *UBoot) Running() (Slot, error) { return onCommandLine(u.CommandLine) }

// Arm implements Slots.
func (u *UBoot) Arm(s Slot) error {
	if err := u.write(s.Other().letter(), s.letter()); err != nil {
		return fmt.Errorf("arming slot %s: %w", s, err)
	}
	return nil
}

// Commit implements Slots.
func (u *UBoot) Commit(s Slot) error {
	if err := u.write(s.letter(), none); err != nil {
		return fmt.Errorf("committing slot %s: %w", s, err)
	}
	return nil
}

// Repair implements Slots.
func (u *UBoot) Repair(committed Slot) error { return u.Commit(committed) }

// write makes the state slot and try. The committed slot is durable before
// anything else is tried.
func (u *UBoot) write(slot, try string) error {
	at, err := u.Table.tail(board.RegionBoot, bootscript.UBootStateSpace)
	if err != nil {
		return err
	}
	if err := rewrite(u.Disk, bootscript.UBootEnv("slot", slot), at); err != nil {
		return err
	}
	return rewrite(u.Disk, bootscript.UBootEnv("try", try), at+bootscript.UBootStateSpace/2)
}
