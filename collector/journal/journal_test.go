package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/internal/ranges"
)

var sensor = [32]byte{1: 's'}

func open(t testing.TB, dir string, opts journal.Options) (*journal.Journal, journal.Recovery) {
	t.Helper()
	j, rec, err := journal.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, rec
}

// entry returns the entry with number n; all of it follows from n.
func entry(n uint64) journal.Entry {
	body := make([]byte, 1+n*37%300)
	for i := range body {
		body[i] = byte(n*31 + uint64(i)*7)
	}
	return journal.Entry{Sensor: sensor, Boot: [16]byte{byte(n % 3)}, Batch: n, Received: int64(1e18 + n), Body: body}
}

// store appends entries and waits until each is durable.
func store(t testing.TB, j *journal.Journal, numbers ...uint64) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range numbers {
		wg.Add(1)
		j.Append(entry(n), func(err error) {
			if err != nil {
				t.Errorf("storing %d: %v", n, err)
			}
			wg.Done()
		})
	}
	wg.Wait()
}

func count(from, to uint64) (numbers []uint64) {
	for n := from; n <= to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// readAll reads what is durable now, and checks the entries.
func readAll(t testing.TB, j *journal.Journal, pos journal.Pos) (numbers []uint64, damage []error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop() // do not wait for more
	r := j.Reader(pos)
	defer r.Close()
	for {
		e, _, err := r.Next(ctx)
		var bad *journal.CorruptionErr
		switch {
		case errors.Is(err, context.Canceled):
			return numbers, damage
		case errors.As(err, &bad):
			damage = append(damage, err)
			continue
		case err != nil:
			t.Fatal(err)
		}
		want := entry(e.Batch)
		if !bytes.Equal(e.Body, want.Body) || e.Sensor != want.Sensor || e.Boot != want.Boot || e.Received != want.Received {
			t.Fatalf("got entry %+v, want %+v", e, want)
		}
		numbers = append(numbers, e.Batch)
	}
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestJournalReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, rec := open(t, dir, journal.Options{SegmentSize: 2000})
	if rec.Segments != 0 || rec.Cut != nil {
		t.Errorf("recovery of nothing = %v", rec)
	}
	for n := uint64(1); n <= 40; n++ {
		store(t, j, n)
	}
	if n := len(segments(t, dir)); n < 3 {
		t.Fatalf("%d segments, want several", n)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, _ = open(t, dir, journal.Options{})
	store(t, j, 41)
	got, damage := readAll(t, j, journal.Pos{})
	if diff := cmp.Diff(count(1, 41), got); diff != "" || damage != nil {
		t.Errorf("entries (-want +got)\n%s%v", diff, damage)
	}
}

func TestJournalStoresOnce(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Options{SegmentSize: 2000})
	for range 3 {
		store(t, j, append(count(1, 20), count(1, 20)...)...)
	}
	if s := j.Stats(); s.Entries != 20 || s.Duplicates != 100 {
		t.Errorf("stats = %+v", s)
	}
	j.Close()
	j, _ = open(t, dir, journal.Options{})
	store(t, j, count(1, 25)...)
	got, _ := readAll(t, j, journal.Pos{})
	if diff := cmp.Diff(count(1, 25), got); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
	want := ranges.Of()
	for n := uint64(1); n <= 25; n += 3 {
		want.Add(n)
	}
	set := j.Stored(sensor, [16]byte{1})
	if diff := cmp.Diff(want.Runs(), set.Runs()); diff != "" {
		t.Errorf("stored (-want +got)\n%s", diff)
	}
}

// What was stored is remembered when its segment is long gone.
func TestJournalRemembersRemovedSegments(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Options{SegmentSize: 1000})
	for n := uint64(1); n <= 30; n++ {
		store(t, j, n)
	}
	before := len(segments(t, dir))
	if err := j.Hold("slow", journal.Pos{}); err != nil {
		t.Fatal(err)
	}
	if err := j.Hold("lake", j.End()); err != nil {
		t.Fatal(err)
	}
	if n := len(segments(t, dir)); n != before {
		t.Errorf("%d segments of %d are left, but one consumer holds all", n, before)
	}
	if err := j.Hold("slow", j.End()); err != nil {
		t.Fatal(err)
	}
	if n := len(segments(t, dir)); n != 1 {
		t.Errorf("%d segments are left, want 1", n)
	}
	j.Close()
	j, _ = open(t, dir, journal.Options{})
	store(t, j, count(1, 31)...)
	if s := j.Stats(); s.Entries != 1 || s.Duplicates != 30 {
		t.Errorf("stats = %+v", s)
	}
}

