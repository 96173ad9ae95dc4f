package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// one is a frame as a test compares it.
type one struct {
	data     string
	time     int64
	wireLen  uint32
	linkType uint32
}

// readAll reads frames until the source ends, some at a time.
func readAll(t testing.TB, src capture.Source, batch int) ([]one, error) {
	t.Helper()
	var all []one
	frames := make([]capture.Frame, batch)
	for {
		n, err := src.NextBatch(frames)
		for _, f := range frames[:n] {
			all = append(all, one{string(f.Data), f.Time, f.WireLen, f.LinkType})
		}
		if err != nil {
			if got := src.Stats().Frames; got != uint64(len(all)) {
				t.Errorf("source counted %d frames, gave %d", got, len(all))
			}
			if err == io.EOF {
				return all, nil
			}
			return all, err
		}
	}
}

// read reads a capture as a stream and, which must give the same, as a file.
func read(t testing.TB, file []byte) ([]one, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	mapped, mapErr := capture.OpenFile(path)
	src, err := capture.NewFile(path, bytes.NewReader(file))
	if fmt.Sprint(err) != fmt.Sprint(mapErr) {
		t.Errorf("stream: %v, file: %v", err, mapErr)
	}
	if err != nil {
		return nil, err
	}
	defer mapped.Close()
	got, err := readAll(t, src, 7)
	again, mapErr := readAll(t, mapped, 7)
	if !slices.Equal(got, again) || fmt.Sprint(err) != fmt.Sprint(mapErr) {
		t.Errorf("stream: %v, %v\n  file: %v, %v", got, err, again, mapErr)
	}
	return got, err
}

// pcap makes a file in classic format of two frames, the second longer on the
// wire than captured.
func pcap(order binary.AppendByteOrder, magic uint32) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 12)...)
	b = order.AppendUint32(b, 0x30000000|113)
	for i, data := range []string{"first", "second"} {
		b = order.AppendUint32(b, uint32(100+i))
		b = order.AppendUint32(b, 7)
		b = order.AppendUint32(b, uint32(len(data)))
		b = order.AppendUint32(b, uint32(len(data)+i*1000))
		b = append(b, data...)
	}
	return b
}

func TestFilePcap(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order binary.AppendByteOrder
		magic uint32
		unit  int64
	}{
		{"little-endian microseconds", binary.LittleEndian, 0xa1b2c3d4, 1000},
		{"big-endian microseconds", binary.BigEndian, 0xa1b2c3d4, 1000},
		{"little-endian nanoseconds", binary.LittleEndian, 0xa1b23c4d, 1},
		{"big-endian nanoseconds", binary.BigEndian, 0xa1b23c4d, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, pcap(tt.order, tt.magic))
			want := []one{{"first", 100e9 + 7*tt.unit, 5, 113}, {"second", 101e9 + 7*tt.unit, 1006, 113}}
			if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
				t.Errorf("got %v, %v\nwant %v", got, err, want)
			}
		})
	}
}

// block appends a pcapng block.
func block(b []byte, order binary.AppendByteOrder, typ uint32, body ...byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	size := uint32(12 + len(body))
	b = order.AppendUint32(order.AppendUint32(b, typ), size)
	return order.AppendUint32(append(b, body...), size)
}

func section(b []byte, order binary.AppendByteOrder) []byte {
	body := order.AppendUint32(nil, 0x1a2b3c4d)
	body = order.AppendUint16(order.AppendUint16(body, 1), 0)
	return block(b, order, 0x0a0d0d0a, order.AppendUint64(body, 1<<64-1)...)
}

func iface(b []byte, order binary.AppendByteOrder, linkType uint16, options ...byte) []byte {
	body := order.AppendUint16(nil, linkType)
	body = append(body, 0, 0, 0, 0, 0, 0)
	return block(b, order, 1, append(body, options...)...)
}

func enhanced(b []byte, order binary.AppendByteOrder, iface uint32, stamp uint64, data string) []byte {
	body := order.AppendUint32(nil, iface)
	body = order.AppendUint32(order.AppendUint32(body, uint32(stamp>>32)), uint32(stamp))
	body = order.AppendUint32(order.AppendUint32(body, uint32(len(data))), uint32(len(data)))
	return block(b, order, 6, append(body, data...)...)
}

