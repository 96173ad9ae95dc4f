package image

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A section is one payload of a unified kernel image.
type section struct {
	name string // at most 8 bytes
	data []byte
}

// Offsets in a PE file (Microsoft PE and COFF specification, sections 3.3, 3.4
// and 4), from the signature where not said otherwise.
const (
	peSignatureAt    = 0x3c // from the start of the file
	peSections       = 6
	peSymbols        = 12 // where they are, and how many
	peOptional       = 24
	peSizeOfImage    = peOptional + 56
	peCheckSum       = peOptional + 64
	peSectionHead    = 40
	initializedRead  = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ
	payloadAlignment = 4096
	firstAppended    = ".osrel"
)

// appendSections returns an EFI stub with sections added to it: a unified
// kernel image, as systemd-stub(7) reads it. The stub must have room for the
// section headers, which systemd's has.
func appendSections(stub []byte, sections []section) ([]byte, error) {
	f, err := pe.NewFile(bytes.NewReader(stub))
	if err != nil {
		return nil, fmt.Errorf("reading EFI stub: %w", err)
	}
	opt, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || len(f.Sections) == 0 || opt.FileAlignment == 0 || int64(opt.SizeOfHeaders) > int64(len(stub)) {
		return nil, errors.New("reading EFI stub: not a whole PE32+ program")
	}
	le := binary.LittleEndian
	at := int(le.Uint32(stub[peSignatureAt:]))
	fileAlign := opt.FileAlignment
	last := f.Sections[len(f.Sections)-1]
	address := alignUp(last.VirtualAddress+last.VirtualSize, payloadAlignment)
	table := at + peOptional + int(f.SizeOfOptionalHeader) + len(f.Sections)*peSectionHead
	if heads := table + len(sections)*peSectionHead; heads > int(opt.SizeOfHeaders) {
		return nil, fmt.Errorf("EFI stub has no room for %d section headers", len(sections))
	}
	// Symbols behind the last section go: a signature is over headers and
	// sections, and programs disagree on how to hash what is between them.
	end := opt.SizeOfHeaders
	for _, s := range f.Sections {
		if s.Offset > end {
			return nil, fmt.Errorf("reading EFI stub: nothing belongs to bytes %d to %d", end, s.Offset)
		}
		end = max(end, s.Offset+s.Size)
	}
	if int64(end) > int64(len(stub)) {
		return nil, errors.New("reading EFI stub: cut short")
	}
	out := bytes.Clone(stub[:end])
	clear(out[at+peSymbols:][:8])
	for i, s := range sections {
		out = pad(out, int(fileAlign))
		h := out[table+i*peSectionHead:][:peSectionHead]
		copy(h[0:8], s.name)
		le.PutUint32(h[8:], uint32(len(s.data)))
		le.PutUint32(h[12:], address)
		le.PutUint32(h[16:], alignUp(uint32(len(s.data)), fileAlign))
		le.PutUint32(h[20:], uint32(len(out)))
		le.PutUint32(h[36:], initializedRead)
		address = alignUp(address+uint32(len(s.data)), payloadAlignment)
		out = append(out, s.data...)
	}
	out = pad(out, int(fileAlign))
	head := out[at:]
	le.PutUint16(head[peSections:], uint16(len(f.Sections)+len(sections)))
	le.PutUint32(head[peSizeOfImage:], address)
	le.PutUint32(head[peCheckSum:], 0) // UEFI does not check it
	return out, nil
}

// replaceSection returns a unified kernel image with other data in one of the
// sections that were appended to its stub.
func replaceSection(uki []byte, name string, data []byte) ([]byte, error) {
	f, err := pe.NewFile(bytes.NewReader(uki))
	if err != nil {
		return nil, fmt.Errorf("reading UKI: %w", err)
	}
	places, err := sectionsOf(uki)
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(f.Sections, func(s *pe.Section) bool { return s.Name == firstAppended })
	if _, ok := places[name]; !ok || first < 1 {
		return nil, fmt.Errorf("reading UKI: no section %q, or none called %q", name, firstAppended)
	}
	var sections []section
	for _, s := range f.Sections[first:] {
		p := places[s.Name]
		content := uki[p.offset:][:p.size]
		if s.Name == name {
			content = data
		}
		sections = append(sections, section{s.Name, content})
	}
	at := int(binary.LittleEndian.Uint32(uki[peSignatureAt:]))
	stub := bytes.Clone(uki[:f.Sections[first].Offset])
	binary.LittleEndian.PutUint16(stub[at+peSections:], uint16(first))
	table := at + peOptional + int(f.SizeOfOptionalHeader)
	clear(stub[table+first*peSectionHead : table+len(f.Sections)*peSectionHead])
	return appendSections(stub, sections)
}

// A place is where something lies in a file.
type place struct{ offset, size int64 }

// sectionsOf returns where the sections of a unified kernel image lie.
func sectionsOf(uki []byte) (map[string]place, error) {
	f, err := pe.NewFile(bytes.NewReader(uki))
	if err != nil {
		return nil, fmt.Errorf("reading UKI: %w", err)
	}
	places := map[string]place{}
	for _, s := range f.Sections {
		if int64(s.Offset)+int64(min(s.Size, s.VirtualSize)) > int64(len(uki)) {
			return nil, fmt.Errorf("reading UKI: section %q is cut short", s.Name)
		}
		places[s.Name] = place{int64(s.Offset), int64(min(s.Size, s.VirtualSize))}
	}
	return places, nil
}

func alignUp(n, align uint32) uint32 { return (n + align - 1) / align * align }

// pad appends zeros until len(b) is a multiple of align.
func pad(b []byte, align int) []byte {
	if rest := len(b) % align; rest != 0 {
		b = append(b, make([]byte, align-rest)...)
	}
	return b
}
