package journal

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// group is what one write and one sync make durable together.
type group struct {
	buf   []byte
	items []item
	kept  []int // indices of the items whose records are in buf
}

type item struct {
	boot       bootKey
	batch      uint64
	received   int64
	start, end int // in buf
	stored     bool
	done       func(error)
}

func (g *group) add(head []byte, e *Entry, done func(error)) {
	start := len(g.buf)
	g.buf = append(append(g.buf, head...), e.Body...)
	g.items = append(g.items, item{
		boot: bootKey{e.Sensor, e.Boot}, batch: e.Batch, received: e.Received,
		start: start, end: len(g.buf), done: done,
	})
}

// reset empties the group and keeps its memory.
func (g *group) reset() {
	clear(g.items)
	g.buf, g.items, g.kept = g.buf[:0], g.items[:0], g.kept[:0]
}

// dropDuplicates takes out of buf what is stored already or twice in the
// group, and marks what is stored. Records move forward, never over a record
// that is still to be looked at.
func (g *group) dropDuplicates(stored memory) {
	seen := make(map[ID]struct{}, len(g.items))
	out := g.buf[:0]
	for i := range g.items {
		it := &g.items[i]
		it.stored = stored.contains(it.boot, it.batch)
		if it.stored {
			continue
		}
		id := it.id()
		if _, twice := seen[id]; twice {
			continue
		}
		seen[id] = struct{}{}
		start := len(out)
		out = append(out, g.buf[it.start:it.end]...)
		it.start, it.end = start, len(out)
		g.kept = append(g.kept, i)
	}
	g.buf = out
}

func (it *item) id() ID { return ID{it.boot.sensor, it.boot.boot, it.batch} }

// ids returns the names of what was written.
func (g *group) ids() []ID {
	ids := make([]ID, len(g.kept))
	for i, n := range g.kept {
		ids[i] = g.items[n].id()
	}
	return ids
}

// mark writes the marker of the segment into each record.
func (g *group) mark(m marker) {
	for _, i := range g.kept {
		copy(g.buf[g.items[i].start:], m[:])
	}
}

// segmentFile is the segment being appended to.
type segmentFile struct {
	f      File
	header header
	size   int64 // of what is durable
}

// commitLoop makes group after group durable. While one is being synced, the
// next gathers: the slower the disk, the larger the groups. After a claim that
// was given up nothing more is written: a segment's checkpoint says of all
// before it that it is settled.
func (j *Journal) commitLoop() {
	defer close(j.done)
	var g group
	var unsettled error
	for {
		j.mu.Lock()
		j.since = time.Time{}
		for len(j.pending.items) == 0 && !j.closed {
			j.work.Wait()
		}
		if len(j.pending.items) == 0 {
			j.mu.Unlock()
			return
		}
		j.since = time.Now()
		g, j.pending = j.pending, g
		j.room.Broadcast()
		g.dropDuplicates(j.stored) // only this goroutine changes stored
		j.mu.Unlock()

		var elsewhere []int
		err := unsettled
		if err == nil {
			err = j.write(&g)
		}
		if err == nil {
			elsewhere, unsettled = j.claim(g.ids())
			err = unsettled
		}
		j.settle(&g, elsewhere, err)
		for i := range g.items {
			if g.items[i].stored {
				g.items[i].done(nil)
			} else {
				g.items[i].done(err)
			}
		}
		g.reset()
	}
}

// claim asks which of ids another collector has.
func (j *Journal) claim(ids []ID) (elsewhere []int, err error) {
	if j.opts.Claim == nil || len(ids) == 0 {
		return nil, nil
	}
	elsewhere, err = j.opts.Claim(j.claims, ids)
	if err != nil {
		return nil, fmt.Errorf("claiming batches: %w", err)
	}
	return elsewhere, nil
}

// settle enters the outcome of a group.
func (j *Journal) settle(g *group, elsewhere []int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := len(g.kept)
	j.stats.Duplicates += uint64(len(g.items) - kept)
	if err != nil {
		j.stats.Failed += uint64(kept)
		return
	}
	if kept == 0 {
		return
	}
	for _, i := range g.kept {
		it := &g.items[i]
		j.stored.add(it.boot, it.batch, it.received)
	}
	for _, n := range elsewhere {
		it := &g.items[g.kept[n]]
		j.loseLocked(it.boot, it.batch, j.active.header.number)
	}
	j.stats.Entries += uint64(kept)
	j.stats.Bytes += uint64(len(g.buf) - kept*(recHead+metaSize))
	j.stats.Groups++
	last := &j.segs[len(j.segs)-1]
	j.size += j.active.size - last.end
	last.end = j.active.size
	j.end = Pos{j.active.header.number, j.active.size}
	j.notifyLocked()
}

func (j *Journal) loseLocked(boot bootKey, batch, segment uint64) {
	j.stored.lose(boot, batch, segment)
	j.lost = true
	j.stats.Elsewhere++
}

