package capture

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a regular file, so that frames are used where the page cache
// has them. It returns nil for what must be read: a pipe, an empty file, one
// that does not fit into the address space.
func mapFile(f *os.File) []byte {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > math.MaxInt/4 {
		return nil
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	// Only a hint: reading ahead saves the faults.
	_ = unix.Madvise(mem, unix.MADV_SEQUENTIAL)
	return mem
}

func unmapFile(mem []byte) error { return unix.Munmap(mem) }

// release gives the pages of mem[:upTo] back, as far as released has not.
func release(mem []byte, released, upTo int) int {
	upTo &^= releaseEvery - 1
	if upTo <= released || unix.Madvise(mem[released:upTo], unix.MADV_DONTNEED) != nil {
		return released
	}
	return upTo
}
