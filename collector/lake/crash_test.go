package lake_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/batch"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TAPROOT_LAKE_CHILD"); dir != "" {
		if err := childMain(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // damage is what tests are about
	os.Exit(m.Run())
}

// rowsOf is how many rows batch n has.
func rowsOf(n uint64) int { return 1 + int(n%7) }

// childMain stores batches and makes Parquet of them, until it is killed. It
// writes the number of every batch that was acknowledged to stdout.
func childMain(dir string) error {
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{SegmentSize: 16 << 10})
	if err != nil {
		return err
	}
	l, err := lake.Open(filepath.Join(dir, "lake"), lake.Options{MaxAge: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	go l.Run(context.Background(), j)
	set := j.Stored(sensor, [16]byte{})
	for n := set.Next(); ; n++ {
		times := make([]time.Time, rowsOf(n))
		for i := range times {
			times[i] = day.Add(-time.Duration(i) * time.Hour)
		}
		raw := arp(times...)
		stored := make(chan error, 1)
		j.Append(journal.Entry{Sensor: sensor, Batch: n, Received: day.UnixNano(), Body: batch.Append(nil, batch.None, len(raw), raw)},
			func(err error) { stored <- err })
		if err := <-stored; err != nil {
			return err
		}
		os.Stdout.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
}

// Whatever moment the process dies at, every row of an acknowledged batch is in
// the lake once.
func TestKillStoresRowsOnce(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	acked := map[uint64]bool{}
	for range rounds {
		for _, n := range killedChild(t, dir, time.Duration(5+rand.IntN(150))*time.Millisecond) {
			acked[n] = true
		}
	}
	r := start(t, dir, lake.Options{})
	r.flush(t)
	got := map[uint64]int{}
	for _, row := range r.rows(t, "arp") {
		got[uint64(row["batch"].(int64))]++
	}
	for n := range acked {
		if got[n] == 0 {
			t.Errorf("batch %d was acknowledged and is missing", n)
		}
	}
	for n, rows := range got {
		if rows != rowsOf(n) {
			t.Errorf("batch %d has %d rows, want %d", n, rows, rowsOf(n))
		}
	}
	if len(acked) < 50 || len(r.Manifest().Files) < rounds {
		t.Errorf("%d batches in %d files: the test tests nothing", len(acked), len(r.Manifest().Files))
	}
	t.Logf("%d kills, %d batches acknowledged, %d files", rounds, len(acked), len(r.Manifest().Files))
}

func killedChild(t *testing.T, dir string, after time.Duration) (acked []uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TAPROOT_LAKE_CHILD="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	var b [8]byte
	for first := true; ; first = false {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			break
		}
		acked = append(acked, binary.LittleEndian.Uint64(b[:]))
		if first {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v", err)
	}
	return acked
}

// A full disk makes nothing visible and loses nothing; the lake goes on when
// there is space.
func TestLakeDiskFull(t *testing.T) {
	tests := []struct {
		name    string
		ballast int // bytes of a disk of 256 KiB
		left    int // files at the end: one, the manifest, and what the next Open removes
	}{
		{"no room for a file", 256 << 10, 2},
		{"no room for the manifest", 252 << 10, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { testDiskFull(t, tt.ballast, tt.left) })
	}
}

func testDiskFull(t *testing.T, size, wantLeft int) {
	dir := t.TempDir()
	lakeDir := filepath.Join(dir, "lake")
	if err := os.Mkdir(lakeDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", lakeDir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(lakeDir, syscall.MNT_DETACH) })
	ballast := filepath.Join(lakeDir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, lake.Options{})
	r.send(t, arp(day))
	for range 2 {
		if err := r.Flush(t.Context()); err == nil {
			t.Fatal("a full disk took all there is to write")
		}
	}
	if n := len(r.Manifest().Files); n != 0 || r.Failing() == nil {
		t.Errorf("%d files are listed, failing: %v", n, r.Failing())
	}
	r.send(t, arp(day))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.flush(t)
	if rows := r.rows(t, "arp"); len(rows) != 2 || r.Failing() != nil {
		t.Errorf("%d rows, want 2; failing: %v", len(rows), r.Failing())
	}
	var left []string
	filepath.WalkDir(lakeDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	if len(left) != wantLeft {
		t.Errorf("files on disk: %q, want %d", left, wantLeft)
	}
}
