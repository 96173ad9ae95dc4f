package flow_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/flow"
)

const (
	tcp, udp           = 6, 17
	fin, syn, rst, ack = 1, 2, 4, 16
)

// ended is a reported flow, as a test compares it: client, packets of client
// and server, state and reason.
type ended struct {
	client           string
	packets, answers uint64
	state, reason    string
}

// A table is a flow.Table with its reports and a clock.
type table struct {
	*flow.Table
	clock flow.Clock
	now   time.Duration
	made  uint64 // packets
	ended []ended
}

func newTable(opts flow.Options) *table {
	t := &table{now: time.Hour}
	t.Table = flow.New(opts, func(r *flow.Record, why flow.Reason) {
		c, s := r.Client, 1-r.Client
		t.ended = append(t.ended, ended{
			fmt.Sprintf("%v:%d", r.Key.Addr(c), r.Port(c)),
			r.Sides[c].Packets, r.Sides[s].Packets, r.State(), why.String(),
		})
	})
	return t
}

// send counts one packet.
func (t *table) send(src, dst string, proto, flags uint8) (*flow.Record, bool) {
	return t.Update(t.packet(src, dst, proto, flags))
}

func (t *table) packet(src, dst string, proto, flags uint8) *flow.Packet {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	from, to := s.Addr().As16(), d.Addr().As16()
	t.made++
	p := &flow.Packet{Time: int64(t.now), Tick: t.clock.At(int64(t.now)), ID: t.made, Flags: flags, WireLen: 100, Payload: 46, TTL: 64, Window: 1}
	p.From = p.Key.Set(&from, &to, s.Port(), d.Port(), proto)
	p.ICMP, p.Code = uint8(s.Port()), uint8(d.Port())
	p.Hash = t.Hasher.Hash(&p.Key)
	return p
}

func (t *table) pass(d time.Duration) {
	t.now += d
	t.Advance(t.clock.At(int64(t.now)))
}

func (t *table) check(tb testing.TB, want ...ended) {
	tb.Helper()
	if !slices.Equal(t.ended, want) {
		tb.Errorf("ended %v\nwant  %v", t.ended, want)
	}
	t.ended = nil
}

const a, b, other = "10.0.0.1:1000", "10.0.0.2:80", "10.0.0.3:2000"

func TestKey(t *testing.T) {
	for _, tt := range [][2]string{
		{"10.0.0.1:1000", "10.0.0.2:80"},
		{"10.0.0.1:80", "10.0.0.1:1000"},
		{"[2001:db8::2]:53", "[2001:db8::1]:53"},
		{"10.0.0.1:7", "[::1]:7"},
	} {
		s, d := netip.MustParseAddrPort(tt[0]), netip.MustParseAddrPort(tt[1])
		sa, da := s.Addr().As16(), d.Addr().As16()
		var there, back, other flow.Key
		from := there.Set(&sa, &da, s.Port(), d.Port(), tcp)
		answer := back.Set(&da, &sa, d.Port(), s.Port(), tcp)
		if there != back || from == answer {
			t.Errorf("%v: keys %v from %d, %v from %d", tt, there, from, back, answer)
		}
		got := netip.AddrPortFrom(there.Addr(from), there.Port(from))
		if to := netip.AddrPortFrom(there.Addr(answer), there.Port(answer)); got != s || to != d || there.Proto() != tcp {
			t.Errorf("%v: key gives back %v and %v", tt, got, to)
		}
		if other.Set(&sa, &da, s.Port(), d.Port(), udp); other == there {
			t.Errorf("%v: the protocol makes no difference", tt)
		}
	}
}

