package meter_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// sharded meters a capture in a number of shards and returns its records as
// JSON, sorted, and how many frames were counted.
func sharded(t *testing.T, path string, shards int) (lines []string, frames int64) {
	t.Helper()
	var sources []capture.Source
	for range shards {
		src, err := capture.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		sources = append(sources, src)
	}
	var pipe bytes.Buffer
	if err := meter.RunShards(t.Context(), meter.Config{Out: &pipe, FlowCapacity: 8192, Split: true}, sources); err != nil {
		t.Logf("%s: %v", path, err)
	}
	out := parse(t, &pipe)
	for kind, all := range out.lines {
		if kind != "sensor" { // which tells of shards
			lines = append(lines, all...)
		}
	}
	for name, n := range out.counters {
		if strings.HasPrefix(name, "capture") && strings.HasSuffix(name, ".frames") {
			frames += n
		}
	}
	slices.Sort(lines)
	return lines, frames
}

// TestShards has the same captures give the same records, whatever the number
// of shards.
func TestShards(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/captures/*.pcap*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	if !testing.Short() {
		for _, dir := range []string{"arkime", "ja4", "ipfixprobe"} {
			real, _ := filepath.Glob("../../../shared/pcaps/" + dir + "/*.pcap*")
			paths = append(paths, real...)
		}
	}
	total := 0
	for _, path := range paths {
		want, frames := sharded(t, path, 1)
		for _, shards := range []int{2, 3} {
			got, n := sharded(t, path, shards)
			if n != frames {
				t.Errorf("%s: %d frames in %d shards, want %d", path, n, shards, frames)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d records in %d shards, want %d", path, len(got), shards, len(want))
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Errorf("first difference:\n got %s\nwant %s", got[i], want[i])
						break
					}
				}
			}
		}
		total += len(want)
	}
	t.Logf("%d records of %d captures", total, len(paths))
}

// TestMergedDirections meters what a tap gives to two ports, and compares with
// what one port would have given.
func TestMergedDirections(t *testing.T) {
	paths, _ := filepath.Glob("../../testdata/captures/*.pcap")
	for _, path := range paths {
		src, err := capture.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var parts [2]listed
		var all listed
		frames := make([]capture.Frame, 1)
		for {
			n, err := src.NextBatch(frames)
			if n == 0 || err != nil {
				break
			}
			f := frames[0]
			f.Data = bytes.Clone(f.Data)
			if len(all) > 0 {
				f.Time = max(f.Time, all[len(all)-1].Time+1) // equal times have no order
			}
			port := 0
			if len(f.Data) > 12 && bytes.Compare(f.Data[:6], f.Data[6:12]) < 0 {
				port = 1
			}
			parts[port] = append(parts[port], f)
			all = append(all, f)
		}
		src.Close()
		one, two := metered(t, &all), metered(t, capture.Merge(0, 0, &parts[0], &parts[1]))
		if len(one) == 0 || !slices.Equal(one, two) {
			t.Errorf("%s: %d records of two ports, %d of one", path, len(two), len(one))
		}
	}
}

func metered(t *testing.T, src capture.Source) (lines []string) {
	t.Helper()
	var pipe bytes.Buffer
	if err := meter.Run(t.Context(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 8192}); err != nil {
		t.Fatal(err)
	}
	for kind, l := range parse(t, &pipe).lines {
		if kind != "sensor" { // which tells of shards
			lines = append(lines, l...)
		}
	}
	slices.Sort(lines)
	return lines
}
