package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes the bytes and the length of f durable, without its times.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// dropCache drops the clean pages of f. The kernel calls a page clean that it
// could not write (fsync(2), NOTES; "fsyncgate", 2018): a sync that failed in
// the life of another process must not be believed to have worked because the
// page can still be read.
func dropCache(f *os.File) { unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
