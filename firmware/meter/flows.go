package meter

import (
	"time"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// flowEnded writes the record of a flow, from the side of its client.
func (m *meter) flowEnded(r *flow.Record, why flow.Reason) {
	if why != flow.Active {
		m.apps.giveUp(r)
	}
	client, server := r.Client, 1-r.Client
	src, dst := &r.Sides[client], &r.Sides[server]
	m.history = r.AppendHistory(m.history[:0])
	rec := record.Flow{
		Start:      record.Nanos(r.First),
		Duration:   time.Duration(r.Last - r.First),
		ID:         r.ID,
		SrcAddr:    r.Key.Addr(client),
		SrcPort:    r.Port(client),
		DstAddr:    r.Key.Addr(server),
		DstPort:    r.Port(server),
		Proto:      r.Key.Proto(),
		App:        m.apps.name(r.App),
		VLAN:       r.VLAN,
		InnerVLAN:  r.InnerVLAN,
		Tunnel:     r.Tunnel,
		TunnelType: decode.Tunnel(r.TunnelBy).String(),
		VNI:        r.VNI(),
		SrcMAC:     r.SrcMAC,
		DstMAC:     r.DstMAC,
		SrcPackets: src.Packets,
		DstPackets: dst.Packets,
		SrcBytes:   src.Bytes,
		DstBytes:   dst.Bytes,
		SrcPayload: src.Payload,
		DstPayload: dst.Payload,
		SrcFlags:   src.Flags,
		DstFlags:   dst.Flags,
		SrcTTL:     src.TTL,
		DstTTL:     dst.TTL,
		SrcDSCP:    r.TOS[client] >> 2,
		DstDSCP:    r.TOS[server] >> 2,
		SrcECN:     r.TOS[client] & 3,
		DstECN:     r.TOS[server] & 3,
		State:      r.State(),
		History:    m.words.of(m.history),
		RTT:        r.RTT(),
		End:        why.String(),
	}
	if r.Key.Proto() == protoTCP {
		rec.SrcMissed, rec.DstMissed = r.Missed(client), r.Missed(server)
		rec.SrcRepeated, rec.DstRepeated = r.Repeated(client), r.Repeated(server)
		rec.SrcRetransmits, rec.DstRetransmits = src.Retransmits, dst.Retransmits
		rec.SrcOutOfOrder, rec.DstOutOfOrder = src.OutOfOrder, dst.OutOfOrder
	}
	if m.cfg.CommunityID {
		rec.Community = record.CommunityID(rec.SrcAddr, rec.DstAddr, rec.SrcPort, rec.DstPort, rec.Proto)
	}
	add(m.out, record.FlowDef, &rec)
}

// words keeps one copy of each text that comes again and again: flows end
// faster than memory should be made for their histories.
type words map[string]string

// maxWords bounds words.
const maxWords = 4096

func (w words) of(b []byte) string {
	s, ok := w[string(b)]
	if !ok {
		if len(w) == maxWords {
			clear(w)
		}
		s = string(b)
		w[s] = s
	}
	return s
}
