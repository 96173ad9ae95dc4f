package image

import (
	"encoding/binary"
	"fmt"
)

// The FAT16 layout of a slot (Microsoft FAT32 File System Specification,
// version 1.03). FAT16, because FAT32 starts at 33 MiB and a slot is smaller;
// UEFI reads both (UEFI 2.10, section 13.3).
const (
	fatSector      = 512
	fatClusterSize = 2 * fatSector
	fatReserved    = 1 // sectors before the first table: the boot sector
	fatRootEntries = 512
	fatEntrySize   = 32
	fatMinClusters = 4085 // fewer is FAT12
	fatMaxClusters = 65524
	fatEndOfChain  = 0xffff
	fatMedia       = 0xf8   // a disk that stays in its drive
	fatDate        = 0x0021 // 1980-01-01, the first there is
	fatVolumeID    = 0x54415052
	fatDirectory   = 0x10
	fatVolumeLabel = 0x08
)

// fatImage returns a file system of size bytes that holds one file, data, at
// /EFI/BOOT/name; name is 8.3, without its dot and padded. Nothing in it
// depends on when or where it is made.
func fatImage(size int64, name string, data []byte) ([]byte, error) {
	sectors := uint32(size / fatSector)
	const rootSectors = fatRootEntries * fatEntrySize / fatSector
	perCluster := uint32(fatClusterSize / fatSector)
	// Two table bytes for each cluster: tables of this size hold a little
	// more than the clusters that are left beside them.
	tableSectors := (sectors/perCluster*2 + fatSector - 1) / fatSector
	dataStart := fatReserved + 2*tableSectors + rootSectors
	clusters := (sectors - dataStart) / perCluster
	if clusters < fatMinClusters || clusters > fatMaxClusters {
		return nil, fmt.Errorf("slot of %d bytes has %d clusters, FAT16 has %d to %d", size, clusters, fatMinClusters, fatMaxClusters)
	}
	fileClusters := (uint32(len(data)) + fatClusterSize - 1) / fatClusterSize
	if fileClusters+2 > clusters {
		return nil, fmt.Errorf("file of %d bytes does not fit in a slot of %d", len(data), size)
	}

	img := make([]byte, size)
	fatBootSector(img, sectors, tableSectors)
	le := binary.LittleEndian
	table := img[fatReserved*fatSector:][:tableSectors*fatSector]
	chain := func(first, n uint32) {
		for c := first; c < first+n-1; c++ {
			le.PutUint16(table[2*c:], uint16(c+1))
		}
		le.PutUint16(table[2*(first+n-1):], fatEndOfChain)
	}
	const efi, boot, file = 2, 3, 4 // first clusters
	le.PutUint16(table[0:], 0xff00|fatMedia)
	le.PutUint16(table[2:], fatEndOfChain)
	chain(efi, 1)
	chain(boot, 1)
	chain(file, fileClusters)
	copy(img[(fatReserved+tableSectors)*fatSector:], table)

	root := img[(fatReserved+2*tableSectors)*fatSector:]
	cluster := func(c uint32) []byte { return img[dataStart*fatSector+(c-2)*fatClusterSize:] }
	fatEntries(root, fatEntry{"TAPROOT    ", fatVolumeLabel, 0, 0}, fatEntry{"EFI        ", fatDirectory, efi, 0})
	fatEntries(cluster(efi), fatEntry{".          ", fatDirectory, efi, 0}, fatEntry{"..         ", fatDirectory, 0, 0},
		fatEntry{"BOOT       ", fatDirectory, boot, 0})
	fatEntries(cluster(boot), fatEntry{".          ", fatDirectory, boot, 0}, fatEntry{"..         ", fatDirectory, efi, 0},
		fatEntry{name, 0, file, uint32(len(data))})
	copy(cluster(file), data)
	return img, nil
}

// fatBootSector writes the BIOS parameter block.
func fatBootSector(b []byte, sectors, tableSectors uint32) {
	le := binary.LittleEndian
	copy(b, "\xeb\x3c\x90TAPROOT ")
	le.PutUint16(b[11:], fatSector)
	b[13] = fatClusterSize / fatSector
	le.PutUint16(b[14:], fatReserved)
	b[16] = 2 // tables
	le.PutUint16(b[17:], fatRootEntries)
	if sectors < 1<<16 {
		le.PutUint16(b[19:], uint16(sectors))
	} else {
		le.PutUint32(b[32:], sectors)
	}
	b[21] = fatMedia
	le.PutUint16(b[22:], uint16(tableSectors))
	le.PutUint16(b[24:], 32) // sectors per track and, next, heads: any will do
	le.PutUint16(b[26:], 64)
	b[36] = 0x80 // drive
	b[38] = 0x29 // the next three fields are valid
	le.PutUint32(b[39:], fatVolumeID)
	copy(b[43:], "TAPROOT    FAT16   ")
	b[510], b[511] = 0x55, 0xaa
}

// A fatEntry is one entry of a directory.
type fatEntry struct {
	name    string // 11 bytes: 8 and 3, padded
	attr    byte
	cluster uint16
	size    uint32
}

func fatEntries(dir []byte, entries ...fatEntry) {
	le := binary.LittleEndian
	for i, e := range entries {
		b := dir[i*fatEntrySize:][:fatEntrySize]
		copy(b, e.name)
		b[11] = e.attr
		le.PutUint16(b[16:], fatDate) // made, read, written
		le.PutUint16(b[18:], fatDate)
		le.PutUint16(b[24:], fatDate)
		le.PutUint16(b[26:], e.cluster)
		le.PutUint32(b[28:], e.size)
	}
}
