package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// headers is what IPv4 and UDP add to a datagram.
const headers = 20 + 8

// A sealer is where a meter writes: it cuts and seals each batch as the uplink
// does, and counts what that makes.
type sealer struct {
	link    *seal.Link
	unpack  *unpack.Unpacker
	health  bool // count the sensor's own counters too
	batches uint64
	packets uint64
	sealed  int // bytes of datagrams
	flows   int // records
}

// Write takes one frame of wire/batch.
func (s *sealer) Write(b []byte) (int, error) {
	f, err := batch.ReadFrame(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	if f.Class == batch.Health && !s.health {
		return len(b), nil
	}
	blocks, err := s.unpack.Blocks(f.Batch)
	if err != nil {
		return 0, err
	}
	for i := range blocks {
		if blocks[i].Kind == record.FlowDef.Kind {
			s.flows += blocks[i].Rows
		}
	}
	head := session.Head(session.TypeData, 1)
	for at := 0; at < len(f.Batch); at += session.MaxChunk {
		d := session.Data{
			Batch: s.batches, Size: uint32(len(f.Batch)), Offset: uint32(at),
			Chunk: f.Batch[at:min(at+session.MaxChunk, len(f.Batch))],
		}
		s.sealed += len(s.link.Seal(nil, head, s.packets, d.Append(nil)))
		s.packets++
	}
	s.batches++
	return len(b), nil
}

// A clocked source tells the time of the frame it gave last, as the clock of a
// port would.
type clocked struct {
	capture.Source
	now int64
}

func (c *clocked) NextBatch(frames []capture.Frame) (int, error) {
	n, err := c.Source.NextBatch(frames[:1]) // the clock stands still within a batch
	if n > 0 {
		c.now = frames[0].Time
	}
	return n, err
}

// sizes prints the bytes per flow that each set makes on the wire: read at once,
// and, of a set whose frames bear real times, as if it came in at its own pace,
// in batches of a second.
func sizes(ctx context.Context, w io.Writer, sets []set) error {
	fmt.Fprint(w, "| bytes per flow: sealed / with IP and UDP |")
	for _, s := range sets {
		fmt.Fprintf(w, " %s |", s.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(sets)))
	for _, row := range []struct {
		name            string
		flowsOnly, live bool
	}{
		{"flow records", true, false}, {"flow records, a batch a second", true, true},
		{"all records", false, false}, {"all records, a batch a second", false, true},
	} {
		fmt.Fprintf(w, "| %s |", row.name)
		for _, s := range sets {
			if row.live && !s.live {
				fmt.Fprint(w, " – |")
				continue
			}
			out, err := sealAll(ctx, s.path, row.flowsOnly, row.live)
			if err != nil {
				return err
			}
			n := float64(out.flows)
			fmt.Fprintf(w, " %.1f / %.1f |", float64(out.sealed)/n, (float64(out.sealed)+headers*float64(out.packets))/n)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// sealAll meters a file and returns what was sealed. Live, it goes by the time
// of the frames.
func sealAll(ctx context.Context, path string, flowsOnly, live bool) (*sealer, error) {
	file, err := capture.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	out := &sealer{link: seal.NewLink(new([32]byte), seal.Salt{}, seal.Sensor), unpack: unpack.New(), health: !flowsOnly}
	cfg := meter.Config{Source: file, Out: out, FlowsOnly: flowsOnly}
	if live {
		src := &clocked{Source: file}
		cfg.Source, cfg.Now = src, func() time.Time { return time.Unix(0, src.now) }
	}
	return out, meter.Run(ctx, cfg)
}