func TestTableCounts(t *testing.T) {
	tab := newTable(flow.Options{Capacity: 4})
	first, created := tab.send(a, b, udp, 0)
	if !created {
		t.Error("first packet created no flow")
	}
	id := first.ID
	tab.now += time.Second
	r, created := tab.send(b, a, udp, 0)
	tab.send(b, a, udp, 0)
	if created || r.ID != id || r.First != int64(time.Hour) || r.Last != int64(time.Hour+time.Second) {
		t.Errorf("answer went to %+v", r)
	}
	if c, s := r.Sides[r.Client], r.Sides[1-r.Client]; c.Bytes != 100 || s.Bytes != 200 || s.Payload != 92 || s.TTL != 64 {
		t.Errorf("got client %+v, server %+v", c, s)
	}
	tab.Flush()
	tab.check(t, ended{"10.0.0.1:1000", 1, 2, "SF", "end"})
	if s := tab.Stats(); s.Active != 0 || s.Created != 1 || s.Ended[flow.End] != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestTableICMP(t *testing.T) {
	tab := newTable(flow.Options{})
	tab.send("10.0.0.1:8", "10.0.0.2:0", 1, 0)
	tab.send("10.0.0.2:0", "10.0.0.1:0", 1, 0)
	tab.Flush()
	tab.check(t, ended{"10.0.0.1:8", 1, 1, "OTH", "end"})
}

func TestTableTimeouts(t *testing.T) {
	tab := newTable(flow.Options{Active: 10 * time.Minute})
	tab.send(a, b, udp, 0)
	tab.pass(59 * time.Second)
	tab.send(a, b, udp, 0)
	tab.pass(59 * time.Second)
	tab.check(t)
	tab.pass(2 * time.Second)
	tab.check(t, ended{"10.0.0.1:1000", 2, 0, "S0", "idle"})

	// A flow that goes on is reported in between, and keeps its client.
	for range 13 {
		tab.send(a, b, udp, 0)
		tab.pass(50 * time.Second)
	}
	tab.check(t, ended{"10.0.0.1:1000", 12, 0, "S0", "active"})
	tab.send(b, a, udp, 0)
	tab.Flush()
	tab.check(t, ended{"10.0.0.1:1000", 1, 1, "SF", "end"})

	// A report with nothing behind it is the last.
	tab = newTable(flow.Options{Active: 30 * time.Second})
	tab.send(a, b, udp, 0)
	tab.pass(31 * time.Second)
	tab.check(t, ended{"10.0.0.1:1000", 1, 0, "S0", "active"})
	tab.pass(time.Hour)
	tab.check(t)
	if s := tab.Stats(); s.Active != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestTableClock sets the clock forth and back.
func TestTableClock(t *testing.T) {
	tab := newTable(flow.Options{})
	tab.send(a, b, udp, 0)
	tab.pass(-10 * time.Second) // out of order
	tab.send(a, b, udp, 0)
	tab.pass(-365 * 24 * time.Hour) // set back
	tab.send(a, b, udp, 0)
	tab.pass(59 * time.Second)
	tab.check(t)
	tab.pass(2 * time.Second)
	tab.check(t, ended{"10.0.0.1:1000", 3, 0, "S0", "idle"})
	tab.send(a, b, udp, 0)
	tab.pass(100 * 365 * 24 * time.Hour) // set forth
	tab.check(t, ended{"10.0.0.1:1000", 1, 0, "S0", "idle"})
	tab.send(a, b, udp, 0)
	tab.pass(30 * time.Second)
	tab.check(t)
}

func TestTableStates(t *testing.T) {
	type packet struct {
		src, dst string
		flags    uint8
	}
	open := []packet{{a, b, syn}, {b, a, syn | ack}, {a, b, ack}}
	for _, tt := range []struct {
		name    string
		packets []packet
		client  string
		state   string
		reason  string
	}{
		{"attempt", []packet{{a, b, syn}, {a, b, syn}}, a, "S0", "end"},
		{"established", open, a, "S1", "end"},
		{"server seen first", []packet{{b, a, syn | ack}, {a, b, ack}}, a, "S1", "end"},
		{"answer before the question", []packet{{b, a, ack}, {a, b, syn}}, a, "OTH", "end"},
		{"closed", append(open[:3:3], packet{a, b, fin | ack}, packet{b, a, fin | ack}), a, "SF", "fin"},
		{"closed by the client", append(open[:3:3], packet{a, b, fin | ack}), a, "S2", "end"},
		{"closed by the server", append(open[:3:3], packet{b, a, fin | ack}), a, "S3", "end"},
		{"refused", []packet{{a, b, syn}, {b, a, rst | ack}}, a, "REJ", "rst"},
		{"reset by the client", append(open[:3:3], packet{a, b, rst}), a, "RSTO", "rst"},
		{"reset by the server", append(open[:3:3], packet{b, a, rst}), a, "RSTR", "rst"},
		{"reset after SYN", []packet{{a, b, syn}, {a, b, rst}}, a, "RSTOS0", "rst"},
		{"reset after SYN-ACK", []packet{{b, a, syn | ack}, {b, a, rst}}, a, "RSTRH", "rst"},
		{"FIN after SYN", []packet{{a, b, syn}, {a, b, fin}}, a, "SH", "end"},
		{"FIN after SYN-ACK", []packet{{b, a, syn | ack}, {b, a, fin}}, a, "SHR", "end"},
		{"in the middle", []packet{{b, a, ack}, {a, b, ack}}, a, "OTH", "end"},
		{"in the middle, ports say nothing", []packet{{other, a, ack}, {a, other, ack}}, other, "OTH", "end"},
		{"reset behind its own FIN", append(open[:3:3], packet{a, b, fin | ack}, packet{a, b, rst}), a, "RSTO", "rst"},
		{"closed, and reset by the client", append(open[:3:3], packet{a, b, fin | ack}, packet{b, a, fin | ack}, packet{a, b, rst}), a, "SF", "fin"},
		{"closed, and reset by the server", append(open[:3:3], packet{b, a, fin | ack}, packet{a, b, fin | ack}, packet{b, a, rst}), a, "SF", "fin"},
		{"FIN, RST, FIN of the other", append(open[:3:3], packet{a, b, fin | ack}, packet{a, b, rst}, packet{b, a, fin | ack}), a, "SF", "rst"},
		{"closed in the middle", []packet{{a, b, ack}, {b, a, ack}, {a, b, fin | ack}, {b, a, fin | ack}}, a, "SF", "fin"},
		{"half closed in the middle", []packet{{a, b, ack}, {b, a, ack}, {a, b, fin | ack}}, a, "SH", "end"},
		{"reset in the middle", []packet{{a, b, ack}, {b, a, ack}, {b, a, rst}}, a, "RSTRH", "rst"},
		{"only the client was seen", []packet{{a, b, syn}, {a, b, ack}, {a, b, ack}}, a, "S0", "end"},
		{"both open", []packet{{a, b, syn}, {b, a, syn}}, a, "S1", "end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(flow.Options{})
			for _, p := range tt.packets {
				tab.send(p.src, p.dst, tcp, p.flags)
			}
			tab.Flush()
			if len(tab.ended) != 1 {
				t.Fatalf("ended %v", tab.ended)
			}
			if got := tab.ended[0]; got.client != tt.client || got.state != tt.state || got.reason != tt.reason {
				t.Errorf("got %v, want client %s, %s, %s", got, tt.client, tt.state, tt.reason)
			}
		})
	}
}

func TestTableClose(t *testing.T) {
	tab := newTable(flow.Options{})
	tab.send(a, b, tcp, syn)
	tab.send(b, a, tcp, rst|ack)
	tab.send(a, b, tcp, syn) // the same ports again
	tab.check(t, ended{a, 1, 1, "REJ", "rst"})
	tab.send(b, a, tcp, syn|ack)
	tab.send(a, b, tcp, fin|ack)
	tab.send(b, a, tcp, fin|ack)
	tab.pass(4 * time.Second)
	tab.send(a, b, tcp, ack) // the last ACK belongs to it
	tab.pass(4 * time.Second)
	tab.check(t)
	tab.pass(2 * time.Second)
	tab.check(t, ended{a, 3, 2, "SF", "fin"})
	if tab.Stats().Active != 0 {
		t.Errorf("stats %+v", tab.Stats())
	}
}

// TestTableFull opens more flows than fit: attempts give way to connections
// that were answered, and every flow is reported once.
func TestTableFull(t *testing.T) {
	const capacity, flood = 1000, 50_000
	tab := newTable(flow.Options{Capacity: capacity})
	answered := func(i int) (string, string) { return fmt.Sprintf("10.1.0.%d:1000", i), "10.2.0.1:443" }
	for i := range 100 {
		c, s := answered(i)
		tab.send(c, s, tcp, syn)
		tab.send(s, c, tcp, syn|ack)
	}
	for i := range flood {
		tab.now += time.Millisecond
		tab.send(fmt.Sprintf("10.3.%d.%d:1", i>>8&0xff, i&0xff), fmt.Sprintf("10.2.0.1:%d", 1+i>>16), tcp, syn)
		if i%100 == 0 {
			c, s := answered(i / 100 % 100)
			tab.send(c, s, tcp, ack)
		}
	}
	stats := tab.Stats()
	if stats.Active != capacity || stats.Created != flood+100 || stats.Ended[flow.Evicted] != flood+100-capacity {
		t.Errorf("stats %+v", stats)
	}
	tab.Flush()
	total, kept := uint64(0), 0
	for _, e := range tab.ended {
		total += e.packets + e.answers
		if e.reason == "end" && e.answers > 0 {
			kept++
		}
	}
	if want := uint64(200 + flood + flood/100); total != want || kept != 100 {
		t.Errorf("%d packets reported, want %d; %d of 100 connections kept", total, want, kept)
	}
}

// TestTableModel compares a small table, where every probe collides, with a
// map, over random traffic.
func TestTableModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var sent, reported uint64
	tab := flow.New(flow.Options{Capacity: 64}, func(r *flow.Record, _ flow.Reason) {
		reported += r.Sides[0].Packets + r.Sides[1].Packets
	})
	var clock flow.Clock
	addr := func() *[16]byte { return &[16]byte{15: byte(rng.IntN(12))} }
	for i := range 200_000 {
		var p flow.Packet
		p.From = p.Key.Set(addr(), addr(), 1, 2, []uint8{tcp, udp}[rng.IntN(2)])
		p.Hash = tab.Hasher.Hash(&p.Key)
		p.Flags = uint8(rng.IntN(32))
		p.Time = int64(i) * int64(rng.IntN(3)) * 1e8
		p.Tick = clock.At(p.Time)
		r, _ := tab.Update(&p)
		if sent++; r.Key != p.Key {
			t.Fatalf("packet %d counted into another flow", i)
		}
	}
	tab.Flush()
	if reported != sent || tab.Stats().Active != 0 {
		t.Errorf("%d packets reported of %d, %+v", reported, sent, tab.Stats())
	}
}

