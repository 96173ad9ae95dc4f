package journal_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
)

// childMain appends until it is killed, and writes the number of every entry
// that was acknowledged to stdout. It begins after the newest it finds.
func childMain(dir string) {
	j, _, err := journal.Open(dir, journal.Options{SegmentSize: 64 << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	j.Hold("test", journal.Pos{})
	var first uint64
	for boot := range byte(3) {
		set := j.Stored(sensor, [16]byte{boot})
		for _, r := range set.Runs() {
			first = max(first, r.Last)
		}
	}
	var wg sync.WaitGroup
	for w := range uint64(16) {
		wg.Go(func() {
			for n := first + 1 + w; ; n += 16 {
				acked := make(chan error, 1)
				j.Append(entry(n), func(err error) { acked <- err })
				if err := <-acked; err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.Write(binary.LittleEndian.AppendUint64(nil, n))
			}
		})
	}
	wg.Wait()
}

// Whatever moment the process dies at, what it acknowledged is there, once.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rounds := sample(100, 15, 5)
	dir := t.TempDir()
	var acked []uint64
	for round := range rounds {
		acked = append(acked, killedChild(t, dir, time.Duration(5+rand.IntN(120))*time.Millisecond)...)
		j, rec := open(t, dir, journal.Options{})
		got, damage := readAll(t, j, journal.Pos{})
		if damage != nil {
			t.Fatalf("round %d: %v", round, damage)
		}
		slices.Sort(got)
		if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
			t.Fatalf("round %d: %d entries are stored twice (%v)", round, len(got)-n, rec)
		}
		for _, n := range acked {
			if _, ok := slices.BinarySearch(got, n); !ok {
				t.Fatalf("round %d: %d was acknowledged and is missing (%v)", round, n, rec)
			}
		}
		j.Close()
	}
	t.Logf("%d kills, %d acknowledged, 0 missing", rounds, len(acked))
	if len(acked) < 100 {
		t.Errorf("only %d entries were acknowledged: the test tests nothing", len(acked))
	}
}

func killedChild(t *testing.T, dir string, after time.Duration) (acked []uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TAPROOT_JOURNAL_CHILD="+dir)
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
		if first { // from here on it can be killed in the middle of anything
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v", err)
	}
	return acked
}

// A full disk fails appends, is not acknowledged, and heals by itself.
func TestJournalDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	jdir := filepath.Join(dir, "journal")
	j, _ := open(t, jdir, journal.Options{SegmentSize: 100 << 10, MinFree: -1})

	var acked []uint64
	append1 := func(n uint64) error {
		c := make(chan error, 1)
		j.Append(entry(n), func(err error) { c <- err })
		return <-c
	}
	n := uint64(1)
	for ; n < 10_000; n++ {
		err := append1(n)
		if err == nil {
			acked = append(acked, n)
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("error = %v, want ENOSPC", err)
		}
		break
	}
	if n == 10_000 || j.Stats().Failing == "" || j.Stats().Failed == 0 {
		t.Fatalf("the disk never got full: %+v", j.Stats())
	}
	if err := append1(n); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("at once after the failure: %v, want ENOSPC", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for append1(n) != nil {
		if time.Now().After(deadline) {
			t.Fatalf("still failing with space on the disk: %v", j.Stats().Failing)
		}
		time.Sleep(50 * time.Millisecond)
	}
	acked = append(acked, n)
	got, damage := readAll(t, j, journal.Pos{})
	if diff := cmp.Diff(acked, got); diff != "" || damage != nil {
		t.Errorf("entries (-acknowledged +stored)\n%s%v", diff, damage)
	}
	if j.Stats().Failing != "" {
		t.Errorf("still failing: %v", j.Stats().Failing)
	}
	j.Close()
	j, rec := open(t, jdir, journal.Options{})
	got, damage = readAll(t, j, journal.Pos{})
	if diff := cmp.Diff(acked, got); diff != "" || damage != nil {
		t.Errorf("after Open (-acknowledged +stored)\n%s%v %v", diff, damage, rec)
	}
}
