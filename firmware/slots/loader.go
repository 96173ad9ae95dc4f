package slots

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/internal/fat"
)

// commandLineSlot is the word with which a loader's script tells the kernel
// what it started.
const commandLineSlot = "taproot.slot="

// Live is the word for a system that was started from no slot.
const Live = commandLineSlot + "live"

// onCommandLine finds the running slot on the kernel's command line.
func onCommandLine(line string) (Slot, error) {
	for _, word := range strings.Fields(line) {
		if letter, ok := strings.CutPrefix(word, commandLineSlot); ok {
			return slotOf(letter)
		}
	}
	return "", errors.New("finding the running slot: the kernel's command line has no " + commandLineSlot)
}

func errNoRegion(name string) error { return fmt.Errorf("the disk has no region %q", name) }

// tail returns where on the disk the last n bytes of a region begin.
func (t Table) tail(region string, n int64) (int64, error) {
	r, ok := t[region]
	if !ok {
		return 0, errNoRegion(region)
	}
	return r.Start + r.Size - n, nil
}

// file returns where on the disk a file of the region boot lies, which must be
// size bytes in one piece: it is written over in place.
func (t Table) file(d Disk, name string, size int64) (int64, error) {
	r, ok := t[board.RegionBoot]
	if !ok {
		return 0, errNoRegion(board.RegionBoot)
	}
	v, err := fat.Open(io.NewSectionReader(d, r.Start, r.Size))
	if err != nil {
		return 0, err
	}
	f, err := v.Find(name)
	if err != nil {
		return 0, err
	}
	if f.Size != size || len(f.Extents) != 1 {
		return 0, fmt.Errorf("%s has %d bytes in %d pieces, want %d in one", name, f.Size, len(f.Extents), size)
	}
	return r.Start + f.Extents[0].Start, nil
}

// rewrite makes the disk hold b, if it does not.
func rewrite(d Disk, b []byte, at int64) error {
	got := make([]byte, len(b))
	if _, err := d.ReadAt(got, at); err == nil && string(got) == string(b) {
		return nil
	}
	return WriteDurably(d, b, at)
}
