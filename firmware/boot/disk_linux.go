package boot

import (
	"os"

	"golang.org/x/sys/unix"
)

// A Disk is a whole disk that nobody else has open.
type Disk struct{ *os.File }

// OpenDisk opens a disk by its name in /dev for reading and writing.
func OpenDisk(name string) (Disk, error) {
	f, err := os.OpenFile("/dev/"+name, os.O_RDWR|unix.O_EXCL, 0)
	return Disk{f}, err
}

// Sync flushes what was written and forgets it, so that what is read then comes
// from the disk.
func (d Disk) Sync() error {
	if err := d.File.Sync(); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0)
}
