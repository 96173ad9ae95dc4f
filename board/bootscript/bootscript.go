// Package bootscript has what boot loaders read that are not ours: their
// scripts, and the places and bytes of their state on a board's disk.
//
// The builder puts these bytes into images, the sensor changes the state, and
// hwtest's models of the loaders run the very same scripts, so that what is
// proven of a script holds for the one that boots. docs/format/boot-state.md
// has the bytes.
//
// In all of it a slot is called by one small letter, a or b.
package bootscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/board"
)

// sector is what disks write whole: the unit of every state here.
const sector = 512

// partitionNumber returns the number of a board's region, from 1.
func partitionNumber(b *board.Board, region string) (int, error) {
	i := slices.IndexFunc(b.Disk, func(r board.Region) bool { return r.Name == region })
	if i < 0 {
		return 0, fmt.Errorf("board %q: its disk has no region %q", b.Name, region)
	}
	return i + 1, nil
}

// slotNumbers returns the partition numbers of a board's slots.
func slotNumbers(b *board.Board) (slotA, slotB int, err error) {
	if slotA, err = partitionNumber(b, board.RegionSlotA); err != nil {
		return 0, 0, err
	}
	slotB, err = partitionNumber(b, board.RegionSlotB)
	return slotA, slotB, err
}

// tail returns where the last n bytes of a board's region begin.
func tail(b *board.Board, region string, n int64) (int64, error) {
	r, ok := b.Region(region)
	if !ok {
		return 0, fmt.Errorf("board %q: its disk has no region %q", b.Name, region)
	}
	return r.Start + r.Size - n, nil
}

// fill replaces places such as @A@ in a script.
func fill(script string, places map[string]any) string {
	var pairs []string
	for name, value := range places {
		pairs = append(pairs, "@"+name+"@", fmt.Sprint(value))
	}
	return strings.NewReplacer(pairs...).Replace(script)
}
