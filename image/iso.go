package image

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/wire/live"
)

// The ISO is a CD and, written to a stick as it is, a disk:
//
//	0        GRUB's boot sector and a GUID partition table with one partition
//	32 KiB   ISO 9660 (ECMA-119) and the El Torito boot catalog
//	...      the install sheet, GRUB for CDs, GRUB for sticks
//	1 MiB    the slot: a file of the CD, the CD's EFI image, the stick's partition
//	...      the first MiB and the end of a disk, for who installs
//	end      the second copy of the partition table
const (
	isoSector    = 2048
	isoSlotAt    = 1 << 20
	isoVolumeAt  = 16 // sectors from here on
	isoBootAt    = 17
	isoEndAt     = 18
	isoPathLAt   = 19
	isoPathMAt   = 20
	isoRootAt    = 21
	isoCatalogAt = 22
	isoSheetAt   = live.SheetOffset / isoSector
	isoGRUBAt    = isoSheetAt + 1

	// diskHead is what of a disk is before its first slot.
	diskHead = 1 << 20
)

// typeReserved is "Linux reserved" (Discoverable Partitions Specification), for
// what is no file system.
const typeReserved = "8DA63339-0007-60C0-C436-083AC8230908"

// isoFile is one file of the root directory. All are extents of their own.
type isoFile struct {
	name string // 8.3, without version
	at   int64  // bytes from the start
	size int64
}

// isoLayout is where the parts of an ISO lie.
type isoLayout struct {
	slot  board.Region
	head  int64 // byte where the first MiB of a disk lies
	tail  int64 // byte where the end of a disk lies
	files []isoFile
}

// diskTail is the second copy of a disk's partition table.
const diskTail = (gptTable + 1) * sector

func layoutISO(b *board.Board, cdSize int64) isoLayout {
	slot, _ := b.Region(board.RegionSlotA)
	l := isoLayout{slot: board.Region{Name: board.RegionLive, Type: board.TypeESP, Start: isoSlotAt, Size: slot.Size}}
	l.head = isoSlotAt + slot.Size
	l.tail = l.head + diskHead
	l.files = []isoFile{
		{"GRUB.IMG", isoGRUBAt * isoSector, cdSize},
		{"HEAD.IMG", l.head, diskHead},
		{"INSTALL.JSN", isoSheetAt * isoSector, isoSector},
		{"SLOT.IMG", isoSlotAt, slot.Size},
		{"TAIL.IMG", l.tail, diskTail},
	}
	return l
}

// newISO returns an ISO whose slot is empty.
func newISO(b *board.Board, g grub) ([]byte, error) {
	l := layoutISO(b, int64(len(g.cd)))
	// What is behind the slot is a region too; it makes whole sectors of the ISO.
	end := l.tail + diskTail
	rest := board.Region{Name: "install", Type: typeReserved, Start: l.head, Size: int64(alignUp(uint32(end+diskTail), isoSector)) - diskTail - l.head}
	iso, err := diskImage(b.Name+board.ISO, []board.Region{l.slot, rest}, nil)
	if err != nil {
		return nil, err
	}
	stick := int64(alignUp(uint32(isoGRUBAt*isoSector+len(g.cd)), isoSector))
	if stick+int64(len(g.live)) > isoSlotAt {
		return nil, fmt.Errorf("GRUB's cores of %d and %d bytes do not fit before the slot", len(g.cd), len(g.live))
	}
	core := bytes.Clone(g.live)
	binary.LittleEndian.PutUint64(core[grubBlockList:], uint64(stick/sector+1))
	copy(iso[stick:], core)
	g.bootSector(iso, uint64(stick/sector))
	copy(iso[isoGRUBAt*isoSector:], bootInfo(g.cd))
	isoVolume(iso, l.files)
	isoCatalog(iso[isoCatalogAt*isoSector:], l.slot)
	return iso, nil
}

// fillISO puts a slot in an ISO, and what an installer makes a disk of.
func fillISO(iso []byte, b *board.Board, m Manifest, slot, disk []byte) error {
	l := layoutISO(b, 0)
	if l.tail+diskTail > int64(len(iso)) {
		return fmt.Errorf("ISO of %d bytes is cut short", len(iso))
	}
	sum := digest(disk)
	sheet := live.Sheet{Board: m.Board, Release: m.Release, Size: sum.Size}
	if _, err := hex.Decode(sheet.SHA256[:], []byte(sum.SHA256)); err != nil {
		return err
	}
	slotB, _ := b.Region(board.RegionSlotB)
	slotA, _ := b.Region(board.RegionSlotA)
	sheet.Pieces = []live.Piece{
		{From: l.head, Size: diskHead, To: []int64{0}},
		{From: isoSlotAt, Size: slotA.Size, To: []int64{slotA.Start, slotB.Start}},
		{From: l.tail, Size: diskTail, To: []int64{sum.Size - diskTail}},
	}
	text, err := sheet.Append(nil)
	if err != nil {
		return err
	}
	copy(iso[live.SheetOffset:], text)
	copy(iso[isoSlotAt:], slot)
	copy(iso[l.head:], disk[:diskHead])
	copy(iso[l.tail:], disk[len(disk)-diskTail:])
	return nil
}

