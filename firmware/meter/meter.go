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

// sensorEvery is how often the counters are reported.
const sensorEvery = 10 * time.Second

// Config is what a meter is made of. Source and Out must be set.
type Config struct {
	Source capture.Source
	Out    io.Writer // gets batches as frames of wire/batch

	FlowCapacity int              // flows at once; zero is flow.Options' default
	MaxBatchAge  time.Duration    // longest wait of a record for its batch; zero is 1 s
	Heartbeat    func()           // called at least once a second while the loop turns; may be nil
	Now          func() time.Time // for tests; nil is time.Now
}

// meter is the state of Run.
type meter struct {
	cfg   Config
	table *flow.Table
	frags *flow.Fragments
	apps  *apps
	out   *output

	frames  [batchFrames]capture.Frame
	metas   [batchFrames]decode.Meta
	packets [batchFrames]flow.Packet
	from    [batchFrames]uint8 // which frame a packet is of
	flow    record.Flow        // scratch

	count    counts
	linkType uint32 // first one that is not supported
}

// counts are the meter's own counters.
type counts struct {
	bytes   uint64 // of frames, on the wire
	packets uint64 // counted into flows
	arp     uint64 // frames
	reasons [decode.NumReasons]uint64
}

// Run meters until ctx ends or the source does, and then ends every flow and
// sends what is left. It returns nil then; the error of a source that breaks,
// such as a truncated file, comes after the records of all that was before.
func Run(ctx context.Context, cfg Config) error {
	if cfg.MaxBatchAge == 0 {
		cfg.MaxBatchAge = time.Second
	}
	if cfg.Heartbeat == nil {
		cfg.Heartbeat = func() {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &meter{cfg: cfg, frags: flow.NewFragments(), out: newOutput(cfg.Out, cfg.MaxBatchAge)}
	m.apps = newApps(m.out)
	m.table = flow.New(flow.Options{Capacity: cfg.FlowCapacity}, m.flowEnded)
	err := m.loop(ctx)
	m.table.Flush()
	m.apps.flush()
	m.sensor(cfg.Now())
	return errors.Join(err, m.out.flush())
}

func (m *meter) loop(ctx context.Context) error {
	var beat, sensor time.Time
	for ctx.Err() == nil && m.out.err == nil {
		now := m.cfg.Now()
		if now.Sub(beat) >= time.Second/2 {
			m.cfg.Heartbeat()
			beat = now
		}
		if now.Sub(sensor) >= sensorEvery {
			m.sensor(now)
			sensor = now
		}
		m.out.advance(now)
		n, err := m.cfg.Source.NextBatch(m.frames[:])
		m.meter(m.frames[:n])
		if n > 0 {
			m.apps.advance(m.frames[n-1].Time)
		} else if err == nil { // a live source: its frames bear the time of day
			m.table.Advance(now.UnixNano())
			m.apps.advance(now.UnixNano())
		}
		if err == io.EOF {
			return m.checkLinkType()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLinkType returns an error if not one frame could be read for its link
// type.
func (m *meter) checkLinkType() error {
	if n := m.count.reasons[decode.LinkType]; n == 0 || n != m.cfg.Source.Stats().Frames {
		return nil
	}
	return fmt.Errorf("reading capture %q: link type %d is not supported", m.cfg.Source.Name(), m.linkType)
}

// meter takes a batch of frames.
func (m *meter) meter(frames []capture.Frame) {
	n := 0
	for i := range frames {
		if m.decode(&frames[i], &m.metas[n], &m.packets[n]) {
			m.from[n] = uint8(i)
			n++
		}
	}
	m.table.Touch(m.packets[:n])
	for i := range n {
		f, meta, p := &frames[m.from[i]], &m.metas[i], &m.packets[i]
		r, created := m.table.Update(p)
		if created {
			r.SrcMAC, r.DstMAC = decode.MACs(f.LinkType, f.Data)
			if r.Client != p.From {
				r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
			}
			r.Parser = m.apps.parserFor(r)
		}
		if r.Parser != parserNone && meta.Payload < meta.PayloadEnd {
			m.apps.payload(r, p, meta.Seq, f.Data[meta.Payload:meta.PayloadEnd])
		}
	}
	m.count.packets += uint64(n)
}

// decode fills meta and p from a frame and reports whether it is a packet of
// a flow.
func (m *meter) decode(f *capture.Frame, meta *decode.Meta, p *flow.Packet) bool {
	m.count.bytes += uint64(f.WireLen)
	reason := decode.Decode(f.LinkType, f.Data, int(f.WireLen), meta)
	if reason != decode.OK {
		if m.count.reasons[reason]++; reason == decode.LinkType && m.linkType == 0 {
			m.linkType = f.LinkType
		}
		return false
	}
	if f.VLANType != 0 {
		meta.VLAN = f.VLAN & 0xfff
	}
	if meta.Kind == decode.ARP {
		m.count.arp++
		m.apps.arp(f.Time, meta.VLAN, f.Data[meta.Payload:meta.PayloadEnd])
		return false
	}
	if meta.Odd != decode.OK {
		m.count.reasons[meta.Odd]++
	}
	if meta.Place != decode.Whole {
		m.joinFragment(f.Time, meta)
	}
	p.Key, p.From = flow.NewKey(&meta.Src, &meta.Dst, meta.SrcPort, meta.DstPort, meta.Proto)
	p.Hash = m.table.Hasher.Hash(&p.Key)
	p.Time = f.Time
	p.Flags = meta.Flags
	p.TTL = meta.TTL
	p.ICMP, p.Code = uint8(meta.SrcPort), uint8(meta.DstPort)
	p.VLAN = meta.VLAN
	p.WireLen = f.WireLen
	p.Payload = meta.PayloadLen
	return true
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
