package slots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Variables of UEFI (UEFI 2.10, section 3.3), and the one in which systemd-stub
// says which partition it was started from (systemd's Boot Loader Interface).
const (
	globalGUID  = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
	BootNext    = "BootNext-" + globalGUID
	BootOrder   = "BootOrder-" + globalGUID
	BootCurrent = "BootCurrent-" + globalGUID
	LoaderPart  = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)

// BootOption returns the name of a variable Boot####.
func BootOption(number uint16) string { return fmt.Sprintf("Boot%04X-%s", number, globalGUID) }

var bootOption = regexp.MustCompile(`^Boot([0-9A-F]{4})-` + globalGUID + `$`)

// UEFI is a machine whose firmware starts a slot's own EFI program. Each slot
// has an entry among the firmware's, found by what it says and not by its
// number: firmware adds, removes and sorts entries as it likes. Arm is BootNext,
// which firmware deletes before it follows it. Commit is BootOrder.
type UEFI struct {
	Vars   Vars
	Table  Table
	Loader string // the program's path in a slot, such as \EFI\BOOT\BOOTX64.EFI
}

// Running implements Slots.
func (u *UEFI) Running() (Slot, error) {
	b, err := u.Vars.Get(LoaderPart)
	if err != nil {
		return "", fmt.Errorf("finding the running slot: %w", err)
	}
	id := gptName(b)
	for _, s := range []Slot{A, B} {
		if strings.EqualFold(u.Table[s.Region()].GUID, id) {
			return s, nil
		}
	}
	return "", fmt.Errorf("finding the running slot: this system was started from partition %q, which is no slot of the disk", id)
}

// Arm implements Slots.
func (u *UEFI) Arm(s Slot) error {
	numbers, err := u.entries()
	if err != nil {
		return fmt.Errorf("arming slot %s: %w", s, err)
	}
	return u.set(BootNext, binary.LittleEndian.AppendUint16(nil, numbers[s]))
}

// Commit implements Slots. The other slot comes second, for the firmware to
// start if this one cannot be.
func (u *UEFI) Commit(s Slot) error {
	numbers, err := u.entries()
	if err != nil {
		return fmt.Errorf("committing slot %s: %w", s, err)
	}
	ours := []uint16{numbers[s], numbers[s.Other()]}
	order, err := u.order()
	if err != nil {
		return fmt.Errorf("committing slot %s: %w", s, err)
	}
	var want []byte
	for _, n := range append(ours, slices.DeleteFunc(order, func(n uint16) bool { return slices.Contains(ours, n) })...) {
		want = binary.LittleEndian.AppendUint16(want, n)
	}
	return u.set(BootOrder, want)
}

// Repair implements Slots.
func (u *UEFI) Repair(committed Slot) error {
	if err := u.Commit(committed); err != nil {
		return err
	}
	next, err := u.Vars.Get(BootNext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("disarming: %w", err)
	}
	numbers, err := u.entries()
	if err != nil {
		return fmt.Errorf("disarming: %w", err)
	}
	if n := bootNumber(next); n != numbers[A] && n != numbers[B] {
		return nil // an operator's, not ours
	}
	if err := u.Vars.Delete(BootNext); err != nil {
		return fmt.Errorf("disarming: %w", err)
	}
	return nil
}

func bootNumber(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

// description is what a slot's entry is called in the firmware's menu.
func description(s Slot) string { return "taproot " + string(s) }

// entries returns the number of each slot's entry. An entry that is missing is
// made; one that was made for another disk is made anew in its place.
func (u *UEFI) entries() (map[Slot]uint16, error) {
	names, err := u.Vars.Names()
	if err != nil {
		return nil, err
	}
	taken := map[uint16]LoadOption{}
	for _, name := range names {
		m := bootOption.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		n, _ := strconv.ParseUint(m[1], 16, 16) // four digits
		b, err := u.Vars.Get(name)
		if err != nil {
			return nil, err
		}
		o, active, err := ParseLoadOption(b)
		if err != nil || !active {
			o = LoadOption{Description: o.Description}
		}
		taken[uint16(n)] = o
	}
	// The way to the disk is the one that the firmware took to start us.
	device := ""
	if current, err := u.Vars.Get(BootCurrent); err == nil {
		device = taken[bootNumber(current)].Device
	}
	numbers := map[Slot]uint16{}
	for _, s := range []Slot{A, B} {
		want := LoadOption{Description: description(s), Device: device, Partition: u.Table[s.Region()], Path: u.Loader}
		n, found := pick(taken, want)
		numbers[s] = n
		if found {
			continue
		}
		b, err := want.Append(nil)
		if err != nil {
			return nil, err
		}
		if err := u.set(BootOption(n), b); err != nil {
			return nil, err
		}
		taken[n] = want
	}
	return numbers, nil
}

// pick returns the least number of an entry that is want, or else of one with
// its name, or else the least that is free.
func pick(taken map[uint16]LoadOption, want LoadOption) (n uint16, found bool) {
	numbers := slices.Sorted(maps.Keys(taken))
	for _, same := range []func(LoadOption) bool{
		func(o LoadOption) bool { return o == want },
		func(o LoadOption) bool { return o.Description == want.Description },
	} {
		if i := slices.IndexFunc(numbers, func(n uint16) bool { return same(taken[n]) }); i >= 0 {
			o := taken[numbers[i]]
			if want.Device == "" {
				o.Device = "" // the way to the disk is not known: any will do
			}
			return numbers[i], o == want
		}
	}
	for _, used := range numbers {
		if used != n {
			break
		}
		n++
	}
	return n, false
}

// order returns BootOrder, which may not be there.
func (u *UEFI) order() ([]uint16, error) {
	b, err := u.Vars.Get(BootOrder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var order []uint16
	for ; len(b) >= 2; b = b[2:] {
		order = append(order, binary.LittleEndian.Uint16(b))
	}
	return order, nil
}

// set gives a variable a value, if it does not have it, and looks whether it
// took it: some firmware says yes and forgets.
func (u *UEFI) set(name string, data []byte) error {
	if got, err := u.Vars.Get(name); err == nil && string(got) == string(data) {
		return nil
	}
	if err := u.Vars.Set(name, data); err != nil {
		return fmt.Errorf("setting firmware variable %s: %w", name, err)
	}
	got, err := u.Vars.Get(name)
	if err == nil && string(got) != string(data) {
		err = errors.New("the firmware does not hold what it was given")
	}
	if err != nil {
		return fmt.Errorf("setting firmware variable %s: %w", name, err)
	}
	return nil
}
