package image

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/board"
)

// The GUID partition table (UEFI 2.10, section 5.3).
const (
	sector        = 512
	gptEntries    = 128
	gptEntrySize  = 128
	gptTable      = gptEntries * gptEntrySize / sector // sectors of the entry table
	gptHeaderSize = 92
)

// boardDisk returns a board's disk.
func boardDisk(b *board.Board, content map[string][]byte) ([]byte, error) {
	table := int64(2 * sector)
	if b.Loader != nil && b.Loader.TableAt > 0 {
		table = b.Loader.TableAt
	}
	img, err := tableImage(b.Name, b.Disk, table, content)
	if err == nil && b.MBR {
		hybridMBR(img, b.Disk)
	}
	return img, err
}

// diskImage returns a disk with regions, each filled from content by name. What
// is not named stays zero. The disk's own name goes into its GUIDs.
func diskImage(name string, regions []board.Region, content map[string][]byte) ([]byte, error) {
	return tableImage(name, regions, 2*sector, content)
}

// tableImage is diskImage with the entries of the table elsewhere.
func tableImage(name string, regions []board.Region, tableAt int64, content map[string][]byte) ([]byte, error) {
	last := regions[len(regions)-1]
	sectors := uint64(last.Start+last.Size)/sector + gptTable + 1
	img := make([]byte, sectors*sector)

	table := uint64(tableAt / sector)
	firstUsable, lastUsable := table+gptTable, sectors-gptTable-2
	entries := img[tableAt:][:gptTable*sector]
	for i, r := range regions {
		e := entries[i*gptEntrySize:]
		typ, err := parseGUID(r.Type)
		if err != nil {
			return nil, fmt.Errorf("region %q: %w", r.Name, err)
		}
		copy(e[0:], typ[:])
		id := board.GUID(name + "/" + r.Name)
		copy(e[16:], id[:])
		binary.LittleEndian.PutUint64(e[32:], uint64(r.Start/sector))
		binary.LittleEndian.PutUint64(e[40:], uint64((r.Start+r.Size)/sector-1))
		for j, c := range utf16.Encode([]rune(r.Name)) {
			binary.LittleEndian.PutUint16(e[56+2*j:], c)
		}
		if n := len(content[r.Name]); int64(n) > r.Size {
			return nil, fmt.Errorf("region %q: %d bytes, %d fit", r.Name, n, r.Size)
		}
		copy(img[r.Start:], content[r.Name])
	}
	copy(img[(sectors-1-gptTable)*sector:], entries)

	header := func(self, other, table uint64) {
		h := img[self*sector:]
		le := binary.LittleEndian
		copy(h, "EFI PART")
		le.PutUint32(h[8:], 0x00010000)
		le.PutUint32(h[12:], gptHeaderSize)
		le.PutUint64(h[24:], self)
		le.PutUint64(h[32:], other)
		le.PutUint64(h[40:], firstUsable)
		le.PutUint64(h[48:], lastUsable)
		id := board.GUID(name)
		copy(h[56:], id[:])
		le.PutUint64(h[72:], table)
		le.PutUint32(h[80:], gptEntries)
		le.PutUint32(h[84:], gptEntrySize)
		le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:gptHeaderSize])) // its own field still zero
	}
	header(1, sectors-1, table)
	header(sectors-1, 1, sectors-1-gptTable)
	protectiveMBR(img, sectors)
	return img, nil
}

// protectiveMBR keeps old tools off the disk: one partition of type 0xee that
// covers it.
func protectiveMBR(img []byte, sectors uint64) {
	p := img[446:]
	copy(p, "\x00\x00\x02\x00\xee\xff\xff\xff")
	binary.LittleEndian.PutUint32(p[8:], 1)
	binary.LittleEndian.PutUint32(p[12:], uint32(min(sectors-1, 1<<32-1)))
	img[510], img[511] = 0x55, 0xaa
}

// hybridMBR enters the first three regions in the old table too, which is all
// that some boot ROMs read, as FAT with LBA; the entry that covers the GPT comes
// last, so that the numbers of the regions are the same in both tables.
func hybridMBR(img []byte, regions []board.Region) {
	const entry, fat16LBA = 16, 0x0e
	table := img[446:][:4*entry]
	clear(table)
	put := func(i int, kind byte, first, n uint32) {
		e := table[i*entry:]
		copy(e, []byte{0, 0xfe, 0xff, 0xff, kind, 0xfe, 0xff, 0xff})
		binary.LittleEndian.PutUint32(e[8:], first)
		binary.LittleEndian.PutUint32(e[12:], n)
	}
	for i, r := range regions[:3] {
		put(i, fat16LBA, uint32(r.Start/sector), uint32(r.Size/sector))
	}
	put(3, 0xee, 1, uint32(regions[0].Start/sector)-1)
}

// A guid is laid out as on disk: its first three fields little-endian.
type guid [16]byte

func parseGUID(s string) (guid, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return guid{}, fmt.Errorf("%q is not a GUID", s)
	}
	g := guid(b)
	g[0], g[1], g[2], g[3] = b[3], b[2], b[1], b[0]
	g[4], g[5], g[6], g[7] = b[5], b[4], b[7], b[6]
	return g, nil
}
