package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/wire/session"
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

// What is sealed has every flow, in datagrams that a wire takes.
func TestSealAll(t *testing.T) {
	const file = "../../testdata/captures/lan.pcapng"
	all, err := sealAll(context.Background(), file, false, false)
	if err != nil {
		t.Fatal(err)
	}
	flows, err := sealAll(context.Background(), file, true, true)
	if err != nil {
		t.Fatal(err)
	}
	if flows.flows == 0 || all.flows != flows.flows {
		t.Errorf("%d flows, and %d at the pace of the frames, want the same", all.flows, flows.flows)
	}
	if most := int(all.packets) * session.MaxDatagram; all.sealed > most || all.sealed <= flows.sealed {
		t.Errorf("%d bytes in %d datagrams, %d of flows alone", all.sealed, all.packets, flows.sealed)
	}
}

func TestFlood(t *testing.T) {
	var out bytes.Buffer
	if err := meterFlood(context.Background(), []string{"100", "64"}, &out); err != nil {
		t.Fatal(err)
	}
	if kb, err := strconv.Atoi(strings.TrimSpace(out.String())); err != nil || kb < 1000 {
		t.Errorf("peak memory %q, %v, want kB", &out, err)
	}
	f, n := newFlood(100), 0
	for frames := make([]capture.Frame, 64); ; {
		got, err := f.NextBatch(frames)
		if err != nil {
			break
		}
		n += got
	}
	if n != 2*100 {
		t.Errorf("%d frames of 100 flows, want two of each", n)
	}
}
