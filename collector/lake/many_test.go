package lake_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Words beyond what a dictionary takes, and numbers of any size, come back over
// many pages and more than one row group.
func TestLakeManyValues(t *testing.T) {
	const blocks, rows = 140, 1000
	r := start(t, t.TempDir(), lake.Options{})
	rnd := rand.New(rand.NewPCG(3, 4))
	flows := make([]uint64, blocks*rows)
	b := record.NewBuilder(record.DNSDef)
	for i := range blocks {
		b.Reset()
		for k := range rows {
			n := i*rows + k
			flows[n] = rnd.Uint64()
			b.Append(&record.DNS{Time: record.NanosOf(day) + record.Nanos(n), Flow: flows[n], Name: wordOf(n), Answers: []string{wordOf(n), "x"}[:n%3]})
		}
		r.send(t, b.AppendBlock(nil))
	}
	r.flush(t)
	got := r.rows(t, "dns")
	if len(got) != len(flows) {
		t.Fatalf("%d rows, want %d", len(got), len(flows))
	}
	for n, row := range got {
		if row["name"] != wordOf(n) || row["flow"] != int64(flows[n]) || row["sensor"] != "abcd000000000000" {
			t.Fatalf("row %d = %v, want name %s, flow %d", n, row, wordOf(n), int64(flows[n]))
		}
		if want := []string{wordOf(n), "x"}[:n%3]; fmt.Sprint(row["answers"]) != fmt.Sprint(want) {
			t.Fatalf("row %d has answers %v, want %v", n, row["answers"], want)
		}
	}
}

func wordOf(n int) string { return fmt.Sprintf("%x.example", n*2654435761) }
