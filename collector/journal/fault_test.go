package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
)

// sample chooses how much of a sweep to do: all with TAPROOT_SWEEP (make
// sweep), less in make test, least with -short.
func sample(all, some, few int) int {
	switch {
	case os.Getenv("TAPROOT_SWEEP") != "":
		return all
	case testing.Short():
		return few
	}
	return some
}

// life is one run of a collector on a simulated disk, with a consumer that
// keeps what it has read and where it was in one step, as the lake does.
type life struct {
	disk     *simDisk
	rng      *rand.Rand
	next     uint64 // number of the next entry to append
	acked    map[uint64]bool
	consumed map[uint64]int
	pos      journal.Pos
	cuts     int
	// lostPower: a group that was never synced may have left some of its
	// records, and holes between them.
	lostPower bool
}

// run appends, consumes and dies, or closes in order.
func (l *life) run(t *testing.T, round int) {
	p := &process{simDisk: l.disk}
	j, rec, err := journal.Open("/j", journal.Options{SegmentSize: 2000, Disk: p})
	if err != nil {
		l.disk.kill()
		return // a disk that fails at the start: started again
	}
	if len(rec.Damage) > 0 && !l.lostPower {
		t.Errorf("round %d: %v", round, rec)
	}
	if rec.Cut != nil {
		l.cuts++
	}
	if l.rng.IntN(4) > 0 {
		p.mu.Lock()
		p.dieAt = p.ops + 1 + l.rng.IntN(60)
		p.mu.Unlock()
	}
	j.Hold("consumer", l.pos)
	var mu sync.Mutex
	for range 1 + l.rng.IntN(25) {
		for range 1 + l.rng.IntN(4) {
			n := l.next
			if n > 0 && l.rng.IntN(3) == 0 {
				n = uint64(l.rng.Int64N(int64(n))) // a sensor sends again what may be stored
			} else {
				l.next++
			}
			j.Append(entry(n), func(err error) {
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					l.acked[n] = true
				}
			})
		}
		if l.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(l.rng.IntN(3000)) * time.Millisecond)
		}
		if l.rng.IntN(3) == 0 && !p.dead() {
			l.consume(t, j)
		}
	}
	died := p.dead()
	j.Close()
	if died && l.rng.IntN(2) == 0 {
		l.disk.powerCut()
		l.lostPower = true
	}
	l.disk.kill()
}

func (l *life) consume(t *testing.T, j *journal.Journal) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r := j.Reader(l.pos)
	defer r.Close()
	for {
		e, _, err := r.Next(ctx)
		if errors.Is(err, context.Canceled) {
			break
		}
		var bad *journal.CorruptionErr
		if errors.As(err, &bad) && l.lostPower {
			continue
		}
		if err != nil {
			t.Errorf("reading: %v", err)
			break
		}
		if diff := cmp.Diff(entry(e.Batch), e); diff != "" {
			t.Errorf("entry (-want +got)\n%s", diff)
		}
		l.consumed[e.Batch]++
	}
	l.pos = r.Pos()
	j.Hold("consumer", l.pos) // a failure to remove is tried again at the next
}

// Whatever fails, hangs, dies or loses power, and whenever: what was
// acknowledged reaches the consumer, once.
func TestLivesOnABadDisk(t *testing.T) {
	lives, rounds := sample(2000, 60, 20), 12
	var acked, deaths, cuts int
	for seed := range lives {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 4))
			l := &life{disk: newSimDisk(rand.New(rand.NewPCG(uint64(seed), 5))), rng: rng, acked: map[uint64]bool{}, consumed: map[uint64]int{}}
			for round := range rounds {
				l.disk.syncFails, l.disk.writeFails = 0, 0
				l.disk.syncTakes = []time.Duration{0, time.Millisecond, 2 * time.Second}[rng.IntN(3)]
				if rng.IntN(2) == 0 && round < rounds-1 {
					l.disk.syncFails, l.disk.writeFails = rng.IntN(300), rng.IntN(100)
				}
				l.run(t, round)
			}
			l.disk.syncFails, l.disk.writeFails, l.disk.syncTakes = 0, 0, 0
			j, rec, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: l.disk}})
			if err != nil {
				t.Fatal(err)
			}
			l.consume(t, j)
			j.Close()
			for n := range l.acked {
				if l.consumed[n] == 0 {
					t.Errorf("seed %d: %d was acknowledged and is missing (%v)", seed, n, rec)
				}
			}
			for n, times := range l.consumed {
				if times > 1 {
					t.Errorf("seed %d: %d came %d times", seed, n, times)
				}
			}
			acked, deaths, cuts = acked+len(l.acked), deaths+rounds, cuts+l.cuts
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d lives of %d runs, %d acknowledged, %d tails cut: 0 missing, 0 twice", lives, rounds, acked, cuts)
	if acked < 10*lives || cuts < lives/10 {
		t.Error("too little was acknowledged or torn: the test tests nothing")
	}
}

