package meter

import (
	"net/netip"
	"time"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	// weirdEvery is how often the same violation between the same addresses
	// is recorded.
	weirdEvery = time.Minute

	// maxWeird bounds the violations that are remembered. When it is reached
	// all are written and forgotten, so a flood of different ones is recorded
	// one by one; it needs a frame for each.
	maxWeird = 4096
)

// A violation is what one record counts.
type violation struct {
	name, detail string
	src, dst     netip.Addr
}

// violations are those of the last minute.
type violations struct {
	out   *output
	index map[violation]int // in list
	list  []*record.Weird   // with the count since the last record
	last  []int64           // Unix ns of that record
}

func newViolations(out *output) violations {
	return violations{out: out, index: make(map[violation]int)}
}

// add takes one violation, of the end from of flow r.
func (v *violations) add(now int64, r *flow.Record, from uint8, name, detail string) {
	key := violation{name, detail, r.Key.Addr(from), r.Key.Addr(1 - from)}
	i, ok := v.index[key]
	if !ok {
		if len(v.list) == maxWeird {
			v.flush()
		}
		i = len(v.list)
		v.index[key] = i
		v.list = append(v.list, &record.Weird{SrcAddr: key.src, DstAddr: key.dst, Proto: r.Key.Proto(), Name: name, Detail: detail})
		v.last = append(v.last, now-int64(weirdEvery))
	}
	rec := v.list[i]
	if rec.Count == 0 {
		rec.Time, rec.Flow = record.Nanos(now), r.ID
		rec.SrcPort, rec.DstPort = r.Key.Port(from), r.Key.Port(1-from)
	}
	rec.Count++
	if now-v.last[i] >= int64(weirdEvery) {
		v.write(i, now)
	}
}

func (v *violations) write(i int, now int64) {
	add(v.out, record.WeirdDef, v.list[i])
	v.list[i].Count, v.last[i] = 0, now
}

// flush writes the counts that no record has yet, and forgets all.
func (v *violations) flush() {
	for i, rec := range v.list {
		if rec.Count > 0 {
			v.write(i, int64(rec.Time))
		}
	}
	clear(v.index)
	v.list, v.last = v.list[:0], v.last[:0]
}

// TCP flags that no sane endpoint sends together (RFC 9293, section 3.10).
var weirdFlags = func() (names [64]string) {
	for flags := range names {
		f := uint8(flags)
		switch {
		case f == 0:
			names[f] = "null_flags"
		case f&(decode.SYN|decode.FIN) == decode.SYN|decode.FIN:
			names[f] = "syn_fin"
		case f&(decode.SYN|decode.RST) == decode.SYN|decode.RST:
			names[f] = "syn_rst"
		case f == decode.FIN|decode.PSH|0x20:
			names[f] = "xmas_flags"
		case f&(decode.FIN|decode.ACK) == decode.FIN:
			names[f] = "fin_without_ack"
		}
	}
	return names
}()

// isWeird reports whether the headers of a packet violate a protocol. What
// the capture cut off is no violation.
func isWeird(m *decode.Meta) bool {
	return m.Odd != decode.OK || m.Proto == protoTCP && m.Place != decode.Later && weirdFlags[m.Flags&0x3f] != ""
}

// weird records what is wrong with the headers of a packet.
func (a *apps) weird(r *flow.Record, p *flow.Packet, m *decode.Meta) {
	switch m.Odd {
	case decode.OK:
		a.violations.add(p.Time, r, p.From, weirdFlags[m.Flags&0x3f], "")
	case decode.IPLength, decode.TCPHeader, decode.UDPLength, decode.TunnelHeader, decode.TunnelPayload, decode.TunnelDepth:
		a.violations.add(p.Time, r, p.From, m.Odd.String(), "")
	}
}

// weirdEnds records what is wrong with the addresses of a new flow.
func (a *apps) weirdEnds(r *flow.Record, p *flow.Packet) {
	src, dst := r.Key.Addr(p.From), r.Key.Addr(1-p.From)
	switch {
	case src == dst && !src.IsLoopback():
		a.violations.add(p.Time, r, p.From, "same_ends", "")
	case src.IsMulticast() || src == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		a.violations.add(p.Time, r, p.From, "group_source", "")
	}
}
