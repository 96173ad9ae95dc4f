package slots

import (
	"errors"
	"fmt"
	"strings"
)

// commandLineSlot is the word with which a loader's script tells the kernel
// what it started.
const commandLineSlot = "taproot.slot="

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

// rewrite makes the disk hold b, if it does not.
func rewrite(d Disk, b []byte, at int64) error {
	got := make([]byte, len(b))
	if _, err := d.ReadAt(got, at); err == nil && string(got) == string(b) {
		return nil
	}
	return WriteDurably(d, b, at)
}
