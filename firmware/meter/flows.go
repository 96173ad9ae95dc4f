package meter

import (
	"time"

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
	m.flow = record.Flow{
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
		State:      r.State(),
		End:        why.String(),
	}
	m.out.add(record.FlowDef, &m.flow)
}
