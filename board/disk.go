package board

import (
	"crypto/sha256"
	"slices"
)

// A Region is one partition of a board's disk. Regions are kept in the order
// they lie on the disk.
type Region struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // GPT partition type, a GUID
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
}

// Names of regions. A board has those that its boot chains need; both slots and
// the journal are on every disk.
const (
	RegionBIOSBoot = "bios-boot" // GRUB
	RegionBoot     = "boot"      // what a loader reads before any slot, and its state
	RegionSlotA    = "slot-a"
	RegionSlotB    = "slot-b"
	RegionJournal  = "journal" // boot state, 1 MiB
)

// GPT partition types. Loader and Journal are taproot's own.
const (
	TypeBIOSBoot = "21686148-6449-6E6F-744E-656564454649"
	TypeESP      = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	TypeLoader   = "3D6B1F52-08C7-4E39-B5A1-7461726F6F74"
	TypeJournal  = "B8A3F2C4-6D0E-4B52-9A7C-7461726F6F74"
)

// The disk that an ISO is, on a stick: what is added to the board's name in the
// names of its regions, and the region that holds the slot.
const (
	ISO        = "/iso"
	RegionLive = "live"
)

// GUID derives the GUID (RFC 9562, version 8) of a disk or, with a slash between
// disk and region, of a region, as it lies in a partition table: what is called
// the same has the same in every image.
func GUID(name string) [16]byte {
	sum := sha256.Sum256([]byte("taproot disk " + name))
	g := [16]byte(sum[:16])
	g[7] = g[7]&0x0f | 0x80
	g[8] = g[8]&0x3f | 0x80
	return g
}

// Region returns the board's region called name.
func (b *Board) Region(name string) (Region, bool) {
	i := slices.IndexFunc(b.Disk, func(r Region) bool { return r.Name == name })
	if i < 0 {
		return Region{}, false
	}
	return b.Disk[i], true
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// abDisk lays out a disk with two slots of slotSize bytes and the journal of
// boot state behind them. The first MiB is for the partition table and for
// the regions of loaders.
func abDisk(slotSize int64, loaders ...Region) []Region {
	return append(loaders[:len(loaders):len(loaders)],
		Region{Name: RegionSlotA, Type: TypeESP, Start: 1 * mib, Size: slotSize},
		Region{Name: RegionSlotB, Type: TypeESP, Start: 1*mib + slotSize, Size: slotSize},
		Region{Name: RegionJournal, Type: TypeJournal, Start: 1*mib + 2*slotSize, Size: 1 * mib})
}

// biosBoot is the place of GRUB between partition table and slots, and
// grubState of what it keeps.
var (
	biosBoot  = Region{Name: RegionBIOSBoot, Type: TypeBIOSBoot, Start: 32 * kib, Size: 1*mib - 96*kib}
	grubState = Region{Name: RegionBoot, Type: TypeLoader, Start: 1*mib - 64*kib, Size: 64 * kib}
)
