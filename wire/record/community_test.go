package record_test

import (
	"net/netip"
	"testing"

	"github.com/taproot-sensor/taproot/wire/record"
)

// TestCommunityID has vectors of the specification's baseline_deflt.json.
func TestCommunityID(t *testing.T) {
	for _, tt := range []struct {
		src, dst     string
		sport, dport uint16
		proto        uint8
		want         string
	}{
		{"128.232.110.120", "66.35.250.204", 34855, 80, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"66.35.250.204", "128.232.110.120", 80, 34855, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"192.168.1.52", "8.8.8.8", 54585, 53, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{"192.168.0.89", "192.168.0.1", 8, 0, 1, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{"192.168.0.1", "192.168.0.89", 0, 0, 1, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	} {
		got := record.CommunityID(netip.MustParseAddr(tt.src), netip.MustParseAddr(tt.dst), tt.sport, tt.dport, tt.proto)
		if got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	if got := record.CommunityID(netip.Addr{}, netip.Addr{}, 0, 0, 6); got != "" {
		t.Errorf("no addresses: got %s", got)
	}
}

// TestAddCommunityID adds the column where it was left out, and nowhere else.
func TestAddCommunityID(t *testing.T) {
	flow := record.Flow{
		Start: 1, SrcAddr: netip.MustParseAddr("192.168.1.52"), SrcPort: 54585,
		DstAddr: netip.MustParseAddr("8.8.8.8"), DstPort: 53, Proto: 17,
	}
	b := record.NewBuilder(record.FlowDef)
	record.Append(b, &flow)
	record.Append(b, &record.Flow{Start: 2})
	for _, community := range []string{"", "1:theirs"} {
		flow.Community = community
		if community != "" {
			record.Append(b, &flow)
		}
		blk, _, err := record.ParseBlock(b.AppendBlock(nil))
		if err != nil {
			t.Fatal(err)
		}
		columns := len(blk.Columns)
		blk.AddCommunityID()
		if added := len(blk.Columns) - columns; (added == 1) != (community == "") {
			t.Errorf("%d columns added to a block with %q", added, community)
		}
		if c := blk.Columns[len(blk.Columns)-1]; community == "" && (c.Dict[c.Index[0]] != "1:d/FP5EW3wiY1vCndhwleRRKHowQ=" || c.Dict[c.Index[1]] != "") {
			t.Errorf("got %q", c.Dict)
		}
	}
	blk := record.Block{Kind: "dns", Rows: 1}
	if blk.AddCommunityID(); len(blk.Columns) != 0 {
		t.Error("a column in a block of another kind")
	}
}
