package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
)

// liveShard is the distance between the flow numbers of shards whose sources
// give them different frames.
const liveShard = 1 << 44

// RunShards runs a meter for each of sources, all of which write to cfg.Out.
// Rings of one fanout group give each meter frames of its own. Sources that
// all read the same capture are told apart by cfg.Split: then each meter reads
// all and keeps what is between the pairs of addresses that fall to it, so
// that flows, their numbers, their times and what is parsed in them do not
// depend on how many meters there are.
//
// What is told once per sensor, such as a certificate or a device, is told
// once per shard.
func RunShards(ctx context.Context, cfg Config, sources []capture.Source) error {
	out := &lockedWriter{w: cfg.Out}
	var g errgroup.Group
	errs := make([]error, len(sources))
	for i, src := range sources {
		c := cfg
		c.Source, c.Out = src, out
		if len(sources) > 1 {
			c.shard = shard{number: i, of: len(sources), split: cfg.Split}
		}
		if !cfg.Split {
			c.FirstFlow += uint64(i) * liveShard
		}
		g.Go(func() error {
			errs[i] = Run(ctx, c)
			return nil
		})
	}
	err := g.Wait()
	return errors.Join(append(errs, err)...)
}

// lockedWriter lets several meters write; each batch is one Write.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// A shard is a meter's part of the frames. The zero value is all of them.
type shard struct {
	number, of int
	split      bool // it must choose them itself
}

// has reports whether a frame, decoded as far as meta, falls to the shard. All
// packets between two addresses do alike, fragments and both directions
// included, and with them what they carry. Frames without addresses fall to
// the first shard.
func (s *shard) has(meta *decode.Meta) bool {
	if !s.split {
		return true
	}
	if meta.Kind != decode.IP {
		return s.number == 0
	}
	var h uint64
	for i := range meta.Src {
		h += (uint64(meta.Src[i]) + uint64(meta.Dst[i])) << (8 * (i & 7))
	}
	h *= 0x9e3779b97f4a7c15 // Fibonacci hashing: the upper bits are mixed
	return int(h>>32)%s.of == s.number
}

// stage returns the name of a stage of this shard in sensor records.
func (s *shard) stage(name string) string {
	if s.of == 0 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, s.number)
}
