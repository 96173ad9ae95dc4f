package meter_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// corpus returns the real captures, where there are any: TAPROOT_PCAPS names
// their directory.
func corpus(t *testing.T) []string {
	dir := os.Getenv("TAPROOT_PCAPS")
	if dir == "" {
		dir = "../../../shared/pcaps"
	}
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && (strings.HasSuffix(path, ".pcap") || strings.HasSuffix(path, ".pcapng")) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Skipf("no real captures: set TAPROOT_PCAPS to a directory of them (%v)", err)
	}
	return paths
}

// TestCorpus meters real captures, many of them hostile: none crashes or hangs
// the meter, every frame is accounted for, and what comes out is bounded by
// what went in.
func TestCorpus(t *testing.T) {
	const (
		maxTime = 10 * time.Second // the largest takes 0.1 s
		fixed   = 4 << 10          // bytes out for the counters
	)
	var total, drops, panics int64
	for _, path := range corpus(t) {
		start := time.Now()
		src, err := capture.OpenFile(path)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		var pipe bytes.Buffer
		err = meter.Run(context.Background(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 8192})
		src.Close()
		if err != nil {
			t.Logf("%v", err)
		}
		if took := time.Since(start); took > maxTime {
			t.Errorf("%s took %v", path, took)
		}
		out := parse(t, &pipe)
		out.check(t, src.Stats().Frames)
		if t.Failed() {
			t.Fatalf("in %s", path)
		}
		if in := out.counters["capture.bytes"]; int64(out.bytes) > in+fixed {
			t.Errorf("%s: %d bytes of batches from %d bytes of frames", path, out.bytes, in)
		}
		total += out.counters["capture.frames"]
		panics += out.counters["meter.parser_panics"]
		for name, n := range out.counters {
			if strings.HasPrefix(name, "decode.drop_") {
				drops += n
			}
		}
	}
	t.Logf("%d frames, %d dropped, %d parser panics", total, drops, panics)
}
