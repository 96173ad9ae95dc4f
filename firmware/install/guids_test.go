package install

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testTable returns the ends of a disk with two partitions.
func testTable(size int64) (head, tail []byte) {
	head, tail = make([]byte, headSize), make([]byte, tailSize)
	le := binary.LittleEndian
	last := uint64(size/sector - 1)
	copy(head[446:], "\x00\x00\x02\x00\xee\xff\xff\xff\x01\x00\x00\x00")
	le.PutUint32(head[446+12:], uint32(last))
	head[510], head[511] = 0x55, 0xaa
	for i, at := range []uint64{2048, 4096} {
		e := head[2*sector+i*gptEntrySize:]
		copy(e, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b") // an EFI system partition
		copy(e[gptEntryGUID:], bytes.Repeat([]byte{byte(i + 1)}, 16))
		le.PutUint64(e[32:], at)
		le.PutUint64(e[40:], at+2047)
		e[56] = 'a' + byte(i)
	}
	copy(tail, head[2*sector:])
	for _, h := range []struct {
		b                  []byte
		self, other, table uint64
	}{{head[sector:], 1, last, 2}, {tail[gptEntries:], last, 1, last - gptEntries/sector}} {
		copy(h.b, "EFI PART\x00\x00\x01\x00\x5c")
		le.PutUint64(h.b[24:], h.self)
		le.PutUint64(h.b[32:], h.other)
		le.PutUint64(h.b[40:], headSize/sector)
		le.PutUint64(h.b[48:], last-tailSize/sector)
		copy(h.b[gptDiskGUID:], bytes.Repeat([]byte{9}, 16))
		le.PutUint64(h.b[gptEntriesAt:], h.table)
		le.PutUint32(h.b[gptEntriesAt+8:], 128)
		le.PutUint32(h.b[gptEntriesAt+12:], gptEntrySize)
		le.PutUint32(h.b[gptEntriesSum:], crc32.ChecksumIEEE(tail[:gptEntries]))
		le.PutUint32(h.b[gptHeaderSum:], crc32.ChecksumIEEE(h.b[:gptHeaderSize]))
	}
	return head, tail
}

// Two disks of one image have no GUID in common, and nothing else is different.
func TestOwnGUIDs(t *testing.T) {
	m, iso, want := testMedium(t)
	sgdisk, err := exec.LookPath("sgdisk")
	if err != nil {
		t.Skip("no sgdisk: scripts/install-deps test")
	}
	guid := regexp.MustCompile(`[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}`)
	show := func(path string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), sgdisk, append(args, path)...).CombinedOutput()
		if err != nil {
			t.Fatalf("sgdisk %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	seen := map[string]bool{}
	var tables []string
	for _, name := range []string{"image", "first", "second"} {
		d := &disk{b: bytes.Clone(want)}
		if name != "image" {
			clear(d.b)
			if err := m.Write(t.Context(), bytes.NewReader(iso), d, func(string, int) {}); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, d.b, 0o644); err != nil {
			t.Fatal(err)
		}
		if out := show(path, "-v"); !strings.Contains(out, "No problems found") {
			t.Errorf("%s: sgdisk says\n%s", name, out)
		}
		table := strings.ReplaceAll(show(path, "-p"), path, "")
		for _, text := range []string{table, show(path, "-i", "1"), show(path, "-i", "2")} {
			found := guid.FindAllString(text, -1)
			id := found[len(found)-1] // the type, if there is one, comes first
			if seen[id] {
				t.Errorf("%s: GUID %s is not its own", name, id)
			}
			seen[id] = true
		}
		tables = append(tables, guid.ReplaceAllString(table, ""))
	}
	if tables[0] != tables[1] || tables[0] != tables[2] {
		t.Errorf("tables differ in more than GUIDs:\n%s", strings.Join(tables, "\n"))
	}
}

func TestOwnGUIDsRefuses(t *testing.T) {
	head, tail := testTable(8 << 20)
	for _, spoil := range []func(e ends){
		func(e ends) { e.head[sector]++ },
		func(e ends) { e.tail[gptEntries]++ },
		func(e ends) { e.head[sector+gptEntriesAt]++ },
		func(e ends) { e.head[sector+gptEntriesAt+8]++ },
		func(e ends) { e.tail[5]++ },
	} {
		e := ends{bytes.Clone(head), bytes.Clone(tail), 8 << 20}
		spoil(e)
		if _, err := e.own(); err == nil {
			t.Error("a table that is not known is changed")
		}
	}
}
