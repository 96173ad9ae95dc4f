package board

import "slices"

// A Loader is the U-Boot of a board, as Debian builds it: files of a package,
// each with the place on the disk where the processor or the stage before
// looks for it.
type Loader struct {
	Package string       `json:"package"`
	Parts   []LoaderPart `json:"parts"`

	// TableAt is where on the disk the entries of the partition table are, if
	// not where others have them, because a part lies there. GPT leaves the
	// place open (UEFI 2.10, section 5.3.2: PartitionEntryLBA).
	TableAt int64 `json:"table_at,omitempty"`
}

// A LoaderPart is one file of a boot loader.
type LoaderPart struct {
	File string `json:"file"` // below usr/lib/u-boot of the package

	// At is its place on the disk, in bytes. 0 is a part that is not on the
	// disk: QEMU is handed it in place of a ROM.
	At int64 `json:"at,omitempty"`

	// Room is how many bytes there are for it; valid iff At is not 0.
	Room int64 `json:"room,omitempty"`
}

// PiFirmware are the programs of a Raspberry Pi that are not in its own
// memory. Debian's main has none of them: they are free to give away, and not
// free software.
type PiFirmware struct {
	// Boot are files of the region boot, which the processor reads, and Slot
	// of each slot.
	Boot []string `json:"boot,omitempty"`
	Slot []string `json:"slot,omitempty"`
}

// Files returns all of them. A board that needs none has a nil PiFirmware, or an
// empty one.
func (f *PiFirmware) Files() []string {
	if f == nil {
		return nil
	}
	return slices.Concat(f.Boot, f.Slot)
}

// loaderDisk lays out a disk with a region boot at a place behind a loader's
// parts, with the slots and the journal behind it. U-Boot and the Raspberry Pi
// take an EFI system partition for one to start from.
func loaderDisk(bootAt, slotSize int64) []Region {
	const bootSize = 5 * mib // FAT16 has at least 4085 clusters
	at := bootAt + bootSize
	return []Region{
		{Name: RegionBoot, Type: TypeESP, Start: bootAt, Size: bootSize},
		{Name: RegionSlotA, Type: TypeESP, Start: at, Size: slotSize},
		{Name: RegionSlotB, Type: TypeESP, Start: at + slotSize, Size: slotSize},
		{Name: RegionJournal, Type: TypeJournal, Start: at + 2*slotSize, Size: 1 * mib},
	}
}
