package meter_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arkimeSession is what is read of a session as Arkime's tests expect it.
type arkimeSession struct {
	Proto   int `json:"ipProtocol"`
	Source  arkimeEnd
	Dest    arkimeEnd `json:"destination"`
	Network struct {
		CommunityID string `json:"community_id"`
	}
}

type arkimeEnd struct {
	IP             netip.Addr
	Port           int
	Packets, Bytes int
}

// directed sums packets and bytes by what was sent to whom.
type directed map[string][2]int

func (d directed) add(src, dst any, srcPort, dstPort, proto, packets, bytes int) {
	if packets == 0 {
		return
	}
	key := fmt.Sprintf("%v:%d > %v:%d/%d", src, srcPort, dst, dstPort, proto)
	v := d[key]
	d[key] = [2]int{v[0] + packets, v[1] + bytes}
}

func (d directed) lines() (out []string) {
	for key, v := range d {
		out = append(out, fmt.Sprintf("%s %d packets %d bytes", key, v[0], v[1]))
	}
	return out
}

func (d directed) sorted() []string { return slices.Sorted(slices.Values(d.lines())) }

// number returns an integer field, 0 where there is none.
func (f fact) number(name string) int {
	n, _ := f[name].(json.Number)
	v, _ := n.Int64()
	return int(v)
}

// TestTruthArkime compares packets and bytes of TCP and UDP flows, both ways,
// and the Community IDs, with what Arkime makes of its own captures.
func TestTruthArkime(t *testing.T) {
	dir, oracles := truthDir(t, "arkime"), truthDir(t, "expected/arkime")
	paths, err := filepath.Glob(filepath.Join(oracles, "*.arkime.json"))
	if err != nil {
		t.Fatal(err)
	}
	counts, community := score{name: "packets and bytes (arkime)"}, score{name: "Community ID (arkime)"}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".arkime.json")
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Sessions []struct{ Body arkimeSession } `json:"sessions3"`
		}
		if err := json.Unmarshal(text, &truth); err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		want, wantIDs := directed{}, map[string]bool{}
		for _, s := range truth.Sessions {
			if b := s.Body; b.Proto == 6 || b.Proto == 17 {
				want.add(b.Source.IP, b.Dest.IP, b.Source.Port, b.Dest.Port, b.Proto, b.Source.Packets, b.Source.Bytes)
				want.add(b.Dest.IP, b.Source.IP, b.Dest.Port, b.Source.Port, b.Proto, b.Dest.Packets, b.Dest.Bytes)
				wantIDs[b.Network.CommunityID] = true
			}
		}
		if len(want) == 0 {
			continue
		}
		got, gotIDs := directed{}, map[string]bool{}
		for _, f := range facts(t, filepath.Join(dir, name))["flow"] {
			src, dst, proto := f.text("src_addr"), f.text("dst_addr"), f.number("proto")
			got.add(src, dst, f.number("src_port"), f.number("dst_port"), proto, f.number("src_packets"), f.number("src_bytes"))
			got.add(dst, src, f.number("dst_port"), f.number("src_port"), proto, f.number("dst_packets"), f.number("dst_bytes"))
			gotIDs[f.text("community_id")] = true
		}
		counts.compare(t, name, got.lines(), want.lines())
		community.compare(t, name, keys(gotIDs), keys(wantIDs))
	}
	counts.floor(t, 1063, 173)
	community.floor(t, 606, 178)
}

func keys(set map[string]bool) (out []string) {
	for k := range set {
		if k != "" {
			out = append(out, k)
		}
	}
	return out
}