func TestUpdateAllocatesNothing(t *testing.T) {
	tab := newTable(flow.Options{})
	p := tab.packet(a, b, udp, 0)
	if n := testing.AllocsPerRun(100, func() {
		p.Time += 1e6
		tab.Touch([]flow.Packet{*p})
		tab.Update(p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFragments(t *testing.T) {
	f := flow.NewFragments()
	src, dst := &[16]byte{1}, &[16]byte{2}
	f.Put(src, dst, udp, 7, 1000, 53, 0)
	if s, d, ok := f.Get(src, dst, udp, 7, 1e9); !ok || s != 1000 || d != 53 {
		t.Errorf("got %d, %d, %v", s, d, ok)
	}
	for name, ok := range map[string]bool{
		"another id":     second(f.Get(src, dst, udp, 8, 1e9)),
		"other way":      second(f.Get(dst, src, udp, 7, 1e9)),
		"other protocol": second(f.Get(src, dst, tcp, 7, 1e9)),
		"too late":       second(f.Get(src, dst, udp, 7, 31e9)),
	} {
		if ok {
			t.Errorf("%s: got ports", name)
		}
	}
}

func second(_, _ uint16, ok bool) bool { return ok }

func BenchmarkHash(b *testing.B) {
	h := flow.NewHasher()
	k := flow.Key{1, 2, 3, 4, 5}
	for b.Loop() {
		k[0] = h.Hash(&k)
	}
}
