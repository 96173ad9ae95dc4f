package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/journal"
)

// The fleet joins a collector that runs, sends, and all that it counted as
// stored is in the journal: every batch once, of each sensor from the first to
// the last without a gap.
func TestBenchFleet(t *testing.T) {
	dir, err := os.MkdirTemp("", "tp") // short: a socket goes there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.LocalAddr().String()
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"collector", "--data", data, "--listen", addr, "--address", addr}, io.Discard, io.Discard)
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err = control.NewClient(data).Status(ctx); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	const sensors, records = 70, 50
	var out, said bytes.Buffer
	err = run(t.Context(), []string{"bench", "fleet", "--sensors", "70", "--records", "50", "--under-way", "20", "--for", "500ms", "--json",
		"--collector", addr, "--data", data}, &out, &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	batches := storedBy(t, filepath.Join(data, "journal"))
	all := 0
	for sensor, numbers := range batches {
		slices.Sort(numbers)
		for i, n := range numbers {
			if n != uint64(i) {
				t.Errorf("sensor %x: batch %d of %d has number %d", sensor[:4], i, len(numbers), n)
				break
			}
		}
		all += len(numbers)
	}
	all -= sensors // each begins with how many records it has made
	counted := int((r.RecordsPerSec*r.Seconds-sensors)/records + 0.5)
	if len(batches) != sensors || counted == 0 || all != counted {
		t.Errorf("%d sensors have %d batches of flows in the journal, the fleet had %d sensors and counted %d", len(batches), all, sensors, counted)
	}
	if r.AckP50 <= 0 || r.AckP99 < r.AckP50 || r.BytesPerRecord < 20 {
		t.Errorf("report %+v", r)
	}
}

// storedBy returns the numbers of the batches in a journal, by sensor.
func storedBy(t *testing.T, dir string) map[[32]byte][]uint64 {
	t.Helper()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := j.Reader(journal.Pos{})
	defer r.Close()
	batches := map[[32]byte][]uint64{}
	for end, at := j.End(), (journal.Pos{}); at.Before(end); {
		e, pos, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		batches[e.Sensor] = append(batches[e.Sensor], e.Batch)
		at = pos
	}
	return batches
}

func TestBenchFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "say what to measure"},
		{[]string{"disk"}, "say what to measure"},
		{[]string{"fleet", "--sensors", "0"}, "more than 0"},
		{[]string{"fleet", "--data", "x"}, "go together"},
		{[]string{"fleet", "--codec", "lz4"}, "say zstd or none"},
		{[]string{"fleet", "--records", "0"}, "1 to 16384"},
		{[]string{"fleet", "--codec", "none", "--records", "16384"}, "at most 262144 fit"},
	} {
		err := run(t.Context(), append([]string{"bench"}, tt.args...), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("bench %q: error = %v, want one with %q", tt.args, err, tt.want)
		}
	}
}
