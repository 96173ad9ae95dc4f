package slots

import (
	"fmt"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// BIOS is a machine whose BIOS starts GRUB from the region bios-boot. Which slot
// to start is in GRUB's environment block, a file in the region boot that changes
// in one sector; GRUB takes a trial back before it follows it.
type BIOS struct {
	Disk        Disk
	Table       Table
	CommandLine string // the kernel's, on which GRUB says what it started
}

// Running implements Slots.
func (g *BIOS) Running() (Slot, error) { return onCommandLine(g.CommandLine) }

// Arm implements Slots.
func (g *BIOS) Arm(s Slot) error {
	if err := g.write(bootscript.GRUBEnv(s.Other().letter(), s.letter())); err != nil {
		return fmt.Errorf("arming slot %s: %w", s, err)
	}
	return nil
}

// Commit implements Slots.
func (g *BIOS) Commit(s Slot) error {
	if err := g.write(bootscript.GRUBEnv(s.letter(), "")); err != nil {
		return fmt.Errorf("committing slot %s: %w", s, err)
	}
	return nil
}

// Repair implements Slots: GRUB's state is one sector, so this is Commit.
func (g *BIOS) Repair(committed Slot) error { return g.Commit(committed) }

// write makes the environment block b. Where the file system around it is lost,
// it is made anew.
func (g *BIOS) write(b []byte) error {
	at, err := g.Table.file(g.Disk, bootscript.GRUBEnvName, bootscript.GRUBEnvSize)
	if err == nil {
		return rewrite(g.Disk, b, at)
	}
	r, ok := g.Table[board.RegionBoot]
	volume := bootscript.GRUBVolume(b)
	if !ok || r.Size < int64(len(volume)) {
		return err
	}
	return WriteDurably(g.Disk, volume, r.Start)
}
