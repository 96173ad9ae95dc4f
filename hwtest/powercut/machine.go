// Package powercut proves that no power cut ends an update of a sensor with a
// machine that does not start.
//
// The machine is a model: a disk and firmware variables in memory, and a loader
// that does with their bytes what OVMF, GRUB, U-Boot or the firmware of a
// Raspberry Pi does. GRUB's and U-Boot's scripts are not rewritten but run, the
// very files that images hold. All that changes the slots is the sensor's own
// code. Each write and flush of a whole update is logged, and the power is cut
// after each, with what a disk may make of writes that were not flushed: lost,
// kept, torn within, or out of order (Sweep). A sample of the states is booted
// in QEMU, with real firmware, to see that it does what the model says.
//
// What is not modelled: a disk that loses what it was told to flush, or that
// writes less than 512 bytes whole.
package powercut

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
)

const sector = 512

// A Machine is a model of one, with its power off.
type Machine struct {
	Chain *Chain
	Disk  *Disk
	Vars  *Vars

	// Argument is what the kernel was told at the last reboot. A power cut
	// forgets it.
	Argument string
}

// A Start is what a loader has started.
type Start struct {
	Slot        slot.Slot
	CommandLine string // as far as the loader writes it
	Partition   int    // as a Raspberry Pi says it
}

// A Chain is a boot chain: a loader's model and the sensor's code for it.
type Chain struct {
	Name  string
	Board *board.Board

	// Boot does what the loader does from power-on, on the machine's disk and
	// variables, and returns what it starts.
	Boot func(m *Machine) (Start, error)

	// Slots returns the sensor's code for a machine that was started so.
	Slots func(m *Machine, t slot.Table, s Start) slot.Slots

	// System returns the files of a slot's file system; what is in them may
	// depend on where they lie, which at says.
	System func(name string) map[string][]byte

	// Prepare puts on a new disk what the loader has there.
	Prepare func(b *board.Board, disk []byte) error
}

// An Op is one thing that was done to a machine's memory.
type Op struct {
	Kind OpKind
	At   int64  // of a Write
	Data []byte // of a Write or Set
	Name string // of a Set or Delete
}

// OpKind is the kind of an Op.
type OpKind int

// The kinds of Op.
const (
	Write OpKind = iota
	Flush
	Set
	Delete
)

// A Log is what was done to a machine, in order.
type Log struct{ Ops []Op }

func (l *Log) add(op Op) {
	if l != nil {
		l.Ops = append(l.Ops, op)
	}
}

// Disk is a disk in memory.
type Disk struct {
	Bytes  []byte
	log    *Log
	broken bool
}

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= int64(len(d.Bytes)) {
		return 0, io.EOF
	}
	n := copy(p, d.Bytes[at:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (d *Disk) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(d.Bytes)) {
		return 0, io.ErrShortWrite
	}
	if d.broken {
		return len(p), nil
	}
	d.log.add(Op{Kind: Write, At: at, Data: slices.Clone(p)})
	return copy(d.Bytes[at:], p), nil
}

// Flush implements slots.Disk.
func (d *Disk) Flush() error {
	d.log.add(Op{Kind: Flush})
	return nil
}

// Size implements slots.Disk.
func (d *Disk) Size() int64 { return int64(len(d.Bytes)) }

// Vars are firmware variables in memory.
type Vars struct {
	kept     map[string][]byte
	volatile map[string][]byte // those that a power cut forgets
	log      *Log
	broken   bool
}

// Get implements slots.Vars.
func (v *Vars) Get(name string) ([]byte, error) {
	for _, m := range []map[string][]byte{v.kept, v.volatile} {
		if b, ok := m[name]; ok {
			return slices.Clone(b), nil
		}
	}
	return nil, fs.ErrNotExist
}

// Set implements slots.Vars.
func (v *Vars) Set(name string, data []byte) error {
	if v.broken {
		return nil
	}
	v.log.add(Op{Kind: Set, Name: name, Data: slices.Clone(data)})
	v.kept[name] = slices.Clone(data)
	return nil
}

// Delete implements slots.Vars.
func (v *Vars) Delete(name string) error {
	v.log.add(Op{Kind: Delete, Name: name})
	delete(v.kept, name)
	return nil
}

// Names implements slots.Vars.
func (v *Vars) Names() ([]string, error) {
	return append(slices.Collect(maps.Keys(v.kept)), slices.Collect(maps.Keys(v.volatile))...), nil
}

// Clone returns a machine of its own with the same memory, without a log.
func (m *Machine) Clone() *Machine {
	return &Machine{Chain: m.Chain, Argument: m.Argument,
		Disk: &Disk{Bytes: slices.Clone(m.Disk.Bytes)},
		Vars: &Vars{kept: maps.Clone(m.Vars.kept), volatile: map[string][]byte{}}}
}

// Load makes m's memory that of from.
func (m *Machine) Load(from *Machine) {
	copy(m.Disk.Bytes, from.Disk.Bytes)
	clear(m.Vars.kept)
	maps.Copy(m.Vars.kept, from.Vars.kept)
	clear(m.Vars.volatile)
	m.Argument = ""
}

// Break makes disk and variables accept what is written, and forget it.
func (m *Machine) Break() { m.Disk.broken, m.Vars.broken = true, true }

// Forget overwrites all that a loader knows of slots.
func (m *Machine) Forget() {
	clear(m.Vars.kept)
	for _, r := range m.Chain.Board.Disk {
		if r.Name == board.RegionBIOSBoot || r.Name == board.RegionBoot {
			clear(m.Disk.Bytes[r.Start:][:r.Size])
		}
	}
}

// Record returns a log of all that is done to the machine from now on.
func (m *Machine) Record() *Log {
	log := &Log{}
	m.Disk.log, m.Vars.log = log, log
	return log
}

// Apply does op again.
func (m *Machine) Apply(op Op) {
	switch op.Kind {
	case Write:
		copy(m.Disk.Bytes[op.At:], op.Data)
	case Set:
		m.Vars.kept[op.Name] = op.Data
	case Delete:
		delete(m.Vars.kept, op.Name)
	}
}

// Boot switches the machine on.
func (m *Machine) Boot() (Start, error) {
	clear(m.Vars.volatile)
	s, err := m.Chain.Boot(m)
	m.Argument = ""
	if err != nil {
		return s, fmt.Errorf("%s: %w", m.Chain.Name, err)
	}
	return s, nil
}

// Holds returns what a slot holds.
func (m *Machine) Holds(s slot.Slot) []byte {
	r, _ := m.Chain.Board.Region(s.Region())
	return m.Disk.Bytes[r.Start:][:r.Size]
}

// slotOf returns the slot with a loader's letter.
func slotOf(letter string) (slot.Slot, error) {
	s := slot.Slot(strings.ToUpper(letter))
	if s != slot.A && s != slot.B {
		return "", fmt.Errorf("loader started slot %q", letter)
	}
	return s, nil
}

// startedSlot finds on a command line what a script wrote there.
func startedSlot(line string) (Start, error) {
	for _, word := range strings.Fields(line) {
		if letter, ok := strings.CutPrefix(word, "taproot.slot="); ok {
			s, err := slotOf(letter)
			return Start{Slot: s, CommandLine: line}, err
		}
	}
	return Start{}, errors.New("the system is not told its slot")
}
