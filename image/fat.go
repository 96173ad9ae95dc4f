package image

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"
)

// The FAT16 layout of a slot (Microsoft FAT32 File System Specification,
// version 1.03). FAT16, because FAT32 starts at 33 MiB and some slots are
// smaller; UEFI reads both (UEFI 2.10, section 13.3).
const (
	fatSector      = 512
	fatClusterSize = 2 * fatSector
	fatReserved    = 1 // sectors before the first table: the boot sector
	fatRootEntries = 512
	fatRootSectors = fatRootEntries * fatEntrySize / fatSector
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

// A slotFile is one file of a slot. Its path has slashes.
type slotFile struct {
	path string
	data []byte
}

// A fatVolume is a FAT16 file system in the making. Nothing in it depends on
// when or where it is made, and each file lies in consecutive clusters.
type fatVolume struct {
	img       []byte
	table     []byte // the first of two, one entry for each cluster
	dataStart int    // byte where cluster 2 is
	clusters  uint32
	next      uint32 // first free cluster
}

// fatImage returns a file system of size bytes that holds files, and where the
// data of each begins in it, in bytes.
func fatImage(size int64, files []slotFile) (img []byte, at map[string]int64, err error) {
	v, err := newFAT(size)
	if err != nil {
		return nil, nil, err
	}
	at = map[string]int64{}
	root := &fatDir{}
	for _, f := range files {
		cluster, err := v.add(f.data)
		if err != nil {
			return nil, nil, fmt.Errorf("file %q: %w", f.path, err)
		}
		root.enter(strings.Split(path.Clean(f.path), "/"), cluster, uint32(len(f.data)))
		at[f.path] = int64(v.offset(cluster))
	}
	if err := v.addRoot(root); err != nil {
		return nil, nil, err
	}
	copy(v.img[fatReserved*fatSector+len(v.table):], v.table)
	return v.img, at, nil
}

// newFAT returns an empty file system.
func newFAT(size int64) (*fatVolume, error) {
	sectors := uint32(size / fatSector)
	perCluster := uint32(fatClusterSize / fatSector)
	// Two table bytes for each cluster: tables of this size hold a little
	// more than the clusters that are left beside them.
	tableSectors := (sectors/perCluster*2 + fatSector - 1) / fatSector
	dataStart := fatReserved + 2*tableSectors + fatRootSectors
	clusters := uint32(0)
	if sectors > dataStart {
		clusters = (sectors - dataStart) / perCluster
	}
	if clusters < fatMinClusters || clusters > fatMaxClusters {
		return nil, fmt.Errorf("slot of %d bytes has %d clusters, FAT16 has %d to %d", size, clusters, fatMinClusters, fatMaxClusters)
	}
	v := &fatVolume{img: make([]byte, size), dataStart: int(dataStart * fatSector), clusters: clusters, next: 2}
	fatBootSector(v.img, sectors, tableSectors)
	v.table = v.img[fatReserved*fatSector:][:tableSectors*fatSector]
	binary.LittleEndian.PutUint16(v.table[0:], 0xff00|fatMedia)
	binary.LittleEndian.PutUint16(v.table[2:], fatEndOfChain)
	return v, nil
}

// offset returns the byte where a cluster begins.
func (v *fatVolume) offset(cluster uint32) int { return v.dataStart + int(cluster-2)*fatClusterSize }

// add puts data in consecutive clusters and returns the first; an empty file
// has none, which is 0.
func (v *fatVolume) add(data []byte) (uint32, error) {
	n := (uint32(len(data)) + fatClusterSize - 1) / fatClusterSize
	if n == 0 {
		return 0, nil
	}
	if v.next-2+n > v.clusters {
		return 0, fmt.Errorf("%d bytes do not fit in what is left of a slot of %d", len(data), len(v.img))
	}
	first := v.next
	v.next += n
	for c := first; c < first+n-1; c++ {
		binary.LittleEndian.PutUint16(v.table[2*c:], uint16(c+1))
	}
	binary.LittleEndian.PutUint16(v.table[2*(v.next-1):], fatEndOfChain)
	copy(v.img[v.offset(first):], data)
	return first, nil
}

// A fatDir is a directory in the making.
type fatDir struct {
	names   []string
	entries []fatEntry
	dirs    map[string]*fatDir
}

// enter notes a file and the directories above it.
func (d *fatDir) enter(parts []string, cluster, size uint32) {
	if len(parts) == 1 {
		d.names = append(d.names, parts[0])
		d.entries = append(d.entries, fatEntry{attr: 0x20, cluster: uint16(cluster), size: size})
		return
	}
	sub := d.dirs[parts[0]]
	if sub == nil {
		sub = &fatDir{}
		if d.dirs == nil {
			d.dirs = map[string]*fatDir{}
		}
		d.dirs[parts[0]] = sub
		d.names = append(d.names, parts[0])
		d.entries = append(d.entries, fatEntry{attr: fatDirectory})
	}
	sub.enter(parts[1:], cluster, size)
}

// addRoot puts the tree under root in place.
func (v *fatVolume) addRoot(root *fatDir) error {
	label := fatEntry{short: fatLabel, attr: fatVolumeLabel}.append(nil)
	b, err := v.entries(label, root, 0)
	if err != nil {
		return err
	}
	if len(b) > fatRootEntries*fatEntrySize {
		return fmt.Errorf("%d entries in the root directory, %d fit", len(b)/fatEntrySize, fatRootEntries)
	}
	copy(v.img[v.dataStart-fatRootSectors*fatSector:], b)
	return nil
}

// entries appends the entries of d, whose own first cluster is self, and puts
// the directories below it in place.
func (v *fatVolume) entries(b []byte, d *fatDir, self uint32) ([]byte, error) {
	taken := map[string]bool{}
	for i, name := range d.names {
		e := d.entries[i]
		var long []byte
		var err error
		if e.short, long, err = fatName(name, taken); err != nil {
			return nil, err
		}
		if sub := d.dirs[name]; sub != nil {
			cluster, err := v.addDir(sub, self)
			if err != nil {
				return nil, fmt.Errorf("directory %q: %w", name, err)
			}
			e.cluster = uint16(cluster)
		}
		b = e.append(append(b, long...))
	}
	return b, nil
}

// addDir puts a directory in place. Its size is known before its contents are:
// they hold its own first cluster.
func (v *fatVolume) addDir(d *fatDir, parent uint32) (uint32, error) {
	size := 2 * fatEntrySize
	for _, name := range d.names {
		_, long, err := fatName(name, map[string]bool{})
		if err != nil {
			return 0, err
		}
		size += len(long) + fatEntrySize
	}
	self, err := v.add(make([]byte, size))
	if err != nil {
		return 0, err
	}
	dots := fatEntry{short: ".          ", attr: fatDirectory, cluster: uint16(self)}.append(nil)
	dots = fatEntry{short: "..         ", attr: fatDirectory, cluster: uint16(parent)}.append(dots)
	b, err := v.entries(dots, d, self)
	if err != nil {
		return 0, err
	}
	copy(v.img[v.offset(self):], b)
	return self, nil
}

// fatLabel names the volume.
const fatLabel = "TAPROOT    "

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
	copy(b[43:], fatLabel+"FAT16   ")
	b[510], b[511] = 0x55, 0xaa
}
