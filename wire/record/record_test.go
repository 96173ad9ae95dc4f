package record_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/taproot-sensor/taproot/wire/record"
)

func dnsBlock(t testing.TB) []byte {
	t.Helper()
	b := record.NewBuilder(record.DNSDef)
	record.Append(b, &record.DNS{
		Time: 1700000000_000000001, Flow: 1 << 63, SrcAddr: netip.MustParseAddr("192.0.2.1"), SrcPort: 5353,
		DstAddr: netip.MustParseAddr("2001:db8::53"), DstPort: 53, Name: "taproot.example", QType: "A",
		Answers: []string{"192.0.2.7", "192.0.2.8"}, RTT: 3 * time.Millisecond, Response: true,
	})
	record.Append(b, &record.DNS{Time: 1700000000_000000002, Name: "bad\xffname" + strings.Repeat("é", record.MaxText), Answers: nil})
	record.Append(b, &record.DNS{Time: 1700000001_000000000, Name: "taproot.example", Answers: []string{"192.0.2.8"}, Response: true})
	return b.AppendBlock(nil)
}

func TestBlockRoundTrip(t *testing.T) {
	raw := append(dnsBlock(t), "rest"...)
	blk, rest, err := record.ParseBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	if string(rest) != "rest" {
		t.Errorf("rest = %q", rest)
	}
	var got []map[string]any
	for row := range blk.Rows {
		var m map[string]any
		if err := json.Unmarshal(blk.AppendJSON(nil, row), &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	long := got[1]["name"].(string)
	if !strings.HasPrefix(long, "bad\uFFFDname") || len(long) > record.MaxText {
		t.Errorf("long name = %d bytes %.20q", len(long), long)
	}
	delete(got[1], "name")
	want := []map[string]any{
		{"kind": "dns", "ts": "2023-11-14T22:13:20.000000001Z", "flow": 9.223372036854775808e18, "src_addr": "192.0.2.1", "src_port": 5353.0,
			"dst_addr": "2001:db8::53", "dst_port": 53.0, "name": "taproot.example", "qtype": "A",
			"answers": []any{"192.0.2.7", "192.0.2.8"}, "rtt": 3e6, "response": true},
		{"kind": "dns", "ts": "2023-11-14T22:13:20.000000002Z"},
		{"kind": "dns", "ts": "2023-11-14T22:13:21Z", "name": "taproot.example", "answers": []any{"192.0.2.8"}, "response": true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}

// flows returns n flow records, out of order and with all that packing makes a
// difference for, and the JSON of each in the order of time.
func flows(n int) (recs []record.Flow, want []string) {
	for i := range n {
		recs = append(recs, record.Flow{
			Start: record.Nanos(1700000000_000000000 + int64(i/2)*1000), Duration: time.Duration(i*i) * time.Millisecond,
			ID: uint64(i), SrcAddr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), SrcPort: uint16(65535 - 7*i), DstPort: 443, Proto: 6,
			SrcMAC: record.HardwareAddr{2, 0, 0, 0, 0, byte(i % 3)}, SrcBytes: 1 << (i % 64), DstBytes: uint64(60 * i), App: "tls",
			History: []string{"ShADadFf", "S", ""}[i%3],
		})
	}
	recs[1].DstAddr, recs[2].DstAddr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	for i := range recs {
		b := record.NewBuilder(record.FlowDef) // of one row: plain
		record.Append(b, &recs[i])
		blk, _, err := record.ParseBlock(b.AppendBlock(nil))
		if err != nil {
			panic(err)
		}
		want = append(want, string(blk.AppendJSON(nil, 0)))
	}
	for i := 0; i+4 < n; i += 4 { // equal times stay in their order
		recs[i], recs[i+2] = recs[i+2], recs[i]
		recs[i+1], recs[i+3] = recs[i+3], recs[i+1]
	}
	return recs, want
}

// Many rows are packed, and few are not: both say the same.
func TestPacked(t *testing.T) {
	b := record.NewBuilder(record.FlowDef)
	for _, n := range []int{3, 9, 300, 3} {
		recs, want := flows(n)
		b.Reset()
		for i := range recs {
			record.Append(b, &recs[i])
		}
		raw := b.AppendBlock(nil)
		blk, rest, err := record.ParseBlock(raw)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%d rows: %v, rest %q", n, err, rest)
		}
		var got []string
		for row := range blk.Rows {
			got = append(got, string(blk.AppendJSON(nil, row)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d rows (-want +got)\n%s", n, diff)
		}
		for size := range raw {
			if _, _, err := record.ParseBlock(raw[:size]); err == nil {
				t.Fatalf("%d rows: block cut at %d of %d bytes was taken", n, size, len(raw))
			}
		}
	}
}

// A column may begin at any row, and what a caller does with its record and the
// memory of a list afterwards is its own affair.
func TestBuilderKeepsRows(t *testing.T) {
	const rows = 50
	for begin := range rows {
		b := record.NewBuilder(record.DNSDef)
		rec, list := record.DNS{}, make([]string, 1)
		var want []string
		for row := range rows {
			rec = record.DNS{Time: record.Nanos(row + 1)}
			if row >= begin && row%3 != 1 {
				list[0] = strconv.Itoa(row)
				rec.ID, rec.Name, rec.Answers = uint16(row), "n"+list[0], list
				rec.SrcAddr = netip.AddrFrom4([4]byte{10, 0, 0, byte(row % 4)})
			}
			record.Append(b, &rec)
			want = append(want, fmt.Sprint(rec.Time, rec.ID, rec.Name, rec.SrcAddr, rec.Answers))
		}
		rec, list[0] = record.DNS{}, "gone"
		if b.Rows() != rows {
			t.Fatalf("%d rows, want %d", b.Rows(), rows)
		}
		blk, _, err := record.ParseBlock(b.AppendBlock(nil))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for row := range blk.Rows {
			var r struct {
				Name    string     `json:"name"`
				ID      uint16     `json:"id"`
				SrcAddr netip.Addr `json:"src_addr"`
				Answers []string   `json:"answers"`
			}
			if err := json.Unmarshal(blk.AppendJSON(nil, row), &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(row+1, r.ID, r.Name, r.SrcAddr, r.Answers))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("columns begin at row %d (-want +got)\n%s", begin, diff)
		}
	}
}

// Numbers come back whatever they are: the differences of some do not fit into
// 64 bits.
func TestPackedNumbers(t *testing.T) {
	for _, values := range [][]uint64{
		{0, math.MaxUint64, 1, 1 << 63, 1<<63 - 1, 0, 5, 7},
		{1 << 63, 1<<63 + 1, 1<<63 + 2, 1<<63 + 3, 1<<63 + 5, 1<<63 + 6, 0, 0},
		{60, 120, 600, 60, 60, 180, 1 << 40 * 60, 240},
		{9, 9, 9, 9, 9, 9, 9, 9},
		{1000, 2000, 3000, 4000, 5000, 7000, 9000, 9000},
	} {
		b := record.NewBuilder(record.FlowDef)
		for i, v := range values {
			record.Append(b, &record.Flow{Start: record.Nanos(i), SrcBytes: v, Duration: time.Duration(v), RTT: time.Duration(-int64(v))})
		}
		blk, _, err := record.ParseBlock(b.AppendBlock(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range blk.Columns[1:] {
			for row, v := range values {
				if c.Name == "rtt" {
					v = -v
				}
				if got := uint64(c.Ints[row]); got != v {
					t.Errorf("%s of %d: row %d is %d", c.Name, values, row, got)
				}
			}
		}
	}
}

// Every kind must survive a record of zero values and one of its own, and have
// a time first.
func TestEveryKind(t *testing.T) {
	for _, d := range record.Kinds() {
		if d.Fields[0].Name != "ts" || d.Fields[0].Type != record.Time {
			t.Errorf("kind %q begins with %v, want ts", d.Kind, d.Fields[0])
		}
		if record.Lookup(d.Kind) != d {
			t.Errorf("Lookup(%q) finds another definition", d.Kind)
		}
	}
}

func TestBuilderReset(t *testing.T) {
	b := record.NewBuilder(record.ARPDef)
	rec := &record.ARP{Time: 5, Op: "request", SenderMAC: record.HardwareAddr{2, 0, 0, 0, 0, 1}, VLAN: 7}
	record.Append(b, rec)
	first := b.AppendBlock(nil)
	b.Reset()
	if b.Rows() != 0 || len(b.AppendBlock(nil)) != 0 {
		t.Error("a builder that was reset has rows")
	}
	record.Append(b, rec)
	if diff := cmp.Diff(first, b.AppendBlock(nil)); diff != "" {
		t.Errorf("block after Reset (-want +got)\n%s", diff)
	}
}

func TestParseBlockRefuses(t *testing.T) {
	good := dnsBlock(t)
	for n := range good {
		if _, _, err := record.ParseBlock(good[:n]); err == nil {
			t.Fatalf("block cut at %d of %d bytes was taken", n, len(good))
		}
	}
	tests := []struct{ name, block, want string }{
		{"no rows", "\x01k\x00\x01", "empty"},
		{"name", "\x02k-\x01\x01", "other letters"},
		{"path", "\x02..\x01\x01", "other letters"},
		{"first column", "\x01k\x01\x01\x01a\x02\x01\x05", "want time"},
		{"twice", "\x01k\x01\x02\x01a\x04\x01\x00\x01a\x04\x01\x00", "two columns"},
		{"not UTF-8", "\x01k\x01\x02\x01a\x04\x01\x00\x01b\x08\x04\x01\x01\xff\x00", "is no string"},
		{"address of 5 bytes", "\x01k\x01\x02\x01a\x04\x01\x00\x01b\x06\x08\x01\x05abcde\x00", "is no address"},
		{"word out of range", "\x01k\x01\x02\x01a\x04\x01\x00\x01b\x08\x04\x01\x01x\x01", "word 1 of 1"},
		{"planes", "\x01k\x02\x01\x01a\x14\x05\x09\x00\x01\x00\x00", "9 bytes per value"},
		{"no planes", "\x01k\x02\x01\x01a\x14\x05\x00\x00\x01\x00\x00", "0 bytes per value"},
		{"unit", "\x01k\x02\x01\x01a\x14\x05\x01\x00\x00\x00\x00", "unit of 0"},
		{"head", "\x01k\x02\x01\x01a\x14\x05\x41\x00\x01\x00\x00", "unknown head"},
		{"packed word out of range", "\x01k\x02\x02\x01a\x04\x02\x00\x00\x01b\x18\x06\x01\x01x\x01\x00\x02", "word 1 of 1"},
		{"new word out of range", "\x01k\x02\x02\x01a\x04\x02\x00\x00\x01b\x18\x06\x01\x01x\x01\x00\x00", "word 1 of 1"},
		{"packed address of 5 bytes", "\x01k\x02\x02\x01a\x04\x02\x00\x00\x01b\x16\x0a\x01\x05abcde\x01\x00\x01", "word of 5 bytes"},
		{"packed address of a MAC", "\x01k\x02\x02\x01a\x04\x02\x00\x00\x01b\x16\x0b\x01\x06abcdef\x01\x00\x01", "is no address"},
		{"many rows", "\x01k\xff\xff\x7f\x01", "at most"},
	}
	for _, tt := range tests {
		_, _, err := record.ParseBlock([]byte(tt.block))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// Columns and kinds from a later release are kept.
func TestUnknownIsKept(t *testing.T) {
	blk, _, err := record.ParseBlock([]byte("\x06future\x01\x02\x02ts\x04\x01\x02\x03new\x63\x03abc"))
	if err != nil {
		t.Fatal(err)
	}
	want := record.Block{Kind: "future", Rows: 1, Columns: []record.Column{
		{Name: "ts", Type: record.Time, Ints: []int64{1}},
		{Name: "new", Type: 0x63, Raw: []byte("abc")},
	}}
	if diff := cmp.Diff(want, blk, cmpopts.IgnoreUnexported(record.Column{})); diff != "" {
		t.Errorf("block (-want +got)\n%s", diff)
	}
}

func FuzzParseBlock(f *testing.F) {
	f.Add(dnsBlock(f))
	recs, _ := flows(9)
	b := record.NewBuilder(record.FlowDef)
	for i := range recs {
		record.Append(b, &recs[i])
	}
	f.Add(b.AppendBlock(nil))
	recs, _ = flows(300)
	for i := range recs {
		record.Append(b, &recs[i])
	}
	f.Add(b.AppendBlock(nil))
	f.Add(codedBlock(2, 1, "\x08\x01\x03\xff"))
	f.Add(codedBlock(20, 2, "\x13\x01\x03\xff\x12\x34"))
	f.Add([]byte("\x06future\x01\x02\x02ts\x04\x01\x02\x03new\x63\x03abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		blk, _, err := record.ParseBlock(b)
		if err != nil {
			return
		}
		for row := range blk.Rows {
			if out := blk.AppendJSON(nil, row); !json.Valid(out) {
				t.Fatalf("row %d is not JSON: %q", row, out)
			}
		}
	})
}

func BenchmarkBuilderFlow(b *testing.B) {
	rec := record.Flow{Start: 1700000000_000000000, Duration: 12345678, SrcAddr: netip.MustParseAddr("192.0.2.1"), SrcPort: 40000,
		DstAddr: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6, App: "tls", SrcPackets: 10, DstPackets: 12,
		SrcBytes: 1200, DstBytes: 14000, State: "SF", End: "fin"}
	bld := record.NewBuilder(record.FlowDef)
	b.ReportAllocs()
	for b.Loop() {
		if bld.Full() {
			bld.Reset()
		}
		rec.Start += 1000
		rec.SrcPort++
		record.Append(bld, &rec)
	}
}

// BenchmarkParseFlows parses blocks of 250 flows. An op is one flow.
func BenchmarkParseFlows(b *testing.B) {
	const rows = 250
	builder := record.NewBuilder(record.FlowDef)
	for i := range rows {
		record.Append(builder, &record.Flow{
			Start: record.Nanos(i * 1e6), Duration: time.Duration(i * 977), ID: uint64(i) * 0x9e3779b97f4a7c15, SrcPort: uint16(32768 + i*37), DstPort: 443, Proto: 6,
			SrcAddr: netip.AddrFrom4([4]byte{192, 168, 1, byte(i % 60)}), DstAddr: netip.AddrFrom4([4]byte{203, 0, byte(i % 3), byte(i)}),
			SrcMAC: record.HardwareAddr{2, 0, 0, 0, 0, byte(i % 60)}, App: "tls", SrcBytes: uint64(i * 1461), DstBytes: uint64(i * 99991), State: "SF", End: "fin",
		})
	}
	raw := builder.AppendBlock(nil)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += rows {
		if _, _, err := record.ParseBlock(raw); err != nil {
			b.Fatal(err)
		}
	}
}
