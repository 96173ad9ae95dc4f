package lake_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Words beyond what a dictionary takes, and numbers of any size, come back over
// many pages and, with sensors' records, more than one row group.
func TestLakeManyValues(t *testing.T) {
	const rows, names, counters = 1000, 20, 132
	r := start(t, t.TempDir(), lake.Options{})
	rnd := rand.New(rand.NewPCG(3, 4))
	numbers := make([]int64, counters*rows)
	dns, sensors := record.NewBuilder(record.DNSDef), record.NewBuilder(record.SensorDef)
	for i := range counters {
		dns.Reset()
		sensors.Reset()
		for n := i * rows; n < (i+1)*rows; n++ {
			numbers[n] = int64(rnd.Uint64())
			ts := record.NanosOf(day) + record.Nanos(n)
			record.Append(dns, &record.DNS{Time: ts, Flow: uint64(numbers[n]), Name: wordOf(n), Answers: []string{wordOf(n), "x"}[:n%3]})
			record.Append(sensors, &record.Sensor{Time: ts, Counter: wordOf(n), Value: numbers[n]})
		}
		if i < names {
			r.send(t, dns.AppendBlock(nil))
		}
		r.send(t, sensors.AppendBlock(nil))
	}
	r.flush(t)
	got := r.rows(t, "dns")
	if len(got) != names*rows {
		t.Fatalf("%d rows, want %d", len(got), names*rows)
	}
	for n, row := range got {
		want := []string{wordOf(n), "x"}[:n%3]
		if row["name"] != wordOf(n) || row["flow"] != numbers[n] || fmt.Sprint(row["answers"]) != fmt.Sprint(want) {
			t.Fatalf("row %d = %v, want name %s, flow %d, answers %v", n, row, wordOf(n), numbers[n], want)
		}
	}
	got = r.rows(t, "sensor")
	if len(got) != len(numbers) {
		t.Fatalf("%d rows, want %d", len(got), len(numbers))
	}
	for n, row := range got {
		if row["counter"] != wordOf(n) || row["value"] != numbers[n] {
			t.Fatalf("row %d = %v, want counter %s, value %d", n, row, wordOf(n), numbers[n])
		}
	}
}

func wordOf(n int) string { return fmt.Sprintf("%x.example", n*2654435761) }
