package powercut

import (
	"bytes"
	"maps"

	"github.com/taproot-sensor/taproot/board"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
)

// RealMachine returns the model of a machine with a board's real disk, and with
// the variables of its firmware.
func RealMachine(b *board.Board, boot board.Boot, disk []byte, vars map[string][]byte) *Machine {
	c := *chainFor(b, boot)
	c.Board = b
	return &Machine{Chain: &c, Disk: &Disk{Bytes: disk}, Vars: &Vars{kept: maps.Clone(vars), volatile: map[string][]byte{}}}
}

func chainFor(b *board.Board, boot board.Boot) *Chain {
	switch boot {
	case board.BIOS:
		return biosChain()
	case board.UBoot:
		return ubootChain()
	case board.Tryboot:
		return trybootChain()
	}
	return uefiChain(b.Name, map[string]string{"amd64": `\EFI\BOOT\BOOTX64.EFI`, "arm64": `\EFI\BOOT\BOOTAA64.EFI`}[b.Arch])
}

// volumeID is where a FAT12 or FAT16 file system has a number that means
// nothing: systems that differ in it alone start alike.
const volumeID = 39

// RealReleases are made of what is in slot A: systems that differ in the number
// of their file system, all of them good.
func RealReleases(m *Machine, n int) []*Release {
	all := []*Release{NewRelease("flashed", Good, bytes.Clone(m.Holds(slot.A)))}
	for i := range n {
		image := bytes.Clone(m.Holds(slot.A))
		image[volumeID] += byte(i) + 1
		all = append(all, NewRelease("number "+string(rune('1'+i)), Good, image))
	}
	return all
}

// Kept returns the firmware variables that outlive a power cut.
func (m *Machine) Kept() map[string][]byte { return maps.Clone(m.Vars.kept) }

// Expect returns what this machine does when it is switched on next: the slot
// that is started, whether that is a trial, and what its journal holds then.
func (rec *Recording) Expect(m *Machine) (running slot.Slot, trial bool, state slot.State, err error) {
	u, status, _, err := rec.Releases.start(m, true)
	if err != nil {
		return "", false, state, err
	}
	return status.Running, status.Trial != nil, u.State(), nil
}