// smallJournal returns a disk with three segments, of entries 1 to 4, 5 to 8
// and 9 to 12, and their paths.
func smallJournal(t *testing.T) (*simDisk, []string) {
	t.Helper()
	d := newSimDisk(rand.New(rand.NewPCG(1, 1)))
	for first := uint64(1); first <= 9; first += 4 {
		j, _ := open(t, "/j", journal.Options{Disk: &process{simDisk: d}})
		store(t, j, count(first, first+3)...)
		j.Close()
	}
	paths := []string{"/j/00000000.seg", "/j/00000001.seg", "/j/00000002.seg"}
	if len(d.names) != len(paths) {
		t.Fatalf("%d files, want %d segments", len(d.names), len(paths))
	}
	return d, paths
}

// with returns a copy of d in which the file at path has other data.
func (d *simDisk) with(path string, data []byte) *simDisk {
	c := newSimDisk(d.rng)
	for name, n := range d.names {
		b := n.data
		if name == path {
			b = data
		}
		c.names[name] = &inode{data: slices.Clone(b), synced: b}
	}
	return c
}

func TestEveryTruncation(t *testing.T) {
	d, paths := smallJournal(t)
	for which, path := range paths {
		whole := d.names[path].data
		for size := range len(whole) + 1 {
			if which < 2 && size < 8192 && size%sample(1, 16, 64) != 0 {
				continue // the pages of a header are mostly zeros, and of the newest all are cut
			}
			name := fmt.Sprintf("segment %d cut at %d", which, size)
			torn := d.with(path, whole[:size])
			j, rec, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: torn}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, damage := readAll(t, j, journal.Pos{})
			reported := rec.Cut != nil || len(rec.Damage)+len(damage) > 0
			// A newest segment that ends with a whole record looks as if no more
			// had been stored.
			clean := which == 2 && len(got) >= 8 && !reported
			if len(got) < 8 || !slices.IsSorted(got) || len(got) < 12 && !reported && !clean {
				t.Fatalf("%s: entries %v, recovery %v, damage %v", name, got, rec, damage)
			}
			// The sensor sends again what was not acknowledged.
			store(t, j, count(1, 13)...)
			again, _ := readAll(t, j, journal.Pos{})
			slices.Sort(again)
			if n := len(slices.Compact(again)); n != len(again) || which == 2 && n != 13 {
				t.Fatalf("%s: entries after storing them again: %v", name, again)
			}
			j.Close()
		}
	}
}

// A flipped bit costs at most the record it is in, is never silent where it
// costs one, and never yields an entry that was not stored.
func TestBitFlips(t *testing.T) {
	d, paths := smallJournal(t)
	rng := rand.New(rand.NewPCG(3, 3))
	const flips = 10_000
	lost := 0
	for range flips {
		which := rng.IntN(len(paths))
		flipped := slices.Clone(d.names[paths[which]].data)
		bit := rng.IntN(len(flipped) * 8)
		if rng.IntN(2) == 0 { // the records are a smaller part than the header's pages
			bit = len(flipped)*8 - 1 - rng.IntN((len(flipped)-8192)*8)
		}
		flipped[bit/8] ^= 1 << (bit % 8)
		bad := d.with(paths[which], flipped)
		j, rec, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: bad}})
		if err != nil {
			t.Fatal(err)
		}
		got, damage := readAll(t, j, journal.Pos{}) // checks each entry
		if len(got) < 11 || len(got) == 11 && len(damage) == 0 && rec.Cut == nil {
			t.Fatalf("segment %d, bit %d: entries %v, recovery %v, damage %v", which, bit, got, rec, damage)
		}
		lost += 12 - len(got)
		if len(got) == 11 && which == 2 { // not acknowledged for all it knows: taken again
			store(t, j, count(1, 12)...)
			again, _ := readAll(t, j, journal.Pos{})
			if slices.Sort(again); !slices.Equal(again, count(1, 12)) {
				t.Fatalf("segment %d, bit %d: entries after storing them again: %v", which, bit, again)
			}
		}
		j.Close()
	}
	t.Logf("%d flips cost %d records, each reported", flips, lost)
	if lost < flips/4 {
		t.Error("too few flips hit a record: the test tests nothing")
	}
}

