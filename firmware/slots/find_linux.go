package slots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/taproot-sensor/taproot/board"
)

// ErrNone is a system that was started from no slot: from a live medium, from
// the network, or by a loader that was handed its kernel.
var ErrNone = errors.New("this system was started from no slot")

// loaders are the programs of UEFI in a slot, by architecture.
var loaders = map[string]string{"amd64": `\EFI\BOOT\BOOTX64.EFI`, "arm64": `\EFI\BOOT\BOOTAA64.EFI`}

// piPartition is where the firmware of a Raspberry Pi says what it started: a
// big-endian number.
const piPartition = "/proc/device-tree/chosen/bootloader/partition"

// Find returns the slots of this machine and the disk that they are on. The
// error is ErrNone if there are none, and others while the disk is not there
// yet.
func Find(b *board.Board) (Slots, *BlockDisk, error) {
	make, err := maker(b)
	if err != nil {
		return nil, nil, err
	}
	return findDisk(make)
}

// FromSlot reports whether this system was started from a slot, wherever that is.
func FromSlot(b *board.Board) bool {
	_, err := maker(b)
	return !errors.Is(err, ErrNone)
}

// maker returns what makes Slots of a disk and its table, for the way in which
// this system was started.
func maker(b *board.Board) (make func(d Disk, t Table) Slots, err error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	_, efi := os.Stat(efiVarsDir)
	_, told := onCommandLine(string(line))
	partition, pi := os.ReadFile(piPartition)
	vars := EFIVars{efiVarsDir}
	switch {
	case b.BootsBy(board.UEFI) && efi == nil:
		stick := board.GUID(b.Name + board.ISO + "/" + board.RegionLive)
		if id, err := vars.Get(LoaderPart); err != nil || strings.EqualFold(gptName(id), guidString(stick[:])) {
			return nil, ErrNone
		}
		make = func(_ Disk, t Table) Slots { return &UEFI{Vars: vars, Table: t, Loader: loaders[b.Arch]} }
	case b.BootsBy(board.Tryboot) && pi == nil && len(partition) == 4:
		make = func(d Disk, t Table) Slots {
			return &Tryboot{Disk: d, Table: t, Partition: int(binary.BigEndian.Uint32(partition))}
		}
	case b.BootsBy(board.BIOS) && told == nil:
		make = func(d Disk, t Table) Slots { return &BIOS{Disk: d, Table: t, CommandLine: string(line)} }
	case b.BootsBy(board.UBoot) && told == nil:
		make = func(d Disk, t Table) Slots { return &UBoot{Disk: d, Table: t, CommandLine: string(line)} }
	default:
		return nil, ErrNone
	}
	return make, nil
}

// findDisk returns the only disk that the running system is on.
func findDisk(make func(d Disk, t Table) Slots) (found Slots, disk *BlockDisk, err error) {
	names, err := filepath.Glob("/sys/block/*")
	if err != nil {
		return nil, nil, err
	}
	var why []error
	for _, name := range names {
		name = filepath.Base(name)
		if strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram") {
			continue
		}
		d, err := OpenBlockDisk(filepath.Join("/dev", name))
		if err != nil {
			why = append(why, err)
			continue
		}
		t, err := ReadTable(d)
		if err == nil {
			s := make(d, t)
			if _, err = s.Running(); err == nil && found != nil {
				d.Close()
				disk.Close()
				return nil, nil, fmt.Errorf("finding slots: two disks have them, one of them is %q: take one out", name)
			}
			if err == nil {
				found, disk = s, d
				continue
			}
		}
		d.Close()
		why = append(why, fmt.Errorf("%s: %w", name, err))
	}
	if found == nil {
		return nil, nil, fmt.Errorf("finding slots: no disk has them: %w", errors.Join(why...))
	}
	return found, disk, nil
}
