package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A File is a Source that reads a capture file of either format. A file that
// ends in the middle of a record gives every frame before it, then a
// *FormatError. A regular file is mapped and its frames are used where they
// lie; it must not be cut short meanwhile.
type File struct {
	name   string
	closer io.Closer
	win    window
	format format
	frames uint64
	err    error // once set, NextBatch returns it after the frames before it
}

// A format reads the records of one file format.
type format interface {
	// next reads one record from the window. It sets *frame and returns
	// true if the record holds a frame. It returns errMore, with the window
	// as it was, if the record is not wholly in the window.
	next(w *window, frame *Frame) (bool, error)

	// need returns how many bytes the record at the front of the window
	// needs, as far as that can be told from what is there. next has
	// found that it makes sense.
	need(w *window) int
}

var errMore = errors.New("record is not wholly in memory")

// OpenFile opens the capture file at path; "-" is standard input.
func OpenFile(path string) (*File, error) {
	if path == "-" {
		return NewFile("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	win := window{r: f}
	if mem := mapFile(f); mem != nil {
		win = window{buf: mem, end: len(mem), err: io.EOF, mapped: true}
	}
	c := &File{name: path, win: win, closer: f}
	if err := c.begin(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// NewFile reads a capture file from r; name is what errors call it.
func NewFile(name string, r io.Reader) (*File, error) {
	f := &File{name: name, win: window{r: r}}
	if err := f.begin(); err != nil {
		return nil, err
	}
	return f, nil
}

// begin reads what the file begins with, and so learns its format.
func (f *File) begin() error {
	if !f.win.fill(4) {
		if f.win.err != io.EOF {
			return fmt.Errorf("reading capture %q: %w", f.name, f.win.err)
		}
		return f.fail("file is too short to be a capture")
	}
	var err error
	switch magic := binary.LittleEndian.Uint32(f.win.buf); magic {
	case blockSection:
		f.format = &pcapng{}
	default:
		f.format, err = newPcap(&f.win, magic)
	}
	if err != nil {
		return f.fail(err.Error())
	}
	return nil
}

func (f *File) fail(reason string) error {
	return &FormatError{File: f.name, Offset: f.win.offset(), Reason: reason}
}

// NextBatch implements Source.
func (f *File) NextBatch(frames []Frame) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if f.win.mapped && f.win.pos-f.win.released >= releaseEvery {
		f.win.released = release(f.win.buf, f.win.released, f.win.pos)
	}
	n := 0
	for n < len(frames) {
		got, err := f.format.next(&f.win, &frames[n])
		if err == nil {
			if got {
				n++
			}
			continue
		}
		if err == errMore {
			if n > 0 {
				break // filling the window would move the frames before
			}
			if err = f.more(); err == nil {
				continue
			}
		} else {
			err = f.fail(err.Error())
		}
		f.err = err
		break
	}
	f.frames += uint64(n)
	if n == 0 {
		return 0, f.err
	}
	return n, nil
}

// more fills the window until the record at its front is whole.
func (f *File) more() error {
	have := f.win.len()
	switch {
	case f.win.fill(f.format.need(&f.win)):
		return nil
	case f.win.err != io.EOF:
		return fmt.Errorf("reading capture %q: at byte %d: %w", f.name, f.win.offset(), f.win.err)
	case have == 0 && f.win.len() == 0:
		return io.EOF
	}
	return f.fail(fmt.Sprintf("file ends inside a record: %d bytes left", f.win.len()))
}

// Stats implements Source.
func (f *File) Stats() Stats { return Stats{Frames: f.frames} }

// Name implements Source.
func (f *File) Name() string { return f.name }

// Close implements Source.
func (f *File) Close() error {
	if f.win.mapped {
		if err := unmapFile(f.win.buf); err != nil {
			return fmt.Errorf("closing capture %q: %w", f.name, err)
		}
		f.win = window{err: io.EOF, mapped: true}
	}
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}
