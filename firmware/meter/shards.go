package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

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
// What is told of the sensor itself, kind sensor, is told by shard. All other
// records are those of one meter, as long as no table is full: each shard has
// tables of its own.
func RunShards(ctx context.Context, cfg Config, sources []capture.Source) error {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d, since := newDevices(len(sources)), cfg.Now()
	if len(sources) > 1 {
		cfg.Out = &lockedWriter{w: cfg.Out}
	}
	hearts := hearts{beat: cfg.Heartbeat, beaten: make([]bool, len(sources))}
	errs := make([]error, len(sources))
	var running sync.WaitGroup
	for i, src := range sources {
		c := cfg
		c.Source = src
		c.Heartbeat = func() { hearts.beats(i) }
		if len(sources) > 1 {
			c.shard = shard{number: i, of: len(sources), split: cfg.Split, since: since}
		}
		if !cfg.Split {
			c.FirstFlow += uint64(i) * liveShard
		}
		running.Go(func() {
			if errs[i] = run(ctx, c, d); errs[i] != nil && !cfg.Split {
				cancel() // a capture that breaks breaks for all, at its end
			}
		})
	}
	running.Wait()
	if cfg.Split { // all have read the same
		return errs[0]
	}
	return errors.Join(errs...)
}

// hearts beat as one: a shard that hangs is not hidden by the others.
type hearts struct {
	mu     sync.Mutex
	beat   func()
	beaten []bool // by shard, since the last beat of all
}

func (h *hearts) beats(shard int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beaten[shard] = true
	if h.beat == nil || slices.Contains(h.beaten, false) {
		return
	}
	h.beat()
	clear(h.beaten)
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
	split      bool      // it must choose them itself
	since      time.Time // when all shards began
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
