package query_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/query"
	"github.com/taproot-sensor/taproot/wire/record"
)

// DuckDB reads every form that a lake's pages have: more rows than a row group,
// dictionaries, words beyond them, lists, numbers of all sizes and columns of
// one number. Bounds that were wrong would make it leave rows out.
func TestQueryPages(t *testing.T) {
	const batches, rows = 36, 3750
	ts := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	flows, dns := record.NewBuilder(record.FlowDef), record.NewBuilder(record.DNSDef)
	var blocks [][]byte
	var bytes uint64
	client := netip.MustParseAddr("192.0.2.1")
	server := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)}) }
	for n := range batches * rows {
		at := record.NanosOf(ts) + record.Nanos(n)*1e6
		record.Append(flows, &record.Flow{Start: at, ID: uint64(n) * 0x9e3779b97f4a7c15, SrcAddr: client, SrcPort: uint16(n), DstAddr: server(n), DstPort: 443, Proto: 6,
			App: []string{"tls", "", "dns"}[n%3], SrcBytes: uint64(n) * 977, State: "SF"})
		bytes += uint64(n) * 977
		record.Append(dns, &record.DNS{Time: at, Name: fmt.Sprintf("%x.example", n*2654435761), Answers: []string{"x", "y"}[:n%3], Response: n%2 == 0})
		if (n+1)%rows == 0 {
			blocks = append(blocks, flows.AppendBlock(nil), dns.AppendBlock(nil))
			flows.Reset()
			dns.Reset()
		}
	}
	dir, _ := makeLake(t, ts, blocks...)
	n := 123456
	id := record.CommunityID(client, server(n), uint16(n), 443, 6)
	tests := []struct{ sql, want string }{
		{"SELECT count(*), count(DISTINCT community_id), sum(src_bytes), sum(vni), count(DISTINCT app), min(ts), max(dst_addr) FROM flow",
			fmt.Sprintf(`[%d,%d,%d,0,3,"2026-11-21T08:00:00Z","203.2.9.99"]`, batches*rows, batches*rows, bytes)},
		{"SELECT flow, dst_addr, app, state, batch FROM flow WHERE community_id = '" + id + "'",
			fmt.Sprintf(`[%d,"%v","tls","SF",%d]`, uint64(n)*0x9e3779b97f4a7c15, server(n), n/rows*2)},
		{"SELECT count(*) FROM flow WHERE src_bytes BETWEEN 977000 AND 1953999", "[1000]"},
		{"SELECT count(*) FROM flow WHERE ts >= TIMESTAMP '2026-11-21 08:01:00' AND ts < TIMESTAMP '2026-11-21 08:02:00'", "[60000]"},
		{"SELECT count(*), count(DISTINCT name), count(*) FILTER (response), sum(len(answers)) FROM dns",
			fmt.Sprintf("[%d,%d,%d,%d]", batches*rows, batches*rows, batches*rows/2, answers(batches*rows))},
		{fmt.Sprintf("SELECT count(*), any_value(response) FROM dns WHERE name = '%x.example'", n*2654435761), "[1,true]"},
	}
	for _, tt := range tests {
		lines, err := ask(t, query.Options{LakeDir: dir}, tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if got := strings.Join(lines[1:len(lines)-1], " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.sql, got, tt.want)
		}
	}
}

// answers is how many the first n records have.
func answers(n int) (sum int) {
	for i := range n {
		sum += i % 3
	}
	return sum
}