func (j *Journal) notifyLocked() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// write makes g durable at the end of the active segment. An error is final
// for the segment: after a failed sync the kernel may have dropped the pages
// and call the next sync a success. So what is not known to be durable is cut
// off, and a new segment, whose header says how much of this one counts, is
// tried after a pause.
func (j *Journal) write(g *group) error {
	if len(g.buf) == 0 {
		return nil
	}
	if time.Now().Before(j.paused) { // it was queued when the disk failed
		return j.cause
	}
	err := j.ready(int64(len(g.buf)))
	if err == nil {
		g.mark(j.active.header.marker)
		if err = j.active.append(g.buf); err != nil {
			err = fmt.Errorf("appending to journal segment %08x: %w", j.active.header.number, err)
			j.cut()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cause = err
	if err != nil {
		j.paused = time.Now().Add(pauseAfterFailure)
	}
	return err
}

func (a *segmentFile) append(buf []byte) error {
	if _, err := a.f.Write(buf); err != nil {
		return err
	}
	if err := a.f.Sync(); err != nil {
		return err
	}
	a.size += int64(len(buf))
	return nil
}

// ready sees to it that there is an active segment with room for n bytes.
func (j *Journal) ready(n int64) error {
	if a := j.active; a != nil && a.size-a.header.first()+n > j.opts.SegmentSize {
		j.seal()
	}
	if j.active != nil {
		return j.space(n)
	}
	if err := j.create(n); err != nil {
		return fmt.Errorf("creating journal segment: %w", err)
	}
	return nil
}

const (
	// leastFree and freeShare are the default of Options.MinFree: room for the
	// consumers to work in, without which the journal never gets shorter.
	leastFree = 1 << 30
	freeShare = 20 // 5 %
)

// space returns an error where n bytes more are beyond the bounds.
func (j *Journal) space(n int64) error {
	j.mu.Lock()
	size := j.size
	j.mu.Unlock()
	if most := j.opts.MaxBytes; most > 0 && size+n > most {
		return fmt.Errorf("%w: %d of at most %d bytes, and its consumers lag", ErrFull, size, most)
	}
	free, floor, err := j.free()
	if err != nil {
		return err
	}
	if floor > 0 && free-n < floor {
		return fmt.Errorf("%w: %d bytes are free on its disk, %d are to stay so", ErrFull, free, floor)
	}
	return nil
}

// free returns how many bytes are free on the disk and how many are to stay so,
// 0 where that is not looked at.
func (j *Journal) free() (free, floor int64, err error) {
	if floor = j.opts.MinFree; floor < 0 {
		return math.MaxInt64, 0, nil
	}
	free, all, err := j.disk.Space(j.dir)
	if floor == 0 {
		floor = min(leastFree, all/freeShare)
	}
	return free, floor, err
}

// Room returns the numbers of the oldest segment and of the newest, and how many
// bytes the journal may still take.
func (j *Journal) Room() (oldest, newest uint64, left int64, err error) {
	free, floor, err := j.free()
	if err != nil {
		return 0, 0, 0, err
	}
	left = max(0, free-floor)
	j.mu.Lock()
	defer j.mu.Unlock()
	if most := j.opts.MaxBytes; most > 0 {
		left = min(left, max(0, most-j.size))
	}
	if n := len(j.segs); n > 0 {
		oldest, newest = j.segs[0].number, j.segs[n-1].number
	}
	return oldest, newest, left, nil
}

// cut ends the active segment after a failure. To take off what is not durable
// gives back the space; that it does not count is in the next header, so an
// error means nothing.
func (j *Journal) cut() {
	if j.active.f.Truncate(j.active.size) == nil {
		j.active.f.Sync()
	}
	j.seal()
}

// seal ends the active segment. All of it is durable, so an error of close
// means nothing.
func (j *Journal) seal() {
	j.active.f.Close()
	j.prior = j.active.size
	j.active = nil
}

// create makes the next segment, with a checkpoint of what is stored, where
// there is room for it and n bytes.
func (j *Journal) create(n int64) error {
	h := header{number: j.next, created: time.Now().UnixNano(), prior: j.prior}
	rand.Read(h.marker[:])
	j.mu.Lock()
	oldest := h.number
	if len(j.segs) > 0 {
		oldest = j.segs[0].number
	}
	j.stored.forget(oldest)
	checkpoint := j.stored.append(nil)
	j.mu.Unlock()
	h.length = len(checkpoint)
	if err := j.space(h.first() + n); err != nil {
		return err
	}
	f, err := j.createFile(h.number, h.append(nil, checkpoint))
	if err != nil {
		return err
	}
	j.next++
	j.active = &segmentFile{f: f, header: h, size: h.first()}
	j.mu.Lock()
	j.segs = append(j.segs, segment{h.number, h.first(), true})
	j.size += h.first()
	j.notifyLocked()
	j.mu.Unlock()
	return nil
}

// createFile makes the file of a segment under a temporary name, syncs it and
// renames it: there is no segment without a whole header.
func (j *Journal) createFile(number uint64, head []byte) (f File, err error) {
	path := j.path(number)
	tmp := path + durable.TempSuffix
	if f, err = j.disk.Create(tmp); err != nil {
		return nil, err
	}
	if _, err = f.Write(head); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.disk.Rename(tmp, path)
	}
	if err == nil {
		err = j.disk.SyncDir(j.dir)
	}
	if err != nil {
		f.Close()
		j.disk.Remove(tmp) // it may have its name already; then the next try replaces it
		return nil, err
	}
	return f, nil
}
