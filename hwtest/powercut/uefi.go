package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/board"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/internal/fat"
)

// uefiChain is a machine with UEFI, as OVMF and AAVMF are.
func uefiChain(name, loader string) *Chain {
	return &Chain{
		Name:  name,
		Board: modelBoard(name, board.UEFI),
		Boot:  func(m *Machine) (Start, error) { return bootUEFI(m, loader) },
		Slots: func(m *Machine, t slot.Table, _ Start) slot.Slots {
			return &slot.UEFI{Vars: m.Vars, Table: t, Loader: loader}
		},
		System: func(name string) map[string][]byte {
			path := strings.TrimPrefix(strings.ReplaceAll(loader, `\`, "/"), "/")
			return map[string][]byte{path: payload(name, "MZ")}
		},
	}
}

// bootUEFI does what the boot manager does (UEFI 2.10, section 3.1.1): BootNext,
// which it deletes before it follows it, then BootOrder, then whatever has a
// program in the removable path.
func bootUEFI(m *Machine, removable string) (Start, error) {
	t, err := slot.ReadTable(m.Disk)
	if err != nil {
		return Start{}, err
	}
	if next, err := m.Vars.Get(slot.BootNext); err == nil {
		if err := m.Vars.Delete(slot.BootNext); err != nil {
			return Start{}, err
		}
		if len(next) == 2 {
			if s, err := m.bootOption(t, binary.LittleEndian.Uint16(next), removable); err == nil {
				return s, nil
			}
		}
	}
	order, _ := m.Vars.Get(slot.BootOrder) // none is an empty one
	for ; len(order) >= 2; order = order[2:] {
		if s, err := m.bootOption(t, binary.LittleEndian.Uint16(order), removable); err == nil {
			return s, nil
		}
	}
	return m.bootRemovable(t, removable)
}

// bootOption follows one variable Boot####.
func (m *Machine) bootOption(t slot.Table, number uint16, removable string) (Start, error) {
	b, err := m.Vars.Get(slot.BootOption(number))
	if err != nil {
		return Start{}, err
	}
	o, active, err := slot.ParseLoadOption(b)
	switch {
	case err != nil:
		return Start{}, err
	case !active:
		return Start{}, errors.New("option is not active")
	}
	m.Vars.volatile[slot.BootCurrent] = binary.LittleEndian.AppendUint16(nil, number)
	if o.Device != "" && o.Partition.GUID == "" { // an entry that firmware makes for a whole disk
		return m.bootRemovable(t, removable)
	}
	for _, s := range []slot.Slot{slot.A, slot.B} {
		if t[s.Region()].GUID == o.Partition.GUID {
			return m.bootFile(t, s, o.Path)
		}
	}
	return Start{}, fmt.Errorf("no partition %q", o.Partition.GUID)
}

// bootRemovable starts the first partition that has a program in the path for
// removable media (UEFI 2.10, section 3.5.1.1).
func (m *Machine) bootRemovable(t slot.Table, path string) (Start, error) {
	var errs error
	for _, s := range []slot.Slot{slot.A, slot.B} {
		start, err := m.bootFile(t, s, path)
		if err == nil {
			return start, nil
		}
		errs = errors.Join(errs, err)
	}
	return Start{}, fmt.Errorf("nothing to start: %w", errs)
}

// bootFile starts a program. The stub in it says where it came from, in a
// variable that lasts until the next start.
func (m *Machine) bootFile(t slot.Table, s slot.Slot, path string) (Start, error) {
	program, err := m.readFile(t[s.Region()], strings.ReplaceAll(path, `\`, "/"))
	if err != nil {
		return Start{}, err
	}
	if !bytes.HasPrefix(program, []byte("MZ")) {
		return Start{}, errors.New("no program")
	}
	var id []byte
	for _, c := range utf16.Encode([]rune(t[s.Region()].GUID + "\x00")) {
		id = binary.LittleEndian.AppendUint16(id, c)
	}
	m.Vars.volatile[slot.LoaderPart] = id
	return Start{Slot: s}, nil
}

// readFile reads a file of the file system in a region.
func (m *Machine) readFile(r slot.Region, path string) ([]byte, error) {
	v, err := fat.Open(io.NewSectionReader(m.Disk, r.Start, r.Size))
	if err != nil {
		return nil, err
	}
	return v.ReadFile(path, r.Size)
}

// foreignEntries puts into a machine's variables what firmware has there of its
// own: a setup program, and an entry for the whole disk, which OVMF calls
// PciRoot(0x0)/Pci(0x6,0x0).
func (m *Machine) foreignEntries() {
	for n, path := range []string{"", "\x02\x01\x0c\x00\xd0\x41\x03\x0a\x00\x00\x00\x00" + "\x01\x01\x06\x00\x00\x06"} {
		path += "\x7f\xff\x04\x00"
		b := []byte{1, 0, 0, 0, byte(len(path)), 0}
		for _, c := range utf16.Encode([]rune("UEFI Misc Device\x00")) {
			b = binary.LittleEndian.AppendUint16(b, c)
		}
		m.Vars.kept[slot.BootOption(uint16(n))] = append(b, path...)
	}
	m.Vars.kept[slot.BootOrder] = []byte{0, 0, 1, 0}
}