// While a sync hangs, appends return at once, first queued, then refused; the
// pressure tells. When it is over, all goes on by itself.
func TestSlowSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(rand.New(rand.NewPCG(5, 5)))
		d.syncTakes = 2 * time.Second
		j, _, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: d}})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		var busy, stored int
		begin := time.Now()
		for n := range uint64(60) {
			e := entry(n)
			e.Body = make([]byte, 500_000)
			j.Append(e, func(err error) {
				switch {
				case errors.Is(err, journal.ErrBusy):
					busy++
				case err != nil:
					t.Error(err)
				default:
					stored++
				}
			})
			synctest.Wait()
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("60 appends waited %v", took)
		}
		if p := j.Pressure(); busy == 0 || p != 1 {
			t.Errorf("%d refused, pressure %v", busy, p)
		}
		time.Sleep(1500 * time.Millisecond)
		if f := j.Stats().Failing; f == "" {
			t.Error("a commit that takes 1.5 s is no problem")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := j.Stats(); busy+stored != 60 || j.Pressure() != 0 || s.Failing != "" || s.Refused != uint64(busy) {
			t.Errorf("%d refused, %d stored, pressure %v, %+v", busy, stored, j.Pressure(), s)
		}
	})
}

// A failed sync is final for its segment, also where it cannot be cut: what it
// did not acknowledge comes once, from the segment that took over.
func TestFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(rand.New(rand.NewPCG(6, 6)))
		j, _, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: d}})
		if err != nil {
			t.Fatal(err)
		}
		store(t, j, 1)
		d.syncFails, d.writeFails = 1000, 0
		result := make(chan error, 1)
		j.Append(entry(2), func(err error) { result <- err })
		if err := <-result; err == nil {
			t.Fatal("acknowledged without a sync")
		}
		j.Append(entry(2), func(err error) { result <- err })
		if err := <-result; err == nil || j.Pressure() != 1 || j.Stats().Failing == "" {
			t.Fatalf("at once after the failure: %v, pressure %v", err, j.Pressure())
		}
		d.syncFails = 0
		time.Sleep(2 * time.Second)
		store(t, j, 2, 3)
		if len(d.names) != 2 || j.Pressure() != 0 || j.Stats().Failing != "" {
			t.Errorf("%d segments, %+v", len(d.names), j.Stats())
		}
		j.Close()
		d.powerCut()
		j, rec, err := journal.Open("/j", journal.Options{Disk: &process{simDisk: d}})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		got, damage := readAll(t, j, journal.Pos{})
		if diff := cmp.Diff(count(1, 3), got); diff != "" || damage != nil {
			t.Errorf("entries (-want +got)\n%s%v %v", diff, damage, rec)
		}
	})
}

// A journal whose consumer lags is bounded, and so is what it leaves of the
// disk; it goes on when the consumer has caught up.
func TestQuota(t *testing.T) {
	tests := []struct {
		name  string
		opts  journal.Options
		space int
	}{
		{"bytes", journal.Options{MaxBytes: 60_000}, 0},
		{"free space", journal.Options{MinFree: 20_000}, 80_000},
		{"free share", journal.Options{}, 60_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newSimDisk(rand.New(rand.NewPCG(7, 7)))
				d.space = tt.space
				tt.opts.Disk, tt.opts.SegmentSize = &process{simDisk: d}, 10_000
				j, _, err := journal.Open("/j", tt.opts)
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				j.Hold("consumer", journal.Pos{})
				result := make(chan error, 1)
				n := uint64(0)
				for ; n < 10_000 && err == nil; n++ {
					j.Append(entry(n), func(err error) { result <- err })
					err = <-result
				}
				if !errors.Is(err, journal.ErrFull) || j.Pressure() != 1 || d.total() > 60_000 {
					t.Fatalf("after %d: %v; pressure %v, %d bytes", n, err, j.Pressure(), d.total())
				}
				if err := j.Hold("consumer", j.End()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				store(t, j, n)
				if j.Pressure() == 1 || j.Stats().Failing != "" {
					t.Errorf("pressure %v, %+v", j.Pressure(), j.Stats())
				}
			})
		})
	}
}