func TestReaderFollows(t *testing.T) {
	j, _ := open(t, t.TempDir(), journal.Options{SegmentSize: 3000})
	const most = 500
	got := make(chan uint64)
	go func() {
		defer close(got)
		r := j.Reader(journal.Pos{})
		defer r.Close()
		for range most {
			e, pos, err := r.Next(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if j.End().Before(pos) {
				t.Errorf("read up to %v, but only %v is durable", pos, j.End())
			}
			got <- e.Batch
		}
	}()
	go func() {
		for n := uint64(1); n <= most; n++ {
			j.Append(entry(n), func(error) {})
			if n%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	want := uint64(0)
	for n := range got {
		if want++; n != want {
			t.Fatalf("got %d, want %d", n, want)
		}
	}
}

func TestReaderResumes(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Options{SegmentSize: 1500})
	for n := uint64(1); n <= 20; n++ {
		store(t, j, n)
	}
	r := j.Reader(journal.Pos{})
	defer r.Close()
	for n := uint64(1); n <= 20; n++ {
		_, pos, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, _ := readAll(t, j, pos)
		if diff := cmp.Diff(count(n+1, 20), got); diff != "" {
			t.Fatalf("after %d (-want +got)\n%s", n, diff)
		}
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, journal.Options{})
	if _, _, err := journal.Open(dir, journal.Options{}); err == nil {
		t.Error("a journal was opened twice")
	}
}

func TestAppendRefuses(t *testing.T) {
	j, _ := open(t, t.TempDir(), journal.Options{})
	var got error
	j.Append(journal.Entry{Body: make([]byte, journal.MaxBody+1)}, func(err error) { got = err })
	if got == nil {
		t.Error("a body beyond MaxBody was taken")
	}
	j.Close()
	j.Append(entry(1), func(err error) { got = err })
	if !errors.Is(got, journal.ErrClosed) {
		t.Errorf("append after Close: %v, want ErrClosed", got)
	}
}

// Close makes durable what was appended before it.
func TestCloseStoresPending(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Options{})
	for n := uint64(1); n <= 1000; n++ {
		j.Append(entry(n), func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	j.Close()
	j, _ = open(t, dir, journal.Options{})
	if got, _ := readAll(t, j, journal.Pos{}); len(got) != 1000 {
		t.Errorf("%d entries, want 1000", len(got))
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, bb := range []struct{ writers, size int }{{1, 1200}, {64, 1200}, {512, 1200}, {64, 60_000}} {
		b.Run(fmt.Sprintf("writers=%d/size=%d", bb.writers, bb.size), func(b *testing.B) {
			j, _ := open(b, b.TempDir(), journal.Options{})
			b.SetBytes(int64(bb.size))
			var batch uint64
			var mu sync.Mutex
			var wg sync.WaitGroup
			b.ResetTimer()
			for range bb.writers {
				wg.Go(func() {
					body := bytes.Repeat([]byte{7}, bb.size)
					durable := make(chan error, 1)
					for {
						mu.Lock()
						batch++
						n := batch
						mu.Unlock()
						if n > uint64(b.N) {
							return
						}
						j.Append(journal.Entry{Sensor: sensor, Batch: n, Body: body}, func(err error) { durable <- err })
						if err := <-durable; err != nil {
							b.Error(err)
						}
						if n%10000 == 0 {
							j.Hold("bench", j.End()) // keeps the disk from filling up
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("TAPROOT_JOURNAL_CHILD"); dir != "" {
		childMain(dir)
		return
	}
	os.Exit(m.Run())
}
