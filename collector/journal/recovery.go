package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// Recovery is what Open found and did.
type Recovery struct {
	Segments int // on disk
	Entries  int // in the segments that were read
	CutBytes int64

	// Cut is where and why the newest segment was cut, nil where it was whole.
	// What is cut off had most likely not been acknowledged.
	Cut *CorruptionErr

	// Damage is what else cannot be read of the segments that were read. It
	// stays on disk, and a Reader reports it again when it skips it.
	Damage []*CorruptionErr
}

func (r Recovery) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d segments, %d entries in the newest", r.Segments, r.Entries)
	if r.Cut != nil {
		fmt.Fprintf(&s, "; cut %d bytes: %v", r.CutBytes, r.Cut)
	}
	for _, e := range r.Damage {
		fmt.Fprintf(&s, "; damaged: %v", e)
	}
	return s.String()
}

// open takes the lock, lists the segments and rebuilds the memory: from the
// newest checkpoint that is whole, which has all that came before, and the
// entries from there on. That is one segment, unless its checkpoint is damaged.
func (j *Journal) open() (rec Recovery, err error) {
	if j.lock, err = j.disk.Lock(j.dir); err != nil {
		return rec, err
	}
	if err := j.list(); err != nil {
		return rec, err
	}
	rec.Segments = len(j.segs)
	from, err := j.restore(&rec)
	if err != nil {
		return rec, err
	}
	for i := from; i < len(j.segs); i++ {
		if err := j.replay(i, &rec); err != nil {
			return rec, err
		}
	}
	if n := len(j.segs); n > 0 {
		j.prior = j.segs[n-1].end
		j.end = Pos{j.segs[n-1].number, j.segs[n-1].end}
	}
	return rec, nil
}

// list finds the segments and removes what a crash left of an unfinished one.
func (j *Journal) list() error {
	files, err := j.disk.List(j.dir)
	if err != nil {
		return err
	}
	for name, size := range files {
		if strings.HasSuffix(name, durable.TempSuffix) {
			if err := j.disk.Remove(filepath.Join(j.dir, name)); err != nil {
				return err
			}
			continue
		}
		hex, ok := strings.CutSuffix(name, ".seg")
		number, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil || j.path(number) != filepath.Join(j.dir, name) {
			continue
		}
		j.segs = append(j.segs, segment{number: number, end: size})
		j.size += size
		j.next = max(j.next, number+1)
	}
	slices.SortFunc(j.segs, func(a, b segment) int { return int(int64(a.number) - int64(b.number)) })
	// The newest may have been renamed by a process that died before the name
	// was durable; the older must not go before it is.
	return j.disk.SyncDir(j.dir)
}

// restore reads the newest checkpoint that is whole, and returns the index of
// its segment: 0 where there is none, since then all there is to know is in
// the entries.
func (j *Journal) restore(rec *Recovery) (from int, err error) {
	j.stored = make(memory)
	for i := len(j.segs) - 1; i >= 0; i-- {
		seg := &j.segs[i]
		f, err := j.disk.Open(j.path(seg.number))
		if err != nil {
			return 0, err
		}
		if i == len(j.segs)-1 {
			// The process that died may have left what it never synced, or what
			// it synced in vain.
			if err := f.Sync(); err != nil {
				f.Close()
				return 0, err
			}
			f.Forget()
		}
		h, err := readHeader(f, seg.number, seg.end)
		var m memory
		if err == nil {
			m, err = h.readCheckpoint(f)
		}
		f.Close()
		if err == nil {
			j.stored = m
			for _, b := range m {
				j.lost = j.lost || len(b.elsewhere.Runs()) > 0
			}
			return i, nil
		}
		var bad *CorruptionErr
		if !errors.As(err, &bad) {
			return 0, err
		}
		rec.Damage = append(rec.Damage, bad)
	}
	return 0, nil
}

// replay enters the entries of a segment into the memory. The newest is cut
// behind its last whole record.
func (j *Journal) replay(i int, rec *Recovery) error {
	seg, newest := &j.segs[i], i == len(j.segs)-1
	f, err := j.disk.Open(j.path(seg.number))
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := readHeader(f, seg.number, seg.end)
	if err != nil { // restore has reported it
		return nil
	}
	if !newest {
		seg.end, seg.known = j.durableEnd(*seg, j.segs[i+1]), true
	}
	s := &scanner{r: f, number: seg.number, marker: h.marker, off: h.first(), end: seg.end}
	var ids []ID
	var damage []*CorruptionErr
	for {
		e, err := s.next()
		var bad *CorruptionErr
		switch {
		case errors.Is(err, io.EOF):
		case errors.As(err, &bad):
			damage = append(damage, bad)
			continue
		default:
			j.stored.add(bootKey{e.Sensor, e.Boot}, e.Batch, e.Received)
			ids = append(ids, ID{e.Sensor, e.Boot, e.Batch})
			continue
		}
		break
	}
	if n := len(damage); newest && n > 0 && damage[n-1].Offset+damage[n-1].Bytes == seg.end {
		rec.Cut, rec.CutBytes = damage[n-1], damage[n-1].Bytes
		damage = damage[:n-1]
		if err := f.Truncate(rec.Cut.Offset); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		seg.end = rec.Cut.Offset
		j.size -= rec.CutBytes
	}
	seg.known = true
	rec.Damage = append(rec.Damage, damage...)
	rec.Entries += len(ids)
	return j.settleRecovered(seg.number, ids)
}

// settleRecovered claims entries of which it is not known whether they were: a
// crash may have come between sync and claim. Those that were stay what they
// are.
func (j *Journal) settleRecovered(segment uint64, ids []ID) error {
	if j.opts.Claim == nil || len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(j.claims, openTimeout)
	defer cancel()
	elsewhere, err := j.opts.Claim(ctx, ids)
	if err != nil {
		return fmt.Errorf("claiming batches: %w", err)
	}
	for _, i := range elsewhere {
		j.loseLocked(bootKey{ids[i].Sensor, ids[i].Boot}, ids[i].Batch, segment)
	}
	return nil
}

// durableEnd returns how much of a segment counts: what the header of the one
// after it says, if that can be read. It may be more than the file still has.
func (j *Journal) durableEnd(seg, after segment) int64 {
	if after.number != seg.number+1 {
		return seg.end
	}
	f, err := j.disk.Open(j.path(after.number))
	if err != nil {
		return seg.end
	}
	defer f.Close()
	h, err := readHeader(f, after.number, after.end)
	if err != nil || h.prior == 0 {
		return seg.end
	}
	return h.prior
}
