package powercut

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
)

// The disks of a sweep are small, so that ten thousand of them can be tried:
// slots of 512 KiB, which are FAT12. The real layout is image's; a sample of
// states is booted from real images.
const (
	modelSlot = 512 << 10
	mib       = 1 << 20
)

// modelBoard returns a board with a small disk, for a boot chain.
func modelBoard(name string, boot board.Boot) *board.Board {
	b := &board.Board{Name: name, Boots: []board.Boot{boot}}
	at := int64(64 << 10)
	add := func(name, typ string, size int64) {
		b.Disk = append(b.Disk, board.Region{Name: name, Type: typ, Start: at, Size: size})
		at += size
	}
	switch boot {
	case board.BIOS:
		add(board.RegionBIOSBoot, board.TypeBIOSBoot, 64<<10)
		add(board.RegionBoot, board.TypeLoader, 64<<10)
	case board.UBoot, board.Tryboot:
		add(board.RegionBoot, board.TypeESP, 64<<10)
	}
	add(board.RegionSlotA, board.TypeESP, modelSlot)
	add(board.RegionSlotB, board.TypeESP, modelSlot)
	add(board.RegionJournal, board.TypeJournal, 1*mib)
	return b
}

// NewMachine returns a machine of a chain, flashed with one system in both
// slots.
func NewMachine(c *Chain, system []byte) (*Machine, error) {
	last := c.Board.Disk[len(c.Board.Disk)-1]
	disk := make([]byte, last.Start+last.Size+34*sector)
	partition(c.Board, disk)
	for _, s := range []slot.Slot{slot.A, slot.B} {
		r, _ := c.Board.Region(s.Region())
		copy(disk[r.Start:], system)
	}
	if c.Prepare != nil {
		if err := c.Prepare(c.Board, disk); err != nil {
			return nil, fmt.Errorf("preparing a disk for %s: %w", c.Name, err)
		}
	}
	m := &Machine{Chain: c, Disk: &Disk{Bytes: disk}, Vars: &Vars{kept: map[string][]byte{}, volatile: map[string][]byte{}}}
	if c.Board.BootsBy(board.UEFI) {
		m.foreignEntries()
	}
	return m, nil
}

// System returns what a slot holds that is made of a system called name.
func System(c *Chain, name string) []byte { return fat12(modelSlot, c.System(name)) }

// partition writes a GUID partition table at both ends (UEFI 2.10, section 5.3).
func partition(b *board.Board, disk []byte) {
	le := binary.LittleEndian
	entries := make([]byte, 128*128)
	for i, r := range b.Disk {
		e := entries[i*128:]
		typ, own := sha256.Sum256([]byte(r.Type)), sha256.Sum256([]byte(b.Name+r.Name))
		copy(e, typ[:16])
		copy(e[16:], own[:16])
		le.PutUint64(e[32:], uint64(r.Start/sector))
		le.PutUint64(e[40:], uint64((r.Start+r.Size)/sector-1))
		for j, c := range []byte(r.Name) {
			e[56+2*j] = c
		}
	}
	end := uint64(len(disk)/sector) - 1
	for self, table := range map[uint64]uint64{1: 2, end: end - 32} {
		copy(disk[table*sector:], entries)
		h := disk[self*sector:]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		le.PutUint64(h[24:], self)
		le.PutUint64(h[72:], table)
		le.PutUint32(h[80:], 128)
		le.PutUint32(h[84:], 128)
		le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	}
}

// fat12 returns a FAT12 file system of size bytes with files, whose names are
// of the form 8.3, in one cluster of 512 bytes after the other.
func fat12(size int, files map[string][]byte) []byte {
	const rootEntries, dataAt = 16, 1 + 2*12 + 1
	le := binary.LittleEndian
	img := make([]byte, size)
	copy(img, "\xeb\x3c\x90TAPROOT ")
	le.PutUint16(img[11:], sector)
	img[13], img[14], img[16] = 1, 1, 2
	le.PutUint16(img[17:], rootEntries)
	le.PutUint16(img[19:], uint16(size/sector))
	img[21] = 0xf8
	le.PutUint16(img[22:], 12)
	img[510], img[511] = 0x55, 0xaa

	next := 2
	put := func(data []byte) (first int) {
		first = next
		n := max(1, (len(data)+sector-1)/sector)
		copy(img[(dataAt+first-2)*sector:], data)
		for c := first; c < first+n; c++ {
			entry := uint32(c + 1)
			if c == first+n-1 {
				entry = 0xfff
			}
			for _, table := range []int{1, 13} {
				at := img[table*sector+c*3/2:]
				le.PutUint16(at, le.Uint16(at)|uint16(entry<<(4*(c%2))))
			}
		}
		next += n
		return first
	}
	entry := func(dir []byte, name string, attr byte, first, size int) []byte {
		base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
		e := make([]byte, 32)
		copy(e, fmt.Sprintf("%-8s%-3s", base, ext))
		e[11] = attr
		le.PutUint16(e[26:], uint16(first))
		le.PutUint32(e[28:], uint32(size))
		return append(dir, e...)
	}
	var build func(files map[string][]byte) []byte
	build = func(files map[string][]byte) (dir []byte) {
		below := map[string]map[string][]byte{}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			head, rest, deeper := strings.Cut(name, "/")
			if !deeper {
				dir = entry(dir, name, 0x20, put(files[name]), len(files[name]))
				continue
			}
			if below[head] == nil {
				below[head] = map[string][]byte{}
			}
			below[head][rest] = files[name]
		}
		for _, name := range slices.Sorted(maps.Keys(below)) {
			dir = entry(dir, name, 0x10, put(build(below[name])), 0)
		}
		return dir
	}
	copy(img[(dataAt-1)*sector:], build(files))
	return img
}
