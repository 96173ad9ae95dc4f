// Package meter turns frames into audit records: it joins capture, decode,
// flow and app, and packs what they say into batches.
//
// Run is one loop in one goroutine: a batch of frames is decoded, hashed and
// counted into flows; payloads go to the parsers that still want them; ended
// flows and parsed messages become records; records become batches on Out.
// Memory is bounded at start by the flow table and the parsers' streams. It is
// made to run in a jail: it reads its source, writes Out, and needs nothing
// else of the system.
package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// batchFrames is how many frames are decoded before their flows are looked
// up, so that the table's cache misses overlap.
const batchFrames = 64

// innerFlow is the distance between the numbers of flows that begin with the
// packets in one frame. The outermost has the number of the frame.
const innerFlow = 1 << 40

// maxPackets is how many packets a frame may hold: one, and those of tunnels
// in tunnels.
const maxPackets = 4

// sensorEvery is how often the counters are reported.
const sensorEvery = 10 * time.Second

// drain is how long a meter that is asked to stop goes on with frames that its
// source has already. One that has none for a whole NextBatch ends it.
const drain = time.Second / 2

// Config is what a meter is made of. Source and Out must be set.
type Config struct {
	Source capture.Source
	Out    io.Writer // gets batches as frames of wire/batch

	FlowCapacity int              // flows at once; zero is flow.Options' default
	FirstFlow    uint64           // flows are numbered from here on; differs when a meter of the same boot is started again
	Split        bool             // RunShards: the sources all read the same capture
	MaxBatchAge  time.Duration    // longest wait of a record for its batch; zero is 1 s
	CommunityID  bool             // write it into flow records; it is 30 bytes that the reader can make
	Kinds        []string         // of records to write, as record.ParseKinds has them; those of sensor are always written
	Layers       bool             // write layer too: a record for each header of each packet
	FlowsOnly    bool             // write flows, and do not look at what is in them
	Heartbeat    func()           // called at least once a second while the loops of all shards turn; may be nil
	Now          func() time.Time // for tests; nil is time.Now

	shard shard
}

// meter is the state of Run.
type meter struct {
	cfg   Config
	table *flow.Table
	frags *flow.Fragments
	apps  *apps
	out   *output

	frames  [batchFrames]capture.Frame
	packets [batchFrames * maxPackets]packetOf
	updates [batchFrames * maxPackets]flow.Packet
	load    load
	clock   flow.Clock
	tick    uint32 // of the frame
	turn    uint32 // of devices
	devices *devices
	number  uint64 // of the frame, from cfg.FirstFlow on
	history []byte // scratch
	words   words

	count    counts
	linkType uint32 // first one that is not supported
}

// counts are the meter's own counters.
type counts struct {
	bytes   uint64 // of frames, on the wire
	foreign uint64 // frames that fall to another shard
	packets uint64 // frames counted into flows
	inner   uint64 // packets in tunnels, counted into flows of their own
	arp     uint64 // frames
	link    uint64 // frames of LLDP, CDP and spanning tree
	reasons [decode.NumReasons]uint64
}

// packetOf is where a packet comes from.
type packetOf struct {
	meta  decode.Meta
	frame uint8
	depth uint8  // how many tunnels it is in; the one around it is the packet before
	flow  uint64 // ID
}

// Run meters until ctx ends or the source does, and then ends every flow and
// sends what is left. It returns nil then; the error of a source that breaks,
// such as a truncated file, comes after the records of all that was before.
func Run(ctx context.Context, cfg Config) error {
	return RunShards(ctx, cfg, []capture.Source{cfg.Source})
}

// run is one shard.
func run(ctx context.Context, cfg Config, d *devices) error {
	if cfg.MaxBatchAge == 0 {
		cfg.MaxBatchAge = time.Second
	}
	kinds, err := record.ParseKinds(cfg.Kinds)
	if err != nil {
		return err
	}
	cfg.Layers = cfg.Layers || kinds[record.LayerDef.Kind]
	kinds[record.LayerDef.Kind] = cfg.Layers
	m := &meter{cfg: cfg, number: cfg.FirstFlow, words: make(words), frags: flow.NewFragments(), out: newOutput(cfg.Out, cfg.MaxBatchAge, kinds), devices: d}
	m.apps = newApps(m.out)
	if cfg.FlowsOnly {
		m.out.notes = nil
	}
	if cfg.shard.number == 0 {
		d.table = m.newTable()
	}
	m.table = flow.New(flow.Options{Capacity: cfg.FlowCapacity}, m.flowEnded)
	err = m.loop(ctx)
	m.table.Flush()
	m.apps.flush()
	m.endTurns()
	m.sensor(cfg.Now())
	return errors.Join(err, m.out.flush())
}

