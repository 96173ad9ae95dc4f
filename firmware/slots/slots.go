// Package slots says which of a disk's two slots a machine starts: the one it
// runs from, the one that is committed, and the one that is tried once.
//
// A slot is a region of the disk that holds one whole system and is started by
// the machine's firmware or by a boot loader. Each of them keeps its own
// pointer to a slot, in its own way; Slots hides the way. Package update, the
// only user, keeps the intent in a Journal. What runs is the truth, the journal
// is the intent, and the pointers are derived: Repair sets them at each boot.
//
// Everything works on a Disk and on Vars, which are a machine's own or a
// model's: hwtest/powercut cuts the power between any two writes of either.
// docs/format/boot-state.md has the bytes.
package slots

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/taproot-sensor/taproot/board"
)

// Slot is one of the two systems on a disk.
type Slot string

// The slots.
const (
	A Slot = "A"
	B Slot = "B"
)

// Other returns the other slot.
func (s Slot) Other() Slot {
	if s == A {
		return B
	}
	return A
}

// letter is what boot loaders call the slot.
func (s Slot) letter() string { return strings.ToLower(string(s)) }

// Region is the name of the slot's region.
func (s Slot) Region() string {
	if s == A {
		return board.RegionSlotA
	}
	return board.RegionSlotB
}

// slotOf returns the slot that a boot loader means.
func slotOf(letter string) (Slot, error) {
	for _, s := range []Slot{A, B} {
		if s.letter() == letter {
			return s, nil
		}
	}
	return "", fmt.Errorf("no slot is called %q", letter)
}

// Slots is what a machine knows of its slots. What a method has returned from
// without an error survives power loss.
type Slots interface {
	// Running returns the slot that this system was started from.
	Running() (Slot, error)

	// Arm makes the machine start s at the next start, and only at that one.
	// The other slot must be committed. A machine that is started again with
	// RebootArgument must be, or it is not armed.
	Arm(s Slot) error

	// Commit makes the machine start s from now on.
	Commit(s Slot) error

	// Repair makes the pointers say that committed is started from now on, and
	// that nothing is armed. It writes nothing where they do.
	Repair(committed Slot) error
}

// Disk is what slots lie on.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	// Flush returns when everything that was written is durable.
	Flush() error
	Size() int64
}

// Vars are the variables of UEFI firmware. A name is one of package efivarfs of
// Linux: the variable's own name, a dash, and the GUID of its vendor.
type Vars interface {
	// Get returns an error that is fs.ErrNotExist where there is none.
	Get(name string) ([]byte, error)
	// Set makes a variable that is there at boot, at run time, and after
	// power loss.
	Set(name string, data []byte) error
	Delete(name string) error
	Names() ([]string, error)
}

// RebootArgument returns what the kernel is to be told at a reboot so that what
// is armed is started; it is empty for most machines.
func RebootArgument(s Slots) string {
	if t, ok := s.(*Tryboot); ok && t.armed {
		return t.argument()
	}
	return ""
}

// sector is what disks write whole: no state that a loader reads is larger.
const sector = 512

// readSector returns the sector at a place.
func readSector(d Disk, at int64) ([]byte, error) {
	b := make([]byte, sector)
	_, err := d.ReadAt(b, at)
	return b, err
}

// ErrNotWritten is a disk that lies.
var ErrNotWritten = errors.New("the disk does not hold what was written to it")

// WriteDurably writes b, waits until it is durable and reads it back.
func WriteDurably(d Disk, b []byte, at int64) error {
	if _, err := d.WriteAt(b, at); err != nil {
		return err
	}
	if err := d.Flush(); err != nil {
		return err
	}
	got := make([]byte, len(b))
	if _, err := d.ReadAt(got, at); err != nil {
		return err
	}
	if string(got) != string(b) {
		return ErrNotWritten
	}
	return nil
}
