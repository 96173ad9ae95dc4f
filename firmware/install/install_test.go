package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/taproot-sensor/taproot/wire/live"
)

// disk is a disk in memory, on which writing may fail.
type disk struct {
	b     []byte
	order []int64 // where it was written
	bad   int64   // a byte that cannot be changed; 0 is none
}

func (d *disk) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > int64(len(d.b)) {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, d.b[at:]), nil
}

func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	d.order = append(d.order, at)
	old := d.b[d.bad]
	copy(d.b[at:], p)
	if d.bad > 0 {
		d.b[d.bad] = old
	}
	return len(p), nil
}

func (d *disk) Sync() error { return nil }

// testMedium returns an ISO, what its sheet makes a disk of, and that disk.
func testMedium(t *testing.T) (Medium, []byte, []byte) {
	t.Helper()
	iso := make([]byte, 4<<20)
	for i := range iso {
		iso[i] = byte(i*7 + i>>9)
	}
	want := make([]byte, 5<<20+tailSize)
	sheet := live.Sheet{Board: "pc", Release: "1", Size: int64(len(want)), Pieces: []live.Piece{
		{From: 3 << 20, Size: 1 << 20, To: []int64{0}},
		{From: 1 << 20, Size: 1<<20 + 300_000, To: []int64{1 << 20, 3 << 20}},
		{From: 7, Size: tailSize, To: []int64{5 << 20}},
	}}
	head, tail := testTable(int64(len(want)))
	copy(iso[3<<20:], head)
	copy(iso[7:], tail)
	for _, p := range sheet.Pieces {
		for _, to := range p.To {
			copy(want[to:to+p.Size], iso[p.From:])
		}
	}
	sheet.SHA256 = sha256.Sum256(want)
	text, err := sheet.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(iso[live.SheetOffset:], text)
	open := func(name string) (io.ReaderAt, func() error, error) {
		if name == "sr0" {
			return bytes.NewReader(iso), func() error { return nil }, nil
		}
		return nil, nil, errors.New("no medium")
	}
	m, err := FindMedium([]Disk{{Name: "sda"}, {Name: "sr0"}}, "pc", open)
	if err != nil || m.Disk.Name != "sr0" {
		t.Fatalf("got %+v, %v", m, err)
	}
	if _, err := FindMedium([]Disk{{Name: "sr0"}}, "rpi5", open); !errors.Is(err, ErrNone) {
		t.Errorf("another board's ISO: got %v", err)
	}
	return m, iso, want
}

func TestWrite(t *testing.T) {
	m, iso, want := testMedium(t)
	d := &disk{b: bytes.Repeat([]byte{0xaa}, len(want)+1000)}
	if m.Installed(bytes.NewReader(iso), d) {
		t.Error("an old disk passes as installed")
	}
	last := 0
	if err := m.Write(t.Context(), bytes.NewReader(iso), d, func(_ string, percent int) { last = percent }); err != nil {
		t.Fatal(err)
	}
	n := len(want)
	if !bytes.Equal(d.b[headSize:n-tailSize], want[headSize:n-tailSize]) || last != 100 {
		t.Error("the disk is not what the sheet says")
	}
	if got := d.b[:headSize]; !bytes.Equal(withoutGUIDs(got), withoutGUIDs(want[:headSize])) || bytes.Equal(got, want[:headSize]) {
		t.Error("the table is another in more than its GUIDs, or has those of the image")
	}
	if first, end := d.order[0], d.order[len(d.order)-1]; first != 0 || end != 0 {
		t.Errorf("written at %d first and at %d last, want the table cleared first and written last", first, end)
	}
	if !bytes.Equal(d.b[len(want):], bytes.Repeat([]byte{0xaa}, 1000)) {
		t.Error("written behind the end")
	}
	if !m.Installed(bytes.NewReader(iso), d) {
		t.Error("the installed disk does not pass as such")
	}
}

func TestWriteFinds(t *testing.T) {
	m, iso, want := testMedium(t)
	for _, at := range []int{sector + gptDiskGUID, len(want) - 100} {
		if err := m.Write(t.Context(), bytes.NewReader(iso), &disk{b: bytes.Repeat([]byte{0xaa}, len(want)), bad: int64(at)}, func(string, int) {}); err == nil || !strings.Contains(err.Error(), "table") {
			t.Errorf("a disk that is broken in its table: got %v", err)
		}
	}
	d := &disk{b: bytes.Repeat([]byte{0xaa}, len(want)), bad: 2_000_000}
	if err := m.Write(t.Context(), bytes.NewReader(iso), d, func(string, int) {}); err == nil || !strings.Contains(err.Error(), "reading back") {
		t.Errorf("a broken disk: got %v", err)
	}
	if err := m.Write(t.Context(), bytes.NewReader(iso[:2<<20]), &disk{b: make([]byte, len(want))}, func(string, int) {}); err == nil || !strings.Contains(err.Error(), "reading ISO") {
		t.Errorf("half an ISO: got %v", err)
	}
}

func TestDisksAndTargets(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s + "\n")} }
	sys := fstest.MapFS{}
	for name, d := range map[string][3]string{ // size, removable, ro
		"nvme0n1": {"1000000", "0", "0"}, "sda": {"200000", "0", "0"}, "sdb": {"1000000", "1", "0"}, "sdc": {"1000000", "0", "1"},
		"sdd": {"10", "0", "0"}, "sde": {"0", "1", "0"}, "sr0": {"70000", "1", "0"}, "loop0": {"1000000", "0", "0"},
	} {
		sys["block/"+name+"/size"], sys["block/"+name+"/removable"], sys["block/"+name+"/ro"] = file(d[0]), file(d[1]), file(d[2])
	}
	sys["block/nvme0n1/device/model"] = file("Fast SSD")
	disks, err := Disks(sys)
	if err != nil {
		t.Fatal(err)
	}
	m := Medium{Disk: Disk{Name: "sda"}, Sheet: live.Sheet{Size: 66 << 20}}
	got := m.Targets(disks)
	if len(disks) != 6 || len(got) != 1 || got[0].String() != "nvme0n1, 0.5 GB, Fast SSD" {
		t.Errorf("got %v of %v", got, disks)
	}
	if d, err := Only(got); err != nil || d.Name != "nvme0n1" {
		t.Errorf("Only: got %v, %v", d, err)
	}
	if _, err := Only(disks); err == nil {
		t.Error("Only chose among several")
	}
}

func TestChoose(t *testing.T) {
	targets := []Disk{{Name: "sda", Size: 8e9}, {Name: "sdb", Size: 8e9}}
	for _, tt := range []struct{ typed, want string }{
		{"install sda\nsda\n", "sda"},
		{"\nhelp\ninstall sdz\ninstall sdb\nyes\ninstall sdb\nsdb\n", "sdb"},
		{"sda\nsda\n", ""},
	} {
		lines := make(chan string, 20)
		for l := range strings.Lines(tt.typed) {
			lines <- l
		}
		var said strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		c := Console{Lines: lines, Say: func(format string, args ...any) {
			fmt.Fprintf(&said, format+"\n", args...)
			if len(lines) == 0 && strings.HasPrefix(format, "To install") && tt.want == "" {
				cancel()
			}
		}}
		d, err := c.Choose(ctx, targets)
		cancel()
		if d.Name != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q: got %v, %v\n%s", tt.typed, d, err, said.String())
		}
	}
}
