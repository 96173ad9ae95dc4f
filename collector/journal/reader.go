package journal

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// A Reader reads entries in the order in which they became durable, and waits
// for more. It is for one goroutine.
type Reader struct {
	j    *Journal
	pos  Pos
	f    File
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
// place it returns a *CorruptionErr and the next call goes on after it: with
// the next whole record, or the next segment where the header is damaged.
// Entries that another collector has are left out.
func (r *Reader) Next(ctx context.Context) (Entry, Pos, error) {
	for {
		e, err := r.scan.next()
		var bad *CorruptionErr
		switch {
		case errors.Is(err, io.EOF):
			err = r.advance(ctx)
			if errors.As(err, &bad) {
				r.skipTo(bad.Segment + 1)
			}
			if err != nil {
				return Entry{}, r.pos, err
			}
			continue
		case errors.As(err, &bad) || err == nil:
			r.pos = Pos{r.scan.number, r.scan.off}
		}
		if err == nil && r.j.isElsewhere(&e) {
			continue
		}
		return e, r.pos, err
	}
}

// isElsewhere reports whether another collector has e.
func (j *Journal) isElsewhere(e *Entry) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost && j.stored.isElsewhere(bootKey{e.Sensor, e.Boot}, e.Batch)
}

// advance waits until the segment has grown, or opens the one after it. It does
// not leave a segment before there is another: how much of the last one counts
// is settled by the header of the next.
func (r *Reader) advance(ctx context.Context) error {
	for {
		seg, found, last, changed := r.j.at(r.pos.Segment)
		switch {
		case found && (r.f == nil || r.scan.number != seg.number):
			return r.open(seg)
		case found && seg.known && r.scan.end < seg.end:
			r.scan.end = seg.end
			return nil
		case found && !last:
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
	f, err := r.j.disk.Open(r.j.path(seg.number))
	if errors.Is(err, fs.ErrNotExist) { // removed just now: this reader holds nothing
		return &CorruptionErr{Segment: seg.number, Reason: "file is gone"}
	}
	if err != nil {
		return err
	}
	h, err := readHeader(f, seg.number, seg.end)
	if err != nil {
		f.Close()
		return err
	}
	if !seg.known {
		if after, found, _, _ := r.j.at(seg.number + 1); found {
			seg.end = r.j.durableEnd(seg, after)
		}
	}
	off := h.first()
	if r.pos.Segment == seg.number {
		off = max(off, r.pos.Offset)
	}
	r.f, r.pos = f, Pos{seg.number, off}
	r.scan = scanner{r: f, number: seg.number, marker: h.marker, off: off, end: seg.end, mem: r.scan.mem}
	return nil
}

// at returns the first segment whose number is not less than the given one,
// whether it is the last, and a channel that is closed when any of that
// changes.
func (j *Journal) at(number uint64) (seg segment, found, last bool, changed chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.segs {
		if s.number >= number {
			return s, true, i == len(j.segs)-1, j.changed
		}
	}
	return segment{}, false, false, j.changed
}
