//go:build pcap && cgo

package libpcap_test

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/capture/libpcap"
	"github.com/taproot-sensor/taproot/internal/bpf"
)

func TestCompileFilter(t *testing.T) {
	got, err := libpcap.CompileFilter("udp port 53")
	if err != nil || len(got) < 10 || got[0] != (bpf.Instruction{Code: 0x28, K: 12}) { // ldh [12]
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := libpcap.CompileFilter("udp prt 53"); err == nil {
		t.Error("nonsense compiles")
	}
}

// TestFiles reads the project's captures as capture.File does.
func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("../../../testdata/captures/*.pcap")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range paths {
		ours, err := capture.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		theirs, err := libpcap.OpenFile(path, "")
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		a, b := make([]capture.Frame, 1), make([]capture.Frame, 1)
		for {
			n, err := ours.NextBatch(a)
			m, other := theirs.NextBatch(b)
			if n != m || (err == io.EOF) != (other == io.EOF) {
				t.Fatalf("%s: %d frames, %v, and %d, %v", path, n, err, m, other)
			}
			if n == 0 {
				break
			}
			// libpcap gives microseconds.
			if string(a[0].Data) != string(b[0].Data) || a[0].WireLen != b[0].WireLen || a[0].LinkType != b[0].LinkType || a[0].Time/1000 != b[0].Time/1000 {
				t.Fatalf("%s: frames differ: %+v, %+v", path, a[0], b[0])
			}
		}
	}
}
