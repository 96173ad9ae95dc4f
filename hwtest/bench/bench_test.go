package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
)

func TestPrintTable(t *testing.T) {
	var out bytes.Buffer
	sets := []set{{name: "a", frames: 2, bytes: 128}, {name: "b", frames: 1, bytes: 9}}
	printTable(&out, sets, []peer{{name: "one"}}, [][]result{{{perFrame: 250 * time.Nanosecond, rss: 3 << 20}, {}}})
	want := `| ns per packet / Mpps / MB | a | b |
|---|---|---|
| frames, mean size | 2, 64 B | 1, 9 B |
| one | 250 / 4.00 / 3 | – |
`
	if out.String() != want {
		t.Errorf("table %q, want %q", &out, want)
	}
}

func TestPcapFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcap")
	p, err := createPcap(path)
	if err != nil {
		t.Fatal(err)
	}
	p.write(began+5000, []byte("frame"), 7)
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = eachFrame(path, func(f *capture.Frame) error {
		n++
		if string(f.Data) != "frame" || f.WireLen != 7 || f.Time != began+5000 || f.LinkType != ethernet {
			t.Errorf("frame %+v, want the one that was written", *f)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d frames, %v, want 1", n, err)
	}
}
