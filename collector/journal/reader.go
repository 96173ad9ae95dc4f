package journal

import (
	"context"
	"errors"
	"io"
	"os"
)

// A Reader reads entries in the order in which they became durable, and waits
// for more. It is for one goroutine.
type Reader struct {
	j    *Journal
	pos  Pos
	f    *os.File
	scan scanner // of f
}

// Reader returns a reader of the entries after pos. Where pos is gone, it
// begins with the oldest segment after it.
func (j *Journal) Reader(pos Pos) *Reader { return &Reader{j: j, pos: pos} }

// Pos returns where the reader is: all before it was read, or was skipped and
// reported.
func (r *Reader) Pos() Pos { return r.pos }

// Next returns the next entry and the position after it; it waits for one until
// ctx is done. The entry's Body is valid until the next call. For a damaged
// place it returns a *CorruptionErr and the next call goes on with the segment
// after it.
func (r *Reader) Next(ctx context.Context) (Entry, Pos, error) {
	for {
		e, err := r.scan.next()
		if err == nil {
			r.pos = Pos{r.scan.number, r.scan.off}
			return e, r.pos, nil
		}
		if errors.Is(err, io.EOF) {
			err = r.advance(ctx)
		}
		if err != nil {
			var bad *CorruptionErr
			if errors.As(err, &bad) {
				r.skipTo(bad.Segment + 1)
			}
			return Entry{}, r.pos, err
		}
	}
}

// advance waits until the segment has grown, or opens the one after it.
func (r *Reader) advance(ctx context.Context) error {
	for {
		seg, found, growing, changed := r.j.at(r.pos.Segment)
		switch {
		case found && (r.f == nil || r.scan.number != seg.number):
			return r.open(seg)
		case found && r.scan.end < seg.end:
			r.scan.end = seg.end
			return nil
		case found && !growing:
			r.skipTo(seg.number + 1)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close closes the reader.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

func (r *Reader) skipTo(segment uint64) {
	r.Close()
	r.pos = Pos{Segment: segment}
	r.scan = scanner{mem: r.scan.mem}
}

func (r *Reader) open(seg segment) error {
	r.Close()
	f, err := os.Open(r.j.path(seg.number))
	if errors.Is(err, os.ErrNotExist) { // removed just now: this reader holds nothing
		return &CorruptionErr{Segment: seg.number, Reason: "file is gone"}
	}
	if err != nil {
		return err
	}
	_, off, err := readHeader(f, seg.number, seg.end)
	if err != nil {
		f.Close()
		return err
	}
	if r.pos.Segment == seg.number {
		off = max(off, r.pos.Offset)
	}
	r.f, r.pos = f, Pos{seg.number, off}
	r.scan = scanner{r: f, number: seg.number, off: off, end: seg.end, mem: r.scan.mem}
	return nil
}

// at returns the first segment whose number is not less than the given one,
// whether it may still grow, and a channel that is closed when any of that
// changes.
func (j *Journal) at(number uint64) (seg segment, found, growing bool, changed chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.segs {
		if s.number >= number {
			return s, true, j.growing && i == len(j.segs)-1, j.changed
		}
	}
	return segment{}, false, false, j.changed
}
