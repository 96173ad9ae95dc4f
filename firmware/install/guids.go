package install

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
)

// The GUID partition table as the builder writes it (UEFI 2.10, section 5.3): a
// header, 128 entries behind it, and both again, in the other order, at the end.
const (
	sector        = 512
	gptHeaderSize = 92
	gptEntrySize  = 128
	gptEntries    = 128 * gptEntrySize
	headSize      = 2*sector + gptEntries // with the sector before the header
	tailSize      = gptEntries + sector
)

// Offsets in a header and in an entry.
const (
	gptHeaderSum  = 16
	gptDiskGUID   = 56
	gptEntriesAt  = 72 // and how many they are, and of what size
	gptEntriesSum = 88
	gptEntryGUID  = 16
)

// The ends of a disk of size bytes hold its partition table.
type ends struct {
	head, tail []byte
	size       int64
}

// put copies what b has of the ends, b being what the disk has from at.
func (e ends) put(b []byte, at int64) {
	overlay := func(part []byte, partAt int64) {
		from, end := max(at, partAt), min(at+int64(len(b)), partAt+int64(len(part)))
		if from < end {
			copy(b[from-at:end-at], part[from-partAt:])
		}
	}
	overlay(e.head, 0)
	overlay(e.tail, e.size-int64(len(e.tail)))
}

var errTable = errors.New("its partition table is not as the builder writes it")

// own returns the ends with GUIDs for disk and partitions that no other disk has.
// Nothing of an image refers to those that it came with: loaders go by numbers,
// and the entries of UEFI are made, or made anew, by the first boot of what was
// installed (docs/adr/0081). Two disks with one GUID in a machine are what
// firmware and Linux mix up.
func (e ends) own() (ends, error) {
	head, tail := bytes.Clone(e.head), bytes.Clone(e.tail)
	header, entries, backup := head[sector:2*sector], head[2*sector:], tail[gptEntries:]
	le := binary.LittleEndian
	if !bytes.HasPrefix(header, []byte("EFI PART")) || !bytes.HasPrefix(backup, []byte("EFI PART")) ||
		le.Uint64(header[gptEntriesAt:]) != 2 || le.Uint64(header[gptEntriesAt+8:]) != gptEntries/gptEntrySize|gptEntrySize<<32 ||
		!bytes.Equal(entries, tail[:gptEntries]) {
		return ends{}, errTable
	}
	for entry := range slices.Chunk(entries, gptEntrySize) {
		if !bytes.Equal(entry, make([]byte, gptEntrySize)) {
			newGUID(entry[gptEntryGUID:])
		}
	}
	copy(tail, entries)
	newGUID(header[gptDiskGUID:])
	copy(backup[gptDiskGUID:], header[gptDiskGUID:gptDiskGUID+16])
	for _, h := range [][]byte{header, backup} {
		le.PutUint32(h[gptEntriesSum:], crc32.ChecksumIEEE(entries))
		clear(h[gptHeaderSum:][:4])
		le.PutUint32(h[gptHeaderSum:], crc32.ChecksumIEEE(h[:gptHeaderSize]))
	}
	return ends{head, tail, e.size}, nil
}

// newGUID fills b with a random GUID (RFC 9562, version 4), whose first three
// fields a partition table has in little-endian order.
func newGUID(b []byte) {
	rand.Read(b[:16]) // does not fail
	b[7] = b[7]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
}

// withoutGUIDs returns the head of a disk without what own changes.
func withoutGUIDs(head []byte) []byte {
	head = bytes.Clone(head)
	header := head[sector : 2*sector]
	clear(header[gptHeaderSum:][:4])
	clear(header[gptDiskGUID:][:16])
	clear(header[gptEntriesSum:][:4])
	for entry := range slices.Chunk(head[2*sector:], gptEntrySize) {
		clear(entry[gptEntryGUID:][:16])
	}
	return head
}
