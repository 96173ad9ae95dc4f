package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// A Disk is what a journal's directory is on. The operating system's is the
// default; tests put one in its place that fails, hangs, fills up and loses
// power.
type Disk interface {
	// Lock makes dir if need be, durably, and keeps other processes out of it
	// until the lock is closed.
	Lock(dir string) (io.Closer, error)
	// List returns the sizes of the files in dir by their names.
	List(dir string) (map[string]int64, error)
	// Create makes an empty file, or empties the one that is there.
	Create(path string) (File, error)
	// Open opens a file that is there.
	Open(path string) (File, error)
	// Rename gives a file another name, in the same directory.
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Space returns the bytes that may be written below dir, and the size of
	// the file system.
	Space(dir string) (free, size int64, err error)
}

// A File is an open file of a Disk. Write appends.
type File interface {
	io.ReaderAt
	io.Writer
	io.Closer
	// Sync makes the bytes and the length of the file durable. After an error
	// nothing is known of what was written since the Sync before.
	Sync() error
	Truncate(size int64) error
	// Forget drops what is in memory of the file and on the disk too, so that
	// reads say what the disk has.
	Forget()
}

// osDisk is the operating system's.
type osDisk struct{}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }
func (f osFile) Forget()     { dropCache(f.File) }

func (osDisk) Lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another process", dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

func (osDisk) List(dir string) (map[string]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		sizes[e.Name()] = info.Size()
	}
	return sizes, nil
}

func (osDisk) Create(path string) (File, error) {
	return open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND)
}

func (osDisk) Open(path string) (File, error) { return open(path, os.O_RDWR|os.O_APPEND) }

func open(path string, flags int) (File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return durable.SyncDir(dir) }

func (osDisk) Space(dir string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("asking for space on %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
