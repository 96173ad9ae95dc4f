package slots

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A BlockDisk is a disk of the machine. It is read and written past the page
// cache, so that what is read back is what the disk holds.
type BlockDisk struct {
	f     *os.File
	size  int64
	block int64 // bytes that the disk writes at once
}

// directAlign is what memory is aligned to for O_DIRECT: the page of every
// architecture we run on, and more than any disk asks for.
const directAlign = 4096

// directChunk is the most that is read or written at once.
const directChunk = 256 << 10

// OpenBlockDisk opens a block device.
func OpenBlockDisk(path string) (*BlockDisk, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	d := &BlockDisk{f: f}
	size, err := f.Seek(0, io.SeekEnd)
	block, err2 := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil || err2 != nil || block < sector || block > directAlign || block&(block-1) != 0 {
		f.Close()
		return nil, fmt.Errorf("%s: size %d, blocks of %d: %w", path, size, block, errors.Join(err, err2))
	}
	d.size, d.block = size, int64(block)
	return d, nil
}

// Close closes the device.
func (d *BlockDisk) Close() error { return d.f.Close() }

// Size implements Disk.
func (d *BlockDisk) Size() int64 { return d.size }

// Flush implements Disk: fsync of a block device makes the disk empty its cache.
func (d *BlockDisk) Flush() error { return d.f.Sync() }

// aligned returns n bytes at an address that is a multiple of directAlign.
func aligned(n int64) []byte {
	b := make([]byte, n+directAlign)
	skip := -uintptr(unsafe.Pointer(&b[0])) & (directAlign - 1)
	return b[skip:][:n]
}

// pieces calls do for the parts of [at, at+n) that fit into one buffer: the
// whole blocks around each part, where in them it begins, and how long it is.
func (d *BlockDisk) pieces(at int64, n int, do func(blocks []byte, start, skip int64, n int) error) (done int, err error) {
	if at < 0 || at+int64(n) > d.size {
		return 0, io.ErrUnexpectedEOF
	}
	buf := aligned(min(directChunk, (int64(n)+2*d.block)/d.block*d.block))
	for done < n {
		start := (at + int64(done)) / d.block * d.block
		skip := at + int64(done) - start
		part := min(int64(n-done), int64(len(buf))-skip)
		whole := (skip + part + d.block - 1) / d.block * d.block
		if err := do(buf[:whole], start, skip, int(part)); err != nil {
			return done, err
		}
		done += int(part)
	}
	return done, nil
}

// ReadAt implements io.ReaderAt.
func (d *BlockDisk) ReadAt(p []byte, at int64) (int, error) {
	rest := p
	return d.pieces(at, len(p), func(blocks []byte, start, skip int64, n int) error {
		if _, err := d.f.ReadAt(blocks, start); err != nil {
			return err
		}
		copy(rest[:n], blocks[skip:])
		rest = rest[n:]
		return nil
	})
}

// WriteAt implements io.WriterAt. A part of a block is written with the rest of
// it as it was.
func (d *BlockDisk) WriteAt(p []byte, at int64) (int, error) {
	rest := p
	return d.pieces(at, len(p), func(blocks []byte, start, skip int64, n int) error {
		if skip != 0 || n != len(blocks) {
			if _, err := d.f.ReadAt(blocks, start); err != nil {
				return err
			}
		}
		copy(blocks[skip:], rest[:n])
		rest = rest[n:]
		_, err := d.f.WriteAt(blocks, start)
		return err
	})
}
