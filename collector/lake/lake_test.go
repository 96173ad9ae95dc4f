package lake_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// day is when the tests' traffic is received.
var day = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

var sensor = [32]byte{0xab, 0xcd}

// running is a journal and the lake that follows it.
type running struct {
	*lake.Lake
	dir     string
	journal *journal.Journal
	batches uint64
	stop    func()
}

func start(t testing.TB, dir string, opts lake.Options) *running {
	t.Helper()
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(filepath.Join(dir, "lake"), opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, j) }()
	r := &running{Lake: l, dir: filepath.Join(dir, "lake"), journal: j}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		j.Close()
	})
	t.Cleanup(r.stop)
	return r
}

// send stores blocks as the next batch.
func (r *running) send(t testing.TB, blocks ...[]byte) {
	t.Helper()
	raw := slices.Concat(blocks...)
	c := make(chan error, 1)
	r.journal.Append(journal.Entry{
		Sensor: sensor, Boot: [16]byte{1}, Batch: r.batches, Received: day.UnixNano(),
		Body: batch.Append(nil, batch.None, len(raw), raw),
	}, func(err error) { c <- err })
	r.batches++
	if err := <-c; err != nil {
		t.Fatal(err)
	}
}

func (r *running) flush(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// rows reads every row of kind from the files that the manifest lists, by time.
// The reader gives unsigned numbers as int64.
func (r *running) rows(t testing.TB, kind string) (rows []map[string]any) {
	t.Helper()
	for _, f := range r.Manifest().Files {
		if f.Kind != kind {
			continue
		}
		in, err := os.Open(filepath.Join(r.dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		reader := parquet.NewReader(in)
		for range f.Rows {
			row := map[string]any{}
			if err := reader.Read(&row); err != nil {
				t.Fatal(err)
			}
			row["path"] = filepath.Dir(f.Path)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b map[string]any) int { return int(a["ts"].(int64) - b["ts"].(int64)) })
	return rows
}

func arp(times ...time.Time) []byte {
	b := record.NewBuilder(record.ARPDef)
	for _, ts := range times {
		record.Append(b, &record.ARP{Time: record.NanosOf(ts), Op: "request", SenderAddr: netip.MustParseAddr("192.0.2.1"),
			SenderMAC: record.HardwareAddr{2, 0, 0, 0, 0, 0xa}, VLAN: 7})
	}
	return b.AppendBlock(nil)
}

func TestLakeRow(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	dns := record.NewBuilder(record.DNSDef)
	record.Append(dns, &record.DNS{Time: record.NanosOf(day), Flow: 1 << 63, SrcAddr: netip.MustParseAddr("2001:db8::1"), Name: "a.example",
		Answers: []string{"192.0.2.1", "192.0.2.2"}, Response: true, RTT: 5 * time.Millisecond})
	record.Append(dns, &record.DNS{Time: record.NanosOf(day) + 1, Name: "b.example"})
	r.send(t, arp(day), dns.AppendBlock(nil))
	r.flush(t)
	origin := map[string]any{"sensor": "abcd000000000000", "boot": "01000000000000000000000000000000", "batch": int64(0), "received": day.UnixNano()}
	row := func(over map[string]any) map[string]any {
		for k, v := range origin {
			over[k] = v
		}
		return over
	}
	want := []map[string]any{row(map[string]any{
		"path": "kind=arp/date=2026-11-21/hour=08", "ts": day.UnixNano(), "op": "request", "sender_mac": "02:00:00:00:00:0a",
		"sender_addr": "192.0.2.1", "target_mac": "", "target_addr": "", "vlan": int64(7),
	})}
	if diff := cmp.Diff(want, r.rows(t, "arp")); diff != "" {
		t.Errorf("arp (-want +got)\n%s", diff)
	}
	got := r.rows(t, "dns")
	if len(got) != 2 {
		t.Fatalf("%d rows of dns, want 2", len(got))
	}
	for _, f := range record.DNSDef.Fields {
		if _, ok := got[1][f.Name]; !ok {
			t.Errorf("column %q is missing", f.Name)
		}
	}
	for k, v := range map[string]any{"flow": int64(-1 << 63), "src_addr": "2001:db8::1", "name": "a.example", "response": true, "rtt": int64(5e6)} {
		if diff := cmp.Diff(v, got[0][k]); diff != "" {
			t.Errorf("dns %s (-want +got)\n%s", k, diff)
		}
	}
	if fmt.Sprint(got[0]["answers"]) != "[192.0.2.1 192.0.2.2]" || fmt.Sprint(got[1]["answers"]) != "[]" {
		t.Errorf("answers = %v and %v", got[0]["answers"], got[1]["answers"])
	}
}

// Rows lie in the hour of their time, or of their receipt where the time is
// none or absurd.
func TestLakePartitions(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	r.send(t, arp(time.Unix(0, 0), day.Add(-2*time.Hour), day, day.Add(-1), day.Add(23*time.Hour), day.Add(25*time.Hour), day.AddDate(-3, 0, 0)))
	r.flush(t)
	got := map[string]int{}
	for _, f := range r.Manifest().Files {
		got[filepath.Dir(f.Path)] += int(f.Rows)
	}
	want := map[string]int{
		"kind=arp/date=2026-11-21/hour=06": 1,
		"kind=arp/date=2026-11-21/hour=08": 4, // two of that hour, one of no time, one of tomorrow
		"kind=arp/date=2026-11-22/hour=07": 1,
		"kind=arp/date=2023-11-21/hour=08": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows by partition (-want +got)\n%s", diff)
	}
}

// A sensor that makes up times cannot make a file for each.
func TestLakeBoundsOpenFiles(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	var times []time.Time
	for h := range 5000 {
		times = append(times, day.Add(-time.Duration(h)*time.Hour))
	}
	r.send(t, arp(times...))
	r.flush(t)
	rows := 0
	for _, f := range r.Manifest().Files {
		rows += int(f.Rows)
	}
	if n := len(r.Manifest().Files); rows != 5000 || n > 70 {
		t.Errorf("%d rows in %d files, want 5000 in at most 70", rows, n)
	}
}

// block makes a block of one row by hand, of kind and columns that no release
// knows: name, type, data.
func block(kind string, columns ...string) []byte {
	text := func(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
	b := text(nil, kind)
	b = append(b, 1, byte(1+len(columns)/3))
	b = append(text(b, "ts"), byte(record.Time))
	b = text(b, "\x02")
	for i := 0; i < len(columns); i += 3 {
		b = append(text(b, columns[i]), columns[i+1][0])
		b = text(b, columns[i+2])
	}
	return b
}

// Kinds, columns and types of a later release are kept, and none of them can
// take the name of a column that the collector fills.
func TestLakeKeepsUnknown(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	r.send(t, block("novel", "colour", "\x08", "\x01\x03red\x00"))
	r.send(t, block("novel", "colour", "\x02", "\x07", "shape", "\x63", "abc", "sensor", "\x08", "\x01\x04liar\x00"))
	r.flush(t)
	r.stop()
	dir := filepath.Dir(r.dir)
	batches := r.batches
	r = start(t, dir, lake.Options{})
	r.batches = batches
	r.send(t, block("novel", "colour", "\x02", "\x08"))
	r.flush(t)
	var got []string
	for _, row := range r.rows(t, "novel") {
		got = append(got, fmt.Sprint(row["batch"], row["sensor"], row["colour"], row["colour_uint"], row["sensor_string"], row["shape"]))
	}
	slices.Sort(got)
	want := []string{
		fmt.Sprint(int64(0), "abcd000000000000", "red", nil, nil, nil),
		fmt.Sprint(int64(1), "abcd000000000000", "", int64(7), "liar", "abc"),
		fmt.Sprint(int64(2), "abcd000000000000", "", int64(8), "", ""),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
}

func TestLakeBoundsKinds(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	for n := range 100 {
		r.send(t, block(fmt.Sprintf("made_up_%d", n)))
	}
	r.send(t, arp(day))
	r.flush(t)
	if kept, dropped := len(r.Manifest().Kinds), r.Counters()["drop_kind"]; kept+int(dropped) != 101 || dropped == 0 || len(r.rows(t, "arp")) != 1 {
		t.Errorf("%d kinds kept, %d rows dropped, %d of arp", kept, dropped, len(r.rows(t, "arp")))
	}
}

// Damage in a batch costs what is damaged, and is counted.
func TestLakeDamagedBatch(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	r.send(t, arp(day), []byte("garbage"))
	r.send(t, arp(day))
	r.flush(t)
	if c := r.Counters(); c["damaged_batches"] != 1 || c["batches"] != 2 || c["rows"] != 2 {
		t.Errorf("counters = %v", c)
	}
}

func TestLakeAge(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{MaxAge: 50 * time.Millisecond})
	r.send(t, arp(day))
	deadline := time.Now().Add(10 * time.Second)
	for len(r.Manifest().Files) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("rows do not become visible by age")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestLakeRemovesOrphans(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, lake.Options{})
	r.send(t, arp(day))
	r.flush(t)
	r.stop()
	kept := filepath.Join(r.dir, r.Manifest().Files[0].Path)
	orphan, tmp := filepath.Join(filepath.Dir(kept), "00000099.parquet"), filepath.Join(filepath.Dir(kept), "00000098.parquet.tmp")
	for _, path := range []string{orphan, tmp} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, dir, lake.Options{})
	for path, want := range map[string]bool{kept: true, orphan: false, tmp: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", path, err, want)
		}
	}
}