func (m *meter) loop(ctx context.Context) error {
	var beat, sensor, stop time.Time
	for m.out.err == nil {
		now := m.cfg.Now()
		stopping := ctx.Err() != nil
		switch {
		case stopping && stop.IsZero():
			stop = now.Add(drain)
		case stopping && now.After(stop):
			return nil
		}
		if now.Sub(beat) >= time.Second/2 {
			m.cfg.Heartbeat()
			beat = now
		}
		if m.load.observe(m.cfg.Source, now) || now.Sub(sensor) >= sensorEvery {
			m.sensor(now)
			sensor = now
		}
		m.out.advance(now)
		n, err := m.cfg.Source.NextBatch(m.frames[:])
		m.meter(m.frames[:n])
		if n > 0 {
			m.passed(now, m.frames[n-1].Time)
		} else if err == nil { // a live source: its frames bear the time of day
			m.tick = m.clock.At(now.UnixNano())
			m.table.Advance(m.tick)
			m.passed(now, now.UnixNano())
		}
		switch {
		case err == io.EOF:
			return m.checkLinkType()
		case err != nil:
			return err
		case stopping && n == 0:
			return nil
		}
	}
	return nil
}

// passed lets time pass until at, in Unix ns of frames, for all but flows.
func (m *meter) passed(now time.Time, at int64) {
	m.apps.advance(at)
	if !m.cfg.FlowsOnly {
		m.endTurn(now, at)
	}
}

// checkLinkType returns an error if not one frame could be read for its link
// type.
func (m *meter) checkLinkType() error {
	if n := m.count.reasons[decode.LinkType]; n == 0 || n != m.cfg.Source.Stats().Frames-m.count.foreign {
		return nil
	}
	return fmt.Errorf("reading capture %q: link type %d is not supported", m.cfg.Source.Name(), m.linkType)
}

// meter takes a batch of frames.
func (m *meter) meter(frames []capture.Frame) {
	n := 0
	for i := range frames {
		n += m.decode(uint8(i), &frames[i], n)
	}
	m.table.Touch(m.updates[:n])
	for i := range n {
		of, p := &m.packets[i], &m.updates[i]
		if !m.load.passes(m.table, p) {
			of.flow = 0
			continue
		}
		r, created := m.table.Update(p)
		if of.meta.Tunnel != decode.NoTunnel { // the ID is in a cache line of its own
			of.flow = r.ID
		}
		if created {
			m.begin(r, i)
		}
		if m.cfg.FlowsOnly {
			continue
		}
		if created {
			m.apps.weirdEnds(r, p)
		}
		if m.cfg.Layers && m.load.level < levelNoLayers {
			m.layers(&frames[of.frame], of, r.ID)
		}
		if isWeird(&of.meta) {
			m.apps.weird(r, p, &of.meta)
		}
		if wanted(r, p) && of.meta.Payload < of.meta.PayloadEnd && of.meta.Tunnel == decode.NoTunnel {
			if m.load.level >= levelNoApps {
				m.load.payloads++
				continue
			}
			m.apps.payload(r, p, of.meta.Seq, frames[of.frame].Data[of.meta.Payload:of.meta.PayloadEnd])
		}
	}
	m.table.Advance(m.tick) // also by frames of other shards
}

// wanted reports whether somebody may want the payload of p. Who is not known
// by the first datagram of a side is not asked about the next.
func wanted(r *flow.Record, p *flow.Packet) bool {
	return r.Parser != parserNone && (r.Parser != parserAny || r.Key.Proto() == protoTCP || r.Sides[p.From].Payload == uint64(p.Payload))
}

// begin notes what the first packet of flow r, which is number i, says.
func (m *meter) begin(r *flow.Record, i int) {
	of, f := &m.packets[i], &m.frames[m.packets[i].frame]
	if of.depth == 0 {
		r.SrcMAC, r.DstMAC = decode.MACs(f.LinkType, f.Data)
	} else {
		around := &m.packets[i-1]
		r.SrcMAC, r.DstMAC = decode.InnerMACs(f.Data, &around.meta)
		r.Tunnel, r.TunnelBy = around.flow, uint8(around.meta.Tunnel)
	}
	if r.Client != m.updates[i].From {
		r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
	}
	if !m.cfg.FlowsOnly {
		r.Parser = m.apps.parserFor(r)
	}
}

