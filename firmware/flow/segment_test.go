package flow_test

import (
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/flow"
)

// A segment of a connection under test: of the client, or of the server if
// back is set.
type segment struct {
	back     bool
	flags    uint8
	seq, ack uint32
	size     uint32
	window   uint16
}

const open = 0xffff

// handshake is how connections begin: client from 100 on, server from 200 on.
var handshake = []segment{
	{false, syn, 100, 0, 0, open},
	{true, syn | ack, 200, 101, 0, open},
	{false, ack, 101, 201, 0, open},
}

func TestSegments(t *testing.T) {
	c := func(flags uint8, seq, ack, size uint32) segment { return segment{false, flags, seq, ack, size, open} }
	s := func(flags uint8, seq, ack, size uint32) segment { return segment{true, flags, seq, ack, size, open} }
	for _, tt := range []struct {
		name       string
		bare       bool // without the handshake
		segments   []segment
		history    string
		missed     [2]uint32 // of client and server
		again      [2]uint16
		repeated   [2]uint32 // bytes
		outOfOrder [2]uint16
		rtt        time.Duration
	}{
		{name: "whole", history: "ShADdaFf", rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), s(ack, 201, 151, 1000), s(ack, 1201, 151, 0), c(fin|ack, 151, 1201, 0), s(fin|ack, 1201, 152, 0), c(ack, 152, 1202, 0),
		}},
		{name: "segment again", history: "ShADTa", again: [2]uint16{1, 0}, repeated: [2]uint32{50, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), c(ack, 101, 201, 50), s(ack, 201, 151, 0),
		}},
		{name: "segment half again", history: "ShADa", again: [2]uint16{1, 0}, repeated: [2]uint32{20, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), c(ack, 131, 201, 50), s(ack, 201, 181, 0),
		}},
		{name: "reset with payload", history: "ShADaR", repeated: [2]uint32{9, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), s(ack, 201, 151, 0), c(rst|ack, 151, 201, 9),
		}},
		{name: "out of order", history: "ShADTa", outOfOrder: [2]uint16{1, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 151, 201, 50), c(ack, 101, 201, 50), s(ack, 201, 201, 0),
		}},
		{name: "gap in the middle", history: "ShADaG", missed: [2]uint32{50, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 151, 201, 50), s(ack, 201, 201, 0),
		}},
		{name: "gap at the end", history: "ShADaG", missed: [2]uint32{100, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), s(ack, 201, 251, 0),
		}},
		{name: "lost before the tap", history: "ShADaT", outOfOrder: [2]uint16{1, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 151, 201, 50), s(ack, 201, 101, 0), c(ack, 101, 201, 50), s(ack, 201, 201, 0),
		}},
		{name: "keep-alive", history: "ShADaT", repeated: [2]uint32{1, 0}, rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), s(ack, 201, 151, 0), c(ack, 150, 201, 0), c(ack, 150, 201, 1), s(ack, 201, 151, 0),
		}},
		{name: "sequence numbers wrap", bare: true, history: "Da", segments: []segment{
			c(ack, 1<<32-10, 1, 20), s(ack, 1, 10, 0), c(ack, 10, 1, 20), s(ack, 1, 30, 0),
		}},
		{name: "forged acknowledgment", history: "ShADa", rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), s(ack, 201, 151+1<<31, 0),
		}},
		{name: "SYN again", bare: true, history: "ShA", again: [2]uint16{1, 0}, segments: []segment{
			c(syn, 100, 0, 0), c(syn, 100, 0, 0), s(syn|ack, 200, 101, 0), c(ack, 101, 201, 0),
		}},
		{name: "began with the answer", bare: true, history: "^hR", segments: []segment{
			s(syn|ack, 200, 101, 0), c(rst, 101, 0, 0),
		}},
		{name: "zero window", history: "ShADwa", rtt: 2 * time.Millisecond, segments: []segment{
			c(ack, 101, 201, 50), {true, ack, 201, 151, 0, 0},
		}},
		{name: "nobody is there to fill the window", history: "ShAFa", rtt: 2 * time.Millisecond, segments: []segment{
			c(fin|ack, 101, 201, 50), {true, ack, 201, 152, 0, 0},
		}},
		{name: "bad flags", bare: true, history: "Qa", segments: []segment{c(syn|fin, 100, 0, 0), s(ack, 200, 101, 0)}},
		{name: "FIN with RST", history: "ShAI", rtt: 2 * time.Millisecond, segments: []segment{c(fin|rst|ack, 101, 201, 0)}},
		{name: "payload with FIN", history: "ShAFf", rtt: 2 * time.Millisecond, segments: []segment{
			c(fin|ack, 101, 201, 50), s(fin|ack, 201, 152, 10),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(flow.Options{})
			all := tt.segments
			if !tt.bare {
				all = append(handshake[:len(handshake):len(handshake)], all...)
			}
			var r *flow.Record
			for _, s := range all {
				src, dst := a, b
				if s.back {
					src, dst = b, a
				}
				p := tab.packet(src, dst, tcp, s.flags)
				p.Seq, p.Ack, p.Payload, p.Window = s.seq, s.ack, s.size, s.window
				r, _ = tab.Update(p)
				tab.now += time.Millisecond
			}
			c, s := r.Client, 1-r.Client
			if got := string(r.AppendHistory(nil)); got != tt.history {
				t.Errorf("history %s, want %s", got, tt.history)
			}
			if got := [2]uint32{r.Missed(c), r.Missed(s)}; got != tt.missed {
				t.Errorf("missed %v, want %v", got, tt.missed)
			}
			if got := [2]uint32{r.Repeated(c), r.Repeated(s)}; got != tt.repeated {
				t.Errorf("repeated %v bytes, want %v", got, tt.repeated)
			}
			if got := [2]uint16{r.Sides[c].Retransmits, r.Sides[s].Retransmits}; got != tt.again {
				t.Errorf("retransmits %v, want %v", got, tt.again)
			}
			if got := [2]uint16{r.Sides[c].OutOfOrder, r.Sides[s].OutOfOrder}; got != tt.outOfOrder {
				t.Errorf("out of order %v, want %v", got, tt.outOfOrder)
			}
			if r.RTT() != tt.rtt {
				t.Errorf("handshake took %v, want %v", r.RTT(), tt.rtt)
			}
		})
	}
}

// TestRecordSize keeps what a flow costs in sight: with its share of the slots
// it must stay within 256 bytes.
func TestRecordSize(t *testing.T) {
	const slots = 16 // bytes: a full table has two slots of eight for each record
	if size := flow.RecordSize + slots; size > 256 {
		t.Errorf("a flow takes %d bytes", size)
	}
}
