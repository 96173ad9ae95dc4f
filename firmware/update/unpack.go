package update

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/taproot-sensor/taproot/internal/fat"
)

// A System is what a slot starts: parts of the unified kernel image in it
// (systemd-stub(7)).
type System struct {
	Kernel, Initramfs *io.SectionReader
	CommandLine       string
}

// Where things are in a PE program (Microsoft PE and COFF specification,
// sections 3 and 4), from its signature where not said otherwise.
const (
	peSignatureAt  = 0x3c // from the start of the file
	peSections     = 6
	peOptionalSize = 20
	peOptional     = 24
	peSection      = 40
	maxSections    = 64
	maxCommandLine = 2047 // of Linux on x86
)

// ErrKernel is a release that the kernel of a system in RAM does not start.
var ErrKernel = errors.New("the kernel does not start it")

var errUKI = errors.New("not a unified kernel image")

// Unpack returns what a slot starts. loader is the path in it.
func Unpack(slot io.ReaderAt, loader string) (System, error) {
	s, err := unpack(slot, loader)
	if err != nil {
		return System{}, fmt.Errorf("unpacking %s: %w", loader, err)
	}
	return s, nil
}

func unpack(slot io.ReaderAt, loader string) (s System, err error) {
	volume, err := fat.Open(slot)
	if err != nil {
		return s, err
	}
	file, err := volume.Find(loader)
	if err != nil {
		return s, err
	}
	if len(file.Extents) != 1 {
		return s, fmt.Errorf("it lies in %d pieces, want 1", len(file.Extents))
	}
	uki := io.NewSectionReader(slot, file.Extents[0].Start, file.Size)
	parts, err := sections(uki)
	if err != nil {
		return s, err
	}
	s.Kernel, s.Initramfs = parts[".linux"], parts[".initrd"]
	line := parts[".cmdline"]
	if s.Kernel == nil || s.Initramfs == nil || line == nil || line.Size() > maxCommandLine {
		return s, errUKI
	}
	text, err := io.ReadAll(line)
	s.CommandLine = strings.Trim(string(text), " \n\x00")
	return s, err
}

// sections returns the sections of a PE program, by name.
func sections(file *io.SectionReader) (map[string]*io.SectionReader, error) {
	le := binary.LittleEndian
	var at [4]byte
	if _, err := file.ReadAt(at[:], peSignatureAt); err != nil {
		return nil, errUKI
	}
	start := int64(le.Uint32(at[:]))
	var head [peOptional]byte
	if _, err := file.ReadAt(head[:], start); err != nil || string(head[:4]) != "PE\x00\x00" {
		return nil, errUKI
	}
	n := int(le.Uint16(head[peSections:]))
	if n > maxSections {
		return nil, errUKI
	}
	table := make([]byte, n*peSection)
	if _, err := file.ReadAt(table, start+peOptional+int64(le.Uint16(head[peOptionalSize:]))); err != nil {
		return nil, errUKI
	}
	found := map[string]*io.SectionReader{}
	for ; len(table) > 0; table = table[peSection:] {
		name := strings.TrimRight(string(table[:8]), "\x00")
		size, from := int64(min(le.Uint32(table[8:]), le.Uint32(table[16:]))), int64(le.Uint32(table[20:]))
		if from+size > file.Size() {
			return nil, fmt.Errorf("%w: section %q is cut short", errUKI, name)
		}
		found[name] = io.NewSectionReader(file, from, size)
	}
	return found, nil
}