// decode puts the packets of frame number i, f, at position n of the batch
// and returns how many they are.
func (m *meter) decode(i uint8, f *capture.Frame, n int) int {
	of := &m.packets[n]
	m.number++
	m.tick = m.clock.At(f.Time)
	of.frame, of.depth = i, 0
	reason := decode.Decode(f.LinkType, f.Data, int(f.WireLen), &of.meta)
	if f.VLANType != 0 { // it was the outermost
		of.meta.InnerVLAN, of.meta.VLAN = of.meta.VLAN, f.VLAN&0xfff
	}
	if !m.cfg.shard.has(&of.meta) {
		m.count.foreign++
		return 0
	}
	m.count.bytes += uint64(f.WireLen)
	switch {
	case reason == decode.OK && of.meta.Kind == decode.ARP:
		m.count.arp++
		m.control(f, &of.meta)
		return 0
	case reason != decode.OK && m.control(f, &of.meta):
		m.count.link++
		return 0
	case reason != decode.OK:
		if m.count.reasons[reason]++; reason == decode.LinkType && m.linkType == 0 {
			m.linkType = f.LinkType
		}
		return 0
	}
	m.count.packets++
	m.prepare(f, of, &m.updates[n])
	if of.meta.Tunnel == decode.NoTunnel {
		return 1
	}
	return 1 + m.inside(f, n)
}

// inside puts the packets that packet n carries behind it and returns how many
// they are.
func (m *meter) inside(f *capture.Frame, n int) int {
	for depth := 1; m.packets[n].meta.Tunnel != decode.NoTunnel; depth++ {
		outer := &m.packets[n].meta
		if depth == maxPackets {
			m.count.reasons[decode.TunnelDepth]++
			return depth - 1
		}
		of := &m.packets[n+1]
		of.frame, of.depth = m.packets[n].frame, uint8(depth)
		if reason := decode.Inner(f.Data, int(f.WireLen), outer, &of.meta); reason != decode.OK || of.meta.Kind != decode.IP {
			if of.meta.Kind != decode.ARP && of.meta.Kind != decode.Control {
				m.count.reasons[decode.TunnelPayload]++
				outer.Tunnel = decode.NoTunnel // its payload may be of something else
			}
			m.control(f, &of.meta)
			return depth - 1
		}
		m.count.inner++
		n++
		m.prepare(f, of, &m.updates[n])
	}
	return int(m.packets[n].depth)
}

// control takes a frame that is of no flow and reports whether it was of a
// protocol that is known.
func (m *meter) control(f *capture.Frame, meta *decode.Meta) bool {
	switch {
	case m.cfg.FlowsOnly:
		return meta.Kind == decode.ARP
	case meta.Kind == decode.ARP:
		m.apps.arp(f.Time, meta.VLAN, f.Data[meta.Payload:meta.PayloadEnd])
		return true
	case meta.Kind == decode.Control:
		return m.apps.link(f, meta, meta.VLAN)
	}
	return false
}

// prepare makes p of a packet.
func (m *meter) prepare(f *capture.Frame, of *packetOf, p *flow.Packet) {
	meta := &of.meta
	if meta.Odd != decode.OK {
		m.count.reasons[meta.Odd]++
	}
	if meta.Place != decode.Whole {
		m.joinFragment(f.Time, meta)
	}
	p.From = p.Key.Set(&meta.Src, &meta.Dst, meta.SrcPort, meta.DstPort, meta.Proto)
	if meta.VNI != 0 {
		p.Key.SetVNI(meta.VNI)
	}
	p.Hash = m.table.Hasher.Hash(&p.Key)
	p.Time = f.Time
	p.ID = m.number + uint64(of.depth)*innerFlow
	p.Tick = m.tick
	p.WireLen = f.WireLen
	p.Payload = meta.PayloadLen
	p.Seq, p.Ack, p.Window = meta.Seq, meta.Ack, meta.Window
	p.VLAN, p.InnerVLAN = meta.VLAN, meta.InnerVLAN
	p.Flags, p.TTL, p.TOS = meta.Flags, meta.TTL, meta.TOS
	p.ICMP, p.Code = uint8(meta.SrcPort), uint8(meta.DstPort)
}

// joinFragment gives a later fragment the ports of the first. Its payload is
// no longer a message of its own.
func (m *meter) joinFragment(now int64, meta *decode.Meta) {
	if meta.Place == decode.First {
		m.frags.Put(&meta.Src, &meta.Dst, meta.Proto, meta.FragID, meta.SrcPort, meta.DstPort, now)
		return
	}
	meta.SrcPort, meta.DstPort, _ = m.frags.Get(&meta.Src, &meta.Dst, meta.Proto, meta.FragID, now)
	meta.PayloadEnd = meta.Payload
}
