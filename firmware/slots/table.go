package slots

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/board"
)

// A Region is a partition of the disk.
type Region struct {
	Number      int    // from 1
	GUID        string // its own, as Linux and UEFI print it in capitals
	Start, Size int64
}

// A Table is the regions of a disk, by name.
type Table map[string]Region

// The GUID partition table (UEFI 2.10, section 5.3): a header of 92 bytes, and
// entries of 128 bytes, of which we read as many as every disk has.
const (
	gptHeaderSize = 92
	gptEntrySize  = 128
	gptEntries    = 128
)

// ReadTable reads the partition table of a disk that has two slots and a
// journal: the one at its begin or, where that is damaged, the one at its end.
func ReadTable(d Disk) (Table, error) {
	t, err := readTable(d, sector)
	if err != nil {
		var err2 error
		if t, err2 = readTable(d, d.Size()-sector); err2 != nil {
			return nil, fmt.Errorf("reading partition table: %w; and the one at the end: %w", err, err2)
		}
	}
	for _, name := range []string{board.RegionSlotA, board.RegionSlotB, board.RegionJournal} {
		if _, ok := t[name]; !ok {
			return nil, fmt.Errorf("reading partition table: no region %q", name)
		}
	}
	if a, b := t[A.Region()].Size, t[B.Region()].Size; a != b {
		return nil, fmt.Errorf("reading partition table: slots of %d and %d bytes", a, b)
	}
	return t, nil
}

func readTable(d Disk, at int64) (Table, error) {
	h, err := readSector(d, at)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	sum := le.Uint32(h[16:])
	clear(h[16:20])
	if !bytes.HasPrefix(h, []byte("EFI PART")) || crc32.ChecksumIEEE(h[:gptHeaderSize]) != sum {
		return nil, errors.New("no header, or its checksum is wrong")
	}
	if n, size := le.Uint32(h[80:]), le.Uint32(h[84:]); n != gptEntries || size != gptEntrySize {
		return nil, fmt.Errorf("%d entries of %d bytes, want %d of %d", n, size, gptEntries, gptEntrySize)
	}
	entries := make([]byte, gptEntries*gptEntrySize)
	if _, err := d.ReadAt(entries, int64(le.Uint64(h[72:])&(1<<40-1))*sector); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(entries) != le.Uint32(h[88:]) {
		return nil, errors.New("the checksum of its entries is wrong")
	}
	t := Table{}
	for i := range gptEntries {
		e := entries[i*gptEntrySize:][:gptEntrySize]
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if first == 0 || last < first || last >= uint64(d.Size()/sector) {
			continue
		}
		t[gptName(e[56:])] = Region{Number: i + 1, GUID: guidString(e[16:32]),
			Start: int64(first) * sector, Size: int64(last-first+1) * sector}
	}
	return t, nil
}

func gptName(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// guidString prints a GUID as UEFI does: its first three fields are
// little-endian in memory.
func guidString(b []byte) string {
	le := binary.LittleEndian
	return strings.ToUpper(fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16]))
}

// appendGUID is the reverse of guidString.
func appendGUID(dst []byte, s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return nil, fmt.Errorf("%q is not a GUID", s)
	}
	le := binary.LittleEndian
	be := binary.BigEndian
	dst = le.AppendUint32(dst, be.Uint32(b))
	dst = le.AppendUint16(dst, be.Uint16(b[4:]))
	dst = le.AppendUint16(dst, be.Uint16(b[6:]))
	return append(dst, b[8:]...), nil
}