func TestFilePcapng(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	option := func(order binary.AppendByteOrder, code uint16, value ...byte) []byte {
		b := order.AppendUint16(order.AppendUint16(nil, code), uint16(len(value)))
		b = append(b, value...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	b := section(nil, little)
	b = iface(b, little, 1)
	b = iface(b, little, 101, option(little, 9, 9)...)               // 10^-9
	b = iface(b, little, 1, option(little, 9, 0x80|10)...)           // 2^-10
	b = block(b, little, 4, make([]byte, 2<<20)...)                  // names: larger than the window
	b = enhanced(b, little, 0, 5_000_001, "micro")                   // 5.000001 s
	b = enhanced(b, little, 1, 5_000_000_002, "nano")                // 5.000000002 s
	b = enhanced(b, little, 2, 5<<10|512, "binary")                  // 5.5 s
	b = block(b, little, 3, little.AppendUint32(nil, 1<<20)...)      // simple, nothing captured
	b = section(b, big)                                              // another machine's
	b = iface(b, big, 0, option(big, 14, 0, 0, 0, 0, 0, 0, 0, 9)...) // 9 s later
	b = enhanced(b, big, 0, 1_000_000, "big")
	got, err := read(t, b)
	want := []one{
		{"micro", 5_000_001_000, 5, 1},
		{"nano", 5_000_000_002, 4, 101},
		{"binary", 5_500_000_000, 6, 1},
		{"", 5_500_000_000, 1 << 20, 1},
		{"big", 10_000_000_000, 3, 0},
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v, %v\nwant %v", got, err, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("frame %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// TestFileWindow reads a capture larger than the window through readers that
// give little at a time.
func TestFileWindow(t *testing.T) {
	var frames []frametest.Frame
	for i := range 3000 {
		frames = append(frames, frametest.Frame{Time: time.Unix(int64(i), 0), Data: bytes.Repeat([]byte{byte(i)}, i)})
	}
	file := frametest.Pcap(1, frames...)
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(file),
		"halves":   iotest.HalfReader(bytes.NewReader(file)),
		"late end": iotest.DataErrReader(bytes.NewReader(file)),
	} {
		src, err := capture.NewFile(name, r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, src, 64)
		if err != nil || len(got) != len(frames) {
			t.Fatalf("%s: got %d frames, %v, want %d", name, len(got), err, len(frames))
		}
		for i := range got {
			if got[i].data != string(frames[i].Data) {
				t.Fatalf("%s: frame %d differs", name, i)
			}
		}
	}
}

func TestFileErrors(t *testing.T) {
	whole := pcap(binary.LittleEndian, 0xa1b2c3d4)
	ng := enhanced(iface(section(nil, binary.LittleEndian), binary.LittleEndian, 1), binary.LittleEndian, 0, 0, "data")
	huge := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(huge[24+8:], 1<<30)
	for _, tt := range []struct {
		name   string
		file   []byte
		frames int
		want   string
	}{
		{"empty", nil, 0, "at byte 0: file is too short"},
		{"text", []byte("hello, world"), 0, "at byte 0: not a pcap or pcapng file: it begins with 68 65 6c 6c"},
		{"gzip", []byte("\x1f\x8b\x08\x00 and so on"), 0, "at byte 0: it is compressed; read it by way of a pipe: zcat FILE"},
		{"header cut", whole[:20], 0, "at byte 0: file header is cut short"},
		{"second record header cut", whole[:24+16+5+3], 1, "at byte 45: file ends inside a record: 3 bytes left"},
		{"second record cut", whole[:len(whole)-1], 1, "at byte 45: file ends inside a record: 21 bytes left"},
		{"record too large", huge, 0, "at byte 24: record of 1073741824 bytes"},
		{"block cut", ng[:len(ng)-2], 0, "at byte 48: file ends inside a record"},
		{"block without end", append(ng[:len(ng)-1:len(ng)-1], 9), 0, "at byte 48: block of 36 bytes ends with length"},
		{"unknown interface", enhanced(ng, binary.LittleEndian, 7, 0, "x"), 1, "at byte 84: packet of interface 7, section has 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.file)
			var format *capture.FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) || filepath.Base(format.File) != "test.pcap" {
				t.Errorf("error %v\nwant %q", err, tt.want)
			}
			if len(got) != tt.frames {
				t.Errorf("got %d frames, want %d", len(got), tt.frames)
			}
		})
	}
	t.Run("reader breaks", func(t *testing.T) {
		broken := errors.New("disk on fire")
		src, err := capture.NewFile("x", io.MultiReader(bytes.NewReader(whole[:60]), iotest.ErrReader(broken)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t, src, 4); len(got) != 1 || !errors.Is(err, broken) {
			t.Errorf("got %d frames, %v", len(got), err)
		}
	})
	t.Run("no such file", func(t *testing.T) {
		if _, err := capture.OpenFile("testdata/none.pcap"); err == nil || !strings.HasPrefix(err.Error(), "opening capture: ") {
			t.Errorf("error %v", err)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add(pcap(binary.LittleEndian, 0xa1b2c3d4))
	f.Add(pcap(binary.BigEndian, 0xa1b23c4d))
	ng := iface(section(nil, binary.LittleEndian), binary.LittleEndian, 1, 9, 0, 1, 0, 0x8a, 0, 0, 0)
	ng = enhanced(ng, binary.LittleEndian, 0, 1<<40, "data")
	f.Add(block(ng, binary.LittleEndian, 3, 4, 0, 0, 0, 1, 2, 3, 4))
	f.Add(enhanced(iface(section(nil, binary.BigEndian), binary.BigEndian, 1), binary.BigEndian, 0, 0, "data"))
	f.Fuzz(func(t *testing.T, file []byte) {
		frames, _ := read(t, file)
		total := 0
		for _, f := range frames {
			total += len(f.data)
		}
		if total > len(file) {
			t.Errorf("%d bytes of frames in a file of %d", total, len(file))
		}
	})
}
