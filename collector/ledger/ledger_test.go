package ledger_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/ledger"
	"github.com/taproot-sensor/taproot/collector/postgres"
	"github.com/taproot-sensor/taproot/collector/postgres/postgrestest"
	"github.com/taproot-sensor/taproot/internal/ranges"
)

var discard = slog.New(slog.DiscardHandler)

func open(t testing.TB, url string, me byte) *ledger.Ledger {
	t.Helper()
	pool, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l, err := ledger.Open(t.Context(), pool, ledger.ID{me}, discard)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func id(sensor byte, batch uint64) journal.ID {
	return journal.ID{Sensor: [32]byte{sensor}, Boot: [16]byte{9}, Batch: batch}
}

func claim(t testing.TB, l *ledger.Ledger, ids ...journal.ID) []int {
	t.Helper()
	elsewhere, err := l.Claim(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return elsewhere
}

func TestClaim(t *testing.T) {
	s := postgrestest.Start(t)
	a, b := open(t, s.URL, 1), open(t, s.URL, 2)
	const greatest = 1<<64 - 2
	mine := []journal.ID{id(1, 0), id(1, 1), id(1, 1<<63), id(2, 1), id(1, greatest)}
	for range 2 { // to claim again is to have it still
		if got := claim(t, a, mine...); len(got) != 0 {
			t.Fatalf("of what nobody has, %v is elsewhere", got)
		}
	}
	if diff := cmp.Diff([]int{0, 2, 3}, claim(t, b, id(1, 1), id(1, 2), id(1, greatest), id(2, 1), id(3, 1))); diff != "" {
		t.Errorf("elsewhere (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]int{1}, claim(t, a, id(1, 0), id(1, 2))); diff != "" {
		t.Errorf("elsewhere, asked the other way (-want +got)\n%s", diff)
	}
	set, err := a.Stored(t.Context(), [32]byte{1}, [16]byte{9})
	want := ranges.Of(ranges.Range{First: 0, Last: 2}, ranges.Range{First: 1 << 63, Last: 1 << 63}, ranges.Range{First: greatest, Last: greatest})
	if diff := cmp.Diff(want.Runs(), set.Runs()); diff != "" || err != nil {
		t.Errorf("stored (-want +got)\n%s%v", diff, err)
	}
	many := make([]journal.ID, 40_000) // several claims
	for i := range many {
		many[i] = id(byte(i%3), uint64(i))
	}
	if got, want := len(claim(t, b, many...)), 1; got != want { // a has batch 1 of sensor 1
		t.Errorf("%d of many are elsewhere, want %d", got, want)
	}
}

// However a sensor numbers its batches, a row has a bound; the newest are
// remembered.
func TestClaimsAreBounded(t *testing.T) {
	s := postgrestest.Start(t)
	a, b := open(t, s.URL, 1), open(t, s.URL, 2)
	odd := make([]journal.ID, 20_000)
	for i := range odd {
		odd[i] = id(1, uint64(2*i+1))
	}
	claim(t, a, odd...)
	claim(t, a, id(1, 1))
	set, err := a.Stored(t.Context(), [32]byte{1}, [16]byte{9})
	if n := len(set.Runs()); err != nil || n != 16384 {
		t.Errorf("%d runs, %v", n, err)
	}
	if got := claim(t, b, id(1, 39_998), id(1, 39_999)); len(got) != 1 || got[0] != 1 {
		t.Errorf("of the newest gap and the newest batch, %v is elsewhere", got)
	}
}

// Several collectors that claim the same batches at once, while the database
// is killed: each batch has one owner, and who asks again hears the same.
func TestClaimsRace(t *testing.T) {
	s := postgrestest.Start(t)
	const collectors, batches = 4, 300
	var mu sync.Mutex
	owners := map[uint64][]int{}
	var wg sync.WaitGroup
	for me := range collectors {
		l := open(t, s.URL, byte(1+me))
		wg.Go(func() {
			order := rand.Perm(batches)
			for len(order) > 0 {
				n := min(1+rand.IntN(10), len(order))
				var ids []journal.ID
				for _, batch := range order[:n] {
					ids = append(ids, id(byte(batch%5), uint64(batch)))
				}
				order = order[n:]
				first, err := l.Claim(t.Context(), ids)
				again, err2 := l.Claim(t.Context(), ids)
				if diff := cmp.Diff(first, again); diff != "" || err != nil || err2 != nil {
					t.Errorf("asked again: %s %v %v", diff, err, err2)
				}
				lost := map[int]bool{}
				for _, i := range first {
					lost[i] = true
				}
				mu.Lock()
				for i, id := range ids {
					if !lost[i] {
						owners[id.Batch] = append(owners[id.Batch], me)
					}
				}
				mu.Unlock()
			}
		})
	}
	for range 3 {
		time.Sleep(50 * time.Millisecond)
		s.Kill()
		s.Resume()
	}
	wg.Wait()
	for n := range uint64(batches) {
		if len(owners[n]) != 1 {
			t.Errorf("batch %d belongs to %v", n, owners[n])
		}
	}
}

// Without its database a claim waits, says so, and goes on by itself.
func TestDatabaseGone(t *testing.T) {
	s := postgrestest.Start(t)
	l := open(t, s.URL, 1)
	claim(t, l, id(1, 1))
	s.Stop()
	done := make(chan error, 1)
	go func() {
		_, err := l.Claim(t.Context(), []journal.ID{id(1, 2)})
		done <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); l.Failing() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody noticed")
		}
	}
	select {
	case err := <-done:
		t.Fatalf("claimed without a database: %v", err)
	default:
	}
	gone, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := l.Claim(gone, []journal.ID{id(1, 3)}); err == nil {
		t.Error("a claim was made whose context ended")
	}
	s.Resume()
	if err := <-done; err != nil || l.Failing() != nil {
		t.Errorf("after the database came back: %v, %v", err, l.Failing())
	}
}

func TestOpenRefusesAnotherRelease(t *testing.T) {
	s := postgrestest.Start(t)
	open(t, s.URL, 1)
	pool, err := postgres.Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "UPDATE versions SET version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), pool, ledger.ID{1}, discard); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the tables of another release were taken: %v", err)
	}
}

func BenchmarkClaim(b *testing.B) {
	l := open(b, postgrestest.Start(b).URL, 1)
	const group = 100
	var next uint64
	for b.Loop() {
		ids := make([]journal.ID, group)
		for i := range ids {
			ids[i] = id(byte(i), next)
		}
		next++
		claim(b, l, ids...)
	}
	b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "batches/s")
}
