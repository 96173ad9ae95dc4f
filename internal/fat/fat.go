// Package fat finds files in FAT file systems (Microsoft FAT32 File System
// Specification, version 1.03): where on the disk they lie, so that one can be
// read, or be written over in place, without a driver.
//
// It reads FAT12, FAT16 and FAT32, by long and short names. What it reads may
// be anything: all of it is bounded and checked, and nothing is believed that
// leads out of the file system.
package fat

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf16"
)

// A Volume is a file system that can be read.
type Volume struct {
	r        io.ReaderAt
	bits     int   // of a table entry: 12, 16 or 32
	cluster  int64 // bytes
	table    int64 // where the first table begins
	root     int64 // where the root directory begins; not on FAT32
	rootSize int64
	data     int64  // where cluster 2 begins
	clusters uint32 // how many there are
	rootAt   uint32 // first cluster of the root directory; FAT32 alone
}

// A File is where a file lies.
type File struct {
	Size    int64
	Extents []Extent // in order; together at least Size bytes
}

// An Extent is bytes that follow each other in the file system.
type Extent struct{ Start, Size int64 }

// maxDirectory bounds the directories that are read, in bytes.
const maxDirectory = 1 << 20

// Open reads the boot sector of a file system.
func Open(r io.ReaderAt) (*Volume, error) {
	var b [512]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return nil, fmt.Errorf("opening FAT: %w", err)
	}
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, tables, rootEntries := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	sectors, tableSectors := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	v := &Volume{r: r}
	if tableSectors == 0 {
		tableSectors, v.rootAt = int64(le.Uint32(b[36:])), le.Uint32(b[44:])
	}
	if b[510] != 0x55 || b[511] != 0xaa || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		perCluster == 0 || perCluster&(perCluster-1) != 0 || reserved == 0 || tables == 0 || tableSectors == 0 {
		return nil, fmt.Errorf("opening FAT: no boot sector of one")
	}
	v.cluster = sector * perCluster
	v.table = reserved * sector
	v.root = v.table + tables*tableSectors*sector
	v.rootSize = (rootEntries*32 + sector - 1) / sector * sector
	v.data = v.root + v.rootSize
	n := (sectors*sector - v.data) / v.cluster
	if n <= 0 || n > 0x0ffffff5 {
		return nil, fmt.Errorf("opening FAT: %d clusters", n)
	}
	v.clusters = uint32(n)
	switch {
	case n < 4085:
		v.bits = 12
	case n < 65525:
		v.bits = 16
	default:
		v.bits = 32
	}
	return v, nil
}

// Find returns where the file at path, with slashes, lies. Names are compared
// without regard to case.
func (v *Volume) Find(path string) (File, error) {
	dir := File{Size: v.rootSize, Extents: []Extent{{v.root, v.rootSize}}}
	var err error
	if v.rootAt != 0 {
		if dir, err = v.chain(v.rootAt, maxDirectory); err != nil {
			return File{}, fmt.Errorf("finding %q: %w", path, err)
		}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, name := range parts {
		if dir, err = v.find(dir, name, i < len(parts)-1); err != nil {
			return File{}, fmt.Errorf("finding %q: %w", path, err)
		}
	}
	return dir, nil
}

// ReadFile returns what a file of at most maxBytes holds.
func (v *Volume) ReadFile(path string, maxBytes int64) ([]byte, error) {
	f, err := v.Find(path)
	if err != nil {
		return nil, err
	}
	if f.Size > maxBytes {
		return nil, fmt.Errorf("reading %q: %d bytes, at most %d are wanted", path, f.Size, maxBytes)
	}
	return v.read(f)
}

func (v *Volume) read(f File) ([]byte, error) {
	b := make([]byte, f.Size)
	rest := b
	for _, e := range f.Extents {
		n := min(e.Size, int64(len(rest)))
		if _, err := v.r.ReadAt(rest[:n], e.Start); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return b, nil
}

// find looks for name in a directory.
func (v *Volume) find(dir File, name string, wantDir bool) (File, error) {
	b, err := v.read(dir)
	if err != nil {
		return File{}, err
	}
	const (
		entry     = 32
		longName  = 0x0f
		label     = 0x08
		directory = 0x10
	)
	var long string
	for ; len(b) >= entry && b[0] != 0; b = b[entry:] {
		attr := b[11]
		switch {
		case b[0] == 0xe5: // deleted
			long = ""
			continue
		case attr == longName:
			long = longPart(b) + long
			continue
		case attr&label != 0:
			long = ""
			continue
		}
		match := strings.EqualFold(long, name) || strings.EqualFold(shortName(b), name)
		long = ""
		if !match || (attr&directory != 0) != wantDir {
			continue
		}
		le := binary.LittleEndian
		first := uint32(le.Uint16(b[26:]))
		if v.bits == 32 {
			first |= uint32(le.Uint16(b[20:])) << 16
		}
		if wantDir {
			return v.chain(first, maxDirectory)
		}
		size := int64(le.Uint32(b[28:]))
		if size == 0 {
			return File{}, nil
		}
		f, err := v.chain(first, size)
		if err == nil && f.Size < size {
			err = fmt.Errorf("its clusters end after %d of %d bytes", f.Size, size)
		}
		f.Size = size
		return f, err
	}
	return File{}, fs.ErrNotExist
}

// longPart returns the characters of one long entry.
func longPart(b []byte) string {
	var u []uint16
	for _, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
		c := binary.LittleEndian.Uint16(b[at:])
		if c == 0 || c == 0xffff {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

func shortName(b []byte) string {
	name, ext := strings.TrimRight(string(b[:8]), " "), strings.TrimRight(string(b[8:11]), " ")
	if ext == "" {
		return name
	}
	return name + "." + ext
}

// chain follows clusters from first until there are maxBytes of them.
func (v *Volume) chain(first uint32, maxBytes int64) (File, error) {
	var f File
	for c := first; ; {
		if c < 2 || c >= v.clusters+2 {
			return File{}, fmt.Errorf("cluster %d is outside", c)
		}
		at := v.data + int64(c-2)*v.cluster
		if n := len(f.Extents); n > 0 && f.Extents[n-1].Start+f.Extents[n-1].Size == at {
			f.Extents[n-1].Size += v.cluster
		} else {
			f.Extents = append(f.Extents, Extent{at, v.cluster})
		}
		f.Size += v.cluster
		if f.Size >= maxBytes || f.Size > int64(v.clusters)*v.cluster {
			return f, nil
		}
		next, err := v.next(c)
		if err != nil {
			return File{}, err
		}
		if next >= 1<<v.usedBits()-8 {
			return f, nil
		}
		c = next
	}
}

// usedBits is how many bits of a table entry are a cluster.
func (v *Volume) usedBits() int { return min(v.bits, 28) }

// next returns the entry of a cluster.
func (v *Volume) next(c uint32) (uint32, error) {
	var b [4]byte
	at, n := v.table+int64(c)*int64(v.bits)/8, 2
	if v.bits == 32 {
		n = 4
	}
	if _, err := v.r.ReadAt(b[:n], at); err != nil {
		return 0, err
	}
	e := binary.LittleEndian.Uint32(b[:])
	if v.bits == 12 && c%2 == 1 {
		e >>= 4
	}
	return e & (1<<v.usedBits() - 1), nil
}