// bootInfo fills the boot information table of GRUB's image for CDs: where the
// volume begins, where the image lies, its size and its sum (mkisofs(8)).
func bootInfo(cd []byte) []byte {
	const table, end = 8, 64
	le := binary.LittleEndian
	b := pad(bytes.Clone(cd), isoSector)
	var sum uint32
	for at := end; at < len(b); at += 4 {
		sum += le.Uint32(b[at:])
	}
	le.PutUint32(b[table:], isoVolumeAt)
	le.PutUint32(b[table+4:], isoGRUBAt)
	le.PutUint32(b[table+8:], uint32(len(cd)))
	le.PutUint32(b[table+12:], sum)
	return b
}

// isoVolume writes the descriptors, path tables and root directory.
func isoVolume(iso []byte, files []isoFile) {
	at := func(n int) []byte { return iso[n*isoSector:][:isoSector] }
	root := isoRecord("\x00", isoRootAt*isoSector, isoSector, true)
	pvd := at(isoVolumeAt)
	copy(pvd, "\x01CD001\x01")
	copy(pvd[8:], fmt.Sprintf("%-32s%-32s", "", "TAPROOT"))
	bothEndian32(pvd[80:], uint32(len(iso)/isoSector))
	bothEndian16(pvd[120:], 1) // volumes in the set
	bothEndian16(pvd[124:], 1) // number of this one
	bothEndian16(pvd[128:], isoSector)
	const pathSize = 10
	bothEndian32(pvd[132:], pathSize)
	binary.LittleEndian.PutUint32(pvd[140:], isoPathLAt)
	binary.BigEndian.PutUint32(pvd[148:], isoPathMAt)
	copy(pvd[156:], root)
	copy(pvd[190:], strings.Repeat(" ", 813-190)) // identifiers that we do not use
	for i := range 4 {
		copy(pvd[813+17*i:], "0000000000000000\x00") // no dates
	}
	pvd[881] = 1

	boot := at(isoBootAt)
	copy(boot, "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(boot[71:], isoCatalogAt)
	copy(at(isoEndAt), "\xffCD001\x01")

	path := func(b []byte, order binary.ByteOrder) {
		b[0] = 1
		order.PutUint32(b[2:], isoRootAt)
		order.PutUint16(b[6:], 1)
	}
	path(at(isoPathLAt), binary.LittleEndian)
	path(at(isoPathMAt), binary.BigEndian)

	dir := append(root, isoRecord("\x01", isoRootAt*isoSector, isoSector, true)...)
	for _, f := range files {
		dir = append(dir, isoRecord(f.name+";1", f.at, f.size, false)...)
	}
	copy(at(isoRootAt), dir)
}

// isoRecord returns a directory record (ECMA-119, section 9.1).
func isoRecord(name string, at, size int64, directory bool) []byte {
	b := make([]byte, (33+len(name)+1)/2*2)
	b[0] = byte(len(b))
	bothEndian32(b[2:], uint32(at/isoSector))
	bothEndian32(b[10:], uint32(size))
	copy(b[18:], "\x50\x01\x01") // 1980-01-01
	if directory {
		b[25] = 2
	}
	bothEndian16(b[28:], 1)
	b[32] = byte(len(name))
	copy(b[33:], name)
	return b
}

func bothEndian32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

func bothEndian16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

// isoCatalog writes the boot catalog (El Torito 1.0, section 2): GRUB for a
// BIOS, of which it reads the first 2 KiB, and the slot for UEFI.
func isoCatalog(b []byte, slot board.Region) {
	const bootable, bios, efi, lastHeader = 0x88, 0x00, 0xef, 0x91
	le := binary.LittleEndian
	b[0], b[1] = 1, bios
	b[30], b[31] = 0x55, 0xaa
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += le.Uint16(b[i:])
	}
	le.PutUint16(b[28:], -sum)
	entry := func(b []byte, at, sectors uint32) {
		b[0] = bootable
		le.PutUint16(b[6:], uint16(sectors))
		le.PutUint32(b[8:], at)
	}
	entry(b[32:], isoGRUBAt, isoSector/sector)
	b[64], b[65] = lastHeader, efi
	le.PutUint16(b[66:], 1)
	entry(b[96:], isoSlotAt/isoSector, uint32(slot.Size/sector))
}
