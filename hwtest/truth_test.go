package hwtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// TestTruth compares what the sensor says of each capture with what tshark
// says of the same file.
func TestTruth(t *testing.T) {
	needTShark(t)
	for _, path := range captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := engine(t, path)
			packets := dissect(t, path)
			for _, tt := range []struct {
				kind    string
				columns string
				want    []fact
			}{
				{"flow", flowColumns, flowTruth(packets)},
				{"dns", dnsColumns, dnsTruth(packets)},
				{"tls", tlsColumns, tlsTruth(packets)},
				{"dhcp", dhcpColumns, dhcpTruth(packets)},
				{"arp", arpColumns, arpTruth(packets)},
			} {
				if diff := difference(tt.want, only(got[tt.kind], tt.columns)); diff != "" {
					t.Errorf("%s records (-tshark +sensor):\n%s", tt.kind, diff)
				} else if len(tt.want) > 0 {
					t.Logf("%-4s %3d records agree in %d columns", tt.kind, len(tt.want), len(strings.Fields(tt.columns)))
				}
			}
		})
	}
}

// captures returns the project's own captures.
func captures(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("../testdata/captures/*.pcap*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures found: %v", err)
	}
	return paths
}

// A fact is one record as text, without its zero values.
type fact map[string]string

// newFact returns the fact with the given keys and values; what is zero is left
// out, as records leave it out.
func newFact(pairs ...any) fact {
	f := fact{}
	for i := 0; i < len(pairs); i += 2 {
		f.set(pairs[i].(string), pairs[i+1])
	}
	return f
}

func (f fact) set(key string, value any) {
	var text string
	switch v := value.(type) {
	case []string:
		text = strings.Join(v, ", ")
	case []any:
		var words []string
		for _, w := range v {
			words = append(words, fmt.Sprint(w))
		}
		text = strings.Join(words, ", ")
	default:
		text = fmt.Sprint(value)
	}
	switch text {
	case "", "0", "false", "<nil>", "00:00:00:00:00:00":
	default:
		f[key] = text
	}
}

// only returns the facts with the given columns alone.
func only(facts []fact, columns string) []fact {
	var out []fact
	for _, f := range facts {
		short := fact{}
		for _, c := range strings.Fields(columns) {
			if v, ok := f[c]; ok {
				short[c] = v
			}
		}
		out = append(out, short)
	}
	return out
}

// difference returns the facts that only one side has, a line each; the order
// in which they were said does not matter.
func difference(want, got []fact) string {
	count := map[string]int{}
	for _, f := range want {
		count[fmt.Sprint(map[string]string(f))]--
	}
	for _, f := range got {
		count[fmt.Sprint(map[string]string(f))]++
	}
	var out strings.Builder
	for _, text := range slices.Sorted(maps.Keys(count)) {
		n := count[text]
		for ; n < 0; n++ {
			fmt.Fprintf(&out, "- %s\n", text)
		}
		for ; n > 0; n-- {
			fmt.Fprintf(&out, "+ %s\n", text)
		}
	}
	return out.String()
}

// engine runs the sensor's meter over a capture file and returns its records
// by kind.
func engine(t testing.TB, path string) map[string][]fact {
	t.Helper()
	src, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var pipe bytes.Buffer
	if err := meter.Run(t.Context(), meter.Config{Source: src, Out: &pipe}); err != nil {
		t.Fatal(err)
	}
	out := map[string][]fact{}
	for {
		f, err := batch.ReadFrame(&pipe)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range records(t, f.Batch) {
			kind, r := parseFact(t, line)
			out[kind] = append(out[kind], r)
		}
	}
}

// records returns the records of a batch as JSON.
func records(t testing.TB, b []byte) [][]byte {
	t.Helper()
	codec, size, body, err := batch.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if codec == batch.Zstd {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if body, err = d.DecodeAll(body, make([]byte, 0, size)); err != nil {
			t.Fatal(err)
		}
	}
	var out [][]byte
	for len(body) > 0 {
		var blk record.Block
		if blk, body, err = record.ParseBlock(body); err != nil {
			t.Fatal(err)
		}
		for row := range blk.Rows {
			out = append(out, blk.AppendJSON(nil, row))
		}
	}
	return out
}

// parseFact reads one record in JSON.
func parseFact(t testing.TB, line []byte) (kind string, f fact) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var r map[string]any
	if err := d.Decode(&r); err != nil {
		t.Fatalf("record %s: %v", line, err)
	}
	f = fact{}
	for k, v := range r {
		f.set(k, v)
	}
	kind = f["kind"]
	delete(f, "kind")
	return kind, f
}
