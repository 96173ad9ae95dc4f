package capture

import (
	"errors"
	"io"
	"strings"
	"time"
)

// mergeNap is how long a Merged source sleeps when no port has a frame that
// may go: at the highest rates a block of a ring lasts about as long.
const mergeNap = 2 * time.Millisecond

// Merged is a Source that joins several, frame by frame in the order of their
// times: the two directions of a link that a passive tap gives to two ports,
// or the files of one capture.
type Merged struct {
	inputs []input
	hold   time.Duration
	wait   time.Duration
	now    func() time.Time
	frames uint64
}

type input struct {
	Source
	batch []Frame // as NextBatch fills it
	next  int     // first frame of batch that has not been given
	size  int     // frames in batch
	ended bool
}

// Merge joins sources. A frame waits for at most hold for older ones from a
// source that has none: the longest time that a block of a ring is held back.
// The sources' own waits should be short.
func Merge(hold, wait time.Duration, sources ...Source) *Merged {
	m := &Merged{hold: hold, wait: wait, now: time.Now}
	for _, s := range sources {
		m.inputs = append(m.inputs, input{Source: s, batch: make([]Frame, 64)})
	}
	return m
}

// NextBatch implements Source.
func (m *Merged) NextBatch(frames []Frame) (int, error) {
	for deadline := m.now().Add(m.wait); ; {
		open, err := m.refill()
		if err != nil {
			return 0, err
		}
		if n := m.take(frames); n > 0 {
			m.frames += uint64(n)
			return n, nil
		}
		if !open {
			return 0, io.EOF
		}
		if !m.now().Before(deadline) {
			return 0, nil
		}
		time.Sleep(mergeNap)
	}
}

// refill asks each input without frames for some, and reports whether any
// has not ended. The frames given before are no longer valid then.
func (m *Merged) refill() (open bool, err error) {
	for i := range m.inputs {
		in := &m.inputs[i]
		if in.next == in.size && !in.ended {
			in.next = 0
			in.size, err = in.NextBatch(in.batch)
			if errors.Is(err, io.EOF) {
				in.ended = true
			} else if err != nil {
				return false, err
			}
		}
		open = open || !in.ended || in.next < in.size
	}
	return open, nil
}

// take gives the oldest frames first. It stops when an input has none left
// that had some: its next one may be older than all others.
func (m *Merged) take(frames []Frame) int {
	idle := false
	for i := range m.inputs {
		in := &m.inputs[i]
		idle = idle || !in.ended && in.next == in.size
	}
	before := int64(1<<63 - 1)
	if idle {
		before = m.now().Add(-m.hold).UnixNano()
	}
	n := 0
	for n < len(frames) {
		var oldest *input
		for i := range m.inputs {
			in := &m.inputs[i]
			if in.next < in.size && (oldest == nil || in.batch[in.next].Time < oldest.batch[oldest.next].Time) {
				oldest = in
			}
		}
		if oldest == nil || oldest.batch[oldest.next].Time > before {
			break
		}
		frames[n] = oldest.batch[oldest.next]
		n++
		oldest.next++
		if oldest.next == oldest.size {
			break
		}
	}
	return n
}

// Stats implements Source. It adds up what the inputs have counted.
func (m *Merged) Stats() Stats {
	sum := Stats{Frames: m.frames}
	for i := range m.inputs {
		s := m.inputs[i].Stats()
		sum.Dropped += s.Dropped
		sum.Freezes += s.Freezes
		sum.LinkDown += s.LinkDown
		sum.Corrupt += s.Corrupt
	}
	return sum
}

// Backlog returns that of the input that is worst off.
func (m *Merged) Backlog() float64 {
	worst := 0.0
	for i := range m.inputs {
		if live, ok := m.inputs[i].Source.(interface{ Backlog() float64 }); ok {
			worst = max(worst, live.Backlog())
		}
	}
	return worst
}

// Name implements Source.
func (m *Merged) Name() string {
	var names []string
	for i := range m.inputs {
		names = append(names, m.inputs[i].Name())
	}
	return strings.Join(names, "+")
}

// Close implements Source.
func (m *Merged) Close() error {
	var errs []error
	for i := range m.inputs {
		errs = append(errs, m.inputs[i].Close())
	}
	return errors.Join(errs...)
}
