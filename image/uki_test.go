package image

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"strings"
	"testing"
)

// testStub returns a PE file with one section and room for more headers.
func testStub(t testing.TB, room uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("MZ")
	b.Write(make([]byte, peSignatureAt-2))
	binary.Write(&b, binary.LittleEndian, uint32(64))
	b.WriteString("PE\x00\x00")
	for _, v := range []any{
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: 240, PointerToSymbolTable: 1536, NumberOfSymbols: 2},
		pe.OptionalHeader64{Magic: 0x20b, SectionAlignment: 512, FileAlignment: 512, SizeOfHeaders: room, CheckSum: 7, NumberOfRvaAndSizes: 16},
		pe.SectionHeader32{Name: [8]uint8{'.', 't'}, VirtualSize: 100, VirtualAddress: 0x1000, SizeOfRawData: 512, PointerToRawData: 1024},
	} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	symbols := make([]byte, 2*18+4)
	symbols[2*18] = 4 // the size of the table of strings that follows them
	return append(pad(append(pad(b.Bytes(), 1024), "text"...), 512), symbols...)
}

func TestAppendSections(t *testing.T) {
	want := []section{{".osrel", []byte("ID=taproot\n")}, {".linux", noise(70_000)}, {".initrd", noise(512)}}
	uki, err := appendSections(testStub(t, 1024), want)
	if err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(uki))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Sections) != 1+len(want) {
		t.Fatalf("got %d sections, want %d", len(f.Sections), 1+len(want))
	}
	end := f.Sections[0].VirtualAddress + f.Sections[0].VirtualSize
	for i, w := range want {
		s := f.Sections[1+i]
		data, err := s.Data()
		if err != nil || s.Name != w.name || s.VirtualSize != uint32(len(w.data)) || !bytes.Equal(data[:s.VirtualSize], w.data) {
			t.Errorf("section %d: got %q of %d bytes, %v; want %q", i, s.Name, s.VirtualSize, err, w.name)
		}
		if s.VirtualAddress < end || s.VirtualAddress%payloadAlignment != 0 {
			t.Errorf("section %q is at %#x, the one before ends at %#x", s.Name, s.VirtualAddress, end)
		}
		end = s.VirtualAddress + s.VirtualSize
	}
	if o := f.OptionalHeader.(*pe.OptionalHeader64); o.SizeOfImage < end || o.CheckSum != 0 {
		t.Errorf("got image size %#x, checksum %#x; want at least %#x, 0", o.SizeOfImage, o.CheckSum, end)
	}
}

// A section that is replaced leaves what appendSections would have made with it.
func TestReplaceSection(t *testing.T) {
	sections := []section{{firstAppended, []byte("ID=taproot\n")}, {".linux", noise(70_000)}, {".initrd", noise(513)}}
	uki, err := appendSections(testStub(t, 1024), sections)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 100, 70_000, 90_001} {
		got, err := replaceSection(uki, ".linux", noise(size))
		if err != nil {
			t.Fatal(err)
		}
		sections[1].data = noise(size)
		want, err := appendSections(testStub(t, 1024), sections)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("with %d bytes it is not what it is when made so (%v)", size, err)
		}
	}
	if _, err := replaceSection(uki, ".gone", nil); err == nil {
		t.Error("a section that is not there was replaced")
	}
	if _, err := replaceSection(testStub(t, 1024), ".t", nil); err == nil {
		t.Error("a section of the stub was replaced")
	}
}

func TestAppendSectionsRefuses(t *testing.T) {
	tests := []struct {
		name string
		stub []byte
		want string
	}{
		{"not PE", []byte("#!/bin/sh"), "reading EFI stub"},
		{"no room", testStub(t, 400), "no room for 1 section headers"},
	}
	for _, tt := range tests {
		if _, err := appendSections(tt.stub, []section{{".linux", nil}}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPayload(t *testing.T) {
	k := make([]byte, 4096)
	k[0x1f1] = 2 // setup sectors: the payload is counted from byte 1536
	copy(k[0x202:], "HdrS\x0f\x02")
	binary.LittleEndian.PutUint32(k[0x248:], 100)
	binary.LittleEndian.PutUint32(k[0x24c:], 6)
	copy(k[1636:], "kernel")
	if got, err := payload(k); err != nil || string(got) != "kernel" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := payload(k[:1640]); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("cut short: got %v", err)
	}
	if _, err := payload([]byte("\x7fELF")); err == nil {
		t.Error("an ELF file passed as bzImage")
	}
}

func FuzzPayload(f *testing.F) {
	k := make([]byte, 0x260)
	copy(k[0x202:], "HdrS\x0f\x02")
	f.Add(k)
	f.Fuzz(func(t *testing.T, b []byte) { payload(b) })
}

func FuzzAppendSections(f *testing.F) {
	f.Add(testStub(f, 1024))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, stub []byte) {
		uki, err := appendSections(stub, []section{{".linux", []byte("kernel")}})
		if err == nil && !bytes.Contains(uki, []byte("kernel")) {
			t.Error("the section is not in the result")
		}
	})
}
